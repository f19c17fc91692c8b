/* Reductions, softmax, matrix products, and the ways to make a tensor. */
#include "support.h"

static void test_sum_and_mean(void **state) {
  (void)state;
  for (size_t d = 0; d < COUNT(all_dtypes); d++) {
    ng_dtype dtype = all_dtypes[d];
    ng_tensor *a = make(dtype, SHAPE(2, 3, 2), NUMBERS(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12));
    expect_tensor(ng_sum(a, ALL_AXES, 0), dtype, SCALAR, NUMBERS(78));
    expect_tensor(ng_sum(a, ALL_AXES, 1), dtype, SHAPE(1, 1, 1), NUMBERS(78));
    expect_tensor(ng_sum(a, AXES(0), 0), dtype, SHAPE(3, 2), NUMBERS(8, 10, 12, 14, 16, 18));
    expect_tensor(ng_sum(a, AXES(1), 1), dtype, SHAPE(2, 1, 2), NUMBERS(9, 12, 27, 30));
    expect_tensor(ng_sum(a, AXES(-1), 0), dtype, SHAPE(2, 3), NUMBERS(3, 7, 11, 15, 19, 23));
    expect_tensor(ng_sum(a, AXES(2, 0), 0), dtype, SHAPE(3), NUMBERS(18, 26, 34));
    expect_tensor(ng_sum(a, AXES(-1, 0), 1), dtype, SHAPE(1, 3, 1), NUMBERS(18, 26, 34));
    expect_tensor(ng_sum(ng_constant(dtype, 5), ALL_AXES, 0), dtype, SCALAR, NUMBERS(5));
    ng_tensor *empty = ng_zeros(dtype, SHAPE(2, 0));
    expect_tensor(ng_sum(empty, ALL_AXES, 0), dtype, SCALAR, NUMBERS(0));
    expect_tensor(ng_sum(empty, AXES(1), 0), dtype, SHAPE(2), NUMBERS(0, 0));
    expect_tensor(ng_sum(empty, AXES(0), 0), dtype, SHAPE(0), NO_NUMBERS);
  }
  for (size_t d = 0; d < COUNT(float_dtypes); d++) {
    ng_dtype dtype = float_dtypes[d];
    ng_tensor *a = make(dtype, SHAPE(2, 2), NUMBERS(1, 2, 3, 6));
    expect_tensor(ng_mean(a, ALL_AXES, 0), dtype, SCALAR, NUMBERS(3));
    expect_tensor(ng_mean(a, AXES(0), 0), dtype, SHAPE(2), NUMBERS(2, 4));
    expect_tensor(ng_mean(a, AXES(1), 1), dtype, SHAPE(2, 1), NUMBERS(1.5, 4.5));
    expect_numbers(gradient(ng_mean(a, AXES(0), 0), a), NUMBERS(0.5, 0.5, 0.5, 0.5), 0);
    expect_numbers(gradient(ng_sum(a, AXES(0), 1), a), NUMBERS(1, 1, 1, 1), 0);
    ng_tensor *empty = ng_zeros(dtype, SHAPE(0, 2));
    expect_tensor(ng_mean(empty, ALL_AXES, 0), dtype, SCALAR, NUMBERS((double)NAN));
    expect_tensor(ng_mean(empty, AXES(0), 0), dtype, SHAPE(2), NUMBERS((double)NAN, (double)NAN));
  }
}

static void test_long_sums(void **state) {
  (void)state;
  /* A million numbers: an accumulator that is added to one by one would be off by more. */
  enum { size = 1000000 };
  expect_item(ng_sum(ng_full(NG_FLOAT32, SHAPE(size), 0.1), ALL_AXES, 0), size * (double)0.1f,
              1e-4);
  expect_item(ng_mean(ng_full(NG_FLOAT64, SHAPE(size), 0.1), ALL_AXES, 0), 0.1, 1e-12);
}

/* Products whose rows are reduced in the loop that makes them: rows shorter and longer than what a
 * loop takes at a time, with a factor of their own or one for all of them. All numbers are whole,
 * so that sums are exact. */
