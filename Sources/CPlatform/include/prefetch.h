/* What kernels need that Swift cannot say. */
#ifndef NANOGRAD_PREFETCH_H
#define NANOGRAD_PREFETCH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Asks for a line of memory to be brought to the second-level cache. Any address will do: one that
 * is nobody's is ignored. */
static inline void ngp_prefetch(const void *_Nullable p) { __builtin_prefetch(p, 0, 2); }

/* The same, to the first-level cache. */
static inline void ngp_prefetch_near(const void *_Nullable p) { __builtin_prefetch(p, 0, 3); }

/* As wide as one store is: the store buffer holds few. */
#if defined(__AVX512F__)
typedef float ngp_vector __attribute__((vector_size(64), may_alias));
#elif defined(__AVX__)
typedef float ngp_vector __attribute__((vector_size(32), may_alias));
#else
typedef float ngp_vector __attribute__((vector_size(16), may_alias));
#endif

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
  for (y += head, x += head, bytes -= head; bytes >= 64; y += 64, x += 64, bytes -= 64) {
    ngp_vector line[64 / sizeof(ngp_vector)];
    memcpy(line, x, 64);
    for (size_t i = 0; i < 64 / sizeof(ngp_vector); i++)
      __builtin_nontemporal_store(line[i], (ngp_vector *)(void *)y + i);
  }
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

#endif
