/// Where the time of a training step of the recurrent network goes, on one thread: the steps of its
/// plan by kind, from what `ng_plan_profile` says, and what surrounds them, by the clock. As a
/// table, and as a picture.
#include "../examples/common/check.h"
#include "../examples/common/gru.h"
#include "../examples/common/output.h"
#include "../examples/common/svg.h"
#include "common.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PIXELS = 784, CLASSES = 10, WARM = 5 };

enum kind { PRODUCTS, PACKING, MAPS, REDUCTIONS, OTHERS, REST, BUILDING, UPDATE, RELEASING, KINDS };

static const struct {
  const char *name, *color;
} kinds[KINDS] = {
    {"matrix products", "#1d4ed8"},     {"packing", "#60a5fa"},
    {"fused maps", "#c2410c"},          {"reductions", "#fb923c"},
    {"other operators", "#a16207"},     {"finding the plan", "#475569"},
    {"building the graph", "#0f766e"},  {"clipping and update", "#7c3aed"},
    {"releasing the graph", "#94a3b8"},
};

struct training {
  struct gru gru;
  ng_optimizer *optimizer;
  int64_t batch;
  float *images;
  int64_t *labels;
};

static ng_tensor *build(const struct training *training) {
  const int64_t shape[] = {training->batch, PIXELS};
  ng_tensor *x = ng_variable(NG_FLOAT32, 2, shape, training->images, "x");
  ng_tensor *t = ng_variable(NG_INT64, 1, shape, training->labels, "t");
  return ng_cross_entropy_logits_indices(gru_classify(&training->gru, x), t);
}

/// The kind of a plan's step, of which there is a line that begins with what it is.
static enum kind kind_of(const char *line) {
  if (strncmp(line, "contraction ", 12) == 0)
    return PRODUCTS;
  if (strncmp(line, "pack ", 5) == 0)
    return PACKING;
  if (strncmp(line, "map ", 4) == 0)
    return MAPS;
  if (strncmp(line, "operator by itself", 18) == 0)
    return OTHERS;
  if (strstr(line, " of runs of ") != NULL || strstr(line, " rows of ") != NULL)
    return REDUCTIONS;
  die("a step of no kind that is known here: %s", line);
}

/// Adds up a profile: milliseconds by kind.
static void add_up(char *profile, double *times) {
  static const char unit[] = " µs";
  for (char *line = strtok(profile, "\n"); line != NULL; line = strtok(NULL, "\n")) {
    const size_t length = strlen(line), suffix = sizeof unit - 1;
    if (length < suffix || strcmp(line + length - suffix, unit) != 0)
      continue; // a segment or a loop, which has no time of its own
    const char *number = strrchr(line, ',');
    if (number == NULL)
      die("a step without a time: %s", line);
    times[kind_of(line + strspn(line, " "))] += 1e-3 * strtod(number + 1, NULL);
  }
}

/// The steps of the plan for the loss and its gradients.
static void profile_plan(const struct training *training, int64_t runs, double *times) {
  ng_tensor *results[GRU_PARAMETERS + 1];
  const int32_t count = training->gru.count;
  ng_scope_begin();
  results[count] = build(training);
  ng_gradients(results[count], NULL, training->gru.all, count, results);
  // Its length varies with the times: ask with room to spare until it fits.
  int64_t capacity = 0, length = 1 << 16;
  char *profile = NULL;
  while (length >= capacity) {
    free(profile);
    capacity = length + 4096;
    profile = allocate((size_t)capacity, 1);
    length = ng_plan_profile(results, count + 1, (int32_t)runs, profile, capacity);
    check_nanograd();
  }
  add_up(profile, times);
  free(profile);
  ng_scope_end();
}

