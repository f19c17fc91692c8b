/* What lies at the edges of the header: numbers it says nothing about, memory that is not there,
 * and functions that cannot fail. The tables of test_abuse.c count on the last. */
#include "support.h"

static ng_tensor *x, *v, *c, *p, *y, *i, *rows, *empty;
static const int64_t zeros[2], huge = (int64_t)1 << 62;

static void make_operands(void) {
  x = make(NG_FLOAT64, SHAPE(2, 3), NUMBERS(1, 2, 3, 4, 5, 6));
  v = make(NG_FLOAT64, SHAPE(3), NUMBERS(1, 2, 3));
  c = make(NG_FLOAT64, SCALAR, NUMBERS(2));
  p = make_parameter(NG_FLOAT64, SHAPE(2), NUMBERS(1, 2));
  y = ng_multiply(p, p);
  i = make(NG_INT64, SHAPE(2, 1), NUMBERS(0, 1));
  rows = make(NG_INT64, SHAPE(2), NUMBERS(0, 2));
  empty = ng_zeros(NG_FLOAT64, SHAPE(0, 3));
}

/* Numbers that the header leaves the library free to take or refuse. Either is fine; a crash, a
 * failure without a proper message, or a changed library is not. */
static void test_what_may_go_either_way(void **state) {
  (void)state;
  make_operands();
  const double odd[] = {NAN, INFINITY, -INFINITY, 1e308, -1e308, 0.5, 0x1p63, 5e-324, -0.0};
  for (size_t k = 0; k < COUNT(odd); k++) {
    double number = odd[k];
    ng_scope_begin();
    ng_tensor *made[] = {ng_constant(NG_FLOAT32, number),
                         ng_full(NG_INT32, SHAPE(2), number),
                         ng_full(NG_FLOAT32, SHAPE(2), number),
                         ng_add_scalar(x, number),
                         ng_add_scalar(i, number),
                         ng_multiply_scalar(i, number),
                         ng_power_scalar(x, number),
                         ng_power_scalar(i, number),
                         ng_clamp(x, -INFINITY, number),
                         ng_clamp(i, number, number),
                         ng_pad(i, 2, zeros, zeros, number),
                         ng_pad(x, 2, zeros, zeros, number),
                         ng_arange(NG_INT32, 0, 3, number),
                         ng_arange(NG_INT64, number, number + 2, 1),
                         ng_uniform(NG_FLOAT32, SHAPE(3), number, number),
                         ng_normal(NG_FLOAT32, SHAPE(3), number, 1),
                         ng_abs(i),
                         ng_sign(i),
                         ng_negate(i),
                         ng_relu(i),
                         ng_ridge(i),
                         ng_lasso(i),
                         ng_maximum(i, i),
                         ng_sum(x, 5, NULL, 0),
                         ng_sum(x, 0, (int32_t[]){0}, 0),
                         ng_zeros(NG_FLOAT32, SHAPE(huge, 0, huge)),
                         ng_reshape(empty, SHAPE(huge, 0, huge)),
                         ng_broadcast_to(empty, SHAPE(huge, 0, 3)),
                         ng_one_hot(empty, huge, NG_FLOAT64),
                         ng_variable(NG_FLOAT32, SHAPE(2), NULL, "\xff\xfe"),
                         ng_argmax(i, 0, INT32_MIN)};
    for (size_t j = 0; j < COUNT(made); j++) {
      if (made[j] != NULL)
        ng_eval(&made[j], 1);
    }
    if (ng_error() != NG_OK)
      assert_true(strncmp(ng_error_message(), "ng_", 3) == 0);
    ng_clear_error();
    ng_tensor *g;
    ng_gradients(y, NULL, TENSORS(i), 1, &g);
    ng_backward(ng_ridge(x)); /* a loss that no Parameter has part in */
    ng_eval(NULL, 0);
    ng_read(empty, NULL, 0);
    ng_schedule_release(ng_schedule_exponential(INT64_MAX, 5e-324, 1e308));
    ng_clear_error();
    assert_true(works());
    ng_scope_end();
  }
}

