/// A training step of the recurrent network in examples/common/gru.c, as a program that trains it
/// would make it: the graph is built anew, differentiated, clipped and applied.
#include "../examples/common/check.h"
#include "../examples/common/gru.h"
#include "common.h"

#include <math.h>
#include <stdlib.h>

enum { PIXELS = 784, CLASSES = 10 };

struct training {
  struct gru gru;
  ng_optimizer *optimizer;
  int64_t batch;
  float *images;
  int64_t *labels;
  double loss;
};

static void step(void *context) {
  struct training *training = context;
  const int64_t shape[] = {training->batch, PIXELS};
  ng_scope_begin();
  ng_tensor *x = ng_variable(NG_FLOAT32, 2, shape, training->images, "x");
  ng_tensor *t = ng_variable(NG_INT64, 1, shape, training->labels, "t");
  ng_tensor *loss = ng_cross_entropy_logits_indices(gru_classify(&training->gru, x), t);
  ng_backward(loss);
  training->loss = ng_item(loss);
  ng_optimizer_step(training->optimizer);
  ng_optimizer_zero_grad(training->optimizer);
  ng_scope_end();
  check_nanograd();
}

/// Floating point operations of the matrix products that a step needs: forward, the gradients of
/// all weights, and those of all states and inputs but the images.
static double step_flops(int64_t batch, int64_t hidden) {
  const double h = (double)hidden, inputs = (double)PIXELS / GRU_TIMES;
  const double first = 3 * inputs * h, other = 3 * h * h; // numbers in W of layer 0; in W or U
  const double cells = GRU_TIMES * (2 * first + 3 * (2 * GRU_LAYERS - 1) * other);
  return 2 * (double)batch * (cells + 3 * h * CLASSES);
}

int main(int argc, char **argv) {
  struct bench bench = {.threads = ng_num_threads(), .steps = 100, .rounds = 3};
  int64_t batch = 32, hidden = 256;
  const struct option options[] = {
      {"batch", OPTION_INTEGER, "N", "images in a step (32)", &batch, 1, 1e5},
      {"hidden", OPTION_INTEGER, "N", "units in a layer (256)", &hidden, 1, 1e4},
  };
  bench_parse(argc, argv, "Times a training step of two layers of gated recurrent units.", &bench,
              options, sizeof options / sizeof *options);
  ng_set_num_threads((int32_t)bench.threads);
  ng_seed(1);
  struct training training = {.gru = gru_make(NG_FLOAT32, hidden, true), .batch = batch};
  training.images = allocate((size_t)(batch * PIXELS), sizeof *training.images);
  training.labels = allocate((size_t)batch, sizeof *training.labels);
  fill_float(training.images, batch * PIXELS);
  for (int64_t i = 0; i < batch; i++)
    training.labels[i] = i % CLASSES;
  training.optimizer = ng_sgd(0.1);
  ng_optimizer_set_clip_norm(training.optimizer, 1);
  ng_optimizer_add(training.optimizer, training.gru.all, training.gru.count);
  check_nanograd();

  const struct timing timing = measure(&bench, step, &training);
  if (!isfinite(training.loss))
    die("the loss is not finite");
  result_begin(&bench, "gru_step");
  result_text("library", "nanograd");
  result_integer("batch", batch);
  result_integer("threads", ng_num_threads());
  result_timing(timing);
  result_number("gflops", 1e-9 * step_flops(batch, hidden) / timing.median, 1);
  result_number("loss", training.loss, 4);
  result_text("isa", ng_isa());
  result_end();
  ng_optimizer_release(training.optimizer);
  gru_release(&training.gru);
  free(training.images);
  free(training.labels);
  return 0;
}
