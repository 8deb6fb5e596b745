/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Tensors of the ONNX engine and the memory behind them. A buffer is shared by the tensors that are the same bytes in
 * another shape; it goes back to the pool when the last of them is released, so that running a model again takes no new
 * memory. What lives at a time is counted and bounded. One thread manages memory; others only compute.
 */

#include "builtins/call.h"

#define CELLA_ONNX_RANK_MAX 8U
#define CELLA_ONNX_FREE_MAX 64U
#define CELLA_ONNX_SLACK 512U /* readable bytes behind every buffer: kernels load whole vectors */

/* Element types, with the numbers that files use. */
enum cella_onnx_type {
    CELLA_ONNX_NONE = 0,
    CELLA_ONNX_FLOAT = 1,
    CELLA_ONNX_UINT8 = 2,
    CELLA_ONNX_INT8 = 3,
    CELLA_ONNX_INT32 = 6,
    CELLA_ONNX_INT64 = 7,
    CELLA_ONNX_STRING = 8, /* elements are struct cella_view into the model */
    CELLA_ONNX_BOOL = 9,
    CELLA_ONNX_DOUBLE = 11,
};

struct cella_onnx_memory;

struct cella_onnx_buffer {
    struct cella_onnx_memory *memory;
    size_t references;
    size_t capacity; /* usable bytes, without the slack */
    void *data;      /* on a boundary of 64 bytes */
};

struct cella_onnx_memory {
    size_t limit; /* bytes, of living and pooled buffers together */
    size_t used;
    struct cella_onnx_buffer *pool[CELLA_ONNX_FREE_MAX];
    size_t pooled;
};

/* An array of dims[0] x ... x dims[rank - 1] elements, row-major. No buffer: absent. */
struct cella_onnx_tensor {
    enum cella_onnx_type type;
    size_t rank;
    size_t dims[CELLA_ONNX_RANK_MAX];
    size_t count; /* elements: the product */
    struct cella_onnx_buffer *buffer;
    void *data;
};

/* Bytes of one element; 0 for CELLA_ONNX_NONE. */
size_t cella_onnx_type_size(enum cella_onnx_type type);

/* As ONNX calls the type a file's number means, also one that the engine has not. */
const char *cella_onnx_type_name(uint64_t type);

/* Whether a file's number is a type of the engine. */
bool cella_onnx_type_known(uint64_t type);

/*
 * Make a tensor. Its elements are not set.
 *
 * dims:  rank of them, at most CELLA_ONNX_RANK_MAX; untrusted
 * out:   absent before
 *
 * CELLA_LIMIT_MEMORY  larger than the engine's bound
 * CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_onnx_tensor_make(struct cella_onnx_memory *memory, enum cella_onnx_type type,
                                                   size_t rank, const size_t *dims, struct cella_onnx_tensor *out);

/* The same bytes once more: out shares the buffer. out is absent before. */
void cella_onnx_tensor_share(const struct cella_onnx_tensor *tensor, struct cella_onnx_tensor *out);

/* Give the tensor back; it is absent afterwards. */
void cella_onnx_tensor_release(struct cella_onnx_tensor *tensor);

/* Product of count dims from first on; 0 dims have product 1. The tensor's own dims never overflow. */
size_t cella_onnx_span(const struct cella_onnx_tensor *tensor, size_t first, size_t count);

bool cella_onnx_same_shape(const struct cella_onnx_tensor *a, const struct cella_onnx_tensor *b);

/* Free the pool. Tensors must have been released. */
void cella_onnx_memory_clear(struct cella_onnx_memory *memory);
