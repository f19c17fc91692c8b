/// Draws graphs: the loss of a lasso regression, a small network with its values and gradients, or
/// two steps of a gated recurrent unit; as text, whole or with composites closed, for Graphviz, or
/// for Mermaid.
///
///     graph
///     graph --of gru --as tree --depth 1
///     graph --of gru --as dot --depth 2 | dot -Tsvg > gru.svg
///     graph --of network --as mermaid
#include "common/check.h"
#include "common/options.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_NODES = 200 };

struct settings {
  const char *of, *as;
  int64_t depth;
};

/// Writes one kind of drawing, with the length that it has, as the library's functions do.
static int64_t draw(const struct settings *s, ng_tensor *y, char *buffer, int64_t capacity) {
  if (strcmp(s->as, "text") == 0)
    return ng_tree(y, buffer, capacity);
  const bool small = strcmp(s->of, "network") == 0;
  const int32_t flags = NG_DRAW_SHAPES | (small ? NG_DRAW_VALUES | NG_DRAW_GRADIENTS : 0);
  const int32_t depth = (int32_t)s->depth;
  if (strcmp(s->as, "tree") == 0)
    return ng_graph_tree(&y, 1, flags, depth, MOST_NODES, buffer, capacity);
  if (strcmp(s->as, "dot") == 0)
    return ng_graph_dot(&y, 1, flags, depth, MOST_NODES, buffer, capacity);
  return ng_graph_mermaid(&y, 1, flags, depth, MOST_NODES, buffer, capacity);
}

/// Prints a drawing of a tensor: asks for the length, and then for the text.
static void print(const struct settings *s, ng_tensor *tensor) {
  const int64_t length = draw(s, tensor, NULL, 0);
  check_nanograd();
  char *text = malloc((size_t)length + 1);
  if (text == NULL)
    die("no memory for a drawing of %lld bytes", (long long)length);
  draw(s, tensor, text, length + 1);
  check_nanograd();
  fputs(text, stdout);
  if (length == 0 || text[length - 1] != '\n')
    putchar('\n');
  free(text);
}

static ng_tensor *leaf(bool learned, int64_t rows, int64_t columns, const char *tag) {
  const int64_t shape[] = {rows, columns};
  return learned ? ng_to_parameter(ng_normal(NG_FLOAT32, 2, shape, 0, 1), tag)
                 : ng_to_variable(ng_normal(NG_FLOAT32, 2, shape, 0, 1), tag);
}

static ng_tensor *lasso(void) {
  const float tenth = 0.1f;
  ng_tensor *x = leaf(false, 100, 3, "x"), *w = leaf(true, 3, 1, "w"),
            *t = leaf(false, 100, 1, "t");
  ng_tensor *lambda = ng_variable(NG_FLOAT32, 0, NULL, &tenth, "λ");
  return ng_add(ng_squared_error(ng_matmul(x, w), t), ng_multiply(lambda, ng_lasso(w)));
}

static ng_tensor *network(void) {
  ng_tensor *x = leaf(false, 1, 2, "x"), *t = leaf(false, 1, 1, "t");
  ng_tensor *W = leaf(true, 2, 3, "W"), *b = leaf(true, 1, 3, "b"), *v = leaf(true, 3, 1, "v");
  return ng_squared_error(ng_matmul(ng_tanh(ng_add(ng_matmul(x, W), b)), v), t);
}

static ng_tensor *gru(void) {
  enum { STEPS = 2, BATCH = 4, INPUTS = 3, HIDDEN = 5 };
  const int64_t shape[] = {STEPS, BATCH, INPUTS};
  ng_tensor *h, *x = ng_variable(NG_FLOAT32, 3, shape, NULL, "x");
  ng_tensor *W = leaf(true, INPUTS, 3 * HIDDEN, "W"), *R = leaf(true, HIDDEN, 3 * HIDDEN, "R");
  ng_gru(x, leaf(true, 1, HIDDEN, "h0"), W, R, leaf(true, 1, 3 * HIDDEN, "b"), NULL, NULL, 0, &h);
  return h;
}

int main(int argc, char **argv) {
  struct settings s = {.of = "lasso", .as = "text"};
  const struct option options[] = {
      {"of", OPTION_CHOICE, "lasso|network|gru", "which graph (lasso)", &s.of, 0, 0},
      {"as", OPTION_CHOICE, "text|tree|dot|mermaid", "how (text)", &s.as, 0, 0},
      {"depth", OPTION_INTEGER, "N", "levels of composites to open (0); not in text", &s.depth, 0,
       100}};
  options_parse(argc, argv, "Draws a graph.", options, sizeof options / sizeof *options);

  ng_scope_begin();
  print(&s, strcmp(s.of, "lasso") == 0 ? lasso() : strcmp(s.of, "gru") == 0 ? gru() : network());
  ng_scope_end();
  flush_output();
  return 0;
}
