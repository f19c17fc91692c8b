/* Runs bytes as programs that call nanograd in every way its types allow. After each call its
 * result, the error and the message are held against what the header promises of all functions;
 * after each program nothing of it may be left, and the library must compute as before.
 *
 * Work is bounded: what would take long to compute is built, asked about and differentiated, but
 * not computed. In the environment, FUZZ_TRACE=1 prints the calls and FUZZ_COUNT=1 their number. */
#include "fuzz_calls.h"
#include "../dlpack.h"
#include "judge.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum cost { BUILDS, FILLS, COMPUTES, DERIVES, UNROLLS };

enum {
#define CALL(cost, function, operands, call) CALL_##function,
#include "calls.def"
#undef CALL
  call_count,
  /* Choices of what to do next; those beyond the table are what programs are mostly made of. */
  choices = 512,
  max_calls = 400,
  max_threads = 3
};
_Static_assert(call_count <= choices - 128, "double the choices");

static const char *const names[] = {
#define CALL(cost, function, operands, call) #function,
#include "calls.def"
#undef CALL
};

static const enum cost costs[] = {
#define CALL(cost, function, operands, call) cost,
#include "calls.def"
#undef CALL
};

static const char *const signatures[] = {
#define CALL(cost, function, operands, call) operands,
#include "calls.def"
#undef CALL
};

static const int common[] = {
    CALL_ng_parameter,
    CALL_ng_variable,
    CALL_ng_normal,
    CALL_ng_zeros,
    CALL_ng_add,
    CALL_ng_multiply,
    CALL_ng_matmul,
    CALL_ng_sum,
    CALL_ng_ridge,
    CALL_ng_tanh,
    CALL_ng_reshape,
    CALL_ng_broadcast_to,
    CALL_ng_slice,
    CALL_ng_permute,
    CALL_ng_index_select,
    CALL_ng_backward,
    CALL_ng_gradients,
    CALL_ng_gradients,
    CALL_ng_eval,
    CALL_ng_eval,
    CALL_ng_read,
    CALL_ng_read,
    CALL_ng_item,
    CALL_ng_write,
    CALL_ng_scope_begin,
    CALL_ng_scope_end,
    CALL_ng_release,
    CALL_ng_sgd,
    CALL_ng_optimizer_step,
    CALL_ng_optimizer_add,
    CALL_ng_checkpoint_add,
    CALL_ng_checkpoint_write,
    CALL_ng_safetensors_open_memory,
    CALL_ng_checkpoint_load,
};

static const int64_t most_filled = 65536, most_nodes = 20000, work_per_program = 20000000;

static _Atomic uint64_t calls[call_count], successes[call_count];
/* For libFuzzer, whose programs have no main of ours to say it. */
static void print_calls_made(void) {
  fprintf(stderr, "calls made: %llu\n", (unsigned long long)fuzz_calls_made());
}

uint64_t fuzz_calls_made(void) {
  uint64_t sum = 0;
  for (int i = 0; i < call_count; i++)
    sum += calls[i];
  return sum;
}

const char *fuzz_function(int i, uint64_t *made, uint64_t *succeeded) {
  if (i < 0 || i >= call_count)
    return NULL;
  *made = calls[i];
  *succeeded = successes[i];
  return names[i];
}

/* ---- What a call may cost -------------------------------------------------------------------- */

static int64_t saturating(int64_t a, int64_t b) {
  int64_t product;
  return __builtin_mul_overflow(a, b, &product) || product > INT64_C(1) << 60 ? INT64_C(1) << 60
                                                                              : product;
}

/* The elements that a function of class FILLS is to make, as far as its operands tell. */
static double elements_asked_for(int number, const struct operands *operands) {
  if (number == CALL_ng_arange)
    return (operands->numbers[1] - operands->numbers[0]) / operands->numbers[2];
  if (number == CALL_ng_permutation)
    return (double)operands->longs[0];
  double product = 1;
  if (operands->shape == NULL || operands->rank > NG_MAX_RANK)
    return 0; /* refused */
  for (int i = 0; i < operands->rank; i++)
    product *= (double)operands->shape[i];
  return product;
}

static int64_t parameter_elements(const struct program *program) {
  int64_t sum = 0;
  for (int i = 0; i < program->tensor_count; i++) {
    ng_tensor *tensor = program->tensors[i].handle;
    if (program->tensors[i].weight == light && ng_is_parameter(tensor) == 1)
      sum += ng_size(tensor);
  }
  return sum;
}

