/* Pictures of graphs in DOT, in Mermaid and as trees: what is drawn, framed, left out, and how
 * labels are escaped. */
#include "support.h"

typedef int64_t picture(ng_tensor *const *, int32_t, int32_t, int32_t, int64_t, char *, int64_t);

static picture *const pictures[] = {ng_graph_dot, ng_graph_mermaid};
static const char *const arrows[] = {" -> ", " --> "};

static char *text_of(picture *function, ng_tensor *tensor, int32_t flags, int32_t depth,
                     int64_t limit) {
  int64_t length = function(&tensor, 1, flags, depth, limit, NULL, 0);
  if (length < 0)
    fail_msg("no picture: %s", ng_error_message());
  char *text = malloc((size_t)length + 1);
  assert_non_null(text);
  assert_int_equal(function(&tensor, 1, flags, depth, limit, text, length + 1), length);
  assert_int_equal(strlen(text), length);
  return text;
}

static int occurrences(const char *text, const char *part) {
  int count = 0;
  for (const char *at = strstr(text, part); at != NULL; at = strstr(at + 1, part))
    count++;
  return count;
}

#define expect_picture(function, tensor, flags, depth, limit, expected)                            \
  do {                                                                                             \
    char *text_ = text_of((function), (tensor), (flags), (depth), (limit));                        \
    assert_string_equal(text_, (expected));                                                        \
    free(text_);                                                                                   \
  } while (0)

static ng_tensor *leaf(const char *tag) {
  return ng_parameter(NG_FLOAT64, SHAPE(2), (double[]){0.5, -2}, tag);
}

static void test_whole_pictures(void **state) {
  (void)state;
  ng_tensor *w = leaf("w"), *t = ng_variable(NG_FLOAT64, SHAPE(2), (double[]){1, 1}, "t");
  ng_tensor *y = ng_mean(ng_multiply(w, ng_add_scalar(ng_multiply(w, t), 1)), ALL_AXES, 0);
  expect_picture(ng_graph_dot, y, NG_DRAW_SHAPES | NG_DRAW_VALUES | NG_DRAW_GRADIENTS, 0, 9,
                 "digraph nanograd {\n"
                 "  node [fontname=\"monospace\"];\n"
                 "  graph [fontname=\"monospace\", style=rounded, color=gray50];\n"
                 "  n0 [label=\"mean(·)\\nfloat64 []\\n1.375\\n∂ 1\", shape=box, peripheries=2];\n"
                 "  n1 [label=\"· * ·\\nfloat64 [2]\\n[0.75, 2]\\n∂ [0.5, 0.5]\", shape=ellipse];\n"
                 "  n5 [label=\"w\\nfloat64 [2]\\n[0.5, -2]\\n∂ [1, -1.5]\", shape=box, "
                 "style=filled, fillcolor=lightblue];\n"
                 "  n2 [label=\"· + 1\\nfloat64 [2]\\n[1.5, -1]\\n∂ [0.25, -1]\", "
                 "shape=ellipse];\n"
                 "  n3 [label=\"· * ·\\nfloat64 [2]\\n[0.5, -2]\\n∂ [0.25, -1]\", "
                 "shape=ellipse];\n"
                 "  n4 [label=\"t\\nfloat64 [2]\\n[1, 1]\\n∂ [0.125, 2]\", shape=box];\n"
                 "  n1 -> n0;\n  n5 -> n1;\n  n2 -> n1;\n  n3 -> n2;\n  n5 -> n3;\n  n4 -> n3;\n"
                 "}\n");
  expect_picture(ng_graph_mermaid, y, 0, 1, 3,
                 "flowchart TB\n"
                 "  subgraph frame1 [\"mean(·)\"]\n"
                 "    n0([\"· / 2\"])\n"
                 "    n1([\"Σ·\"])\n"
                 "  end\n"
                 "  n2([\"· #42; ·\"])\n"
                 "  n1 --> n0\n  n2 --> n1\n"
                 "  more>\"… 4 more left out\"]\n"
                 "  more -.-> n2\n");
}

static void test_expressions_and_many_elements(void **state) {
  (void)state;
  ng_tensor *a = ng_arange(NG_FLOAT32, 0, 8, 1);
  ng_tensor *y = ng_log(ng_negate(a)); /* -∞, then NaN */
  for (size_t k = 0; k < COUNT(pictures); k++) {
    char *text = text_of(pictures[k], y, NG_DRAW_EXPRESSIONS | NG_DRAW_VALUES, 0, 9);
    assert_non_null(strstr(text, "0 to 7, mean 3.5"));
    assert_non_null(strstr(text, "-∞ to -∞, mean -∞, 7 NaN"));
    assert_non_null(strstr(text, "log((-variable "));
    free(text);
  }
  for (int n = 0; n < 20; n++)
    y = ng_add(y, y);
  char *text = text_of(ng_graph_dot, y, NG_DRAW_EXPRESSIONS, 0, 99);
  assert_non_null(strstr(text, "…"));
  assert_true(strlen(text) < 23 * 200);
  free(text);
}

