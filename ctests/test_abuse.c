/* Every function of the header called in every wrong way that could be thought of: an error that
 * names the function each time, nothing changed, and the library at work again after it. */
#include "support.h"

enum {
  null_error = 1 << -NG_ERROR_NULL,
  handle_error = 1 << -NG_ERROR_HANDLE,
  shape_error = 1 << -NG_ERROR_SHAPE,
  dtype_error = 1 << -NG_ERROR_DTYPE,
  argument_error = 1 << -NG_ERROR_ARGUMENT,
  memory_error = 1 << -NG_ERROR_MEMORY,
  state_error = 1 << -NG_ERROR_STATE,
  file_error = 1 << -NG_ERROR_FILE,
  format_error = 1 << -NG_ERROR_FORMAT,
  size_error = shape_error | memory_error
};

/* What the calls of the tables are made with; see the tables. */
static ng_tensor *x, *v, *c, *b, *n, *p, *y, *i, *rows, *empty, *deep, *stale, *results[2];
static ng_tensor *w1, *w3, *w4, *v3, *v4;
static ng_optimizer *optimizer, *sgd, *adam;
static ng_schedule *schedule, *endless;
static ng_checkpoint *training;
static ng_safetensors *file;
static int64_t room[8];
static const int64_t zeros[16], huge = (int64_t)1 << 62;
static double out;
static char text[8];

/* An array of names. */
#define NAMES(...) ((const char *[]){__VA_ARGS__})

/* ---- Calling --------------------------------------------------------------------------------- */

/* The status a call ended with: what it returned, or `ng_error` where it can only say that it
 * failed. */
static int64_t of_pointer(const void *result) { return result ? NG_OK : ng_error(); }
static int64_t of_double(double result) { return isnan(result) ? ng_error() : NG_OK; }
static int64_t of_int32(int32_t result) { return result < 0 ? result : NG_OK; }
static int64_t of_int64(int64_t result) { return result < 0 ? result : NG_OK; }
#define STATUS_OF(call)                                                                            \
  _Generic((call), double                                                                          \
           : of_double, int32_t                                                                    \
           : of_int32, int64_t                                                                     \
           : of_int64, default                                                                     \
           : of_pointer)(call)

/* Operands that are possible each, being lazy, but together more elements than can be counted. */
static ng_tensor *over_broadcast(ng_tensor *(*function)(ng_tensor *, ng_tensor *)) {
  const int64_t many = (int64_t)1 << 35;
  return function(ng_broadcast_to(c, SHAPE(many, 1)), ng_broadcast_to(c, SHAPE(many)));
}

static int failures, calls;

static void complain(const char *call, const char *what) {
  failures++;
  print_error("%s: %s; error %d, \"%s\"\n", call, what, (int)ng_error(), ng_error_message());
}

static void begin_call(void) {
  ng_clear_error();
  ng_scope_begin();
}

/* Judges a call made since `begin_call`. What its own arguments made goes with the scope; what is
 * alive after that was leaked by the call. */
static void judge(const char *function, int codes, int64_t status, const char *call) {
  static int64_t handles = -1;
  size_t length = strlen(function);
  const char *message = ng_error_message();
  calls++;
  if (status >= 0)
    complain(call, "it was accepted");
  else if (status < -30 || !(codes & 1 << -status))
    complain(call, "another code was expected");
  else if (status != ng_error())
    complain(call, "ng_error does not agree with the result");
  else if (strncmp(message, function, length) != 0 || strlen(message) < length + 4)
    complain(call, "the message does not begin with the function's name");
  ng_clear_error();
  if (!works())
    complain(call, "the library does not work after it");
  ng_scope_end();
  if (handles >= 0 && ng_live_handles() != handles)
    complain(call, "handles are left over");
  handles = ng_live_handles();
}

/* ---- The tables ------------------------------------------------------------------------------ */

