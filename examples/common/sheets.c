#include "sheets.h"

#include "check.h"
#include "svg.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

/* ---- The confusion table --------------------------------------------------------------------- */

static void draw_cell(FILE *file, double x, double y, double side, const char *color,
                      double opacity) {
  fprintf(file,
          "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"3\" fill=\"%s\" "
          "fill-opacity=\"%.3f\"/>\n",
          x, y, side, side, color, opacity);
}

static void draw_row(FILE *file, const int64_t *row, int digit, int x0, int y, int cell) {
  char text[32];
  int64_t count = 0;
  for (int column = 0; column < MNIST_CLASSES; column++)
    count += row[column];
  for (int column = 0; column < MNIST_CLASSES; column++) {
    const double x = x0 + column * cell;
    const double share = count > 0 ? (double)row[column] / (double)count : 0;
    const bool right = column == digit;
    // The root, so that a share of one in a hundred is seen beside one of half.
    draw_cell(file, x + 1, y + 1, cell - 2, "#f1f5f9", 1);
    draw_cell(file, x + 1, y + 1, cell - 2, right ? "#1d4ed8" : "#c2410c",
              right ? 0.75 * share * share : fmin(1, 2.5 * sqrt(share)));
    if (row[column] == 0)
      continue;
    const bool dark = right ? share > 0.8 : 2.5 * sqrt(share) > 0.6;
    snprintf(text, sizeof text, "%lld", (long long)row[column]);
    svg_text(file, x + cell / 2.0, y + cell / 2.0 + 4,
             dark ? "class=\"middle\" style=\"fill:#fff\"" : "class=\"middle\"", text);
  }
  if (count > 0) {
    snprintf(text, sizeof text, "%.1f %%", 100 * (double)row[digit] / (double)count);
    svg_text(file, x0 + MNIST_CLASSES * cell + 62, y + cell / 2.0 + 4, "class=\"end\"", text);
  }
}

void sheets_draw_confusion(FILE *file, mnist_confusion confusion) {
  enum { CELL = 44, LEFT = 70, TOP = 96, RIGHT = 90, BOTTOM = 24 };
  svg_begin(file, LEFT + MNIST_CLASSES * CELL + RIGHT, TOP + MNIST_CLASSES * CELL + BOTTOM);
  svg_text(file, 24, 34, "class=\"title\"", "Which digit is taken for which");
  svg_text(file, LEFT + MNIST_CLASSES * CELL / 2.0, TOP - 30, "class=\"middle\"", "predicted");
  svg_text(file, LEFT + MNIST_CLASSES * CELL + 62, TOP - 10, "class=\"end\"", "right");
  const int middle = TOP + MNIST_CLASSES * CELL / 2;
  fprintf(file, "<text transform=\"translate(26 %d) rotate(-90)\" class=\"middle\">true</text>\n",
          middle);
  for (int digit = 0; digit < MNIST_CLASSES; digit++) {
    const char name[] = {(char)('0' + digit), '\0'};
    svg_text(file, LEFT + (digit + 0.5) * CELL, TOP - 10, "class=\"middle name\"", name);
    svg_text(file, LEFT - 16, TOP + (digit + 0.5) * CELL + 5, "class=\"end name\"", name);
    draw_row(file, confusion[digit], digit, LEFT, TOP + digit * CELL, CELL);
  }
  fputs("</svg>\n", file);
}

/* ---- The misread images ---------------------------------------------------------------------- */

void mistakes_add(struct mistakes *mistakes, struct mistake mistake) {
  if (mistakes->count == mistakes->capacity) {
    mistakes->capacity = mistakes->capacity != 0 ? 2 * mistakes->capacity : 256;
    mistakes->list = realloc(mistakes->list, mistakes->capacity * sizeof *mistakes->list);
    if (mistakes->list == NULL)
      die("no memory for %zu mistakes", mistakes->capacity);
  }
  mistakes->list[mistakes->count++] = mistake;
}

void mistakes_free(struct mistakes *mistakes) {
  free(mistakes->list);
  *mistakes = (struct mistakes){0};
}

static int surest_first(const void *a, const void *b) {
  const struct mistake *x = a, *y = b;
  if (x->probability != y->probability)
    return x->probability < y->probability ? 1 : -1;
  return (x->image > y->image) - (x->image < y->image);
}

/// An image in 16 shades: a path for each, of runs of pixels.
static void draw_image(FILE *file, const uint8_t *pixels, double x, double y, double scale) {
  enum { SHADES = 16 };
  fprintf(file, "<g transform=\"translate(%.1f %.1f) scale(%.2f)\">\n", x, y, scale);
  fprintf(file, "<rect width=\"%d\" height=\"%d\" fill=\"#f1f5f9\"/>\n", MNIST_SIDE, MNIST_SIDE);
  for (int shade = 1; shade < SHADES; shade++) {
    bool begun = false;
    for (int row = 0; row < MNIST_SIDE; row++) {
      for (int column = 0, end; column < MNIST_SIDE; column = end) {
        end = column;
        while (end < MNIST_SIDE && pixels[row * MNIST_SIDE + end] * SHADES / 256 == shade)
          end++;
        if (end == column) {
          end++;
          continue;
        }
        if (!begun)
          fprintf(file, "<path fill=\"#0f172a\" fill-opacity=\"%.2f\" d=\"",
                  shade / (SHADES - 1.0));
        begun = true;
        fprintf(file, "M%d %dh%dv1h-%dz", column, row, end - column, end - column);
      }
    }
    if (begun)
      fputs("\"/>\n", file);
  }
  fputs("</g>\n", file);
}

void sheets_draw_mistakes(FILE *file, const struct mnist_set *set, struct mistakes *mistakes) {
  enum { COLUMNS = 10, ROWS = 6, SIDE = 68, WIDTH = 84, HEIGHT = 112, LEFT = 24, TOP = 76 };
  const int count = mistakes->count < COLUMNS * ROWS ? (int)mistakes->count : COLUMNS * ROWS;
  const int rows = (count + COLUMNS - 1) / COLUMNS;
  char text[128];
  if (count > 0)
    qsort(mistakes->list, mistakes->count, sizeof *mistakes->list, surest_first);
  svg_begin(file, 2 * LEFT + COLUMNS * WIDTH - (WIDTH - SIDE), TOP + rows * HEIGHT + 8);
  snprintf(text, sizeof text, "%zu of %lld images are misread", mistakes->count,
           (long long)set->count);
  svg_text(file, LEFT, 34, "class=\"title\"", text);
  snprintf(text, sizeof text, "%s", "What the network read (how surely), and what it is");
  if ((size_t)count < mistakes->count)
    snprintf(text, sizeof text,
             "The %d of which the network was surest: what it read (how surely), what it is",
             count);
  svg_text(file, LEFT, 56, "", text);
  for (int i = 0; i < count; i++) {
    const struct mistake *mistake = &mistakes->list[i];
    const double x = LEFT + i % COLUMNS * WIDTH, y = TOP + i / COLUMNS * HEIGHT;
    draw_image(file, set->images + mistake->image * MNIST_PIXELS, x, y, (double)SIDE / MNIST_SIDE);
    snprintf(text, sizeof text, "%d (%.0f %%)", mistake->predicted, 100 * mistake->probability);
    svg_text(file, x, y + SIDE + 16, "style=\"fill:#c2410c;font-weight:600\"", text);
    snprintf(text, sizeof text, "is %d", set->labels[mistake->image]);
    svg_text(file, x, y + SIDE + 31, "", text);
  }
  fputs("</svg>\n", file);
}
