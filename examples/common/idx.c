#include "idx.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/// A header is not to be believed with more memory than this; MNIST needs 47 MB.
static const size_t max_bytes = (size_t)1 << 30;

__attribute__((format(printf, 2, 3))) static bool fail(char message[IDX_MESSAGE],
                                                       const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, IDX_MESSAGE, format, arguments);
  va_end(arguments);
  return false;
}

/// Reads up to `size` bytes; `*got` says how many there were. Returns false if the file cannot be
/// read or its compression is damaged; that its end is missing counts as damage.
static bool read_bytes(gzFile file, const char *path, void *buffer, size_t size, size_t *got,
                       char message[IDX_MESSAGE]) {
  *got = 0;
  while (*got < size) {
    const size_t left = size - *got;
    const unsigned chunk = left < 1u << 24 ? (unsigned)left : 1u << 24;
    errno = 0;
    const int count = gzread(file, (char *)buffer + *got, chunk);
    if (count > 0)
      *got += (size_t)count;
    if (count == (int)chunk)
      continue;
    int code = Z_OK;
    const char *reason = gzerror(file, &code);
    if (code == Z_BUF_ERROR)
      return fail(message, "%s: truncated: the compressed data ends too early, after %zu bytes",
                  path, *got);
    if (code == Z_ERRNO)
      return fail(message, "%s: cannot be read: %s", path, strerror(errno ? errno : EIO));
    if (code != Z_OK) {
      const size_t length = strlen(path); // zlib may begin with the path itself
      if (strncmp(reason, path, length) == 0 && strncmp(reason + length, ": ", 2) == 0)
        reason += length + 2;
      return fail(message, "%s: corrupt: %s", path, reason);
    }
    break;
  }
  return true;
}

static uint32_t big_endian(const uint8_t *bytes) {
  return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static bool read_array(gzFile file, const char *path, int rank, struct idx *array,
                       char message[IDX_MESSAGE]) {
  uint8_t header[4 + 4 * IDX_MAX_RANK];
  const size_t header_size = 4 + 4 * (size_t)rank;
  size_t got;
  if (!read_bytes(file, path, header, header_size, &got, message))
    return false;

  const uint32_t expected = 0x0800u + (uint32_t)rank; // type 8: unsigned bytes
  if (got >= 4 && big_endian(header) != expected)
    return fail(message, "%s: not the IDX file expected: its magic number is 0x%08x, not 0x%08x",
                path, (unsigned)big_endian(header), (unsigned)expected);
  if (got < header_size)
    return fail(message, "%s: truncated: expected a header of %zu bytes, found %zu", path,
                header_size, got);

  size_t size = 1;
  for (int axis = 0; axis < rank; axis++) {
    const size_t dimension = big_endian(header + 4 + 4 * axis);
    if (dimension != 0 && size > max_bytes / dimension)
      return fail(message, "%s: corrupt: its header claims more than %zu bytes", path, max_bytes);
    array->shape[axis] = dimension;
    size *= dimension;
  }
  array->rank = rank;

  // One byte more is asked for than expected: it must not exist, and looking for it makes zlib
  // verify the checksum.
  array->data = malloc(size + 1);
  if (array->data == NULL)
    return fail(message, "%s: no memory for its %zu bytes", path, size);
  if (!read_bytes(file, path, array->data, size + 1, &got, message))
    return false;
  if (got < size)
    return fail(message, "%s: truncated: expected %zu bytes of data, found %zu", path, size, got);
  if (got > size)
    return fail(message, "%s: corrupt: more data than the %zu bytes expected", path, size);
  return true;
}

bool idx_read(const char *path, int rank, struct idx *array, char message[IDX_MESSAGE]) {
  if (rank < 1 || rank > IDX_MAX_RANK)
    return fail(message, "%s: rank %d asked for, expected 1 to %d", path, rank, IDX_MAX_RANK);
  errno = 0;
  gzFile file = gzopen(path, "rb");
  if (file == NULL)
    return fail(message, "%s: cannot be opened: %s", path, strerror(errno ? errno : ENOMEM));
  struct idx result = {0};
  const bool ok = read_array(file, path, rank, &result, message);
  gzclose_r(file);
  if (ok)
    *array = result;
  else
    free(result.data);
  return ok;
}
