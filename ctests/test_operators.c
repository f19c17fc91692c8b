/* Elementwise operators: values, derivatives, special values, dtypes, broadcasting. */
#include "support.h"

/* ---- References ------------------------------------------------------------------------------ */

static double sign(double a) { return (a > 0) - (a < 0); }
static double negate(double a) { return -a; }
static double reciprocal(double a) { return 1 / a; }
static double sigmoid(double a) { return 1 / (1 + exp(-a)); }
static double relu(double a) { return a > 0 ? a : 0; }

static double d_negate(double a) { return 0 * a - 1; }
static double d_zero(double a) { return 0 * a; }
static double d_log(double a) { return 1 / a; }
static double d_log1p(double a) { return 1 / (1 + a); }
static double d_sqrt(double a) { return 0.5 / sqrt(a); }
static double d_reciprocal(double a) { return -1 / (a * a); }
static double d_cos(double a) { return -sin(a); }
static double d_tanh(double a) { return 1 - tanh(a) * tanh(a); }
static double d_sigmoid(double a) { return sigmoid(a) * (1 - sigmoid(a)); }
static double d_relu(double a) { return a > 0; }

static const struct unary {
  const char *name;
  ng_tensor *(*apply)(ng_tensor *);
  double (*value)(double), (*derivative)(double);
  int positive;
} unaries[] = {
    {"negate", ng_negate, negate, d_negate, 0},
    {"abs", ng_abs, fabs, sign, 0},
    {"sign", ng_sign, sign, d_zero, 0},
    {"exp", ng_exp, exp, exp, 0},
    {"log", ng_log, log, d_log, 1},
    {"log1p", ng_log1p, log1p, d_log1p, 1},
    {"expm1", ng_expm1, expm1, exp, 0},
    {"sqrt", ng_sqrt, sqrt, d_sqrt, 1},
    {"reciprocal", ng_reciprocal, reciprocal, d_reciprocal, 0},
    {"sin", ng_sin, sin, cos, 0},
    {"cos", ng_cos, cos, d_cos, 0},
    {"tanh", ng_tanh, tanh, d_tanh, 0},
    {"sigmoid", ng_sigmoid, sigmoid, d_sigmoid, 0},
    {"relu", ng_relu, relu, d_relu, 0},
};

static double add(double a, double b) { return a + b; }
static double subtract(double a, double b) { return a - b; }
static double multiply(double a, double b) { return a * b; }
static double divide(double a, double b) { return a / b; }
static double one(double a, double b) { return 1 + 0 * (a + b); }
static double minus_one(double a, double b) { return -1 + 0 * (a + b); }
static double first(double a, double b) { return a + 0 * b; }
static double second(double a, double b) { return b + 0 * a; }
static double da_divide(double a, double b) { return 1 / b + 0 * a; }
static double db_divide(double a, double b) { return -a / (b * b); }
static double da_power(double a, double b) { return b * pow(a, b - 1); }
static double db_power(double a, double b) { return pow(a, b) * log(a); }
static double share(double mine, double other) {
  return mine > other ? 1 : mine == other ? 0.5 : 0;
}
static double a_is_larger(double a, double b) { return share(a, b); }
static double b_is_larger(double a, double b) { return share(b, a); }

static const struct binary {
  const char *name;
  ng_tensor *(*apply)(ng_tensor *, ng_tensor *);
  double (*value)(double, double), (*in_a)(double, double), (*in_b)(double, double);
} binaries[] = {
    {"add", ng_add, add, one, one},
    {"subtract", ng_subtract, subtract, one, minus_one},
    {"multiply", ng_multiply, multiply, second, first},
    {"divide", ng_divide, divide, da_divide, db_divide},
    {"power", ng_power, pow, da_power, db_power},
    {"maximum", ng_maximum, fmax, a_is_larger, b_is_larger},
    {"minimum", ng_minimum, fmin, b_is_larger, a_is_larger},
};

/* ---- Unary ----------------------------------------------------------------------------------- */