static void test_rows_of_products(void **state) {
  (void)state;
  const int64_t rows[] = {1, 2, 7, 100}, lengths[] = {2, 5, 100, 256, 500, 512, 513, 3000};
  for (size_t i = 0; i < COUNT(rows) * COUNT(lengths) * 2; i++) {
    const int64_t height = rows[i / 2 % COUNT(rows)], length = lengths[i / 2 / COUNT(rows)];
    const int64_t heights = i % 2 == 0 ? height : 1; /* of the second factor */
    double *a = calloc((size_t)(height * length), sizeof *a);
    double *b = calloc((size_t)(heights * length), sizeof *b);
    double sums[100] = {0}, most[100], total = 0;
    assert_non_null(a);
    assert_non_null(b);
    for (int64_t k = 0; k < heights * length; k++)
      b[k] = (double)(k % 5 - 2);
    for (int64_t r = 0; r < height; r++) {
      most[r] = -INFINITY;
      for (int64_t k = 0; k < length; k++) {
        a[r * length + k] = (double)((3 * r + k) % 7 - 3);
        double product = a[r * length + k] * b[(heights == 1 ? 0 : r * length) + k];
        sums[r] += product;
        most[r] = fmax(most[r], product);
      }
      total += sums[r];
    }
    const struct numbers of_rows = {height, sums}, most_of_rows = {height, most};
    for (size_t d = 0; d < COUNT(float_dtypes); d++) {
      ng_dtype dtype = float_dtypes[d];
      ng_tensor *x = ng_variable(NG_FLOAT64, SHAPE(height, length), a, "x");
      ng_tensor *y = ng_variable(NG_FLOAT64, SHAPE(heights, length), b, "y");
      ng_tensor *product = ng_multiply(ng_cast(x, dtype), ng_cast(y, dtype));
      expect_item(ng_sum(product, ALL_AXES, 0), total, 0);
      expect_numbers(ng_sum(product, AXES(1), 0), of_rows, 0);
      expect_numbers(ng_max(product, AXES(1), 0), most_of_rows, 0);
    }
    free(a);
    free(b);
  }
}

static void test_max_and_min(void **state) {
  (void)state;
  for (size_t d = 0; d < COUNT(all_dtypes); d++) {
    ng_dtype dtype = all_dtypes[d];
    ng_tensor *a = make(dtype, SHAPE(2, 3), NUMBERS(1, 5, 5, -7, -2, -9));
    expect_tensor(ng_max(a, ALL_AXES, 0), dtype, SCALAR, NUMBERS(5));
    expect_tensor(ng_max(a, AXES(1), 0), dtype, SHAPE(2), NUMBERS(5, -2));
    expect_tensor(ng_max(a, AXES(0), 1), dtype, SHAPE(1, 3), NUMBERS(1, 5, 5));
    expect_tensor(ng_min(a, AXES(-1), 0), dtype, SHAPE(2), NUMBERS(1, -9));
    expect_tensor(ng_min(a, AXES(0, 1), 1), dtype, SHAPE(1, 1), NUMBERS(-9));
    expect_shape(ng_max(ng_zeros(dtype, SHAPE(0, 3)), AXES(1), 0), SHAPE(0));
  }
  for (size_t d = 0; d < COUNT(float_dtypes); d++) {
    ng_tensor *a = make(float_dtypes[d], SHAPE(2, 3), NUMBERS(1, 5, 5, -7, -2, -9));
    expect_numbers(gradient(ng_max(a, AXES(1), 0), a), NUMBERS(0, 0.5, 0.5, 0, 1, 0), 0);
    expect_numbers(gradient(ng_min(a, ALL_AXES, 0), a), NUMBERS(0, 0, 0, 0, 0, 1), 0);
    for (int place = 0; place < 20; place++) { /* the vector loop and the remainder */
      double numbers[20] = {0};
      numbers[place] = NAN;
      ng_tensor *n = make(float_dtypes[d], SHAPE(20), (struct numbers){20, numbers});
      expect_item(ng_max(n, ALL_AXES, 0), NAN, 0);
      expect_item(ng_min(n, ALL_AXES, 0), NAN, 0);
      expect_item(ng_argmax(n, 0, 0), place, 0);
    }
  }
}

static void test_argmax(void **state) {
  (void)state;
  for (size_t d = 0; d < COUNT(all_dtypes); d++) {
    ng_tensor *a = make(all_dtypes[d], SHAPE(2, 3), NUMBERS(1, 5, 5, 7, -2, 7));
    expect_tensor(ng_argmax(a, 1, 0), NG_INT64, SHAPE(2), NUMBERS(1, 0));
    expect_tensor(ng_argmax(a, -1, 1), NG_INT64, SHAPE(2, 1), NUMBERS(1, 0));
    expect_tensor(ng_argmax(a, 0, 0), NG_INT64, SHAPE(3), NUMBERS(1, 0, 1));
    expect_tensor(ng_argmax(ng_zeros(all_dtypes[d], SHAPE(0, 2)), 1, 0), NG_INT64, SHAPE(0),
                  NO_NUMBERS);
  }
}

