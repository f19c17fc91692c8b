/* Recurrent cells and sequences against ONNX's definition in plain C, and their derivatives against
 * differences. */
#include "support.h"

enum { RNN, GRU, LSTM, kinds, most_steps = 5, most_units = 4, most_batch = 3 };

static const int gates_of[kinds] = {1, 3, 4};

/* ---- ONNX's definition ----------------------------------------------------------------------- */

/* A case, with operands laid out as ONNX has them, one direction after the other. */
struct layer {
  int kind, steps, batch, inputs, hidden, directions;
  int32_t flags;
  double x[256], w[512], r[512], wb[64], rb[64], h[64], c[64];
  const int64_t *lengths; /* or NULL */
};

/* What it gives: y [time, directions, batch, hidden], h and c [directions, batch, hidden]. */
struct outputs {
  double y[512], h[64], c[64];
};

static double logistic(double x) { return 1 / (1 + exp(-x)); }

/* Row `gate · hidden + unit` of W times a row of x, and its bias; likewise for R and h. */
static double of_input(const struct layer *l, int d, int gate, int unit, const double *x) {
  int row = (d * gates_of[l->kind] + gate) * l->hidden + unit;
  double sum = l->wb[row];
  for (int k = 0; k < l->inputs; k++)
    sum += l->w[row * l->inputs + k] * x[k];
  return sum;
}

static double product(const struct layer *l, int d, int gate, int unit, const double *h) {
  int row = (d * gates_of[l->kind] + gate) * l->hidden + unit;
  double sum = 0;
  for (int k = 0; k < l->hidden; k++)
    sum += l->r[row * l->hidden + k] * h[k];
  return sum;
}

static double state_bias(const struct layer *l, int d, int gate, int unit) {
  return l->rb[(d * gates_of[l->kind] + gate) * l->hidden + unit];
}

static double gate_sum(const struct layer *l, int d, int gate, int unit, const double *x,
                       const double *h) {
  return of_input(l, d, gate, unit, x) + product(l, d, gate, unit, h) +
         state_bias(l, d, gate, unit);
}

/* One row of the batch goes one step further. */
static void step(const struct layer *l, int d, const double *x, double *h, double *c) {
  double next[most_units], gated[most_units];
  for (int u = 0; u < l->hidden && l->kind == GRU; u++)
    gated[u] = logistic(gate_sum(l, d, 1, u, x, h)) * h[u];
  for (int u = 0; u < l->hidden; u++) {
    if (l->kind == RNN) {
      double sum = gate_sum(l, d, 0, u, x, h);
      next[u] = l->flags & NG_RNN_RELU ? fmax(sum, 0) : tanh(sum);
    } else if (l->kind == GRU) {
      double z = logistic(gate_sum(l, d, 0, u, x, h)), r = logistic(gate_sum(l, d, 1, u, x, h));
      double of_state = l->flags & NG_GRU_RESET_AFTER
                            ? r * (product(l, d, 2, u, h) + state_bias(l, d, 2, u))
                            : product(l, d, 2, u, gated) + state_bias(l, d, 2, u);
      double candidate = tanh(of_input(l, d, 2, u, x) + of_state);
      double keep = l->flags & NG_GRU_UPDATE_TAKES ? 1 - z : z;
      next[u] = keep * h[u] + (1 - keep) * candidate;
    } else {
      double i = logistic(gate_sum(l, d, 0, u, x, h)), o = logistic(gate_sum(l, d, 1, u, x, h));
      double f = logistic(gate_sum(l, d, 2, u, x, h));
      c[u] = f * c[u] + i * tanh(gate_sum(l, d, 3, u, x, h));
      next[u] = o * tanh(c[u]);
    }
  }
  memcpy(h, next, (size_t)l->hidden * sizeof *h);
}

