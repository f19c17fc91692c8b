/* Tensors shared with other libraries: what is shared and what is copied, who may write, who
 * deletes and when, and what is refused. */
#include "foreign.h"

#define STRIDES(...) ((const int64_t[]){__VA_ARGS__})

static ng_tensor *import(struct foreign *foreign) {
  ng_tensor *tensor = ng_from_dlpack(&foreign->managed, NG_COPY_IF_NEEDED, "x");
  if (tensor == NULL)
    fail_msg("%s", ng_error_message());
  return tensor;
}

static DLManagedTensorVersioned *export(ng_tensor *tensor, int32_t copy) {
  DLManagedTensorVersioned *managed = ng_to_dlpack(tensor, copy);
  if (managed == NULL)
    fail_msg("%s", ng_error_message());
  return managed;
}

/* ---- From others
 * ---------------------------------------------------------------------------------- */

static void test_dense_memory_is_shared(void **state) {
  (void)state;
  for (size_t d = 0; d < COUNT(all_dtypes); d++) {
    union {
      float f32[7];
      double f64[7];
      int32_t i32[7];
      int64_t i64[7];
    } data;
    for (int i = 0; i < 7; i++) {
      switch (all_dtypes[d]) {
      case NG_FLOAT32:
        data.f32[i] = (float)i;
        break;
      case NG_FLOAT64:
        data.f64[i] = i;
        break;
      case NG_INT32:
        data.i32[i] = i;
        break;
      default:
        data.i64[i] = i;
      }
    }
    for (int with_strides = 0; with_strides < 2; with_strides++) {
      struct foreign foreign;
      set_foreign(&foreign, &data, all_dtypes[d], SHAPE(2, 1, 3),
                  with_strides ? STRIDES(3, 99, 1) : NULL); /* of an axis of 1 any stride */
      foreign.managed.dl_tensor.byte_offset = (uint64_t)ng_dtype_size(all_dtypes[d]);
      int64_t bytes = ng_live_bytes();
      ng_tensor *x = ng_from_dlpack(&foreign.managed, NG_COPY_NEVER, "x");
      expect_tensor(x, all_dtypes[d], SHAPE(2, 1, 3), NUMBERS(1, 2, 3, 4, 5, 6));
      assert_int_equal(ng_is_variable(x), 1);
      assert_int_equal(ng_live_bytes(), bytes);
      DLManagedTensorVersioned *back = export(x, NG_COPY_NEVER);
      assert_ptr_equal(back->dl_tensor.data, (char *)&data + ng_dtype_size(all_dtypes[d]));
      back->deleter(back);
      assert_int_equal(foreign.deleted, 0);
      expect_ok(ng_release(x));
      assert_int_equal(foreign.deleted, 1);
    }
  }
}

static void test_other_strides_are_copied(void **state) {
  (void)state;
  double data[12];
  for (int i = 0; i < 12; i++)
    data[i] = i;
  struct {
    int32_t rank;
    int64_t shape[3], strides[3];
    uint64_t offset;
    struct numbers expected;
  } cases[] = {
      {2, {2, 3}, {1, 2}, 0, NUMBERS(0, 2, 4, 1, 3, 5)},     /* column-major */
      {1, {3}, {4}, 0, NUMBERS(0, 4, 8)},                    /* with gaps */
      {1, {4}, {-1}, 3, NUMBERS(3, 2, 1, 0)},                /* backwards */
      {2, {2, 3}, {-6, -2}, 11, NUMBERS(11, 9, 7, 5, 3, 1)}, /* backwards with gaps */
      {2, {2, 3}, {0, 1}, 1, NUMBERS(1, 2, 3, 1, 2, 3)},     /* broadcast */
      {1, {3}, {0}, 5, NUMBERS(5, 5, 5)},                    /* broadcast */
      {3, {2, 2, 2}, {1, -4, 6}, 4, NUMBERS(4, 10, 0, 6, 5, 11, 1, 7)},
      {3, {2, 1, 2}, {4, INT64_MIN, 1}, 1, NUMBERS(1, 2, 5, 6)}, /* of an axis of 1 any stride */
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    struct foreign foreign;
    set_foreign(&foreign, data, NG_FLOAT64, cases[i].rank, cases[i].shape, cases[i].strides);
    foreign.managed.dl_tensor.byte_offset = 8 * cases[i].offset;
    assert_null(ng_from_dlpack(&foreign.managed, NG_COPY_NEVER, NULL));
    expect_error(NG_ERROR_ARGUMENT, "ng_from_dlpack");
    assert_int_equal(foreign.deleted, 0);
    ng_tensor *x = import(&foreign);
    assert_int_equal(foreign.deleted, 1);
    data[0] = -1; /* nobody sees it */
    check_tensor(x, NG_FLOAT64, cases[i].rank, cases[i].shape, cases[i].expected, "x", __FILE__,
                 __LINE__);
    data[0] = 0;
  }
}

