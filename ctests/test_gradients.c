/* Derivatives of first and second order against differences, and how gradients are asked for. */
#include "support.h"

#include <pthread.h>

/* The Parameters of the table's expressions, and one index tensor. */
static ng_tensor *w, *p, *m, *v, *s, *b, *i;

#define CONCATENATE_(a, b) a##b
#define CONCATENATE(a, b) CONCATENATE_(a, b)
#define GRADIENT(function, ...)                                                                    \
  static ng_tensor *CONCATENATE(build_, __LINE__)(void) { return __VA_ARGS__; }
#include "gradient_cases.def"
#undef GRADIENT

static const struct {
  const char *text;
  ng_tensor *(*build)(void);
} cases[] = {
#define GRADIENT(function, ...) {#__VA_ARGS__, CONCATENATE(build_, __LINE__)},
#include "gradient_cases.def"
#undef GRADIENT
};

static ng_tensor *parameter_of(int32_t rank, const int64_t *shape, double scale, double offset) {
  double numbers[64];
  int64_t size = 1;
  for (int32_t axis = 0; axis < rank; axis++)
    size *= shape[axis];
  for (int64_t k = 0; k < size; k++)
    numbers[k] = offset + scale * cos((double)(5 * k + rank));
  return make_parameter(NG_FLOAT64, rank, shape, (struct numbers){size, numbers});
}

static void make_operands(void) {
  w = make_parameter(NG_FLOAT64, SHAPE(2, 3), NUMBERS(0.7, -1.1, 0.3, -0.4, 1.3, -0.8));
  p = make_parameter(NG_FLOAT64, SHAPE(2, 3), NUMBERS(0.25, 0.6, 0.85, 0.4, 0.7, 0.3));
  v = make_parameter(NG_FLOAT64, SHAPE(3), NUMBERS(0.5, -0.6, 0.9));
  m = parameter_of(SHAPE(3, 4), 0.7, 0.1);
  s = parameter_of(SCALAR, 1, 0.2);
  b = parameter_of(SHAPE(2, 2, 3), 0.8, -0.1);
  i = make(NG_INT64, SHAPE(2, 2), NUMBERS(2, 0, 1, 1));
}

static void test_every_operator_first_and_second_order(void **state) {
  (void)state;
  for (size_t k = 0; k < COUNT(cases); k++) {
    make_operands();
    print_message("%s\n", cases[k].text);
    ng_tensor *y = cases[k].build();
    ng_tensor *loss = weighted_sum(y);
    double error = NAN;
    expect_ok(ng_check_gradients(loss, 1e-5, &error));
    expect_close(error, 0, 1e-7);
    ng_tensor *with[] = {w, p, m, v, s, b}, *first[COUNT(with)];
    expect_ok(ng_gradients(loss, NULL, with, COUNT(with), first));
    ng_tensor *second = weighted_sum(first[0]);
    for (size_t n = 1; n < COUNT(with); n++)
      second = ng_add(second, weighted_sum(first[n]));
    error = NAN;
    expect_ok(ng_check_gradients(second, 1e-5, &error));
    expect_close(error, 0, 1e-6);
  }
}

static void test_check_finds_a_wrong_gradient(void **state) {
  (void)state;
  make_operands();
  double error = 0;
  /* stop_gradient hides half of it: 2w on one side, w on the other. */
  ng_tensor *loss = weighted_sum(ng_multiply(w, ng_stop_gradient(w)));
  expect_ok(ng_check_gradients(loss, 1e-5, &error));
  assert_true(error > 0.1);
}

static void test_check_leaves_no_trace(void **state) {
  (void)state;
  make_operands();
  ng_tensor *loss = weighted_sum(ng_tanh(w));
  double before[6], after[6], accumulated[6], error;
  expect_ok(ng_backward(loss));
  expect_ok(ng_read(w, before, sizeof before));
  expect_ok(ng_read(ng_grad(w), accumulated, sizeof accumulated));
  expect_ok(ng_check_gradients(loss, 1e-3, &error));
  expect_ok(ng_read(w, after, sizeof after));
  assert_memory_equal(before, after, sizeof before);
  expect_numbers(ng_grad(w), ((struct numbers){6, accumulated}), 0);
}

static void test_third_order(void **state) {
  (void)state;
  ng_tensor *x = make_parameter(NG_FLOAT64, SHAPE(2), NUMBERS(2, -1));
  ng_tensor *y = ng_power_scalar(x, 4);
  y = gradient(y, x);
  expect_numbers(y, NUMBERS(32, -4), 1e-12);
  y = gradient(y, x);
  expect_numbers(y, NUMBERS(48, 12), 1e-12);
  y = gradient(y, x);
  expect_numbers(y, NUMBERS(48, -24), 1e-12);
  y = gradient(gradient(y, x), x);
  expect_numbers(y, NUMBERS(0, 0), 1e-12);
}

