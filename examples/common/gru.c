#include "gru.h"

#include <math.h>

enum { INPUTS = 784 / GRU_TIMES, CLASSES = 10 };

/// The state after one more step. The reset gate acts on the state before the product with Uh, and
/// the update gate says how much of the candidate is taken.
static ng_tensor *cell(const struct gru_layer *p, ng_tensor *x, ng_tensor *h) {
  ng_tensor *z = ng_sigmoid(ng_add(ng_add(ng_matmul(x, p->Wz), ng_matmul(h, p->Uz)), p->bz));
  ng_tensor *r = ng_sigmoid(ng_add(ng_add(ng_matmul(x, p->Wr), ng_matmul(h, p->Ur)), p->br));
  ng_tensor *rh = ng_multiply(r, h);
  ng_tensor *c = ng_tanh(ng_add(ng_add(ng_matmul(x, p->Wh), ng_matmul(rh, p->Uh)), p->bh));
  return ng_add(ng_multiply(ng_add_scalar(ng_negate(z), 1), h), ng_multiply(z, c));
}

ng_tensor *gru_classify(const struct gru *gru, ng_tensor *images) {
  ng_tensor *h[GRU_LAYERS];
  for (int i = 0; i < GRU_LAYERS; i++) {
    const int64_t shape[] = {ng_dim(images, 0), ng_dim(gru->layers[i].h0, 1)};
    h[i] = ng_broadcast_to(gru->layers[i].h0, 2, shape);
  }
  for (int t = 0; t < GRU_TIMES; t++) {
    h[0] = cell(&gru->layers[0], ng_slice(images, 1, t * INPUTS, (t + 1) * INPUTS, 1), h[0]);
    h[1] = cell(&gru->layers[1], h[0], h[1]);
  }
  return ng_add(ng_matmul(h[1], gru->W), gru->b);
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
