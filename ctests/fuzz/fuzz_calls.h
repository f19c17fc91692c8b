/**
 * @file fuzz_calls.h
 * @brief Bytes as programs: sequences of calls of the functions of nanograd.h, judged as they run.
 */
#ifndef NANOGRAD_FUZZ_CALLS_H
#define NANOGRAD_FUZZ_CALLS_H

#include <stddef.h>
#include <stdint.h>

/** Runs a program. Afterwards the library must hold nothing of it and still compute; whatever is
 * wrong is told on stderr and ends the process with abort(). libFuzzer's entry point, hence the
 * name. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** Calls made so far, by all programs. */
uint64_t fuzz_calls_made(void);
/** How often function `i` was called and how often that succeeded; its name, or NULL behind the
 * last. */
const char *fuzz_function(int i, uint64_t *calls, uint64_t *successes);

#endif
