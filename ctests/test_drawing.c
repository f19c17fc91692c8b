/* Tags, notation, tree and DOT, and the way texts are handed over. */
#include "support.h"

typedef int64_t draw(ng_tensor *, char *, int64_t);

/* A text as a fresh string, read in the two calls that the header describes. */
static char *text_of(draw *function, ng_tensor *tensor) {
  int64_t length = function(tensor, NULL, 0);
  if (length < 0)
    fail_msg("no text: %s", ng_error_message());
  char *text = malloc((size_t)length + 1);
  assert_non_null(text);
  assert_int_equal(function(tensor, text, length + 1), length);
  assert_int_equal(strlen(text), length);
  return text;
}

#define expect_text(function, tensor, expected)                                                    \
  do {                                                                                             \
    char *text_ = text_of((function), (tensor));                                                   \
    assert_string_equal(text_, (expected));                                                        \
    free(text_);                                                                                   \
  } while (0)

static ng_tensor *tagged(const char *tag) {
  return ng_variable(NG_FLOAT32, SHAPE(2, 2), NULL, tag);
}

static void test_tags(void **state) {
  (void)state;
  expect_text(ng_tag, tagged("x"), "x");
  expect_text(ng_tag, tagged("λ₁"), "λ₁");
  expect_text(ng_tag, tagged(NULL), "");
  expect_text(ng_tag, ng_exp(tagged("x")), "");
  expect_text(ng_tag, ng_parameter(NG_FLOAT32, SCALAR, NULL, "w"), "w");
  expect_text(ng_tag, ng_to_variable(tagged("x"), "y"), "y");
  expect_text(ng_tag, ng_to_parameter(tagged("x"), "z"), "z");
  char name[] = "before"; /* the tag is a copy */
  ng_tensor *a = tagged(name);
  name[0] = 'X';
  expect_text(ng_tag, a, "before");
}

static void test_notation(void **state) {
  (void)state;
  ng_tensor *a = tagged("a"), *b = tagged("b");
  const struct {
    ng_tensor *tensor;
    const char *text;
  } cases[] = {
      {a, "a"},
      {ng_add(a, b), "(a + b)"},
      {ng_subtract(a, b), "(a - b)"},
      {ng_multiply(a, b), "(a * b)"},
      {ng_divide(a, b), "(a / b)"},
      {ng_matmul(a, b), "(a @ b)"},
      {ng_add(ng_matmul(a, b), b), "((a @ b) + b)"},
      {ng_power_scalar(a, 2), "(a^2)"},
      {ng_power_scalar(a, 0.5), "(a^0.5)"},
      {ng_transpose(a), "a.T"},
      {ng_abs(a), "|a|"},
      {ng_sum(a, ALL_AXES, 0), "Σa"},
      {ng_mean(a, ALL_AXES, 0), "mean(a)"},
      {ng_as_scalar(ng_sum(a, ALL_AXES, 1)), "(Σa)"},
      {ng_log(a), "log(a)"},
      {ng_exp(a), "exp(a)"},
      {ng_relu(a), "relu(a)"},
      {ng_tanh(a), "tanh(a)"},
      {ng_sigmoid(a), "sigmoid(a)"},
      {ng_softmax(a, -1), "softmax(a)"},
      {ng_squared_error(a, b), "(a - b)^2"},
      {ng_cross_entropy(a, b), "CrossEntropy(a, b)"},
      {ng_multiply(a, ng_constant(NG_FLOAT32, 0.25)), "(a * 0.25)"},
      {ng_constant(NG_INT64, 3), "3"},
  };
  for (size_t i = 0; i < COUNT(cases); i++)
    expect_text(ng_notation, cases[i].tensor, cases[i].text);
}

