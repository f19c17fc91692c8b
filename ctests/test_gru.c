/* The main job: a recurrent network of two layers, in the header's operators, learns digits. */
#include "support.h"

#include "digits.h"
#include "idx.h"

enum { layers = 2, per_layer = 10, most = layers * per_layer + 2 };

/* Per layer the update gate, the reset gate and the candidate, then the initial state; last the
 * head. The names are those of Cho et al., 2014. */
struct gru {
  ng_dtype dtype;
  int64_t inputs, hidden, classes;
  int32_t count;
  ng_tensor *parameters[most];
};

static ng_tensor *weight(const struct gru *net, int64_t rows, int64_t columns, double scale) {
  ng_tensor *sample = ng_normal(net->dtype, SHAPE(rows, columns), 0, scale / sqrt((double)rows));
  return ng_keep(ng_to_parameter(sample, NULL));
}

static ng_tensor *bias(const struct gru *net, int64_t size) {
  return ng_keep(ng_parameter(net->dtype, SHAPE(size), NULL, NULL));
}

static void make_gru(struct gru *net) {
  expect_ok(ng_scope_begin());
  net->count = 0;
  int64_t inputs = net->inputs, hidden = net->hidden;
  for (int layer = 0; layer < layers; layer++) {
    for (int gate = 0; gate < 3; gate++) {
      net->parameters[net->count++] = weight(net, inputs, hidden, 1);
      net->parameters[net->count++] = weight(net, hidden, hidden, 1);
      net->parameters[net->count++] = bias(net, hidden);
    }
    net->parameters[net->count++] = bias(net, hidden);
    inputs = hidden;
  }
  net->parameters[net->count++] = weight(net, hidden, net->classes, 0.1);
  net->parameters[net->count++] = bias(net, net->classes);
  expect_ok(ng_scope_end());
}

static ng_tensor *affine(ng_tensor *x, ng_tensor *h, ng_tensor *const *p) {
  return ng_add(ng_add(ng_matmul(x, p[0]), ng_matmul(h, p[1])), p[2]);
}

static ng_tensor *cell(ng_tensor *x, ng_tensor *h, ng_tensor *const *p) {
  ng_tensor *z = ng_sigmoid(affine(x, h, p)), *r = ng_sigmoid(affine(x, h, p + 3));
  ng_tensor *candidate = ng_tanh(affine(x, ng_multiply(r, h), p + 6));
  ng_tensor *stay = ng_add_scalar(ng_negate(z), 1);
  return ng_add(ng_multiply(stay, h), ng_multiply(z, candidate));
}

/* The logits for a batch [batch, steps · inputs]. */
static ng_tensor *run(const struct gru *net, ng_tensor *batch) {
  int64_t rows = ng_dim(batch, 0), steps = ng_dim(batch, 1) / net->inputs;
  ng_tensor *h[layers];
  for (int layer = 0; layer < layers; layer++) {
    h[layer] = ng_broadcast_to(net->parameters[per_layer * layer + 9], SHAPE(rows, net->hidden));
  }
  for (int64_t step = 0; step < steps; step++) {
    ng_tensor *x = ng_slice(batch, 1, step * net->inputs, (step + 1) * net->inputs, 1);
    for (int layer = 0; layer < layers; layer++) {
      x = h[layer] = cell(x, h[layer], net->parameters + per_layer * layer);
    }
  }
  ng_tensor *const *head = net->parameters + net->count - 2;
  return ng_add(ng_matmul(h[layers - 1], head[0]), head[1]);
}

static void test_gradients_of_the_loss(void **state) {
  (void)state;
  struct gru net = {.dtype = NG_FLOAT64, .inputs = 3, .hidden = 4, .classes = 3};
  make_gru(&net);
  ng_tensor *x = ng_normal(NG_FLOAT64, SHAPE(5, 9), 0, 1);
  ng_tensor *t = make(NG_INT64, SHAPE(5), NUMBERS(0, 2, 1, 1, 0));
  ng_tensor *loss = ng_cross_entropy_logits_indices(run(&net, x), t);
  double error = NAN;
  expect_ok(ng_check_gradients(loss, 1e-5, &error));
  expect_close(error, 0, 1e-8);
  /* And that of its gradient, along one direction. */
  ng_tensor *g[most], *along = ng_zeros(NG_FLOAT64, SCALAR);
  expect_ok(ng_gradients(loss, NULL, net.parameters, net.count, g));
  for (int i = 0; i < net.count; i++)
    along = ng_add(along, weighted_sum(g[i]));
  error = NAN;
  expect_ok(ng_check_gradients(along, 1e-5, &error));
  expect_close(error, 0, 1e-7);
}

/* ---- Digits ---------------------------------------------------------------------------------- */

struct set {
  size_t count;
  uint8_t *images, *labels;
};

/* Reads a file of MNIST, compressed or plain. */
static struct idx read_file(const char *folder, const char *name, int rank) {
  struct idx array;
  char path[4096], message[IDX_MESSAGE], other[IDX_MESSAGE];
  snprintf(path, sizeof path, "%s/%s.gz", folder, name);
  if (idx_read(path, rank, &array, message))
    return array;
  path[strlen(path) - 3] = 0;
  if (!idx_read(path, rank, &array, other))
    fail_msg("%s; %s", message, other);
  return array;
}

