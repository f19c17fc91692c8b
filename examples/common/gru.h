/// A recurrent network that reads an image as a sequence: seven steps of four rows pass through two
/// layers of gated recurrent units, and a linear layer classifies the last state.
#ifndef EXAMPLES_GRU_H
#define EXAMPLES_GRU_H

#include <nanograd.h>

#include <stdbool.h>

enum { GRU_LAYERS = 2, GRU_TIMES = 7, GRU_PARAMETERS = 10 * GRU_LAYERS + 2 };

/// A layer: weights for the input and for the state, and biases, of the update gate z, the reset
/// gate r and the candidate h; and the state before the first step, which is learned like them.
struct gru_layer {
  ng_tensor *Wz, *Uz, *bz, *Wr, *Ur, *br, *Wh, *Uh, *bh, *h0;
};

struct gru {
  ng_dtype dtype;
  struct gru_layer layers[GRU_LAYERS];
  ng_tensor *W, *b;               ///< of the linear layer
  ng_tensor *all[GRU_PARAMETERS]; ///< every one of the above
  int32_t count;
};

/// A network of random weights from N(0, 1), divided by the root of the number of inputs if
/// `scaled`; those of the linear layer are a tenth of that. Biases and first states are 0.
struct gru gru_make(ng_dtype dtype, int64_t hidden, bool scaled);

/// The logits [batch, 10] for images [batch, 784].
ng_tensor *gru_classify(const struct gru *gru, ng_tensor *images);

/// Numbers that are learned.
int64_t gru_size(const struct gru *gru);

void gru_release(struct gru *gru);

#endif