static void test_logsumexp(void **state) {
  (void)state;
  const double inf = INFINITY;
  for (size_t d = 0; d < COUNT(float_dtypes); d++) {
    ng_dtype dtype = float_dtypes[d];
    ng_tensor *a = make(dtype, SHAPE(2, 2), NUMBERS(1000, 1000, -1000, -1001));
    expect_tensor(ng_logsumexp(a, AXES(1), 0), dtype, SHAPE(2),
                  NUMBERS(1000 + log(2), -1000 + log(1 + exp(-1))));
    expect_tensor(ng_logsumexp(a, ALL_AXES, 1), dtype, SHAPE(1, 1), NUMBERS(1000 + log(2)));
    double p = 1 / (1 + exp(-1));
    expect_tensor(gradient(ng_logsumexp(a, AXES(1), 0), a), dtype, SHAPE(2, 2),
                  NUMBERS(0.5, 0.5, p, 1 - p));
    ng_tensor *ends = make(dtype, SHAPE(3, 2), NUMBERS(-inf, -inf, -inf, 0, inf, 0));
    expect_tensor(ng_logsumexp(ends, AXES(1), 0), dtype, SHAPE(3), NUMBERS(-inf, 0, inf));
  }
}

static void test_softmax(void **state) {
  (void)state;
  for (size_t d = 0; d < COUNT(float_dtypes); d++) {
    ng_dtype dtype = float_dtypes[d];
    const double numbers[] = {1, 2, 4, -1000, 0, 1000};
    double soft[6], log_soft[6], soft_gradient[6], log_gradient[6];
    const double r[] = {1, -2, 0.5, 3, 1, 2};
    for (int row = 0; row < 2; row++) {
      const double *x = numbers + 3 * row, *g = r + 3 * row, top = x[2];
      double sum = 0, dot = 0, total = 0;
      for (int i = 0; i < 3; i++)
        sum += exp(x[i] - top);
      for (int i = 0; i < 3; i++) {
        soft[3 * row + i] = exp(x[i] - top) / sum;
        log_soft[3 * row + i] = x[i] - top - log(sum);
        dot += g[i] * soft[3 * row + i];
        total += g[i];
      }
      for (int i = 0; i < 3; i++) {
        soft_gradient[3 * row + i] = soft[3 * row + i] * (g[i] - dot);
        log_gradient[3 * row + i] = g[i] - soft[3 * row + i] * total;
      }
    }
    ng_tensor *a = make(dtype, SHAPE(2, 3), (struct numbers){6, numbers});
    ng_tensor *seed = make(dtype, SHAPE(2, 3), (struct numbers){6, r}), *g = NULL;
    expect_tensor(ng_softmax(a, 1), dtype, SHAPE(2, 3), ((struct numbers){6, soft}));
    expect_tensor(ng_log_softmax(a, -1), dtype, SHAPE(2, 3), ((struct numbers){6, log_soft}));
    expect_ok(ng_gradients(ng_softmax(a, -1), seed, &a, 1, &g));
    expect_tensor(g, dtype, SHAPE(2, 3), ((struct numbers){6, soft_gradient}));
    expect_ok(ng_gradients(ng_log_softmax(a, 1), seed, &a, 1, &g));
    expect_tensor(g, dtype, SHAPE(2, 3), ((struct numbers){6, log_gradient}));
    /* Along the first axis it is the transpose of that along the last. */
    expect_tensor(ng_transpose(ng_softmax(ng_transpose(a), 0)), dtype, SHAPE(2, 3),
                  ((struct numbers){6, soft}));
    expect_shape(ng_softmax(ng_zeros(dtype, SHAPE(0, 3)), 1), SHAPE(0, 3));
  }
}

/* ---- Matrix products ------------------------------------------------------------------------- */

static void naive_product(const double *a, const double *b, double *y, int m, int k, int n) {
  for (int i = 0; i < m; i++) {
    for (int j = 0; j < n; j++) {
      y[i * n + j] = 0;
      for (int l = 0; l < k; l++)
        y[i * n + j] += a[i * k + l] * b[l * n + j];
    }
  }
}

