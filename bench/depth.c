/// Long chains: what a node costs to build, to differentiate and compute, and to release. It should
/// be the same for a thousand nodes and for a million.
#include "../examples/common/check.h"
#include "../examples/common/progress.h"
#include "common.h"

static void run(const struct bench *bench, int64_t nodes) {
  struct samples build = {0}, backward = {0}, release = {0};
  ng_tensor *w = ng_parameter(NG_FLOAT32, 0, NULL, &(float){1}, "w");
  // The first is a warm-up; a million nodes need no hundred samples.
  const int64_t fewer = 2000000 / nodes + 2;
  const int64_t steps = bench->rounds * (bench->steps < fewer ? bench->steps : fewer);
  for (int64_t step = 0; step <= steps; step++) {
    ng_scope_begin();
    const double start = seconds();
    ng_tensor *y = w;
    for (int64_t i = 0; i < nodes; i++)
      y = i % 2 == 0 ? ng_sin(y) : ng_add(y, w);
    const double built = seconds();
    ng_backward(y);
    const double done = seconds();
    ng_scope_end();
    const double released = seconds();
    ng_zero_grad(&w, 1);
    check_nanograd();
    if (step == 0)
      continue;
    samples_add(&build, built - start);
    samples_add(&backward, done - built);
    samples_add(&release, released - done);
  }
  ng_release(w);
  if (ng_live_handles() != 0)
    die("%lld handles are left over", (long long)ng_live_handles());

  const double ns = 1e9 / (double)nodes;
  const double parts[] = {samples_take(&build).median * ns, samples_take(&backward).median * ns,
                          samples_take(&release).median * ns};
  result_begin(bench, "depth");
  result_integer("nodes", nodes);
  result_integer("threads", ng_num_threads());
  result_number("build_ns", parts[0], 1);
  result_number("backward_ns", parts[1], 1);
  result_number("release_ns", parts[2], 1);
  result_number("total_ns", parts[0] + parts[1] + parts[2], 1);
  result_end();
}

int main(int argc, char **argv) {
  struct bench bench = {.threads = ng_num_threads(), .steps = 50, .rounds = 1};
  int64_t most = 1000000;
  const struct option options[] = {
      {"most", OPTION_INTEGER, "N", "nodes in the longest chain (1,000,000)", &most, 1000, 1e8},
  };
  bench_parse(argc, argv, "Times chains of a thousand nodes and more, in ns per node.", &bench,
              options, sizeof options / sizeof *options);
  ng_set_num_threads((int32_t)bench.threads);
  for (int64_t nodes = 1000; nodes <= most; nodes *= 10)
    run(&bench, nodes);
  return 0;
}
