/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Numpy's .npy format as matrix.c reads it: the header, and numbers of any of its types. Untrusted.
 */

#include "builtins/input.h"

#define CELLA_NPY_MAGIC "\x93NUMPY"
#define CELLA_NPY_MAGIC_SIZE 6U
#define CELLA_NPY_DIMENSIONS_MAX 8U

struct cella_npy {
    size_t rows;
    size_t columns;
    size_t dimensions;
    size_t sizes[CELLA_NPY_DIMENSIONS_MAX];
    char kind;    /* b, i, u or f */
    size_t width; /* bytes of a number: 1, 2, 4 or 8 */
    bool big_endian;
    bool fortran; /* column after column */
};

/*
 * Read the header; the input stands at the first number then.
 *
 * CELLA_BUILTIN_FAILED  refused, with a message
 * CELLA_SYSTEM_FAILED, CELLA_CANCELLED
 */
CELLA_MUST_USE cella_status cella_npy_read_header(struct cella_builtin_call *call, struct cella_builtin_input *input,
                                                  struct cella_npy *out);

/*
 * The same for an array of up to CELLA_NPY_DIMENSIONS_MAX dimensions: sizes has them; rows and columns are not set, and
 * fortran is so also where it makes no difference.
 */
CELLA_MUST_USE cella_status cella_npy_read_array_header(struct cella_builtin_call *call,
                                                        struct cella_builtin_input *input, struct cella_npy *out);

/* count numbers from bytes, which are count * npy->width. Whole numbers beyond 2^53 are rounded. */
void cella_npy_convert(const struct cella_npy *npy, const uint8_t *bytes, size_t count, double *out);
