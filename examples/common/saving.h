/// Checkpoints of a training: saved from time to time, and resumed with the same bits.
#ifndef EXAMPLES_SAVING_H
#define EXAMPLES_SAVING_H

#include "gru.h"
#include "mnist.h"

/// What a training was started with, as its file tells it.
struct training {
  char recipe[16], data[8]; ///< data: the first word of `mnist.source`
  int64_t batch, hidden, steps;
};

struct saving {
  const char *path; ///< NULL for none
  int64_t every;    ///< steps from one checkpoint to the next
  ng_checkpoint *checkpoint;
  ng_tensor *order; ///< that of the images, which is drawn anew in each epoch
};

/// Makes a checkpoint of the network, the optimizer, the random generator, the order of the images
/// and what the training was started with.
struct saving saving_begin(const char *path, int64_t every, const struct gru *gru,
                           ng_optimizer *optimizer, const struct mnist_set *set,
                           const struct training *training);

/// Saves it after `steps` steps, if it is time to, or `now`.
void saving_update(struct saving *saving, const struct mnist_set *set, int64_t steps, bool now);

/// Loads everything from a file. Returns the steps that are made.
int64_t saving_resume(struct saving *saving, struct mnist_set *set, ng_safetensors *file);

void saving_end(struct saving *saving);

/// Opens a file that a training saved, and reads what that was started with.
ng_safetensors *saving_open(const char *path, struct training *training);

/// Loads the network alone.
void saving_load_network(const struct gru *gru, ng_safetensors *file);

#endif
