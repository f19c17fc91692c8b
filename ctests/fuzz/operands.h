/**
 * @file operands.h
 * @brief What a fuzzed call is made with, decoded from bytes: mostly sensible, sometimes anything.
 */
#ifndef NANOGRAD_FUZZ_OPERANDS_H
#define NANOGRAD_FUZZ_OPERANDS_H

#include <nanograd.h>
#include <stddef.h>

enum {
  max_tensors = 48, /* handles that a program remembers */
  max_others = 8,
  max_stale = 8
};

/** How much it takes to compute a tensor. */
enum weight {
  light,
  vast, /* more elements than there is memory for, of light operands: to be refused at once */
  heavy /* would take too long */
};

struct remembered {
  ng_tensor *handle;
  enum weight weight;
};

/** One thread's part of an input, with what it has made so far. */
struct program {
  const uint8_t *bytes, *end;
  struct remembered tensors[max_tensors];
  int tensor_count, next;
  ng_tensor *stale[max_stale];
  int stale_count;
  ng_optimizer *optimizers[max_others];
  int optimizer_count;
  ng_schedule *schedules[max_others];
  int schedule_count;
  ng_checkpoint *checkpoints[max_others];
  int checkpoint_count;
  ng_safetensors *files[max_others];
  int file_count;
  int is_alone;      /* no other thread is at work, so that a forged handle meets only our own */
  int64_t nodes;     /* at most so many, in all graphs together */
  int64_t elements;  /* and so many elements in them */
  int64_t work_left; /* element operations */
};

/** The operands of one call. Arrays are exactly as long as they are said to be, on the heap, so
 * that AddressSanitizer sees whoever reads on. */
struct operands {
  ng_tensor *tensors[8];
  ng_optimizer *optimizer;
  ng_schedule *schedules[2];
  ng_checkpoint *checkpoint;
  ng_safetensors *file;
  double numbers[3];
  int32_t ints[2];
  int64_t longs[3];
  ng_dtype dtype;
  int32_t rank; /* of a shape, or the count of what goes with axes */
  int64_t *shape, *shape2;
  int32_t axis_count, *axes;
  int32_t list_count;
  ng_tensor **list, **results;
  char *text;
  char *buffer;
  int64_t capacity;
  void *data;
  int64_t byte_count;
  double *out;
  int tensor_count, schedule_count, number_count, int_count, long_count;
  void *memory[16];
  int memory_count;
};

/** The next byte, or 0 at the end. */
uint8_t next_byte(struct program *program);
/** The next 8 bytes. */
uint64_t next_word(struct program *program);

/** Decodes operands by their signature, a letter each:
 * t tensor, o optimizer, s schedule, c checkpoint, f file, d double, i int32 (an axis), n int64, y
 * dtype, h rank and shape, r capacity and room for a shape, p rank and two arrays, a count and
 * axes, l count and handles, g text or NULL, b buffer and its capacity, m memory and its bytes (of
 * the tensor before it, mostly), e room for a double. */
void decode(struct program *program, const char *signature, struct operands *operands);
/** Frees their arrays. */
void discard(struct operands *operands);

/** The weight of a tensor the program knows. */
enum weight weight_of(const struct program *program, const ng_tensor *tensor);

#endif
