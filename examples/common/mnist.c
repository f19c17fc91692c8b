#include "mnist.h"

#include "check.h"
#include "digits.h"
#include "idx.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

_Static_assert((int)DIGITS_PIXELS == (int)MNIST_PIXELS, "drawn digits stand in for MNIST's");

static bool exists(const char *path) {
  FILE *file = fopen(path, "rb");
  if (file != NULL)
    fclose(file);
  return file != NULL;
}

/// Writes the path of `folder/name` to `path`, compressed or not. Returns whether it is there.
static bool find(const char *folder, const char *name, char *path, size_t size) {
  for (int compressed = 1; compressed >= 0; compressed--) {
    const int length = snprintf(path, size, "%s/%s%s", folder, name, compressed ? ".gz" : "");
    if (length < 0 || (size_t)length >= size)
      die("the name of the folder is too long: %s", folder);
    if (exists(path))
      return true;
  }
  return false;
}

static struct idx read_file(const char *folder, const char *name, int rank, char *path,
                            size_t size) {
  if (!find(folder, name, path, size))
    die("%s: no %s.gz or %s that can be read is there", folder, name, name);
  struct idx array;
  char message[IDX_MESSAGE];
  if (!idx_read(path, rank, &array, message))
    die("%s", message);
  return array;
}

static struct mnist_set read_set(const char *folder, const char *prefix) {
  char name[64], images_path[4096], labels_path[4096];
  snprintf(name, sizeof name, "%s-images-idx3-ubyte", prefix);
  const struct idx images = read_file(folder, name, 3, images_path, sizeof images_path);
  snprintf(name, sizeof name, "%s-labels-idx1-ubyte", prefix);
  const struct idx labels = read_file(folder, name, 1, labels_path, sizeof labels_path);

  if (images.shape[1] != MNIST_SIDE || images.shape[2] != MNIST_SIDE)
    die("%s: expected images of %dx%d, found %zux%zu", images_path, MNIST_SIDE, MNIST_SIDE,
        images.shape[1], images.shape[2]);
  if (images.shape[0] == 0)
    die("%s: expected at least one image, found none", images_path);
  if (images.shape[0] != labels.shape[0])
    die("%s: expected %zu labels, one for each image in %s, found %zu", labels_path,
        images.shape[0], images_path, labels.shape[0]);
  for (size_t i = 0; i < labels.shape[0]; i++)
    if (labels.data[i] >= MNIST_CLASSES)
      die("%s: corrupt: expected labels 0 to 9, found %d at %zu", labels_path, labels.data[i], i);
  return (struct mnist_set){(int64_t)images.shape[0], images.data, labels.data, NULL};
}

static struct mnist_set draw_set(uint64_t seed, int64_t count) {
  struct mnist_set set = {count, malloc((size_t)count * MNIST_PIXELS), malloc((size_t)count), NULL};
  if (set.images == NULL || set.labels == NULL)
    die("no memory for %lld digits", (long long)count);
  digits_draw(seed, (size_t)count, set.images, set.labels);
  return set;
}

static int64_t lesser(int64_t count, int64_t limit) {
  return limit != 0 && limit < count ? limit : count;
}

struct mnist mnist_open(const char *folder, int64_t limit) {
  if (folder == NULL) {
    const char *named = getenv("NANOGRAD_MNIST");
    char path[64];
    if (named != NULL && *named != '\0')
      folder = named;
    else if (find("data/mnist", "train-images-idx3-ubyte", path, sizeof path))
      folder = "data/mnist";
  }
  struct mnist data;
  if (folder != NULL) {
    data.train = read_set(folder, "train");
    data.test = read_set(folder, "t10k");
    data.train.count = lesser(data.train.count, limit);
    data.test.count = lesser(data.test.count, limit);
    snprintf(data.source, sizeof data.source, "MNIST from %s", folder);
  } else {
    data.train = draw_set(1, lesser(60000, limit));
    data.test = draw_set(2, lesser(10000, limit));
    snprintf(data.source, sizeof data.source,
             "digits drawn by this program, not MNIST (no --data, NANOGRAD_MNIST or data/mnist)");
  }
  return data;
}