/* Whether a call ends in good time. Notes what it costs. */
static int is_affordable(struct call *call, int number) {
  struct program *program = call->program;
  struct operands *operands = call->operands;
  call->weight = light;
  for (int i = 0; i < operands->tensor_count; i++) {
    enum weight weight = weight_of(program, operands->tensors[i]);
    call->weight = weight > call->weight ? weight : call->weight;
  }
  for (int i = 0; operands->list != NULL && i < operands->list_count; i++) {
    enum weight weight = weight_of(program, operands->list[i]);
    call->weight = weight > call->weight ? weight : call->weight;
  }
  int64_t work = program->nodes * 8;
  switch (costs[number]) {
  case BUILDS:
    break;
  case FILLS: {
    double asked = elements_asked_for(number, operands);
    if (asked > (double)most_filled && asked < (double)LEAST_VAST)
      return 0;
    work += asked > 0 && asked < (double)LEAST_VAST ? (int64_t)asked : 0;
    break;
  }
  case COMPUTES:
    if (call->weight == heavy)
      return 0;
    work += program->elements;
    if (number == CALL_ng_backward || number == CALL_ng_backward_eval ||
        number == CALL_ng_graph_dot || number == CALL_ng_graph_mermaid ||
        number == CALL_ng_graph_tree || number == CALL_ng_plan_profile)
      work = saturating(work, 7);
    if (number == CALL_ng_check_gradients)
      work = saturating(work, 2 * parameter_elements(program) + 7);
    break;
  case UNROLLS:
    /* A sequence has as many steps as its first axis is long. */
    if (ng_dim(operands->tensors[0], 0) > 16 || program->nodes > most_nodes / 2)
      return 0;
    program->nodes += 800;
    break;
  case DERIVES:
    if (program->nodes > most_nodes / 7)
      return 0;
    program->nodes *= 7;
    program->elements = saturating(program->elements, 7);
    break;
  }
  if (program->work_left < work)
    return 0;
  program->work_left -= work;
  return 1;
}

/* A number of threads that does not leave hundreds of them behind. */
static int32_t threads_of(int64_t number) {
  return number > 8 && number <= 1024 ? 3 : (int32_t)number;
}

/* A limit on memory that leaves room for what is affordable. */
static int64_t limit_of(int64_t number) {
  return number > 0 && number < INT64_C(1) << 30 ? INT64_C(1) << 30 : number;
}

/* ---- Files ----------------------------------------------------------------------------------- */

/* What this thread has written last. */
static _Thread_local unsigned char written[1 << 16];
static _Thread_local int64_t written_bytes;

static int64_t write_checkpoint(ng_checkpoint *checkpoint) {
  int64_t bytes = ng_checkpoint_write(checkpoint, written, sizeof written);
  if (bytes >= 0 && bytes <= (int64_t)sizeof written)
    written_bytes = bytes;
  return bytes;
}

/* Opens it: as it is, cut, or with a byte changed. */
static ng_safetensors *open_written(int64_t place, int64_t change) {
  int64_t bytes = change % 4 == 1 && place >= 0 && place < written_bytes ? place : written_bytes;
  unsigned char *copy = malloc(bytes > 0 ? (size_t)bytes : 1);
  if (copy == NULL)
    abort();
  memcpy(copy, written, (size_t)bytes);
  if (change % 4 == 2 && place >= 0 && place < bytes)
    copy[place] ^= (unsigned char)(change >> 2);
  ng_safetensors *file = ng_safetensors_open_memory(copy, bytes);
  free(copy);
  return file;
}

static const char *name(int32_t number) {
  static const char *const some[] = {"a", "b", "c", "d", "", "no such name", "optimizer.mean.0"};
  return number < 0 ? NULL : some[number % (int)(sizeof some / sizeof *some)];
}

static const char *const *names_of(const struct operands *operands) {
  static const char *const apart[64] = {"a", "b", "c", "d"}, *const alike[64] = {"a", "a"};
  return operands->results != NULL ? apart : alike;
}

/* A place for a file, mostly one where none can be; NULL stands for one of our own. */
static const char *path(int32_t number) {
  static const char *const some[] = {"", NULL, "/no such folder/file", "/dev/null", "/", "a\xff"};
  static _Thread_local char own[64];
  if (number < 0)
    return NULL;
  if (some[number % 6] != NULL)
    return some[number % 6];
  snprintf(own, sizeof own, "/tmp/nanograd-fuzz-%ld", (long)getpid());
  return own;
}

