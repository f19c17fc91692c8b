/* Handles, scopes, errors and threads. */
#include "support.h"

#include <pthread.h>

static ng_tensor *number(double value) { return ng_full(NG_FLOAT64, SCALAR, value); }

static void test_scopes_release(void **state) {
  (void)state;
  int64_t before = ng_live_handles();
  ng_tensor *outside = number(1);
  assert_int_equal(ng_live_handles(), before + 1);
  expect_ok(ng_scope_begin());
  ng_tensor *inside = ng_exp(ng_add(outside, outside));
  assert_int_equal(ng_live_handles(), before + 3);
  expect_ok(ng_scope_end());
  assert_int_equal(ng_live_handles(), before + 1);
  assert_true(isnan(ng_item(inside)));
  expect_error(NG_ERROR_HANDLE, "ng_item");
  expect_item(outside, 1, 0);
}

static void test_scopes_nest_and_keep_moves_out(void **state) {
  (void)state;
  expect_ok(ng_scope_begin());
  expect_ok(ng_scope_begin());
  ng_tensor *kept = number(1), *twice = ng_keep(number(2)), *lost = number(3);
  assert_ptr_equal(ng_keep(kept), kept);
  ng_keep(twice); /* it is in the enclosing scope already: not inside its own any more */
  expect_ok(ng_scope_end());
  expect_item(kept, 1, 0);
  expect_item(twice, 2, 0);
  assert_int_equal(ng_rank(lost), NG_ERROR_HANDLE);
  expect_error(NG_ERROR_HANDLE, "ng_rank");
  expect_ok(ng_scope_end());
  assert_int_equal(ng_rank(kept), NG_ERROR_HANDLE);
  expect_error(NG_ERROR_HANDLE, "ng_rank");
  assert_int_equal(ng_rank(twice), NG_ERROR_HANDLE);
  expect_error(NG_ERROR_HANDLE, "ng_rank");
}

static void test_keep_from_the_outermost_scope(void **state) {
  (void)state;
  expect_ok(ng_scope_end()); /* that of the fixture */
  int64_t before = ng_live_handles();
  expect_ok(ng_scope_begin());
  ng_tensor *kept = ng_keep(number(4));
  expect_ok(ng_scope_end());
  expect_item(kept, 4, 0);
  ng_tensor *owned = number(5); /* no scope is open: the caller's */
  assert_int_equal(ng_live_handles(), before + 2);
  assert_int_equal(ng_scope_end(), NG_ERROR_STATE);
  expect_error(NG_ERROR_STATE, "ng_scope_end");
  expect_ok(ng_scope_begin());
  expect_item(ng_add(kept, owned), 9, 0);
  assert_ptr_equal(ng_keep(owned), owned); /* not made here: changes nothing */
  expect_ok(ng_scope_end());
  expect_item(owned, 5, 0);
  expect_ok(ng_release(kept));
  expect_ok(ng_release(owned));
  assert_int_equal(ng_live_handles(), before);
  expect_ok(ng_scope_begin());
}

static void test_the_graph_holds_its_own(void **state) {
  (void)state;
  ng_tensor *a = number(3), *b = ng_multiply(a, a), *c = ng_add(b, a);
  expect_ok(ng_release(b));
  expect_ok(ng_release(a));
  expect_item(c, 12, 0);
}

