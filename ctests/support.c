#include "support.h"

const ng_dtype float_dtypes[2] = {NG_FLOAT32, NG_FLOAT64};
const ng_dtype all_dtypes[4] = {NG_FLOAT32, NG_FLOAT64, NG_INT32, NG_INT64};

static int64_t live_handles_before;

/* Elements are exchanged through one buffer that suits every dtype. */
static union {
  float f32[MAX_ELEMENTS];
  double f64[MAX_ELEMENTS];
  int32_t i32[MAX_ELEMENTS];
  int64_t i64[MAX_ELEMENTS];
} elements;

static void convert(ng_dtype dtype, struct numbers numbers) {
  assert_in_range(numbers.count, 0, MAX_ELEMENTS);
  for (int64_t i = 0; i < numbers.count; i++) {
    switch (dtype) {
    case NG_FLOAT32:
      elements.f32[i] = (float)numbers.data[i];
      break;
    case NG_FLOAT64:
      elements.f64[i] = numbers.data[i];
      break;
    case NG_INT32:
      elements.i32[i] = (int32_t)numbers.data[i];
      break;
    case NG_INT64:
      elements.i64[i] = (int64_t)numbers.data[i];
      break;
    default:
      fail_msg("no dtype: %d", (int)dtype);
    }
  }
}

static void require_count(int32_t rank, const int64_t *shape, struct numbers numbers) {
  int64_t count = 1;
  for (int32_t axis = 0; axis < rank; axis++)
    count *= shape[axis];
  assert_int_equal(count, numbers.count);
}

ng_tensor *make(ng_dtype dtype, int32_t rank, const int64_t *shape, struct numbers numbers) {
  require_count(rank, shape, numbers);
  convert(dtype, numbers);
  return ng_variable(dtype, rank, shape, &elements, NULL);
}

ng_tensor *make_parameter(ng_dtype dtype, int32_t rank, const int64_t *shape,
                          struct numbers numbers) {
  require_count(rank, shape, numbers);
  convert(dtype, numbers);
  return ng_parameter(dtype, rank, shape, &elements, NULL);
}

ng_tensor *gradient(ng_tensor *y, ng_tensor *x) {
  ng_tensor *result = NULL;
  expect_ok(ng_gradients(y, NULL, &x, 1, &result));
  return result;
}

ng_tensor *weighted_sum(ng_tensor *y) {
  double weights[MAX_ELEMENTS];
  int64_t shape[NG_MAX_RANK];
  expect_ok(ng_shape(y, NG_MAX_RANK, shape));
  int64_t size = ng_size(y);
  assert_in_range(size, 0, MAX_ELEMENTS);
  for (int64_t i = 0; i < size; i++)
    weights[i] = 1 + 0.5 * sin((double)(3 * i + 1));
  ng_tensor *r = make(ng_dtype_of(y), ng_rank(y), shape, (struct numbers){size, weights});
  return ng_sum(ng_multiply(r, y), ALL_AXES, 0);
}

int works(void) {
  ng_tensor *w = ng_parameter(NG_FLOAT64, SCALAR, &(double){3}, "w");
  ng_tensor *y = ng_add_scalar(ng_multiply(w, w), 1);
  return ng_item(y) == 10 && ng_backward(y) == NG_OK && ng_item(ng_grad(w)) == 6;
}

int64_t read_numbers(ng_tensor *tensor, double *numbers) {
  int64_t size = ng_size(tensor);
  if (size < 0 || size > MAX_ELEMENTS) {
    fail_msg("cannot read a tensor of size %lld: %s", (long long)size, ng_error_message());
  }
  ng_dtype dtype = ng_dtype_of(tensor);
  expect_ok(ng_read(tensor, &elements, size * ng_dtype_size(dtype)));
  for (int64_t i = 0; i < size; i++) {
    numbers[i] = dtype == NG_FLOAT32   ? (double)elements.f32[i]
                 : dtype == NG_FLOAT64 ? elements.f64[i]
                 : dtype == NG_INT32   ? (double)elements.i32[i]
                                       : (double)elements.i64[i];
  }
  return size;
}

double tolerance_of(ng_dtype dtype) {
  return dtype == NG_FLOAT32 ? 2e-6 : dtype == NG_FLOAT64 ? 1e-12 : 0;
}

