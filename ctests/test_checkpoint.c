/* Saving a training and going on with it: the same bits, whatever happens in between. */
#include "checkpoint.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* ---- Tensors and texts ----------------------------------------------------------------------- */

static ng_safetensors *saved(ng_checkpoint *state) {
  const int64_t size = ng_checkpoint_write(state, NULL, 0);
  assert_true(size > 8);
  unsigned char *bytes = malloc((size_t)size);
  assert_non_null(bytes);
  memset(bytes, 0xAA, (size_t)size);
  assert_int_equal(ng_checkpoint_write(state, bytes, size - 1), size);
  assert_int_equal(bytes[0], 0xAA); /* all or nothing */
  assert_int_equal(ng_checkpoint_write(state, bytes, size), size);
  ng_safetensors *file = ng_safetensors_open_memory(bytes, size);
  /* The file is the same. */
  unsigned char *written;
  expect_ok(ng_checkpoint_save(state, in_folder("saved")));
  assert_int_equal(read_file(in_folder("saved"), &written), size);
  assert_memory_equal(written, bytes, (size_t)size);
  free(written);
  free(bytes);
  return file;
}

static void test_every_bit_comes_back(void **state) {
  (void)state;
  /* Zeros of both signs, subnormals, infinities, and NaNs with something in them. */
  const uint32_t f32[] = {0,          0x80000000, 1,          0x807FFFFF,
                          0x7F800000, 0xFF800000, 0x7FC12345, 0xFF812345};
  const uint64_t f64[] = {
      0, 1ull << 63, 1, 0x7FF0000000000000, 0x7FF8123456789ABC, 0xFFF0123456789ABC};
  const int32_t i32[] = {INT32_MIN, -1, 0, INT32_MAX};
  const int64_t i64[] = {INT64_MIN, -1, 0, INT64_MAX};
  const struct {
    const char *name;
    ng_tensor *tensor;
    const void *bits;
    int64_t bytes;
  } cases[] = {
      {"f32", ng_parameter(NG_FLOAT32, SHAPE(2, 4), f32, NULL), f32, sizeof f32},
      {"f64", ng_parameter(NG_FLOAT64, SHAPE(6), f64, NULL), f64, sizeof f64},
      {"i32", ng_variable(NG_INT32, SHAPE(2, 1, 2), i32, NULL), i32, sizeof i32},
      {"i64", ng_variable(NG_INT64, SHAPE(1, 1, 1, 1, 1, 1, 1, 4), i64, NULL), i64, sizeof i64},
      {"scalar", ng_variable(NG_FLOAT32, SCALAR, f32 + 6, NULL), f32 + 6, 4},
      {"zeros", ng_parameter(NG_FLOAT32, SCALAR, NULL, NULL), f32, 4},
      {"empty", ng_zeros(NG_FLOAT64, SHAPE(0, 3)), NULL, 0},
      {"", ng_variable(NG_INT32, SHAPE(1), i32, NULL), i32, 4},
      {"a \"name\" \\ \x01\x1F é", ng_variable(NG_INT32, SHAPE(1), i32, NULL), i32, 4},
  };
  ng_checkpoint *training = ng_checkpoint_new();
  for (size_t i = 0; i < COUNT(cases); i++)
    expect_ok(ng_checkpoint_add(training, &cases[i].name, &cases[i].tensor, 1));
  expect_ok(ng_checkpoint_set_text(training, "", ""));
  expect_ok(ng_checkpoint_set_text(training, "text", "first"));
  expect_ok(ng_checkpoint_set_text(training, "text", "\"\\\b\t\n\r/\x7F é😀"));
  expect_ok(ng_checkpoint_set_integer(training, "least", INT64_MIN));
  expect_ok(ng_checkpoint_set_integer(training, "most", INT64_MAX));

  ng_safetensors *file = saved(training);
  assert_int_equal(ng_safetensors_count(file), COUNT(cases));
  assert_int_equal(ng_safetensors_text_count(file), 4);
  for (size_t i = 0; i < COUNT(cases); i++) {
    unsigned char bits[64];
    ng_tensor *tensor = ng_safetensors_tensor(file, cases[i].name);
    expect_ok(ng_read(tensor, bits, cases[i].bytes));
    if (cases[i].bytes > 0)
      assert_memory_equal(bits, cases[i].bits, (size_t)cases[i].bytes);
    assert_int_equal(ng_dtype_of(tensor), ng_dtype_of(cases[i].tensor));
    assert_int_equal(ng_rank(tensor), ng_rank(cases[i].tensor));
  }
  char text[64];
  assert_int_equal(ng_safetensors_text(file, "", text, sizeof text), 0);
  ng_safetensors_text(file, "text", text, sizeof text);
  assert_string_equal(text, "\"\\\b\t\n\r/\x7F é😀");
  int64_t least = 0, most = 0;
  expect_ok(ng_safetensors_integer(file, "least", &least));
  expect_ok(ng_safetensors_integer(file, "most", &most));
  assert_true(least == INT64_MIN && most == INT64_MAX);
  expect_ok(ng_safetensors_release(file));
  expect_ok(ng_checkpoint_release(training));
}

