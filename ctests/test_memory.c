/* Memory for data: what is counted, limits, and what a limit of the system does. */
#include "support.h"

#include <malloc.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { mebi = 1 << 20 };

static int64_t stat_of(int32_t stat) {
  int64_t bytes = ng_memory_stat(stat);
  assert_true(bytes >= 0);
  return bytes;
}

/* A Variable of some bytes. */
static ng_tensor *data(int64_t bytes) { return ng_uniform(NG_FLOAT32, SHAPE(bytes / 4), 0, 1); }

/* Nothing is kept, and the peak is what there is. */
static int begin_empty(void **state) {
  ng_release_caches();
  ng_reset_memory_peak();
  return begin_test(state);
}

static int end_limited(void **state) {
  return ng_set_memory_limit(0) != NG_OK ? -1 : end_test(state);
}
#define MEMORY(function) cmocka_unit_test_setup_teardown(function, begin_empty, end_limited)

static void expect_sum(void) {
  int64_t sum = 0;
  for (int32_t stat = NG_MEMORY_VALUES; stat <= NG_MEMORY_POOL; stat++)
    sum += stat_of(stat);
  assert_int_equal(stat_of(NG_MEMORY_TOTAL), sum);
  assert_true(stat_of(NG_MEMORY_PEAK) >= sum);
  assert_int_equal(stat_of(NG_MEMORY_VALUES), ng_live_bytes());
}

static void test_values_are_counted(void **state) {
  (void)state;
  int64_t values = stat_of(NG_MEMORY_VALUES), pool = stat_of(NG_MEMORY_POOL);
  ng_tensor *x = data(4 * mebi);
  assert_int_equal(stat_of(NG_MEMORY_VALUES), values + 4 * mebi);
  expect_sum();
  ng_tensor *y = ng_exp(x);
  assert_int_equal(stat_of(NG_MEMORY_VALUES), values + 4 * mebi); /* lazy */
  expect_ok(ng_eval(&y, 1));
  assert_int_equal(stat_of(NG_MEMORY_VALUES), values + 8 * mebi);
  assert_int_equal(stat_of(NG_MEMORY_WORKING), 0);
  expect_sum();
  expect_ok(ng_release(y));
  assert_int_equal(stat_of(NG_MEMORY_VALUES), values + 4 * mebi);
  assert_int_equal(stat_of(NG_MEMORY_POOL), pool + 4 * mebi);
  y = data(4 * mebi); /* takes what was kept */
  assert_int_equal(stat_of(NG_MEMORY_POOL), pool);
  assert_non_null(y);
  expect_sum();
}

static void test_plans_keep_memory(void **state) {
  (void)state;
  int64_t plans = stat_of(NG_MEMORY_PLANS);
  ng_tensor *a = data(mebi), *w = ng_reshape(a, SHAPE(512, 512));
  ng_tensor *product = ng_matmul(ng_matmul(w, w), ng_transpose(w));
  expect_ok(ng_eval(&product, 1));
  /* At least the product in between. With the plain evaluator there are no plans. */
  const char *engine = getenv("NANOGRAD_ENGINE");
  int64_t kept = stat_of(NG_MEMORY_PLANS) - plans;
  assert_true(engine != NULL && strcmp(engine, "plain") == 0 ? kept == 0 : kept >= mebi);
  assert_int_equal(stat_of(NG_MEMORY_WORKING), 0);
  expect_sum();
  double before = ng_item(ng_sum(product, ALL_AXES, 0));
  ng_release_caches();
  assert_int_equal(stat_of(NG_MEMORY_PLANS), 0);
  assert_int_equal(stat_of(NG_MEMORY_POOL), 0);
  expect_sum();
  ng_tensor *again = ng_matmul(ng_matmul(w, w), ng_transpose(w));
  expect_item(ng_sum(again, ALL_AXES, 0), before, 0);
}

static void test_peak(void **state) {
  (void)state;
  int64_t before = stat_of(NG_MEMORY_TOTAL);
  assert_int_equal(stat_of(NG_MEMORY_PEAK), before);
  expect_ok(ng_release(data(16 * mebi)));
  ng_release_caches();
  assert_true(stat_of(NG_MEMORY_TOTAL) < before + mebi);
  int64_t peak = stat_of(NG_MEMORY_PEAK);
  assert_in_range(peak, before + 16 * mebi, before + 17 * mebi);
  ng_reset_memory_peak();
  assert_int_equal(stat_of(NG_MEMORY_PEAK), stat_of(NG_MEMORY_TOTAL));
}

