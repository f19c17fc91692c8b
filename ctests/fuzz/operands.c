/* Bytes to operands. Small numbers and live handles come often, so that programs get somewhere;
 * whatever else fits a parameter's type comes now and then. */
#include "operands.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

uint8_t next_byte(struct program *program) {
  return program->bytes < program->end ? *program->bytes++ : 0;
}

uint64_t next_word(struct program *program) {
  uint64_t word = 0;
  for (int i = 0; i < 8; i++)
    word = word << 8 | next_byte(program);
  return word;
}

static const int64_t odd_longs[] = {-1,
                                    INT64_MIN,
                                    INT64_MAX,
                                    INT64_C(1) << 31,
                                    INT64_C(1) << 32,
                                    INT64_C(1) << 58,
                                    INT64_C(1) << 62,
                                    INT64_MIN + 1,
                                    INT64_MAX - 1,
                                    (INT64_C(1) << 60) + 1,
                                    INT32_MAX,
                                    INT32_MIN,
                                    65536,
                                    1000,
                                    -2,
                                    0};
static const int32_t odd_ints[] = {-1, INT32_MIN, INT32_MAX,     8,     9,  -8,
                                   -9, 64,        INT32_MAX - 1, 65536, 16, INT32_MIN + 1};
static const double odd_doubles[] = {NAN,    INFINITY, -INFINITY, -0.0,   5e-324, 1e308,
                                     -1e308, 0.5,      1e-5,      0x1p31, 0x1p63, 0x1p59,
                                     -1,     3e9,      1e-300,    1e15};

static int64_t next_long(struct program *program) {
  uint8_t byte = next_byte(program);
  if (byte < 128)
    return 1 + byte % 3;
  if (byte < 176)
    return byte % 9;
  if (byte < 208)
    return byte - 192;
  if (byte < 248)
    return odd_longs[byte % COUNT(odd_longs)];
  return (int64_t)next_word(program);
}

static int32_t next_int(struct program *program) {
  uint8_t byte = next_byte(program);
  if (byte < 192)
    return byte % 6 - 2;
  if (byte < 248)
    return odd_ints[byte % COUNT(odd_ints)];
  return (int32_t)next_word(program);
}

static double next_double(struct program *program) {
  uint8_t byte = next_byte(program);
  if (byte < 128)
    return (byte % 32) * 0.125;
  if (byte < 160)
    return -(byte % 4);
  if (byte < 248)
    return odd_doubles[byte % COUNT(odd_doubles)];
  uint64_t bits = next_word(program);
  double number;
  memcpy(&number, &bits, sizeof number);
  return number;
}

static ng_dtype next_dtype(struct program *program) {
  static const ng_dtype odd[] = {0, -1, 5, INT32_MAX, INT32_MIN, 257};
  uint8_t byte = next_byte(program);
  if (byte < 128)
    return NG_FLOAT32;
  return byte < 240 ? 1 + byte % 4 : odd[byte % COUNT(odd)];
}

/* How long an array is to be: `often` at most, mostly. */
static int32_t next_count(struct program *program, int often) {
  uint8_t byte = next_byte(program);
  if (byte < 232)
    return byte % (often + 1);
  return byte < 240 ? -1 : odd_ints[byte % COUNT(odd_ints)];
}

/* ---- Handles --------------------------------------------------------------------------------- */

/* A number that looks like a handle. With other threads at work it must not be one of theirs, since
 * a graph is for one thread at a time: a generation that no slot reaches sees to that. */
static uintptr_t forged(struct program *program) {
  uintptr_t bits = (uintptr_t)next_word(program);
  return program->is_alone ? bits : bits | (uintptr_t)1 << 63;
}

static uintptr_t damaged(struct program *program, uintptr_t handle) {
  unsigned bit = next_byte(program) % 64;
  if (!program->is_alone && bit > 1 && bit < 28)
    bit += 36;
  return handle ^ (uintptr_t)1 << bit;
}

static void *odd_handle(struct program *program, uint8_t byte, void *good) {
  switch (byte % 8) {
  case 0:
    return NULL;
  case 1:
    return program->stale_count ? program->stale[byte / 8 % program->stale_count] : NULL;
  case 2:
    return program->optimizer_count ? (void *)program->optimizers[0] : NULL;
  case 3:
    return program->schedule_count ? (void *)program->schedules[0] : NULL;
  case 4:
    return program->tensor_count ? (void *)program->tensors[0].handle : NULL;
  case 5:
    return (void *)forged(program);
  case 6:
    return (void *)program; /* a true address */
  default:
    return (void *)damaged(program, (uintptr_t)good);
  }
}

