/// What a test showed, as drawings in SVG: which digits were taken for which, and the images that
/// were misread.
#ifndef EXAMPLES_SHEETS_H
#define EXAMPLES_SHEETS_H

#include "mnist.h"

/// An image that was read as another digit than it is labelled.
struct mistake {
  int64_t image; ///< its number in the set
  int predicted;
  double probability; ///< that the network gave what it read, from 0 to 1
};

struct mistakes {
  struct mistake *list;
  size_t count, capacity;
};

void mistakes_add(struct mistakes *mistakes, struct mistake mistake);

/// Frees the list.
void mistakes_free(struct mistakes *mistakes);

/// Draws the confusion table: a row for each true digit, a column for each predicted one. Mistakes
/// are the darker the larger their share of the row.
void sheets_draw_confusion(FILE *file, mnist_confusion confusion);

/// Draws the misread images, those first of which the network was surest, as far as they have room.
/// The list is put into that order.
void sheets_draw_mistakes(FILE *file, const struct mnist_set *set, struct mistakes *mistakes);

#endif