static void test_limit(void **state) {
  (void)state;
  ng_tensor *x = data(mebi);
  int64_t total = stat_of(NG_MEMORY_TOTAL), limit = total + 8 * mebi;
  assert_int_equal(stat_of(NG_MEMORY_LIMIT), 0);
  expect_ok(ng_set_memory_limit(limit));
  assert_int_equal(stat_of(NG_MEMORY_LIMIT), limit);
  ng_tensor *fits = data(7 * mebi);
  assert_non_null(fits);
  assert_null(data(4 * mebi));
  char in_use[64], at_most[64];
  snprintf(in_use, sizeof in_use, "%lld are in use", (long long)stat_of(NG_MEMORY_TOTAL));
  snprintf(at_most, sizeof at_most, "the limit is %lld", (long long)limit);
  assert_non_null(strstr(ng_error_message(), "no memory for 4194304 bytes"));
  assert_non_null(strstr(ng_error_message(), in_use));
  assert_non_null(strstr(ng_error_message(), at_most));
  assert_non_null(strstr(ng_error_message(), "set_memory_limit"));
  expect_error(NG_ERROR_MEMORY, "ng_uniform");
  assert_true(works());

  /* What is kept makes room for what is needed. */
  expect_ok(ng_release(fits));
  assert_true(stat_of(NG_MEMORY_POOL) >= 7 * mebi);
  ng_tensor *other = data(6 * mebi);
  assert_non_null(other);
  assert_true(stat_of(NG_MEMORY_POOL) < mebi);
  assert_true(stat_of(NG_MEMORY_PEAK) <= limit);

  /* Lazy tensors are refused when they are asked for, and can be had once there is room. */
  ng_tensor *y = ng_add_scalar(ng_broadcast_to(x, SHAPE(16, mebi / 4)), 1);
  assert_int_equal(ng_eval(&y, 1), NG_ERROR_MEMORY);
  expect_error(NG_ERROR_MEMORY, "ng_eval");
  expect_ok(ng_set_memory_limit(0));
  expect_ok(ng_eval(&y, 1));
}

static void test_limit_below_what_is_in_use(void **state) {
  (void)state;
  const float numbers[3] = {1, 2, 3};
  ng_tensor *x = ng_variable(NG_FLOAT32, SHAPE(3), numbers, "x"), *large = data(mebi);
  expect_ok(ng_set_memory_limit(1));
  expect_numbers(x, NUMBERS(1, 2, 3), 0); /* needs no more */
  expect_ok(ng_write(x, (float[]){4, 5, 6}, sizeof numbers));
  assert_null(ng_variable(NG_FLOAT32, SHAPE(3), numbers, "y"));
  expect_error(NG_ERROR_MEMORY, "ng_variable");
  int64_t enough = stat_of(NG_MEMORY_TOTAL) - mebi / 2;
  expect_ok(ng_set_memory_limit(enough));
  assert_null(ng_variable(NG_FLOAT32, SHAPE(3), numbers, "y"));
  expect_error(NG_ERROR_MEMORY, "ng_variable");
  expect_ok(ng_release(large));
  expect_numbers(ng_variable(NG_FLOAT32, SHAPE(3), numbers, "y"), NUMBERS(1, 2, 3), 0);
  expect_numbers(x, NUMBERS(4, 5, 6), 0);
}

static void test_limit_frees_what_is_kept(void **state) {
  (void)state;
  expect_ok(ng_release(data(8 * mebi)));
  assert_true(stat_of(NG_MEMORY_POOL) >= 8 * mebi);
  expect_ok(ng_set_memory_limit(stat_of(NG_MEMORY_TOTAL)));
  assert_true(stat_of(NG_MEMORY_POOL) >= 8 * mebi); /* not in the way */
  expect_ok(ng_set_memory_limit(stat_of(NG_MEMORY_TOTAL) - mebi));
  assert_int_equal(stat_of(NG_MEMORY_POOL), 0);
}

/* Threads that ask at once do not together get more than there is. */
static void *fill(void *result) {
  int64_t *held = result;
  ng_scope_begin();
  while (data(64 * 1024) != NULL)
    ++*held;
  *held = ng_error() == NG_ERROR_MEMORY ? *held : -1;
  ng_scope_end();
  return NULL;
}

static void test_limit_for_all_threads(void **state) {
  (void)state;
  enum { threads = 4 };
  int64_t limit = stat_of(NG_MEMORY_TOTAL) + 32 * mebi, held[threads] = {0};
  expect_ok(ng_set_memory_limit(limit));
  pthread_t ids[threads];
  for (int k = 0; k < threads; k++)
    assert_int_equal(pthread_create(&ids[k], NULL, fill, &held[k]), 0);
  for (int k = 0; k < threads; k++) {
    pthread_join(ids[k], NULL);
    assert_true(held[k] >= 0);
  }
  int64_t peak = stat_of(NG_MEMORY_PEAK);
  assert_in_range(peak, limit - mebi, limit);
}