/* ---- Memory of others ------------------------------------------------------------------------ */

/* Takes a tensor's elements as another library would, reads all of them, and gives them back. */
static int32_t lend(ng_tensor *tensor, int32_t copy) {
  DLManagedTensorVersioned *managed = ng_to_dlpack(tensor, copy);
  if (managed == NULL)
    return ng_error() < 0 ? ng_error() : -1;
  int64_t bytes = managed->dl_tensor.dtype.bits / 8;
  for (int32_t i = 0; i < managed->dl_tensor.ndim; i++)
    bytes *= managed->dl_tensor.shape[i];
  unsigned char sum = 0;
  for (int64_t i = 0; i < bytes; i++)
    sum = (unsigned char)(sum + ((const unsigned char *)managed->dl_tensor.data)[i]);
  managed->deleter(managed);
  return sum & 0;
}

struct lent {
  DLManagedTensorVersioned managed;
  int64_t shape[3], strides[3];
  double elements[]; /* no more than there are, for AddressSanitizer */
};

static void give_back(DLManagedTensorVersioned *managed) { free(managed); }

/* Hands over memory of our own: mostly dense, sometimes repeated or backwards, sometimes odd. */
static ng_tensor *borrow(int32_t copy, int32_t kind, int64_t sizes, const char *tag) {
  int32_t rank = (int32_t)((uint32_t)kind % 4);
  int64_t shape[3] = {sizes & 3, sizes >> 2 & 3, sizes >> 4 & 3}, count = 1;
  for (int32_t i = 0; i < rank; i++)
    count *= shape[i];
  size_t elements = count > 0 ? (size_t)count : 1;
  struct lent *lent = calloc(1, sizeof *lent + elements * sizeof *lent->elements);
  if (lent == NULL)
    abort();
  DLManagedTensorVersioned *managed = &lent->managed;
  managed->version.major = (sizes >> 6 & 15) == 15 ? 2 : 1;
  managed->deleter = give_back;
  managed->dl_tensor.data = lent->elements;
  managed->dl_tensor.device.device_type = (sizes >> 10 & 15) == 15 ? kDLCUDA : kDLCPU;
  managed->dl_tensor.ndim = rank;
  managed->dl_tensor.dtype = (DLDataType){kDLFloat, sizes >> 14 & 1 ? 32 : 64, 1};
  if ((sizes >> 15 & 3) == 3)
    managed->dl_tensor.dtype.code = (uint8_t)(sizes >> 17 & 7);
  managed->dl_tensor.shape = lent->shape;
  int64_t stride = 1;
  for (int32_t i = rank; i-- > 0;) {
    lent->shape[i] = shape[i];
    lent->strides[i] = (sizes >> (20 + i) & 1) ? 0 : stride;
    stride *= shape[i];
  }
  if (sizes >> 19 & 1)
    managed->dl_tensor.strides = lent->strides;
  ng_tensor *tensor = ng_from_dlpack(managed, copy, tag);
  if (tensor == NULL)
    give_back(managed);
  return tensor;
}

/* Whole small numbers in each dtype, for leaves that are made with data. */
static const void *data_for(int number, const struct operands *operands) {
  static float floats[65536];
  static double doubles[65536];
  static int32_t ints[65536];
  static int64_t longs[65536];
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&lock);
  if (floats[1] == 0)
    for (int i = 0; i < 65536; i++) {
      ints[i] = i % 3;
      longs[i] = i % 3;
      doubles[i] = (i % 17 - 5) * 0.125;
      floats[i] = (float)(i % 17 - 5) * 0.125f;
    }
  pthread_mutex_unlock(&lock);
  if (elements_asked_for(number, operands) > (double)most_filled)
    return NULL;
  return operands->dtype == NG_FLOAT32   ? (void *)floats
         : operands->dtype == NG_FLOAT64 ? (void *)doubles
         : operands->dtype == NG_INT32   ? (void *)ints
         : operands->dtype == NG_INT64   ? (void *)longs
                                         : NULL;
}

/* ---- Running --------------------------------------------------------------------------------- */

