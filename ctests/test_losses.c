/* Every loss against its formula, value and gradient. */
#include "support.h"

enum { rows = 3, classes = 4, size = rows * classes };

static const double epsilon = 1e-12;
static const double logits[size] = {1, -2, 0.5, 3, -0.25, 0, 2, -1, 40, -40, 0.125, 1};
static const double one_hot[size] = {0, 0, 1, 0, 1, 0, 0, 0, 0, 1, 0, 0};
static const double soft_targets[size] = {0.1, 0.2, 0.3, 0.4,  1,  0, 0,
                                          0,   0.5, 0.5, 0.25, 0.5}; /* the last row sums to 1.75 */
static const double class_of[rows] = {2, 0, 1};

static double probabilities[size], targets01[size];

static int compute_probabilities(void **state) {
  (void)state;
  for (int row = 0; row < rows; row++) {
    const double *z = logits + classes * row;
    double top = z[0], sum = 0;
    for (int c = 1; c < classes; c++)
      top = fmax(top, z[c]);
    for (int c = 0; c < classes; c++)
      sum += exp(z[c] - top);
    for (int c = 0; c < classes; c++)
      probabilities[classes * row + c] = exp(z[c] - top) / sum;
  }
  for (int i = 0; i < size; i++)
    targets01[i] = i % 3 == 0 ? 0.25 : i % 2;
  return 0;
}

static ng_tensor *matrix(ng_dtype dtype, const double *numbers) {
  return make(dtype, SHAPE(rows, classes), (struct numbers){size, numbers});
}

static ng_tensor *class_indices(ng_dtype dtype) {
  return make(dtype, SHAPE(rows), (struct numbers){rows, class_of});
}

/* A loss is a scalar with the given value, and has the given gradient. */
#define expect_loss(loss, value, x, expected_gradient)                                             \
  do {                                                                                             \
    ng_tensor *l_ = (loss);                                                                        \
    expect_shape(l_, SCALAR);                                                                      \
    expect_item(l_, (value), tolerance_of(ng_dtype_of(l_)));                                       \
    expect_numbers(gradient(l_, (x)), ((struct numbers){size, (expected_gradient)}),               \
                   tolerance_of(ng_dtype_of(l_)));                                                 \
  } while (0)

static void test_squared_error(void **state) {
  (void)state;
  double value = 0, g[size], minus_g[size];
  for (int i = 0; i < size; i++) {
    value += pow(targets01[i] - logits[i], 2) / size;
    g[i] = 2 * (logits[i] - targets01[i]) / size;
    minus_g[i] = -g[i];
  }
  for (size_t d = 0; d < COUNT(float_dtypes); d++) {
    ng_tensor *y = matrix(float_dtypes[d], logits), *t = matrix(float_dtypes[d], targets01);
    expect_loss(ng_squared_error(y, t), value, y, g);
    expect_loss(ng_squared_error(y, t), value, t, minus_g);
  }
}

static void test_binary_cross_entropy(void **state) {
  (void)state;
  double value = 0, g[size], y[size];
  for (int i = 0; i < size; i++) {
    y[i] = 0.05 + 0.08 * i;
    double t = targets01[i];
    value -= (t * log(y[i] + epsilon) + (1 - t) * log(1 - y[i] + epsilon)) / size;
    g[i] = -(t / (y[i] + epsilon) - (1 - t) / (1 - y[i] + epsilon)) / size;
  }
  for (size_t d = 0; d < COUNT(float_dtypes); d++) {
    ng_tensor *p = matrix(float_dtypes[d], y), *t = matrix(float_dtypes[d], targets01);
    expect_loss(ng_binary_cross_entropy(p, t), value, p, g);
  }
  /* At the ends ε keeps it finite. */
  ng_tensor *p = make(NG_FLOAT64, SHAPE(2), NUMBERS(0, 1));
  ng_tensor *t = make(NG_FLOAT64, SHAPE(2), NUMBERS(1, 0));
  expect_item(ng_binary_cross_entropy(p, t), -log(epsilon), 1e-4);
}