static void test_unary_values_and_derivatives(void **state) {
  (void)state;
  /* More elements than any vector register has lanes, and a remainder. */
  enum { size = 37 };
  for (size_t d = 0; d < COUNT(float_dtypes); d++) {
    for (size_t u = 0; u < COUNT(unaries); u++) {
      double a[size], value[size], derivative[size];
      for (int i = 0; i < size; i++) {
        a[i] = unaries[u].positive ? 0.125 + 0.25 * i : 0.25 * i - 4.0625;
        value[i] = unaries[u].value(a[i]);
        derivative[i] = unaries[u].derivative(a[i]);
      }
      ng_tensor *x = make(float_dtypes[d], SHAPE(size), (struct numbers){size, a});
      print_message("%s, %s\n", unaries[u].name, ng_dtype_name(float_dtypes[d]));
      ng_tensor *y = unaries[u].apply(x);
      expect_tensor(y, float_dtypes[d], SHAPE(size), ((struct numbers){size, value}));
      expect_tensor(gradient(y, x), float_dtypes[d], SHAPE(size),
                    ((struct numbers){size, derivative}));
    }
  }
}

static void test_unary_empty_and_scalar(void **state) {
  (void)state;
  for (size_t d = 0; d < COUNT(float_dtypes); d++) {
    for (size_t u = 0; u < COUNT(unaries); u++) {
      ng_tensor *empty = make(float_dtypes[d], SHAPE(3, 0, 2), NO_NUMBERS);
      expect_tensor(unaries[u].apply(empty), float_dtypes[d], SHAPE(3, 0, 2), NO_NUMBERS);
      expect_shape(gradient(unaries[u].apply(empty), empty), SHAPE(3, 0, 2));
      ng_tensor *scalar = ng_constant(float_dtypes[d], 0.75);
      expect_tensor(unaries[u].apply(scalar), float_dtypes[d], SCALAR,
                    NUMBERS(unaries[u].value(0.75)));
    }
  }
}

static void test_special_values(void **state) {
  (void)state;
  const double inf = INFINITY, nan = NAN;
  const struct {
    ng_tensor *(*apply)(ng_tensor *);
    double a, y;
  } cases[] = {
      {ng_exp, inf, inf},   {ng_exp, -inf, 0},       {ng_exp, nan, nan},      {ng_exp, 1e4, inf},
      {ng_exp, -1e4, 0},    {ng_log, 0, -inf},       {ng_log, -1, nan},       {ng_log, inf, inf},
      {ng_log, nan, nan},   {ng_log1p, -1, -inf},    {ng_log1p, -2, nan},     {ng_log1p, inf, inf},
      {ng_expm1, -inf, -1}, {ng_expm1, inf, inf},    {ng_sqrt, -1, nan},      {ng_sqrt, inf, inf},
      {ng_sqrt, 0, 0},      {ng_reciprocal, inf, 0}, {ng_reciprocal, 0, inf}, {ng_tanh, inf, 1},
      {ng_tanh, -inf, -1},  {ng_tanh, 1e4, 1},       {ng_sigmoid, inf, 1},    {ng_sigmoid, -inf, 0},
      {ng_sigmoid, 1e4, 1}, {ng_sigmoid, -1e4, 0},   {ng_sigmoid, nan, nan},  {ng_tanh, nan, nan},
      {ng_sin, inf, nan},   {ng_cos, inf, nan},      {ng_sign, nan, nan},     {ng_sign, -inf, -1},
      {ng_sign, 0, 0},      {ng_sign, inf, 1},       {ng_abs, -inf, inf},     {ng_abs, nan, nan},
      {ng_relu, -inf, 0},   {ng_relu, inf, inf},     {ng_negate, inf, -inf},
  };
  for (size_t d = 0; d < COUNT(float_dtypes); d++) {
    for (size_t i = 0; i < COUNT(cases); i++) {
      /* Twenty of them, so that the vector loop and the remainder both see the value. */
      ng_tensor *y = cases[i].apply(ng_full(float_dtypes[d], SHAPE(20), cases[i].a));
      for (int32_t k = 0; k < 20; k++)
        expect_item(ng_select(y, 0, k), cases[i].y, 0);
    }
  }
}

static void test_accurate_near_zero(void **state) {
  (void)state;
  const double tiny[] = {1e-10, -1e-10, 3e-8};
  for (size_t i = 0; i < COUNT(tiny); i++) {
    for (size_t d = 0; d < COUNT(float_dtypes); d++) {
      ng_tensor *a = ng_full(float_dtypes[d], SHAPE(1), tiny[i]);
      double x = ng_item(a), relative = d == 0 ? 3e-7 : 1e-15;
      expect_close(ng_item(ng_log1p(a)) / log1p(x), 1, relative);
      expect_close(ng_item(ng_expm1(a)) / expm1(x), 1, relative);
      expect_close(ng_item(ng_tanh(a)) / tanh(x), 1, relative);
      expect_close(ng_item(ng_sin(a)) / sin(x), 1, relative);
    }
  }
}

