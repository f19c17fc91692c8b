/* Many threads at once, as a server or a data loader would have them. To be run with
 * ThreadSanitizer, too (preset tsan). test_handles.c has the rules for few threads. */
#include "support.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WITH_THREAD_SANITIZER 1
#endif
#endif

enum { crowd = 16 };

/* cmocka's assertions are for the main thread: others count what is wrong. */
static atomic_int failures;

static void require(int condition) {
  if (!condition)
    atomic_fetch_add(&failures, 1);
}

/* Runs a function on many threads at once, each with its number. */
static void on_threads(int count, void *(*run)(void *)) {
  pthread_t threads[crowd];
  atomic_store(&failures, 0);
  for (int i = 0; i < count; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, run, (void *)(intptr_t)i), 0);
  for (int i = 0; i < count; i++)
    assert_int_equal(pthread_join(threads[i], NULL), 0);
  assert_int_equal(atomic_load(&failures), 0);
}

/* ---- Training -------------------------------------------------------------------------------- */

/* Trains a network of two layers, of `width` units, that is rebuilt at every step, or stays. The
 * loss at the end; NaN after an error. */
static double train(uint64_t seed, int64_t width, int steps, int stays) {
  ng_clear_error();
  ng_seed(seed);
  ng_scope_begin();
  ng_tensor *x = ng_normal(NG_FLOAT32, SHAPE(32, 20), 0, 1);
  ng_tensor *t = ng_normal(NG_FLOAT32, SHAPE(32, 4), 0, 1);
  ng_tensor *w[] = {ng_to_parameter(ng_normal(NG_FLOAT32, SHAPE(20, width), 0, 0.2), "w"),
                    ng_to_parameter(ng_normal(NG_FLOAT32, SHAPE(width, 4), 0, 0.2), "v"),
                    ng_parameter(NG_FLOAT32, SHAPE(width), NULL, "b")};
  ng_optimizer *optimizer = ng_adam(0.01);
  ng_optimizer_add(optimizer, w, 3);
  ng_optimizer_set_clip_norm(optimizer, 1);
  double loss = NAN;
  ng_tensor *error = NULL;
  for (int step = 0; step < steps; step++) {
    ng_scope_begin();
    if (error == NULL || !stays) {
      ng_tensor *hidden = ng_tanh(ng_add(ng_matmul(x, w[0]), w[2]));
      error = ng_squared_error(ng_matmul(hidden, w[1]), t);
      if (stays)
        ng_keep(error);
    }
    ng_optimizer_zero_grad(optimizer);
    ng_backward(error);
    loss = ng_item(error);
    ng_optimizer_step(optimizer);
    ng_scope_end();
  }
  ng_optimizer_release(optimizer);
  ng_scope_end();
  return ng_error() == NG_OK ? loss : (double)NAN;
}

static double losses[crowd];

/* Odd ones are so wide that the work of a step is shared among threads. */
static double train_one(int i, int stays) {
  return train((uint64_t)i + 1, i % 2 ? 256 : 8 + i, i % 2 ? 15 : 60, stays);
}

static void *train_there(void *number) {
  int i = (int)(intptr_t)number;
  losses[i] = train_one(i, i % 4 < 2);
  if (i % 3 == 0)
    ng_release_caches();
  return NULL;
}

static void test_sixteen_threads_train(void **state) {
  (void)state;
  int64_t handles = ng_live_handles(), bytes = ng_live_bytes();
  ng_set_num_threads(4);
  on_threads(crowd, train_there);
  for (int i = 0; i < crowd; i++) {
    double alone = train_one(i, i % 4 >= 2);
    assert_true(isfinite(alone));
    assert_true(losses[i] == alone);
  }
  assert_int_equal(ng_live_handles(), handles);
  assert_int_equal(ng_live_bytes(), bytes);
}

/* ---- Handing over ---------------------------------------------------------------------------- */

enum { slots = 64, rounds = 400 };
static _Atomic(ng_tensor *) mailbox[slots];

