/* An optimizer's step may return before workers have written the new values. Nobody can tell:
 * whoever looks at a Parameter, in whichever way, waits. */
#include "foreign.h"

#include <sys/wait.h>
#include <unistd.h>

/* Large enough for several threads, and with a last line of memory that is not whole. */
enum { size = (1 << 19) + 3, threads = 4, times = 16, trials = 8 };

static ng_tensor *p;
static ng_optimizer *optimizer;
static float expected;
static float numbers[size];

/* Adds one to every element. */
static void step(void) {
  expect_ok(ng_optimizer_step(optimizer));
  expected += 1;
}

static int all_are(const float *data, float number) {
  for (int i = 0; i < size; i++)
    if (data[i] != number)
      return 0;
  return 1;
}

static void expect_elements(ng_tensor *tensor, float number) {
  expect_ok(ng_read(tensor, numbers, sizeof numbers));
  assert_true(all_are(numbers, number));
}

static int begin_updates(void **state) {
  begin_test(state);
  expect_ok(ng_set_num_threads(threads));
  p = ng_keep(ng_parameter(NG_FLOAT32, SHAPE(size), NULL, "p"));
  optimizer = ng_sgd(1);
  expected = 0;
  expect_ok(ng_optimizer_add(optimizer, &p, 1));
  expect_ok(ng_backward(ng_negate(ng_sum(p, ALL_AXES, 0))));
  /* The first are waited for, as the engine finds out which way of writing is faster. */
  for (int i = 0; i < trials; i++)
    step();
  return 0;
}

static int end_updates(void **state) {
  expect_ok(ng_optimizer_release(optimizer));
  expect_ok(ng_release(p));
  expect_ok(ng_set_num_threads(2));
  return end_test(state);
}

static void test_read(void **state) {
  (void)state;
  for (int i = 0; i < times; i++) {
    step();
    expect_elements(p, expected);
  }
}

static void test_compute(void **state) {
  (void)state;
  ng_tensor *least = ng_min(p, ALL_AXES, 0), *twice = ng_add(p, p);
  for (int i = 0; i < times; i++) {
    step();
    expect_item(least, expected, 0);
    step();
    expect_elements(twice, 2 * expected);
  }
}

static void test_others_at_work(void **state) {
  (void)state;
  /* What does not need the Parameter gets the workers, and the right numbers. */
  ng_tensor *x = ng_uniform(NG_FLOAT32, SHAPE(512, 512), 0, 1);
  const double sum = ng_item(ng_sum(ng_matmul(x, x), ALL_AXES, 0));
  for (int i = 0; i < times; i++) {
    step();
    expect_item(ng_sum(ng_matmul(x, x), ALL_AXES, 0), sum, 0);
    expect_elements(p, expected);
  }
}

static void test_steps_in_a_row(void **state) {
  (void)state;
  for (int i = 0; i < times; i++) {
    for (int k = 0; k <= i % 3; k++)
      step();
    expect_elements(p, expected);
  }
}

static void test_assign_and_write(void **state) {
  (void)state;
  ng_tensor *copy = ng_variable(NG_FLOAT32, SHAPE(size), NULL, "copy");
  for (int i = 0; i < times; i++) {
    step();
    expect_ok(ng_assign(copy, p));
    step(); /* the copy's memory was the Parameter's, which now has another */
    expect_elements(copy, expected - 1);
    expect_elements(p, expected);
    step();
    expect_ok(ng_write(p, numbers, sizeof numbers)); /* what is written last counts */
    expected -= 1;
    expect_elements(p, expected);
  }
}

static void test_lend(void **state) {
  (void)state;
  for (int i = 0; i < times; i++) {
    step();
    DLManagedTensorVersioned *lent = ng_to_dlpack(p, NG_COPY_NEVER);
    assert_non_null(lent);
    assert_true(all_are(lent->dl_tensor.data, expected));
    step(); /* goes elsewhere, as long as the memory is lent */
    assert_true(all_are(lent->dl_tensor.data, expected - 1));
    lent->deleter(lent);
    expect_elements(p, expected);
  }
}

static void test_memory_figures(void **state) {
  (void)state;
  for (int i = 0; i < times; i++) {
    step();
    assert_int_equal(ng_memory_stat(NG_MEMORY_WORKING), 0);
  }
}

static int deletions;

static void delete_and_look(DLManagedTensorVersioned *managed) {
  (void)managed;
  deletions += ng_live_bytes() >= 0; /* waits for what is not finished */
}

static void test_borrow(void **state) {
  (void)state;
  static float ones[size];
  for (int i = 0; i < size; i++)
    ones[i] = 1;
  for (int i = 0; i < times; i++) {
    struct foreign foreign;
    set_foreign(&foreign, ones, NG_FLOAT32, SHAPE(size), NULL);
    foreign.managed.deleter = delete_and_look;
    ng_tensor *x = ng_from_dlpack(&foreign.managed, NG_COPY_NEVER, "x");
    expect_ok(ng_assign(p, x));
    expect_ok(ng_release(x));
    /* The step reads memory that nobody else wants any more: its owner is told when it has. */
    expected = 1;
    step();
    expect_elements(p, expected);
    assert_int_equal(deletions, i + 1);
  }
}