/* ---- Binary ---------------------------------------------------------------------------------- */

struct shape {
  int32_t rank;
  int64_t dims[4];
};

static int64_t size_of(const struct shape *shape) {
  int64_t size = 1;
  for (int32_t axis = 0; axis < shape->rank; axis++)
    size *= shape->dims[axis];
  return size;
}

/* Where element `index` of a result comes from in an operand that was repeated to its shape. */
static int64_t source(int64_t index, const struct shape *result, const struct shape *operand) {
  int64_t place = 0, stride = 1;
  for (int32_t back = 1; back <= result->rank; back++) {
    int64_t dim = result->dims[result->rank - back];
    if (back <= operand->rank) {
      int64_t own = operand->dims[operand->rank - back];
      if (own != 1)
        place += index % dim * stride;
      stride *= own;
    }
    index /= dim;
  }
  return place;
}

static void check_binary(const struct binary *op, ng_dtype dtype, const struct shape *sa,
                         const struct shape *sb, const struct shape *sy) {
  double a[64], b[64], y[64], ga[64] = {0}, gb[64] = {0};
  int64_t na = size_of(sa), nb = size_of(sb), ny = size_of(sy);
  /* Positive, because of power; with equal elements, for maximum and minimum. */
  for (int64_t i = 0; i < na; i++)
    a[i] = 0.5 + 0.25 * (double)(i % 7);
  for (int64_t i = 0; i < nb; i++)
    b[i] = 0.5 + 0.5 * (double)(i % 5);
  for (int64_t i = 0; i < ny; i++) {
    int64_t ia = source(i, sy, sa), ib = source(i, sy, sb);
    y[i] = op->value(a[ia], b[ib]);
    ga[ia] += op->in_a(a[ia], b[ib]);
    gb[ib] += op->in_b(a[ia], b[ib]);
  }
  ng_tensor *ta = make(dtype, sa->rank, sa->dims, (struct numbers){na, a});
  ng_tensor *tb = make(dtype, sb->rank, sb->dims, (struct numbers){nb, b});
  ng_tensor *ty = op->apply(ta, tb);
  print_message("%s, %s\n", op->name, ng_dtype_name(dtype));
  check_tensor(ty, dtype, sy->rank, sy->dims, (struct numbers){ny, y}, "y", __FILE__, __LINE__);
  check_tensor(gradient(ty, ta), dtype, sa->rank, sa->dims, (struct numbers){na, ga}, "in a",
               __FILE__, __LINE__);
  check_tensor(gradient(ty, tb), dtype, sb->rank, sb->dims, (struct numbers){nb, gb}, "in b",
               __FILE__, __LINE__);
}

static void test_binary_values_derivatives_broadcasting(void **state) {
  (void)state;
  const struct {
    struct shape a, b, y;
  } cases[] = {
      {{0, {0}}, {0, {0}}, {0, {0}}},
      {{1, {19}}, {1, {19}}, {1, {19}}},
      {{2, {2, 3}}, {1, {3}}, {2, {2, 3}}},
      {{1, {3}}, {2, {2, 3}}, {2, {2, 3}}},
      {{2, {2, 3}}, {0, {0}}, {2, {2, 3}}},
      {{2, {2, 1}}, {2, {1, 3}}, {2, {2, 3}}},
      {{3, {4, 1, 2}}, {2, {3, 1}}, {3, {4, 3, 2}}},
      {{4, {2, 1, 3, 1}}, {4, {1, 2, 1, 2}}, {4, {2, 2, 3, 2}}},
      {{1, {1}}, {0, {0}}, {1, {1}}},
      {{2, {0, 3}}, {1, {3}}, {2, {0, 3}}},
      {{2, {1, 3}}, {2, {0, 1}}, {2, {0, 3}}},
  };
  for (size_t d = 0; d < COUNT(float_dtypes); d++) {
    for (size_t k = 0; k < COUNT(binaries); k++) {
      for (size_t i = 0; i < COUNT(cases); i++) {
        check_binary(&binaries[k], float_dtypes[d], &cases[i].a, &cases[i].b, &cases[i].y);
      }
    }
  }
}