#define T0 o->tensors[0]
#define T1 o->tensors[1]
#define T2 o->tensors[2]
#define T3 o->tensors[3]
#define T4 o->tensors[4]
#define T5 o->tensors[5]
#define T6 o->tensors[6]
#define T7 o->tensors[7]
#define C o->checkpoint
#define F o->file
#define MADE made_too
#define O o->optimizer
#define S0 o->schedules[0]
#define S1 o->schedules[1]
#define D0 o->numbers[0]
#define D1 o->numbers[1]
#define D2 o->numbers[2]
#define I0 o->ints[0]
#define I1 o->ints[1]
#define N0 o->longs[0]
#define N1 o->longs[1]
#define N2 o->longs[2]
#define Y o->dtype
#define SHAPE o->rank, o->shape
#define PAIR o->rank, o->shape, o->shape2
#define AXES o->axis_count, o->axes
#define LIST (ng_tensor *const *)o->list, o->list_count
#define RESULTS o->results
#define TEXT o->text
#define BUFFER o->buffer, o->capacity
#define MEMORY o->data, o->byte_count
#define DATA data_for(number, o)
#define OUT o->out

static void make_call(struct call *call, int number) {
  struct operands *o = call->operands;
  ng_tensor *made_too[2] = {NULL, NULL};
  switch (number) {
#define CALL(cost, function, operands, made)                                                       \
  case CALL_##function:                                                                            \
    RESULT(call, made);                                                                            \
    break;
#include "calls.def"
#undef CALL
  }
  for (int i = 0; i < 2; i++)
    if (made_too[i] != NULL)
      new_tensor(call, made_too[i]);
}

/* Operands that fit a recurrent network, which chance would not find: seven or eight have to agree.
 */
static void fit_recurrent(struct program *program, struct operands *o, int number) {
  const int sequence = number == CALL_ng_rnn || number == CALL_ng_gru || number == CALL_ng_lstm;
  const int lstm = number == CALL_ng_lstm || number == CALL_ng_lstm_cell;
  const int gru = number == CALL_ng_gru || number == CALL_ng_gru_cell;
  const uint8_t sizes = next_byte(program), flags = next_byte(program), own = next_byte(program);
  const int64_t batch = 1 + sizes % 3, in = 1 + sizes / 3 % 3, hidden = 1 + sizes / 9 % 3;
  const int64_t all = hidden * (lstm ? 4 : gru ? 3 : 1), steps = sizes / 27 % 4;
  o->ints[0] = flags < 128 ? 0 : flags % 32;
  /* With both ways, all but x have a first axis of 2. */
  const int32_t ways = sequence && (o->ints[0] & NG_RECURRENT_BIDIRECTIONAL);
  const int64_t x[] = {steps, batch, in}, h[] = {2, batch, hidden}, w[] = {2, in, all};
  const int64_t r[] = {2, hidden, all}, b[] = {2, all};
  const struct {
    const int64_t *shape;
    int rank;
  } cell[] = {{h, 3}, {h, 3}, {w, 3}, {r, 3}, {b, 2}, {b, 2}};
  o->dtype = NG_FLOAT32;
  for (int i = 0; i < o->tensor_count; i++) {
    int part = i == 0 ? -1 : lstm ? i - 1 : i;
    ng_tensor *tensor;
    if (own >= 192 && own >> i % 8 & 1)
      continue; /* as decoded */
    if (part < 0)
      tensor = ng_variable(NG_FLOAT32, 2 + sequence, x + !sequence, data_for(number, o), NULL);
    else if (part < 6)
      tensor = ng_parameter(NG_FLOAT32, cell[part].rank - !ways, cell[part].shape + !ways,
                            data_for(number, o), NULL);
    else
      tensor = sizes % 2 ? NULL : ng_variable(NG_INT64, 1, &batch, NULL, NULL);
    o->tensors[i] = tensor;
    if (tensor != NULL)
      remember(program, tensor, light);
  }
}

/* A call, and what its tensors are. Asking leaves the error as it was. */
static void trace(const char *function, const struct operands *operands) {
  fprintf(stderr, "%s\n", function);
  ng_status before = ng_error();
  for (int i = 0; i < operands->tensor_count + (operands->list ? operands->list_count : 0); i++) {
    int j = i - operands->tensor_count;
    ng_tensor *tensor = j < 0 ? operands->tensors[i] : operands->list[j];
    int64_t shape[NG_MAX_RANK];
    if (ng_shape(tensor, NG_MAX_RANK, shape) != NG_OK)
      continue;
    char text[400];
    ng_notation(tensor, text, sizeof text);
    fprintf(stderr, "    %s: %s [", text, ng_dtype_name(ng_dtype_of(tensor)));
    for (int32_t axis = 0; axis < ng_rank(tensor); axis++)
      fprintf(stderr, "%s%lld", axis ? ", " : "", (long long)shape[axis]);
    fprintf(stderr, "]\n");
  }
  if (before == NG_OK)
    ng_clear_error();
}

