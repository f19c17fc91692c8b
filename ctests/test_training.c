/* Optimizers against plain loops, schedules at their ends, a regression that finds its weights. */
#include "support.h"

enum { first_size = 3, second_size = 2, size = first_size + second_size };

/* What an optimizer is set to, and its state in the reference loop. */
struct settings {
  enum { SGD, ADAM, ADAMW } kind;
  double rate, momentum, decay, clip_value, clip_norm, beta1, beta2, epsilon;
  int nesterov;
};

struct reference {
  double w[size], velocity[size], m[size], v[size];
  int steps;
};

static void reference_step(const struct settings *set, struct reference *r,
                           const double *gradient) {
  double g[size], norm = 0;
  for (int i = 0; i < size; i++) {
    g[i] = gradient[i];
    if (set->clip_value > 0)
      g[i] = fmin(fmax(g[i], -set->clip_value), set->clip_value);
    norm += g[i] * g[i];
  }
  norm = sqrt(norm);
  r->steps++;
  for (int i = 0; i < size; i++) {
    if (set->clip_norm > 0 && norm > set->clip_norm)
      g[i] *= set->clip_norm / norm;
    if (set->kind != ADAMW)
      g[i] += set->decay * r->w[i];
    if (set->kind == SGD) {
      r->velocity[i] = set->momentum * r->velocity[i] + g[i];
      double update = set->nesterov ? g[i] + set->momentum * r->velocity[i] : r->velocity[i];
      r->w[i] -= set->rate * update;
    } else {
      r->m[i] = set->beta1 * r->m[i] + (1 - set->beta1) * g[i];
      r->v[i] = set->beta2 * r->v[i] + (1 - set->beta2) * g[i] * g[i];
      double m = r->m[i] / (1 - pow(set->beta1, r->steps));
      double v = r->v[i] / (1 - pow(set->beta2, r->steps));
      double decay = set->kind == ADAMW ? set->rate * set->decay * r->w[i] : 0;
      r->w[i] -= set->rate * m / (sqrt(v) + set->epsilon) + decay;
    }
  }
}

static ng_optimizer *optimizer_for(const struct settings *set) {
  ng_optimizer *optimizer = set->kind == SGD    ? ng_sgd(set->rate)
                            : set->kind == ADAM ? ng_adam(set->rate)
                                                : ng_adamw(set->rate);
  if (set->kind == SGD) {
    expect_ok(ng_optimizer_set_momentum(optimizer, set->momentum, set->nesterov));
  } else if (set->beta1 != 0.9 || set->beta2 != 0.999 || set->epsilon != 1e-8) {
    expect_ok(ng_optimizer_set_betas(optimizer, set->beta1, set->beta2, set->epsilon));
  }
  /* AdamW's own decay is left as it comes where it is asked for. */
  if (set->kind != ADAMW || set->decay != 0.01) {
    expect_ok(ng_optimizer_set_weight_decay(optimizer, set->decay));
  }
  expect_ok(ng_optimizer_set_clip_value(optimizer, set->clip_value));
  expect_ok(ng_optimizer_set_clip_norm(optimizer, set->clip_norm));
  return optimizer;
}

