/**
 * @file foreign.h
 * @brief A tensor of another library, as DLPack hands it over.
 */
#ifndef NANOGRAD_CTESTS_FOREIGN_H
#define NANOGRAD_CTESTS_FOREIGN_H

#include "dlpack.h"
#include "support.h"

#include <pthread.h>

/* `deleted` counts the calls of its deleter, and `thread` is where the last came from. */
struct foreign {
  DLManagedTensorVersioned managed;
  int64_t shape[16], strides[16];
  int deleted;
  pthread_t thread;
};

static inline void delete_foreign(DLManagedTensorVersioned *managed) {
  struct foreign *foreign = managed->manager_ctx;
  foreign->deleted++;
  foreign->thread = pthread_self();
}

static inline void set_foreign(struct foreign *foreign, void *data, ng_dtype dtype, int32_t rank,
                               const int64_t *shape, const int64_t *strides) {
  memset(foreign, 0, sizeof *foreign);
  for (int32_t axis = 0; axis < rank && axis < 16; axis++) {
    foreign->shape[axis] = shape[axis];
    foreign->strides[axis] = strides != NULL ? strides[axis] : 0;
  }
  foreign->managed = (DLManagedTensorVersioned){
      .version = {1, 1},
      .manager_ctx = foreign,
      .deleter = delete_foreign,
      .dl_tensor = {.data = data,
                    .device = {kDLCPU, 0},
                    .ndim = rank,
                    .dtype = {dtype == NG_FLOAT32 || dtype == NG_FLOAT64 ? kDLFloat : kDLInt,
                              (uint8_t)(8 * ng_dtype_size(dtype)), 1},
                    .shape = rank > 0 ? foreign->shape : NULL,
                    .strides = strides != NULL ? foreign->strides : NULL}};
}

#endif
