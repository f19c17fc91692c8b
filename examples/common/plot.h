/// A drawing of how a training went: loss and accuracy over its steps, as SVG.
#ifndef EXAMPLES_PLOT_H
#define EXAMPLES_PLOT_H

#include <stddef.h>

/// What was seen at a step.
struct plot_point {
  double step, loss, accuracy; ///< accuracy from 0 to 1
};

struct plot {
  const char *path, *title;
  struct plot_point *points;
  size_t count, capacity;
};

/// Begins a plot that will be written to `path`; dies at once if it could not be. With NULL for a
/// path there is no plot, and the functions below do nothing.
struct plot plot_open(const char *path, const char *title);

void plot_add(struct plot *plot, double step, double loss, double accuracy);

/// Draws it, with the accuracy that the test gave (from 0 to 1), and frees the points. The file is
/// complete or not there: it is written beside its place and then renamed. Dies if it cannot be.
void plot_close(struct plot *plot, double test_accuracy);

#endif