static void test_optimizers_against_loops(void **state) {
  (void)state;
  const struct settings cases[] = {
      {SGD, 0.1, 0, 0, 0, 0, 0, 0, 0, 0},
      {SGD, 0.1, 0.9, 0, 0, 0, 0, 0, 0, 0},
      {SGD, 0.1, 0.9, 0, 0, 0, 0, 0, 0, 1},
      {SGD, 0.1, 0, 0.05, 0, 0, 0, 0, 0, 0},
      {SGD, 0.1, 0.5, 0.05, 0, 0, 0, 0, 0, 1},
      {SGD, 0.1, 0, 0, 0, 0.7, 0, 0, 0, 0},
      {SGD, 0.1, 0, 0, 0.3, 0, 0, 0, 0, 0},
      {SGD, 0.1, 0.9, 0.01, 0.6, 0.5, 0, 0, 0, 1},
      {ADAM, 0.05, 0, 0, 0, 0, 0.9, 0.999, 1e-8, 0},
      {ADAM, 0.05, 0, 0.1, 0, 0, 0.9, 0.999, 1e-8, 0},
      {ADAM, 0.05, 0, 0, 0, 0.5, 0.8, 0.95, 1e-3, 0},
      {ADAM, 0.05, 0, 0, 0, 0, 0, 0, 1e-8, 0},
      {ADAMW, 0.05, 0, 0.01, 0, 0, 0.9, 0.999, 1e-8, 0},
      {ADAMW, 0.05, 0, 0.2, 0.4, 0.5, 0.7, 0.9, 1e-6, 0},
  };
  const double start[size] = {1, -2, 0.5, 3, -0.75};
  const double target[size] = {0.2, 0.3, -0.4, 1, 2}, steepness[size] = {1, 2, 0.5, 0.25, 3};
  for (size_t d = 0; d < COUNT(float_dtypes); d++) {
    for (size_t c = 0; c < COUNT(cases); c++) {
      print_message("%s, case %d\n", ng_dtype_name(float_dtypes[d]), (int)c);
      ng_dtype dtype = float_dtypes[d];
      ng_tensor *w = make_parameter(dtype, SHAPE(3), (struct numbers){3, start});
      ng_tensor *u = make_parameter(dtype, SHAPE(2, 1), (struct numbers){2, start + 3});
      ng_tensor *t = make(dtype, SHAPE(5), (struct numbers){size, target});
      ng_tensor *k = make(dtype, SHAPE(5), (struct numbers){size, steepness});
      ng_tensor *all = ng_concatenate(TENSORS(w, ng_reshape(u, SHAPE(2))), 2, 0);
      ng_tensor *apart = ng_subtract(all, t);
      ng_tensor *loss = ng_sum(ng_multiply(k, ng_multiply(apart, apart)), ALL_AXES, 0);
      ng_optimizer *optimizer = optimizer_for(&cases[c]);
      expect_ok(ng_optimizer_add(optimizer, TENSORS(w, u), 2));
      struct reference r = {{0}, {0}, {0}, {0}, 0};
      memcpy(r.w, start, sizeof start);
      for (int step = 0; step < 8; step++) {
        double g[size];
        for (int i = 0; i < size; i++)
          g[i] = 2 * steepness[i] * (r.w[i] - target[i]);
        reference_step(&cases[c], &r, g);
        expect_ok(ng_optimizer_zero_grad(optimizer));
        expect_ok(ng_backward(loss));
        expect_ok(ng_optimizer_step(optimizer));
      }
      double tolerance = dtype == NG_FLOAT32 ? 1e-4 : 1e-11;
      expect_numbers(w, ((struct numbers){3, r.w}), tolerance);
      expect_numbers(u, ((struct numbers){2, r.w + 3}), tolerance);
      assert_int_equal(ng_optimizer_steps(optimizer), 8);
      expect_ok(ng_optimizer_release(optimizer));
    }
  }
}

static void test_clipping_is_applied_and_reported(void **state) {
  (void)state;
  ng_tensor *w = make_parameter(NG_FLOAT64, SHAPE(2), NUMBERS(0, 0));
  ng_tensor *u = make_parameter(NG_FLOAT64, SCALAR, NUMBERS(0));
  ng_tensor *slope = make(NG_FLOAT64, SHAPE(2), NUMBERS(2, 3));
  ng_tensor *loss = ng_add(ng_matmul(w, slope), ng_multiply_scalar(u, 6));
  ng_optimizer *optimizer = ng_sgd(1);
  expect_ok(ng_optimizer_add(optimizer, TENSORS(w, u), 2));
  assert_true(isnan(ng_optimizer_grad_norm(optimizer)));
  ng_clear_error();
  expect_ok(ng_optimizer_set_clip_norm(optimizer, 3.5));
  expect_ok(ng_backward(loss));
  expect_ok(ng_optimizer_step(optimizer)); /* the norm is √(4 + 9 + 36) = 7, so half of each */
  expect_numbers(w, NUMBERS(-1, -1.5), 1e-12);
  expect_item(u, -3, 1e-12);
  expect_close(ng_optimizer_grad_norm(optimizer), 7, 1e-12);
  expect_numbers(ng_grad(w), NUMBERS(2, 3), 0); /* gradients stay as they are */
  expect_ok(ng_optimizer_set_clip_norm(optimizer, 100));
  expect_ok(ng_optimizer_step(optimizer));
  expect_numbers(w, NUMBERS(-3, -4.5), 1e-12);
  expect_ok(ng_optimizer_set_clip_norm(optimizer, 0));
  expect_ok(ng_optimizer_set_clip_value(optimizer, 2.5));
  expect_ok(ng_optimizer_step(optimizer));
  expect_numbers(w, NUMBERS(-5, -7), 1e-12);
  expect_item(u, -11.5, 1e-12);
  expect_ok(ng_optimizer_release(optimizer));
}