/* Builds on what it has, and puts the results where any thread may take them to release them. */
static void *make_and_release(void *number) {
  uint64_t place = (uint64_t)(intptr_t)number;
  ng_tensor *w = ng_parameter(NG_FLOAT64, SHAPE(8), NULL, NULL);
  for (int i = 0; i < rounds; i++) {
    ng_scope_begin();
    ng_tensor *y = ng_keep(ng_ridge(ng_add_scalar(w, i)));
    ng_scope_end();
    require(ng_item(y) == 8.0 * i * i);
    place = place * 25214903917 + 11;
    ng_tensor *other = atomic_exchange(&mailbox[place >> 16 & (slots - 1)], y);
    if (other != NULL)
      require(ng_release(other) == NG_OK);
  }
  require(ng_release(w) == NG_OK);
  require(ng_error() == NG_OK);
  return NULL;
}

static void test_handles_are_released_elsewhere(void **state) {
  (void)state;
  int64_t handles = ng_live_handles(), bytes = ng_live_bytes();
  on_threads(crowd, make_and_release);
  for (int i = 0; i < slots; i++)
    expect_ok(ng_release(atomic_exchange(&mailbox[i], NULL)));
  assert_int_equal(ng_live_handles(), handles);
  assert_int_equal(ng_live_bytes(), bytes);
}

/* ---- Scopes and errors ----------------------------------------------------------------------- */

static void *nest_scopes(void *number) {
  uint64_t state = (uint64_t)(intptr_t)number + 1;
  ng_tensor *made[32];
  for (int i = 0; i < 100; i++) {
    int depth = 0;
    for (; depth < 32; depth++) {
      ng_scope_begin();
      made[depth] = ng_full(NG_FLOAT32, SCALAR, depth);
    }
    while (depth > 0) {
      state = state * 6364136223846793005 + 1442695040888963407;
      int kept = state >> 60 < 4;
      if (kept)
        require(ng_keep(made[depth - 1]) == made[depth - 1]);
      require(ng_scope_end() == NG_OK);
      require(kept ? ng_item(made[depth - 1]) == depth - 1 : ng_rank(made[depth - 1]) < 0);
      if (kept)
        require(ng_release(made[depth - 1]) == NG_OK);
      ng_clear_error();
      depth--;
    }
    require(ng_scope_end() == NG_ERROR_STATE);
    ng_clear_error();
  }
  /* A thread may end with scopes open: they end with it. */
  ng_scope_begin();
  ng_full(NG_FLOAT32, SCALAR, 1);
  return NULL;
}

static void test_scopes_of_each_thread(void **state) {
  (void)state;
  int64_t handles = ng_live_handles();
  on_threads(8, nest_scopes);
  assert_int_equal(ng_live_handles(), handles);
}

static void *fail_often(void *number) {
  int kind = (int)(intptr_t)number % 4;
  ng_tensor *a = ng_full(NG_FLOAT32, SHAPE(2, 3), 1);
  for (int i = 0; i < 1000; i++) {
    ng_tensor *failed = kind == 0   ? ng_matmul(a, a)
                        : kind == 1 ? ng_cast(a, 77)
                        : kind == 2 ? ng_select(a, 0, 100 + i)
                                    : ng_exp((ng_tensor *)&failures);
    const ng_status codes[] = {NG_ERROR_SHAPE, NG_ERROR_DTYPE, NG_ERROR_ARGUMENT, NG_ERROR_HANDLE};
    const char *names[] = {"ng_matmul:", "ng_cast:", "ng_select:", "ng_exp:"};
    require(failed == NULL);
    require(ng_error() == codes[kind]);
    require(strncmp(ng_error_message(), names[kind], strlen(names[kind])) == 0);
    if (kind == 2) {
      char text[16];
      snprintf(text, sizeof text, "%d", 100 + i);
      require(strstr(ng_error_message(), text) != NULL);
    }
  }
  ng_clear_error();
  require(ng_release(a) == NG_OK);
  return NULL;
}

static void test_errors_of_each_thread(void **state) {
  (void)state;
  on_threads(crowd, fail_often);
  assert_int_equal(ng_error(), NG_OK);
}

/* ---- Loading while computing ----------------------------------------------------------------- */

enum { batches = 200, row = 512 };