static void reference(const struct layer *l, struct outputs *out) {
  int cells = l->batch * l->hidden;
  memcpy(out->h, l->h, sizeof l->h);
  memcpy(out->c, l->c, sizeof l->c);
  for (int d = 0; d < l->directions; d++) {
    int backwards = d == 1 || l->flags & NG_RECURRENT_REVERSE;
    for (int n = 0; n < l->batch; n++) {
      double *h = out->h + d * cells + n * l->hidden, *c = out->c + d * cells + n * l->hidden;
      int length = l->lengths ? (int)l->lengths[n] : l->steps;
      for (int k = 0; k < l->steps; k++) {
        int t = backwards ? l->steps - 1 - k : k;
        double *y = out->y + (t * l->directions + d) * cells + n * l->hidden;
        if (t < length)
          step(l, d, l->x + (t * l->batch + n) * l->inputs, h, c);
        for (int u = 0; u < l->hidden; u++)
          y[u] = t < length ? h[u] : 0;
      }
    }
  }
}

/* ---- The library's --------------------------------------------------------------------------- */

static void fill(double *numbers, size_t count, double scale, int seed) {
  for (size_t k = 0; k < count; k++)
    numbers[k] = scale * sin(12.9898 * (double)(k + 1) + 7.31 * seed);
}

static struct layer make_layer(int kind, int32_t flags, int with_biases, int with_states) {
  struct layer l = {.kind = kind, .steps = most_steps, .batch = most_batch, .inputs = 2};
  l.hidden = most_units;
  l.flags = flags;
  l.directions = flags & NG_RECURRENT_BIDIRECTIONAL ? 2 : 1;
  fill(l.x, COUNT(l.x), 1.5, 1);
  fill(l.w, COUNT(l.w), 0.8, 2);
  fill(l.r, COUNT(l.r), 0.7, 3);
  fill(l.wb, COUNT(l.wb), with_biases ? 0.5 : 0, 4);
  fill(l.rb, COUNT(l.rb), with_biases ? 0.6 : 0, 5);
  fill(l.h, COUNT(l.h), with_states ? 0.9 : 0, 6);
  fill(l.c, COUNT(l.c), with_states ? 0.9 : 0, 7);
  return l;
}

/* A Parameter of the beginning of some numbers, with a first axis for the direction if there are
 * two. */
static ng_tensor *parameter(const struct layer *l, ng_dtype dtype, const double *numbers,
                            int32_t rank, const int64_t *shape) {
  int64_t whole[NG_MAX_RANK] = {2}, size = l->directions;
  int more = l->directions == 2;
  for (int32_t axis = 0; axis < rank; axis++)
    size *= whole[axis + more] = shape[axis];
  return make_parameter(dtype, rank + more, whole, (struct numbers){size, numbers});
}

struct operands {
  ng_tensor *x, *w, *r, *wb, *rb, *h, *c, *lengths;
};

/* ONNX's weights, transposed into the library's. */
static struct operands make_operands(const struct layer *l, ng_dtype dtype, int with_biases,
                                     int with_states) {
  int64_t columns = gates_of[l->kind] * l->hidden;
  struct numbers x = {l->steps * l->batch * l->inputs, l->x};
  struct operands o = {
      .x = make_parameter(dtype, SHAPE(l->steps, l->batch, l->inputs), x),
      .w = ng_transpose(parameter(l, dtype, l->w, SHAPE(columns, l->inputs))),
      .r = ng_transpose(parameter(l, dtype, l->r, SHAPE(columns, l->hidden))),
  };
  if (with_biases) {
    o.wb = parameter(l, dtype, l->wb, SHAPE(columns));
    o.rb = parameter(l, dtype, l->rb, SHAPE(columns));
  }
  if (with_states) {
    o.h = parameter(l, dtype, l->h, SHAPE(l->batch, l->hidden));
    o.c = parameter(l, dtype, l->c, SHAPE(l->batch, l->hidden));
  }
  if (l->lengths)
    o.lengths = ng_variable(NG_INT64, SHAPE(l->batch), l->lengths, "lengths");
  return o;
}