static void test_wrong_arguments(void **state) {
  (void)state;
  failures = calls = 0;
#define REFUSED(function, codes, ...)                                                              \
  begin_call();                                                                                    \
  judge(#function, codes, STATUS_OF(__VA_ARGS__), #__VA_ARGS__);
#include "abuse_arguments.def"
#include "abuse_checkpoints.def"
#include "abuse_training.def"
#undef REFUSED
  print_message("%d calls refused\n", calls - failures);
  assert_int_equal(failures, 0);
}

#define HANDLE(function, ...)                                                                      \
  begin_call();                                                                                    \
  judge(#function, code, STATUS_OF(__VA_ARGS__), #__VA_ARGS__);

static void call_with(void *bad, int code) {
#define RELEASE(function, ...) HANDLE(function, __VA_ARGS__)
#define OPTIONAL(function, ...) HANDLE(function, __VA_ARGS__)
#include "abuse_handles.def"
#undef RELEASE
#undef OPTIONAL
}

static void test_handles_that_are_none(void **state) {
  (void)state;
  failures = calls = 0;
  int64_t handles = ng_live_handles();
  ng_optimizer *released = ng_sgd(1);
  ng_schedule *gone = ng_schedule_constant(1, 1);
  expect_ok(ng_optimizer_release(released));
  expect_ok(ng_schedule_release(gone));
  ng_checkpoint *past = ng_checkpoint_new();
  expect_ok(ng_checkpoint_release(past));
  call_with(past, handle_error);
  call_with(stale, handle_error);
  call_with(released, handle_error);
  call_with(gone, handle_error);
  call_with(&handles, handle_error);
  call_with((void *)1, handle_error);
  call_with((void *)8, handle_error);
  call_with((void *)UINTPTR_MAX, handle_error);
  call_with((void *)INTPTR_MAX, handle_error);
  call_with((void *)((uintptr_t)x ^ (uintptr_t)1 << 63), handle_error);
  call_with((void *)((uintptr_t)x ^ (uintptr_t)1 << 40), handle_error);
  print_message("%d calls refused\n", calls - failures);
  assert_int_equal(failures, 0);
  assert_int_equal(ng_live_handles(), handles);
}

static void test_null_handles(void **state) {
  (void)state;
  failures = calls = 0;
  void *bad = NULL;
  const int code = null_error;
#define RELEASE(function, ...) expect_ok(__VA_ARGS__);
#define OPTIONAL(function, ...)                                                                    \
  begin_call();                                                                                    \
  assert_true(STATUS_OF(__VA_ARGS__) == NG_OK);                                                    \
  ng_scope_end();
#include "abuse_handles.def"
#undef RELEASE
#undef OPTIONAL
#undef HANDLE
  assert_int_equal(failures, 0);
  /* Where an error is recorded already, it stays, message and all. */
#define RELEASE(function, ...)
#define OPTIONAL(function, ...)
#define HANDLE(function, ...)                                                                      \
  assert_null(ng_cast(x, 99));                                                                     \
  (void)STATUS_OF(__VA_ARGS__);                                                                    \
  expect_error(NG_ERROR_DTYPE, "ng_cast");
#include "abuse_handles.def"
#undef RELEASE
#undef OPTIONAL
#undef HANDLE
}

/* What kind of handle stands in the place of `bad` in a call of the table. */
static const char *kind_of(const char *function, const char *call) {
  if (strncmp(function, "ng_schedule_", 12) == 0)
    return "schedule";
  if (strncmp(function, "ng_safetensors_", 15) == 0 || strstr(call, "_load(training") != NULL)
    return "file";
  if (strncmp(function, "ng_checkpoint_", 14) == 0)
    return strstr(call, "(bad") ? "checkpoint" : strstr(call, "TENSORS") ? "tensor" : "optimizer";
  if (strncmp(function, "ng_optimizer_", 13) != 0)
    return "tensor";
  return strstr(call, "(bad") ? "optimizer" : strstr(call, "TENSORS") ? "tensor" : "schedule";
}

/* A handle of another kind, wherever a handle goes. */
static void call_with_other_kind(void *bad, const char *kind) {
  const int code = handle_error;
#define HANDLE(function, ...)                                                                      \
  if (strcmp(kind, kind_of(#function, #__VA_ARGS__)) != 0) {                                       \
    begin_call();                                                                                  \
    judge(#function, code, STATUS_OF(__VA_ARGS__), #__VA_ARGS__);                                  \
  }
#define RELEASE(function, ...) HANDLE(function, __VA_ARGS__)
#define OPTIONAL(function, ...) HANDLE(function, __VA_ARGS__)
#include "abuse_handles.def"
#undef RELEASE
#undef OPTIONAL
#undef HANDLE
}

static void test_handles_of_another_kind(void **state) {
  (void)state;
  failures = calls = 0;
  call_with_other_kind(x, "tensor");
  call_with_other_kind(sgd, "optimizer");
  call_with_other_kind(schedule, "schedule");
  call_with_other_kind(training, "checkpoint");
  call_with_other_kind(file, "file");
  print_message("%d calls refused\n", calls - failures);
  assert_int_equal(failures, 0);
}

/* ---- The tables are complete
 * ---------------------------------------------------------------------- */

static const char *const tested[] = {
#define HANDLE(function, ...) #function,
#define RELEASE(function, ...) #function,
#define OPTIONAL(function, ...) #function,
#define REFUSED(function, ...) #function,
#include "abuse_arguments.def"
#include "abuse_checkpoints.def"
#include "abuse_handles.def"
#include "abuse_training.def"
    /* in test_memory.c */
    "ng_reset_memory_peak",
    "ng_release_caches",
    /* in test_limits.c */
    "ng_version",
    "ng_version_number",
    "ng_dtype_name",
    "ng_dtype_size",
    "ng_error",
    "ng_error_message",
    "ng_clear_error",
    "ng_scope_begin",
    "ng_scope_end",
    "ng_live_handles",
    "ng_live_bytes",
    "ng_seed",
    "ng_num_threads",
    "ng_isa",
    /* in test_checkpoint.c */
    "ng_checkpoint_new",
};

static void test_every_function_of_the_header(void **state) {
  (void)state;
#ifdef NANOGRAD_HEADER
  const char *path = NANOGRAD_HEADER;
#else
  char path[4096] = __FILE__;
  snprintf(strstr(path, "ctests/test_abuse.c"), 32, "include/nanograd.h");
#endif
  FILE *header = fopen(path, "r");
  if (header == NULL)
    skip();
  char line[256];
  int declared = 0, missing = 0;
  while (fgets(line, sizeof line, header) != NULL) {
    if (strncmp(line, "NG_API", 6) != 0)
      continue;
    char *name = strstr(line, "ng_"), *end = strchr(line, '(');
    assert_true(name != NULL && end != NULL);
    *end = 0;
    name = strrchr(line, ' ') + 1;
    if (*name == '*')
      name++;
    size_t k = 0;
    while (k < COUNT(tested) && strcmp(tested[k], name) != 0)
      k++;
    if (k == COUNT(tested))
      print_error("%s is in no table\n", name), missing++;
    declared++;
  }
  fclose(header);
  print_message("%d functions\n", declared);
  assert_true(declared >= 168);
  assert_int_equal(missing, 0);
}

/* ---- Before and after
 * ----------------------------------------------------------------------------- */

static const double numbers[6] = {1, 2, 3, 4, 5, 6};

static int make_operands(void **state) {
  if (begin_test(state) != 0)
    return -1;
  struct numbers six = {6, numbers};
  x = make(NG_FLOAT64, SHAPE(2, 3), six);
  v = make(NG_FLOAT64, SHAPE(3), NUMBERS(1, 2, 3));
  c = make(NG_FLOAT64, SCALAR, NUMBERS(2));
  b = ng_ones(NG_FLOAT64, SHAPE(2, 2, 3));
  n = make(NG_FLOAT32, SHAPE(2, 3), six);
  p = make_parameter(NG_FLOAT64, SHAPE(2, 3), six);
  y = ng_multiply(p, p);
  i = make(NG_INT64, SHAPE(2, 1), NUMBERS(0, 1));
  rows = make(NG_INT64, SHAPE(2), NUMBERS(0, 2));
  empty = ng_zeros(NG_FLOAT64, SHAPE(0, 3));
  deep = ng_zeros(NG_FLOAT64, SHAPE(1, 1, 1, 1, 1, 1, 1, 1));
  w1 = ng_ones(NG_FLOAT64, SHAPE(3, 3));
  w3 = ng_ones(NG_FLOAT64, SHAPE(3, 9));
  w4 = ng_ones(NG_FLOAT64, SHAPE(3, 12));
  v3 = ng_ones(NG_FLOAT64, SHAPE(9));
  v4 = ng_ones(NG_FLOAT64, SHAPE(12));
  stale = ng_exp(x);
  ng_release(stale);
  sgd = optimizer = ng_sgd(0.5);
  adam = ng_adam(0.25);
  ng_optimizer_add(sgd, &p, 1);
  ng_optimizer_add(adam, &p, 1);
  schedule = ng_schedule_linear(10, 1, 0);
  endless = ng_schedule_constant(0, 1);
  training = ng_checkpoint_new();
  ng_checkpoint_add(training, NAMES("p"), &p, 1);
  ng_checkpoint_add_random(training, "random");
  static const char contents[] = "\x60\0\0\0\0\0\0\0"
                                 "{\"__metadata__\":{\"k\":\"v\"},\"p\":{\"dtype\":\"F64\","
                                 "\"shape\":[0,3],\"data_offsets\":[0,0]}}"
                                 "                ";
  file = ng_safetensors_open_memory(contents, 8 + 0x60);
  memset(room, 0, sizeof room);
  return ng_backward(ng_ridge(p));
}

/* No refused call has changed any of the operands. */
static int check_operands(void **state) {
  double values[6], gradients[6];
  int same = ng_read(x, values, sizeof values) == NG_OK && !memcmp(values, numbers, sizeof values);
  same =
      same && ng_read(p, values, sizeof values) == NG_OK && !memcmp(values, numbers, sizeof values);
  same = same && ng_read(ng_grad(p), gradients, sizeof gradients) == NG_OK;
  for (int k = 0; k < 6; k++)
    same = same && gradients[k] == 2 * numbers[k];
  same = same && ng_optimizer_steps(sgd) == 0 && ng_optimizer_rate(sgd) == 0.5;
  same = same && ng_optimizer_steps(adam) == 0 && ng_optimizer_rate(adam) == 0.25;
  same = same && ng_schedule_rate(schedule, 5) == 0.5;
  if (!same)
    print_error("an operand has changed, or: %s\n", ng_error_message());
  ng_optimizer_release(sgd);
  ng_optimizer_release(adam);
  ng_schedule_release(schedule);
  ng_schedule_release(endless);
  same = same && ng_safetensors_count(file) == 1;
  ng_checkpoint_release(training);
  ng_safetensors_release(file);
  return end_test(state) != 0 || !same ? -1 : 0;
}

#define ABUSE(function) cmocka_unit_test_setup_teardown(function, make_operands, check_operands)

int main(void) {
  const struct CMUnitTest tests[] = {
      ABUSE(test_null_handles),
      ABUSE(test_handles_that_are_none),
      ABUSE(test_handles_of_another_kind),
      ABUSE(test_wrong_arguments),
      TEST(test_every_function_of_the_header),
  };
  return cmocka_run_group_tests_name("abuse", tests, NULL, NULL);
}