/// Seconds that this thread has worked: what it waits for others on the machine is not in them.
static double worked(void) {
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/// Milliseconds of a training step and of its parts, which are medians.
static double time_parts(const struct training *training, int64_t steps, double *times) {
  struct samples building = {0}, backward = {0}, update = {0}, releasing = {0}, whole = {0};
  for (int64_t step = -WARM; step < steps; step++) {
    const double start = worked();
    ng_scope_begin();
    ng_tensor *loss = build(training);
    const double built = worked();
    ng_backward(loss);
    ng_item(loss);
    const double computed = worked();
    ng_optimizer_step(training->optimizer);
    ng_optimizer_zero_grad(training->optimizer);
    const double updated = worked();
    ng_scope_end();
    const double end = worked();
    check_nanograd();
    if (step < 0)
      continue;
    samples_add(&building, built - start);
    samples_add(&backward, computed - built);
    samples_add(&update, updated - computed);
    samples_add(&releasing, end - updated);
    samples_add(&whole, end - start);
  }
  times[BUILDING] = 1e3 * samples_take(&building).median;
  times[UPDATE] = 1e3 * samples_take(&update).median;
  times[RELEASING] = 1e3 * samples_take(&releasing).median;
  times[REST] = 1e3 * samples_take(&backward).median; // with the plan, which is taken off later
  return 1e3 * samples_take(&whole).median;
}

static void draw(const char *path, const double *times, double whole, int64_t batch) {
  enum { WIDTH = 760, LEFT = 170, RIGHT = 130, TOP = 72, ROW = 30, BAR = 18 };
  struct output output = output_open(path);
  char text[160];
  double most = 0;
  for (int kind = 0; kind < KINDS; kind++)
    most = fmax(most, times[kind]);
  svg_begin(output.file, WIDTH, TOP + KINDS * ROW + 12);
  snprintf(text, sizeof text, "A training step: %.2f ms", whole);
  svg_text(output.file, 24, 34, "class=\"title\"", text);
  snprintf(text, sizeof text, "batch %lld, one thread, %s", (long long)batch, ng_isa());
  svg_text(output.file, 24, 54, "", text);
  for (int kind = 0; kind < KINDS; kind++) {
    const double y = TOP + kind * ROW, width = fmax(times[kind], 0) / most * (WIDTH - LEFT - RIGHT);
    svg_text(output.file, LEFT - 12, y + 14, "class=\"end\"", kinds[kind].name);
    fprintf(output.file,
            "<rect x=\"%d\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" rx=\"2\" fill=\"%s\"/>\n", LEFT,
            y, fmax(width, 1), BAR, kinds[kind].color);
    snprintf(text, sizeof text, "%.3f ms, %.1f %%", times[kind], 100 * times[kind] / whole);
    svg_text(output.file, LEFT + width + 8, y + 14, "", text);
  }
  fputs("</svg>\n", output.file);
  output_close(&output);
}

int main(int argc, char **argv) {
  struct bench bench = {.threads = 1, .steps = 50, .rounds = 10};
  int64_t batch = 32, hidden = 256;
  const char *path = NULL;
  const struct option options[] = {
      {"batch", OPTION_INTEGER, "N", "images in a step (32)", &batch, 1, 1e5},
      {"hidden", OPTION_INTEGER, "N", "units in a layer (256)", &hidden, 1, 1e4},
      {"svg", OPTION_TEXT, "FILE.svg", "draw it", &path, 0, 0},
  };
  bench_parse(argc, argv,
              "Tells where the time of a training step goes, by kind of work, on one thread.",
              &bench, options, sizeof options / sizeof *options);
  if (bench.threads != 1)
    die("--threads: expected 1: a plan is profiled on one thread");
  output_check(path);
  ng_set_num_threads(1);
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

  // The least of the rounds' medians: others on the machine make a round longer, never shorter.
  double times[KINDS], whole = INFINITY;
  for (int kind = 0; kind < KINDS; kind++)
    times[kind] = INFINITY;
  for (int64_t round = 0; round < bench.rounds; round++) {
    double seen[KINDS] = {0};
    profile_plan(&training, bench.steps, seen);
    whole = fmin(whole, time_parts(&training, bench.steps, seen));
    for (int kind = 0; kind < KINDS; kind++)
      times[kind] = fmin(times[kind], seen[kind]);
  }
  // What ng_backward does besides running the plan: walking the graph, finding its plan, binding
  // it.
  for (int kind = 0; kind < REST; kind++)
    times[REST] -= times[kind];
  for (int kind = 0; kind < KINDS; kind++) {
    result_begin(&bench, "step_profile");
    result_text("work", kinds[kind].name);
    result_number("ms", times[kind], 3);
    result_number("percent", 100 * times[kind] / whole, 1);
    result_end();
  }
  result_begin(&bench, "step_profile");
  result_text("work", "a whole step");
  result_number("ms", whole, 3);
  result_number("percent", 100, 1);
  result_end();
  if (path != NULL)
    draw(path, times, whole, batch);
  ng_optimizer_release(training.optimizer);
  gru_release(&training.gru);
  free(training.images);
  free(training.labels);
  return 0;
}