static void test_release(void **state) {
  (void)state;
  expect_ok(ng_release(NULL));
  expect_ok(ng_optimizer_release(NULL));
  expect_ok(ng_schedule_release(NULL));
  ng_tensor *a = number(1);
  expect_ok(ng_release(a));
  assert_int_equal(ng_release(a), NG_ERROR_HANDLE);
  expect_error(NG_ERROR_HANDLE, "ng_release");
  /* A new handle may use the old one's place, but the old one stays stale. */
  for (int i = 0; i < 100; i++) {
    ng_tensor *b = number(i);
    assert_ptr_not_equal(a, b);
    assert_true(isnan(ng_item(a)));
    expect_error(NG_ERROR_HANDLE, "ng_item");
    expect_ok(ng_release(b));
  }
  ng_optimizer *optimizer = ng_sgd(1);
  expect_ok(ng_optimizer_release(optimizer));
  assert_int_equal(ng_optimizer_release(optimizer), NG_ERROR_HANDLE);
  expect_error(NG_ERROR_HANDLE, "ng_optimizer_release");
  ng_schedule *schedule = ng_schedule_constant(0, 1);
  expect_ok(ng_schedule_release(schedule));
  assert_int_equal(ng_schedule_release(schedule), NG_ERROR_HANDLE);
  expect_error(NG_ERROR_HANDLE, "ng_schedule_release");
}

static void test_kinds_are_told_apart(void **state) {
  (void)state;
  ng_tensor *tensor = number(1);
  ng_optimizer *optimizer = ng_sgd(1);
  ng_schedule *schedule = ng_schedule_constant(0, 1);
  assert_int_equal(ng_rank((ng_tensor *)optimizer), NG_ERROR_HANDLE);
  expect_error(NG_ERROR_HANDLE, "ng_rank");
  assert_null(ng_exp((ng_tensor *)schedule));
  expect_error(NG_ERROR_HANDLE, "ng_exp");
  assert_int_equal(ng_release((ng_tensor *)optimizer), NG_ERROR_HANDLE);
  expect_error(NG_ERROR_HANDLE, "ng_release");
  assert_int_equal(ng_optimizer_step((ng_optimizer *)tensor), NG_ERROR_HANDLE);
  expect_error(NG_ERROR_HANDLE, "ng_optimizer_step");
  assert_int_equal(ng_optimizer_release((ng_optimizer *)schedule), NG_ERROR_HANDLE);
  expect_error(NG_ERROR_HANDLE, "ng_optimizer_release");
  assert_true(isnan(ng_schedule_rate((ng_schedule *)optimizer, 0)));
  expect_error(NG_ERROR_HANDLE, "ng_schedule_rate");
  assert_int_equal(ng_schedule_release((ng_schedule *)tensor), NG_ERROR_HANDLE);
  expect_error(NG_ERROR_HANDLE, "ng_schedule_release");
  expect_item(tensor, 1, 0);
  expect_close(ng_optimizer_rate(optimizer), 1, 0);
  expect_close(ng_schedule_rate(schedule, 5), 1, 0);
  expect_ok(ng_optimizer_release(optimizer));
  expect_ok(ng_schedule_release(schedule));
}

static void test_foreign_handles(void **state) {
  (void)state;
  ng_tensor *good = number(2);
  uint64_t bits = 88172645463325252u; /* xorshift64: any numbers do, but the same in each run */
  int refused = 0;
  for (int i = 0; i < 20000; i++) {
    bits ^= bits << 13;
    bits ^= bits >> 7;
    bits ^= bits << 17;
    /* Random ones, small ones, and a good one with a bit or a byte changed. */
    uintptr_t place = i % 4 == 0   ? (uintptr_t)bits
                      : i % 4 == 1 ? (uintptr_t)(bits % 4096 + 1)
                      : i % 4 == 2 ? (uintptr_t)good ^ (uintptr_t)1 << i / 4 % 64
                                   : (uintptr_t)good + (uintptr_t)(bits % 256);
    ng_tensor *foreign = (ng_tensor *)place;
    if (foreign == NULL || foreign == good)
      continue;
    int32_t rank = ng_rank(foreign);
    if (rank == NG_ERROR_HANDLE) {
      expect_error(NG_ERROR_HANDLE, "ng_rank");
      refused++;
    } else {
      /* Nothing else is alive here but the fixture's own, of which there are none. */
      fail_msg("%p passed for a handle of rank %d", (void *)foreign, (int)rank);
    }
  }
  assert_in_range(refused, 19000, 20000);
  int on_stack = 0;
  assert_null(ng_exp((ng_tensor *)&on_stack));
  expect_error(NG_ERROR_HANDLE, "ng_exp");
  assert_int_equal(ng_release((ng_tensor *)UINTPTR_MAX), NG_ERROR_HANDLE);
  expect_error(NG_ERROR_HANDLE, "ng_release");
  expect_item(good, 2, 0);
}

