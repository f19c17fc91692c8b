/* Operators that move elements: reshaping, slicing, joining, indexing. */
#include "support.h"

/* 0, 1, 2, … in the given shape. */
static ng_tensor *counting(ng_dtype dtype, int32_t rank, const int64_t *shape) {
  int64_t size = 1;
  for (int32_t axis = 0; axis < rank; axis++)
    size *= shape[axis];
  return ng_reshape(ng_arange(dtype, 0, (double)size, 1), rank, shape);
}

static void test_transpose_and_permute(void **state) {
  (void)state;
  for (size_t d = 0; d < COUNT(all_dtypes); d++) {
    ng_dtype dtype = all_dtypes[d];
    ng_tensor *a = counting(dtype, SHAPE(2, 3));
    expect_tensor(ng_transpose(a), dtype, SHAPE(3, 2), NUMBERS(0, 3, 1, 4, 2, 5));
    ng_tensor *c = counting(dtype, SHAPE(2, 3, 2));
    expect_tensor(ng_transpose(c), dtype, SHAPE(2, 2, 3),
                  NUMBERS(0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11));
    expect_tensor(ng_permute(c, AXES(2, 0, 1)), dtype, SHAPE(2, 2, 3),
                  NUMBERS(0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11));
    expect_tensor(ng_permute(c, AXES(-1, -3, -2)), dtype, SHAPE(2, 2, 3),
                  NUMBERS(0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11));
    expect_tensor(ng_transpose(counting(dtype, SHAPE(3))), dtype, SHAPE(3), NUMBERS(0, 1, 2));
    expect_tensor(ng_transpose(ng_constant(dtype, 5)), dtype, SCALAR, NUMBERS(5));
    expect_tensor(ng_permute(ng_constant(dtype, 5), 0, NULL), dtype, SCALAR, NUMBERS(5));
    expect_shape(ng_transpose(ng_zeros(dtype, SHAPE(0, 4))), SHAPE(4, 0));
  }
  ng_tensor *x = make(NG_FLOAT64, SHAPE(2, 3), NUMBERS(1, 2, 3, 4, 5, 6));
  ng_tensor *r = make(NG_FLOAT64, SHAPE(3, 2), NUMBERS(1, 2, 3, 4, 5, 6));
  expect_numbers(gradient(ng_multiply(r, ng_transpose(x)), x), NUMBERS(1, 3, 5, 2, 4, 6), 0);
  expect_numbers(gradient(ng_multiply(r, ng_permute(x, AXES(1, 0))), x), NUMBERS(1, 3, 5, 2, 4, 6),
                 0);
}

