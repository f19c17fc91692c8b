/// A recurrent network learns to read digits. common/gru.c is the network, this the training.
#include "common/check.h"
#include "common/gru.h"
#include "common/mnist.h"
#include "common/options.h"
#include "common/pictures.h"
#include "common/progress.h"
#include "common/saving.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { TEST_BATCH = 500, CURVE = 200 };

static const char summary[] =
    "Trains two layers of gated recurrent units to read handwritten digits.\n\n"
    "quick     one epoch; weights scaled by their number of inputs; the rate falls from 0.5 to 0\n"
    "          on a cosine; the gradient's norm is limited to 1\n"
    "original  100,000 steps; unscaled weights; the rate rises to 0.01 over a hundredth of the\n"
    "          steps and falls to 0.00001 on a cosine; no limit\n\n"
    "A training that was saved can be stopped at any moment, and resumed with the same bits.";

struct settings {
  const char *recipe, *data, *save, *resume, *predict;
  struct pictures_paths pictures;
  int64_t images, epochs, steps, batch, hidden, seed, threads, every;
  double rate;
};

static struct settings read_settings(int argc, char **argv) {
  struct settings s = {.seed = -1, .threads = ng_num_threads(), .every = 500};
  const struct option options[] = {
      {"recipe", OPTION_CHOICE, "quick|original", "how to train (quick)", &s.recipe, 0, 0},
      {"data", OPTION_TEXT, "DIR", "where MNIST is ($NANOGRAD_MNIST, data/mnist)", &s.data, 0, 0},
      {"images", OPTION_INTEGER, "N", "to use at most (all)", &s.images, 1, 1e6},
      {"epochs", OPTION_INTEGER, "N", "passes over the training data", &s.epochs, 1, 1e6},
      {"steps", OPTION_INTEGER, "N", "steps, in place of --epochs", &s.steps, 1, 1e9},
      {"batch", OPTION_INTEGER, "N", "images in a step (32)", &s.batch, 1, 1e6},
      {"hidden", OPTION_INTEGER, "N", "units in a layer (256)", &s.hidden, 1, 1e5},
      {"rate", OPTION_NUMBER, "R", "the highest rate", &s.rate, 1e-9, 1e3},
      {"seed", OPTION_INTEGER, "N", "of all random numbers (2)", &s.seed, 0, 1e15},
      {"threads", OPTION_INTEGER, "N", "to compute with (all)", &s.threads, 1, 1024},
      {"watch", OPTION_TEXT, "FILE.html", "a page to watch it on", &s.pictures.watch, 0, 0},
      {"plot", OPTION_TEXT, "FILE.svg", "draw loss and accuracy", &s.pictures.plot, 0, 0},
      {"confusion", OPTION_TEXT, "FILE.svg", "draw the table", &s.pictures.confusion, 0, 0},
      {"mistakes", OPTION_TEXT, "FILE.svg", "draw misread digits", &s.pictures.mistakes, 0, 0},
      {"save", OPTION_TEXT, "FILE", "save checkpoints, and the result", &s.save, 0, 0},
      {"every", OPTION_INTEGER, "N", "steps from one to the next (500)", &s.every, 1, 1e9},
      {"resume", OPTION_TEXT, "FILE", "go on with a training, and save it there", &s.resume, 0, 0},
      {"predict", OPTION_TEXT, "FILE", "test a network that was saved", &s.predict, 0, 0},
  };
  options_parse(argc, argv, summary, options, sizeof options / sizeof *options);
  if (s.resume != NULL && s.predict != NULL)
    die("--resume and --predict: expected one of them");
  const bool is_new = s.recipe == NULL && s.epochs == 0 && s.steps == 0 && s.batch == 0 &&
                      s.hidden == 0 && s.rate == 0 && s.seed < 0;
  if ((s.resume != NULL || s.predict != NULL) && !is_new)
    die("recipe, epochs, steps, batch, hidden, rate and seed are those of the file; leave them "
        "out");
  if (s.save == NULL)
    s.save = s.resume;
  return s;
}