static void test_null_keeps_the_first_error(void **state) {
  (void)state;
  ng_tensor *a = ng_zeros(NG_FLOAT32, SHAPE(2, 3)), *b = ng_zeros(NG_FLOAT32, SHAPE(4, 5));
  ng_tensor *y = ng_exp(ng_add(ng_matmul(a, b), a));
  assert_null(y);
  ng_tensor *g;
  float numbers[6];
  assert_int_equal(ng_backward(y), NG_ERROR_NULL);
  assert_int_equal(ng_read(y, numbers, sizeof numbers), NG_ERROR_NULL);
  assert_int_equal(ng_gradients(y, NULL, &a, 1, &g), NG_ERROR_NULL);
  assert_true(isnan(ng_item(y)));
  assert_null(ng_keep(y));
  assert_int_equal(ng_size(y), NG_ERROR_NULL);
  /* The message tells of the shapes, of the operands as they were given. */
  assert_non_null(strstr(ng_error_message(), "2"));
  assert_non_null(strstr(ng_error_message(), "5"));
  expect_error(NG_ERROR_SHAPE, "ng_matmul");
  assert_null(ng_exp(NULL)); /* with none recorded, it is an error of its own */
  expect_error(NG_ERROR_NULL, "ng_exp");
}

static void test_errors_last(void **state) {
  (void)state;
  assert_int_equal(ng_error(), NG_OK);
  assert_string_equal(ng_error_message(), "");
  ng_tensor *a = number(1);
  assert_int_equal(ng_dim(a, 0), NG_ERROR_ARGUMENT);
  expect_item(a, 1, 0); /* a success keeps the error */
  assert_int_equal(ng_error(), NG_ERROR_ARGUMENT);
  assert_null(ng_cast(a, 77)); /* a later failure replaces it */
  assert_int_equal(ng_error(), NG_ERROR_DTYPE);
  ng_clear_error();
  assert_int_equal(ng_error(), NG_OK);
  assert_string_equal(ng_error_message(), "");
}

static void test_live_bytes(void **state) {
  (void)state;
  int64_t before = ng_live_bytes();
  static const float data[1000 * 250] = {1};
  ng_tensor *a = ng_variable(NG_FLOAT32, SHAPE(1000, 250), data, NULL);
  assert_true(ng_live_bytes() >= before + 1000000);
  expect_ok(ng_release(a));
  assert_int_equal(ng_live_bytes(), before);
  /* A loop that builds, computes and forgets does not grow. */
  int64_t after_first = 0;
  for (int i = 0; i < 50; i++) {
    expect_ok(ng_scope_begin());
    ng_tensor *w = ng_parameter(NG_FLOAT32, SHAPE(100, 100), NULL, NULL);
    expect_ok(ng_backward(ng_ridge(ng_tanh(ng_matmul(w, w)))));
    expect_item(ng_ridge(ng_grad(w)), 0, 0);
    expect_ok(ng_scope_end());
    if (i == 0)
      after_first = ng_live_bytes();
  }
  assert_int_equal(ng_live_bytes(), after_first);
}