static void test_copies(void **state) {
  (void)state;
  /* Dense, but wanted as a copy. */
  float data[5] = {1, 2, 3, 4, 5};
  struct foreign foreign;
  set_foreign(&foreign, data, NG_FLOAT32, SHAPE(2, 2), NULL);
  ng_tensor *x = ng_from_dlpack(&foreign.managed, NG_COPY_ALWAYS, NULL);
  assert_int_equal(foreign.deleted, 1);
  data[0] = 7;
  expect_tensor(x, NG_FLOAT32, SHAPE(2, 2), NUMBERS(1, 2, 3, 4));

  /* Dense, but not aligned. */
  memmove((char *)data + 2, data, 16);
  set_foreign(&foreign, data, NG_FLOAT32, SHAPE(4), NULL);
  foreign.managed.dl_tensor.byte_offset = 2;
  assert_null(ng_from_dlpack(&foreign.managed, NG_COPY_NEVER, NULL));
  expect_error(NG_ERROR_ARGUMENT, "ng_from_dlpack");
  x = import(&foreign);
  assert_int_equal(foreign.deleted, 1);
  expect_tensor(x, NG_FLOAT32, SHAPE(4), NUMBERS(7, 2, 3, 4));

  /* No elements (data is NULL then), a scalar, no deleter. */
  set_foreign(&foreign, NULL, NG_INT64, SHAPE(2, 0), NULL);
  x = import(&foreign);
  expect_tensor(x, NG_INT64, SHAPE(2, 0), NO_NUMBERS);
  assert_int_equal(foreign.deleted, 1);
  double two = 2;
  for (int has_deleter = 0; has_deleter < 2; has_deleter++) {
    set_foreign(&foreign, &two, NG_FLOAT64, SCALAR, NULL);
    if (!has_deleter)
      foreign.managed.deleter = NULL;
    x = import(&foreign);
    expect_item(x, 2, 0);
    expect_ok(ng_release(x));
    assert_int_equal(foreign.deleted, has_deleter);
  }
}

static void test_borrowed_memory_is_not_written(void **state) {
  (void)state;
  double data[2] = {1, 2};
  struct foreign foreign;
  set_foreign(&foreign, data, NG_FLOAT64, SHAPE(2), NULL);
  ng_tensor *x = import(&foreign), *y = ng_multiply(x, x);
  expect_numbers(y, NUMBERS(1, 4), 0);
  expect_ok(ng_write(x, (double[]){3, 4}, 16));
  assert_int_equal(foreign.deleted, 1);
  expect_numbers(y, NUMBERS(9, 16), 0);
  assert_true(data[0] == 1 && data[1] == 2);

  /* A Parameter shares it until it is updated, by a plan that updates others in place. */
  set_foreign(&foreign, data, NG_FLOAT64, SHAPE(2), NULL);
  ng_tensor *lent = import(&foreign), *w = ng_to_parameter(lent, "w");
  expect_ok(ng_release(lent));
  DLManagedTensorVersioned *same = export(w, NG_COPY_NEVER);
  assert_ptr_equal(same->dl_tensor.data, data);
  same->deleter(same);
  assert_int_equal(foreign.deleted, 0);
  ng_optimizer *sgd = ng_sgd(0.25);
  expect_ok(ng_optimizer_add(sgd, &w, 1));
  for (int step = 0; step < 3; step++) {
    expect_ok(ng_optimizer_zero_grad(sgd));
    expect_ok(ng_backward(ng_ridge(w)));
    expect_ok(ng_optimizer_step(sgd));
    assert_int_equal(foreign.deleted, 1);
    assert_true(data[0] == 1 && data[1] == 2);
  }
  expect_numbers(w, NUMBERS(0.125, 0.25), 0);
  expect_ok(ng_optimizer_release(sgd));
}

