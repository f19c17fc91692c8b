/// From dlopen to the first result, in a fresh process each time. This program is not linked with
/// nanograd, and runs itself once for every sample.
#include "../examples/common/check.h"
#include "../examples/common/progress.h"
#include "common.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/// In the new process: loads the library, sums two numbers, and reports the seconds on `output`.
static int child(const char *library, int output) {
  const double start = seconds();
  void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (handle == NULL)
    die("%s", dlerror());
  ng_tensor *(*variable)(ng_dtype, int32_t, const int64_t *, const void *, const char *);
  ng_tensor *(*sum)(ng_tensor *, int32_t, const int32_t *, int32_t);
  double (*item)(ng_tensor *);
  // ISO C has no conversion from object to function pointers; POSIX asks for this one.
  *(void **)&variable = dlsym(handle, "ng_variable");
  *(void **)&sum = dlsym(handle, "ng_sum");
  *(void **)&item = dlsym(handle, "ng_item");
  if (variable == NULL || sum == NULL || item == NULL)
    die("%s lacks a function", library);
  const float data[] = {1, 2};
  const double value = item(sum(variable(NG_FLOAT32, 1, (int64_t[]){2}, data, NULL), 0, NULL, 0));
  const double taken = seconds() - start;
  if (value != 3)
    die("1 + 2 is %g", value);
  return write(output, &taken, sizeof taken) == sizeof taken ? 0 : 1;
}

/// Starts a process, and returns the seconds it took to its first result in `*first`, from its very
/// beginning to its end in `*whole`.
static void start(const char *self, const char *library, double *first, double *whole) {
  int ends[2];
  char number[16];
  if (pipe(ends) != 0)
    die("cannot make a pipe");
  snprintf(number, sizeof number, "%d", ends[1]);
  const double before = seconds();
  const pid_t process = fork();
  if (process < 0)
    die("cannot fork");
  if (process == 0) {
    execl(self, self, "--child", number, "--library", library, (char *)NULL);
    _exit(127);
  }
  close(ends[1]);
  int status = 0;
  const bool got = read(ends[0], first, sizeof *first) == sizeof *first;
  if (waitpid(process, &status, 0) != process || status != 0 || !got)
    die("the new process failed");
  *whole = seconds() - before;
  close(ends[0]);
}

int main(int argc, char **argv) {
  struct bench bench = {.threads = 1, .steps = 20, .rounds = 3};
  const char *library = NULL;
  int64_t output = -1;
  const struct option options[] = {
      {"library", OPTION_TEXT, "FILE", "libnanograd.so (../lib beside this)", &library, 0, 0},
      {"child", OPTION_INTEGER, "FD", "used when this program runs itself", &output, 0, 1e6},
  };
  bench_parse(argc, argv, "Times the loading of the library, in a fresh process each time.", &bench,
              options, sizeof options / sizeof *options);
  if (output >= 0)
    return child(library, (int)output);

  char self[PATH_MAX], beside[PATH_MAX + 32];
  const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  if (length < 0)
    die("cannot find out where this program is");
  self[length] = '\0';
  if (library == NULL) {
    snprintf(beside, sizeof beside, "%.*s/../lib/libnanograd.so", (int)(strrchr(self, '/') - self),
             self);
    library = beside;
  }
  struct samples first = {0}, whole = {0};
  for (int64_t i = 0; i <= bench.rounds * bench.steps; i++) {
    double to_first = 0, to_end = 0;
    start(self, library, &to_first, &to_end);
    if (i == 0)
      continue; // the file may not have been in memory
    samples_add(&first, to_first);
    samples_add(&whole, to_end);
  }
  result_begin(&bench, "load");
  result_text("work", "to first result");
  result_timing(samples_take(&first));
  result_end();
  result_begin(&bench, "load");
  result_text("work", "whole process");
  result_timing(samples_take(&whole));
  result_end();
  return 0;
}