static void test_binary_cross_entropy_logits(void **state) {
  (void)state;
  double value = 0, g[size];
  for (int i = 0; i < size; i++) {
    double z = logits[i], t = targets01[i];
    value += (fmax(z, 0) - z * t + log1p(exp(-fabs(z)))) / size;
    g[i] = (1 / (1 + exp(-z)) - t) / size;
  }
  for (size_t d = 0; d < COUNT(float_dtypes); d++) {
    ng_tensor *z = matrix(float_dtypes[d], logits), *t = matrix(float_dtypes[d], targets01);
    expect_loss(ng_binary_cross_entropy_logits(z, t), value, z, g);
    ng_tensor *far = make(float_dtypes[d], SHAPE(2), NUMBERS(1e4, -1e4));
    ng_tensor *wrong = make(float_dtypes[d], SHAPE(2), NUMBERS(0, 1));
    ng_tensor *loss = ng_binary_cross_entropy_logits(far, wrong);
    expect_item(loss, 1e4, 1e-7);
    expect_numbers(gradient(loss, far), NUMBERS(0.5, -0.5), 1e-7);
    /* The kink of |z| is none in the loss: at 0 the gradient is (1/2 - t)/n. */
    ng_tensor *zero = ng_zeros(float_dtypes[d], SHAPE(2));
    expect_numbers(gradient(ng_binary_cross_entropy_logits(zero, wrong), zero),
                   NUMBERS(0.25, -0.25), 1e-7);
  }
}

static void test_cross_entropy(void **state) {
  (void)state;
  const double *both[] = {one_hot, soft_targets};
  for (size_t k = 0; k < COUNT(both); k++) {
    double value = 0, g[size], y[size];
    for (int i = 0; i < size; i++) {
      y[i] = 0.03 + 0.07 * i;
      value -= both[k][i] * log(y[i] + epsilon) / rows;
      g[i] = -both[k][i] / (y[i] + epsilon) / rows;
    }
    for (size_t d = 0; d < COUNT(float_dtypes); d++) {
      ng_tensor *p = matrix(float_dtypes[d], y), *t = matrix(float_dtypes[d], both[k]);
      expect_loss(ng_cross_entropy(p, t), value, p, g);
    }
  }
  ng_tensor *zero = ng_zeros(NG_FLOAT64, SHAPE(1, 2));
  expect_item(ng_cross_entropy(zero, ng_ones(NG_FLOAT64, SHAPE(1, 2))), -2 * log(epsilon), 1e-9);
}

static void test_cross_entropy_logits(void **state) {
  (void)state;
  const double *both[] = {one_hot, soft_targets};
  for (size_t k = 0; k < COUNT(both); k++) {
    double value = 0, g[size];
    for (int row = 0; row < rows; row++) {
      const double *z = logits + classes * row, *t = both[k] + classes * row;
      double top = z[0], sum = 0, total = 0;
      for (int c = 1; c < classes; c++)
        top = fmax(top, z[c]);
      for (int c = 0; c < classes; c++)
        sum += exp(z[c] - top), total += t[c];
      for (int c = 0; c < classes; c++) {
        value -= t[c] * (z[c] - top - log(sum)) / rows;
        g[classes * row + c] = (probabilities[classes * row + c] * total - t[c]) / rows;
      }
    }
    for (size_t d = 0; d < COUNT(float_dtypes); d++) {
      ng_tensor *z = matrix(float_dtypes[d], logits), *t = matrix(float_dtypes[d], both[k]);
      expect_loss(ng_cross_entropy_logits(z, t), value, z, g);
    }
  }
  for (size_t d = 0; d < COUNT(float_dtypes); d++) {
    ng_tensor *far = make(float_dtypes[d], SHAPE(1, 2), NUMBERS(1e4, -1e4));
    ng_tensor *wrong = make(float_dtypes[d], SHAPE(1, 2), NUMBERS(0, 1));
    ng_tensor *loss = ng_cross_entropy_logits(far, wrong);
    expect_item(loss, 2e4, 1e-7);
    expect_numbers(gradient(loss, far), NUMBERS(1, -1), 1e-7);
  }
}

static void test_class_indices_equal_one_hot(void **state) {
  (void)state;
  for (size_t d = 0; d < COUNT(float_dtypes); d++) {
    for (size_t k = 2; k < COUNT(all_dtypes); k++) {
      ng_tensor *z = matrix(float_dtypes[d], logits), *t = matrix(float_dtypes[d], one_hot);
      double y[size], g[size];
      for (int i = 0; i < size; i++)
        y[i] = 0.03 + 0.07 * i;
      ng_tensor *p = matrix(float_dtypes[d], y), *indices = class_indices(all_dtypes[k]);
      ng_tensor *reference = ng_cross_entropy(p, t);
      read_numbers(gradient(reference, p), g);
      expect_loss(ng_cross_entropy_indices(p, indices), ng_item(reference), p, g);
      reference = ng_cross_entropy_logits(z, t);
      read_numbers(gradient(reference, z), g);
      expect_loss(ng_cross_entropy_logits_indices(z, indices), ng_item(reference), z, g);
    }
  }
}