/* Whatever computes from it keeps the memory, and the last to go deletes it. */
static void test_the_last_use_deletes(void **state) {
  (void)state;
  float data[3] = {1, 2, 3};
  struct foreign foreign;
  set_foreign(&foreign, data, NG_FLOAT32, SHAPE(3), NULL);
  ng_tensor *x = import(&foreign), *y = ng_exp(x), *copy = ng_to_variable(x, NULL);
  DLManagedTensorVersioned *lent = export(x, NG_COPY_IF_NEEDED);
  expect_ok(ng_release(x));
  assert_int_equal(foreign.deleted, 0);
  expect_item(ng_sum(ng_log(y), ALL_AXES, 0), 6, 1e-6);
  expect_ok(ng_scope_end()); /* y, copy and all that came of them */
  expect_ok(ng_scope_begin());
  (void)copy;
  assert_int_equal(foreign.deleted, 0);
  assert_true(((float *)lent->dl_tensor.data)[2] == 3);
  lent->deleter(lent);
  assert_int_equal(foreign.deleted, 1);
}

static void *release_it(void *tensor) { return (void *)(intptr_t)ng_release(tensor); }
static void *delete_it(void *argument) {
  DLManagedTensorVersioned *managed = argument;
  managed->deleter(managed);
  return NULL;
}

static void run(void *(*function)(void *), void *argument) {
  pthread_t thread;
  void *result;
  assert_int_equal(pthread_create(&thread, NULL, function, argument), 0);
  assert_int_equal(pthread_join(thread, &result), 0);
  assert_null(result);
}

static void test_any_thread_deletes(void **state) {
  (void)state;
  double data[1] = {5};
  struct foreign foreign;
  set_foreign(&foreign, data, NG_FLOAT64, SHAPE(1), NULL);
  ng_tensor *x = ng_keep(import(&foreign));
  run(release_it, x);
  assert_int_equal(foreign.deleted, 1);
  assert_false(pthread_equal(foreign.thread, pthread_self()));
  int64_t bytes = ng_live_bytes();
  ng_tensor *y = ng_normal(NG_FLOAT64, SHAPE(1000), 0, 1);
  DLManagedTensorVersioned *lent = export(y, NG_COPY_IF_NEEDED);
  expect_ok(ng_release(y));
  assert_int_equal(ng_live_bytes(), bytes + 8000);
  run(delete_it, lent);
  assert_int_equal(ng_live_bytes(), bytes);
}

/* ---- To others
 * -------------------------------------------------------------------------------------- */

static void test_what_is_lent(void **state) {
  (void)state;
  const uint8_t codes[4] = {kDLFloat, kDLFloat, kDLInt, kDLInt}, bits[4] = {32, 64, 32, 64};
  for (size_t d = 0; d < COUNT(all_dtypes); d++) {
    ng_tensor *x = make(all_dtypes[d], SHAPE(2, 1, 3), NUMBERS(1, 2, 3, 4, 5, 6));
    ng_tensor *y = ng_transpose(ng_add(x, x)); /* computed for the purpose */
    DLManagedTensorVersioned *lent = export(y, NG_COPY_IF_NEEDED);
    assert_true(lent->version.major == 1 && lent->flags == DLPACK_FLAG_BITMASK_READ_ONLY);
    assert_true(lent->dl_tensor.device.device_type == kDLCPU &&
                lent->dl_tensor.device.device_id == 0);
    assert_true(lent->dl_tensor.dtype.code == codes[d] && lent->dl_tensor.dtype.bits == bits[d] &&
                lent->dl_tensor.dtype.lanes == 1);
    assert_int_equal(lent->dl_tensor.ndim, 3);
    assert_memory_equal(lent->dl_tensor.shape, STRIDES(2, 3, 1), 24);
    assert_memory_equal(lent->dl_tensor.strides, STRIDES(3, 1, 1), 24);
    assert_int_equal(lent->dl_tensor.byte_offset, 0);
    assert_int_equal((uintptr_t)lent->dl_tensor.data % 64, 0);
    /* Back again without a copy, which then is what keeps it. */
    ng_tensor *z = ng_from_dlpack(lent, NG_COPY_NEVER, NULL);
    expect_ok(ng_release(y));
    expect_ok(ng_release(x));
    expect_tensor(z, all_dtypes[d], SHAPE(2, 3, 1), NUMBERS(2, 4, 6, 8, 10, 12));
  }
  DLManagedTensorVersioned *scalar = export(ng_constant(NG_FLOAT64, 3), NG_COPY_IF_NEEDED);
  assert_int_equal(scalar->dl_tensor.ndim, 0);
  assert_true(*(double *)scalar->dl_tensor.data == 3);
  scalar->deleter(scalar);
  DLManagedTensorVersioned *none = export(ng_zeros(NG_INT32, SHAPE(0, 3)), NG_COPY_IF_NEEDED);
  assert_null(none->dl_tensor.data);
  assert_memory_equal(none->dl_tensor.shape, STRIDES(0, 3), 16);
  none->deleter(none);
}

