/// A step of logistic regression, 2,000 examples of 5 features: loss, gradient, update. Beside it
/// the loop that a C programmer would write for just this, compiled for this very processor.
#include "../examples/common/check.h"
#include "common.h"

#include <math.h>
#include <stdbool.h>

enum { ROWS = 2000, WEIGHTS = 5 };

static const double rate = 0.5, epsilon = 1e-12;

/// The examples, feature by feature (as vector instructions like it) and example by example.
static double x[ROWS * WEIGHTS], columns[WEIGHTS][ROWS], t[ROWS], w[WEIGHTS], loss;
static float x32[ROWS * WEIGHTS], columns32[WEIGHTS][ROWS], t32[ROWS], w32[WEIGHTS], loss32;

static void fill(void) {
  static const double truth[WEIGHTS] = {1.2, -0.8, 0.5, -1.6, 2.1};
  fill_double(x, ROWS * WEIGHTS);
  for (int i = 0; i < ROWS; i++) {
    double z = 0;
    for (int k = 0; k < WEIGHTS; k++) {
      z += x[i * WEIGHTS + k] * truth[k];
      columns[k][i] = x[i * WEIGHTS + k];
      x32[i * WEIGHTS + k] = columns32[k][i] = (float)x[i * WEIGHTS + k];
    }
    t[i] = 1 / (1 + exp(-z));
    t32[i] = (float)t[i];
  }
}

static void loop64(void *context) {
  (void)context;
  double error = 0, g0 = 0, g1 = 0, g2 = 0, g3 = 0, g4 = 0;
  for (int i = 0; i < ROWS; i++) {
    const double z = columns[0][i] * w[0] + columns[1][i] * w[1] + columns[2][i] * w[2] +
                     columns[3][i] * w[3] + columns[4][i] * w[4];
    const double y = 1 / (1 + exp(-z)), d = y - t[i];
    error -= t[i] * log(y + epsilon) + (1 - t[i]) * log(1 - y + epsilon);
    g0 += d * columns[0][i];
    g1 += d * columns[1][i];
    g2 += d * columns[2][i];
    g3 += d * columns[3][i];
    g4 += d * columns[4][i];
  }
  const double g[WEIGHTS] = {g0, g1, g2, g3, g4};
  for (int k = 0; k < WEIGHTS; k++)
    w[k] -= rate * g[k] / ROWS;
  loss = error / ROWS;
}

static void loop32(void *context) {
  (void)context;
  const float small = (float)epsilon;
  float error = 0, g0 = 0, g1 = 0, g2 = 0, g3 = 0, g4 = 0;
  for (int i = 0; i < ROWS; i++) {
    const float z = columns32[0][i] * w32[0] + columns32[1][i] * w32[1] + columns32[2][i] * w32[2] +
                    columns32[3][i] * w32[3] + columns32[4][i] * w32[4];
    const float y = 1 / (1 + expf(-z)), d = y - t32[i];
    error -= t32[i] * logf(y + small) + (1 - t32[i]) * logf(1 - y + small);
    g0 += d * columns32[0][i];
    g1 += d * columns32[1][i];
    g2 += d * columns32[2][i];
    g3 += d * columns32[3][i];
    g4 += d * columns32[4][i];
  }
  const float g[WEIGHTS] = {g0, g1, g2, g3, g4};
  for (int k = 0; k < WEIGHTS; k++)
    w32[k] -= (float)rate * g[k] / ROWS;
  loss32 = error / ROWS;
}

struct regression {
  ng_tensor *x, *t, *w;
  ng_tensor *kept; ///< the loss, if it is built once and for all
  ng_optimizer *optimizer;
  double loss;
};

static ng_tensor *build(const struct regression *r) {
  return ng_binary_cross_entropy(ng_sigmoid(ng_matmul(r->x, r->w)), r->t);
}

static void step(void *context) {
  struct regression *r = context;
  ng_scope_begin();
  ng_tensor *error = r->kept != NULL ? r->kept : build(r);
  ng_backward(error);
  r->loss = ng_item(error);
  ng_optimizer_step(r->optimizer);
  ng_optimizer_zero_grad(r->optimizer);
  ng_scope_end();
}

static void report(const struct bench *bench, const char *who, const char *graph, ng_dtype dtype,
                   int32_t threads, struct timing timing, double error) {
  if (!isfinite(error) || error > 0.694) // ln 2 is where weights of 0 begin
    die("%s: the loss %g did not fall", who, error);
  result_begin(bench, "glm_step");
  result_text("library", who);
  result_text("graph", graph);
  result_text("dtype", ng_dtype_name(dtype));
  result_integer("threads", threads);
  result_timing(timing);
  result_number("loss", error, 6);
  result_end();
}

static void run(const struct bench *bench, ng_dtype dtype) {
  const int64_t rows[] = {ROWS, WEIGHTS}, weights[] = {WEIGHTS, 1}, column[] = {ROWS, 1};
  const bool wide = dtype == NG_FLOAT64;
  for (int kept = 0; kept < 2; kept++) {
    ng_scope_begin();
    struct regression r = {.kept = NULL};
    r.x = ng_variable(dtype, 2, rows, wide ? (void *)x : x32, "x");
    r.t = ng_variable(dtype, 2, column, wide ? (void *)t : t32, "t");
    r.w = ng_parameter(dtype, 2, weights, NULL, "w");
    if (kept)
      r.kept = build(&r);
    r.optimizer = ng_sgd(rate);
    ng_optimizer_add(r.optimizer, &r.w, 1);
    check_nanograd();
    const struct timing timing = measure(bench, step, &r);
    check_nanograd();
    report(bench, "nanograd", kept ? "kept" : "rebuilt", dtype, ng_num_threads(), timing, r.loss);
    ng_optimizer_release(r.optimizer);
    ng_scope_end();
  }
  const struct timing timing = measure(bench, wide ? loop64 : loop32, NULL);
  report(bench, "C loop", "none", dtype, 1, timing, wide ? loss : (double)loss32);
}

int main(int argc, char **argv) {
  struct bench bench = {.threads = ng_num_threads(), .steps = 500, .rounds = 3};
  bench_parse(argc, argv, "Times a step of logistic regression on 2,000 examples of 5 features.",
              &bench, NULL, 0);
  ng_set_num_threads((int32_t)bench.threads);
  fill();
  run(&bench, NG_FLOAT32);
  run(&bench, NG_FLOAT64);
  return 0;
}
