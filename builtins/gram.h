/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Sums of outer products of rows: what least squares, Newton's method and principal components are made of. Rows come in
 * blocks that the caller fills, so that it can weight, shift or extend them. Blocks belong to strips of rows; which ones
 * depends on the sizes alone, and so do the results, whatever the number of threads.
 */

#include "builtins/call.h"

#define CELLA_GRAM_BLOCK 32U /* rows */

/* Four numbers at once. */
typedef double cella_four __attribute__((vector_size(32), aligned(8)));

struct cella_gram {
    size_t rows;
    size_t size;   /* columns of a block's rows that count */
    size_t padded; /* how far the rows of a block are apart: size and zeros, a multiple of 8 */
    size_t strips;
    size_t strip_rows;
    double *out;    /* padded * padded: the sum of left[r][i] * right[r][j], for i <= j and then for all */
    double *sums;   /* of each strip */
    double *blocks; /* of each strip: left, right */
};

/*
 * Fill rows first to first + count - 1, of strip number strip. left and right have CELLA_GRAM_BLOCK rows that are padded
 * apart; columns from size on are zero and stay so. Is called on several threads for different strips at a time, for the
 * blocks of one strip in order.
 */
typedef void cella_gram_fill(void *context, size_t strip, size_t first, size_t count, double *left, double *right);

/* Begin: allocates. gram is zeroed; the caller frees it with cella_gram_release. CELLA_NO_MEMORY. */
CELLA_MUST_USE cella_status cella_gram_begin(struct cella_gram *gram, size_t rows, size_t size);

/* Compute gram->out, of which both triangles are filled. Can be repeated. */
void cella_gram_run(const struct cella_builtin_call *call, struct cella_gram *gram, cella_gram_fill *fill,
                    void *context);

/* Fill all blocks in the same order, and compute nothing of them: for what a caller sums up itself. */
void cella_gram_visit(const struct cella_builtin_call *call, struct cella_gram *gram, cella_gram_fill *fill,
                      void *context);

void cella_gram_release(struct cella_gram *gram);

/* The sum of products of count numbers, a multiple of 4. */
double cella_gram_dot(const double *a, const double *b, size_t count);