static void test_every_operator_has_a_notation(void **state) {
  (void)state;
  ng_tensor *a = tagged("first"), *b = tagged("second");
  ng_tensor *i = ng_variable(NG_INT64, SHAPE(2, 1), NULL, "third");
  const int64_t pads[] = {1, 0};
  ng_tensor *all[] = {ng_negate(a),
                      ng_sign(a),
                      ng_log1p(a),
                      ng_expm1(a),
                      ng_sqrt(a),
                      ng_reciprocal(a),
                      ng_sin(a),
                      ng_cos(a),
                      ng_power(a, b),
                      ng_maximum(a, b),
                      ng_minimum(a, b),
                      ng_clamp(a, -1, 1),
                      ng_equal(a, b),
                      ng_not_equal(a, b),
                      ng_less(a, b),
                      ng_less_equal(a, b),
                      ng_greater(a, b),
                      ng_greater_equal(a, b),
                      ng_where(i, a, b),
                      ng_cast(a, NG_INT32),
                      ng_stop_gradient(a),
                      ng_permute(a, AXES(1, 0)),
                      ng_reshape(a, SHAPE(4)),
                      ng_broadcast_to(a, SHAPE(3, 2, 2)),
                      ng_expand_dims(a, 0),
                      ng_slice(a, 0, 0, 1, 1),
                      ng_select(a, 0, 0),
                      ng_concatenate(TENSORS(a, b), 2, 0),
                      ng_stack(TENSORS(a, b), 2, 0),
                      ng_pad(a, 2, pads, pads, 0),
                      ng_gather(a, i, 1),
                      ng_index_select(a, i, 0),
                      ng_one_hot(i, 3, NG_FLOAT32),
                      ng_max(a, ALL_AXES, 0),
                      ng_min(a, ALL_AXES, 0),
                      ng_logsumexp(a, ALL_AXES, 0),
                      ng_argmax(a, 0, 0),
                      ng_log_softmax(a, 0),
                      ng_binary_cross_entropy(a, b),
                      ng_binary_cross_entropy_logits(a, b),
                      ng_cross_entropy_logits(a, b),
                      ng_ridge(a),
                      ng_lasso(a)};
  for (size_t k = 0; k < COUNT(all); k++) {
    char *text = text_of(ng_notation, all[k]), *tree = text_of(ng_tree, all[k]);
    print_message("%s\n", text);
    /* It names its operand, and adds something to it. */
    assert_true(strstr(text, "first") != NULL || strstr(text, "third") != NULL);
    assert_true(strlen(text) > strlen("first"));
    assert_non_null(strstr(tree, text));
    free(tree);
    free(text);
  }
}

static void test_leaves_without_tags(void **state) {
  (void)state;
  ng_tensor *v = tagged(NULL), *other = tagged(NULL);
  ng_tensor *p = ng_parameter(NG_FLOAT32, SHAPE(2, 2), NULL, NULL);
  int n[3], end = 0;
  char *text = text_of(ng_notation, ng_add(ng_subtract(v, other), p));
  assert_int_equal(
      sscanf(text, "((variable %d - variable %d) + parameter %d)%n", &n[0], &n[1], &n[2], &end), 3);
  assert_int_equal((size_t)end, strlen(text));
  assert_true(n[0] > 0 && n[1] > 0 && n[2] > 0 && n[0] != n[1]);
  free(text);
  text = text_of(ng_notation, ng_add(v, v));
  assert_int_equal(sscanf(text, "(variable %d + variable %d)", &n[0], &n[1]), 2);
  assert_int_equal(n[0], n[1]);
  free(text);
}

static ng_tensor *lasso_graph(void) {
  ng_tensor *t = ng_variable(NG_FLOAT64, SHAPE(10), NULL, "t");
  ng_tensor *x = ng_variable(NG_FLOAT64, SHAPE(10, 3), NULL, "x");
  ng_tensor *w = ng_parameter(NG_FLOAT64, SHAPE(3), NULL, "w");
  ng_tensor *lambda = ng_variable(NG_FLOAT64, SCALAR, NULL, "λ");
  return ng_add(ng_squared_error(ng_matmul(x, w), t), ng_multiply(lambda, ng_lasso(w)));
}

static void test_tree_of_the_lasso(void **state) {
  (void)state;
  static const char *const lines[] = {
      "+-- (((x @ w) - t)^2 + (λ * ((Σ|w|))))",
      "    |-> (λ * ((Σ|w|)))",
      "    |   |-> ((Σ|w|))",
      "    |   |   !",
      "    |   |   (Σ|w|)",
      "    |   |   !",
      "    |   |   Σ|w|",
      "    |   |   !",
      "    |   |   |w|",
      "    |   |   !",
      "    |   |   w <- (x @ w)",
      "    |   L-> λ",
      "    L-> ((x @ w) - t)^2",
      "        !",
      "        (mean(((t - (x @ w))^2)))",
      "        !",
      "        mean(((t - (x @ w))^2))",
      "        !",
      "        ((t - (x @ w))^2)",
      "        !",
      "        (t - (x @ w))",
      "        |-> (x @ w)",
      "        |   |-> x",
      "        |   L->  ...",
      "        L-> t",
  };
  char *tree = text_of(ng_tree, lasso_graph()), *rest = tree;
  for (size_t i = 0; i < COUNT(lines); i++) {
    size_t length = strcspn(rest, "\n");
    if (length != strlen(lines[i]) || strncmp(rest, lines[i], length) != 0) {
      fail_msg("line %d is \"%.*s\", expected \"%s\"; the whole:\n%s", (int)i + 1, (int)length,
               rest, lines[i], tree);
    }
    rest += length;
    if (*rest == '\n')
      rest++;
  }
  assert_string_equal(rest, "");
  free(tree);
}