/* ---- A limit of the system --------------------------------------------------------------------
 */

/* Under valgrind, which needs far more addresses than the program, there is no limiting them. */
static void skip_without_limits(void) {
  if (getenv("NANOGRAD_TEST_MEMCHECK") != NULL)
    skip();
}

/* Leaves the process so much more than it has; 0 or an exit status. */
static int shorten_addresses(int64_t bytes) {
  FILE *file = fopen("/proc/self/statm", "r");
  long pages = 0;
  if (file == NULL || fscanf(file, "%ld", &pages) != 1)
    return 2;
  fclose(file);
  rlim_t most = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + (rlim_t)bytes;
  return setrlimit(RLIMIT_AS, &(struct rlimit){most, most}) == 0 ? 0 : 3;
}

/* The child's: more than there is, again and again, and a small computation after each. */
static int run_short_of_addresses(int unused) {
  (void)unused;
  int before = shorten_addresses(256 * mebi);
  if (before != 0)
    return before;
  for (int64_t bytes = (int64_t)1 << 40; bytes >= 512 * mebi; bytes /= 2) {
    ng_scope_begin();
    ng_tensor *x = data(bytes);
    if (x != NULL || ng_error() != NG_ERROR_MEMORY)
      return 4;
    ng_clear_error();
    ng_tensor *y = ng_exp(ng_full(NG_FLOAT32, SHAPE(bytes / 4), 1));
    if (ng_eval(&y, 1) != NG_ERROR_MEMORY)
      return 5;
    ng_clear_error();
    if (!works() || ng_error() != NG_OK)
      return 6;
    ng_scope_end();
  }
  /* Piece by piece until there is no more; then all that again. */
  for (int round = 0; round < 3; round++) {
    ng_scope_begin();
    int pieces = 0;
    while (data(16 * mebi) != NULL)
      pieces++;
    if (pieces < 8 || pieces > 32 || ng_error() != NG_ERROR_MEMORY)
      return 7;
    ng_clear_error();
    if (!works() || ng_error() != NG_OK)
      return 8;
    ng_scope_end();
  }
  return 0;
}

/* The child's: tensors until there is no memory for another, which all live on in one graph. */
static int fill_with_tensors(int unused) {
  (void)unused;
  int before = shorten_addresses(64 * mebi);
  if (before != 0)
    return before;
  for (int round = 0; round < 3; round++) {
    ng_scope_begin();
    int64_t handles = ng_live_handles(), count = 0;
    ng_tensor *y = ng_ones(NG_FLOAT32, SCALAR);
    while (y != NULL && count < 10000000) {
      ng_tensor *next = ng_negate(y);
      count++;
      if (next == NULL)
        break;
      y = next;
    }
    if (count < 10000 || count == 10000000 || ng_error() != NG_ERROR_MEMORY)
      return 9;
    /* And again, as often as one likes; a small piece may have been found meanwhile. */
    for (int k = 0; k < 1000; k++) {
      ng_clear_error();
      if (ng_negate(y) == NULL && ng_error() != NG_ERROR_MEMORY)
        return 10;
    }
    ng_clear_error();
    if (ng_scope_end() != NG_OK || ng_live_handles() != handles)
      return 11;
    if (!works() || ng_error() != NG_OK)
      return 12;
  }
  return 0;
}

static int in_child(int (*work)(int), int number) {
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    ng_set_num_threads(1);
    _exit(work(number));
  }
  int status = -1;
  assert_int_equal(waitpid(child, &status, 0), child);
  return status;
}

static void expect_child(int (*work)(int)) { assert_int_equal(in_child(work, 0), 0); }

static void test_limit_of_the_system(void **state) {
  (void)state;
  skip_without_limits();
  expect_child(run_short_of_addresses);
}

static void test_no_memory_for_the_graph(void **state) {
  (void)state;
  skip_without_limits();
  expect_child(fill_with_tensors);
}

/* What walks over a whole graph, once for each kind of walk. */
enum { EVAL, BACKWARD, GRADIENTS, CHECK, STEP, DESCRIBE, NOTATION, TREE, DOT, PICTURE, walks };

/* The graph that children walk over. */
static ng_tensor *p, *loss;
static ng_optimizer *optimizer;