static ng_tensor *run(const struct layer *l, const struct operands *o, ng_tensor **h,
                      ng_tensor **c) {
  *c = NULL;
  switch (l->kind) {
  case RNN:
    return ng_rnn(o->x, o->h, o->w, o->r, o->wb, o->rb, o->lengths, l->flags, h);
  case GRU:
    return ng_gru(o->x, o->h, o->w, o->r, o->wb, o->rb, o->lengths, l->flags, h);
  default:
    return ng_lstm(o->x, o->h, o->c, o->w, o->r, o->wb, o->rb, o->lengths, l->flags, h, c);
  }
}

/* y with ONNX's axes, [time, directions, batch, hidden]. */
static ng_tensor *like_onnx(const struct layer *l, ng_tensor *y) {
  ng_tensor *apart = ng_reshape(y, SHAPE(l->steps, l->batch, l->directions, l->hidden));
  return ng_permute(apart, AXES(0, 2, 1, 3));
}

/* Every kind, direction and option, with and without biases, states and lengths. */
static const struct {
  int kind;
  int32_t flags;
} variants[] = {
    {RNN, 0},
    {RNN, NG_RNN_RELU},
    {GRU, 0},
    {GRU, NG_GRU_RESET_AFTER},
    {GRU, NG_GRU_UPDATE_TAKES},
    {GRU, NG_GRU_RESET_AFTER | NG_GRU_UPDATE_TAKES},
    {LSTM, 0},
};
static const int32_t directions[] = {0, NG_RECURRENT_REVERSE, NG_RECURRENT_BIDIRECTIONAL};
static const int64_t some_lengths[most_batch] = {3, 0, most_steps};

static void test_sequences(void **state) {
  (void)state;
  int cases = 0;
  for (size_t v = 0; v < COUNT(variants); v++) {
    for (int options = 0; options < 24; options++) {
      int32_t flags = variants[v].flags | directions[options / 8];
      int with_biases = options & 1, with_states = options >> 1 & 1;
      struct layer l = make_layer(variants[v].kind, flags, with_biases, with_states);
      l.lengths = options & 4 ? some_lengths : NULL;
      struct outputs expected;
      reference(&l, &expected);
      for (size_t k = 0; k < COUNT(float_dtypes); k++) {
        ng_tensor *h, *c;
        struct operands o = make_operands(&l, float_dtypes[k], with_biases, with_states);
        ng_tensor *y = run(&l, &o, &h, &c);
        int64_t cells = l.directions * l.batch * l.hidden;
        expect_shape(y, SHAPE(l.steps, l.batch, l.directions * l.hidden));
        expect_numbers(like_onnx(&l, y), ((struct numbers){l.steps * cells, expected.y}),
                       tolerance_of(float_dtypes[k]));
        expect_numbers(h, ((struct numbers){cells, expected.h}), tolerance_of(float_dtypes[k]));
        if (c != NULL)
          expect_numbers(c, ((struct numbers){cells, expected.c}), tolerance_of(float_dtypes[k]));
        assert_int_equal(ng_rank(h), l.directions == 2 ? 3 : 2);
        cases++;
      }
    }
  }
  print_message("%d cases\n", cases);
  assert_int_equal(cases, 336);
}

/* A cell called step by step gives what the sequence function gives, and the same gradients. */
static void test_cells(void **state) {
  (void)state;
  for (size_t v = 0; v < COUNT(variants); v++) {
    struct layer l = make_layer(variants[v].kind, variants[v].flags, 1, 1);
    struct operands o = make_operands(&l, NG_FLOAT64, 1, 1);
    ng_tensor *last, *last_c, *h = o.h, *c = o.c, *g[2], *targets[] = {o.x, o.w, o.r, o.wb, o.h};
    ng_tensor *y = run(&l, &o, &last, &last_c);
    for (int t = 0; t < l.steps; t++) {
      ng_tensor *x = ng_select(o.x, 0, t);
      h = l.kind == RNN   ? ng_rnn_cell(x, h, o.w, o.r, o.wb, o.rb, l.flags)
          : l.kind == GRU ? ng_gru_cell(x, h, o.w, o.r, o.wb, o.rb, l.flags)
                          : ng_lstm_cell(x, h, c, o.w, o.r, o.wb, o.rb, l.flags, &c);
      double numbers[MAX_ELEMENTS];
      int64_t count = read_numbers(h, numbers);
      expect_numbers(ng_select(y, 0, t), ((struct numbers){count, numbers}), 1e-12);
    }
    for (size_t k = 0; k < COUNT(targets); k++) {
      double numbers[MAX_ELEMENTS];
      g[0] = gradient(weighted_sum(h), targets[k]);
      g[1] = gradient(weighted_sum(last), targets[k]);
      int64_t count = read_numbers(g[0], numbers);
      expect_numbers(g[1], ((struct numbers){count, numbers}), 1e-12);
    }
  }
}