static void run_call(struct program *program, int number) {
  struct operands operands;
  decode(program, signatures[number], &operands);
  if (costs[number] == UNROLLS && next_byte(program) % 4 != 0)
    fit_recurrent(program, &operands, number);
  /* A product takes up to 64 multiplications for each element. */
  struct call call = {.program = program,
                      .operands = &operands,
                      .function = names[number],
                      .per_element = costs[number] == UNROLLS   ? 65536
                                     : number == CALL_ng_matmul ? 64
                                                                : 8};
  int affordable = is_affordable(&call, number);
  /* Decoding and weighing have asked about tensors, stale ones among them. */
  if (next_byte(program) % 8 != 0)
    ng_clear_error();
  call.was_clear = ng_error() == NG_OK;
  if (affordable) {
    if (is_traced)
      trace(names[number], &operands);
    calls[number]++;
    make_call(&call, number);
    successes[number] += (unsigned)call.succeeded;
    if (number == CALL_ng_gradients && operands.results != NULL)
      for (int i = 0; i < operands.list_count; i++)
        if (operands.results[i] != NULL)
          new_tensor(&call, operands.results[i]);
    if (number == CALL_ng_scope_end || number == CALL_ng_release)
      forget_stale(program);
  }
  discard(&operands);
}

static void begin_program(struct program *program, const uint8_t *bytes, size_t size) {
  memset(program, 0, sizeof *program);
  program->bytes = bytes;
  program->end = bytes + size;
  program->work_left = work_per_program;
  program->is_alone = 1;
  program->nodes = 16;
  program->elements = 256;
  const double numbers[] = {0.5, -1, 2, 0.25, 3, -0.5};
  const float halves[] = {0.5f, -1, 2, 0.25f, 3, -0.5f};
  const int64_t shape[] = {2, 3}, indices[] = {0, 1};
  ng_tensor *w = ng_parameter(NG_FLOAT32, 2, shape, halves, "w");
  ng_optimizer *optimizer = ng_adam(0.01);
  ng_optimizer_add(optimizer, &w, 1);
  program->optimizers[program->optimizer_count++] = optimizer;
  program->schedules[program->schedule_count++] = ng_schedule_linear(10, 1, 0);
  remember(program, ng_variable(NG_INT64, 1, shape, indices, "i"), light);
  remember(program, ng_variable(NG_FLOAT64, 2, shape, numbers, NULL), light);
  remember(program, ng_parameter(NG_FLOAT64, 1, shape + 1, numbers, "v"), light);
  remember(program, ng_variable(NG_FLOAT32, 2, shape, halves, "x"), light);
  remember(program, w, light);
}

static void end_program(struct program *program) {
  for (int i = 0; i < program->tensor_count; i++)
    ng_release(program->tensors[i].handle);
  for (int i = 0; i < program->optimizer_count; i++)
    ng_optimizer_release(program->optimizers[i]);
  for (int i = 0; i < program->schedule_count; i++)
    ng_schedule_release(program->schedules[i]);
  for (int i = 0; i < program->checkpoint_count; i++)
    ng_checkpoint_release(program->checkpoints[i]);
  for (int i = 0; i < program->file_count; i++)
    ng_safetensors_release(program->files[i]);
}

/* ---- Threads --------------------------------------------------------------------------------- */

struct thread {
  pthread_t thread;
  struct program program;
  const uint8_t *bytes;
  size_t size;
  ng_tensor *handed[4]; /* to be released there */
  int handed_count;
};

static void run_calls(struct program *program, struct thread *threads, int *thread_count);

static void *run_thread(void *argument) {
  struct thread *thread = argument;
  if (ng_error() != NG_OK)
    wrong("a new thread", "it has an error");
  begin_program(&thread->program, thread->bytes, thread->size);
  thread->program.is_alone = 0;
  for (int i = 0; i < thread->handed_count; i++)
    ng_release(thread->handed[i]);
  run_calls(&thread->program, NULL, NULL);
  /* Scopes that are still open end with the thread. */
  end_program(&thread->program);
  return NULL;
}

/* The next bytes become the program of a thread that runs beside this one, and releases some of its
 * handles. */