static struct set read_set(const char *images_name, const char *labels_name) {
  const char *folder = getenv("NANOGRAD_MNIST");
  struct idx images = read_file(folder, images_name, 3);
  struct idx labels = read_file(folder, labels_name, 1);
  assert_int_equal(images.shape[1] * images.shape[2], DIGITS_PIXELS);
  assert_int_equal(images.shape[0], labels.shape[0]);
  return (struct set){labels.shape[0], images.data, labels.data};
}

static struct set draw_set(uint64_t seed, size_t count) {
  struct set set = {count, malloc(count * DIGITS_PIXELS), malloc(count)};
  assert_true(set.images != NULL && set.labels != NULL);
  digits_draw(seed, count, set.images, set.labels);
  return set;
}

static void free_set(struct set *set) {
  free(set->images);
  free(set->labels);
}

/* Images [count, pixels], scaled to 0 … 1, and their labels: those listed in `which`. */
static void batch_of(const struct set *set, const int64_t *which, int64_t count, ng_tensor **x,
                     ng_tensor **t) {
  static float pixels[1000 * DIGITS_PIXELS];
  int64_t labels[1000];
  assert_in_range(count, 1, 1000);
  for (int64_t i = 0; i < count; i++) {
    labels[i] = set->labels[which[i]];
    for (int64_t k = 0; k < DIGITS_PIXELS; k++) {
      pixels[i * DIGITS_PIXELS + k] = set->images[which[i] * DIGITS_PIXELS + k] / 255.0f;
    }
  }
  *x = ng_variable(NG_FLOAT32, SHAPE(count, DIGITS_PIXELS), pixels, "x");
  *t = ng_variable(NG_INT64, SHAPE(count), labels, "t");
}

/* The share of a set's images whose digit is recognised. */
static double accuracy(const struct gru *net, const struct set *set) {
  enum { batch = 1000 };
  int64_t which[batch];
  double right = 0;
  for (size_t first = 0; first + batch <= set->count; first += batch) {
    for (size_t i = 0; i < batch; i++)
      which[i] = (int64_t)(first + i);
    expect_ok(ng_scope_begin());
    ng_tensor *x, *t;
    batch_of(set, which, batch, &x, &t);
    right += ng_item(ng_sum(ng_equal(ng_argmax(run(net, x), 1, 0), t), ALL_AXES, 0));
    expect_ok(ng_scope_end());
  }
  return right / (double)set->count;
}

static void test_learns_digits(void **state) {
  (void)state;
  enum { batch = 32, steps = 1000, examples = batch * steps };
  const char *folder = getenv("NANOGRAD_MNIST");
  int real = folder != NULL && *folder != '\0';
  struct set train =
      real ? read_set("train-images-idx3-ubyte", "train-labels-idx1-ubyte") : draw_set(1, examples);
  struct set test =
      real ? read_set("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte") : draw_set(2, 5000);
  struct gru net = {.dtype = NG_FLOAT32, .inputs = DIGITS_PIXELS / 7, .hidden = 64, .classes = 10};
  ng_seed(1);
  make_gru(&net);
  ng_schedule *schedule = ng_schedule_cosine(steps, 0.5, 0);
  ng_optimizer *optimizer = ng_sgd(0.5);
  expect_ok(ng_optimizer_set_schedule(optimizer, schedule));
  expect_ok(ng_optimizer_set_clip_norm(optimizer, 1));
  expect_ok(ng_optimizer_add(optimizer, net.parameters, net.count));
  int64_t *order = calloc(train.count, sizeof *order);
  assert_non_null(order);
  expect_ok(
      ng_read(ng_permutation((int64_t)train.count), order, (int64_t)(train.count * sizeof *order)));
  assert_in_range(train.count, examples, 60000); /* less than one pass: no image is seen twice */
  int64_t handles = ng_live_handles();
  for (int64_t step = 0; step < steps; step++) {
    expect_ok(ng_scope_begin());
    ng_tensor *x, *t;
    batch_of(&train, order + step * batch, batch, &x, &t);
    ng_tensor *loss = ng_cross_entropy_logits_indices(run(&net, x), t);
    expect_ok(ng_optimizer_zero_grad(optimizer));
    expect_ok(ng_backward(loss));
    expect_ok(ng_optimizer_step(optimizer));
    if (step % 100 == 0)
      print_message("step %4lld, loss %.4f\n", (long long)step, ng_item(loss));
    expect_ok(ng_scope_end());
  }
  assert_int_equal(ng_live_handles(), handles);
  double share = accuracy(&net, &test);
  print_message("%.2f %% of %d test images (%s)\n", 100 * share, (int)test.count,
                real ? "MNIST" : "drawn digits");
  assert_true(share >= 0.9);
  free(order);
  free_set(&train);
  free_set(&test);
  for (int i = 0; i < net.count; i++)
    expect_ok(ng_release(net.parameters[i]));
  expect_ok(ng_optimizer_release(optimizer));
  expect_ok(ng_schedule_release(schedule));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_gradients_of_the_loss),
      TEST(test_learns_digits),
  };
  return cmocka_run_group_tests_name("gru", tests, NULL, NULL);
}