static void test_values_are_those_of_the_moment(void **state) {
  (void)state;
  ng_tensor *p = make_parameter(NG_FLOAT64, SHAPE(2), NUMBERS(1, 2));
  ng_tensor *y = ng_multiply(p, p);
  ng_checkpoint *training = ng_checkpoint_new();
  expect_ok(ng_checkpoint_add(training, (const char *[]){"p", "y"}, TENSORS(p, y), 2));
  expect_ok(ng_write(p, (double[]){3, 4}, 16));
  expect_ok(ng_release(p));
  expect_ok(ng_release(y)); /* the checkpoint has them */
  ng_safetensors *file = saved(training);
  expect_numbers(ng_safetensors_tensor(file, "p"), NUMBERS(3, 4), 0);
  expect_numbers(ng_safetensors_tensor(file, "y"), NUMBERS(9, 16), 0);
  assert_int_equal(ng_checkpoint_load(training, file), NG_ERROR_STATE);
  expect_words(NG_ERROR_STATE, "ng_checkpoint_load", "'y' is the result of multiply");
  expect_ok(ng_safetensors_release(file));
  expect_ok(ng_checkpoint_release(training));
  /* Of nothing at all. */
  training = ng_checkpoint_new();
  file = saved(training);
  assert_int_equal(ng_safetensors_count(file), 0);
  assert_int_equal(ng_safetensors_text_count(file), 0);
  expect_ok(ng_checkpoint_load(training, file));
  expect_ok(ng_safetensors_release(file));
  expect_ok(ng_checkpoint_release(training));
}

/* ---- The same bits --------------------------------------------------------------------------- */

enum { kinds = 6, units = 5, rounds = 12 };

/* A small regression on random data: weights of both float types, one that only joins later. */
struct run {
  ng_tensor *w, *b, *late;
  ng_optimizer *optimizer;
  ng_checkpoint *state;
};

static ng_optimizer *make_optimizer(int kind) {
  ng_optimizer *optimizer = kind < 3 ? ng_sgd(0.1) : kind < 5 ? ng_adam(0.1) : ng_adamw(0.1);
  if (kind == 1 || kind == 2)
    expect_ok(ng_optimizer_set_momentum(optimizer, 0.9, kind == 2));
  if (kind == 2)
    expect_ok(ng_optimizer_set_clip_norm(optimizer, 0.7));
  if (kind == 4) {
    expect_ok(ng_optimizer_set_betas(optimizer, 0.8, 0.95, 1e-3));
    expect_ok(ng_optimizer_set_clip_value(optimizer, 0.3));
  }
  if (kind >= 2)
    expect_ok(ng_optimizer_set_weight_decay(optimizer, 1.0 / 3));
  return optimizer;
}

