/* What kernels need that Swift cannot say. */
#ifndef NANOGRAD_PREFETCH_H
#define NANOGRAD_PREFETCH_H

/* Asks for a line of memory to be brought to the second-level cache. Any address will do: one that
 * is nobody's is ignored. */
static inline void ngp_prefetch(const void *_Nullable p) { __builtin_prefetch(p, 0, 2); }

/* The same, to the first-level cache. */
static inline void ngp_prefetch_near(const void *_Nullable p) { __builtin_prefetch(p, 0, 3); }

#endif
