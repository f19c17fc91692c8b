#include "saving.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// Adds the parameters under names that say where they belong, such as "layers.1.Uz".
static void add_network(ng_checkpoint *checkpoint, const struct gru *gru) {
  const int per_layer = (GRU_PARAMETERS - 2) / GRU_LAYERS;
  for (int i = 0; i < gru->count; i++) {
    char tag[8], name[32];
    ng_tag(gru->all[i], tag, sizeof tag);
    if (i < GRU_LAYERS * per_layer)
      snprintf(name, sizeof name, "layers.%d.%s", i / per_layer, tag);
    else
      snprintf(name, sizeof name, "%s", tag);
    ng_checkpoint_add(checkpoint, (const char *[]){name}, &gru->all[i], 1);
  }
}

struct saving saving_begin(const char *path, int64_t every, const struct gru *gru,
                           ng_optimizer *optimizer, const struct mnist_set *set,
                           const struct training *training) {
  struct saving saving = {path, every, ng_checkpoint_new(), NULL};
  saving.order = ng_variable(NG_INT64, 1, &set->count, NULL, "order");
  add_network(saving.checkpoint, gru);
  ng_checkpoint_add(saving.checkpoint, (const char *[]){"order"}, &saving.order, 1);
  ng_checkpoint_add_optimizer(saving.checkpoint, "optimizer", optimizer);
  ng_checkpoint_add_random(saving.checkpoint, "random");
  ng_checkpoint_set_text(saving.checkpoint, "recipe", training->recipe);
  ng_checkpoint_set_text(saving.checkpoint, "data", training->data);
  ng_checkpoint_set_integer(saving.checkpoint, "batch", training->batch);
  ng_checkpoint_set_integer(saving.checkpoint, "hidden", training->hidden);
  ng_checkpoint_set_integer(saving.checkpoint, "steps", training->steps);
  check_nanograd();
  return saving;
}

void saving_update(struct saving *saving, const struct mnist_set *set, int64_t steps, bool now) {
  if (saving->path == NULL || (!now && steps % saving->every != 0))
    return;
  if (set->order != NULL)
    ng_write(saving->order, set->order, set->count * (int64_t)sizeof *set->order);
  ng_checkpoint_set_integer(saving->checkpoint, "step", steps);
  ng_checkpoint_save(saving->checkpoint, saving->path);
  check_nanograd();
}

int64_t saving_resume(struct saving *saving, struct mnist_set *set, ng_safetensors *file) {
  int64_t steps = 0;
  ng_safetensors_integer(file, "step", &steps);
  ng_checkpoint_load(saving->checkpoint, file);
  check_nanograd();
  const int64_t size = set->count * (int64_t)sizeof *set->order;
  set->order = malloc((size_t)size);
  if (set->order == NULL)
    die("no memory for the order of %lld images", (long long)set->count);
  ng_read(saving->order, set->order, size);
  for (int64_t i = 0; i < set->count; i++)
    if (set->order[i] < 0 || set->order[i] >= set->count)
      die("the order of the images has %lld at %lld, expected 0 to %lld", (long long)set->order[i],
          (long long)i, (long long)set->count - 1);
  return steps;
}

void saving_end(struct saving *saving) {
  ng_release(saving->order);
  ng_checkpoint_release(saving->checkpoint);
}

ng_safetensors *saving_open(const char *path, struct training *training) {
  ng_safetensors *file = ng_safetensors_open(path);
  ng_safetensors_text(file, "recipe", training->recipe, sizeof training->recipe);
  ng_safetensors_text(file, "data", training->data, sizeof training->data);
  ng_safetensors_integer(file, "batch", &training->batch);
  ng_safetensors_integer(file, "hidden", &training->hidden);
  ng_safetensors_integer(file, "steps", &training->steps);
  check_nanograd();
  if (training->batch < 1 || training->hidden < 1 || training->steps < 1)
    die("%s: expected batch, hidden and steps of at least 1", path);
  return file;
}

void saving_load_network(const struct gru *gru, ng_safetensors *file) {
  ng_checkpoint *checkpoint = ng_checkpoint_new();
  add_network(checkpoint, gru);
  ng_checkpoint_load(checkpoint, file);
  ng_checkpoint_release(checkpoint);
  check_nanograd();
}
