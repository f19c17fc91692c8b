/* Opens bytes as a safetensors file. What is accepted must be readable to its end, and the same
 * after it was saved and opened again; as the state of a training it loads as a whole or not at
 * all. */
#include <nanograd.h>

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds, const char *what) {
  if (holds)
    return;
  fprintf(stderr, "%s; error %d, \"%s\"\n", what, (int)ng_error(), ng_error_message());
  abort();
}

/* A text of the file, asked for as the header says; to be freed. */
#define TEXT(call_for_length, call)                                                                \
  do {                                                                                             \
    length = call_for_length;                                                                      \
    require(length >= 0, "a text has no length");                                                  \
    text = malloc((size_t)length + 1);                                                             \
    require(text != NULL && (call) == length && strlen(text) == (size_t)length, "a text is cut");  \
  } while (0)

static char *name_of(ng_safetensors *file, int64_t i) {
  int64_t length;
  char *text;
  TEXT(ng_safetensors_name(file, i, NULL, 0), ng_safetensors_name(file, i, text, length + 1));
  return text;
}

static char *key_of(ng_safetensors *file, int64_t i) {
  int64_t length;
  char *text;
  TEXT(ng_safetensors_key(file, i, NULL, 0), ng_safetensors_key(file, i, text, length + 1));
  return text;
}

static char *text_of(ng_safetensors *file, const char *key) {
  int64_t length;
  char *text;
  TEXT(ng_safetensors_text(file, key, NULL, 0), ng_safetensors_text(file, key, text, length + 1));
  return text;
}

/* The bytes of a tensor, to be freed. */
static unsigned char *bytes_of(ng_tensor *tensor, int64_t *bytes) {
  *bytes = ng_size(tensor) * ng_dtype_size(ng_dtype_of(tensor));
  unsigned char *data = malloc((size_t)*bytes + 1);
  require(data != NULL && ng_read(tensor, data, *bytes) == NG_OK, "a tensor cannot be read");
  return data;
}

/* Saves what was read, and opens that. */
static ng_safetensors *reopened(ng_checkpoint *checkpoint) {
  const int64_t size = ng_checkpoint_write(checkpoint, NULL, 0);
  require(size >= 8, "it cannot be saved");
  unsigned char *bytes = malloc((size_t)size);
  require(bytes != NULL && ng_checkpoint_write(checkpoint, bytes, size) == size, "it is not saved");
  ng_safetensors *file = ng_safetensors_open_memory(bytes, size);
  require(file != NULL, "what was saved cannot be opened");
  free(bytes);
  return file;
}

static void read_and_save(ng_safetensors *file) {
  ng_checkpoint *checkpoint = ng_checkpoint_new();
  const int64_t count = ng_safetensors_count(file), texts = ng_safetensors_text_count(file);
  int64_t known = 0;
  for (int64_t i = 0; i < count; i++) {
    char *name = name_of(file, i);
    require(ng_safetensors_contains(file, name) == 1, "a tensor is not there");
    const int32_t rank = ng_safetensors_rank(file, name);
    require(rank >= 0, "a tensor has no rank");
    ng_tensor *tensor = ng_safetensors_tensor(file, name);
    if (tensor != NULL) {
      known++;
      require(ng_rank(tensor) == rank, "ranks differ");
      require(ng_dtype_of(tensor) == ng_safetensors_dtype(file, name), "dtypes differ");
      require(ng_checkpoint_add(checkpoint, (const char *[]){name}, &tensor, 1) == NG_OK,
              "a tensor cannot be added");
    } else {
      require(ng_error() == NG_ERROR_DTYPE || ng_error() == NG_ERROR_SHAPE, "an unexpected error");
      ng_clear_error();
    }
    free(name);
  }
  for (int64_t i = 0; i < texts; i++) {
    char *key = key_of(file, i), *text = text_of(file, key);
    require(ng_checkpoint_set_text(checkpoint, key, text) == NG_OK, "a text cannot be set");
    free(key);
    free(text);
  }

  ng_safetensors *again = reopened(checkpoint);
  require(ng_safetensors_count(again) == known, "tensors are missing");
  require(ng_safetensors_text_count(again) == texts, "texts are missing");
  for (int64_t i = 0; i < known; i++) {
    char *name = name_of(again, i);
    int64_t bytes, others;
    unsigned char *one = bytes_of(ng_safetensors_tensor(file, name), &bytes);
    unsigned char *other = bytes_of(ng_safetensors_tensor(again, name), &others);
    require(bytes == others && memcmp(one, other, (size_t)bytes) == 0, "tensors differ");
    free(one);
    free(other);
    free(name);
  }
  for (int64_t i = 0; i < texts; i++) {
    char *key = key_of(again, i), *one = text_of(file, key), *other = text_of(again, key);
    require(strcmp(one, other) == 0, "texts differ");
    free(one);
    free(other);
    free(key);
  }
  ng_safetensors_release(again);
  ng_checkpoint_release(checkpoint);
}

/* A state that is accepted is one to go on with; one that is refused has changed nothing. */
static void resume(ng_safetensors *file, ng_optimizer *optimizer) {
  const float ones[] = {1, 1};
  ng_tensor *w = ng_parameter(NG_FLOAT32, 1, (const int64_t[]){2}, ones, "w");
  ng_optimizer_add(optimizer, &w, 1);
  ng_backward(ng_ridge(w));
  ng_optimizer_step(optimizer);
  ng_checkpoint *checkpoint = ng_checkpoint_new();
  ng_checkpoint_add(checkpoint, (const char *[]){"w"}, &w, 1);
  ng_checkpoint_add_optimizer(checkpoint, "o", optimizer);
  ng_checkpoint_add_random(checkpoint, "r");
  require(ng_error() == NG_OK, "there is nothing to load into");

  const int64_t size = ng_checkpoint_write(checkpoint, NULL, 0);
  unsigned char *before = malloc((size_t)size), *after = malloc((size_t)size);
  require(before != NULL && after != NULL, "no memory");
  ng_checkpoint_write(checkpoint, before, size);
  if (ng_checkpoint_load(checkpoint, file) == NG_OK) {
    const int64_t steps = ng_optimizer_steps(optimizer);
    const ng_status status = ng_optimizer_step(optimizer);
    require(status == NG_OK || status == NG_ERROR_ARGUMENT, "it cannot be gone on with");
    require(ng_optimizer_steps(optimizer) == steps + (status == NG_OK), "steps are miscounted");
    ng_clear_error();
    ng_safetensors_release(reopened(checkpoint));
  } else {
    require(ng_error() < NG_OK, "no error is recorded");
    ng_clear_error();
    require(ng_checkpoint_write(checkpoint, after, size) == size &&
                memcmp(before, after, (size_t)size) == 0,
            "a state that was refused has changed something");
  }
  free(before);
  free(after);
  ng_checkpoint_release(checkpoint);
  ng_optimizer_release(optimizer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const int64_t handles = ng_live_handles();
  ng_clear_error();
  ng_scope_begin();
  ng_safetensors *file = ng_safetensors_open_memory(data, (int64_t)size);
  if (file != NULL) {
    read_and_save(file);
    resume(file, ng_sgd(0.1));
    resume(file, ng_adam(0.1));
  } else {
    require(ng_error() == NG_ERROR_FORMAT, "an unexpected error");
  }
  ng_safetensors_release(file);
  ng_scope_end();
  require(ng_live_handles() == handles, "handles are left over");
  return 0;
}