static void start_thread(struct program *program, struct thread *thread) {
  memset(thread, 0, sizeof *thread);
  size_t left = (size_t)(program->end - program->bytes), asked = (size_t)next_byte(program) * 4;
  uint8_t handed = next_byte(program);
  left = (size_t)(program->end - program->bytes);
  thread->bytes = program->bytes;
  thread->size = asked < left ? asked : left;
  program->bytes += thread->size;
  program->is_alone = 0;
  for (int i = 0; i < handed % 5 && program->tensor_count > 4 && i < 4; i++)
    thread->handed[thread->handed_count++] = program->tensors[--program->tensor_count].handle;
  if (pthread_create(&thread->thread, NULL, run_thread, thread) != 0) {
    perror("pthread_create");
    abort();
  }
}

static void run_calls(struct program *program, struct thread *threads, int *thread_count) {
  for (int i = 0; i < max_calls && program->bytes < program->end; i++) {
    int choice = next_byte(program);
    choice = (choice << 8 | next_byte(program)) % choices;
    if (choice < call_count)
      run_call(program, choice);
    else if (choice == choices - 1 && threads != NULL && *thread_count < max_threads)
      start_thread(program, &threads[(*thread_count)++]);
    else if (choice % 2)
      run_call(program, choice / 2 % call_count);
    else
      run_call(program, common[choice / 2 % (int)(sizeof common / sizeof *common)]);
  }
}

/* ---- Afterwards ------------------------------------------------------------------------------ */

/* A small computation: y = tanh(x @ w), the loss Σ y², its gradient, and a step down. */
static void check_that_it_computes(void) {
  const double x[] = {1, 2, 3, 4}, w[] = {0.5, -0.25};
  const int64_t shape[] = {2, 2};
  ng_clear_error();
  ng_scope_begin();
  ng_tensor *weights = ng_parameter(NG_FLOAT64, 1, shape, w, "w");
  ng_tensor *y = ng_tanh(ng_matmul(ng_variable(NG_FLOAT64, 2, shape, x, "x"), weights));
  ng_tensor *loss = ng_ridge(y);
  ng_backward(loss);
  ng_optimizer *optimizer = ng_sgd(0.5);
  ng_optimizer_add(optimizer, &weights, 1);
  double value = ng_item(loss), gradient[2] = {0}, updated[2] = {0};
  ng_read(ng_grad(weights), gradient, sizeof gradient);
  ng_optimizer_step(optimizer);
  ng_read(weights, updated, sizeof updated);
  ng_optimizer_release(optimizer);
  /* By hand: x @ w = [0, 0.5], and the gradient in w is 2·y·(1 - y²) times the row of x. */
  double t = tanh(0.5), slope = 2 * t * (1 - t * t);
  double error = fabs(value - t * t) + fabs(gradient[0] - 3 * slope) +
                 fabs(gradient[1] - 4 * slope) + fabs(updated[0] - (w[0] - 1.5 * slope)) +
                 fabs(updated[1] - (w[1] - 2 * slope));
  if (ng_error() != NG_OK || !(error < 1e-12))
    wrong("the computation afterwards", "it gave another result");
  ng_scope_end();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static int threads_at_first = 0;
  if (threads_at_first == 0) {
    is_traced = getenv("FUZZ_TRACE") != NULL;
    if (getenv("FUZZ_COUNT") != NULL)
      atexit(print_calls_made);
    threads_at_first = ng_num_threads();
    check_that_it_computes();
  }
  int64_t handles = ng_live_handles(), bytes = ng_live_bytes();

  struct program program;
  static struct thread threads[max_threads];
  int thread_count = 0;
  begin_program(&program, data, size);
  run_calls(&program, threads, &thread_count);
  end_program(&program);
  for (int i = 0; i < thread_count; i++)
    pthread_join(threads[i].thread, NULL);
  while (ng_scope_end() == NG_OK)
    ;
  ng_clear_error();
  ng_set_num_threads(threads_at_first);
  ng_set_memory_limit(0);
  ng_seed(0);

  char file[64];
  snprintf(file, sizeof file, "/tmp/nanograd-fuzz-%ld", (long)getpid());
  unlink(file);

  check_that_it_computes();
  if (ng_live_handles() != handles) {
    fprintf(stderr, "%lld handles before, %lld after\n", (long long)handles,
            (long long)ng_live_handles());
    abort();
  }
  if (ng_live_bytes() != bytes) {
    fprintf(stderr, "%lld bytes before, %lld after\n", (long long)bytes,
            (long long)ng_live_bytes());
    abort();
  }
  return 0;
}