static void test_backward_accumulates(void **state) {
  (void)state;
  ng_tensor *x = make_parameter(NG_FLOAT64, SHAPE(2), NUMBERS(3, -2));
  ng_tensor *other = make_parameter(NG_FLOAT64, SHAPE(2), NUMBERS(1, 1));
  ng_tensor *loss = ng_ridge(x), *g = ng_grad(x);
  assert_int_equal(ng_is_variable(g), 1);
  expect_tensor(g, NG_FLOAT64, SHAPE(2), NUMBERS(0, 0));
  expect_ok(ng_backward(loss));
  expect_item(loss, 13, 0);
  expect_numbers(g, NUMBERS(6, -4), 0); /* the handle follows */
  expect_ok(ng_backward(loss));
  expect_ok(ng_backward(ng_lasso(x)));
  expect_numbers(g, NUMBERS(13, -9), 0);
  expect_numbers(ng_grad(x), NUMBERS(13, -9), 0);
  expect_numbers(ng_grad(other), NUMBERS(0, 0), 0);
  expect_ok(ng_backward(ng_sum(other, ALL_AXES, 0)));
  expect_ok(ng_zero_grad(&x, 1));
  expect_numbers(g, NUMBERS(0, 0), 0);
  expect_numbers(ng_grad(other), NUMBERS(1, 1), 0);
  expect_ok(ng_backward(loss));
  expect_numbers(g, NUMBERS(6, -4), 0);
  expect_ok(ng_zero_grad(TENSORS(x, other), 2));
  expect_numbers(ng_grad(x), NUMBERS(0, 0), 0);
  expect_numbers(ng_grad(other), NUMBERS(0, 0), 0);
}

static void test_gradient_follows_in_expressions(void **state) {
  (void)state;
  ng_tensor *x = make_parameter(NG_FLOAT32, SHAPE(2), NUMBERS(1, 2));
  ng_tensor *norm = ng_sqrt(ng_ridge(ng_grad(x)));
  expect_item(norm, 0, 0);
  expect_ok(ng_backward(ng_matmul(x, make(NG_FLOAT32, SHAPE(2), NUMBERS(3, 4)))));
  expect_item(norm, 5, 1e-6);
  expect_ok(ng_zero_grad(&x, 1));
  expect_item(norm, 0, 0);
}

static void test_shared_paths_add_up(void **state) {
  (void)state;
  ng_tensor *x = make(NG_FLOAT64, SCALAR, NUMBERS(2)), *y = x;
  for (int k = 0; k < 40; k++)
    y = ng_add(y, y); /* 2⁴⁰ paths, 40 operators */
  expect_item(gradient(y, x), 0x1p40, 0);
}

static void test_with_respect_to_anything(void **state) {
  (void)state;
  ng_tensor *x = make(NG_FLOAT64, SHAPE(2), NUMBERS(1, 2));
  ng_tensor *h = ng_multiply(x, x), *y = ng_multiply(h, ng_add(h, x));
  ng_tensor *apart = make(NG_FLOAT64, SHAPE(1, 3), NUMBERS(1, 1, 1)), *g[4];
  expect_ok(ng_gradients(y, NULL, TENSORS(h, x, apart, y), 4, g));
  expect_numbers(g[0], NUMBERS(3, 10), 1e-12); /* 2h + x, x being held */
  expect_numbers(g[1], NUMBERS(7, 44), 1e-12); /* 4x³ + 3x² */
  expect_tensor(g[2], NG_FLOAT64, SHAPE(1, 3), NUMBERS(0, 0, 0));
  expect_numbers(g[3], NUMBERS(1, 1), 0);
  expect_ok(ng_gradients(y, NULL, TENSORS(x, x), 2, g));
  expect_numbers(g[0], NUMBERS(7, 44), 1e-12);
  expect_numbers(g[1], NUMBERS(7, 44), 1e-12);
}

static void test_seeds(void **state) {
  (void)state;
  ng_tensor *x = make(NG_FLOAT64, SHAPE(2), NUMBERS(1, 3)), *y = ng_multiply(x, x), *g;
  ng_tensor *seed = make_parameter(NG_FLOAT64, SHAPE(2), NUMBERS(10, -1));
  expect_ok(ng_gradients(y, seed, &x, 1, &g));
  expect_numbers(g, NUMBERS(20, -6), 0);
  /* The result is linear in the seed, and can be differentiated in it: forward mode. */
  expect_numbers(gradient(g, seed), NUMBERS(2, 6), 0);
  const double other[] = {1, 1};
  expect_ok(ng_write(seed, other, sizeof other));
  expect_numbers(g, NUMBERS(2, 6), 0);
}

