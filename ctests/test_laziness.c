/* A value is a function of the leaves: whichever way a leaf changes, what depends on it follows. */
#include "support.h"

static ng_tensor *w, *x, *y;

static void build(ng_dtype dtype) {
  w = make_parameter(dtype, SHAPE(2), NUMBERS(1, 2));
  x = make(dtype, SHAPE(2), NUMBERS(3, 4));
  y = ng_matmul(w, x);
  expect_item(y, 11, 0);
}

static void write_numbers(ng_tensor *leaf, double first, double second) {
  if (ng_dtype_of(leaf) == NG_FLOAT32) {
    const float numbers[] = {(float)first, (float)second};
    expect_ok(ng_write(leaf, numbers, sizeof numbers));
  } else {
    const double numbers[] = {first, second};
    expect_ok(ng_write(leaf, numbers, sizeof numbers));
  }
}

static void test_write(void **state) {
  (void)state;
  for (size_t d = 0; d < COUNT(float_dtypes); d++) {
    build(float_dtypes[d]);
    write_numbers(x, 5, 6);
    expect_item(y, 17, 0);
    write_numbers(w, -1, 0);
    expect_item(y, -5, 0);
    expect_item(y, -5, 0); /* and again, now that it is kept */
  }
}

static void test_assign(void **state) {
  (void)state;
  for (size_t d = 0; d < COUNT(float_dtypes); d++) {
    build(float_dtypes[d]);
    expect_ok(ng_assign(w, x));
    expect_item(y, 25, 0);
    expect_ok(ng_assign(x, ng_multiply(x, w))); /* from what depends on the leaf itself */
    expect_numbers(x, NUMBERS(9, 16), 0);
    expect_item(y, 91, 0);
    expect_ok(ng_assign(x, x));
    expect_item(y, 91, 0);
    write_numbers(w, 1, 1); /* a copy was made: what was assigned does not follow */
    expect_numbers(x, NUMBERS(9, 16), 0);
  }
}

static void test_optimizer_step(void **state) {
  (void)state;
  for (size_t d = 0; d < COUNT(float_dtypes); d++) {
    build(float_dtypes[d]);
    ng_optimizer *optimizers[] = {ng_sgd(0.5), ng_adam(0.5), ng_adamw(0.5)};
    for (size_t k = 0; k < COUNT(optimizers); k++) {
      expect_ok(ng_optimizer_add(optimizers[k], &w, 1));
      expect_ok(ng_optimizer_zero_grad(optimizers[k]));
      expect_ok(ng_backward(y));
      double before = ng_item(y), values[2];
      expect_ok(ng_optimizer_step(optimizers[k]));
      read_numbers(w, values);
      assert_true(ng_item(y) < before);
      expect_item(y, 3 * values[0] + 4 * values[1], tolerance_of(float_dtypes[d]));
      expect_ok(ng_optimizer_release(optimizers[k]));
    }
  }
}

static void test_gradients_follow(void **state) {
  (void)state;
  build(NG_FLOAT64);
  ng_tensor *g = gradient(ng_multiply(y, y), w); /* 2·y·x */
  expect_numbers(g, NUMBERS(66, 88), 1e-12);
  write_numbers(w, 0, 1);
  expect_numbers(g, NUMBERS(24, 32), 1e-12);
  write_numbers(x, 1, 1);
  expect_numbers(g, NUMBERS(2, 2), 1e-12);
  expect_ok(ng_backward(y));
  expect_numbers(ng_grad(w), NUMBERS(1, 1), 0);
  write_numbers(x, 7, 8);
  expect_ok(ng_backward(y));
  expect_numbers(ng_grad(w), NUMBERS(8, 9), 0);
}