static void test_lent_memory_stays_as_it_is(void **state) {
  (void)state;
  ng_tensor *w = make_parameter(NG_FLOAT64, SHAPE(2), NUMBERS(4, 8));
  DLManagedTensorVersioned *first = export(w, NG_COPY_IF_NEEDED);
  const double *seen = first->dl_tensor.data;
  ng_optimizer *sgd = ng_sgd(0.25);
  expect_ok(ng_optimizer_add(sgd, &w, 1));
  expect_ok(ng_backward(ng_ridge(w)));
  expect_ok(ng_optimizer_step(sgd));
  expect_numbers(w, NUMBERS(2, 4), 0);
  assert_true(seen[0] == 4 && seen[1] == 8);
  DLManagedTensorVersioned *second = export(w, NG_COPY_IF_NEEDED);
  expect_ok(ng_write(w, (double[]){5, 6}, 16));
  expect_ok(ng_release(w));
  expect_ok(ng_optimizer_release(sgd));
  assert_true(seen[0] == 4 && seen[1] == 8);
  seen = second->dl_tensor.data;
  assert_true(seen[0] == 2 && seen[1] == 4);
  first->deleter(first);
  second->deleter(second);

  /* Given back, it is overwritten again: no memory is added. */
  w = make(NG_FLOAT64, SHAPE(2), NUMBERS(1, 2));
  first = export(w, NG_COPY_IF_NEEDED);
  void *place = first->dl_tensor.data;
  first->deleter(first);
  expect_ok(ng_write(w, (double[]){7, 8}, 16));
  first = export(w, NG_COPY_IF_NEEDED);
  assert_ptr_equal(first->dl_tensor.data, place);
  first->deleter(first);
}

static void test_a_copy_may_be_written(void **state) {
  (void)state;
  ng_tensor *x = make(NG_INT32, SHAPE(2), NUMBERS(1, 2));
  DLManagedTensorVersioned *copy = export(x, NG_COPY_ALWAYS);
  assert_int_equal(copy->flags, DLPACK_FLAG_BITMASK_IS_COPIED);
  ((int32_t *)copy->dl_tensor.data)[0] = 9;
  expect_numbers(x, NUMBERS(1, 2), 0);
  copy->deleter(copy);
}

/* Memory may be passed on without end, our own and that of others. */
static void test_to_and_fro(void **state) {
  (void)state;
  struct foreign foreign;
  float data[] = {1, 2};
  set_foreign(&foreign, data, NG_FLOAT32, SHAPE(2), NULL);
  ng_tensor *starts[] = {make(NG_FLOAT32, SHAPE(2), NUMBERS(1, 2)), import(&foreign)};
  int64_t bytes = ng_live_bytes();
  for (size_t k = 0; k < COUNT(starts); k++) {
    ng_tensor *x = ng_keep(starts[k]);
    for (int i = 0; i < 200000; i++) {
      ng_scope_begin();
      ng_tensor *next = ng_keep(ng_from_dlpack(export(x, NG_COPY_IF_NEEDED), NG_COPY_NEVER, NULL));
      ng_scope_end();
      assert_non_null(next);
      expect_ok(ng_release(x));
      x = next;
    }
    assert_true(ng_live_bytes() <= bytes);
    assert_int_equal(foreign.deleted, 0);
    expect_numbers(x, NUMBERS(1, 2), 0);
    expect_ok(ng_release(x));
  }
  assert_int_equal(foreign.deleted, 1);
  assert_true(ng_live_bytes() < bytes);
}

