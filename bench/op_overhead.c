/// What one tiny operator costs: chains of operators on a single number, built anew each time. The
/// arithmetic is next to nothing, so this is the price of building, differentiating, planning and
/// running.
#include "../examples/common/check.h"
#include "common.h"

#include <math.h>
#include <stdbool.h>

struct chain {
  ng_tensor *w, *b;
  int64_t operators;
  bool varied;      ///< no two chains are alike
  uint64_t variant; ///< which one is next
  enum { BUILD, FORWARD, BACKWARD } work;
  double value;
};

/// tanh of two multiplications by w or additions of b, over and over. Which of the two it is, the
/// bits of the variant say: as many operators each time, in an order not seen before.
static void work(void *context) {
  struct chain *chain = context;
  uint64_t bits = chain->variant;
  if (chain->varied)
    chain->variant++;
  ng_scope_begin();
  ng_tensor *y = chain->w;
  for (int64_t i = 0; i < chain->operators; i++)
    if (i % 3 == 2) {
      y = ng_tanh(y);
    } else {
      y = bits & 1 ? ng_add(y, chain->b) : ng_multiply(y, chain->w);
      bits >>= 1;
    }
  if (chain->work == BACKWARD)
    ng_backward(y);
  if (chain->work != BUILD)
    chain->value = ng_item(y);
  if (chain->work == BACKWARD)
    ng_zero_grad((ng_tensor *const[]){chain->w, chain->b}, 2);
  ng_scope_end();
}

static void run(const struct bench *bench, int64_t operators) {
  static const char *const names[] = {"build", "forward", "forward+backward"};
  for (int work_kind = BUILD; work_kind <= BACKWARD; work_kind++)
    for (int varied = 0; varied < (work_kind == BUILD ? 1 : 2); varied++) {
      ng_scope_begin();
      struct chain chain = {.operators = operators, .varied = varied, .work = work_kind};
      chain.w = ng_parameter(NG_FLOAT32, 0, NULL, &(float){0.9f}, "w");
      chain.b = ng_parameter(NG_FLOAT32, 0, NULL, &(float){0.1f}, "b");
      const struct timing timing = measure(bench, work, &chain);
      check_nanograd();
      if (work_kind != BUILD && !(fabs(chain.value) <= 10))
        die("the chain's value %g is out of its range", chain.value);
      result_begin(bench, "op_overhead");
      result_text("work", names[work_kind]);
      result_text("structure", varied ? "new each time" : "seen before");
      result_integer("operators", operators);
      result_integer("threads", ng_num_threads());
      result_timing(timing);
      result_number("ns_per_op", 1e9 * timing.median / (double)operators, 1);
      result_end();
      ng_scope_end();
    }
}

int main(int argc, char **argv) {
  struct bench bench = {.threads = ng_num_threads(), .steps = 100, .rounds = 1};
  int64_t operators = 0;
  const struct option options[] = {
      {"operators", OPTION_INTEGER, "N", "in a chain (30, 300 and 3000)", &operators, 1, 1e6},
  };
  bench_parse(argc, argv, "Times chains of operators on a single number, per operator.", &bench,
              options, sizeof options / sizeof *options);
  ng_set_num_threads((int32_t)bench.threads);
  if (operators != 0)
    run(&bench, operators);
  else
    for (operators = 30; operators <= 3000; operators *= 10)
      run(&bench, operators);
  return 0;
}
