#define _DEFAULT_SOURCE // wait4
/// Peak memory: of the training program in examples/gru_mnist.c, its data included, and of a
/// process that trains the same network on one batch and has nothing else in it.
#include "../examples/common/check.h"
#include "../examples/common/gru.h"
#include "common.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PIXELS = 784 };

/// The most memory, in bytes, that the program with these arguments had resident.
static double peak(char *const *arguments) {
  fflush(stdout);
  const pid_t process = fork();
  if (process < 0)
    die("cannot fork");
  if (process == 0) {
    if (freopen("/dev/null", "w", stdout) != NULL && freopen("/dev/null", "w", stderr) != NULL)
      execv(arguments[0], arguments);
    _exit(127);
  }
  int status = 0;
  struct rusage usage;
  if (wait4(process, &status, 0, &usage) != process || status != 0)
    die("%s failed with status %d", arguments[0], status);
  return 1024.0 * (double)usage.ru_maxrss;
}

/// The same of a process that does nothing of interest: cat, which reads its own account. (What
/// wait4 says of a process so small is what this one had when it forked.)
static double peak_of_nothing(void) {
  FILE *status = popen("exec cat /proc/self/status", "r");
  char line[256];
  double kilobytes = 0;
  while (status != NULL && fgets(line, sizeof line, status) != NULL)
    if (strncmp(line, "VmHWM:", 6) == 0)
      kilobytes = strtod(line + 6, NULL);
  if (status == NULL || pclose(status) != 0 || kilobytes == 0)
    die("cannot measure an empty process");
  return 1024 * kilobytes;
}

/// Trains on numbers that look random, as a process of its own.
static int train(int64_t batch, int64_t steps) {
  struct gru gru = gru_make(NG_FLOAT32, 256, true);
  ng_optimizer *optimizer = ng_sgd(0.1);
  ng_optimizer_set_clip_norm(optimizer, 1);
  ng_optimizer_add(optimizer, gru.all, gru.count);
  const int64_t shape[] = {batch, PIXELS};
  for (int64_t i = 0; i < steps; i++) {
    ng_scope_begin();
    ng_tensor *labels = ng_variable(NG_INT64, 1, shape, NULL, "labels");
    ng_tensor *logits = gru_classify(&gru, ng_uniform(NG_FLOAT32, 2, shape, 0, 1));
    ng_backward(ng_cross_entropy_logits_indices(logits, labels));
    ng_optimizer_step(optimizer);
    ng_optimizer_zero_grad(optimizer);
    ng_scope_end();
    check_nanograd();
  }
  return 0;
}

static void report(const struct bench *bench, const char *what, int64_t batch, double bytes) {
  result_begin(bench, "memory");
  result_text("process", what);
  result_integer("batch", batch);
  result_integer("threads", bench->threads);
  result_number("peak_mb", 1e-6 * bytes, 1);
  result_end();
}

int main(int argc, char **argv) {
  struct bench bench = {.threads = ng_num_threads(), .steps = 50, .rounds = 1};
  const char *data = NULL, *role = NULL;
  int64_t batch = 32;
  const struct option options[] = {
      {"batch", OPTION_INTEGER, "N", "images in a step (32)", &batch, 1, 1e5},
      {"data", OPTION_TEXT, "DIR", "where MNIST is, for the training program", &data, 0, 0},
      {"role", OPTION_CHOICE, "train", "used when it runs itself", &role, 0, 0},
  };
  bench_parse(argc, argv, "Tells the peak memory of training the recurrent network.", &bench,
              options, sizeof options / sizeof *options);
  if (role != NULL) {
    ng_set_num_threads((int32_t)bench.threads);
    return train(batch, bench.steps);
  }

  char self[PATH_MAX], program[PATH_MAX + 32], counts[3][24];
  const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  if (length < 0)
    die("cannot find out where this program is");
  self[length] = '\0';
  snprintf(program, sizeof program, "%.*s/../examples/gru_mnist", (int)(strrchr(self, '/') - self),
           self);
  snprintf(counts[0], sizeof counts[0], "%lld", (long long)batch);
  snprintf(counts[1], sizeof counts[1], "%lld", (long long)bench.steps);
  snprintf(counts[2], sizeof counts[2], "%lld", (long long)bench.threads);
  char *const with_data[] = {program,      "--batch",   counts[0], "--steps",
                             counts[1],    "--threads", counts[2], data == NULL ? NULL : "--data",
                             (char *)data, NULL};
  char *const without[] = {self,      "--role",  "train",     "--batch", counts[0],
                           "--steps", counts[1], "--threads", counts[2], NULL};
  const double empty = peak_of_nothing(), network = peak(without);
  if (access(program, X_OK) == 0)
    report(&bench, "gru_mnist", batch, peak(with_data));
  else
    fprintf(stderr, "%s is not built: left out\n", program);
  report(&bench, "network, one batch", batch, network);
  report(&bench, "an empty process", batch, empty);
  report(&bench, "own share", batch, network - empty);
  return 0;
}