/* ---- Refused
 * ------------------------------------------------------------------------------------------ */

static void test_refused(void **state) {
  (void)state;
  double data[4] = {1, 2, 3, 4};
  struct foreign foreign;
  DLTensor *tensor = &foreign.managed.dl_tensor;
  int64_t handles = ng_live_handles();
#define REFUSED(code, ...)                                                                         \
  set_foreign(&foreign, data, NG_FLOAT64, SHAPE(2, 2), STRIDES(2, 1));                             \
  __VA_ARGS__;                                                                                     \
  assert_null(ng_from_dlpack(&foreign.managed, NG_COPY_IF_NEEDED, NULL));                          \
  expect_error(code, "ng_from_dlpack");                                                            \
  assert_int_equal(foreign.deleted, 0);                                                            \
  assert_int_equal(ng_live_handles(), handles);
  REFUSED(NG_ERROR_ARGUMENT, foreign.managed.version.major = 0)
  REFUSED(NG_ERROR_ARGUMENT, foreign.managed.version.major = 2; tensor->shape = (void *)8)
  REFUSED(NG_ERROR_ARGUMENT, tensor->device.device_type = kDLCUDA)
  REFUSED(NG_ERROR_ARGUMENT, tensor->device.device_type = 0)
  REFUSED(NG_ERROR_ARGUMENT, tensor->device.device_type = INT32_MIN)
  REFUSED(NG_ERROR_DTYPE, tensor->dtype.bits = 16)
  REFUSED(NG_ERROR_DTYPE, tensor->dtype.lanes = 4)
  REFUSED(NG_ERROR_DTYPE, tensor->dtype.lanes = 0)
  REFUSED(NG_ERROR_DTYPE, tensor->dtype.code = kDLUInt)
  REFUSED(NG_ERROR_DTYPE, tensor->dtype = ((DLDataType){kDLBfloat, 16, 1}))
  REFUSED(NG_ERROR_DTYPE, tensor->dtype = ((DLDataType){kDLBool, 8, 1}))
  REFUSED(NG_ERROR_DTYPE, tensor->dtype = ((DLDataType){255, 255, UINT16_MAX}))
  REFUSED(NG_ERROR_SHAPE, tensor->ndim = 9)
  REFUSED(NG_ERROR_SHAPE, tensor->ndim = -1)
  REFUSED(NG_ERROR_SHAPE, tensor->ndim = INT32_MAX)
  REFUSED(NG_ERROR_SHAPE, foreign.shape[0] = -2)
  REFUSED(NG_ERROR_SHAPE, foreign.shape[0] = INT64_MAX)
  REFUSED(NG_ERROR_NULL, tensor->shape = NULL)
  REFUSED(NG_ERROR_NULL, tensor->data = NULL)
  REFUSED(NG_ERROR_ARGUMENT, tensor->byte_offset = UINT64_MAX)
  REFUSED(NG_ERROR_ARGUMENT, foreign.strides[0] = INT64_MAX)
  REFUSED(NG_ERROR_ARGUMENT, foreign.strides[0] = INT64_MIN)
  REFUSED(NG_ERROR_ARGUMENT, foreign.strides[1] = (int64_t)1 << 60)
  REFUSED(NG_ERROR_ARGUMENT, foreign.strides[0] = -((int64_t)1 << 59))
  REFUSED(NG_ERROR_MEMORY, foreign.shape[0] = (int64_t)1 << 50; foreign.strides[0] = 0)
#undef REFUSED
  assert_null(ng_to_dlpack(ng_broadcast_to(ng_ones(NG_FLOAT64, SCALAR), SHAPE((int64_t)1 << 50)),
                           NG_COPY_IF_NEEDED));
  expect_error(NG_ERROR_MEMORY, "ng_to_dlpack");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_dense_memory_is_shared),
      TEST(test_other_strides_are_copied),
      TEST(test_copies),
      TEST(test_borrowed_memory_is_not_written),
      TEST(test_the_last_use_deletes),
      TEST(test_any_thread_deletes),
      TEST(test_what_is_lent),
      TEST(test_lent_memory_stays_as_it_is),
      TEST(test_a_copy_may_be_written),
      TEST(test_to_and_fro),
      TEST(test_refused),
  };
  return cmocka_run_group_tests_name("dlpack", tests, NULL, NULL);
}
