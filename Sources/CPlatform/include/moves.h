/* How memory is moved where Swift cannot say it: lines asked for, arrays past the caches,
 * transposed blocks. */
#ifndef NANOGRAD_MOVES_H
#define NANOGRAD_MOVES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Asks for a line of memory to be brought to the second-level cache. Any address will do: one that
 * is nobody's is ignored. */
static inline void ngp_prefetch(const void *_Nullable p) { __builtin_prefetch(p, 0, 2); }

/* The same, to the first-level cache. */
static inline void ngp_prefetch_near(const void *_Nullable p) { __builtin_prefetch(p, 0, 3); }

/* Asks for a line that will be written, which no other core may then have: one that has read it is
 * told so now and not as the store waits. */
static inline void ngp_prefetch_to_write(const void *_Nullable p) {
#if defined(__x86_64__)
  /* Written out, since the oldest processors lack it, and compilers leave it out for them; these do
   * nothing. */
  __asm__ volatile("prefetchw (%0)" : : "r"(p));
#else
  __builtin_prefetch(p, 1, 3);
#endif
}

/* A number of which the compiler knows nothing, so that it keeps it in a register. */
static inline intptr_t ngp_opaque(intptr_t x) {
  __asm__("" : "+r"(x));
  return x;
}

/* As wide as one store is: the store buffer holds few. */
#if defined(__AVX512F__)
typedef float ngp_vector __attribute__((vector_size(64), may_alias));
#elif defined(__AVX__)
typedef float ngp_vector __attribute__((vector_size(32), may_alias));
#else
typedef float ngp_vector __attribute__((vector_size(16), may_alias));
#endif

/* Copies 64 bytes past the caches, to an address that is a multiple of 64. */
static inline void ngp_stream_line(void *_Nonnull to, const void *_Nonnull from) {
  ngp_vector line[64 / sizeof(ngp_vector)];
  memcpy(line, from, 64);
  for (size_t i = 0; i < 64 / sizeof(ngp_vector); i++)
    __builtin_nontemporal_store(line[i], (ngp_vector *)to + i);
}

/* Copies bytes past the caches, for memory that will not be read soon: lines that are written whole
 * are then not fetched first. */
static inline void ngp_stream(void *_Nonnull to, const void *_Nonnull from, size_t bytes) {
  char *y = (char *)to;
  const char *x = (const char *)from;
  const size_t head = (64 - ((uintptr_t)y & 63)) & 63;
  if (bytes < head + 64) {
    memcpy(y, x, bytes);
    return;
  }
  if (head > 0)
    memcpy(y, x, head);
  for (y += head, x += head, bytes -= head; bytes >= 64; y += 64, x += 64, bytes -= 64)
    ngp_stream_line(y, x);
  if (bytes > 0)
    memcpy(y, x, bytes);
}

/* Makes what was streamed visible to other threads before what is written next. */
static inline void ngp_stream_end(void) {
#if defined(__x86_64__)
  __builtin_ia32_sfence();
#else
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

typedef float ngp_float4 __attribute__((vector_size(16)));
typedef float ngp_float8 __attribute__((vector_size(32)));
typedef double ngp_double2 __attribute__((vector_size(16)));
typedef double ngp_double4 __attribute__((vector_size(32)));

/* Four of one row beside four of another. */
static inline ngp_float8 ngp_beside_float(const float *a, const float *b) {
  ngp_float4 x, y;
  memcpy(&x, a, sizeof x);
  memcpy(&y, b, sizeof y);
  return __builtin_shufflevector(x, y, 0, 1, 2, 3, 4, 5, 6, 7);
}

static inline ngp_double4 ngp_beside_double(const double *a, const double *b) {
  ngp_double2 x, y;
  memcpy(&x, a, sizeof x);
  memcpy(&y, b, sizeof y);
  return __builtin_shufflevector(x, y, 0, 1, 2, 3);
}

/* y[c * stride_y + r] = x[r * stride_x + c] for 8 columns and 8 rows, of which those from `rows` on
 * are zero. */
static inline void ngp_transpose_float(const float *x, ptrdiff_t stride_x, ptrdiff_t rows, float *y,
                                       ptrdiff_t stride_y) {
  static const float zeros[8];
  const float *row[8];
  for (int r = 0; r < 8; r++)
    row[r] = r < rows ? x + r * stride_x : zeros;
  for (int c = 0; c < 8; c += 4) {
    const ngp_float8 a = ngp_beside_float(row[0] + c, row[4] + c);
    const ngp_float8 b = ngp_beside_float(row[1] + c, row[5] + c);
    const ngp_float8 d = ngp_beside_float(row[2] + c, row[6] + c);
    const ngp_float8 e = ngp_beside_float(row[3] + c, row[7] + c);
    const ngp_float8 ab = __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13);
    const ngp_float8 de = __builtin_shufflevector(d, e, 0, 8, 1, 9, 4, 12, 5, 13);
    const ngp_float8 fg = __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15);
    const ngp_float8 hi = __builtin_shufflevector(d, e, 2, 10, 3, 11, 6, 14, 7, 15);
    const ngp_float8 column[4] = {__builtin_shufflevector(ab, de, 0, 1, 8, 9, 4, 5, 12, 13),
                                  __builtin_shufflevector(ab, de, 2, 3, 10, 11, 6, 7, 14, 15),
                                  __builtin_shufflevector(fg, hi, 0, 1, 8, 9, 4, 5, 12, 13),
                                  __builtin_shufflevector(fg, hi, 2, 3, 10, 11, 6, 7, 14, 15)};
    for (int i = 0; i < 4; i++)
      memcpy(y + (c + i) * stride_y, &column[i], sizeof column[i]);
  }
}

static inline void ngp_transpose_double(const double *x, ptrdiff_t stride_x, ptrdiff_t rows,
                                        double *y, ptrdiff_t stride_y) {
  static const double zeros[8];
  const double *row[8];
  for (int r = 0; r < 8; r++)
    row[r] = r < rows ? x + r * stride_x : zeros;
  for (int r = 0; r < 8; r += 4) {
    for (int c = 0; c < 8; c += 2) {
      const ngp_double4 a = ngp_beside_double(row[r] + c, row[r + 2] + c);
      const ngp_double4 b = ngp_beside_double(row[r + 1] + c, row[r + 3] + c);
      const ngp_double4 even = __builtin_shufflevector(a, b, 0, 4, 2, 6);
      const ngp_double4 odd = __builtin_shufflevector(a, b, 1, 5, 3, 7);
      memcpy(y + c * stride_y + r, &even, sizeof even);
      memcpy(y + (c + 1) * stride_y + r, &odd, sizeof odd);
    }
  }
}

#endif