/* What is wanted through no pointer is made nowhere, and what is written can be what was read. */
static void test_results_through_pointers(void **state) {
  (void)state;
  struct layer l = make_layer(LSTM, 0, 1, 1);
  struct operands o = make_operands(&l, NG_FLOAT64, 1, 1);
  int64_t handles = ng_live_handles();
  ng_tensor *x = ng_select(o.x, 0, 0), *c = o.c, *kept = o.x;
  assert_non_null(ng_lstm_cell(x, o.h, c, o.w, o.r, NULL, NULL, 0, NULL));
  assert_int_equal(ng_live_handles(), handles + 2);
  assert_non_null(ng_lstm_cell(x, o.h, c, o.w, o.r, NULL, NULL, 0, &c));
  assert_ptr_not_equal(c, o.c);
  assert_non_null(ng_gru(o.x, NULL, ng_slice(o.w, 1, 0, 12, 1), ng_slice(o.r, 1, 0, 12, 1), NULL,
                         NULL, NULL, 0, NULL));
  assert_null(ng_lstm(o.x, o.h, o.c, o.w, o.w, NULL, NULL, NULL, 0, &kept, &c));
  expect_error(NG_ERROR_SHAPE, "ng_lstm");
  assert_ptr_equal(kept, o.x);
}

static void test_no_steps(void **state) {
  (void)state;
  for (int kind = 0; kind < kinds; kind++) {
    for (int directions = 1; directions <= 2; directions++) {
      struct layer l = make_layer(kind, directions == 2 ? NG_RECURRENT_BIDIRECTIONAL : 0, 1, 1);
      struct operands o = make_operands(&l, NG_FLOAT32, 1, 1);
      ng_tensor *h, *c;
      o.x = ng_slice(o.x, 0, 0, 0, 1);
      expect_shape(run(&l, &o, &h, &c), SHAPE(0, l.batch, l.directions * l.hidden));
      expect_numbers(h, ((struct numbers){l.directions * l.batch * l.hidden, l.h}), 1e-7);
    }
  }
}

/* ---- Derivatives ----------------------------------------------------------------------------- */

/* First and second order, in everything that can be a Parameter; a state of one row is repeated. */
static void test_derivatives(void **state) {
  (void)state;
  for (size_t v = 0; v < COUNT(variants); v++) {
    for (size_t d = 0; d < COUNT(directions); d++) {
      if (variants[v].flags & NG_RNN_RELU && d > 0)
        continue;
      struct layer l = make_layer(variants[v].kind, variants[v].flags | directions[d], 1, 1);
      l.steps = 3;
      l.batch = 2;
      l.hidden = 2;
      l.lengths = d == 1 ? some_lengths : NULL;
      struct operands o = make_operands(&l, NG_FLOAT64, 1, 1);
      l.batch = 1;
      o.h = parameter(&l, NG_FLOAT64, l.h, SHAPE(1, l.hidden));
      ng_tensor *h, *c, *loss = weighted_sum(run(&l, &o, &h, &c));
      loss = ng_add(loss, weighted_sum(ng_multiply(h, h)));
      if (c != NULL)
        loss = ng_add(loss, weighted_sum(c));
      double error = NAN;
      expect_ok(ng_check_gradients(loss, 1e-5, &error));
      expect_close(error, 0, 1e-8);
      ng_tensor *with[] = {o.x, o.w, o.r, o.wb, o.rb, o.h}, *first[COUNT(with)];
      expect_ok(ng_gradients(loss, NULL, with, COUNT(with), first));
      ng_tensor *second = weighted_sum(first[0]);
      for (size_t k = 1; k < COUNT(with); k++)
        second = ng_add(second, weighted_sum(first[k]));
      error = NAN;
      expect_ok(ng_check_gradients(second, 1e-5, &error));
      expect_close(error, 0, 1e-7);
    }
  }
}