static void test_values_along(void **state) {
  (void)state;
  ng_tensor *p = make_parameter(NG_FLOAT32, SHAPE(2, 3), NUMBERS(1, 5, 2, 0, 1, 7));
  ng_tensor *logits = ng_multiply_scalar(p, 2);
  ng_tensor *classes = make(NG_INT64, SHAPE(2), NUMBERS(1, 0));
  ng_tensor *error = ng_cross_entropy_logits_indices(logits, classes);
  ng_tensor *digits = ng_argmax(logits, -1, 0), *right = ng_equal(digits, classes);
  expect_ok(ng_backward_eval(error, TENSORS(digits, right, error, p), 4));
  expect_numbers(digits, NUMBERS(1, 2), 0);
  expect_numbers(right, NUMBERS(1, 0), 0);
  double alone = ng_item(error);
  float along[6], once[6];
  expect_ok(ng_read(ng_grad(p), along, sizeof along));
  expect_ok(ng_zero_grad(&p, 1));
  expect_ok(ng_backward_eval(error, NULL, 0));
  expect_ok(ng_read(ng_grad(p), once, sizeof once));
  assert_memory_equal(along, once, sizeof along);
  assert_true(ng_item(error) == alone);
}

static void test_every_view_follows(void **state) {
  (void)state;
  /* Operators that could be views must not keep showing old numbers, nor change with the leaf when
   * they have been copied out. */
  ng_tensor *leaf = make(NG_FLOAT32, SHAPE(2, 2), NUMBERS(1, 2, 3, 4));
  ng_tensor *reshaped = ng_reshape(leaf, SHAPE(4)), *transposed = ng_transpose(leaf);
  ng_tensor *sliced = ng_slice(leaf, 0, 1, 2, 1), *stopped = ng_stop_gradient(leaf);
  ng_tensor *same = ng_cast(leaf, NG_FLOAT32), *copy = ng_to_variable(leaf, NULL);
  expect_ok(ng_eval(TENSORS(reshaped, transposed, sliced, stopped, same), 5));
  const float numbers[] = {5, 6, 7, 8};
  expect_ok(ng_write(leaf, numbers, sizeof numbers));
  expect_numbers(reshaped, NUMBERS(5, 6, 7, 8), 0);
  expect_numbers(transposed, NUMBERS(5, 7, 6, 8), 0);
  expect_numbers(sliced, NUMBERS(7, 8), 0);
  expect_numbers(stopped, NUMBERS(5, 6, 7, 8), 0);
  expect_numbers(same, NUMBERS(5, 6, 7, 8), 0);
  expect_numbers(copy, NUMBERS(1, 2, 3, 4), 0);
}

static void test_only_what_depends(void **state) {
  (void)state;
  ng_tensor *a = make(NG_FLOAT64, SHAPE(2), NUMBERS(1, 2)),
            *b = make(NG_FLOAT64, SHAPE(2), NUMBERS(3, 4));
  ng_tensor *of_a = ng_exp(a), *of_b = ng_exp(b), *of_both = ng_add(of_a, of_b);
  expect_ok(ng_eval(TENSORS(of_a, of_b, of_both), 3));
  write_numbers(a, 0, 0);
  expect_numbers(of_a, NUMBERS(1, 1), 0);
  expect_numbers(of_b, NUMBERS(exp(3), exp(4)), 1e-12);
  expect_numbers(of_both, NUMBERS(1 + exp(3), 1 + exp(4)), 1e-12);
}

static void test_asked_in_any_order(void **state) {
  (void)state;
  ng_tensor *a = make(NG_FLOAT64, SHAPE(2), NUMBERS(1, 2));
  ng_tensor *b = ng_multiply(a, a), *c = ng_add(b, a), *e = ng_multiply(c, b);
  expect_numbers(b, NUMBERS(1, 4), 0); /* the middle first */
  write_numbers(a, 2, 3);
  expect_numbers(e, NUMBERS(24, 108), 0); /* the end, over a stale middle */
  expect_numbers(c, NUMBERS(6, 12), 0);
  write_numbers(a, 1, 1);
  expect_numbers(c, NUMBERS(2, 2), 0);
  expect_numbers(e, NUMBERS(2, 2), 0);
}

