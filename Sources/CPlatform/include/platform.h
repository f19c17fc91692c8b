/* What Swift cannot say itself: which instructions the processor has, and how to wait on a word.
 * Header only, so that no C object needs building. */
#ifndef NANOGRAD_PLATFORM_H
#define NANOGRAD_PLATFORM_H

#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* 0: baseline, 1: AVX2 with FMA (x86-64-v3), 2: AVX-512 (x86-64-v4). The compiler's run-time
 * checks the operating system's support for the wide registers too. */
static inline int32_t ngp_instruction_level(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  int v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("bmi2");
  int v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
  return v4 ? 2 : v3 ? 1 : 0;
#else
  return 0;
#endif
}

/* Tells the processor that this is a wait loop. */
static inline void ngp_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/* Processors that this process may run on, at least 1. The system call, because glibc's wrapper is
 * hidden behind a feature macro. */
static inline int32_t ngp_processors(void) {
  unsigned long mask[128] = {0}; /* room for 8,192 processors */
  long bytes = syscall(SYS_sched_getaffinity, 0, sizeof mask, mask);
  int32_t count = 0;
  for (long i = 0; i < bytes / (long)sizeof mask[0]; i++)
    count += __builtin_popcountl(mask[i]);
  return count > 0 ? count : 1;
}

/* Sleeps while *word == expected, until someone of `group` is woken, a set of bits. May wake early:
 * the caller checks again. */
static inline void ngp_wait(void *_Nonnull word, uint32_t expected, uint32_t group) {
  syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, expected, (void *)0, (void *)0, group);
}

/* Wakes all threads that sleep on the word in one of the groups. */
static inline void ngp_wake(void *_Nonnull word, uint32_t groups) {
  syscall(SYS_futex, word, FUTEX_WAKE_BITSET_PRIVATE, INT32_MAX, (void *)0, (void *)0, groups);
}

/* A file without a name in a folder, for writing; it is gone when it is closed, or its process
 * ends. -1 and errno where the file system has no such files. The flag is Linux's O_TMPFILE, which
 * is hidden behind a feature macro. */
static inline int32_t ngp_open_unnamed(const char *_Nonnull folder, uint32_t mode) {
  return open(folder, O_WRONLY | O_CLOEXEC | O_DIRECTORY | 020000000, mode);
}

/* Gives an unnamed file a name that is free. 0, or -1 and errno. */
static inline int32_t ngp_name(int32_t descriptor, const char *_Nonnull path) {
  char self[32];
  snprintf(self, sizeof self, "/proc/self/fd/%d", (int)descriptor);
  return linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
}

#endif
