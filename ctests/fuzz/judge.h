/**
 * @file judge.h
 * @brief Holds what a call gave against what the header promises of every function.
 */
#ifndef NANOGRAD_FUZZ_JUDGE_H
#define NANOGRAD_FUZZ_JUDGE_H

#include "operands.h"

/** Above so many elements, no tensor is computed; from so many on, none can be. */
#define MOST_LIGHT INT64_C(4096)
#define LEAST_VAST (INT64_C(1) << 45)

/** A call and what is known of it. */
struct call {
  struct program *program;
  struct operands *operands;
  const char *function;
  int was_clear;       /* no error was recorded before */
  int succeeded;       /* set by whoever judges its result */
  enum weight weight;  /* of the heaviest operand */
  int64_t per_element; /* operations, at most */
};

/** Prints every call and what became of it. */
extern int is_traced;

/** Says what is wrong and ends the process. */
_Noreturn void wrong(const char *function, const char *what);

/** Adds a tensor to those that the program knows, with what it may cost to compute. */
void remember(struct program *program, ng_tensor *tensor, enum weight weight);
/** The same for what a call has made. */
void new_tensor(const struct call *call, ng_tensor *tensor);
/** Takes those away that are no more, but for a few. */
void forget_stale(struct program *program);

void got_tensor(struct call *call, ng_tensor *tensor);
void got_optimizer(struct call *call, ng_optimizer *optimizer);
void got_schedule(struct call *call, ng_schedule *schedule);
void got_checkpoint(struct call *call, ng_checkpoint *checkpoint);
void got_file(struct call *call, ng_safetensors *file);
void got_text(struct call *call, const char *text);
void got_double(struct call *call, double number);
void got_int64(struct call *call, int64_t number);
void got_int32(struct call *call, int32_t number);

/** Judges a result by its type, and remembers what was made. */
#define RESULT(call, result)                                                                       \
  _Generic((result), ng_tensor *                                                                   \
           : got_tensor, ng_optimizer *                                                            \
           : got_optimizer, ng_schedule *                                                          \
           : got_schedule, ng_checkpoint *                                                         \
           : got_checkpoint, ng_safetensors *                                                      \
           : got_file, const char *                                                                \
           : got_text, double                                                                      \
           : got_double, int64_t                                                                   \
           : got_int64, int32_t                                                                    \
           : got_int32)(call, result)

#endif