/* Plans are kept, and must not keep the tensors they were made for. */
static void test_plans_keep_no_values(void **state) {
  (void)state;
  int64_t before = ng_live_bytes();
  for (size_t k = 0; k < COUNT(all_dtypes); k++) {
    for (double value = -2; value <= 2; value++) {
      ng_tensor *numbers[] = {ng_constant(all_dtypes[k], value),
                              ng_full(all_dtypes[k], SHAPE(1000), value)};
      expect_ok(ng_eval(&numbers[0], 1));
      expect_ok(ng_eval(&numbers[1], 1));
      expect_ok(ng_release(numbers[0]));
      expect_ok(ng_release(numbers[1]));
      assert_int_equal(ng_live_bytes(), before);
    }
  }
}

/* ---- Threads --------------------------------------------------------------------------------- */

static void in_thread(void *(*run)(void *), void *argument) {
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, run, argument), 0);
  assert_int_equal(pthread_join(thread, NULL), 0);
}

static void *release_there(void *tensor) { return (void *)(intptr_t)ng_release(tensor); }

static void test_release_from_another_thread(void **state) {
  (void)state;
  int64_t before = ng_live_handles();
  ng_tensor *a = number(1), *b = ng_exp(a);
  in_thread(release_there, a);
  assert_int_equal(ng_live_handles(), before + 1);
  assert_int_equal(ng_rank(a), NG_ERROR_HANDLE);
  expect_error(NG_ERROR_HANDLE, "ng_rank");
  expect_item(b, exp(1), 1e-12);
}

struct seen {
  ng_status at_start, own, scope, after;
  ng_tensor *handed, *one, *sum;
};

static void *fail_there(void *argument) {
  struct seen *seen = argument;
  seen->at_start = ng_error();
  seen->scope = ng_scope_end(); /* the scope of the other thread is not this one's */
  seen->own = ng_error();
  ng_clear_error();
  ng_keep(seen->handed); /* made elsewhere: changes nothing */
  seen->one = number(1);
  seen->sum = ng_add(seen->handed, seen->one);
  seen->after = ng_error();
  return NULL;
}

static void test_errors_and_scopes_belong_to_the_thread(void **state) {
  (void)state;
  expect_ok(ng_scope_begin());
  ng_tensor *a = number(1);
  assert_int_equal(ng_dim(a, 9), NG_ERROR_ARGUMENT);
  struct seen seen = {.handed = a};
  int64_t before = ng_live_handles();
  in_thread(fail_there, &seen);
  assert_int_equal(seen.at_start, NG_OK);
  assert_int_equal(seen.scope, NG_ERROR_STATE);
  assert_int_equal(seen.own, NG_ERROR_STATE);
  assert_int_equal(seen.after, NG_OK);
  expect_error(NG_ERROR_ARGUMENT, "ng_dim");
  assert_int_equal(ng_live_handles(), before + 2); /* with no scope there, they are the caller's */
  expect_ok(ng_scope_end());
  assert_int_equal(ng_rank(a), NG_ERROR_HANDLE);
  expect_error(NG_ERROR_HANDLE, "ng_rank");
  expect_item(seen.sum, 2, 0);
  expect_ok(ng_release(seen.sum));
  expect_ok(ng_release(seen.one));
  assert_int_equal(ng_live_handles(), before - 1);
}

static void *leave_scopes_open(void *made) {
  ng_tensor **outer_and_inner = made;
  ng_scope_begin();
  outer_and_inner[0] = number(1);
  ng_scope_begin();
  outer_and_inner[1] = ng_add(outer_and_inner[0], number(2));
  return NULL;
}

static void test_scopes_end_with_their_thread(void **state) {
  (void)state;
  int64_t before = ng_live_handles();
  ng_tensor *made[2] = {NULL, NULL};
  in_thread(leave_scopes_open, made);
  assert_non_null(made[0]);
  assert_non_null(made[1]);
  assert_int_equal(ng_live_handles(), before);
  assert_int_equal(ng_rank(made[0]), NG_ERROR_HANDLE);
  assert_int_equal(ng_rank(made[1]), NG_ERROR_HANDLE);
  expect_error(NG_ERROR_HANDLE, "ng_rank");
}