static void begin_run(struct run *run, int kind, int fresh) {
  /* Where it is to be resumed, everything is different at first. */
  ng_seed(fresh ? 99 : 5);
  run->w = ng_to_parameter(ng_normal(NG_FLOAT32, SHAPE(units, 2), 0, 1), "w");
  run->b = ng_to_parameter(ng_normal(NG_FLOAT32, SHAPE(2), 0, 1), "b");
  run->late = ng_to_parameter(ng_normal(NG_FLOAT64, SHAPE(3), 0, 1), "late");
  run->optimizer = fresh ? (kind < 3   ? ng_sgd(7)
                            : kind < 5 ? ng_adam(7)
                                       : ng_adamw(7))
                         : make_optimizer(kind);
  expect_ok(ng_optimizer_add(run->optimizer, TENSORS(run->w, run->b, run->late), 3));
  if (!fresh) {
    ng_schedule *rise = ng_schedule_linear(3, 0.01, 0.1), *fall = ng_schedule_cosine(5, 0.1, 1e-3);
    ng_schedule *both = ng_schedule_chain(rise, fall);
    ng_schedule *steps = ng_schedule_step(2, 0.05, 0.7), *all = ng_schedule_chain(both, steps);
    expect_ok(ng_optimizer_set_schedule(run->optimizer, all));
    ng_schedule *const made[] = {rise, fall, both, steps, all};
    for (size_t i = 0; i < COUNT(made); i++)
      expect_ok(ng_schedule_release(made[i]));
  }
  run->state = ng_checkpoint_new();
  expect_ok(ng_checkpoint_add(run->state, (const char *[]){"w", "b", "late"},
                              TENSORS(run->w, run->b, run->late), 3));
  expect_ok(ng_checkpoint_add_optimizer(run->state, "optimizer", run->optimizer));
  expect_ok(ng_checkpoint_add_random(run->state, "random"));
}

static void go_on(struct run *run, int from, int to) {
  for (int i = from; i < to; i++) {
    expect_ok(ng_scope_begin());
    ng_tensor *x = ng_normal(NG_FLOAT32, SHAPE(4, units), 0, 1);
    ng_tensor *y = ng_tanh(ng_add(ng_matmul(x, run->w), run->b));
    ng_tensor *loss = ng_ridge(ng_add_scalar(y, -0.5));
    if (i >= 4) /* so that updates are counted differently */
      loss = ng_add(loss, ng_cast(ng_ridge(run->late), NG_FLOAT32));
    if (i == 2) /* a rate of its own from here on, and the schedule anew */
      expect_ok(ng_optimizer_set_rate(run->optimizer, 0.07));
    expect_ok(ng_backward(loss));
    expect_ok(ng_optimizer_step(run->optimizer));
    expect_ok(ng_optimizer_zero_grad(run->optimizer));
    expect_ok(ng_scope_end());
  }
}

struct result {
  float w[2 * units], b[2], noise[3];
  double late[3], norm, rate;
  int64_t steps;
};

static struct result end_run(struct run *run) {
  struct result result;
  memset(&result, 0, sizeof result);
  expect_ok(ng_read(run->w, result.w, sizeof result.w));
  expect_ok(ng_read(run->b, result.b, sizeof result.b));
  expect_ok(ng_read(run->late, result.late, sizeof result.late));
  expect_ok(ng_read(ng_normal(NG_FLOAT32, SHAPE(3), 0, 1), result.noise, sizeof result.noise));
  result.norm = ng_optimizer_grad_norm(run->optimizer);
  result.rate = ng_optimizer_rate(run->optimizer);
  result.steps = ng_optimizer_steps(run->optimizer);
  expect_ok(ng_optimizer_release(run->optimizer));
  expect_ok(ng_checkpoint_release(run->state));
  return result;
}

static void test_resumed_is_uninterrupted(void **state) {
  (void)state;
  for (int kind = 0; kind < kinds; kind++) {
    struct run run;
    begin_run(&run, kind, 0);
    go_on(&run, 0, rounds);
    const struct result whole = end_run(&run);
    assert_int_equal(whole.steps, rounds);
    for (int stop = 0; stop <= rounds; stop++) {
      begin_run(&run, kind, 0);
      go_on(&run, 0, stop);
      expect_ok(ng_checkpoint_save(run.state, in_folder("run")));
      end_run(&run);

      begin_run(&run, kind, 1);
      if (stop % 2 == 1) /* it may even have been used for something else */
        go_on(&run, 0, 5);
      ng_safetensors *file = ng_safetensors_open(in_folder("run"));
      expect_ok(ng_checkpoint_load(run.state, file));
      expect_ok(ng_safetensors_release(file));
      go_on(&run, stop, rounds);
      const struct result resumed = end_run(&run);
      assert_memory_equal(&resumed, &whole, sizeof whole);
    }
  }
}

/* A chain that contains itself many times over is not written out, and a deep one needs no stack.
 */
