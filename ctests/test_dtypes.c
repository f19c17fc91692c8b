/* Comparisons and choice, conversion between dtypes, integer arithmetic. */
#include "support.h"

static void test_comparisons(void **state) {
  (void)state;
  const double nan = NAN, inf = INFINITY;
  for (size_t d = 0; d < COUNT(all_dtypes); d++) {
    ng_dtype dtype = all_dtypes[d];
    ng_tensor *a = make(dtype, SHAPE(2, 3), NUMBERS(1, 2, 3, -1, 0, 5));
    ng_tensor *b = make(dtype, SHAPE(3), NUMBERS(2, 2, 2));
    expect_tensor(ng_equal(a, b), dtype, SHAPE(2, 3), NUMBERS(0, 1, 0, 0, 0, 0));
    expect_tensor(ng_not_equal(a, b), dtype, SHAPE(2, 3), NUMBERS(1, 0, 1, 1, 1, 1));
    expect_tensor(ng_less(a, b), dtype, SHAPE(2, 3), NUMBERS(1, 0, 0, 1, 1, 0));
    expect_tensor(ng_less_equal(a, b), dtype, SHAPE(2, 3), NUMBERS(1, 1, 0, 1, 1, 0));
    expect_tensor(ng_greater(a, b), dtype, SHAPE(2, 3), NUMBERS(0, 0, 1, 0, 0, 1));
    expect_tensor(ng_greater_equal(a, b), dtype, SHAPE(2, 3), NUMBERS(0, 1, 1, 0, 0, 1));
  }
  for (size_t d = 0; d < COUNT(float_dtypes); d++) {
    ng_tensor *a = make(float_dtypes[d], SHAPE(4), NUMBERS(nan, 1, nan, inf));
    ng_tensor *b = make(float_dtypes[d], SHAPE(4), NUMBERS(1, nan, nan, inf));
    expect_numbers(ng_equal(a, b), NUMBERS(0, 0, 0, 1), 0);
    expect_numbers(ng_not_equal(a, b), NUMBERS(1, 1, 1, 0), 0);
    expect_numbers(ng_less(a, b), NUMBERS(0, 0, 0, 0), 0);
    expect_numbers(ng_less_equal(a, b), NUMBERS(0, 0, 0, 1), 0);
    expect_numbers(ng_greater(a, b), NUMBERS(0, 0, 0, 0), 0);
    expect_numbers(ng_greater_equal(a, b), NUMBERS(0, 0, 0, 1), 0);
    expect_numbers(ng_maximum(a, b), NUMBERS(nan, nan, nan, inf), 0);
    expect_numbers(ng_minimum(a, b), NUMBERS(nan, nan, nan, inf), 0);
    expect_numbers(gradient(ng_less(a, b), a), NUMBERS(0, 0, 0, 0), 0);
  }
}

static void test_where(void **state) {
  (void)state;
  for (size_t d = 0; d < COUNT(float_dtypes); d++) {
    for (size_t k = 0; k < COUNT(all_dtypes); k++) {
      ng_dtype dtype = float_dtypes[d];
      ng_tensor *condition = make(all_dtypes[k], SHAPE(2, 1), NUMBERS(0, -3));
      ng_tensor *a = make(dtype, SHAPE(3), NUMBERS(1, 2, 3));
      ng_tensor *b = make(dtype, SCALAR, NUMBERS(9));
      ng_tensor *y = ng_where(condition, a, b);
      expect_tensor(y, dtype, SHAPE(2, 3), NUMBERS(9, 9, 9, 1, 2, 3));
      expect_tensor(gradient(y, a), dtype, SHAPE(3), NUMBERS(1, 1, 1));
      expect_tensor(gradient(y, b), dtype, SCALAR, NUMBERS(3));
    }
    /* What was not chosen does not leak into the gradient, not even as 0 · NaN. */
    ng_tensor *x = make(float_dtypes[d], SHAPE(2), NUMBERS(4, -1));
    ng_tensor *safe =
        ng_where(ng_greater(x, ng_zeros(float_dtypes[d], SCALAR)), ng_multiply_scalar(x, 2), x);
    expect_numbers(gradient(safe, x), NUMBERS(2, 1), 0);
    ng_tensor *nan = ng_full(float_dtypes[d], SHAPE(2), NAN);
    expect_numbers(ng_where(ng_ones(NG_INT32, SHAPE(2)), x, nan), NUMBERS(4, -1), 0);
  }
  ng_tensor *a = make(NG_INT64, SHAPE(2), NUMBERS(1, 2));
  ng_tensor *y = ng_where(make(NG_FLOAT32, SHAPE(2), NUMBERS(0.5, 0)), a, ng_negate(a));
  expect_tensor(y, NG_INT64, SHAPE(2), NUMBERS(1, -2));
}

