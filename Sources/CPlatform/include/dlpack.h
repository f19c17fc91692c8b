/* A DLPack tensor of major version 1: the struct DLManagedTensorVersioned with those inside it laid
 * flat, under names of our own, so that it does not meet the original in one program. */
#ifndef NANOGRAD_DLPACK_H
#define NANOGRAD_DLPACK_H

#include <stddef.h>
#include <stdint.h>

typedef struct ngp_dlpack {
  uint32_t major, minor; /* of the layout; another major version may differ beyond `flags` */
  void *_Nullable context;
  void (*_Nullable deleter)(struct ngp_dlpack *_Nonnull);
  uint64_t flags;
  void *_Nullable data;
  int32_t device_type, device_number;
  int32_t rank;
  uint8_t type_code, type_bits;
  uint16_t type_lanes;
  int64_t *_Nullable shape;
  int64_t *_Nullable strides; /* in elements; NULL for dense rows, before version 1.2 */
  uint64_t byte_offset;       /* of the first element, from `data` */
} ngp_dlpack;

enum { NGP_DLPACK_READ_ONLY = 1, NGP_DLPACK_IS_COPIED = 2 };
enum { NGP_DLPACK_CPU = 1 };
enum { NGP_DLPACK_INT = 0, NGP_DLPACK_FLOAT = 2 };

/* What is laid flat has no padding of its own. */
_Static_assert(offsetof(ngp_dlpack, data) == 8 + 2 * sizeof(void *) + 8, "DLTensor's place");
_Static_assert(offsetof(ngp_dlpack, type_code) == offsetof(ngp_dlpack, rank) + 4, "DLDataType's");
_Static_assert(sizeof(void *) != 8 || sizeof(ngp_dlpack) == 80, "the size of it all");

#endif