static void test_parameters_without_gradient_stay(void **state) {
  (void)state;
  ng_tensor *w = make_parameter(NG_FLOAT64, SCALAR, NUMBERS(1));
  ng_tensor *idle = make_parameter(NG_FLOAT64, SCALAR, NUMBERS(1));
  ng_optimizer *optimizer = ng_sgd(0.5);
  expect_ok(ng_optimizer_set_weight_decay(optimizer, 0.5));
  expect_ok(
      ng_optimizer_add(optimizer, TENSORS(w, idle, w), 3)); /* one there already is left alone */
  expect_ok(ng_backward(ng_multiply_scalar(w, 0)));
  expect_ok(ng_optimizer_step(optimizer));
  expect_item(w, 0.75, 0);
  expect_item(idle, 1, 0);
  expect_ok(ng_optimizer_zero_grad(optimizer));
  expect_ok(ng_optimizer_step(optimizer));
  expect_item(w, 0.75, 0);
  assert_int_equal(ng_optimizer_steps(optimizer), 2);
  expect_ok(ng_optimizer_release(optimizer));
}

static void test_optimizer_outlives_handles(void **state) {
  (void)state;
  ng_tensor *w = make_parameter(NG_FLOAT64, SCALAR, NUMBERS(1));
  ng_tensor *loss = ng_multiply(w, w);
  ng_optimizer *optimizer = ng_sgd(0.25);
  expect_ok(ng_optimizer_add(optimizer, &w, 1));
  expect_ok(ng_release(w)); /* graph and optimizer still hold the Parameter */
  expect_ok(ng_backward(loss));
  expect_ok(ng_optimizer_step(optimizer));
  expect_item(loss, 0.25, 0);
  expect_ok(ng_optimizer_release(optimizer));
}

/* ---- Schedules ------------------------------------------------------------------------------- */

static void expect_rates(ng_schedule *schedule, struct numbers rates) {
  for (int64_t step = 0; step < rates.count; step++) {
    expect_close(ng_schedule_rate(schedule, step), rates.data[step], 1e-15);
  }
}

static void test_schedules(void **state) {
  (void)state;
  ng_schedule *constant = ng_schedule_constant(0, 0.3), *linear = ng_schedule_linear(4, 1, 3);
  ng_schedule *cosine = ng_schedule_cosine(4, 1, 0.1);
  ng_schedule *exponential = ng_schedule_exponential(2, 1, 0.25);
  ng_schedule *stairs = ng_schedule_step(2, 8, 0.5);
  expect_rates(constant, NUMBERS(0.3, 0.3));
  expect_rates(linear, NUMBERS(1, 1.5, 2, 2.5, 3, 3));
  double side = sqrt(0.5);
  expect_rates(cosine,
               NUMBERS(1, 0.1 + 0.45 * (1 + side), 0.55, 0.1 + 0.45 * (1 - side), 0.1, 0.1));
  expect_rates(exponential, NUMBERS(1, 0.5, 0.25, 0.25));
  expect_rates(stairs, NUMBERS(8, 8, 4, 4, 2, 2, 1));
  ng_schedule *all[] = {constant, linear, cosine, exponential, stairs};
  for (size_t i = 0; i < COUNT(all); i++)
    expect_ok(ng_schedule_release(all[i]));
}

static void test_schedules_are_exact_at_their_ends(void **state) {
  (void)state;
  const int64_t steps[] = {1, 3, 7, 1000, 1875, 123456789};
  const double ends[][2] = {{0.5, 1e-5}, {0.1, 0.3}, {1e-5, 1.0 / 3}, {0.7, 0.7}};
  for (size_t i = 0; i < COUNT(steps); i++) {
    for (size_t k = 0; k < COUNT(ends); k++) {
      double from = ends[k][0], to = ends[k][1];
      ng_schedule *all[] = {ng_schedule_linear(steps[i], from, to),
                            ng_schedule_cosine(steps[i], from, to),
                            ng_schedule_exponential(steps[i], from, to)};
      for (size_t n = 0; n < COUNT(all); n++) {
        assert_true(ng_schedule_rate(all[n], 0) == from);
        assert_true(ng_schedule_rate(all[n], steps[i]) == to);
        assert_true(ng_schedule_rate(all[n], steps[i] + 1) == to);
        assert_true(ng_schedule_rate(all[n], INT64_MAX) == to);
        double before = ng_schedule_rate(all[n], steps[i] - 1);
        assert_true(before >= fmin(from, to) && before <= fmax(from, to));
        expect_ok(ng_schedule_release(all[n]));
      }
    }
  }
  ng_schedule *down = ng_schedule_linear(3, 1, 0), *up = ng_schedule_cosine(3, 0, 1);
  assert_true(ng_schedule_rate(down, 3) == 0 && ng_schedule_rate(up, 0) == 0);
  expect_ok(ng_schedule_release(down));
  expect_ok(ng_schedule_release(up));
}