static void test_matmul_sizes(void **state) {
  (void)state;
  const int sizes[][3] = {{1, 1, 1},    {2, 3, 4},    {5, 1, 7},    {1, 9, 1},    {7, 17, 33},
                          {16, 16, 16}, {15, 31, 63}, {17, 40, 50}, {64, 64, 64}, {3, 100, 40}};
  static double a[MAX_ELEMENTS], b[MAX_ELEMENTS], y[MAX_ELEMENTS];
  for (size_t d = 0; d < COUNT(float_dtypes); d++) {
    for (size_t i = 0; i < COUNT(sizes); i++) {
      int m = sizes[i][0], k = sizes[i][1], n = sizes[i][2];
      /* Small integers, so that every order of summation gives the same, exact result. */
      for (int e = 0; e < m * k; e++)
        a[e] = e * 7 % 11 - 5;
      for (int e = 0; e < k * n; e++)
        b[e] = e * 5 % 13 - 6;
      naive_product(a, b, y, m, k, n);
      ng_dtype dtype = float_dtypes[d];
      ng_tensor *left = make(dtype, SHAPE(m, k), (struct numbers){m * k, a});
      ng_tensor *right = make(dtype, SHAPE(k, n), (struct numbers){k * n, b});
      struct numbers expected = {m * n, y};
      expect_tensor(ng_matmul(left, right), dtype, SHAPE(m, n), expected);
      ng_tensor *product = ng_matmul(ng_transpose(right), ng_transpose(left));
      expect_tensor(ng_transpose(product), dtype, SHAPE(m, n), expected);
    }
  }
}

static void test_matmul_vectors_and_batches(void **state) {
  (void)state;
  for (size_t d = 0; d < COUNT(float_dtypes); d++) {
    ng_dtype dtype = float_dtypes[d];
    ng_tensor *m = make(dtype, SHAPE(2, 3), NUMBERS(1, 2, 3, 4, 5, 6));
    ng_tensor *v = make(dtype, SHAPE(3), NUMBERS(1, 0, -1)),
              *u = make(dtype, SHAPE(2), NUMBERS(1, 2));
    expect_tensor(ng_matmul(m, v), dtype, SHAPE(2), NUMBERS(-2, -2));
    expect_tensor(ng_matmul(u, m), dtype, SHAPE(3), NUMBERS(9, 12, 15));
    expect_tensor(ng_matmul(v, v), dtype, SCALAR, NUMBERS(2));
    expect_numbers(gradient(ng_matmul(m, v), v), NUMBERS(5, 7, 9), 0);
    expect_numbers(gradient(ng_matmul(m, v), m), NUMBERS(1, 0, -1, 1, 0, -1), 0);
    expect_numbers(gradient(ng_matmul(u, m), u), NUMBERS(6, 15), 0);
    expect_numbers(gradient(ng_matmul(v, v), v), NUMBERS(2, 0, -2), 0);
    /* Two batches on the left, one of 1 on the right that is repeated. */
    ng_tensor *batch = make(dtype, SHAPE(2, 1, 2), NUMBERS(1, 2, 3, 4));
    ng_tensor *right = make(dtype, SHAPE(1, 2, 2), NUMBERS(1, 10, 100, 1000));
    expect_tensor(ng_matmul(batch, right), dtype, SHAPE(2, 1, 2), NUMBERS(201, 2010, 403, 4030));
    expect_numbers(gradient(ng_matmul(batch, right), right), NUMBERS(4, 4, 6, 6), 0);
    expect_tensor(ng_matmul(batch, ng_squeeze(right, 0)), dtype, SHAPE(2, 1, 2),
                  NUMBERS(201, 2010, 403, 4030));
    expect_tensor(ng_matmul(batch, u), dtype, SHAPE(2, 1), NUMBERS(5, 11));
    expect_tensor(ng_matmul(u, ng_transpose(batch)), dtype, SHAPE(2, 1), NUMBERS(5, 11));
    ng_tensor *wide = ng_reshape(batch, SHAPE(2, 1, 1, 2)); /* batches [2, 1] and [3] */
    expect_shape(ng_matmul(wide, ng_ones(dtype, SHAPE(3, 2, 5))), SHAPE(2, 3, 1, 5));
    /* Nothing to sum over gives zeros; no rows give no rows. */
    expect_tensor(ng_matmul(ng_ones(dtype, SHAPE(2, 0)), ng_ones(dtype, SHAPE(0, 2))), dtype,
                  SHAPE(2, 2), NUMBERS(0, 0, 0, 0));
    expect_shape(ng_matmul(ng_ones(dtype, SHAPE(0, 3)), ng_transpose(m)), SHAPE(0, 2));
  }
}

/* ---- Making tensors -------------------------------------------------------------------------- */

