#include "gru.h"

#include <math.h>
#include <stddef.h>

enum { INPUTS = 784 / GRU_TIMES, CLASSES = 10 };

/// The weights of three gates side by side, as the library takes them.
static ng_tensor *join(ng_tensor *z, ng_tensor *r, ng_tensor *h) {
  return ng_concatenate((ng_tensor *[]){z, r, h}, 3, 1);
}

/// The states that a layer goes through, and the last of them. The reset gate acts on the state
/// before the product with Uh, and the update gate says how much of the candidate is taken.
static ng_tensor *run(const struct gru_layer *p, ng_tensor *x, ng_tensor **last) {
  ng_tensor *w = join(p->Wz, p->Wr, p->Wh), *u = join(p->Uz, p->Ur, p->Uh);
  ng_tensor *b = join(p->bz, p->br, p->bh);
  return ng_gru(x, p->h0, w, u, b, NULL, NULL, NG_GRU_UPDATE_TAKES, last);
}

ng_tensor *gru_classify(const struct gru *gru, ng_tensor *images) {
  const int64_t steps[] = {ng_dim(images, 0), GRU_TIMES, INPUTS};
  const int32_t time_first[] = {1, 0, 2};
  ng_tensor *h = NULL, *x = ng_permute(ng_reshape(images, 3, steps), 3, time_first);
  for (int i = 0; i < GRU_LAYERS; i++)
    x = run(&gru->layers[i], x, &h);
  return ng_add(ng_matmul(h, gru->W), gru->b);
}

/// A new parameter of the network, normally distributed, which outlives the scope.
static ng_tensor *parameter(struct gru *gru, int64_t rows, int64_t columns, double deviation,
                            const char *tag) {
  const int64_t shape[] = {rows, columns};
  ng_tensor *values = ng_normal(gru->dtype, 2, shape, 0, deviation);
  return gru->all[gru->count++] = ng_keep(ng_to_parameter(values, tag));
}

struct gru gru_make(ng_dtype dtype, int64_t hidden, bool scaled) {
  struct gru gru = {.dtype = dtype};
  const double u = scaled ? 1 / sqrt((double)hidden) : 1;
  ng_scope_begin();
  for (int i = 0; i < GRU_LAYERS; i++) {
    struct gru_layer *p = &gru.layers[i];
    const int64_t inputs = i == 0 ? INPUTS : hidden;
    const double w = scaled ? 1 / sqrt((double)inputs) : 1;
    p->Wz = parameter(&gru, inputs, hidden, w, "Wz");
    p->Uz = parameter(&gru, hidden, hidden, u, "Uz");
    p->bz = parameter(&gru, 1, hidden, 0, "bz");
    p->Wr = parameter(&gru, inputs, hidden, w, "Wr");
    p->Ur = parameter(&gru, hidden, hidden, u, "Ur");
    p->br = parameter(&gru, 1, hidden, 0, "br");
    p->Wh = parameter(&gru, inputs, hidden, w, "Wh");
    p->Uh = parameter(&gru, hidden, hidden, u, "Uh");
    p->bh = parameter(&gru, 1, hidden, 0, "bh");
    p->h0 = parameter(&gru, 1, hidden, 0, "h0");
  }
  gru.W = parameter(&gru, hidden, CLASSES, 0.1 * u, "W");
  gru.b = parameter(&gru, 1, CLASSES, 0, "b");
  ng_scope_end();
  return gru;
}

int64_t gru_size(const struct gru *gru) {
  int64_t size = 0;
  for (int32_t i = 0; i < gru->count; i++)
    size += ng_size(gru->all[i]);
  return size;
}

void gru_release(struct gru *gru) {
  for (int32_t i = 0; i < gru->count; i++)
    ng_release(gru->all[i]);
  gru->count = 0;
}
