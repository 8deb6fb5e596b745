/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The innermost loops of float32 arithmetic, once per instruction set. onnx_kernel.c is built for each of them; which one
 * runs is chosen when a model is opened. They differ in speed and, as sums are rounded in another order, in the last bits.
 *
 * Weights and inputs are packed: a panel of A is rows of up to kernel->rows, stored column by column; a panel of B is
 * kernel->columns columns, stored row by row. Kernels may read CELLA_ONNX_SLACK bytes past what they are told to.
 */

#include "base/bytes.h"

#define CELLA_ONNX_KERNEL_ROWS_MAX 12U
#define CELLA_ONNX_KERNEL_COLUMNS_MAX 32U

/* What happens to a tile once its sums are complete. */
struct cella_onnx_tile {
    bool add;          /* to what is in c already */
    const float *bias; /* one number for each row, or NULL */
    bool clip;         /* then keep between low and high; NaN stays */
    float low;
    float high;
};

/* A depthwise convolution's row: taps of weights, each with where its input begins relative to the first output. */
struct cella_onnx_taps {
    size_t count;
    const float *weights;
    const size_t *offsets;
    float bias;
    bool clip;
    float low;
    float high;
};

/* Neighbouring columns of B that are neighbours in memory too. */
struct cella_onnx_run {
    size_t to;
    size_t from;
    size_t count;
};

struct cella_onnx_kernel {
    const char *name;
    size_t rows;    /* of a full panel of A */
    size_t columns; /* of a panel of B */
    /*
     * c[rows][columns] (+)= A panel x B panel, over depth.
     * rows: one of those that panel_rows gives. stride: floats between rows of c.
     */
    void (*tile)(size_t rows, size_t depth, const float *a, const float *b, float *c, size_t stride,
                 const struct cella_onnx_tile *end);
    /* to[x] = bias + sum of weights[t] * from[offsets[t] + x], for width x. */
    void (*taps)(const struct cella_onnx_taps *taps, const float *from, float *to, size_t width);
    /* to[x] = max(to[x], from[x]) for width x; NaN in from is ignored. */
    void (*maximum)(float *to, const float *from, size_t width);
    /*
     * depth rows of a panel of B: row k has, from run.to on, run.count numbers from from[offsets[k] + run.from] on, for each
     * of count runs in ascending order. Whole vectors are copied: up to 64 bytes after each run are overwritten.
     */
    void (*gather)(const float *from, const size_t *offsets, size_t depth, const struct cella_onnx_run *runs, size_t count,
                   float *to);
    /* to[i] = from[i * stride] for count i. */
    void (*pick)(const float *from, size_t stride, float *to, size_t count);
    /* to = a + b, then clipped if wanted. to may be a or b. */
    void (*add)(float *to, const float *a, const float *b, size_t count, const struct cella_onnx_tile *end);
};

/* The fastest one that this machine has. */
const struct cella_onnx_kernel *cella_onnx_kernel_best(void);

/* Number index of those that this machine has, best last; NULL past the end. For tests. */
const struct cella_onnx_kernel *cella_onnx_kernel_at(size_t index);

/* With how many rows a panel is computed that has at least as many: the next that tile knows. */
size_t cella_onnx_panel_rows(const struct cella_onnx_kernel *kernel, size_t rows);