static void test_schedules_of_any_kind(void **state) {
  (void)state;
  ng_schedule *schedules[8] = {
      ng_schedule_constant(3, 0.1),           ng_schedule_constant(0, -0.0),
      ng_schedule_linear(7, 1e-300, 1.0 / 3), ng_schedule_exponential(9, 1, 0x1p-1074),
      ng_schedule_step(2, 5e-324, 0.9),       ng_schedule_cosine(INT64_MAX, 1, 2)};
  schedules[6] = ng_schedule_linear(2, 1, 0);
  for (int i = 0; i < 60; i++) { /* of 2^61 steps */
    ng_schedule *next = ng_schedule_chain(schedules[6], schedules[6]);
    expect_ok(ng_schedule_release(schedules[6]));
    schedules[6] = next;
  }
  schedules[7] = ng_schedule_constant(1, 0.5);
  for (int i = 0; i < 20000; i++) {
    ng_schedule *one = ng_schedule_constant(1, i), *next = ng_schedule_chain(schedules[7], one);
    expect_ok(ng_schedule_release(one));
    expect_ok(ng_schedule_release(schedules[7]));
    schedules[7] = next;
  }
  for (size_t i = 0; i < COUNT(schedules); i++) {
    ng_optimizer *optimizer = ng_sgd(1), *other = ng_sgd(2);
    expect_ok(ng_optimizer_set_schedule(optimizer, schedules[i]));
    ng_checkpoint *training = ng_checkpoint_new(), *resumed = ng_checkpoint_new();
    expect_ok(ng_checkpoint_add_optimizer(training, "o", optimizer));
    expect_ok(ng_checkpoint_add_optimizer(resumed, "o", other));
    ng_safetensors *file = saved(training);
    expect_ok(ng_checkpoint_load(resumed, file));
    expect_ok(ng_safetensors_release(file));
    for (int step = 0; step < 12; step++) {
      const double rates[] = {ng_optimizer_rate(optimizer), ng_optimizer_rate(other)};
      assert_memory_equal(&rates[0], &rates[1], sizeof(double));
      expect_ok(ng_optimizer_step(optimizer));
      expect_ok(ng_optimizer_step(other));
    }
    expect_ok(ng_checkpoint_release(training));
    expect_ok(ng_checkpoint_release(resumed));
    expect_ok(ng_optimizer_release(optimizer));
    expect_ok(ng_optimizer_release(other));
    expect_ok(ng_schedule_release(schedules[i]));
  }
}

/* ---- All or nothing -------------------------------------------------------------------------- */

/* Replaces the first occurrence of some bytes by as many others. */
static void replace(unsigned char *bytes, int64_t size, const char *from, const char *to) {
  const size_t length = strlen(from);
  assert_int_equal(strlen(to), length);
  for (int64_t i = 0; i + (int64_t)length <= size; i++) {
    if (memcmp(bytes + i, from, length) != 0)
      continue;
    memcpy(bytes + i, to, length);
    return;
  }
  fail_msg("there is no %s", from);
}

