/// How long it takes until one processor sees what another wrote: two threads, each on a processor
/// of its own, pass a number to and fro. Where they share a cache that is some 25 ns, where they do
/// not, several times as much; and what a virtual machine calls its processors may be the one today
/// and the other tomorrow. Loops that threads share are slower by that, whatever the library.
#define _GNU_SOURCE
#include "../examples/common/check.h"
#include "../examples/common/progress.h"
#include "common.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { PASSES = 200 };

/// The number has a line of memory for itself. Odd ones are for the partner.
static struct {
  _Alignas(128) _Atomic int64_t value;
  char rest[128 - sizeof(int64_t)];
} number;

static int64_t turns;
static int partner_processor;

static void stay_on(int processor) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0)
    die("cannot run on processor %d", processor);
}

static void wait_for(int64_t value) {
  while (atomic_load_explicit(&number.value, memory_order_acquire) != value) {
  }
}

static void *partner(void *unused) {
  (void)unused;
  stay_on(partner_processor);
  for (int64_t i = 0; i < turns; i++) {
    wait_for(2 * i + 1);
    atomic_store_explicit(&number.value, 2 * i + 2, memory_order_release);
  }
  return NULL;
}

/// Seconds from a store on one processor to its sight on another.
static struct timing handover(const struct bench *bench, int from, int to) {
  struct samples samples = {0};
  pthread_t thread;
  turns = (bench->steps * bench->rounds + 1) * PASSES;
  partner_processor = to;
  atomic_store(&number.value, 0);
  stay_on(from);
  if (pthread_create(&thread, NULL, partner, NULL) != 0)
    die("cannot start a thread");
  double before = seconds();
  for (int64_t i = 0; i < turns; i++) {
    atomic_store_explicit(&number.value, 2 * i + 1, memory_order_release);
    wait_for(2 * i + 2);
    if ((i + 1) % PASSES == 0) {
      const double now = seconds();
      if (i >= PASSES) // the first were for the partner to arrive
        samples_add(&samples, (now - before) / (2 * PASSES));
      before = now;
    }
  }
  pthread_join(thread, NULL);
  return samples_take(&samples);
}

int main(int argc, char **argv) {
  struct bench bench = {.threads = 2, .steps = 100, .rounds = 1};
  bench_parse(argc, argv,
              "Times how a number gets from processor to processor, among --threads of them.",
              &bench, NULL, 0);
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
    die("cannot tell which processors there are");
  int first = -1;
  int64_t seen = 0;
  for (int processor = 0; processor < CPU_SETSIZE && seen < bench.threads; processor++) {
    if (!CPU_ISSET(processor, &allowed))
      continue;
    seen++;
    if (first < 0) {
      first = processor;
      continue;
    }
    const struct timing timing = handover(&bench, first, processor);
    result_begin(&bench, "handover");
    result_integer("from", first);
    result_integer("to", processor);
    result_number("median_ns", 1e9 * timing.median, 1);
    result_number("min_ns", 1e9 * timing.min, 1);
    result_end();
  }
  if (seen < 2)
    die("it takes two processors, and --threads of 2 or more");
  return 0;
}
