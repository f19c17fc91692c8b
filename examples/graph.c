/// Draws the graph of a lasso regression's loss: as text, or for Graphviz.
///
///     graph
///     graph --dot | dot -Tsvg > graph.svg
#include "common/check.h"
#include "common/options.h"

#include <stdio.h>
#include <stdlib.h>

typedef int64_t drawing(ng_tensor *tensor, char *buffer, int64_t capacity);

/// Prints what `draw` makes of a tensor: asks for the length, and then for the text.
static void print(drawing *draw, ng_tensor *tensor) {
  const int64_t length = draw(tensor, NULL, 0);
  check_nanograd();
  char *text = malloc((size_t)length + 1);
  if (text == NULL)
    die("no memory for a drawing of %lld bytes", (long long)length);
  draw(tensor, text, length + 1);
  check_nanograd();
  fputs(text, stdout);
  if (length == 0 || text[length - 1] != '\n')
    putchar('\n');
  free(text);
}

int main(int argc, char **argv) {
  int64_t dot = 0;
  const struct option options[] = {
      {.name = "dot", .kind = OPTION_FLAG, .help = "in the DOT language", .value = &dot}};
  options_parse(argc, argv, "Draws the graph of a lasso regression's loss.", options, 1);

  ng_scope_begin();
  const int64_t rows[] = {100, 3}, weights[] = {3, 1}, column[] = {100, 1};
  const float tenth = 0.1f;
  ng_tensor *x = ng_variable(NG_FLOAT32, 2, rows, NULL, "x");
  ng_tensor *w = ng_parameter(NG_FLOAT32, 2, weights, NULL, "w");
  ng_tensor *t = ng_variable(NG_FLOAT32, 2, column, NULL, "t");
  ng_tensor *lambda = ng_variable(NG_FLOAT32, 0, NULL, &tenth, "λ");
  ng_tensor *loss = ng_add(ng_squared_error(ng_matmul(x, w), t), ng_multiply(lambda, ng_lasso(w)));
  print(dot ? ng_dot : ng_tree, loss);
  ng_scope_end();
  flush_output();
  return 0;
}
