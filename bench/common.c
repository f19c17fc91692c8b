#include "common.h"

#include "../examples/common/check.h"
#include "../examples/common/progress.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_OPTIONS = 16, MAX_COLUMNS = 16, MAX_TEXT = 64, MIN_WIDTH = 11 };

void bench_parse(int argc, char **argv, const char *summary, struct bench *bench,
                 const struct option *more, size_t count) {
  struct option options[MAX_OPTIONS] = {
      {"json", OPTION_FLAG, NULL, "print a JSON object for each result", &bench->json, 0, 0},
      {"threads", OPTION_INTEGER, "N", "to compute with", &bench->threads, 1, 1024},
      {"steps", OPTION_INTEGER, "N", "samples in a round", &bench->steps, 1, 1e6},
      {"rounds", OPTION_INTEGER, "N", "rounds", &bench->rounds, 1, 1000},
  };
  enum { COMMON = 4 };
  if (count > MAX_OPTIONS - COMMON)
    die("bench_parse: too many options");
  for (size_t i = 0; i < count; i++)
    options[COMMON + i] = more[i];
  options_parse(argc, argv, summary, options, COMMON + count);
}

void *allocate(size_t count, size_t size) {
  void *memory = calloc(count, size);
  if (memory == NULL)
    die("no memory for %zu × %zu bytes", count, size);
  return memory;
}

void samples_add(struct samples *samples, double seconds) {
  if (samples->count == samples->capacity) {
    samples->capacity = samples->capacity == 0 ? 64 : 2 * samples->capacity;
    samples->values = realloc(samples->values, samples->capacity * sizeof *samples->values);
    if (samples->values == NULL)
      die("no memory for %zu samples", samples->capacity);
  }
  samples->values[samples->count++] = seconds;
}

static int compare(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

struct timing samples_take(struct samples *samples) {
  if (samples->count == 0)
    die("samples_take: no samples");
  qsort(samples->values, samples->count, sizeof *samples->values, compare);
  const size_t half = samples->count / 2;
  const double *values = samples->values;
  const double median =
      samples->count % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
  const struct timing timing = {median, values[0]};
  free(samples->values);
  *samples = (struct samples){0};
  return timing;
}

struct timing measure(const struct bench *bench, void (*work)(void *), void *context) {
  struct samples samples = {0};
  for (int64_t round = 0; round < bench->rounds; round++) {
    double once = INFINITY;
    const double start = seconds();
    for (int calls = 0; calls < 2 || seconds() - start < 0.1; calls++) {
      const double before = seconds();
      work(context);
      once = fmin(once, seconds() - before);
    }
    const int64_t calls = once > 50e-6 ? 1 : (int64_t)(50e-6 / fmax(once, 1e-9)) + 1;
    for (int64_t step = 0; step < bench->steps; step++) {
      const double before = seconds();
      for (int64_t i = 0; i < calls; i++)
        work(context);
      samples_add(&samples, (seconds() - before) / (double)calls);
    }
  }
  return samples_take(&samples);
}

/// The row at hand, and the names above the last one that was printed.
static struct {
  bool json;
  char bench[MAX_TEXT];
  struct {
    const char *key;
    char text[MAX_TEXT], json[MAX_TEXT];
    bool left;
  } columns[MAX_COLUMNS];
  int count;
  char heading[MAX_COLUMNS * MAX_TEXT];
} row;

void result_begin(const struct bench *bench, const char *name) {
  row.json = bench->json != 0;
  row.count = 0;
  snprintf(row.bench, sizeof row.bench, "%s", name);
}

static int add_column(const char *key, bool left) {
  if (row.count == MAX_COLUMNS)
    die("%s: too many columns", row.bench);
  row.columns[row.count].key = key;
  row.columns[row.count].left = left;
  return row.count++;
}

// The texts are our own words, without anything that JSON would want escaped.
void result_text(const char *key, const char *value) {
  const int i = add_column(key, true);
  snprintf(row.columns[i].text, MAX_TEXT, "%s", value);
  snprintf(row.columns[i].json, MAX_TEXT, "\"%s\"", value);
}

void result_integer(const char *key, int64_t value) {
  const int i = add_column(key, false);
  snprintf(row.columns[i].text, MAX_TEXT, "%lld", (long long)value);
  snprintf(row.columns[i].json, MAX_TEXT, "%lld", (long long)value);
}

void result_number(const char *key, double value, int digits) {
  const int i = add_column(key, false);
  snprintf(row.columns[i].text, MAX_TEXT, "%.*f", digits, value);
  snprintf(row.columns[i].json, MAX_TEXT, isfinite(value) ? "%.9g" : "null", value);
}

void result_timing(struct timing timing) {
  result_number("median_ms", 1e3 * timing.median, 4);
  result_number("min_ms", 1e3 * timing.min, 4);
}

static void print_json(void) {
  printf("{\"bench\": \"%s\"", row.bench);
  for (int i = 0; i < row.count; i++)
    printf(", \"%s\": %s", row.columns[i].key, row.columns[i].json);
  printf("}\n");
}

static void print_table(void) {
  char heading[sizeof row.heading] = "";
  size_t length = 0;
  for (int i = 0; i < row.count; i++) {
    const int width = row.columns[i].left ? -18 : MIN_WIDTH;
    length += (size_t)snprintf(heading + length, sizeof heading - length, " %*s", width,
                               row.columns[i].key);
  }
  if (strcmp(heading, row.heading) != 0) {
    printf("%s%s\n%s\n", row.heading[0] == '\0' ? "" : "\n", row.bench, heading);
    memcpy(row.heading, heading, sizeof heading);
  }
  for (int i = 0; i < row.count; i++)
    printf(" %*s", row.columns[i].left ? -18 : MIN_WIDTH, row.columns[i].text);
  printf("\n");
}

void result_end(void) {
  if (row.json)
    print_json();
  else
    print_table();
  flush_output();
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
static double next(uint64_t *state) {
  uint64_t z = *state += 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return (double)(int64_t)(z ^ z >> 31) * 0x1p-63;
}

void fill_float(float *values, int64_t count) {
  uint64_t state = 1;
  for (int64_t i = 0; i < count; i++)
    values[i] = (float)next(&state);
}

void fill_double(double *values, int64_t count) {
  uint64_t state = 1;
  for (int64_t i = 0; i < count; i++)
    values[i] = next(&state);
}
