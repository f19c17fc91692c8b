/* What is promised of every call: its result, the error and the message agree. */
#include "judge.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int is_traced;

/* ---- Judging --------------------------------------------------------------------------------- */

_Noreturn void wrong(const char *function, const char *what) {
  fprintf(stderr, "%s: %s; error %d, \"%s\"\n", function, what, (int)ng_error(),
          ng_error_message());
  abort();
}

static int is_utf8(const char *text) {
  const unsigned char *p = (const unsigned char *)text;
  while (*p != 0) {
    int more = *p < 0x80             ? 0
               : (*p & 0xE0) == 0xC0 ? 1
               : (*p & 0xF0) == 0xE0 ? 2
               : (*p & 0xF8) == 0xF0 ? 3
                                     : -1;
    if (more < 0)
      return 0;
    for (p++; more > 0; more--)
      if ((*p++ & 0xC0) != 0x80)
        return 0;
  }
  return 1;
}

/* `status` is what the call says of itself: NG_OK, an error code, or 1 for a failure without a
 * code. */
static void judge(struct call *call, int64_t status) {
  const char *function = call->function;
  ng_status code = ng_error();
  const char *message = ng_error_message();
  call->succeeded = status == NG_OK;
  if (is_traced)
    fprintf(stderr, "  %s: %lld %s\n", function, (long long)status, message);
  if (message == NULL || !is_utf8(message))
    wrong(function, "the message is no text");
  if (code > 0 || code < -64 || (code == NG_OK) != (*message == 0))
    wrong(function, "code and message disagree");
  if (status != NG_OK && code == NG_OK)
    wrong(function, "it failed and recorded no error");
  if (!call->was_clear)
    return;
  if (status == NG_OK && code != NG_OK)
    wrong(function, "it succeeded and recorded an error");
  if (status < 0 && code != status)
    wrong(function, "what it returned is not what it recorded");
  size_t length = strlen(function);
  if (status != NG_OK && (strncmp(message, function, length) != 0 || message[length] != ':'))
    wrong(function, "the message does not name it");
}

/* ---- Results --------------------------------------------------------------------------------- */

void remember(struct program *program, ng_tensor *tensor, enum weight weight) {
  if (program->tensor_count < max_tensors) {
    program->tensors[program->tensor_count++] = (struct remembered){tensor, weight};
    return;
  }
  /* The oldest makes room, which moves the newest to the end. */
  ng_release(program->tensors[0].handle);
  memmove(program->tensors, program->tensors + 1, (max_tensors - 1) * sizeof *program->tensors);
  program->tensors[max_tensors - 1] = (struct remembered){tensor, weight};
}

/* Forgets the tensors that are no more, but for a few. */
void forget_stale(struct program *program) {
  ng_status before = ng_error();
  int kept = 0;
  for (int i = 0; i < program->tensor_count; i++) {
    if (ng_rank(program->tensors[i].handle) >= 0)
      program->tensors[kept++] = program->tensors[i];
    else if (program->stale_count < max_stale)
      program->stale[program->stale_count++] = program->tensors[i].handle;
    else
      program->stale[i % max_stale] = program->tensors[i].handle;
  }
  program->tensor_count = kept;
  if (before == NG_OK)
    ng_clear_error();
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

void new_tensor(const struct call *call, ng_tensor *tensor) {
  struct program *program = call->program;
  int64_t size = ng_size(tensor);
  if (size < 0)
    wrong(call->function, "its result is no tensor");
  enum weight weight = call->weight != light ? heavy
                       : size >= LEAST_VAST  ? vast
                       : size > MOST_LIGHT   ? heavy
                                             : light;
  program->nodes += 8;
  if (weight == light) {
    int64_t operands = 0;
    for (int i = 0; i < call->operands->tensor_count; i++) {
      int64_t more = ng_size(call->operands->tensors[i]);
      operands += more > 0 ? least(more, MOST_LIGHT) : 0;
    }
    program->elements += (size + operands) * call->per_element;
  }
  remember(program, tensor, weight);
}

void got_tensor(struct call *call, ng_tensor *tensor) {
  judge(call, tensor == NULL);
  if (tensor != NULL)
    new_tensor(call, tensor);
}

void got_optimizer(struct call *call, ng_optimizer *optimizer) {
  struct program *program = call->program;
  judge(call, optimizer == NULL);
  if (optimizer == NULL)
    return;
  if (program->optimizer_count < max_others)
    program->optimizers[program->optimizer_count++] = optimizer;
  else if (ng_optimizer_release(optimizer) != NG_OK)
    wrong(call->function, "its result cannot be released");
}

void got_schedule(struct call *call, ng_schedule *schedule) {
  struct program *program = call->program;
  judge(call, schedule == NULL);
  if (schedule == NULL)
    return;
  if (program->schedule_count < max_others)
    program->schedules[program->schedule_count++] = schedule;
  else if (ng_schedule_release(schedule) != NG_OK)
    wrong(call->function, "its result cannot be released");
}

void got_checkpoint(struct call *call, ng_checkpoint *checkpoint) {
  struct program *program = call->program;
  judge(call, checkpoint == NULL);
  if (checkpoint == NULL)
    return;
  if (program->checkpoint_count < max_others)
    program->checkpoints[program->checkpoint_count++] = checkpoint;
  else if (ng_checkpoint_release(checkpoint) != NG_OK)
    wrong(call->function, "its result cannot be released");
}

void got_file(struct call *call, ng_safetensors *file) {
  struct program *program = call->program;
  judge(call, file == NULL);
  if (file == NULL)
    return;
  if (program->file_count < max_others)
    program->files[program->file_count++] = file;
  else if (ng_safetensors_release(file) != NG_OK)
    wrong(call->function, "its result cannot be released");
}

void got_text(struct call *call, const char *text) {
  if (text == NULL || !is_utf8(text))
    wrong(call->function, "no text");
  judge(call, NG_OK);
}

void got_double(struct call *call, double number) {
  /* NaN may be a value, so only the error tells. */
  ng_status code = ng_error();
  if (call->was_clear && code != NG_OK && !isnan(number))
    wrong(call->function, "it failed, and gave a number");
  judge(call, call->was_clear ? code : NG_OK);
}

void got_int64(struct call *call, int64_t number) {
  struct operands *operands = call->operands;
  judge(call, number < 0 ? number : NG_OK);
  char *buffer = operands->buffer;
  if (buffer == NULL || number < 0 || operands->capacity < 1)
    return;
  size_t room = operands->capacity < 1 << 24 ? (size_t)operands->capacity : (size_t)1 << 24;
  size_t length = strnlen(buffer, room);
  if (length == room || !is_utf8(buffer) || length > (size_t)number ||
      (number < operands->capacity && length != (size_t)number))
    wrong(call->function, "its text is not what the header says");
}

void got_int32(struct call *call, int32_t number) { judge(call, number < 0 ? number : NG_OK); }