struct training {
  uint64_t seed;
  double loss;
  ng_status status;
};

static void *train_there(void *argument) {
  struct training *training = argument;
  ng_seed(training->seed);
  ng_scope_begin();
  ng_tensor *x = ng_normal(NG_FLOAT32, SHAPE(32, 20), 0, 1);
  ng_tensor *t = ng_normal(NG_FLOAT32, SHAPE(32, 4), 0, 1);
  ng_tensor *w = ng_to_parameter(ng_normal(NG_FLOAT32, SHAPE(20, 4), 0, 0.1), "w");
  ng_optimizer *optimizer = ng_adam(0.01);
  ng_optimizer_add(optimizer, &w, 1);
  for (int step = 0; step < 100; step++) {
    ng_scope_begin();
    ng_tensor *loss = ng_squared_error(ng_tanh(ng_matmul(x, w)), t);
    ng_optimizer_zero_grad(optimizer);
    ng_backward(loss);
    ng_optimizer_step(optimizer);
    training->loss = ng_item(loss);
    ng_scope_end();
  }
  ng_optimizer_release(optimizer);
  ng_scope_end();
  training->status = ng_error();
  return NULL;
}

static void test_graphs_on_threads_at_once(void **state) {
  (void)state;
  enum { threads = 6 };
  pthread_t thread[threads];
  struct training training[threads], alone = {.seed = 1};
  for (int i = 0; i < threads; i++) {
    training[i] = (struct training){.seed = (uint64_t)(i % 2 + 1)};
    assert_int_equal(pthread_create(&thread[i], NULL, train_there, &training[i]), 0);
  }
  for (int i = 0; i < threads; i++)
    assert_int_equal(pthread_join(thread[i], NULL), 0);
  in_thread(train_there, &alone);
  for (int i = 0; i < threads; i++) {
    assert_int_equal(training[i].status, NG_OK);
    if (i % 2 == 0)
      assert_true(training[i].loss == alone.loss);
    else
      assert_true(training[i].loss != alone.loss);
  }
}

enum { contested = 2000, contenders = 4 };

static void *release_all(void *tensors) {
  intptr_t released = 0;
  for (int i = 0; i < contested; i++) {
    released += ng_release(((ng_tensor **)tensors)[i]) == NG_OK;
  }
  return (void *)released;
}

static void test_each_handle_is_released_once(void **state) {
  (void)state;
  /* Every thread tries to release every handle: one of them succeeds, the others are told. */
  static ng_tensor *tensors[contested];
  int64_t before = ng_live_handles();
  for (int i = 0; i < contested; i++)
    tensors[i] = number(i);
  pthread_t thread[contenders];
  for (int i = 0; i < contenders; i++) {
    assert_int_equal(pthread_create(&thread[i], NULL, release_all, tensors), 0);
  }
  intptr_t sum = 0;
  for (int i = 0; i < contenders; i++) {
    void *released;
    assert_int_equal(pthread_join(thread[i], &released), 0);
    sum += (intptr_t)released;
  }
  assert_int_equal(sum, contested);
  assert_int_equal(ng_live_handles(), before);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_scopes_release),
      TEST(test_scopes_nest_and_keep_moves_out),
      TEST(test_keep_from_the_outermost_scope),
      TEST(test_the_graph_holds_its_own),
      TEST(test_release),
      TEST(test_kinds_are_told_apart),
      TEST(test_foreign_handles),
      TEST(test_null_keeps_the_first_error),
      TEST(test_errors_last),
      TEST(test_live_bytes),
      TEST(test_plans_keep_no_values),
      TEST(test_release_from_another_thread),
      TEST(test_errors_and_scopes_belong_to_the_thread),
      TEST(test_scopes_end_with_their_thread),
      TEST(test_each_handle_is_released_once),
      TEST(test_graphs_on_threads_at_once),
  };
  return cmocka_run_group_tests_name("handles", tests, NULL, NULL);
}