static void test_reshape(void **state) {
  (void)state;
  ng_tensor *a = counting(NG_FLOAT32, SHAPE(2, 6));
  expect_tensor(ng_reshape(a, SHAPE(3, 4)), NG_FLOAT32, SHAPE(3, 4),
                NUMBERS(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
  expect_shape(ng_reshape(a, SHAPE(-1)), SHAPE(12));
  expect_shape(ng_reshape(a, SHAPE(2, -1, 2)), SHAPE(2, 3, 2));
  expect_shape(ng_reshape(a, SHAPE(12, -1)), SHAPE(12, 1));
  expect_shape(ng_reshape(ng_zeros(NG_FLOAT32, SHAPE(0, 4)), SHAPE(-1, 2)), SHAPE(0, 2));
  expect_shape(ng_reshape(ng_zeros(NG_FLOAT32, SHAPE(0, 4)), SHAPE(3, 0, 7)), SHAPE(3, 0, 7));
  expect_tensor(ng_reshape(ng_constant(NG_INT32, 7), SHAPE(1, 1)), NG_INT32, SHAPE(1, 1),
                NUMBERS(7));
  expect_tensor(ng_reshape(ng_full(NG_INT32, SHAPE(1, 1), 7), SCALAR), NG_INT32, SCALAR,
                NUMBERS(7));
  expect_shape(gradient(ng_reshape(a, SHAPE(3, 4)), a), SHAPE(2, 6));
  /* A reshape of a transpose follows the transposed order. */
  expect_numbers(ng_reshape(ng_transpose(counting(NG_FLOAT64, SHAPE(2, 3))), SHAPE(6)),
                 NUMBERS(0, 3, 1, 4, 2, 5), 0);
}

static void test_axes_of_one(void **state) {
  (void)state;
  ng_tensor *a = counting(NG_FLOAT32, SHAPE(2, 3));
  expect_shape(ng_expand_dims(a, 0), SHAPE(1, 2, 3));
  expect_shape(ng_expand_dims(a, 1), SHAPE(2, 1, 3));
  expect_shape(ng_expand_dims(a, 2), SHAPE(2, 3, 1));
  expect_shape(ng_expand_dims(a, -1), SHAPE(2, 3, 1));
  expect_shape(ng_expand_dims(a, -3), SHAPE(1, 2, 3));
  expect_shape(ng_expand_dims(ng_constant(NG_FLOAT32, 1), 0), SHAPE(1));
  ng_tensor *b = ng_zeros(NG_FLOAT32, SHAPE(1, 2, 1));
  expect_shape(ng_squeeze(b, 0), SHAPE(2, 1));
  expect_shape(ng_squeeze(b, 2), SHAPE(1, 2));
  expect_shape(ng_squeeze(b, -1), SHAPE(1, 2));
  expect_tensor(ng_as_scalar(ng_full(NG_FLOAT64, SHAPE(1, 1), 3)), NG_FLOAT64, SCALAR, NUMBERS(3));
  expect_shape(gradient(ng_as_scalar(ng_ones(NG_FLOAT64, SHAPE(1, 1))), a), SHAPE(2, 3));
}

static void test_broadcast_to(void **state) {
  (void)state;
  ng_tensor *a = make(NG_FLOAT64, SHAPE(2, 1), NUMBERS(3, 4));
  ng_tensor *y = ng_broadcast_to(a, SHAPE(2, 2, 3));
  expect_tensor(y, NG_FLOAT64, SHAPE(2, 2, 3), NUMBERS(3, 3, 3, 4, 4, 4, 3, 3, 3, 4, 4, 4));
  expect_tensor(gradient(y, a), NG_FLOAT64, SHAPE(2, 1), NUMBERS(6, 6));
  expect_shape(ng_broadcast_to(a, SHAPE(2, 0)), SHAPE(2, 0));
  expect_tensor(ng_broadcast_to(ng_constant(NG_INT64, 5), SHAPE(3)), NG_INT64, SHAPE(3),
                NUMBERS(5, 5, 5));
  ng_tensor *none = ng_broadcast_to(a, SHAPE(0, 2, 1));
  expect_tensor(gradient(none, a), NG_FLOAT64, SHAPE(2, 1), NUMBERS(0, 0));
}

/* ---- Slices ---------------------------------------------------------------------------------- */

/* Clips a bound of a[start:stop:step] as the Python reference says: once from the end if it is
 * negative, then to where a first or a last element can be. */
static int64_t clip(int64_t bound, int64_t size, int backward) {
  int64_t low = backward ? -1 : 0, high = backward ? size - 1 : size;
  if (bound < 0)
    bound = bound < -size ? low : bound + size;
  return bound < low ? low : bound > high ? high : bound;
}

static int64_t slice_of(int64_t size, int64_t start, int64_t stop, int64_t step, double *out) {
  int64_t from = clip(start, size, step < 0), to = clip(stop, size, step < 0), count = 0;
  for (int64_t i = from; step > 0 ? i < to : i > to; i += step) {
    out[count++] = (double)i;
    if (step > size || step < -size)
      break; /* the next is beyond, perhaps beyond int64 */
  }
  return count;
}

static void test_slices_pinned(void **state) {
  (void)state;
  /* What Python gives for list(range(5))[start:stop:step]. */
  const struct {
    int64_t start, stop, step;
    struct numbers result;
  } cases[] = {
      {1, 4, 1, NUMBERS(1, 2, 3)},
      {0, INT64_MAX, 2, NUMBERS(0, 2, 4)},
      {-2, INT64_MAX, 1, NUMBERS(3, 4)},
      {-100, 2, 1, NUMBERS(0, 1)},
      {3, 100, 1, NUMBERS(3, 4)},
      {3, 1, 1, NO_NUMBERS},
      {5, 100, 1, NO_NUMBERS},
      {0, -1, 1, NUMBERS(0, 1, 2, 3)},
      {4, INT64_MIN, -1, NUMBERS(4, 3, 2, 1, 0)},
      {-1, INT64_MIN, -2, NUMBERS(4, 2, 0)},
      {INT64_MAX, INT64_MIN, -3, NUMBERS(4, 1)},
      {4, 0, -1, NUMBERS(4, 3, 2, 1)},
      {3, -1, -1, NO_NUMBERS},
      {0, INT64_MAX, INT64_MAX, NUMBERS(0)},
      {4, INT64_MIN, INT64_MIN, NUMBERS(4)},
      {1, 3, 5, NUMBERS(1)},
  };
  ng_tensor *a = counting(NG_INT64, SHAPE(5));
  for (size_t i = 0; i < COUNT(cases); i++) {
    double reference[8];
    int64_t count = slice_of(5, cases[i].start, cases[i].stop, cases[i].step, reference);
    assert_int_equal(count, cases[i].result.count); /* the reference below is worth its name */
    assert_memory_equal(reference, cases[i].result.data, (size_t)count * sizeof *reference);
    expect_tensor(ng_slice(a, 0, cases[i].start, cases[i].stop, cases[i].step), NG_INT64,
                  SHAPE(cases[i].result.count), cases[i].result);
  }
}

static void test_slices_exhaustive(void **state) {
  (void)state;
  const int64_t bounds[] = {
      INT64_MIN, INT64_MIN + 1, -6,       -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5,
      6,         INT64_MAX - 1, INT64_MAX};
  const int64_t steps[] = {INT64_MIN, -5, -3, -2, -1, 1, 2, 3, 5, INT64_MAX};
  for (int64_t size = 0; size <= 5; size++) {
    ng_tensor *a = counting(NG_FLOAT32, SHAPE(size));
    for (size_t i = 0; i < COUNT(bounds); i++) {
      for (size_t k = 0; k < COUNT(bounds); k++) {
        for (size_t s = 0; s < COUNT(steps); s++) {
          double expected[8];
          int64_t count = slice_of(size, bounds[i], bounds[k], steps[s], expected);
          ng_tensor *y = ng_slice(a, 0, bounds[i], bounds[k], steps[s]);
          expect_numbers(y, ((struct numbers){count, expected}), 0);
          expect_ok(ng_release(y));
        }
      }
    }
  }
}

static void test_slices_inside(void **state) {
  (void)state;
  ng_tensor *a = counting(NG_FLOAT64, SHAPE(2, 4, 2));
  ng_tensor *y = ng_slice(a, 1, -1, INT64_MIN, -2);
  expect_tensor(y, NG_FLOAT64, SHAPE(2, 2, 2), NUMBERS(6, 7, 2, 3, 14, 15, 10, 11));
  expect_tensor(ng_slice(a, -2, -1, INT64_MIN, -2), NG_FLOAT64, SHAPE(2, 2, 2),
                NUMBERS(6, 7, 2, 3, 14, 15, 10, 11));
  expect_numbers(gradient(y, a), NUMBERS(0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1), 0);
  expect_numbers(gradient(ng_slice(a, 0, 1, 1, 1), a),
                 NUMBERS(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), 0);
  expect_tensor(ng_select(a, 1, 2), NG_FLOAT64, SHAPE(2, 2), NUMBERS(4, 5, 12, 13));
  expect_tensor(ng_select(a, -1, -2), NG_FLOAT64, SHAPE(2, 4), NUMBERS(0, 2, 4, 6, 8, 10, 12, 14));
  expect_numbers(gradient(ng_select(a, 0, 1), a),
                 NUMBERS(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1), 0);
  expect_tensor(ng_select(counting(NG_INT32, SHAPE(3)), 0, -1), NG_INT32, SCALAR, NUMBERS(2));
}

/* ---- Joining and padding --------------------------------------------------------------------- */

static void test_concatenate_and_stack(void **state) {
  (void)state;
  for (size_t d = 0; d < COUNT(all_dtypes); d++) {
    ng_dtype dtype = all_dtypes[d];
    ng_tensor *a = make(dtype, SHAPE(2, 1), NUMBERS(1, 2));
    ng_tensor *b = make(dtype, SHAPE(2, 2), NUMBERS(3, 4, 5, 6));
    ng_tensor *empty = ng_zeros(dtype, SHAPE(2, 0));
    expect_tensor(ng_concatenate(TENSORS(a, empty, b, a), 4, 1), dtype, SHAPE(2, 4),
                  NUMBERS(1, 3, 4, 1, 2, 5, 6, 2));
    expect_tensor(ng_concatenate(TENSORS(a, b), 2, -1), dtype, SHAPE(2, 3),
                  NUMBERS(1, 3, 4, 2, 5, 6));
    expect_tensor(ng_concatenate(TENSORS(b, b), 2, 0), dtype, SHAPE(4, 2),
                  NUMBERS(3, 4, 5, 6, 3, 4, 5, 6));
    expect_tensor(ng_concatenate(TENSORS(b), 1, 0), dtype, SHAPE(2, 2), NUMBERS(3, 4, 5, 6));
    ng_tensor *c = make(dtype, SHAPE(2), NUMBERS(7, 8)), *e = make(dtype, SHAPE(2), NUMBERS(9, 0));
    expect_tensor(ng_stack(TENSORS(c, e), 2, 0), dtype, SHAPE(2, 2), NUMBERS(7, 8, 9, 0));
    expect_tensor(ng_stack(TENSORS(c, e), 2, 1), dtype, SHAPE(2, 2), NUMBERS(7, 9, 8, 0));
    expect_tensor(ng_stack(TENSORS(c, e), 2, -1), dtype, SHAPE(2, 2), NUMBERS(7, 9, 8, 0));
    ng_tensor *s = ng_constant(dtype, 4);
    expect_tensor(ng_stack(TENSORS(s, s, s), 3, 0), dtype, SHAPE(3), NUMBERS(4, 4, 4));
  }
  ng_tensor *a = make(NG_FLOAT64, SHAPE(2, 1), NUMBERS(1, 2));
  ng_tensor *b = make(NG_FLOAT64, SHAPE(2, 2), NUMBERS(3, 4, 5, 6));
  ng_tensor *r = make(NG_FLOAT64, SHAPE(2, 4), NUMBERS(1, 2, 3, 4, 5, 6, 7, 8));
  ng_tensor *y = ng_multiply(r, ng_concatenate(TENSORS(a, b, a), 3, 1));
  expect_numbers(gradient(y, a), NUMBERS(5, 13), 0); /* it takes part twice: 1 + 4, 5 + 8 */
  expect_numbers(gradient(y, b), NUMBERS(2, 3, 6, 7), 0);
}

static void test_pad(void **state) {
  (void)state;
  for (size_t d = 0; d < COUNT(float_dtypes); d++) {
    ng_dtype dtype = float_dtypes[d];
    ng_tensor *a = make(dtype, SHAPE(2, 2), NUMBERS(1, 2, 3, 4));
    const int64_t before[] = {1, 0}, after[] = {0, 2}, none[] = {0, 0};
    ng_tensor *y = ng_pad(a, 2, before, after, -1);
    expect_tensor(y, dtype, SHAPE(3, 4), NUMBERS(-1, -1, -1, -1, 1, 2, -1, -1, 3, 4, -1, -1));
    expect_tensor(gradient(ng_power_scalar(y, 2), a), dtype, SHAPE(2, 2), NUMBERS(2, 4, 6, 8));
    expect_tensor(ng_pad(a, 2, none, none, 9), dtype, SHAPE(2, 2), NUMBERS(1, 2, 3, 4));
    expect_tensor(ng_pad(ng_zeros(dtype, SHAPE(0, 2)), 2, before, none, 7), dtype, SHAPE(1, 2),
                  NUMBERS(7, 7));
    expect_tensor(ng_pad(ng_constant(dtype, 3), 0, NULL, NULL, 1), dtype, SCALAR, NUMBERS(3));
  }
}

/* ---- Indexing -------------------------------------------------------------------------------- */

static void test_gather(void **state) {
  (void)state;
  for (size_t d = 2; d < COUNT(all_dtypes); d++) {
    ng_tensor *a = make(NG_FLOAT64, SHAPE(2, 3), NUMBERS(10, 11, 12, 20, 21, 22));
    ng_tensor *i = make(all_dtypes[d], SHAPE(2, 2), NUMBERS(2, 2, 0, 1));
    ng_tensor *y = ng_gather(a, i, 1);
    expect_tensor(y, NG_FLOAT64, SHAPE(2, 2), NUMBERS(12, 12, 20, 21));
    expect_numbers(gradient(y, a), NUMBERS(0, 0, 2, 1, 1, 0), 0);
    ng_tensor *shared =
        make(all_dtypes[d], SHAPE(1, 2), NUMBERS(0, 2)); /* 1 stands for every row */
    ng_tensor *z = ng_gather(a, shared, -1);
    expect_tensor(z, NG_FLOAT64, SHAPE(2, 2), NUMBERS(10, 12, 20, 22));
    expect_numbers(gradient(z, a), NUMBERS(1, 0, 1, 1, 0, 1), 0);
    ng_tensor *down = make(all_dtypes[d], SHAPE(4, 1), NUMBERS(1, 0, 1, 1));
    expect_tensor(ng_gather(a, down, 0), NG_FLOAT64, SHAPE(4, 3),
                  NUMBERS(20, 21, 22, 10, 11, 12, 20, 21, 22, 20, 21, 22));
    expect_shape(ng_gather(a, ng_zeros(all_dtypes[d], SHAPE(2, 0)), 1), SHAPE(2, 0));
  }
}

static void test_index_select(void **state) {
  (void)state;
  for (size_t d = 2; d < COUNT(all_dtypes); d++) {
    ng_tensor *a = make(NG_FLOAT32, SHAPE(3, 2), NUMBERS(0, 1, 2, 3, 4, 5));
    ng_tensor *i = make(all_dtypes[d], SHAPE(2, 2), NUMBERS(2, 0, 2, 2));
    ng_tensor *y = ng_index_select(a, i, 0);
    expect_tensor(y, NG_FLOAT32, SHAPE(2, 2, 2), NUMBERS(4, 5, 0, 1, 4, 5, 4, 5));
    expect_numbers(gradient(y, a), NUMBERS(1, 1, 0, 0, 3, 3), 0);
    ng_tensor *one = make(all_dtypes[d], SCALAR, NUMBERS(1));
    expect_tensor(ng_index_select(a, one, -1), NG_FLOAT32, SHAPE(3), NUMBERS(1, 3, 5));
    expect_tensor(ng_index_select(counting(NG_INT64, SHAPE(4)), i, 0), NG_INT64, SHAPE(2, 2),
                  NUMBERS(2, 0, 2, 2));
    expect_shape(ng_index_select(a, ng_zeros(all_dtypes[d], SHAPE(0)), 0), SHAPE(0, 2));
  }
}

static void test_indices_out_of_range(void **state) {
  (void)state;
  ng_tensor *a = counting(NG_FLOAT32, SHAPE(3, 2));
  const int64_t bad[] = {3, -1, INT64_MAX, INT64_MIN};
  for (size_t i = 0; i < COUNT(bad); i++) {
    int64_t index = 0;
    ng_tensor *indices = ng_variable(NG_INT64, SHAPE(1), &index, NULL);
    ng_tensor *rows = ng_index_select(a, indices, 0);
    ng_tensor *picked = ng_gather(a, ng_reshape(indices, SHAPE(1, 1)), 0);
    expect_numbers(rows, NUMBERS(0, 1), 0);
    expect_ok(ng_write(indices, &bad[i], sizeof bad[i]));
    float row[2] = {7, 7};
    assert_int_equal(ng_read(rows, row, sizeof row), NG_ERROR_INDEX);
    expect_error(NG_ERROR_INDEX, "ng_read");
    assert_true(row[0] == 7 && row[1] == 7);
    assert_int_equal(ng_eval(TENSORS(picked), 1), NG_ERROR_INDEX);
    expect_error(NG_ERROR_INDEX, "ng_eval");
    assert_true(isnan(ng_item(ng_sum(picked, ALL_AXES, 0))));
    expect_error(NG_ERROR_INDEX, "ng_item");
    index = 2;
    expect_ok(ng_write(indices, &index, sizeof index));
    expect_numbers(rows, NUMBERS(4, 5), 0);
    expect_numbers(picked, NUMBERS(4, 5), 0);
  }
}

static void test_one_hot(void **state) {
  (void)state;
  for (size_t d = 0; d < COUNT(all_dtypes); d++) {
    for (size_t k = 2; k < COUNT(all_dtypes); k++) {
      ng_tensor *i = make(all_dtypes[k], SHAPE(2, 2), NUMBERS(0, 2, 3, -1));
      expect_tensor(ng_one_hot(i, 3, all_dtypes[d]), all_dtypes[d], SHAPE(2, 2, 3),
                    NUMBERS(1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0));
      expect_shape(ng_one_hot(i, 0, all_dtypes[d]), SHAPE(2, 2, 0));
      expect_tensor(ng_one_hot(ng_constant(all_dtypes[k], 1), 2, all_dtypes[d]), all_dtypes[d],
                    SHAPE(2), NUMBERS(0, 1));
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_transpose_and_permute),
      TEST(test_reshape),
      TEST(test_axes_of_one),
      TEST(test_broadcast_to),
      TEST(test_slices_pinned),
      TEST(test_slices_exhaustive),
      TEST(test_slices_inside),
      TEST(test_concatenate_and_stack),
      TEST(test_pad),
      TEST(test_gather),
      TEST(test_index_select),
      TEST(test_indices_out_of_range),
      TEST(test_one_hot),
  };
  return cmocka_run_group_tests_name("shapes", tests, NULL, NULL);
}
