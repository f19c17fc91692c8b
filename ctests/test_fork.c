/* A process forks while other threads are inside the library: the child, which has none of them,
 * can go on with everything it has handles to. */
#include "support.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

enum { computing_threads = 3, children = 200, size = 96 };

static atomic_int stop, rounds;
/* Made before any thread, and used by all: leaves that nobody writes to. */
static ng_tensor *shared, *factor;

/* Something of everything that takes a lock: handles by the thousand, memory of many sizes, plans
 * that are known and new, workers, errors. Returns whether all went well. */
static int compute(int variant) {
  ng_scope_begin();
  ng_tensor *w = ng_parameter(NG_FLOAT32, SHAPE(size, size), NULL, NULL);
  ng_tensor *h = ng_add(ng_matmul(shared, ng_add(w, factor)), w);
  for (int k = 0; k < variant % 7; k++)
    h = ng_tanh(ng_add_scalar(h, k));
  ng_tensor *loss = ng_mean(ng_multiply(h, h), ALL_AXES, 0);
  int fine = ng_backward(loss) == NG_OK && ng_item(loss) > 0;
  ng_tensor *x = ng_uniform(NG_FLOAT64, SHAPE(512 + 64 * (variant % 50)), 0, 1);
  fine = fine && ng_item(ng_sum(ng_sqrt(x), ALL_AXES, 0)) > 0;
  for (int k = 0; k < 100; k++)
    fine = fine && ng_release(ng_exp(shared)) == NG_OK;
  fine = fine && ng_add(x, shared) == NULL && ng_error() == NG_ERROR_DTYPE;
  ng_clear_error();
  if (variant % 16 == 0)
    ng_release_caches();
  ng_scope_end();
  return fine && ng_error() == NG_OK;
}

static void *keep_computing(void *result) {
  int *fine = result;
  *fine = 1;
  for (int k = 0; *fine && !stop; k++, rounds++)
    *fine = compute(k);
  return NULL;
}

static void *compute_some(void *result) {
  int *fine = result;
  *fine = 1;
  for (int k = 0; *fine && k < 4; k++)
    *fine = compute(k);
  return NULL;
}

/* The child's: alone, and then with threads of its own, which contend for every lock. */
static int go_on(void) {
  alarm(120); /* ends a child that waits for ever */
  if (!compute(1) || !compute(16) || !works())
    return 1;
  pthread_t id;
  int fine[2] = {0, 0};
  if (pthread_create(&id, NULL, compute_some, &fine[0]) != 0)
    return 2;
  compute_some(&fine[1]);
  pthread_join(id, NULL);
  return fine[0] && fine[1] ? 0 : 3;
}

static void test_fork_while_others_compute(void **state) {
  (void)state;
  shared = ng_uniform(NG_FLOAT32, SHAPE(size, size), 0, 1);
  factor = ng_uniform(NG_FLOAT32, SHAPE(size, size), 0, 1);
  assert_true(compute(0));
  pthread_t ids[computing_threads];
  int fine[computing_threads] = {0};
  for (int k = 0; k < computing_threads; k++)
    assert_int_equal(pthread_create(&ids[k], NULL, keep_computing, &fine[k]), 0);
  while (rounds < 10 * computing_threads)
    sched_yield();
  int failed = 0, before = rounds;
  for (int k = 0; k < children; k++) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
      _exit(go_on());
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
      print_error("child %d: status %x\n", k, (unsigned)status);
      failed++;
    }
  }
  assert_true(rounds > before);
  stop = 1;
  for (int k = 0; k < computing_threads; k++) {
    pthread_join(ids[k], NULL);
    assert_true(fine[k]);
  }
  assert_int_equal(failed, 0);
  assert_true(works());
}

/* A child can have children. */
static void test_fork_in_a_child(void **state) {
  (void)state;
  shared = ng_uniform(NG_FLOAT32, SHAPE(size, size), 0, 1);
  factor = ng_uniform(NG_FLOAT32, SHAPE(size, size), 0, 1);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    int status = -1;
    int fine = compute(1);
    pid_t grandchild = fork();
    if (grandchild == 0)
      _exit(go_on());
    fine = fine && grandchild > 0 && waitpid(grandchild, &status, 0) == grandchild;
    _exit(fine && status == 0 && compute(1) ? 0 : 1);
  }
  int status = -1;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_fork_while_others_compute),
      TEST(test_fork_in_a_child),
  };
  return cmocka_run_group_tests_name("fork", tests, NULL, NULL);
}