static void test_chains_hand_over(void **state) {
  (void)state;
  ng_schedule *warm = ng_schedule_linear(2, 0, 1), *hold = ng_schedule_constant(2, 1);
  ng_schedule *decay = ng_schedule_linear(2, 1, 0.5);
  ng_schedule *held = ng_schedule_chain(warm, hold), *all = ng_schedule_chain(held, decay);
  ng_schedule *other = ng_schedule_chain(hold, decay), *same = ng_schedule_chain(warm, other);
  expect_ok(ng_schedule_release(warm));
  expect_ok(ng_schedule_release(hold));
  expect_ok(ng_schedule_release(decay));
  expect_ok(ng_schedule_release(held));
  expect_ok(ng_schedule_release(other));
  /* Step 2 is the constant's step 0; step 4 the decay's step 0. */
  expect_rates(all, NUMBERS(0, 0.5, 1, 1, 1, 0.75, 0.5, 0.5));
  expect_rates(same, NUMBERS(0, 0.5, 1, 1, 1, 0.75, 0.5, 0.5));
  expect_ok(ng_schedule_release(all));
  expect_ok(ng_schedule_release(same));
}

static void test_optimizer_follows_its_schedule(void **state) {
  (void)state;
  ng_tensor *w = make_parameter(NG_FLOAT64, SCALAR, NUMBERS(0));
  ng_tensor *loss = ng_multiply_scalar(w, 1);
  ng_optimizer *optimizer = ng_sgd(5);
  expect_ok(ng_optimizer_add(optimizer, &w, 1));
  expect_ok(ng_backward(loss));
  expect_close(ng_optimizer_rate(optimizer), 5, 0);
  expect_ok(ng_optimizer_step(optimizer));
  expect_item(w, -5, 0);
  /* The schedule starts at the next step, whatever the count of steps. */
  ng_schedule *schedule = ng_schedule_linear(2, 3, 1);
  expect_ok(ng_optimizer_set_schedule(optimizer, schedule));
  expect_ok(ng_schedule_release(schedule));
  const double rates[] = {3, 2, 1, 1};
  double expected = -5;
  for (size_t i = 0; i < COUNT(rates); i++) {
    expect_close(ng_optimizer_rate(optimizer), rates[i], 0);
    expect_ok(ng_optimizer_step(optimizer));
    expected -= rates[i];
    expect_item(w, expected, 1e-15);
  }
  expect_ok(ng_optimizer_set_rate(optimizer, 0.5));
  expect_close(ng_optimizer_rate(optimizer), 0.5, 0);
  expect_ok(ng_optimizer_step(optimizer));
  expect_item(w, expected - 0.5, 1e-15);
  assert_int_equal(ng_optimizer_steps(optimizer), 6);
  expect_ok(ng_optimizer_release(optimizer));
}

/* ---- The whole ------------------------------------------------------------------------------- */

static void test_logistic_regression_recovers_its_weights(void **state) {
  (void)state;
  const double truth[5] = {1.5, -2, 0.5, 1, -0.75};
  for (size_t d = 0; d < COUNT(float_dtypes); d++) {
    ng_seed(3);
    ng_dtype dtype = float_dtypes[d];
    ng_tensor *x = ng_normal(dtype, SHAPE(2000, 5), 0, 1);
    ng_tensor *weights = make(dtype, SHAPE(5), (struct numbers){5, truth});
    /* The probabilities themselves are the targets: then the truth is the exact minimum. */
    ng_tensor *t = ng_to_variable(ng_sigmoid(ng_matmul(x, weights)), "t");
    ng_tensor *w = ng_parameter(dtype, SHAPE(5), NULL, "w");
    ng_tensor *y = ng_sigmoid(ng_matmul(x, w));
    ng_optimizer *optimizer = ng_sgd(0.5);
    expect_ok(ng_optimizer_add(optimizer, &w, 1));
    for (int step = 0; step < 800; step++) {
      expect_ok(ng_scope_begin());
      expect_ok(ng_optimizer_zero_grad(optimizer));
      expect_ok(ng_backward(ng_binary_cross_entropy(y, t)));
      expect_ok(ng_optimizer_step(optimizer));
      expect_ok(ng_scope_end());
    }
    expect_numbers(w, ((struct numbers){5, truth}), 5e-3);
    expect_ok(ng_optimizer_release(optimizer));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_optimizers_against_loops),
      TEST(test_clipping_is_applied_and_reported),
      TEST(test_parameters_without_gradient_stay),
      TEST(test_optimizer_outlives_handles),
      TEST(test_schedules),
      TEST(test_schedules_are_exact_at_their_ends),
      TEST(test_chains_hand_over),
      TEST(test_optimizer_follows_its_schedule),
      TEST(test_logistic_regression_recovers_its_weights),
  };
  return cmocka_run_group_tests_name("training", tests, NULL, NULL);
}
