/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/gram.h"

#include <stdlib.h>
#include <string.h>

#include "builtins/parallel.h"

#define STRIPS_MAX 16U
#define STRIP_ROWS_MIN 2048U
#define STRIPS_BYTES 67108864U /* what the sums of all strips may take, if there is more than one */
#define TILE_HIGH 4U
#define TILE_WIDE 8U

/* Without fused multiplications, which AVX-512 would bring along: every machine gives the same bits. */
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__clang__)
#define FAST __attribute__((target_clones("avx2", "default")))
#else
#define FAST
#endif

struct run {
    struct cella_gram *gram;
    cella_gram_fill *fill;
    void *context;
    bool only_fill;
};

cella_status cella_gram_begin(struct cella_gram *gram, size_t rows, size_t size)
{
    size_t padded = (size + TILE_WIDE - 1) / TILE_WIDE * TILE_WIDE;
    size_t square = padded * padded;
    size_t strips = rows / STRIP_ROWS_MIN + 1;
    size_t fitting = STRIPS_BYTES / sizeof(double) / square + 1;
    strips = strips < fitting ? strips : fitting;
    strips = strips < STRIPS_MAX ? strips : STRIPS_MAX;
    *gram = (struct cella_gram){ .rows = rows, .size = size, .padded = padded, .strips = strips };
    gram->strip_rows = (rows + strips - 1) / strips;
    gram->out = calloc(square, sizeof(double));
    gram->sums = calloc(strips, square * sizeof(double));
    gram->blocks = calloc(strips, 2 * CELLA_GRAM_BLOCK * padded * sizeof(double));
    return gram->out == NULL || gram->sums == NULL || gram->blocks == NULL ? CELLA_NO_MEMORY : CELLA_OK;
}

void cella_gram_release(struct cella_gram *gram)
{
    free(gram->out);
    free(gram->sums);
    free(gram->blocks);
    *gram = (struct cella_gram){ 0 };
}

/* Add a block to 4 * 8 sums, which stay in registers. */
static inline __attribute__((always_inline)) void add_tile(const double *left, const double *right, size_t rows,
                                                           size_t padded, double *out)
{
    cella_four sums[TILE_HIGH][2];
    for (unsigned int i = 0; i < TILE_HIGH; i++) {
        sums[i][0] = *(const cella_four *) (const void *) (out + i * padded);
        sums[i][1] = *(const cella_four *) (const void *) (out + i * padded + 4);
    }
    for (size_t row = 0; row < rows; row++) {
        cella_four one = *(const cella_four *) (const void *) (right + row * padded);
        cella_four two = *(const cella_four *) (const void *) (right + row * padded + 4);
        for (unsigned int i = 0; i < TILE_HIGH; i++) {
            double value = left[row * padded + i];
            cella_four values = { value, value, value, value };
            sums[i][0] += values * one;
            sums[i][1] += values * two;
        }
    }
    for (unsigned int i = 0; i < TILE_HIGH; i++) {
        *(cella_four *) (void *) (out + i * padded) = sums[i][0];
        *(cella_four *) (void *) (out + i * padded + 4) = sums[i][1];
    }
}

/* All tiles that have a sum on the diagonal or above it. */
FAST static void add_block(const double *left, const double *right, size_t rows, size_t padded, double *out)
{
    for (size_t i = 0; i < padded; i += TILE_HIGH) {
        for (size_t j = i / TILE_WIDE * TILE_WIDE; j < padded; j += TILE_WIDE) {
            add_tile(left + i, right + j, rows, padded, out + i * padded + j);
        }
    }
}

static void run_strip(void *context, size_t strip)
{
    const struct run *run = context;
    const struct cella_gram *gram = run->gram;
    double *sums = gram->sums + strip * gram->padded * gram->padded;
    double *left = gram->blocks + strip * 2 * CELLA_GRAM_BLOCK * gram->padded;
    double *right = left + CELLA_GRAM_BLOCK * gram->padded;
    size_t end = (strip + 1) * gram->strip_rows < gram->rows ? (strip + 1) * gram->strip_rows : gram->rows;
    if (!run->only_fill) {
        memset(sums, 0, gram->padded * gram->padded * sizeof(double));
    }
    for (size_t first = strip * gram->strip_rows; first < end; first += CELLA_GRAM_BLOCK) {
        size_t count = end - first < CELLA_GRAM_BLOCK ? end - first : CELLA_GRAM_BLOCK;
        run->fill(run->context, strip, first, count, left, right);
        if (!run->only_fill) {
            add_block(left, right, count, gram->padded, sums);
        }
    }
}

void cella_gram_visit(const struct cella_builtin_call *call, struct cella_gram *gram, cella_gram_fill *fill,
                      void *context)
{
    struct run run = { gram, fill, context, .only_fill = true };
    cella_parallel(call, gram->strips, run_strip, &run);
}

void cella_gram_run(const struct cella_builtin_call *call, struct cella_gram *gram, cella_gram_fill *fill,
                    void *context)
{
    struct run run = { gram, fill, context, .only_fill = false };
    size_t square = gram->padded * gram->padded;
    cella_parallel(call, gram->strips, run_strip, &run);
    memcpy(gram->out, gram->sums, square * sizeof(double));
    for (size_t strip = 1; strip < gram->strips; strip++) {
        for (size_t i = 0; i < square; i++) {
            gram->out[i] += gram->sums[strip * square + i];
        }
    }
    for (size_t i = 1; i < gram->padded; i++) {
        for (size_t j = 0; j < i; j++) {
            gram->out[i * gram->padded + j] = gram->out[j * gram->padded + i];
        }
    }
}

FAST static double dot(const double *a, const double *b, size_t count)
{
    cella_four one = { 0 };
    cella_four two = { 0 };
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        one += *(const cella_four *) (const void *) (a + i) * *(const cella_four *) (const void *) (b + i);
        two += *(const cella_four *) (const void *) (a + i + 4) * *(const cella_four *) (const void *) (b + i + 4);
    }
    for (; i < count; i += 4) {
        one += *(const cella_four *) (const void *) (a + i) * *(const cella_four *) (const void *) (b + i);
    }
    one += two;
    return (one[0] + one[1]) + (one[2] + one[3]);
}

double cella_gram_dot(const double *a, const double *b, size_t count)
{
    return dot(a, b, count);
}
