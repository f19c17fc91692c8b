/// The reference for the other languages: a logistic regression, an error, and nothing left behind.
#include <inttypes.h>
#include <nanograd.h>
#include <stdio.h>

enum { ROWS = 500, FEATURES = 3, STEPS = 200 };

static int64_t state = 1;

/// A number from -1000 to 1000. The generator of Park and Miller ("Random number generators: good
/// ones are hard to find", 1988) needs 46 bits, which every language has, if only in a float64.
static int64_t next(void) {
  state = state * 16807 % 2147483647;
  return state % 2001 - 1000;
}

static void fill(double *x, double *t) {
  for (int row = 0; row < ROWS; row++) {
    const int64_t a = next(), b = next(), c = next(), noise = next();
    x[row * FEATURES] = (double)a / 1000;
    x[row * FEATURES + 1] = (double)b / 1000;
    x[row * FEATURES + 2] = (double)c / 1000;
    t[row] = 3 * a - 2 * b + c + noise > 0;
  }
}

static void train(void) {
  static double examples[ROWS * FEATURES], targets[ROWS];
  fill(examples, targets);
  const int64_t rows[] = {ROWS, FEATURES}, column[] = {ROWS, 1}, weights[] = {FEATURES, 1};
  ng_scope_begin();
  ng_tensor *x = ng_variable(NG_FLOAT64, 2, rows, examples, "x");
  ng_tensor *t = ng_variable(NG_FLOAT64, 2, column, targets, "t");
  ng_tensor *w = ng_parameter(NG_FLOAT64, 2, weights, NULL, "w");
  ng_tensor *b = ng_parameter(NG_FLOAT64, 0, NULL, NULL, "b");
  ng_optimizer *optimizer = ng_sgd(0.5);
  ng_optimizer_add(optimizer, (ng_tensor *[]){w, b}, 2);
  for (int step = 0; step <= STEPS; step++) {
    ng_scope_begin();
    ng_tensor *z = ng_add(ng_matmul(x, w), b);
    ng_tensor *loss = ng_binary_cross_entropy_logits(z, t);
    if (step % 100 == 0)
      printf("step %3d  loss %.12f\n", step, ng_item(loss));
    ng_backward(loss);
    ng_optimizer_step(optimizer);
    ng_optimizer_zero_grad(optimizer);
    ng_scope_end(); // releases z, the loss, and the product
  }
  ng_optimizer_release(optimizer);
  ng_scope_end();
}

/// What the other languages turn into an exception, or whatever they have.
static void fail(void) {
  const int64_t shape[] = {2, 3};
  ng_scope_begin();
  ng_tensor *a = ng_zeros(NG_FLOAT64, 2, shape);
  if (ng_matmul(a, a) == NULL) {
    printf("error: %s\n", ng_error_message());
    ng_clear_error();
  }
  ng_scope_end();
}

int main(void) {
  train();
  fail();
  if (ng_error() != NG_OK) {
    fprintf(stderr, "%s\n", ng_error_message());
    return 1;
  }
  printf("handles alive: %" PRId64 "\n", ng_live_handles());
  return 0;
}