static void test_states_that_make_no_sense(void **state) {
  (void)state;
  static const struct {
    int kind; /* of the optimizer */
    const char *from, *to;
    ng_status code;
    const char *words;
  } cases[] = {
      {1, "\"w\"", "\"v\"", NG_ERROR_ARGUMENT, "no tensor 'w' in the file"},
      {1, "\"shape\":[3]", "\"shape\":[2]", NG_ERROR_FORMAT, "24 bytes, which F64 [2] does not"},
      {1, "\"shape\":[5,2]", "\"shape\":[2,5]", NG_ERROR_SHAPE,
       "[2, 5] in the file, expected [5, 2]"},
      {1, "\"dtype\":\"F32\"", "\"dtype\":\"I32\"", NG_ERROR_DTYPE,
       "is I32 in the file, expected float32"},
      {1, "\"dtype\":\"F32\"", "\"dtype\":\"U32\"", NG_ERROR_DTYPE, "is U32, expected one of"},
      {1, ":\"sgd\"", ":\"sdg\"", NG_ERROR_ARGUMENT,
       "'optimizer' is 'sdg' in the file, expected sgd"},
      {1, "momentum\":\"0.9\"", "momentum\":\"1.9\"", NG_ERROR_FORMAT,
       "momentum 1.9, expected at least 0"},
      {1, "momentum\":\"0.9\"", "momentum\":\"0,9\"", NG_ERROR_FORMAT,
       "is '0,9', expected a number"},
      {1, "momentum\":\"0.9\"", "momentum\":\"nan\"", NG_ERROR_FORMAT, "momentum nan"},
      {1, "optimizer.momentum", "optimizer.mimentum", NG_ERROR_ARGUMENT,
       "no metadata 'optimizer.momentum'"},
      {1, "\"false\"", "\"felse\"", NG_ERROR_FORMAT, "'felse', expected true or false"},
      {1, "steps\":\"5\"", "steps\":\"x\"", NG_ERROR_FORMAT, "'x', expected a count"},
      {1, "steps\":\"5\"", "steps\":\"1\"", NG_ERROR_FORMAT, "begins its schedule at step 2 of 1"},
      {1, "steps\":\"5\"", "steps\":\"4\"", NG_ERROR_FORMAT,
       "has 5 updates of Parameter 0 in 4 steps"},
      {1, "constant 0 ", "constant  0", NG_ERROR_FORMAT, "expected a schedule"},
      {1, "constant 0 ", "linear 0 1 ", NG_ERROR_FORMAT, "expected a schedule"},
      {1, "constant 0 ", "chain 0 0; ", NG_ERROR_FORMAT, "expected a schedule"},
      {1, "weight_decay\":\"0.0\"", "weight_decay\":\"inf\"", NG_ERROR_FORMAT, "decay inf"},
      {1, "clip_norm\":\"0.0\"", "clip_norm\":\"-.5\"", NG_ERROR_FORMAT, "max -0.5"},
      {1, "\"optimizer.mean.1", "\"optimizer.main.1", NG_ERROR_FORMAT,
       "has 2 tensors in the file, expected 3"},
      {1, "philox4x32-10 5", "philox4x32-11 5", NG_ERROR_FORMAT,
       "expected the state of a generator"},
      {1, "philox4x32-10 5", "philox4x32-10 x", NG_ERROR_FORMAT,
       "expected the state of a generator"},
      {4, "beta1\":\"0.8\"", "beta1\":\"8.0\"", NG_ERROR_FORMAT, "beta1 8.0"},
      {4, "epsilon\":\"0.001\"", "epsilon\":\"0.000\"", NG_ERROR_FORMAT, "epsilon 0.0"},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    struct run run;
    begin_run(&run, cases[i].kind, 0);
    go_on(&run, 0, 5);
    const int64_t size = ng_checkpoint_write(run.state, NULL, 0);
    unsigned char *bytes = malloc((size_t)size), *before = malloc((size_t)size);
    assert_true(bytes != NULL && before != NULL);
    assert_int_equal(ng_checkpoint_write(run.state, bytes, size), size);
    end_run(&run);
    replace(bytes, size, cases[i].from, cases[i].to);

    begin_run(&run, cases[i].kind, 0);
    go_on(&run, 0, 7);
    const int64_t earlier = ng_checkpoint_write(run.state, NULL, 0);
    before = realloc(before, (size_t)earlier);
    unsigned char *after = malloc((size_t)earlier);
    assert_true(before != NULL && after != NULL);
    assert_int_equal(ng_checkpoint_write(run.state, before, earlier), earlier);
    ng_safetensors *file = ng_safetensors_open_memory(bytes, size);
    const int opened = file != NULL;
    assert_true(!opened == (ng_checkpoint_load(run.state, file) == NG_ERROR_NULL));
    expect_words(cases[i].code, opened ? "ng_checkpoint_load" : "ng_safetensors_open_memory",
                 cases[i].words);
    /* Nothing has changed. */
    assert_int_equal(ng_checkpoint_write(run.state, after, earlier), earlier);
    assert_memory_equal(after, before, (size_t)earlier);
    expect_ok(ng_safetensors_release(file));
    end_run(&run);
    free(bytes);
    free(before);
    free(after);
  }
}