static ng_tensor *next_tensor(struct program *program) {
  uint8_t byte = next_byte(program);
  int count = program->tensor_count;
  /* The newest first: what was made last is used next. */
  ng_tensor *good = count ? program->tensors[count - 1 - byte % count].handle : NULL;
  return byte < 232 ? good : odd_handle(program, next_byte(program), good);
}

static ng_optimizer *next_optimizer(struct program *program) {
  uint8_t byte = next_byte(program);
  int count = program->optimizer_count;
  ng_optimizer *good = count ? program->optimizers[byte % count] : NULL;
  return byte < 224 ? good : odd_handle(program, next_byte(program), good);
}

static ng_schedule *next_schedule(struct program *program) {
  uint8_t byte = next_byte(program);
  int count = program->schedule_count;
  ng_schedule *good = count ? program->schedules[byte % count] : NULL;
  return byte < 224 ? good : odd_handle(program, next_byte(program), good);
}

static ng_checkpoint *next_checkpoint(struct program *program) {
  uint8_t byte = next_byte(program);
  int count = program->checkpoint_count;
  ng_checkpoint *good = count ? program->checkpoints[byte % count] : NULL;
  return byte < 224 ? good : odd_handle(program, next_byte(program), good);
}

static ng_safetensors *next_file(struct program *program) {
  uint8_t byte = next_byte(program);
  int count = program->file_count;
  ng_safetensors *good = count ? program->files[byte % count] : NULL;
  return byte < 224 ? good : odd_handle(program, next_byte(program), good);
}

enum weight weight_of(const struct program *program, const ng_tensor *tensor) {
  for (int i = program->tensor_count; i-- > 0;)
    if (program->tensors[i].handle == tensor)
      return program->tensors[i].weight;
  return light; /* not alive, so that nothing will be computed */
}

/* ---- Arrays ---------------------------------------------------------------------------------- */

static void *allocate(struct operands *operands, size_t bytes) {
  void *memory = malloc(bytes ? bytes : 1);
  if (memory == NULL)
    abort();
  return operands->memory[operands->memory_count++] = memory;
}

/* Room for a count that may be anything: where it is out of every bound, nothing may be read. */
static size_t room_for(int32_t count, int32_t limit) {
  return count < 0 || count > limit ? 0 : (size_t)count;
}

static int is_null(struct program *program) { return next_byte(program) >= 250; }

static int64_t *next_longs(struct program *program, struct operands *operands, int32_t count) {
  if (is_null(program))
    return NULL;
  size_t room = room_for(count, NG_MAX_RANK);
  int64_t *longs = allocate(operands, room * sizeof *longs);
  for (size_t i = 0; i < room; i++)
    longs[i] = next_long(program);
  return longs;
}

static void next_shape(struct program *program, struct operands *operands) {
  uint8_t byte = next_byte(program);
  ng_tensor *like = next_tensor(program);
  int64_t shape[NG_MAX_RANK];
  int32_t rank = ng_rank(like);
  if (byte < 128 && rank >= 0 && ng_shape(like, NG_MAX_RANK, shape) == NG_OK) {
    operands->rank = rank;
    operands->shape = allocate(operands, (size_t)rank * sizeof *shape);
    memcpy(operands->shape, shape, (size_t)rank * sizeof *shape);
    return;
  }
  operands->rank = next_count(program, 4);
  operands->shape = next_longs(program, operands, operands->rank);
}

static void next_axes(struct program *program, struct operands *operands) {
  operands->axis_count = next_count(program, 3);
  if (next_byte(program) >= 160)
    return; /* NULL: all of them */
  size_t room = room_for(operands->axis_count, NG_MAX_RANK);
  operands->axes = allocate(operands, room * sizeof *operands->axes);
  for (size_t i = 0; i < room; i++)
    operands->axes[i] = next_int(program);
}

static void next_list(struct program *program, struct operands *operands) {
  int32_t count = next_count(program, 4);
  if (count > 64)
    count = 64; /* the library reads as many as it is told */
  operands->list_count = count;
  size_t room = room_for(count, 64);
  if (!is_null(program)) {
    operands->list = allocate(operands, room * sizeof *operands->list);
    for (size_t i = 0; i < room; i++)
      operands->list[i] = next_tensor(program);
  }
  if (!is_null(program)) {
    operands->results = allocate(operands, room * sizeof *operands->results);
    memset(operands->results, 0, room * sizeof *operands->results);
  }
}