static void test_hessian_vector_product(void **state) {
  (void)state;
  /* f = x₀²·x₁ has the Hessian [[2x₁, 2x₀], [2x₀, 0]]. */
  ng_tensor *x = make(NG_FLOAT64, SHAPE(2), NUMBERS(3, 5));
  ng_tensor *x0 = ng_select(x, 0, 0), *f = ng_multiply(ng_multiply(x0, x0), ng_select(x, 0, 1));
  ng_tensor *direction = make(NG_FLOAT64, SHAPE(2), NUMBERS(1, 2)), *product;
  expect_ok(ng_gradients(gradient(f, x), direction, &x, 1, &product));
  expect_numbers(product, NUMBERS(10 + 12, 6), 1e-12);
}

static void test_failure_adds_nothing(void **state) {
  (void)state;
  ng_tensor *x = make_parameter(NG_FLOAT32, SHAPE(3), NUMBERS(1, 2, 3)), *g = ng_grad(x);
  expect_ok(ng_backward(ng_ridge(x)));
  ng_tensor *index = make(NG_INT32, SHAPE(1), NUMBERS(3)), *picked = ng_gather(x, index, 0);
  assert_int_equal(ng_backward(ng_sum(picked, ALL_AXES, 0)), NG_ERROR_INDEX);
  expect_error(NG_ERROR_INDEX, "ng_backward");
  assert_int_equal(ng_backward(x), NG_ERROR_SHAPE);
  expect_error(NG_ERROR_SHAPE, "ng_backward");
  assert_int_equal(ng_backward(ng_sum(index, ALL_AXES, 0)), NG_ERROR_DTYPE);
  expect_error(NG_ERROR_DTYPE, "ng_backward");
  expect_numbers(g, NUMBERS(2, 4, 6), 0);
  ng_tensor *untouched[2] = {x, index};
  ng_tensor *seed = ng_ones(NG_FLOAT32, SHAPE(2));
  assert_int_equal(ng_gradients(x, seed, TENSORS(x, x), 2, untouched), NG_ERROR_SHAPE);
  expect_error(NG_ERROR_SHAPE, "ng_gradients");
  assert_true(untouched[0] == x && untouched[1] == index);
}

static void test_the_first_example(void **state) {
  (void)state;
  const float three[] = {1, 2, 3};
  const int64_t shape[] = {3};
  ng_tensor *w = ng_parameter(NG_FLOAT32, 1, shape, three, "w");
  expect_ok(ng_scope_begin());
  ng_tensor *loss = ng_ridge(w);
  expect_ok(ng_backward(loss));
  float gradient[3];
  expect_ok(ng_read(ng_grad(w), gradient, sizeof gradient));
  assert_int_equal(ng_error(), NG_OK);
  expect_item(loss, 14, 0);
  assert_true(gradient[0] == 2 && gradient[1] == 4 && gradient[2] == 6);
  expect_ok(ng_scope_end());
  expect_ok(ng_release(w));
}

static void test_one_element_is_enough(void **state) {
  (void)state;
  ng_tensor *x = make_parameter(NG_FLOAT64, SHAPE(1, 1), NUMBERS(3));
  expect_ok(ng_backward(ng_multiply(x, x)));
  expect_numbers(ng_grad(x), NUMBERS(6), 0);
}

/* On a stack that no recursion over the graph would fit. */
static void *differentiate_chain(void *gradient) {
  enum { length = 200000 };
  ng_tensor *x = ng_parameter(NG_FLOAT64, SCALAR, NULL, NULL), *y = x;
  for (int k = 0; k < length; k++) {
    ng_tensor *next = ng_add_scalar(y, 1);
    if (y != x)
      ng_release(y); /* the graph keeps it */
    y = next;
  }
  ng_tensor *g = ng_grad(x);
  if (ng_item(y) == length && ng_backward(y) == NG_OK)
    *(double *)gradient = ng_item(g);
  ng_release(g);
  ng_release(y);
  ng_release(x);
  return NULL;
}

static void test_long_chain(void **state) {
  (void)state;
  double gradient = 0;
  pthread_attr_t attributes;
  pthread_t thread;
  assert_int_equal(pthread_attr_init(&attributes), 0);
  assert_int_equal(pthread_attr_setstacksize(&attributes, 256 * 1024), 0);
  assert_int_equal(pthread_create(&thread, &attributes, differentiate_chain, &gradient), 0);
  assert_int_equal(pthread_join(thread, NULL), 0);
  assert_int_equal(pthread_attr_destroy(&attributes), 0);
  assert_true(gradient == 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_every_operator_first_and_second_order),
      TEST(test_check_finds_a_wrong_gradient),
      TEST(test_check_leaves_no_trace),
      TEST(test_third_order),
      TEST(test_backward_accumulates),
      TEST(test_gradient_follows_in_expressions),
      TEST(test_shared_paths_add_up),
      TEST(test_with_respect_to_anything),
      TEST(test_seeds),
      TEST(test_hessian_vector_product),
      TEST(test_failure_adds_nothing),
      TEST(test_the_first_example),
      TEST(test_one_element_is_enough),
      TEST(test_long_chain),
  };
  return cmocka_run_group_tests_name("gradients", tests, NULL, NULL);
}