static void test_save(void **state) {
  (void)state;
  static char file[sizeof numbers + 4096];
  ng_checkpoint *checkpoint = ng_checkpoint_new();
  expect_ok(ng_checkpoint_add(checkpoint, &(const char *){"p"}, &p, 1));
  for (int i = 0; i < times; i++) {
    step();
    const int64_t bytes = ng_checkpoint_write(checkpoint, file, sizeof file);
    assert_true(bytes > (int64_t)sizeof numbers && bytes <= (int64_t)sizeof file);
    memcpy(numbers, file + bytes - (int64_t)sizeof numbers, sizeof numbers);
    assert_true(all_are(numbers, expected));
  }
  expect_ok(ng_checkpoint_release(checkpoint));
}

static void *read_there(void *fine) {
  float *data = malloc(sizeof numbers);
  *(int *)fine =
      data != NULL && ng_read(p, data, sizeof numbers) == NG_OK && all_are(data, expected);
  free(data);
  return NULL;
}

static void test_other_threads(void **state) {
  (void)state;
  for (int i = 0; i < times; i++) {
    pthread_t ids[3];
    int fine[3] = {0};
    step();
    for (int k = 0; k < 3; k++)
      assert_int_equal(pthread_create(&ids[k], NULL, read_there, &fine[k]), 0);
    expect_elements(p, expected);
    for (int k = 0; k < 3; k++) {
      assert_int_equal(pthread_join(ids[k], NULL), 0);
      assert_true(fine[k]);
    }
  }
}

static void test_fork(void **state) {
  (void)state;
  for (int i = 0; i < times; i++) {
    step();
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
      alarm(60);
      int fine = 0;
      read_there(&fine);
      /* alone: ThreadSanitizer knows no new threads here, and test_fork has them */
      if (ng_set_num_threads(1) != NG_OK || ng_optimizer_step(optimizer) != NG_OK)
        fine = 0;
      expected += 1;
      int again = 0;
      read_there(&again);
      _exit(fine && again ? 0 : 1);
    }
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    expect_elements(p, expected);
  }
}

static void test_other_numbers_of_threads(void **state) {
  (void)state;
  for (int i = 0; i < times; i++) {
    step();
    expect_ok(ng_set_num_threads(1 + i % threads));
    expect_elements(p, expected);
  }
}

static void test_momentum_and_norm(void **state) {
  (void)state;
  /* Several results, and a norm that is known at once. */
  expect_ok(ng_optimizer_set_momentum(optimizer, 0.5, 0));
  expect_ok(ng_optimizer_set_clip_norm(optimizer, 1e6));
  expect_elements(p, expected);
  double mean = 0;
  for (int i = 0; i < times; i++) {
    expect_ok(ng_optimizer_step(optimizer));
    expect_close(ng_optimizer_grad_norm(optimizer), sqrt(size), 1e-6);
    mean = 0.5 * mean + 1;
    expected += (float)mean;
    if (i % 3 == 0)
      expect_elements(p, expected);
  }
}

static void test_release_at_once(void **state) {
  (void)state;
  expect_elements(p, expected);
  const int64_t before = ng_live_bytes();
  for (int i = 0; i < times; i++) {
    ng_scope_begin();
    ng_tensor *q = ng_parameter(NG_FLOAT32, SHAPE(size), NULL, "q");
    ng_optimizer *adam = ng_adam(0.1);
    expect_ok(ng_optimizer_add(adam, &q, 1));
    expect_ok(ng_backward(ng_sum(q, ALL_AXES, 0)));
    for (int k = 0; k < trials; k++)
      expect_ok(ng_optimizer_step(adam));
    expect_ok(ng_optimizer_release(adam));
    ng_scope_end();
    if (i % 2 == 0)
      ng_release_caches();
    assert_int_equal(ng_live_bytes(), before); /* nothing is kept for what nobody waits for */
  }
}

#define UPDATES(function) cmocka_unit_test_setup_teardown(function, begin_updates, end_updates)

int main(void) {
  const struct CMUnitTest tests[] = {
      UPDATES(test_read),
      UPDATES(test_compute),
      UPDATES(test_others_at_work),
      UPDATES(test_steps_in_a_row),
      UPDATES(test_assign_and_write),
      UPDATES(test_lend),
      UPDATES(test_memory_figures),
      UPDATES(test_borrow),
      UPDATES(test_save),
      UPDATES(test_other_threads),
      UPDATES(test_fork),
      UPDATES(test_other_numbers_of_threads),
      UPDATES(test_momentum_and_norm),
      UPDATES(test_release_at_once),
  };
  return cmocka_run_group_tests_name("updates that workers finish", tests, NULL, NULL);
}
