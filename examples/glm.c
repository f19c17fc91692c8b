/// Logistic regression on 2,000 examples of 5 features. The targets are the true probabilities, not
/// zeros and ones drawn from them: with those, 2,000 examples would leave an error of some 0.1 in
/// the weights however long one trained.
#include "common/check.h"
#include "common/options.h"

#include <math.h>
#include <stdio.h>

enum { ROWS = 2000, WEIGHTS = 5, STEPS = 800 };

static const double truth[WEIGHTS] = {1.2, -0.8, 0.5, -1.6, 2.1};

int main(int argc, char **argv) {
  options_parse(argc, argv, "Finds the weights of a logistic regression.", NULL, 0);
  ng_seed(1);
  const int64_t rows[] = {ROWS, WEIGHTS}, weights[] = {WEIGHTS, 1};
  ng_scope_begin();
  ng_tensor *x = ng_to_variable(ng_normal(NG_FLOAT64, 2, rows, 0, 1), "x");
  ng_tensor *true_w = ng_variable(NG_FLOAT64, 2, weights, truth, "truth");
  ng_tensor *t = ng_to_variable(ng_sigmoid(ng_matmul(x, true_w)), "t");
  ng_tensor *w = ng_parameter(NG_FLOAT64, 2, weights, NULL, "w");

  // Written once: values follow their leaves, so y is new after each step of the optimizer.
  ng_tensor *y = ng_sigmoid(ng_matmul(x, w));

  ng_optimizer *optimizer = ng_sgd(0.5);
  ng_optimizer_add(optimizer, &w, 1);
  for (int step = 0; step <= STEPS; step++) {
    ng_scope_begin();
    ng_tensor *loss = ng_binary_cross_entropy(y, t);
    if (step % 200 == 0)
      printf("step %3d  loss %.6f\n", step, ng_item(loss));
    if (step < STEPS) {
      ng_backward(loss);
      ng_optimizer_step(optimizer);
      ng_optimizer_zero_grad(optimizer);
    }
    ng_scope_end();
  }

  double learned[WEIGHTS], error = 0;
  ng_read(w, learned, sizeof learned);
  check_nanograd();
  printf("weight      true   learned\n");
  for (int i = 0; i < WEIGHTS; i++) {
    printf("%6d  %8.4f  %8.4f\n", i, truth[i], learned[i]);
    error = fmax(error, fabs(learned[i] - truth[i]));
  }
  printf("largest error: %.4f\n", error);
  ng_optimizer_release(optimizer);
  ng_scope_end();
  flush_output();
  return error < 0.005 ? 0 : 1;
}