static void test_same_operand_twice(void **state) {
  (void)state;
  ng_tensor *a = make(NG_FLOAT64, SHAPE(3), NUMBERS(1, -2, 3));
  expect_numbers(gradient(ng_multiply(a, a), a), NUMBERS(2, -4, 6), 1e-12);
  expect_numbers(gradient(ng_subtract(a, a), a), NUMBERS(0, 0, 0), 0);
  expect_numbers(gradient(ng_divide(a, a), a), NUMBERS(0, 0, 0), 1e-12);
  expect_numbers(gradient(ng_maximum(a, a), a), NUMBERS(1, 1, 1), 0);
}

static void test_power_corners(void **state) {
  (void)state;
  for (size_t d = 0; d < COUNT(float_dtypes); d++) {
    ng_dtype dtype = float_dtypes[d];
    ng_tensor *a = make(dtype, SHAPE(7), NUMBERS(-2, -2, 0, 0, 4, -8, 0));
    ng_tensor *b = make(dtype, SHAPE(7), NUMBERS(3, 2, 0, 2, -0.5, 0.5, -1));
    expect_tensor(ng_power(a, b), dtype, SHAPE(7),
                  NUMBERS(-8, 4, 1, 0, 0.5, (double)NAN, (double)INFINITY));
    ng_tensor *base = make(dtype, SHAPE(3), NUMBERS(-2, 0, 4));
    ng_tensor *exponent = make(dtype, SHAPE(3), NUMBERS(3, 2, 0.5));
    ng_tensor *y = ng_power(base, exponent);
    expect_tensor(gradient(y, base), dtype, SHAPE(3), NUMBERS(12, 0, 0.25));
    /* Where the base is not positive, log a is not a real number, and 0 stands for it. */
    expect_tensor(gradient(y, exponent), dtype, SHAPE(3), NUMBERS(0, 0, 2 * log(4)));
    ng_tensor *cube = ng_power_scalar(base, 3);
    expect_tensor(cube, dtype, SHAPE(3), NUMBERS(-8, 0, 64));
    expect_tensor(gradient(cube, base), dtype, SHAPE(3), NUMBERS(12, 0, 48));
    expect_tensor(ng_power_scalar(base, 0), dtype, SHAPE(3), NUMBERS(1, 1, 1));
    expect_tensor(gradient(ng_power_scalar(base, 1), base), dtype, SHAPE(3), NUMBERS(1, 1, 1));
    expect_tensor(ng_power_scalar(base, -1), dtype, SHAPE(3),
                  NUMBERS(-0.5, (double)INFINITY, 0.25));
  }
}

static void test_with_numbers(void **state) {
  (void)state;
  for (size_t d = 0; d < COUNT(float_dtypes); d++) {
    ng_dtype dtype = float_dtypes[d];
    ng_tensor *a = make(dtype, SHAPE(2, 2), NUMBERS(1, -2, 0.5, 4));
    expect_tensor(ng_add_scalar(a, 1.5), dtype, SHAPE(2, 2), NUMBERS(2.5, -0.5, 2, 5.5));
    expect_tensor(gradient(ng_add_scalar(a, 1.5), a), dtype, SHAPE(2, 2), NUMBERS(1, 1, 1, 1));
    expect_tensor(ng_multiply_scalar(a, -3), dtype, SHAPE(2, 2), NUMBERS(-3, 6, -1.5, -12));
    expect_tensor(gradient(ng_multiply_scalar(a, -3), a), dtype, SHAPE(2, 2),
                  NUMBERS(-3, -3, -3, -3));
    expect_tensor(ng_clamp(a, -1, 1), dtype, SHAPE(2, 2), NUMBERS(1, -1, 0.5, 1));
    /* The ends belong to the range, for the gradient too. */
    expect_tensor(gradient(ng_clamp(a, -1, 1), a), dtype, SHAPE(2, 2), NUMBERS(1, 0, 1, 0));
    expect_tensor(gradient(ng_clamp(a, -2, 4), a), dtype, SHAPE(2, 2), NUMBERS(1, 1, 1, 1));
    expect_tensor(ng_clamp(a, 2, 2), dtype, SHAPE(2, 2), NUMBERS(2, 2, 2, 2));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_unary_values_and_derivatives),
      TEST(test_unary_empty_and_scalar),
      TEST(test_special_values),
      TEST(test_accurate_near_zero),
      TEST(test_binary_values_derivatives_broadcasting),
      TEST(test_same_operand_twice),
      TEST(test_power_corners),
      TEST(test_with_numbers),
  };
  return cmocka_run_group_tests_name("operators", tests, NULL, NULL);
}