static void test_cast(void **state) {
  (void)state;
  const double nan = NAN, inf = INFINITY;
  for (size_t d = 0; d < COUNT(float_dtypes); d++) {
    ng_tensor *a =
        make(float_dtypes[d], SHAPE(9), NUMBERS(1.9, -1.9, 0.5, -0.5, nan, inf, -inf, 3e9, -3e9));
    expect_tensor(ng_cast(a, NG_INT32), NG_INT32, SHAPE(9),
                  NUMBERS(1, -1, 0, 0, 0, INT32_MAX, INT32_MIN, INT32_MAX, INT32_MIN));
    int64_t wide[9];
    expect_ok(ng_read(ng_cast(a, NG_INT64), wide, sizeof wide));
    const int64_t expected[9] = {1, -1, 0, 0, 0, INT64_MAX, INT64_MIN, 3000000000, -3000000000};
    assert_memory_equal(wide, expected, sizeof wide);
  }
  ng_tensor *third = make(NG_FLOAT64, SHAPE(3), NUMBERS(1.0 / 3, 1e300, 1e-300));
  expect_numbers(ng_cast(third, NG_FLOAT32), NUMBERS((double)(float)(1.0 / 3), inf, 0), 0);
  const int64_t large[] = {INT64_MAX, INT64_MIN, 16777217};
  ng_tensor *integers = ng_variable(NG_INT64, SHAPE(3), large, NULL);
  expect_numbers(ng_cast(integers, NG_INT32), NUMBERS(INT32_MAX, INT32_MIN, 16777217), 0);
  expect_numbers(ng_cast(integers, NG_FLOAT32), NUMBERS(0x1p63, -0x1p63, 16777216), 0);
  ng_tensor *p = make(NG_FLOAT32, SHAPE(2), NUMBERS(1.5, -2));
  ng_tensor *y = ng_power_scalar(ng_cast(p, NG_FLOAT64), 2);
  expect_tensor(gradient(y, p), NG_FLOAT32, SHAPE(2), NUMBERS(3, -4));
  expect_tensor(gradient(ng_cast(ng_cast(p, NG_INT32), NG_FLOAT32), p), NG_FLOAT32, SHAPE(2),
                NUMBERS(0, 0));
}

static void test_integers_wrap_around(void **state) {
  (void)state;
  const int32_t edge[] = {INT32_MAX, INT32_MIN, 7};
  const int64_t wide[] = {INT64_MAX, INT64_MIN, 7};
  ng_tensor *a = ng_variable(NG_INT32, SHAPE(3), edge, NULL);
  ng_tensor *b = ng_variable(NG_INT64, SHAPE(3), wide, NULL);
  int32_t y[3];
  int64_t z[3];
  expect_ok(ng_read(ng_add(a, ng_ones(NG_INT32, SCALAR)), y, sizeof y));
  assert_true(y[0] == INT32_MIN && y[1] == INT32_MIN + 1 && y[2] == 8);
  expect_ok(ng_read(ng_subtract(a, ng_ones(NG_INT32, SCALAR)), y, sizeof y));
  assert_true(y[0] == INT32_MAX - 1 && y[1] == INT32_MAX && y[2] == 6);
  expect_ok(ng_read(ng_multiply(a, a), y, sizeof y));
  assert_true(y[0] == 1 && y[1] == 0 && y[2] == 49);
  expect_ok(ng_read(ng_add(b, ng_ones(NG_INT64, SCALAR)), z, sizeof z));
  assert_true(z[0] == INT64_MIN && z[1] == INT64_MIN + 1 && z[2] == 8);
  expect_ok(ng_read(ng_multiply(b, b), z, sizeof z));
  assert_true(z[0] == 1 && z[1] == 0 && z[2] == 49);
  assert_int_equal((int64_t)ng_item(ng_sum(a, ALL_AXES, 0)), 6);
}

static void test_stop_gradient(void **state) {
  (void)state;
  ng_tensor *a = make(NG_FLOAT64, SHAPE(2), NUMBERS(3, 4));
  ng_tensor *y = ng_multiply(a, ng_stop_gradient(a));
  expect_numbers(y, NUMBERS(9, 16), 0);
  expect_numbers(gradient(y, a), NUMBERS(3, 4), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_comparisons),          TEST(test_where),         TEST(test_cast),
      TEST(test_integers_wrap_around), TEST(test_stop_gradient),
  };
  return cmocka_run_group_tests_name("dtypes", tests, NULL, NULL);
}