static void test_another_optimizer(void **state) {
  (void)state;
  ng_tensor *p = make_parameter(NG_FLOAT64, SHAPE(2), NUMBERS(1, 2));
  ng_tensor *q = make_parameter(NG_FLOAT64, SHAPE(2), NUMBERS(1, 2));
  ng_optimizer *adam = ng_adam(1), *adamw = ng_adamw(1), *sgd = ng_sgd(1), *two = ng_adam(1);
  expect_ok(ng_optimizer_add(adam, &p, 1));
  expect_ok(ng_optimizer_add(two, TENSORS(p, q), 2));
  ng_checkpoint *training = ng_checkpoint_new();
  expect_ok(ng_checkpoint_add_optimizer(training, "o", adam));
  ng_safetensors *file = saved(training);
  const struct {
    ng_optimizer *optimizer;
    ng_status code;
    const char *words;
  } cases[] = {
      {adamw, NG_ERROR_ARGUMENT, "'o' is 'adam' in the file, expected adamw"},
      {sgd, NG_ERROR_ARGUMENT, "'o' is 'adam' in the file, expected sgd"},
      {two, NG_ERROR_SHAPE, "'o.updates' is [1] in the file, expected [2]"},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    ng_checkpoint *other = ng_checkpoint_new();
    expect_ok(ng_checkpoint_add_optimizer(other, "o", cases[i].optimizer));
    assert_int_equal(ng_checkpoint_load(other, file), cases[i].code);
    expect_words(cases[i].code, "ng_checkpoint_load", cases[i].words);
    expect_ok(ng_checkpoint_release(other));
    expect_ok(ng_optimizer_release(cases[i].optimizer));
  }
  /* Names that the optimizer's collide with are found when all are known. */
  expect_ok(ng_checkpoint_add(training, (const char *[]){"o.updates"}, &p, 1));
  assert_int_equal(ng_checkpoint_save(training, in_folder("saved")), NG_ERROR_ARGUMENT);
  expect_words(NG_ERROR_ARGUMENT, "ng_checkpoint_save", "a second tensor of the name 'o.updates'");
  expect_ok(ng_safetensors_release(file));
  expect_ok(ng_checkpoint_release(training));
  expect_ok(ng_optimizer_release(adam));
}

/* ---- Where it cannot be saved ---------------------------------------------------------------- */

static ng_checkpoint *something(int64_t elements) {
  ng_checkpoint *training = ng_checkpoint_new();
  ng_tensor *tensor = ng_ones(NG_FLOAT64, SHAPE(elements));
  expect_ok(ng_checkpoint_add(training, (const char *[]){"ones"}, &tensor, 1));
  return training;
}

static void test_places_that_are_none(void **state) {
  (void)state;
  ng_checkpoint *training = something(100);
  assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
  const int files = count_files();
  const struct {
    const char *path;
    ng_status code;
    const char *words;
  } cases[] = {
      {in_folder("missing/file"), NG_ERROR_FILE, "cannot be created: No such file or directory"},
      {in_folder("pipe/file"), NG_ERROR_FILE, "Not a directory"},
      {in_folder("."), NG_ERROR_FILE, "is a folder, expected a file, or nothing yet"},
      {in_folder("pipe"), NG_ERROR_FILE, "is a pipe, expected a file"},
      {"/dev/null", NG_ERROR_FILE, "is a device, expected a file"},
      {"/dev/full", NG_ERROR_FILE, "is a device, expected a file"},
      {"/proc/nanograd", NG_ERROR_FILE, "cannot be created"},
      {"", NG_ERROR_ARGUMENT, "the path is empty"},
      {"/tmp/\xFF", NG_ERROR_ARGUMENT, "the path is not UTF-8"},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    assert_int_equal(ng_checkpoint_save(training, cases[i].path), cases[i].code);
    expect_words(cases[i].code, "ng_checkpoint_save", cases[i].words);
  }
  assert_int_equal(count_files(), files);
  expect_ok(unlink(in_folder("pipe")));
  expect_ok(ng_checkpoint_release(training));
}

/* Saves what fails with the system's words, and requires that the old file is as it was. */
static void expect_old_file(ng_checkpoint *training, const char *path, const char *words) {
  unsigned char *data;
  const int files = count_files();
  assert_int_equal(ng_checkpoint_save(training, path), NG_ERROR_FILE);
  expect_words(NG_ERROR_FILE, "ng_checkpoint_save", words);
  assert_int_equal(read_file(path, &data), 3);
  assert_memory_equal(data, "old", 3);
  free(data);
  assert_int_equal(count_files(), files);
}