/* Two layers and their composites, closed and opened level by level. */
static void test_groups(void **state) {
  (void)state;
  ng_tensor *x = ng_variable(NG_FLOAT32, SHAPE(3, 2, 4), NULL, "x"), *h, *c;
  ng_tensor *w = ng_parameter(NG_FLOAT32, SHAPE(4, 16), NULL, "w");
  ng_tensor *y = ng_lstm(x, NULL, NULL, w, w, NULL, NULL, NULL, 0, &h, &c);
  ng_tensor *sum =
      ng_add(ng_add(ng_sum(y, ALL_AXES, 0), ng_sum(h, ALL_AXES, 0)), ng_sum(c, ALL_AXES, 0));
  for (size_t k = 0; k < COUNT(pictures); k++) {
    /* All three results are one box, computed from x and w. */
    char *text = text_of(pictures[k], sum, 0, 0, 100);
    assert_int_equal(occurrences(text, "LSTM(·)"), 1);
    assert_int_equal(occurrences(text, "cell"), 0);
    assert_int_equal(occurrences(text, arrows[k]), 2 + 2 + 3 + 2);
    assert_int_equal(occurrences(text, "subgraph"), 0);
    free(text);
    text = text_of(pictures[k], sum, 0, 1, 100);
    assert_int_equal(occurrences(text, "LSTM(·)"), 1);
    assert_int_equal(occurrences(text, "LSTM cell(·, ·, ·)"), 3);
    assert_int_equal(occurrences(text, "subgraph"), 1);
    free(text);
    for (int32_t depth = 2; depth > 0; depth = depth == 2 ? INT32_MAX : 0) {
      text = text_of(pictures[k], sum, 0, depth, 1000);
      assert_int_equal(occurrences(text, "subgraph"), 4);
      assert_int_equal(occurrences(text, "sigmoid(·)"), 9);
      free(text);
    }
  }
}

static void test_limits(void **state) {
  (void)state;
  ng_tensor *y = leaf("first");
  enum { length = 5000 };
  for (int n = 0; n < length; n++)
    y = ng_tanh(y);
  for (size_t k = 0; k < COUNT(pictures); k++) {
    char *text = text_of(pictures[k], y, 0, 0, 10);
    assert_int_equal(occurrences(text, "tanh"), 10);
    assert_int_equal(occurrences(text, arrows[k]), k == 0 ? 9 + 1 : 9);
    assert_non_null(strstr(text, "… 4991 more left out"));
    free(text);
    text = text_of(pictures[k], y, 0, 0, length + 1);
    assert_null(strstr(text, "left out"));
    assert_int_equal(occurrences(text, arrows[k]), length);
    assert_non_null(strstr(text, "first"));
    free(text);
    ng_tensor *both[] = {leaf("a"), leaf("b")};
    char room[512];
    assert_true(pictures[k](both, 2, 0, 0, 1, room, sizeof room) > 0);
    assert_true(strstr(room, "\"a\"") != NULL && strstr(room, "… 1 more left out") != NULL);
    assert_true(pictures[k](NULL, 0, 0, 0, 1, room, sizeof room) > 0);
  }
}

static void test_labels_are_escaped(void **state) {
  (void)state;
  ng_tensor *odd = leaf("a\"]; b\\n <i>&#34;`*_ 1. - \x01\nλ");
  expect_picture(ng_graph_mermaid, odd, 0, 0, 1,
                 "flowchart TB\n"
                 "  n0[\"a#34;]#59; b#92;n #60;i#62;#38;#35;34#59;#96;#42;#95; 1#46; #45; \uFFFD"
                 "<br/>λ\"]:::parameter\n"
                 "  classDef parameter fill:#add8e6,color:#000000\n");
  char *text = text_of(ng_graph_dot, odd, 0, 0, 1);
  assert_non_null(strstr(text, "label=\"a\\\"]; b\\\\n <i>&#34;`*_ 1. - \uFFFD\\nλ\""));
  free(text);
}