static int occurrences(const char *text, const char *part) {
  int count = 0;
  for (const char *at = strstr(text, part); at != NULL; at = strstr(at + 1, part))
    count++;
  return count;
}

static void test_dot(void **state) {
  (void)state;
  char *dot = text_of(ng_dot, lasso_graph());
  assert_ptr_equal(strstr(dot, "digraph"), dot);
  /* 16 tensors, each once, and an edge for each operand. */
  assert_int_equal(occurrences(dot, "->"), 16);
  assert_int_equal(occurrences(dot, "label="), 16);
  assert_int_equal(occurrences(dot, "{"), occurrences(dot, "}"));
  assert_non_null(strstr(dot, "λ"));
  free(dot);
  /* What would end the label early is escaped. */
  dot = text_of(ng_dot, tagged("say \"a\\b\""));
  assert_non_null(strstr(dot, "say \\\"a\\\\b\\\""));
  free(dot);
}

/* Whether a text is whole UTF-8: every lead byte is followed by as many others as it says. */
static int is_utf8(const char *text) {
  for (const unsigned char *byte = (const unsigned char *)text; *byte;) {
    int more = *byte < 0x80       ? 0
               : *byte >> 5 == 6  ? 1
               : *byte >> 4 == 14 ? 2
               : *byte >> 3 == 30 ? 3
                                  : -1;
    if (more < 0)
      return 0;
    for (byte++; more > 0; more--, byte++) {
      if (*byte >> 6 != 2)
        return 0;
    }
  }
  return 1;
}

static void test_short_buffers(void **state) {
  (void)state;
  ng_tensor *leaf = tagged("aλ→𝒙b"); /* characters of 1, 2, 3, 4 and 1 bytes */
  const int64_t whole[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11};
  char buffer[32];
  for (int64_t capacity = 1; capacity <= (int64_t)COUNT(whole); capacity++) {
    memset(buffer, '#', sizeof buffer);
    assert_int_equal(ng_tag(leaf, buffer, capacity), 11);
    assert_int_equal(strlen(buffer), whole[capacity - 1]);
    assert_memory_equal(buffer, "aλ→𝒙b", (size_t)whole[capacity - 1]);
    for (size_t i = (size_t)capacity; i < sizeof buffer; i++)
      assert_int_equal(buffer[i], '#');
  }
  draw *all[] = {ng_tag, ng_notation, ng_tree, ng_dot};
  for (size_t k = 0; k < COUNT(all); k++) {
    ng_tensor *tensor = k == 0 ? leaf : ng_multiply(leaf, ng_sum(leaf, ALL_AXES, 0));
    char *text = text_of(all[k], tensor);
    int64_t length = (int64_t)strlen(text);
    assert_int_equal(all[k](tensor, buffer, 0), length);
    for (int64_t capacity = 1; capacity < (int64_t)sizeof buffer && capacity <= length;
         capacity++) {
      memset(buffer, '#', sizeof buffer);
      assert_int_equal(all[k](tensor, buffer, capacity), length);
      size_t written = strlen(buffer);
      assert_true((int64_t)written < capacity && (int64_t)written >= capacity - 4);
      assert_memory_equal(buffer, text, written);
      assert_true(is_utf8(buffer));
      assert_int_equal(buffer[capacity], '#');
    }
    free(text);
  }
}

static void test_tags_that_are_no_utf8(void **state) {
  (void)state;
  const char *const bad[] = {"\xff\xfe", "a\xc3", "\xe2\x82", "\xed\xa0\x80", "\xc0\x80"};
  for (size_t i = 0; i < COUNT(bad); i++) {
    ng_tensor *leaf = tagged(bad[i]);
    if (leaf == NULL) {
      ng_clear_error();
    } else {
      char *text = text_of(ng_notation, leaf);
      assert_true(is_utf8(text));
      free(text);
    }
  }
}

static void test_huge_expressions_are_cut(void **state) {
  (void)state;
  ng_tensor *y = tagged("x");
  for (int i = 0; i < 40; i++)
    y = ng_add(y, y); /* written out, it would have 2⁴⁰ leaves */
  char *text = text_of(ng_notation, y);
  size_t length = strlen(text);
  assert_in_range(length, 1000, 1000100);
  assert_non_null(strstr(text, "…"));
  assert_true(is_utf8(text));
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_tags),
      TEST(test_notation),
      TEST(test_every_operator_has_a_notation),
      TEST(test_leaves_without_tags),
      TEST(test_tree_of_the_lasso),
      TEST(test_dot),
      TEST(test_short_buffers),
      TEST(test_tags_that_are_no_utf8),
      TEST(test_huge_expressions_are_cut),
  };
  return cmocka_run_group_tests_name("drawing", tests, NULL, NULL);
}