static void test_limits_of_the_system(void **state) {
  (void)state;
  ng_checkpoint *training = something(1000);
  char path[512];
  strcpy(path, in_folder("limited"));
  write_file(path, "old", 3);

  struct rlimit before, small;
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
  small = before;
  small.rlim_cur = 4000;
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
  expect_old_file(training, path, "File too large");
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);

  /* For root every folder is writable. */
  assert_int_equal(chmod(in_folder("."), 0555), 0);
  const int root = geteuid() == 0;
  if (root)
    assert_int_equal(seteuid(65534), 0);
  expect_old_file(training, path, "cannot be created: Permission denied");
  if (root)
    assert_int_equal(seteuid(0), 0);
  assert_int_equal(chmod(in_folder("."), 0755), 0);

  /* Its mode is kept, and a link stays a link. */
  assert_int_equal(chmod(path, 0640), 0);
  assert_int_equal(symlink("limited", in_folder("link")), 0);
  const int files = count_files();
  expect_ok(ng_checkpoint_save(training, in_folder("link")));
  struct stat status;
  assert_int_equal(lstat(in_folder("link"), &status), 0);
  assert_true(S_ISLNK(status.st_mode));
  assert_int_equal(stat(path, &status), 0);
  assert_true(status.st_size > 8000 && (status.st_mode & 07777) == 0640);
  assert_int_equal(count_files(), files);
  expect_ok(unlink(path));
  assert_int_equal(ng_checkpoint_save(training, in_folder("link")), NG_ERROR_FILE);
  expect_words(NG_ERROR_FILE, "ng_checkpoint_save", "leads nowhere");
  expect_ok(unlink(in_folder("link")));
  expect_ok(ng_checkpoint_release(training));
}

/* In a folder that holds no more: a file system of its own, which only root can make. */
static void test_full_disk(void **state) {
  (void)state;
  char disk[512], path[512];
  strcpy(disk, in_folder("disk"));
  strcpy(path, in_folder("disk/file"));
  assert_int_equal(mkdir(disk, 0755), 0);
  if (mount("none", disk, "tmpfs", 0, "size=64k") != 0) {
    print_message("no disk to fill here: %s\n", strerror(errno));
    expect_ok(rmdir(disk));
    skip();
  }
  ng_checkpoint *training = something(100000), *small = something(10);
  write_file(path, "old", 3);
  expect_old_file(training, path, "cannot be written: No space left on device");
  expect_ok(ng_checkpoint_save(small, path));
  ng_safetensors *file = ng_safetensors_open(path);
  expect_shape(ng_safetensors_tensor(file, "ones"), SHAPE(10));
  expect_ok(ng_safetensors_release(file));
  expect_ok(ng_checkpoint_release(training));
  expect_ok(ng_checkpoint_release(small));
  assert_int_equal(umount(disk), 0);
  expect_ok(rmdir(disk));
}

/* A relative path, and one that is as long as a name can be. */
static void test_paths(void **state) {
  (void)state;
  ng_checkpoint *training = something(2);
  char name[256], here[4096];
  memset(name, 'n', 255);
  name[255] = 0;
  assert_non_null(getcwd(here, sizeof here));
  assert_int_equal(chdir(in_folder(".")), 0);
  for (int i = 0; i < 2; i++) { /* a new one, and in place of that */
    expect_ok(ng_checkpoint_save(training, name));
    ng_safetensors *file = ng_safetensors_open(name);
    assert_int_equal(ng_safetensors_count(file), 1);
    expect_ok(ng_safetensors_release(file));
  }
  expect_ok(unlink(name));
  expect_ok(ng_checkpoint_save(training, "./é😀"));
  expect_ok(unlink("é😀"));
  assert_int_equal(chdir(here), 0);
  expect_ok(ng_checkpoint_release(training));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_every_bit_comes_back),
      TEST(test_values_are_those_of_the_moment),
      TEST(test_resumed_is_uninterrupted),
      TEST(test_schedules_of_any_kind),
      TEST(test_states_that_make_no_sense),
      TEST(test_another_optimizer),
      TEST(test_places_that_are_none),
      TEST(test_limits_of_the_system),
      TEST(test_full_disk),
      TEST(test_paths),
  };
  return cmocka_run_group_tests_name("checkpoint", tests, make_folder, remove_folder);
}