/* More bytes than there are addresses: refused at once or, being lazy, when they are asked for. */
static void test_memory_that_cannot_be_had(void **state) {
  (void)state;
  make_operands();
  const int64_t many = (int64_t)1 << 50;
  int64_t bytes = ng_live_bytes();
  ng_tensor *made[] = {
      ng_variable(NG_FLOAT64, SHAPE(many), NULL, "a"),
      ng_parameter(NG_FLOAT64, SHAPE(many), NULL, "a"),
      ng_zeros(NG_FLOAT64, SHAPE(many)),
      ng_ones(NG_INT64, SHAPE(many)),
      ng_full(NG_FLOAT32, SHAPE(many), 2),
      ng_normal(NG_FLOAT64, SHAPE(many), 0, 1),
      ng_uniform(NG_FLOAT64, SHAPE(many), 0, 1),
      ng_bernoulli(NG_FLOAT64, SHAPE(many), 0.5),
      ng_arange(NG_FLOAT64, 0, (double)many, 1),
      ng_permutation(many),
      ng_broadcast_to(c, SHAPE(many)),
      ng_one_hot(ng_broadcast_to(rows, SHAPE(many / 2, 2)), 2, 1),
      ng_matmul(ng_broadcast_to(c, SHAPE(many, 2)), ng_ones(NG_FLOAT64, SHAPE(2, 1))),
      ng_pad(v, 1, &many, zeros, 0)};
  for (size_t k = 0; k < COUNT(made); k++) {
    ng_clear_error();
    if (made[k] == NULL)
      continue;
    ng_tensor *computed = ng_exp(ng_cast(made[k], NG_FLOAT32));
    assert_int_equal(ng_eval(&computed, 1), NG_ERROR_MEMORY);
    expect_error(NG_ERROR_MEMORY, "ng_eval");
    assert_null(ng_to_variable(made[k], NULL));
    expect_error(NG_ERROR_MEMORY, "ng_to_variable");
  }
  if (made[1] != NULL) {
    assert_int_equal(ng_backward(ng_sum(made[1], ALL_AXES, 0)), NG_ERROR_MEMORY);
    expect_error(NG_ERROR_MEMORY, "ng_backward");
  }
  assert_true(works());
  assert_true(ng_live_bytes() < bytes + 4096);
}

/* Shapes with axes of any length and no elements: nothing is to be computed, however long they are.
 */
static void test_long_axes_without_elements(void **state) {
  (void)state;
  const int64_t longest = (int64_t)1 << 57;
  for (size_t k = 0; k < COUNT(float_dtypes); k++) {
    ng_dtype dtype = float_dtypes[k];
    ng_tensor *none = ng_zeros(dtype, SHAPE(longest, 3, 0));
    ng_tensor *made[] = {
        ng_sum(none, AXES(0), 0),
        ng_sum(none, AXES(0, 1), 1),
        ng_max(none, AXES(0), 0),
        ng_sum(ng_cast(none, NG_INT64), AXES(0), 0),
        ng_softmax(none, 0),
        ng_softmax(ng_zeros(dtype, SHAPE(0, longest)), 0),
        ng_exp(ng_log_softmax(ng_zeros(dtype, SHAPE(0, longest)), 0)),
        ng_matmul(ng_zeros(dtype, SHAPE(longest, 0, 3)), ng_ones(dtype, SHAPE(3, 2))),
        ng_matmul(none, ng_zeros(dtype, SHAPE(0, 0))),
        ng_exp(ng_transpose(none)),
        ng_slice(none, 0, 0, longest, 2)};
    for (size_t j = 0; j < COUNT(made); j++) {
      expect_ok(ng_eval(&made[j], 1));
      assert_int_equal(ng_size(made[j]), 0);
    }
    expect_item(ng_sum(none, ALL_AXES, 0), 0, 0);
    /* What is derived from something without elements, and what it is put beside. */
    ng_tensor *p = ng_parameter(dtype, SHAPE(0, longest), NULL, "p");
    ng_tensor *loss = ng_sum(ng_exp(ng_softmax(p, 0)), ALL_AXES, 0), *gradient;
    for (int j = 0; j < 2; j++) {
      expect_ok(ng_backward(loss));
      expect_ok(ng_gradients(loss, NULL, &p, 1, &gradient));
      expect_ok(ng_eval(&gradient, 1));
      assert_int_equal(ng_size(gradient), 0);
      assert_int_equal(ng_size(ng_grad(p)), 0);
      expect_item(loss, 0, 0);
    }
    ng_tensor *v = ng_ones(dtype, SHAPE(1)), *beside = ng_slice(ng_tanh(v), 0, 0, 0, 1);
    expect_tensor(ng_concatenate((ng_tensor *[]){beside, v}, 2, 0), dtype, SHAPE(1), NUMBERS(1));
    /* Three sums, each of no elements. */
    expect_tensor(ng_sum(none, AXES(0, 2), 0), dtype, SHAPE(3), NUMBERS(0, 0, 0));
  }
}