/* Gates with Parameters of their own, joined, give what gates in one Parameter give; the gradient
 * of the joined weights and of the outputs between two layers can be asked for as well. */
static void test_joined_weights(void **state) {
  (void)state;
  struct layer l = make_layer(GRU, NG_GRU_RESET_AFTER, 1, 1);
  struct operands o = make_operands(&l, NG_FLOAT64, 1, 1), apart = o;
  ng_tensor *parts[3], *y[2], *g[2], *h;
  for (int k = 0; k < 3; k++)
    parts[k] = ng_to_parameter(ng_slice(o.w, 1, k * l.hidden, (k + 1) * l.hidden, 1), NULL);
  apart.w = ng_concatenate(parts, 3, 1);
  double numbers[2][MAX_ELEMENTS];
  ng_tensor *w2 = ng_concatenate(TENSORS(o.r, o.r), 2, 0);
  for (int k = 0; k < 2; k++) {
    struct operands *p = k == 0 ? &o : &apart;
    y[k] = ng_gru(p->x, p->h, p->w, p->r, p->wb, p->rb, NULL, l.flags, NULL);
    ng_tensor *both = ng_concatenate(TENSORS(y[k], ng_exp(y[k])), 2, 2);
    ng_gru(both, NULL, w2, p->r, NULL, NULL, NULL, 0, &h);
    g[0] = gradient(weighted_sum(h), p->w);
    g[1] = gradient(weighted_sum(h), y[k]);
    expect_ok(ng_eval(g, 2));
    int64_t count = read_numbers(g[0], numbers[0] + 1024 * k);
    expect_shape(g[0], SHAPE(l.inputs, 3 * l.hidden));
    count = read_numbers(g[1], numbers[1] + 1024 * k);
    assert_int_equal(count, l.steps * l.batch * l.hidden);
    if (k == 1) {
      expect_numbers(g[0], ((struct numbers){l.inputs * 3 * l.hidden, numbers[0]}), 1e-12);
      expect_numbers(g[1], ((struct numbers){count, numbers[1]}), 1e-12);
      ng_tensor *of_part = gradient(weighted_sum(h), parts[1]);
      double part[16], whole[64];
      read_numbers(of_part, part);
      read_numbers(ng_slice(g[0], 1, l.hidden, 2 * l.hidden, 1), whole);
      for (int n = 0; n < l.inputs * l.hidden; n++)
        expect_close(part[n], whole[n], 1e-12);
      assert_true(fabs(part[0]) > 1e-6);
    }
  }
}

/* A state that is handed on between parts of a sequence makes one sequence of them. */
static void test_in_parts(void **state) {
  (void)state;
  struct layer l = make_layer(LSTM, 0, 1, 1);
  struct operands o = make_operands(&l, NG_FLOAT32, 1, 1);
  ng_tensor *whole, *last, *h = o.h, *c = o.c, *unused, *x = o.x;
  whole = run(&l, &o, &last, &unused);
  double expected[MAX_ELEMENTS];
  int64_t count = read_numbers(whole, expected);
  ng_tensor *y[most_steps];
  for (int t = 0; t < l.steps; t++)
    y[t] = ng_lstm(ng_slice(x, 0, t, t + 1, 1), h, c, o.w, o.r, o.wb, o.rb, NULL, 0, &h, &c);
  expect_numbers(ng_concatenate(y, l.steps, 0), ((struct numbers){count, expected}), 1e-6);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_sequences), TEST(test_cells),       TEST(test_results_through_pointers),
      TEST(test_no_steps),  TEST(test_derivatives), TEST(test_joined_weights),
      TEST(test_in_parts),
  };
  return cmocka_run_group_tests_name("recurrent", tests, NULL, NULL);
}
