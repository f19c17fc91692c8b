/// Lasso regression: a linear model whose weights pay a price for not being 0, so that those which
/// explain nothing vanish. The price also pulls the others toward 0, each by half of lambda here;
/// a second fit, without it and only with the weights that are left, finds their true size.
#include "common/check.h"
#include "common/options.h"

#include <math.h>
#include <stdio.h>

enum { ROWS = 1000, WEIGHTS = 6, STEPS = 50 };

static const double truth[WEIGHTS] = {1.5, -2.0, 0.0, 0.75, 0.0, 3.0};
static const double lambda = 0.1, rate = 0.1;

/// What the model could see: x, from a normal distribution, and t = x @ truth + noise.
static void make_data(ng_tensor **x, ng_tensor **t) {
  ng_scope_begin();
  const int64_t rows[] = {ROWS, WEIGHTS}, column[] = {ROWS, 1}, weights[] = {WEIGHTS, 1};
  *x = ng_keep(ng_to_variable(ng_normal(NG_FLOAT64, 2, rows, 0, 1), "x"));
  ng_tensor *w = ng_variable(NG_FLOAT64, 2, weights, truth, "truth");
  ng_tensor *noise = ng_normal(NG_FLOAT64, 2, column, 0, 0.05);
  *t = ng_keep(ng_to_variable(ng_add(ng_matmul(*x, w), noise), "t"));
  ng_scope_end();
}

/// Trains w for some steps, with the weights that `mask` keeps, and returns the last loss.
static double train(ng_tensor *x, ng_tensor *w, ng_tensor *mask, ng_tensor *t, double penalty) {
  ng_optimizer *optimizer = ng_sgd(rate);
  ng_optimizer_add(optimizer, &w, 1);
  double last = NAN;
  for (int step = 0; step < STEPS; step++) {
    ng_scope_begin();
    ng_tensor *y = ng_matmul(x, ng_multiply(w, mask));
    ng_tensor *loss = ng_add(ng_squared_error(y, t), ng_multiply_scalar(ng_lasso(w), penalty));
    ng_backward(loss);
    last = ng_item(loss); // before the step, after which it would be computed anew
    ng_optimizer_step(optimizer);
    ng_optimizer_zero_grad(optimizer);
    ng_scope_end();
  }
  ng_optimizer_release(optimizer);
  check_nanograd();
  return last;
}

int main(int argc, char **argv) {
  options_parse(argc, argv, "Finds the weights of a linear model with a lasso penalty.", NULL, 0);
  ng_seed(1);
  ng_tensor *x, *t;
  make_data(&x, &t);
  const int64_t shape[] = {WEIGHTS, 1};
  ng_tensor *w = ng_parameter(NG_FLOAT64, 2, shape, NULL, "w");
  ng_tensor *mask = ng_ones(NG_FLOAT64, 2, shape);

  double lasso[WEIGHTS], refit[WEIGHTS], keep[WEIGHTS];
  const double lasso_loss = train(x, w, mask, t, lambda);
  ng_read(w, lasso, sizeof lasso);

  // Descent with a fixed rate makes a weight that ought to be 0 tremble around it.
  for (int i = 0; i < WEIGHTS; i++)
    keep[i] = fabs(lasso[i]) > lambda / 2 ? 1 : 0;
  ng_tensor *kept = ng_variable(NG_FLOAT64, 2, shape, keep, "kept");
  ng_assign(w, ng_multiply(w, kept));
  const double refit_loss = train(x, w, kept, t, 0);
  ng_read(w, refit, sizeof refit);
  check_nanograd();

  double error = 0;
  printf("weight      true     lasso     refit\n");
  for (int i = 0; i < WEIGHTS; i++) {
    printf("%6d  %8.4f  %8.4f  %8.4f\n", i, truth[i], lasso[i], refit[i]);
    error = fmax(error, fabs(refit[i] - truth[i]));
  }
  printf("loss              %9.5f %9.5f\n", lasso_loss, refit_loss);
  printf("largest error of the refit weights: %.4f\n", error);
  ng_release(x), ng_release(t), ng_release(w), ng_release(mask), ng_release(kept);
  flush_output();
  return error < 0.005 ? 0 : 1;
}