static void test_making(void **state) {
  (void)state;
  for (size_t d = 0; d < COUNT(all_dtypes); d++) {
    ng_dtype dtype = all_dtypes[d];
    expect_tensor(ng_zeros(dtype, SHAPE(2, 1)), dtype, SHAPE(2, 1), NUMBERS(0, 0));
    expect_tensor(ng_ones(dtype, SHAPE(2)), dtype, SHAPE(2), NUMBERS(1, 1));
    expect_tensor(ng_full(dtype, SHAPE(2), -3), dtype, SHAPE(2), NUMBERS(-3, -3));
    expect_tensor(ng_full(dtype, SCALAR, 4), dtype, SCALAR, NUMBERS(4));
    expect_tensor(ng_variable(dtype, SHAPE(2), NULL, NULL), dtype, SHAPE(2), NUMBERS(0, 0));
    expect_tensor(ng_constant(dtype, 7), dtype, SCALAR, NUMBERS(7));
    expect_tensor(ng_arange(dtype, 2, 7, 2), dtype, SHAPE(3), NUMBERS(2, 4, 6));
    expect_tensor(ng_arange(dtype, 3, 0, -1), dtype, SHAPE(3), NUMBERS(3, 2, 1));
    expect_tensor(ng_arange(dtype, 3, 0, 1), dtype, SHAPE(0), NO_NUMBERS);
    expect_tensor(ng_variable(dtype, SHAPE(2, 0, 3), NULL, NULL), dtype, SHAPE(2, 0, 3),
                  NO_NUMBERS);
    expect_shape(ng_zeros(dtype, SHAPE(1, 2, 1, 1, 1, 1, 1, 2)), SHAPE(1, 2, 1, 1, 1, 1, 1, 2));
  }
  expect_numbers(ng_arange(NG_FLOAT64, 0, 1, 0.25), NUMBERS(0, 0.25, 0.5, 0.75), 0);
}

static void test_asking(void **state) {
  (void)state;
  const double one = 1;
  ng_tensor *v = ng_variable(NG_FLOAT64, SHAPE(2, 3), NULL, NULL);
  ng_tensor *p = ng_parameter(NG_FLOAT64, SCALAR, &one, NULL);
  ng_tensor *y = ng_add(v, p);
  assert_int_equal(ng_dtype_of(y), NG_FLOAT64);
  assert_int_equal(ng_rank(y), 2);
  assert_int_equal(ng_rank(p), 0);
  assert_int_equal(ng_dim(y, 0), 2);
  assert_int_equal(ng_dim(y, -1), 3);
  assert_int_equal(ng_size(y), 6);
  assert_int_equal(ng_size(p), 1);
  assert_int_equal(ng_is_parameter(p), 1);
  assert_int_equal(ng_is_parameter(v), 0);
  assert_int_equal(ng_is_parameter(y), 0);
  assert_int_equal(ng_is_variable(v), 1);
  assert_int_equal(ng_is_variable(p), 0);
  assert_int_equal(ng_is_variable(y), 0);
  assert_int_equal(ng_is_same(y, y), 1);
  assert_int_equal(ng_is_same(y, v), 0);
  int64_t shape[3] = {9, 9, 9};
  expect_ok(ng_shape(y, 3, shape));
  assert_true(shape[0] == 2 && shape[1] == 3 && shape[2] == 9);
  expect_ok(ng_shape(p, 0, NULL));
  assert_int_equal(ng_shape(y, 1, shape), NG_ERROR_ARGUMENT);
  expect_error(NG_ERROR_ARGUMENT, "ng_shape");
  assert_int_equal(shape[0], 2);
}

static void test_copies_are_cut_off(void **state) {
  (void)state;
  ng_tensor *w = make_parameter(NG_FLOAT64, SHAPE(2), NUMBERS(1, 2));
  ng_tensor *y = ng_multiply(w, w);
  ng_tensor *copy = ng_to_variable(y, "copy"), *start = ng_to_parameter(y, "start");
  assert_int_equal(ng_is_variable(copy), 1);
  assert_int_equal(ng_is_parameter(start), 1);
  const double other[] = {5, 6};
  expect_ok(ng_write(w, other, sizeof other));
  expect_numbers(y, NUMBERS(25, 36), 0);
  expect_numbers(copy, NUMBERS(1, 4), 0);
  expect_numbers(start, NUMBERS(1, 4), 0);
  expect_numbers(gradient(ng_add(copy, start), w), NUMBERS(0, 0), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_sum_and_mean), TEST(test_long_sums),    TEST(test_rows_of_products),
      TEST(test_max_and_min),  TEST(test_argmax),       TEST(test_logsumexp),
      TEST(test_softmax),      TEST(test_matmul_sizes), TEST(test_matmul_vectors_and_batches),
      TEST(test_making),       TEST(test_asking),       TEST(test_copies_are_cut_off),
  };
  return cmocka_run_group_tests_name("reductions", tests, NULL, NULL);
}