static void test_trees(void **state) {
  (void)state;
  ng_tensor *w = leaf("w"), *t = ng_variable(NG_FLOAT64, SHAPE(2), (double[]){1, 1}, "t");
  ng_tensor *y = ng_mean(ng_multiply(w, ng_add_scalar(ng_multiply(w, t), 1)), ALL_AXES, 0);
  expect_picture(ng_graph_tree, y, NG_DRAW_SHAPES | NG_DRAW_VALUES | NG_DRAW_GRADIENTS, 0, 9,
                 "+-- mean(·)  float64 []  1.375  ∂ 1\n"
                 "    !\n"
                 "    · * ·  float64 [2]  [0.75, 2]  ∂ [0.5, 0.5]\n"
                 "    |-> #1 w  float64 [2]  [0.5, -2]  ∂ [1, -1.5]\n"
                 "    L-> · + 1  float64 [2]  [1.5, -1]  ∂ [0.25, -1]\n"
                 "        !\n"
                 "        · * ·  float64 [2]  [0.5, -2]  ∂ [0.25, -1]\n"
                 "        |-> #1 w\n"
                 "        L-> t  float64 [2]  [1, 1]  ∂ [0.125, 2]\n");
  /* Two are drawn; one line stands for both operands of the second. */
  expect_picture(ng_graph_tree, y, 0, 0, 2,
                 "+-- mean(·)\n    !\n    · * ·\n    L-> …\n… 4 more left out\n");
  /* The mean opened, its operand outside. */
  expect_picture(ng_graph_tree, y, 0, 1, 3,
                 "+-- [mean(·)] · / 2\n    !\n    Σ·\n    !\n    · * ·\n    L-> …\n"
                 "… 4 more left out\n");
  expect_picture(ng_graph_tree, leaf("a\n\tb\x7F"), 0, 0, 1, "+-- a\uFFFD\uFFFDb\uFFFD\n");

  /* A tensor with operands, drawn once and mentioned twice; a given tensor below another one. */
  ng_tensor *h = ng_tanh(w), *z = ng_add(ng_multiply(h, h), ng_add(h, t));
  ng_tensor *both[] = {z, h};
  char room[256];
  assert_true(ng_graph_tree(both, 2, NG_DRAW_EXPRESSIONS, 0, 99, room, sizeof room) > 0);
  assert_string_equal(room, "+-- ((tanh(w) * tanh(w)) + (tanh(w) + t))\n"
                            "    |-> (tanh(w) * tanh(w))\n"
                            "    |   !\n"
                            "    |   #1 tanh(w)\n"
                            "    |   !\n"
                            "    |   w\n"
                            "    L-> (tanh(w) + t)\n"
                            "        |-> #1 tanh(w) …\n"
                            "        L-> t\n"
                            "+-- #1 tanh(w) …\n");
}

/* A cell is one line, or opened below its name. */
static void test_tree_of_a_cell(void **state) {
  (void)state;
  ng_tensor *x = ng_variable(NG_FLOAT32, SHAPE(2, 4), NULL, "x");
  ng_tensor *w = ng_parameter(NG_FLOAT32, SHAPE(4, 12), NULL, "W");
  ng_tensor *r = ng_parameter(NG_FLOAT32, SHAPE(4, 12), NULL, "R");
  ng_tensor *h = ng_gru_cell(x, x, w, r, NULL, NULL, 0);
  expect_picture(ng_graph_tree, h, NG_DRAW_SHAPES, 0, 100,
                 "+-- GRU cell(·, ·)  float32 [2, 4]\n"
                 "    |-> x  float32 [2, 4]\n"
                 "    |-> W  float32 [4, 12]\n"
                 "    L-> R  float32 [4, 12]\n");
  char *text = text_of(ng_graph_tree, h, 0, 1, 100);
  assert_int_equal(occurrences(text, "[GRU cell(·, ·)]"), 1);
  assert_int_equal(occurrences(text, "sigmoid(·)"), 2 + 1); /* z is used twice */
  assert_int_equal(occurrences(text, "tanh(·)"), 1);
  free(text);
}

/* However deep or wide a graph, a tree has an end. */
static void test_trees_end(void **state) {
  (void)state;
  ng_tensor *w = leaf("w"), *y = w;
  for (int n = 0; n < 20000; n++)
    y = ng_add(w, y);
  char *text = text_of(ng_graph_tree, y, 0, 0, INT64_MAX);
  assert_in_range(strlen(text), 1000000, 1000005);
  assert_string_equal(text + strlen(text) - 4, "…\n");
  free(text);
}

/* Drawing changes nothing that is accumulated, and draws values of now. */
static void test_values_follow(void **state) {
  (void)state;
  ng_tensor *w = leaf("w"), *y = ng_ridge(w);
  expect_ok(ng_backward(y));
  free(text_of(ng_graph_dot, y, NG_DRAW_VALUES | NG_DRAW_GRADIENTS, 9, 9));
  expect_numbers(ng_grad(w), NUMBERS(1, -4), 0);
  expect_ok(ng_write(w, (double[]){3, 4}, 16));
  char *text = text_of(ng_graph_dot, y, NG_DRAW_VALUES | NG_DRAW_GRADIENTS, 9, 9);
  assert_non_null(strstr(text, "\\n25\\n∂ 1"));
  assert_non_null(strstr(text, "w\\n[3, 4]\\n∂ [6, 8]"));
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_whole_pictures),
      TEST(test_expressions_and_many_elements),
      TEST(test_groups),
      TEST(test_limits),
      TEST(test_labels_are_escaped),
      TEST(test_trees),
      TEST(test_tree_of_a_cell),
      TEST(test_trees_end),
      TEST(test_values_follow),
  };
  return cmocka_run_group_tests_name("pictures", tests, NULL, NULL);
}
