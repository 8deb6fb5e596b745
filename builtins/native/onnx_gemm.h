/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Products of float32 matrices, C = A x B, over panels (onnx_kernel.h). Convolutions are such products too: there A are the
 * weights, and panels of B are gathered from the image when they are needed.
 */

#include "builtins/native/onnx_kernel.h"
#include "builtins/native/onnx_threads.h"

#define CELLA_ONNX_DEPTH_BLOCK 320U /* so that a panel of B stays in the first cache: 40 KiB at most */

/* A matrix with any distance between rows and between columns: transposed or not. */
struct cella_onnx_matrix {
    const float *data;
    size_t row_stride;
    size_t column_stride;
};

/* Where panels of B come from: to gets rows first_row to first_row + depth of kernel->columns columns. */
typedef void cella_onnx_gather(const void *context, size_t first_row, size_t depth, size_t first_column, float *to);

struct cella_onnx_gemm {
    const struct cella_onnx_kernel *kernel;
    struct cella_onnx_threads *threads;
    size_t rows;
    size_t columns;
    size_t depth;
    const float *a; /* packed */
    const float *b; /* packed; or NULL, then */
    cella_onnx_gather *gather;
    const void *context; /* of gather */
    float *scratch;      /* cella_onnx_gemm_scratch floats for each thread */
    float *room;         /* cella_onnx_gemm_room floats; NULL if that is 0 */
    float *c;
    size_t stride; /* floats between rows of c */
    /*
     * Columns are pixels of several images: pixel p of image i is at c[i * image + row * stride + p]. pixels: of one image;
     * 0 where columns are just columns.
     */
    size_t pixels;
    size_t image;
    struct cella_onnx_tile end; /* bias: one for each row */
};

/* Floats that a packed A or B takes. Never more than 12 times, or 32 times, the matrix's own: one row or column is padded. */
size_t cella_onnx_packed_a(const struct cella_onnx_kernel *kernel, size_t rows, size_t depth);
size_t cella_onnx_packed_b(const struct cella_onnx_kernel *kernel, size_t depth, size_t columns);

/* Pack. to has room for as many floats as the above say. */
void cella_onnx_pack_a(const struct cella_onnx_kernel *kernel, struct cella_onnx_matrix from, size_t rows, size_t depth,
                       float *to);
void cella_onnx_pack_b(const struct cella_onnx_kernel *kernel, struct cella_onnx_matrix from, size_t depth,
                       size_t columns, float *to);

/* Floats of scratch that a product takes for each thread. */
size_t cella_onnx_gemm_scratch(const struct cella_onnx_kernel *kernel);

/*
 * Floats of room for all of B, where several threads would gather the same columns: then they are gathered once, before. 0
 * otherwise.
 */
size_t cella_onnx_gemm_room(const struct cella_onnx_gemm *product);

/* How many rows of B are worked on at a time. */
size_t cella_onnx_depth_block(size_t depth);

/* Compute. CELLA_CANCELLED. */
CELLA_MUST_USE cella_status cella_onnx_gemm(const struct cella_onnx_gemm *product);