/* Views take no memory, so that only the work tells that there is no end to it. */
static void test_work_without_end(void **state) {
  (void)state;
  const int64_t longest = (int64_t)1 << 57, most = (int64_t)1 << 28;
  for (size_t k = 0; k < COUNT(float_dtypes); k++) {
    ng_tensor *one = ng_ones(float_dtypes[k], SCALAR);
    ng_tensor *view = ng_broadcast_to(one, SHAPE(longest));
    ng_tensor *row = ng_broadcast_to(one, SHAPE(2, longest));
    ng_tensor *square = ng_broadcast_to(one, SHAPE(most, most));
    ng_tensor *index = ng_broadcast_to(ng_zeros(NG_INT64, SCALAR), SHAPE(longest));
    ng_tensor *p = ng_parameter(float_dtypes[k], SHAPE(1), NULL, "p");
    ng_tensor *selected = ng_sum(ng_index_select(p, index, 0), ALL_AXES, 0);
    ng_tensor *chosen;
    expect_ok(ng_gradients(selected, NULL, &p, 1, &chosen));
    struct {
      ng_tensor *tensor;
      const char *name;
    } made[] = {{ng_matmul(row, view), "matmul"},
                {ng_matmul(ng_exp(row), ng_transpose(row)), "matmul"},
                {ng_matmul(square, ng_reshape(view, SHAPE(most, longest / most))), "matmul"},
                {ng_sum(view, ALL_AXES, 0), "sum"},
                {ng_sum(ng_exp(view), ALL_AXES, 0), "sum"},
                {ng_max(row, AXES(1), 0), "max"},
                {ng_min(ng_cast(row, NG_INT32), ALL_AXES, 0), "min"},
                {ng_argmax(row, 1, 0), "argmax"},
                {selected, "sum"},
                {chosen, ""}};
    for (size_t j = 0; j < COUNT(made); j++) {
      expect_ok(ng_error());
      ng_tensor *computed = ng_add_scalar(made[j].tensor, 1);
      assert_int_equal(ng_eval(&computed, 1), NG_ERROR_SHAPE);
      assert_non_null(strstr(ng_error_message(), made[j].name));
      assert_non_null(strstr(ng_error_message(), "expected at most 2^56"));
      assert_non_null(strstr(ng_error_message(), " take "));
      expect_error(NG_ERROR_SHAPE, "ng_eval");
    }
    /* A part of it is no more than it is. */
    expect_tensor(ng_slice(view, 0, longest - 2, longest, 1), float_dtypes[k], SHAPE(2),
                  NUMBERS(1, 1));
    expect_item(ng_sum(ng_slice(row, 1, 5, 8, 1), ALL_AXES, 0), 6, 0);
    assert_true(works());
  }
}

static void test_functions_that_cannot_fail(void **state) {
  (void)state;
  assert_null(ng_cast(ng_zeros(NG_FLOAT32, SCALAR), 99));
  assert_int_equal(ng_version_number(), NG_VERSION_NUMBER);
  char version[32];
  snprintf(version, sizeof version, "%d.%d.%d", NG_VERSION_MAJOR, NG_VERSION_MINOR,
           NG_VERSION_PATCH);
  assert_string_equal(ng_version(), version);
  const ng_dtype none[] = {0, -1, 5, INT32_MAX, INT32_MIN};
  for (size_t k = 0; k < COUNT(none); k++) {
    assert_string_equal(ng_dtype_name(none[k]), "unknown");
    assert_int_equal(ng_dtype_size(none[k]), 0);
  }
  assert_string_equal(ng_dtype_name(NG_FLOAT32), "float32");
  assert_string_equal(ng_dtype_name(NG_FLOAT64), "float64");
  assert_string_equal(ng_dtype_name(NG_INT32), "int32");
  assert_string_equal(ng_dtype_name(NG_INT64), "int64");
  const int64_t sizes[] = {4, 8, 4, 8};
  for (size_t k = 0; k < 4; k++)
    assert_int_equal(ng_dtype_size(all_dtypes[k]), sizes[k]);
  assert_true(ng_live_handles() > 0 && ng_live_bytes() >= 0);
  assert_in_range(ng_num_threads(), 1, 1024);
  const char *isa = ng_isa();
  assert_true(!strcmp(isa, "avx512") || !strcmp(isa, "avx2") || !strcmp(isa, "baseline"));
  ng_seed(UINT64_MAX);
  assert_int_equal(ng_scope_begin(), NG_OK);
  assert_int_equal(ng_scope_end(), NG_OK);
  expect_error(NG_ERROR_DTYPE, "ng_cast"); /* none of them touched it */
}

static void test_scopes_that_were_never_begun(void **state) {
  (void)state;
  expect_ok(ng_scope_end()); /* the fixture's */
  for (int k = 0; k < 3; k++) {
    assert_int_equal(ng_scope_end(), NG_ERROR_STATE);
    expect_error(NG_ERROR_STATE, "ng_scope_end");
  }
  for (int k = 0; k < 100000; k++)
    expect_ok(ng_scope_begin());
  for (int k = 0; k < 100000; k++)
    expect_ok(ng_scope_end());
  assert_int_equal(ng_scope_end(), NG_ERROR_STATE);
  expect_error(NG_ERROR_STATE, "ng_scope_end");
  expect_ok(ng_scope_begin());
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_what_may_go_either_way),     TEST(test_memory_that_cannot_be_had),
      TEST(test_long_axes_without_elements), TEST(test_work_without_end),
      TEST(test_functions_that_cannot_fail), TEST(test_scopes_that_were_never_begun),
  };
  return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
