/// Matrix products: the shapes of the recurrent network's step and square ones, both dtypes, with
/// either operand transposed.
#include "../examples/common/check.h"
#include "common.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct product {
  ng_tensor *a, *b;
  bool transpose_a, transpose_b;
};

/// A graph of its own for each product, so that nothing is left over from the one before.
static void multiply(void *context) {
  struct product *p = context;
  ng_scope_begin();
  ng_tensor *c = ng_matmul(p->transpose_a ? ng_transpose(p->a) : p->a,
                           p->transpose_b ? ng_transpose(p->b) : p->b);
  ng_eval(&c, 1);
  ng_scope_end();
}

static const struct shape {
  int64_t m, n, k;
} shapes[] = {
    {32, 256, 256},  {32, 768, 256},     {256, 256, 32},     {32, 256, 112},  {32, 10, 256},
    {2000, 1, 5},    {32, 32, 32},       {64, 64, 64},       {128, 128, 128}, {256, 256, 256},
    {512, 512, 512}, {1024, 1024, 1024}, {2048, 2048, 2048},
};

static ng_tensor *matrix(ng_dtype dtype, int64_t rows, int64_t columns, const char *tag) {
  void *data = allocate((size_t)(rows * columns), 8);
  if (dtype == NG_FLOAT32)
    fill_float(data, rows * columns);
  else
    fill_double(data, rows * columns);
  ng_tensor *tensor = ng_variable(dtype, 2, (int64_t[]){rows, columns}, data, tag);
  free(data);
  return tensor;
}

static void run(const struct bench *bench, ng_dtype dtype, struct shape s, const char *transposes) {
  const bool ta = transposes[0] == 'T', tb = transposes[1] == 'T';
  ng_scope_begin();
  struct product p = {.transpose_a = ta, .transpose_b = tb};
  p.a = ta ? matrix(dtype, s.k, s.m, "a") : matrix(dtype, s.m, s.k, "a");
  p.b = tb ? matrix(dtype, s.n, s.k, "b") : matrix(dtype, s.k, s.n, "b");
  const struct timing timing = measure(bench, multiply, &p);
  check_nanograd();
  result_begin(bench, "gemm");
  result_text("library", "nanograd");
  result_text("dtype", ng_dtype_name(dtype));
  result_text("transposes", transposes);
  result_integer("m", s.m);
  result_integer("n", s.n);
  result_integer("k", s.k);
  result_integer("threads", ng_num_threads());
  result_timing(timing);
  result_number("gflops", 2e-9 * (double)(s.m * s.n * s.k) / timing.median, 1);
  result_end();
  ng_scope_end();
}

int main(int argc, char **argv) {
  struct bench bench = {.threads = ng_num_threads(), .steps = 20, .rounds = 1};
  const char *only_dtype = NULL, *only_transposes = NULL;
  int64_t m = 0, n = 0, k = 0, most = 2048;
  const struct option options[] = {
      {"dtype", OPTION_CHOICE, "float32|float64", "only this", &only_dtype, 0, 0},
      {"transposes", OPTION_CHOICE, "NN|TN|NT|TT", "only these", &only_transposes, 0, 0},
      {"most", OPTION_INTEGER, "N", "leave out larger squares (2048)", &most, 1, 1e5},
      {"m", OPTION_INTEGER, "N", "only this shape: rows of the result", &m, 1, 1e5},
      {"n", OPTION_INTEGER, "N", "its columns", &n, 1, 1e5},
      {"k", OPTION_INTEGER, "N", "products in each element", &k, 1, 1e5},
  };
  bench_parse(argc, argv, "Times matrix products, m × k by k × n.", &bench, options,
              sizeof options / sizeof *options);
  if ((m != 0) + (n != 0) + (k != 0) != 0 && (m == 0 || n == 0 || k == 0))
    die("--m, --n and --k go together");
  ng_set_num_threads((int32_t)bench.threads);
  static const char *const transposes[] = {"NN", "TN", "NT", "TT"};
  for (ng_dtype dtype = NG_FLOAT32; dtype <= NG_FLOAT64; dtype++) {
    if (only_dtype != NULL && strcmp(only_dtype, ng_dtype_name(dtype)) != 0)
      continue;
    for (int i = 0; i < 4; i++) {
      if (only_transposes != NULL && strcmp(only_transposes, transposes[i]) != 0)
        continue;
      if (m != 0) {
        run(&bench, dtype, (struct shape){m, n, k}, transposes[i]);
        continue;
      }
      for (size_t j = 0; j < sizeof shapes / sizeof *shapes; j++)
        if (shapes[j].k <= most)
          run(&bench, dtype, shapes[j], transposes[i]);
    }
  }
  return 0;
}
