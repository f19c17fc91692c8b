/// What the measurements share: options, timing, and results as a table or as JSON. Nothing in
/// here calls nanograd.
#ifndef BENCH_COMMON_H
#define BENCH_COMMON_H

#include "../examples/common/options.h"

#include <stddef.h>
#include <stdint.h>

/// The options every measurement takes.
struct bench {
  int64_t json;    ///< print JSON in place of a table
  int64_t threads; ///< to compute with
  int64_t steps;   ///< samples in a round
  int64_t rounds;  ///< how often it is all done again; samples of all rounds count alike
};

/// Reads the command line: the options above, and `more`, the program's own. `bench` holds the
/// defaults.
void bench_parse(int argc, char **argv, const char *summary, struct bench *bench,
                 const struct option *more, size_t count);

/// Seconds that one piece of work took.
struct timing {
  double median, min;
};

/// A growing list of seconds.
struct samples {
  double *values;
  size_t count, capacity;
};

void samples_add(struct samples *samples, double seconds);

/// Median and least, after which the list is empty and its memory freed.
struct timing samples_take(struct samples *samples);

/// Times `work` as often as the options say, after a tenth of a second (but at least twice) without
/// timing. A sample is as many calls as take some 50 µs together, so that reading the clock does
/// not count.
struct timing measure(const struct bench *bench, void (*work)(void *context), void *context);

/// One row of results is begun, gets its entries in the order of their columns, and is ended. With
/// JSON it is an object on a line; otherwise the names stand above the first row, and above any
/// row whose names differ from those before.
void result_begin(const struct bench *bench, const char *name);
void result_text(const char *key, const char *value);
void result_integer(const char *key, int64_t value);
/// A number with the given digits after the point; JSON gets all of it.
void result_number(const char *key, double value, int digits);
/// `median_ms` and `min_ms`.
void result_timing(struct timing timing);
void result_end(void);

/// Fills with numbers between -1 and 1 that look random, the same at every call.
void fill_float(float *values, int64_t count);
void fill_double(double *values, int64_t count);

/// malloc that ends the program if there is no memory.
void *allocate(size_t count, size_t size);

#endif
