/// A chain of ten elementwise operators over ten million floats, set beside a copy of the same
/// array: what is fused reads its operand once and writes its result once, as a copy does.
#include "../examples/common/check.h"
#include "common.h"

#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { OPERATORS = 10, MAX_THREADS = 64 };

struct chain {
  ng_tensor *x, *s, *kept;
  bool transcendental;
  float scale;
};

static ng_tensor *build(const struct chain *chain) {
  ng_tensor *y = ng_multiply(chain->x, chain->s); // 1
  if (chain->transcendental) {
    y = ng_tanh(ng_add_scalar(y, 0.1));              // 3
    y = ng_exp(ng_multiply_scalar(y, -0.5));         // 5
    y = ng_sigmoid(ng_subtract(y, chain->x));        // 7
    y = ng_log(ng_add_scalar(ng_multiply(y, y), 1)); // 10
  } else {
    y = ng_abs(ng_add_scalar(y, 0.1));                  // 3
    y = ng_multiply(ng_multiply_scalar(y, -0.5), y);    // 5
    y = ng_maximum(ng_subtract(y, chain->x), y);        // 7
    y = ng_negate(ng_add_scalar(ng_multiply(y, y), 1)); // 10
  }
  return y;
}

/// Writing one number makes the whole of the kept graph stale.
static void run_kept(void *context) {
  struct chain *chain = context;
  chain->scale = chain->scale == 1 ? 2 : 1;
  ng_write(chain->s, &chain->scale, sizeof chain->scale);
  ng_eval(&chain->kept, 1);
}

static void run_rebuilt(void *context) {
  struct chain *chain = context;
  ng_scope_begin();
  ng_tensor *y = build(chain);
  ng_eval(&y, 1);
  ng_scope_end();
}

/// A copy by as many threads: each waits for its turn, copies its part and says so.
struct copy {
  char *from, *to;
  size_t bytes;
  int64_t threads;
  pthread_barrier_t start, end;
  bool done;
};
struct part {
  struct copy *copy;
  int64_t index;
};

static void copy_part(const struct copy *copy, int64_t index) {
  const size_t n = (size_t)copy->threads, i = (size_t)index;
  const size_t first = copy->bytes / n * i;
  memcpy(copy->to + first, copy->from + first, i + 1 == n ? copy->bytes - first : copy->bytes / n);
}

static void *copy_thread(void *context) {
  const struct part *part = context;
  while (true) {
    pthread_barrier_wait(&part->copy->start);
    if (part->copy->done)
      return NULL;
    copy_part(part->copy, part->index);
    pthread_barrier_wait(&part->copy->end);
  }
}

static void run_copy(void *context) {
  struct copy *copy = context;
  pthread_barrier_wait(&copy->start);
  copy_part(copy, 0);
  pthread_barrier_wait(&copy->end);
}

static struct timing time_copy(const struct bench *bench, const float *from, size_t bytes) {
  struct copy copy = {(char *)from, allocate(bytes, 1), bytes, bench->threads, .done = false};
  pthread_barrier_init(&copy.start, NULL, (unsigned)copy.threads);
  pthread_barrier_init(&copy.end, NULL, (unsigned)copy.threads);
  pthread_t threads[MAX_THREADS];
  struct part parts[MAX_THREADS];
  for (int64_t i = 1; i < copy.threads; i++) {
    parts[i] = (struct part){&copy, i};
    if (pthread_create(&threads[i], NULL, copy_thread, &parts[i]) != 0)
      die("cannot start a thread");
  }
  const struct timing timing = measure(bench, run_copy, &copy);
  copy.done = true;
  pthread_barrier_wait(&copy.start);
  for (int64_t i = 1; i < copy.threads; i++)
    pthread_join(threads[i], NULL);
  if (memcmp(copy.from, copy.to, bytes) != 0)
    die("the copy is not a copy");
  pthread_barrier_destroy(&copy.start);
  pthread_barrier_destroy(&copy.end);
  free(copy.to);
  return timing;
}

static void report(const struct bench *bench, const char *work, const char *graph, int64_t count,
                   struct timing timing, struct timing copy) {
  result_begin(bench, "elementwise");
  result_text("work", work);
  result_text("graph", graph);
  result_integer("elements", count);
  result_integer("threads", bench->threads);
  result_timing(timing);
  result_number("gb_per_s", 8e-9 * (double)count / timing.median, 2);
  result_number("of_copy", copy.median / timing.median, 3);
  result_end();
}

int main(int argc, char **argv) {
  struct bench bench = {.threads = ng_num_threads(), .steps = 20, .rounds = 3};
  int64_t count = 10000000;
  const struct option options[] = {
      {"elements", OPTION_INTEGER, "N", "in the array (10,000,000)", &count, 1, 1e9},
  };
  bench_parse(argc, argv, "Times ten fused operators over a large array, and a copy of it.", &bench,
              options, sizeof options / sizeof *options);
  if (bench.threads > MAX_THREADS)
    die("--threads: expected at most %d", MAX_THREADS);
  ng_set_num_threads((int32_t)bench.threads);
  float *data = allocate((size_t)count, sizeof *data);
  fill_float(data, count);
  const struct timing copy = time_copy(&bench, data, (size_t)count * sizeof *data);
  report(&bench, "copy", "none", count, copy, copy);

  for (int transcendental = 0; transcendental < 2; transcendental++) {
    ng_scope_begin();
    struct chain chain = {.transcendental = transcendental, .scale = 1};
    chain.x = ng_variable(NG_FLOAT32, 1, &count, data, "x");
    chain.s = ng_variable(NG_FLOAT32, 0, NULL, &chain.scale, "s");
    chain.kept = build(&chain);
    const char *work = transcendental ? "4 functions, 6 sums" : "10 sums and such";
    const struct timing kept = measure(&bench, run_kept, &chain);
    report(&bench, work, "kept", count, kept, copy);
    const struct timing rebuilt = measure(&bench, run_rebuilt, &chain);
    report(&bench, work, "rebuilt", count, rebuilt, copy);
    check_nanograd();
    ng_scope_end();
  }
  free(data);
  return 0;
}
