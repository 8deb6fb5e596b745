/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Copies between arrays whose dimensions have any distance: what transposing, slicing, broadcasting and padding have in
 * common.
 */

#include "builtins/native/onnx_step.h"

#define CELLA_ONNX_COPY_RANK_MAX (2U * CELLA_ONNX_RANK_MAX)

/* Distances are in elements and may be 0 or negative. */
struct cella_onnx_copy {
    size_t rank;
    size_t dims[CELLA_ONNX_COPY_RANK_MAX];
    ptrdiff_t from[CELLA_ONNX_COPY_RANK_MAX];
    ptrdiff_t to[CELLA_ONNX_COPY_RANK_MAX];
};

/* Row-major distances of a shape. */
void cella_onnx_strides(size_t rank, const size_t *dims, ptrdiff_t *strides);

/* Distances that make a tensor look like one of dims, to which it can be broadcast. */
void cella_onnx_broadcast_strides(const struct cella_onnx_tensor *tensor, size_t rank, ptrdiff_t *strides);

/*
 * The shape that two tensors have together: dimensions are equal, or one of them is 1 or not there.
 * CELLA_BUILTIN_FAILED
 */
CELLA_MUST_USE cella_status cella_onnx_broadcast(const struct cella_onnx_step *step, size_t a_rank, const size_t *a,
                                                 size_t b_rank, const size_t *b, size_t *rank, size_t *dims);

/* Copy elements of size bytes (1, 4, 8 or 16). The caller has checked that all of it is inside. CELLA_CANCELLED. */
CELLA_MUST_USE cella_status cella_onnx_copy(const struct cella_onnx_step *step, const struct cella_onnx_copy *copy,
                                            size_t size, const void *from, void *to);

/* Put one element of size bytes into each place of a tensor that has such elements. CELLA_CANCELLED. */
CELLA_MUST_USE cella_status cella_onnx_fill(const struct cella_onnx_step *step, const void *element, size_t size,
                                            struct cella_onnx_tensor *out);