static void test_class_indices_that_are_no_class(void **state) {
  (void)state;
  for (size_t d = 0; d < COUNT(float_dtypes); d++) {
    ng_dtype dtype = float_dtypes[d];
    ng_tensor *z = make(dtype, SHAPE(3, 2), NUMBERS(0, 0, 1, 2, 3, 4));
    ng_tensor *indices = make(NG_INT64, SHAPE(3), NUMBERS(1, -1, 2));
    ng_tensor *loss = ng_cross_entropy_logits_indices(z, indices);
    expect_item(loss, log(2) / 3, 1e-6);
    expect_numbers(gradient(loss, z), NUMBERS(0.5 / 3, -0.5 / 3, 0, 0, 0, 0), 1e-6);
    ng_tensor *p = make(dtype, SHAPE(3, 2), NUMBERS(0.5, 0.5, 0.25, 0.75, 1, 0));
    loss = ng_cross_entropy_indices(p, indices);
    expect_item(loss, log(2) / 3, 1e-6);
    expect_numbers(gradient(loss, p), NUMBERS(0, -2.0 / 3, 0, 0, 0, 0), 1e-6);
  }
}

static void test_leading_axes_are_rows(void **state) {
  (void)state;
  ng_tensor *z = matrix(NG_FLOAT64, logits);
  ng_tensor *z3 = ng_reshape(z, SHAPE(rows, 2, 2)),
            *t3 = ng_reshape(matrix(NG_FLOAT64, one_hot), SHAPE(rows, 2, 2));
  ng_tensor *z2 = ng_reshape(z, SHAPE(2 * rows, 2)), *t2 = ng_reshape(t3, SHAPE(2 * rows, 2));
  expect_item(ng_cross_entropy_logits(z3, t3), ng_item(ng_cross_entropy_logits(z2, t2)), 1e-12);
  ng_tensor *i3 = make(NG_INT32, SHAPE(rows, 2), NUMBERS(1, 0, 0, 1, 1, 1));
  expect_item(ng_cross_entropy_logits_indices(z3, i3),
              ng_item(ng_cross_entropy_logits_indices(z2, ng_reshape(i3, SHAPE(2 * rows)))), 1e-12);
  /* A vector is one row. */
  ng_tensor *z1 = make(NG_FLOAT64, SHAPE(2), NUMBERS(0, 0));
  expect_item(ng_cross_entropy_logits_indices(z1, ng_constant(NG_INT64, 1)), log(2), 1e-12);
  expect_item(ng_cross_entropy_logits(z1, make(NG_FLOAT64, SHAPE(2), NUMBERS(0, 1))), log(2),
              1e-12);
}

static void test_ridge_and_lasso(void **state) {
  (void)state;
  double squares = 0, sum = 0, twice[size], signs[size], w[size];
  for (int i = 0; i < size; i++) {
    w[i] = logits[i] / 4; /* one of them is 0 */
    squares += w[i] * w[i];
    sum += fabs(w[i]);
    twice[i] = 2 * w[i];
    signs[i] = (w[i] > 0) - (w[i] < 0);
  }
  for (size_t d = 0; d < COUNT(float_dtypes); d++) {
    ng_tensor *x = matrix(float_dtypes[d], w);
    expect_loss(ng_ridge(x), squares, x, twice);
    expect_loss(ng_lasso(x), sum, x, signs);
    expect_item(ng_ridge(ng_constant(float_dtypes[d], -3)), 9, 0);
    expect_item(ng_lasso(ng_zeros(float_dtypes[d], SHAPE(0))), 0, 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_squared_error),
      TEST(test_binary_cross_entropy),
      TEST(test_binary_cross_entropy_logits),
      TEST(test_cross_entropy),
      TEST(test_cross_entropy_logits),
      TEST(test_class_indices_equal_one_hot),
      TEST(test_class_indices_that_are_no_class),
      TEST(test_leading_axes_are_rows),
      TEST(test_ridge_and_lasso),
  };
  return cmocka_run_group_tests_name("losses", tests, compute_probabilities, NULL);
}