/* Two tensors for batches: while one is learned from, the loader fills the other. */
static struct {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  ng_tensor *tensor[2];
  int is_full[2];
} loading = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void wait_until(int slot, int is_full) {
  pthread_mutex_lock(&loading.lock);
  while (loading.is_full[slot] != is_full)
    pthread_cond_wait(&loading.changed, &loading.lock);
  pthread_mutex_unlock(&loading.lock);
}

static void set(int slot, int is_full) {
  pthread_mutex_lock(&loading.lock);
  loading.is_full[slot] = is_full;
  pthread_cond_broadcast(&loading.changed);
  pthread_mutex_unlock(&loading.lock);
}

static void load(void) {
  static float data[row];
  for (int batch = 0; batch < batches; batch++) {
    wait_until(batch % 2, 0);
    for (int i = 0; i < row; i++)
      data[i] = (float)batch;
    require(ng_write(loading.tensor[batch % 2], data, sizeof data) == NG_OK);
    set(batch % 2, 1);
  }
}

static void compute(void) {
  ng_tensor *w = ng_parameter(NG_FLOAT32, SHAPE(row), NULL, NULL);
  for (int batch = 0; batch < batches; batch++) {
    wait_until(batch % 2, 1);
    ng_scope_begin();
    ng_tensor *loss = ng_mean(ng_exp(ng_multiply(loading.tensor[batch % 2], w)), ALL_AXES, 0);
    require(ng_zero_grad(&w, 1) == NG_OK);
    require(ng_backward(loss) == NG_OK);
    require(ng_item(loss) == 1);
    require(ng_item(ng_select(ng_grad(w), 0, 5)) == (double)((float)batch / row));
    ng_scope_end();
    set(batch % 2, 0);
  }
  require(ng_release(w) == NG_OK);
}

static void *load_or_compute(void *number) {
  if (number == NULL)
    load();
  else
    compute();
  return NULL;
}

static void test_loading_while_computing(void **state) {
  (void)state;
  for (int i = 0; i < 2; i++)
    loading.tensor[i] = ng_variable(NG_FLOAT32, SHAPE(row), NULL, NULL);
  on_threads(2, load_or_compute);
}

/* ---- Fork ------------------------------------------------------------------------------------ */

static atomic_int is_over;

static void *train_until_over(void *number) {
  for (uint64_t round = 0; !atomic_load(&is_over); round++)
    require(isfinite(
        train((uint64_t)(intptr_t)number + round, 8 + (int64_t)(round % 40), 3, round % 2)));
  return NULL;
}

/* While threads train, make new plans and free memory, the main thread forks; each child trains. */
static void test_forks_of_a_busy_process(void **state) {
  (void)state;
#ifdef WITH_THREAD_SANITIZER
  skip(); /* its run time does not support threads in the child */
#endif
  enum { busy = 3, children = 200 };
  pthread_t threads[busy];
  const double want = train(5, 256, 4, 0);
  atomic_store(&is_over, 0);
  atomic_store(&failures, 0);
  for (int i = 0; i < busy; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, train_until_over, (void *)(intptr_t)(1 + i)),
                     0);
  int failed = 0;
  for (int i = 0; i < children && failed == 0; i++) {
    pid_t child = fork();
    if (child == 0) {
      signal(SIGILL, SIG_DFL); /* cmocka would go on with the other tests */
      signal(SIGSEGV, SIG_DFL);
      alarm(60); /* a child that hangs is ended by the signal */
      _exit(train(5, 256, 4, 1) == want ? 0 : 1);
    }
    int status = -1;
    failed += child < 0 || waitpid(child, &status, 0) != child || status != 0;
    if (failed)
      print_error("child %d: wait status %d\n", i, status);
  }
  atomic_store(&is_over, 1);
  for (int i = 0; i < busy; i++)
    pthread_join(threads[i], NULL);
  assert_int_equal(failed, 0);
  assert_int_equal(atomic_load(&failures), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_sixteen_threads_train),   TEST(test_handles_are_released_elsewhere),
      TEST(test_scopes_of_each_thread),   TEST(test_errors_of_each_thread),
      TEST(test_loading_while_computing), TEST(test_forks_of_a_busy_process),
  };
  return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