static int64_t walk(int kind) {
  switch (kind) {
  case EVAL:
    return ng_eval(&loss, 1);
  case BACKWARD:
    return ng_backward(loss);
  case GRADIENTS: {
    ng_tensor *gradient = NULL;
    return ng_gradients(loss, NULL, &p, 1, &gradient);
  }
  case CHECK: {
    double error;
    return ng_check_gradients(loss, 1e-5, &error);
  }
  case STEP: {
    ng_status status = ng_backward(loss);
    return status == NG_OK ? ng_optimizer_step(optimizer) : status;
  }
  case DESCRIBE:
    return ng_plan_describe(&loss, 1, NULL, 0);
  case NOTATION:
    return ng_notation(loss, NULL, 0);
  case TREE:
    return ng_tree(loss, NULL, 0);
  case DOT:
    return ng_dot(loss, NULL, 0);
  default:
    return ng_graph_dot(&loss, 1, NG_DRAW_SHAPES, 2, INT32_MAX, NULL, 0);
  }
}

/* A graph of some thousand tensors or more, of many kinds of operator. */
static ng_tensor *large_graph(int tensors) {
  ng_tensor *x = ng_ones(NG_FLOAT64, SHAPE(2, 2)), *y = p, *early = p;
  for (int k = 0; k < tensors; k += 16) {
    ng_tensor *h = ng_tanh(ng_add(ng_matmul(x, y), ng_transpose(early)));
    ng_tensor *s = ng_softmax(ng_multiply(h, ng_sigmoid(y)), 1);
    y = ng_add(ng_multiply_scalar(s, 0.5), ng_mean(ng_slice(h, 0, 0, 1, 1), ALL_AXES, 0));
    if (k % 160 == 0)
      early = y;
  }
  return ng_ridge(y);
}

/* The child's: one walk with so many mebibytes of addresses. Exits with 0 if it is refused, 1 if
 * there was enough memory. */
static int walk_short_of_addresses(int number) {
  malloc_trim(0); /* what malloc keeps would be room, too */
  if (shorten_addresses((int64_t)(number / walks) * mebi) != 0)
    return 2;
  int64_t status = walk(number % walks);
  int refused = status == NG_ERROR_MEMORY && ng_error() == NG_ERROR_MEMORY;
  if (refused == (status >= 0))
    return 3;
  ng_clear_error();
  /* Without the graph there is room for small things. */
  if (ng_scope_end() != NG_OK || ng_scope_begin() != NG_OK)
    return 4;
  ng_release_caches();
  return works() && ng_error() == NG_OK ? !refused : 5;
}

static void test_no_memory_for_work_on_the_graph(void **state) {
  (void)state;
  skip_without_limits();
  /* From less than is held in reserve to what is enough for all. */
  static const int sizes[] = {2000, 12000, 40000};
  static const int rooms[] = {0, 2, 5, 10, 20, 40, 80, 160, 320};
  int refused[walks] = {0}, done[walks] = {0};
  optimizer = ng_adam(0.01);
  p = make_parameter(NG_FLOAT64, SHAPE(2, 2), NUMBERS(0.1, 0.2, 0.3, 0.4));
  expect_ok(ng_optimizer_add(optimizer, &p, 1));
  for (size_t s = 0; s < COUNT(sizes); s++) {
    ng_scope_begin();
    loss = large_graph(sizes[s]);
    assert_non_null(loss);
    for (size_t r = 0; r < COUNT(rooms); r++)
      for (int kind = 0; kind < walks; kind++) {
        if (kind == CHECK && s > 0)
          continue; /* takes its time */
        int status = in_child(walk_short_of_addresses, rooms[r] * walks + kind);
        if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
          fail_msg("walk %d over %d tensors, %d MiB: status %#x", kind, sizes[s], rooms[r],
                   (unsigned)status);
        (WEXITSTATUS(status) == 0 ? refused : done)[kind]++;
      }
    ng_scope_end();
  }
  for (int kind = 0; kind < walks; kind++) {
    assert_true(refused[kind] > 0);
    assert_true(done[kind] > 0);
  }
  expect_ok(ng_optimizer_release(optimizer));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      MEMORY(test_values_are_counted),
      MEMORY(test_plans_keep_memory),
      MEMORY(test_peak),
      MEMORY(test_limit),
      MEMORY(test_limit_below_what_is_in_use),
      MEMORY(test_limit_frees_what_is_kept),
      MEMORY(test_limit_for_all_threads),
      MEMORY(test_limit_of_the_system),
      MEMORY(test_no_memory_for_the_graph),
      MEMORY(test_no_memory_for_work_on_the_graph),
  };
  return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
