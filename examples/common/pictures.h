/// The pictures of a training and its test: files that a program was asked for, each when it is
/// time.
#ifndef EXAMPLES_PICTURES_H
#define EXAMPLES_PICTURES_H

#include "plot.h"
#include "sheets.h"

/// Where they go; NULL for what is not wanted.
struct pictures_paths {
  const char *plot;      ///< SVG: loss and accuracy over steps
  const char *confusion; ///< SVG: which digit is taken for which
  const char *mistakes;  ///< SVG: misread images
  const char *watch;     ///< HTML: all of these, rewritten while the training goes on
};

struct pictures {
  struct pictures_paths paths;
  struct plot plot;
  double watched; ///< when the page was last written
};

/// Begins them for a training of `steps` steps, with the page to be watched; dies if a file could
/// not be written. The title has to outlive them.
struct pictures pictures_begin(struct pictures_paths paths, const char *title, int64_t steps);

/// Adds a step to the plot; rewrites the page, but not more than once in a second.
void pictures_add(struct pictures *pictures, int64_t step, double loss, double accuracy);

/// Writes all of them, with what a test gave: its accuracy (from 0 to 1), and what was mistaken.
void pictures_end(struct pictures *pictures, double accuracy, mnist_confusion confusion,
                  const struct mnist_set *set, struct mistakes *mistakes);

#endif