/// What a new training is started with.
static struct training new_training(const struct settings *s, const struct mnist *data) {
  struct training t = {.batch = s->batch != 0 ? s->batch : 32,
                       .hidden = s->hidden != 0 ? s->hidden : 256};
  snprintf(t.recipe, sizeof t.recipe, "%s", s->recipe != NULL ? s->recipe : "quick");
  sscanf(data->source, "%7s", t.data);
  if (t.batch > data->train.count)
    die("--batch: expected at most %lld, the training images", (long long)data->train.count);
  const int64_t per_epoch = data->train.count / t.batch;
  t.steps = s->steps != 0                    ? s->steps
            : s->epochs != 0                 ? s->epochs * per_epoch
            : strcmp(t.recipe, "quick") == 0 ? per_epoch
                                             : 100000;
  return t;
}

static ng_optimizer *make_optimizer(bool quick, int64_t steps, double rate) {
  const int64_t rise = quick ? 0 : steps / 100;
  ng_schedule *schedule = ng_schedule_cosine(steps - rise, rate, quick ? 0 : fmin(rate, 1e-5));
  if (rise > 0) {
    ng_schedule *first = ng_schedule_linear(rise, 0, rate), *then = schedule;
    schedule = ng_schedule_chain(first, then);
    ng_schedule_release(first);
    ng_schedule_release(then);
  }
  ng_optimizer *optimizer = ng_sgd(rate);
  ng_optimizer_set_schedule(optimizer, schedule);
  ng_schedule_release(schedule);
  ng_optimizer_set_clip_norm(optimizer, quick ? 1 : 0);
  return optimizer;
}

/// Descends from the first of some steps on. The graph is made anew for each, and goes with its
/// scope.
static double train(const struct gru *gru, struct mnist_set *set, ng_optimizer *optimizer,
                    int64_t first, int64_t steps, int64_t batch, struct pictures *pictures,
                    struct saving *saving) {
  const int64_t per_epoch = set->count / batch, every = steps > CURVE ? steps / CURVE : 1;
  struct progress progress;
  saving_update(saving, set, first, true); // that it cannot be saved is to be known now
  progress_begin(&progress, steps);
  progress.before = first;
  for (int64_t step = first; step < steps; step++) {
    ng_scope_begin();
    if (step % per_epoch == 0)
      mnist_shuffle(set);
    ng_tensor *x, *t;
    mnist_batch(set, step % per_epoch * batch, batch, &x, &t);
    ng_tensor *logits = gru_classify(gru, x);
    ng_tensor *loss = ng_cross_entropy_logits_indices(logits, t);
    ng_tensor *right = ng_equal(ng_argmax(logits, -1, 0), t);
    ng_tensor *accuracy = ng_mean(ng_cast(right, NG_FLOAT32), 0, NULL, 0);
    ng_backward_eval(loss, &accuracy, 1);
    progress.loss = ng_item(loss);
    if (step % every == 0 || step == steps - 1) {
      progress.accuracy = ng_item(accuracy);
      pictures_add(pictures, step, progress.loss, progress.accuracy);
    }
    ng_optimizer_step(optimizer);
    ng_optimizer_zero_grad(optimizer);
    ng_scope_end();
    check_nanograd();
    if (!isfinite(progress.loss))
      die("the loss is no longer finite after %lld steps; try a smaller --rate", (long long)step);
    saving_update(saving, set, step + 1, step + 1 == steps);
    progress_update(&progress, step + 1);
  }
  return progress_end(&progress);
}

/// Compares predictions with labels over a whole set, and shows the first if that is wanted.
static void test(const struct gru *gru, const struct mnist_set *set, bool show,
                 mnist_confusion confusion, struct mistakes *mistakes) {
  for (int64_t first = 0; first < set->count; first += TEST_BATCH) {
    const int64_t left = set->count - first, count = left < TEST_BATCH ? left : TEST_BATCH;
    int64_t predicted[TEST_BATCH];
    float probability[TEST_BATCH];
    ng_scope_begin();
    ng_tensor *x, *t;
    mnist_batch(set, first, count, &x, &t);
    ng_tensor *y = ng_softmax(gru_classify(gru, x), -1);
    ng_tensor *digits = ng_argmax(y, -1, 0), *most = ng_max(y, 1, (int32_t[]){-1}, 0);
    ng_eval((ng_tensor *[]){digits, most}, 2);
    ng_read(digits, predicted, count * (int64_t)sizeof *predicted);
    ng_read(most, probability, count * (int64_t)sizeof *probability);
    ng_scope_end();
    check_nanograd();
    if (show && first == 0)
      mnist_show(stdout, set, predicted);
    for (int64_t i = 0; i < count; i++) {
      confusion[set->labels[first + i]][predicted[i]]++;
      if (predicted[i] != set->labels[first + i])
        mistakes_add(mistakes, (struct mistake){first + i, (int)predicted[i], probability[i]});
    }
  }
}

