/// The data of the digit examples: MNIST from a folder, or digits drawn on the spot.
#ifndef EXAMPLES_MNIST_H
#define EXAMPLES_MNIST_H

#include <nanograd.h>

#include <stdint.h>
#include <stdio.h>

enum { MNIST_SIDE = 28, MNIST_PIXELS = MNIST_SIDE * MNIST_SIDE, MNIST_CLASSES = 10 };

/// Labelled images, MNIST_PIXELS bytes each.
struct mnist_set {
  int64_t count;
  uint8_t *images, *labels;
  int64_t *order; ///< in which batches take them; NULL for the order they are in
};

struct mnist {
  struct mnist_set train, test;
  char source[512]; ///< where they are from, for people to read
};

/// Reads the four files of MNIST, plain or compressed, from `folder`. If that is NULL: from the
/// folder that the environment variable NANOGRAD_MNIST names, else from data/mnist, and if there is
/// none either draws as many digits itself. Each set has at most `limit` images, if that is not 0.
/// Files that are there but damaged are reported: status 2.
struct mnist mnist_open(const char *folder, int64_t limit);

void mnist_close(struct mnist *data);

/// Puts the images into a random order, by nanograd's generator.
void mnist_shuffle(struct mnist_set *set);

/// Makes Variables of `count` images from the given one on: their pixels from 0 to 1 as float32
/// [count, MNIST_PIXELS] in `*x`, their labels as int64 [count] in `*t`.
void mnist_batch(const struct mnist_set *set, int64_t first, int64_t count, ng_tensor **x,
                 ng_tensor **t);

/// Counts of predictions; a row for each true digit, a column for each predicted one.
typedef int64_t mnist_confusion[MNIST_CLASSES][MNIST_CLASSES];

/// Prints how many of the predictions are right, and the counts as a table with the share of each
/// digit that was recognised. Returns the accuracy, from 0 to 1.
double mnist_report(FILE *file, mnist_confusion confusion);

/// Prints the first images of a set, side by side as text, and what they were read as.
void mnist_show(FILE *file, const struct mnist_set *set, const int64_t *predicted);

#endif
