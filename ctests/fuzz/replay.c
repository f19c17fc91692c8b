/* Runs the programs of fuzz_calls.c without libFuzzer: those in files, or random ones. */
#define _XOPEN_SOURCE 700 /* for setitimer */
#include "fuzz_calls.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
    "Usage: replay [--seconds S] [--random N [SEED]] [FILE or FOLDER]...\n"
    "       replay --complete HEADER     tells which functions of the header are in no program\n"
    "Runs the programs in the files, then N random ones (for at most S seconds), and says how "
    "many\n"
    "calls they made and which functions never succeeded. A program that ends the process, or "
    "computes\n"
    "for more than a minute, is left in ./crash-replay.\n";

enum { max_size = 1 << 16 };
static uint8_t input[max_size];
static size_t input_size;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* Keeps the program that brought the process down. */
static void keep_input(int number) {
  static const char text[] = "\nThe program is in ./crash-replay\n";
  int file = open("crash-replay", O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (file >= 0 && write(file, input, input_size) == (ssize_t)input_size) {
    ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
    (void)written;
  }
  signal(number, SIG_DFL);
  raise(number);
}

static void run(void) {
  /* Time of the processor: a machine may be busy, or stopped. */
  struct itimerval minute = {.it_value = {.tv_sec = 60}}, never = {0};
  setitimer(ITIMER_PROF, &minute, NULL);
  LLVMFuzzerTestOneInput(input, input_size);
  setitimer(ITIMER_PROF, &never, NULL);
}

static int run_file(const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) {
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    return -1;
  }
  input_size = fread(input, 1, sizeof input, file);
  fclose(file);
  run();
  return 1;
}

/* Runs a file, or every file of a folder; returns how many, or -1. */
static int run_path(const char *path) {
  DIR *folder = opendir(path);
  if (folder == NULL)
    return run_file(path);
  int count = 0;
  for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    char inside[4096];
    struct stat status;
    snprintf(inside, sizeof inside, "%s/%s", path, entry->d_name);
    if (entry->d_name[0] == '.' || stat(inside, &status) != 0 || !S_ISREG(status.st_mode))
      continue;
    if (run_file(inside) < 0) {
      count = -1;
      break;
    }
    count++;
  }
  closedir(folder);
  return count;
}

/* SplitMix64: any numbers do, but the same on every machine. */
static uint64_t random_word(uint64_t *state) {
  uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
  z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
  return z ^ z >> 31;
}

static int run_random(int count, uint64_t seed, double until) {
  int shows = isatty(STDERR_FILENO), i = 0;
  for (; i < count && now() < until; i++) {
    uint64_t state = seed + (uint64_t)i;
    input_size = random_word(&state) % 1024;
    for (size_t k = 0; k < input_size; k += 8) {
      uint64_t word = random_word(&state);
      memcpy(input + k, &word, 8);
    }
    run();
    if (shows && i % 64 == 0)
      fprintf(stderr, "\r%d of %d programs, %llu calls ", i, count,
              (unsigned long long)fuzz_calls_made());
  }
  if (shows)
    fprintf(stderr, "\r\33[K");
  return i;
}

static int is_known(const char *name) {
  uint64_t calls, successes;
  const char *known;
  for (int i = 0; (known = fuzz_function(i, &calls, &successes)) != NULL; i++)
    if (strcmp(known, name) == 0)
      return 1;
  return 0;
}

static int check_completeness(const char *header) {
  FILE *file = fopen(header, "r");
  if (file == NULL) {
    fprintf(stderr, "%s: %s\n", header, strerror(errno));
    return 1;
  }
  char line[512];
  int declared = 0, missing = 0;
  while (fgets(line, sizeof line, file) != NULL) {
    char *end = strchr(line, '(');
    if (strncmp(line, "NG_API", 6) != 0 || end == NULL)
      continue;
    *end = 0;
    const char *name = strstr(line, "ng_");
    for (const char *next; (next = strstr(name + 3, " ng_")) || (next = strstr(name + 3, "*ng_"));)
      name = next + 1;
    declared++;
    if (!is_known(name)) {
      printf("%s is not in ctests/fuzz/calls.def\n", name);
      missing++;
    }
  }
  fclose(file);
  printf("%d functions, %d missing\n", declared, missing);
  return declared == 0 || missing > 0;
}

static void print_failures(void) {
  uint64_t calls, successes;
  const char *name;
  int count = 0;
  for (int i = 0; (name = fuzz_function(i, &calls, &successes)) != NULL; i++)
    if (successes == 0)
      printf("%s%s", count++ ? ", " : "never succeeded: ", name);
  if (count)
    printf("\n");
}

int main(int count, char **arguments) {
  const int signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGPROF};
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
    signal(signals[i], keep_input);
  int files = 0, programs = 0, random = 0, i = 1;
  uint64_t seed = 1;
  double start = now(), seconds = 1e9;
  for (; i < count; i++) {
    if (strcmp(arguments[i], "--complete") == 0 && i + 1 < count) {
      return check_completeness(arguments[i + 1]);
    } else if (strcmp(arguments[i], "--seconds") == 0 && i + 1 < count) {
      seconds = atof(arguments[++i]);
    } else if (strcmp(arguments[i], "--random") == 0 && i + 1 < count) {
      random = atoi(arguments[++i]);
      if (i + 1 < count && strspn(arguments[i + 1], "0123456789") == strlen(arguments[i + 1]))
        seed = strtoull(arguments[++i], NULL, 10);
    } else if (arguments[i][0] == '-') {
      fputs(usage, stderr);
      return 2;
    } else {
      int ran = run_path(arguments[i]);
      if (ran < 0)
        return 1;
      files += ran;
    }
  }
  if (count < 2) {
    fputs(usage, stderr);
    return 2;
  }
  programs = run_random(random, seed, start + seconds);
  printf("%d files and %d random programs: %llu calls in %.1f s\n", files, programs,
         (unsigned long long)fuzz_calls_made(), now() - start);
  if (programs > 1000)
    print_failures();
  return 0;
}
