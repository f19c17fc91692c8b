/// Reading arrays of bytes in the IDX format, in which MNIST is published, plain or
/// gzip-compressed.
#ifndef EXAMPLES_IDX_H
#define EXAMPLES_IDX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  IDX_MAX_RANK = 3,
  /// Room for any message this reader writes.
  IDX_MESSAGE = 512
};

/// An array of bytes, row-major. `data` is to be freed by the caller.
struct idx {
  int rank;
  size_t shape[IDX_MAX_RANK];
  uint8_t *data;
};

/// Reads a file that must hold an array of unsigned bytes with `rank` (1 to 3) dimensions and
/// nothing else. On failure returns false, leaves `array` as it was and says in `message` what was
/// expected and what was found.
bool idx_read(const char *path, int rank, struct idx *array, char message[IDX_MESSAGE]);

#endif