/* One loss, once built, once rebuilt at every step: the same training, bit for bit. */
static void train(int rebuilt, double *result) {
  ng_seed(7);
  ng_tensor *data = ng_normal(NG_FLOAT64, SHAPE(20, 3), 0, 1);
  ng_tensor *target = ng_normal(NG_FLOAT64, SHAPE(20), 0, 1);
  ng_tensor *weights = ng_to_parameter(ng_normal(NG_FLOAT64, SHAPE(3), 0, 1), "w");
  ng_optimizer *optimizer = ng_sgd(0.1);
  expect_ok(ng_optimizer_add(optimizer, &weights, 1));
  ng_tensor *once = ng_squared_error(ng_tanh(ng_matmul(data, weights)), target);
  for (int step = 0; step < 30; step++) {
    expect_ok(ng_scope_begin());
    expect_ok(ng_optimizer_zero_grad(optimizer));
    expect_ok(
        ng_backward(rebuilt ? ng_squared_error(ng_tanh(ng_matmul(data, weights)), target) : once));
    expect_ok(ng_optimizer_step(optimizer));
    expect_ok(ng_scope_end());
  }
  expect_ok(ng_read(weights, result, 3 * sizeof *result));
  result[3] = ng_item(once);
  expect_ok(ng_optimizer_release(optimizer));
}

static void test_built_once_or_every_step(void **state) {
  (void)state;
  double once[4], rebuilt[4];
  train(0, once);
  train(1, rebuilt);
  assert_memory_equal(once, rebuilt, sizeof once);
}

static void test_reading_gives_a_copy(void **state) {
  (void)state;
  build(NG_FLOAT64);
  double numbers[2];
  expect_ok(ng_read(x, numbers, sizeof numbers));
  numbers[0] = 100;
  expect_item(y, 11, 0);
  double source[] = {1, 1};
  expect_ok(ng_write(x, source, sizeof source));
  source[0] = 100;
  expect_item(y, 3, 0);
}

static void test_building_computes_nothing(void **state) {
  (void)state;
  /* An index out of range is an error of the evaluation, so building over it succeeds, and so does
   * evaluating what does not need it. */
  ng_tensor *a = make(NG_FLOAT32, SHAPE(2), NUMBERS(1, 2));
  ng_tensor *bad = ng_gather(a, make(NG_INT32, SHAPE(1), NUMBERS(9)), 0);
  ng_tensor *over = ng_exp(ng_add(bad, a)), *beside = ng_exp(ng_multiply_scalar(a, 0));
  assert_int_equal(ng_error(), NG_OK);
  expect_numbers(beside, NUMBERS(1, 1), 0);
  assert_int_equal(ng_eval(TENSORS(beside, over), 2), NG_ERROR_INDEX);
  expect_error(NG_ERROR_INDEX, "ng_eval");
  expect_numbers(beside, NUMBERS(1, 1), 0);
}

static void test_numbers_of_threads(void **state) {
  (void)state;
  int32_t before = ng_num_threads();
  static float one[64 * 64], two[64 * 64];
  ng_tensor *a = ng_normal(NG_FLOAT32, SHAPE(64, 64), 0, 1);
  const int32_t counts[] = {1, 2, 3, 8};
  for (size_t k = 0; k < COUNT(counts); k++) {
    expect_ok(ng_set_num_threads(counts[k]));
    assert_int_equal(ng_num_threads(), counts[k]);
    ng_tensor *z = ng_softmax(ng_matmul(ng_tanh(ng_matmul(a, a)), a), -1);
    expect_ok(ng_read(z, k == 0 ? one : two, sizeof one));
    if (k > 0)
      assert_memory_equal(one, two, sizeof one);
  }
  expect_ok(ng_set_num_threads(before));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_write),
      TEST(test_assign),
      TEST(test_optimizer_step),
      TEST(test_gradients_follow),
      TEST(test_values_along),
      TEST(test_every_view_follows),
      TEST(test_only_what_depends),
      TEST(test_asked_in_any_order),
      TEST(test_built_once_or_every_step),
      TEST(test_reading_gives_a_copy),
      TEST(test_building_computes_nothing),
      TEST(test_numbers_of_threads),
  };
  return cmocka_run_group_tests_name("laziness", tests, NULL, NULL);
}