int is_close(double actual, double expected, double tolerance) {
  if (isnan(expected))
    return isnan(actual);
  if (isinf(expected))
    return actual == expected;
  return fabs(actual - expected) <= tolerance * fmax(1, fabs(expected));
}

int begin_test(void **state) {
  (void)state;
  ng_clear_error();
  ng_seed(0);
  live_handles_before = ng_live_handles();
  return ng_scope_begin();
}

int end_test(void **state) {
  (void)state;
  if (ng_error() != NG_OK) {
    print_error("an error is left: %d, %s\n", (int)ng_error(), ng_error_message());
    return -1;
  }
  if (ng_scope_end() != NG_OK)
    return -1;
  if (ng_live_handles() != live_handles_before) {
    print_error("%lld handles were alive before the test, now %lld\n",
                (long long)live_handles_before, (long long)ng_live_handles());
    return -1;
  }
  return 0;
}

void check_ok(ng_status status, const char *text, const char *file, int line) {
  if (status == NG_OK)
    return;
  print_error("%s: status %d, %s\n", text, (int)status, ng_error_message());
  _fail(file, line);
}

void check_error(ng_status code, const char *function, const char *file, int line) {
  size_t length = strlen(function);
  const char *message = ng_error_message();
  int named = strncmp(message, function, length) == 0 && strlen(message) > length + 3;
  if (ng_error() != code || !named) {
    print_error("expected error %d from %s, got %d with the message \"%s\"\n", (int)code, function,
                (int)ng_error(), message);
    _fail(file, line);
  }
  ng_clear_error();
}

void check_close(double actual, double expected, double tolerance, const char *text,
                 const char *file, int line) {
  if (is_close(actual, expected, tolerance))
    return;
  print_error("%s is %.17g, expected %.17g within %g. %s\n", text, actual, expected, tolerance,
              ng_error_message());
  _fail(file, line);
}

void check_numbers(ng_tensor *tensor, struct numbers numbers, double tolerance, const char *text,
                   const char *file, int line) {
  double actual[MAX_ELEMENTS];
  if (tensor == NULL) {
    print_error("%s is NULL: %s\n", text, ng_error_message());
    _fail(file, line);
  }
  int64_t size = read_numbers(tensor, actual);
  if (size != numbers.count) {
    print_error("%s has %lld elements, expected %lld\n", text, (long long)size,
                (long long)numbers.count);
    _fail(file, line);
  }
  for (int64_t i = 0; i < size; i++) {
    if (is_close(actual[i], numbers.data[i], tolerance))
      continue;
    print_error("%s: element %lld is %.17g, expected %.17g within %g\n", text, (long long)i,
                actual[i], numbers.data[i], tolerance);
    _fail(file, line);
  }
}

void check_shape(ng_tensor *tensor, int32_t rank, const int64_t *shape, const char *text,
                 const char *file, int line) {
  int64_t actual[NG_MAX_RANK] = {0};
  int32_t actual_rank = ng_rank(tensor);
  int same = actual_rank == rank && ng_shape(tensor, NG_MAX_RANK, actual) == NG_OK;
  for (int32_t axis = 0; same && axis < rank; axis++)
    same = actual[axis] == shape[axis];
  if (same)
    return;
  print_error("%s has rank %d and shape [", text, (int)actual_rank);
  for (int32_t axis = 0; axis < actual_rank; axis++)
    print_error(" %lld", (long long)actual[axis]);
  print_error(" ], expected [");
  for (int32_t axis = 0; axis < rank; axis++)
    print_error(" %lld", (long long)shape[axis]);
  print_error(" ]. %s\n", ng_error_message());
  _fail(file, line);
}

void check_tensor(ng_tensor *tensor, ng_dtype dtype, int32_t rank, const int64_t *shape,
                  struct numbers numbers, const char *text, const char *file, int line) {
  check_shape(tensor, rank, shape, text, file, line);
  if (ng_dtype_of(tensor) != dtype) {
    print_error("%s is %s, expected %s\n", text, ng_dtype_name(ng_dtype_of(tensor)),
                ng_dtype_name(dtype));
    _fail(file, line);
  }
  check_numbers(tensor, numbers, tolerance_of(dtype), text, file, line);
}