static void next_text(struct program *program, struct operands *operands) {
  uint8_t byte = next_byte(program);
  if (byte >= 200)
    return; /* NULL */
  size_t length = byte < 8 ? 5000 : byte % 24;
  operands->text = allocate(operands, length + 1);
  uint8_t filling = next_byte(program);
  for (size_t i = 0; i < length; i++)
    operands->text[i] = (char)(byte < 8 ? filling : next_byte(program));
  operands->text[length] = 0;
}

static void next_buffer(struct program *program, struct operands *operands) {
  uint8_t byte = next_byte(program);
  operands->capacity = byte < 200 ? byte : byte < 240 ? 4096 : odd_longs[byte % 3];
  if (is_null(program))
    return;
  /* A text is as long as a text is: with more room than that, nothing is written beyond. */
  size_t room = operands->capacity < 0           ? 0
                : operands->capacity < INT64_MAX ? (size_t)operands->capacity
                                                 : (size_t)1 << 24;
  operands->buffer = allocate(operands, room);
}

static void next_memory(struct program *program, struct operands *operands) {
  uint8_t byte = next_byte(program);
  ng_tensor *tensor = operands->tensors[0];
  int64_t size = ng_size(tensor), element = ng_dtype_size(ng_dtype_of(tensor));
  int64_t right = size < 0 || size > INT64_MAX / 8 ? 0 : size * element;
  operands->byte_count = byte < 216 ? right : next_long(program);
  /* So much cannot be handed over. */
  if (operands->byte_count == right && right > 1 << 20)
    operands->byte_count = 0;
  if (is_null(program))
    return;
  size_t room =
      operands->byte_count < 0 || operands->byte_count > 1 << 20 ? 0 : (size_t)operands->byte_count;
  operands->data = allocate(operands, room);
  /* Small whole numbers: they serve as indices too. */
  uint8_t *bytes = operands->data, filling = next_byte(program);
  memset(bytes, 0, room);
  for (size_t i = 0; i + (size_t)element <= room && element > 0; i += (size_t)element)
    bytes[i] = filling % 2 ? (uint8_t)(i * filling / 8 % 3) : next_byte(program);
}

/* ---- All together ---------------------------------------------------------------------------- */

void decode(struct program *program, const char *signature, struct operands *operands) {
  memset(operands, 0, sizeof *operands);
  for (; *signature != 0; signature++) {
    switch (*signature) {
    case 't':
      operands->tensors[operands->tensor_count++] = next_tensor(program);
      break;
    case 'o':
      operands->optimizer = next_optimizer(program);
      break;
    case 's':
      operands->schedules[operands->schedule_count++] = next_schedule(program);
      break;
    case 'c':
      operands->checkpoint = next_checkpoint(program);
      break;
    case 'f':
      operands->file = next_file(program);
      break;
    case 'd':
      operands->numbers[operands->number_count++] = next_double(program);
      break;
    case 'i':
      operands->ints[operands->int_count++] = next_int(program);
      break;
    case 'n':
      operands->longs[operands->long_count++] = next_long(program);
      break;
    case 'y':
      operands->dtype = next_dtype(program);
      break;
    case 'h':
      next_shape(program, operands);
      break;
    case 'r':
      operands->rank = next_count(program, 8);
      operands->shape =
          allocate(operands, sizeof(int64_t) * (size_t)(operands->rank < 0   ? 0
                                                        : operands->rank > 8 ? NG_MAX_RANK
                                                                             : operands->rank));
      break;
    case 'p':
      operands->rank = next_count(program, 3);
      operands->shape = next_longs(program, operands, operands->rank);
      operands->shape2 = next_longs(program, operands, operands->rank);
      break;
    case 'a':
      next_axes(program, operands);
      break;
    case 'l':
      next_list(program, operands);
      break;
    case 'g':
      next_text(program, operands);
      break;
    case 'b':
      next_buffer(program, operands);
      break;
    case 'm':
      next_memory(program, operands);
      break;
    case 'e':
      if (!is_null(program))
        operands->out = allocate(operands, sizeof *operands->out);
      break;
    default:
      abort();
    }
  }
}

void discard(struct operands *operands) {
  for (int i = 0; i < operands->memory_count; i++)
    free(operands->memory[i]);
  operands->memory_count = 0;
}