void mnist_close(struct mnist *data) {
  struct mnist_set *sets[] = {&data->train, &data->test};
  for (int i = 0; i < 2; i++) {
    free(sets[i]->images);
    free(sets[i]->labels);
    free(sets[i]->order);
    *sets[i] = (struct mnist_set){0};
  }
}

void mnist_shuffle(struct mnist_set *set) {
  const size_t size = (size_t)set->count * sizeof *set->order;
  if (set->order == NULL)
    set->order = malloc(size);
  if (set->order == NULL)
    die("no memory for the order of %lld images", (long long)set->count);
  ng_tensor *order = ng_permutation(set->count);
  ng_read(order, set->order, (int64_t)size);
  ng_release(order);
  check_nanograd();
}

void mnist_batch(const struct mnist_set *set, int64_t first, int64_t count, ng_tensor **x,
                 ng_tensor **t) {
  const int64_t shape[] = {count, MNIST_PIXELS};
  float *images = malloc((size_t)count * MNIST_PIXELS * sizeof *images);
  int64_t *labels = malloc((size_t)count * sizeof *labels);
  if (images == NULL || labels == NULL)
    die("no memory for a batch of %lld images", (long long)count);
  for (int64_t i = 0; i < count; i++) {
    const int64_t from = set->order != NULL ? set->order[first + i] : first + i;
    const uint8_t *image = set->images + from * MNIST_PIXELS;
    for (int64_t k = 0; k < MNIST_PIXELS; k++)
      images[i * MNIST_PIXELS + k] = (float)image[k] / 255;
    labels[i] = set->labels[from];
  }
  *x = ng_variable(NG_FLOAT32, 2, shape, images, "x");
  *t = ng_variable(NG_INT64, 1, shape, labels, "t");
  free(images);
  free(labels);
}

double mnist_report(FILE *file, mnist_confusion confusion) {
  int64_t correct = 0, total = 0;
  for (int row = 0; row < MNIST_CLASSES; row++) {
    correct += confusion[row][row];
    for (int column = 0; column < MNIST_CLASSES; column++)
      total += confusion[row][column];
  }
  const double accuracy = total > 0 ? (double)correct / (double)total : 0;
  fprintf(file, "test accuracy %.2f %% (%lld of %lld)\n\n", 100 * accuracy, (long long)correct,
          (long long)total);

  fprintf(file, "confusion table: a row for each true digit, a column for each predicted one\n ");
  for (int column = 0; column < MNIST_CLASSES; column++)
    fprintf(file, "%6d", column);
  fprintf(file, "   correct\n");
  for (int row = 0; row < MNIST_CLASSES; row++) {
    int64_t count = 0;
    fprintf(file, "%d", row);
    for (int column = 0; column < MNIST_CLASSES; column++) {
      count += confusion[row][column];
      if (confusion[row][column] != 0)
        fprintf(file, "%6lld", (long long)confusion[row][column]);
      else
        fprintf(file, "%6s", ".");
    }
    if (count > 0)
      fprintf(file, "%8.2f %%\n", 100 * (double)confusion[row][row] / (double)count);
    else
      fprintf(file, "%10s\n", "-");
  }
  return accuracy;
}

void mnist_show(FILE *file, const struct mnist_set *set, const int64_t *predicted) {
  enum { SHOWN = 3, MARGIN = 2, GAP = 2 };
  static const char shades[] = " .:-=+*#%@";
  const int64_t count = lesser(set->count, SHOWN);
  for (int y = 0; y < MNIST_SIDE; y += 2) { // a character is about twice as high as it is wide
    for (int64_t i = 0; i < count; i++) {
      const uint8_t *row = set->images + i * MNIST_PIXELS + y * MNIST_SIDE;
      for (int x = MARGIN; x < MNIST_SIDE - MARGIN; x++)
        fputc(shades[(row[x] + row[x + MNIST_SIDE]) * 9 / 510], file);
      fprintf(file, "%*s", i + 1 < count ? GAP : 1, i + 1 < count ? "" : "\n");
    }
  }
  for (int64_t i = 0; i < count; i++) {
    const int width = MNIST_SIDE - 2 * MARGIN + (i + 1 < count ? GAP : 0);
    char text[64];
    snprintf(text, sizeof text, "read as %lld, is %d", (long long)predicted[i], set->labels[i]);
    fprintf(file, "%-*s", width, text);
  }
  fprintf(file, "\n\n");
}