/// Trains a network, or goes on with it.
static void train_and_save(const struct settings *s, const struct training *t, struct mnist *data,
                           const struct gru *gru, ng_safetensors *file, struct pictures *pictures) {
  const bool quick = strcmp(t->recipe, "quick") == 0;
  const double rate = s->rate > 0 ? s->rate : quick ? 0.5 : 0.01;
  ng_optimizer *optimizer = make_optimizer(quick, t->steps, rate);
  ng_optimizer_add(optimizer, gru->all, gru->count);
  struct saving saving = saving_begin(s->save, s->every, gru, optimizer, &data->train, t);
  const int64_t first = file != NULL ? saving_resume(&saving, &data->train, file) : 0;
  check_nanograd();
  if (first < 0 || first > t->steps)
    die("%s: %lld steps of %lld", s->resume, (long long)first, (long long)t->steps);
  if (first > 0) {
    printf("resumed after step %lld\n", (long long)first);
    flush_output();
  }
  const double duration =
      train(gru, &data->train, optimizer, first, t->steps, t->batch, pictures, &saving);
  if (first < t->steps)
    printf("trained in %.1f s, %.1f steps/s\n", duration, (double)(t->steps - first) / duration);
  saving_end(&saving);
  ng_optimizer_release(optimizer);
}

int main(int argc, char **argv) {
  const struct settings s = read_settings(argc, argv);
  const char *path = s.resume != NULL ? s.resume : s.predict;
  struct training t = {.steps = 0};
  ng_safetensors *file = path != NULL ? saving_open(path, &t) : NULL;
  struct mnist data = mnist_open(s.data, s.images);
  if (file == NULL)
    t = new_training(&s, &data);
  else if (strncmp(data.source, t.data, strlen(t.data)) != 0 && s.resume != NULL)
    die("%s was trained with other images than these, %s", path, data.source);
  if (s.predict == NULL && t.batch > data.train.count)
    die("--images: expected at least %lld, as many as in a step", (long long)t.batch);
  ng_set_num_threads((int32_t)s.threads);

  ng_seed((uint64_t)(s.seed < 0 ? 2 : s.seed));
  struct gru gru = gru_make(NG_FLOAT32, t.hidden, strcmp(t.recipe, "quick") == 0);
  check_nanograd();
  char title[128];
  snprintf(title, sizeof title, "Two GRU layers of %lld, %lld steps of %lld images, %s recipe",
           (long long)t.hidden, (long long)t.steps, (long long)t.batch, t.recipe);
  struct pictures pictures = pictures_begin(s.pictures, title, t.steps);
  printf("%s\n%s\nnanograd %s (%s, threads: %d), %lld parameters\n", title, data.source,
         ng_version(), ng_isa(), ng_num_threads(), (long long)gru_size(&gru));
  flush_output();

  if (s.predict != NULL)
    saving_load_network(&gru, file);
  else
    train_and_save(&s, &t, &data, &gru, file, &pictures);
  ng_safetensors_release(file);
  mnist_confusion confusion = {0};
  struct mistakes mistakes = {0};
  test(&gru, &data.test, s.predict != NULL, confusion, &mistakes);
  const double accuracy = mnist_report(stdout, confusion);
  flush_output();
  pictures_end(&pictures, accuracy, confusion, &data.test, &mistakes);
  mistakes_free(&mistakes);
  gru_release(&gru);
  mnist_close(&data);
  return 0;
}
