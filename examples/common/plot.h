/// A drawing of how a training goes: loss and accuracy over its steps, as SVG.
#ifndef EXAMPLES_PLOT_H
#define EXAMPLES_PLOT_H

#include <stddef.h>
#include <stdio.h>

/// What was seen at a step.
struct plot_point {
  double step, loss, accuracy; ///< accuracy from 0 to 1
};

struct plot {
  const char *title;
  double steps; ///< how many there will be
  double test;  ///< the accuracy that a test gave, from 0 to 1; NaN while there was none
  struct plot_point *points;
  size_t count, capacity;
};

void plot_add(struct plot *plot, double step, double loss, double accuracy);

/// Draws what there is so far; the axis of the steps is for all of them from the beginning.
void plot_draw(FILE *file, const struct plot *plot);

/// Frees the points.
void plot_free(struct plot *plot);

#endif
