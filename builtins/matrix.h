/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A table of numbers in memory, from CSV or from numpy's .npy format (NEP 1, versions 1 to 3; bool, integers, f4 and f8,
 * C or Fortran order, either byte order; one or two dimensions). Which of the two an input is, its first bytes say.
 */

#include "builtins/csv.h"

struct cella_matrix {
    size_t rows;
    size_t columns;
    const double *values; /* row-major; in owned, or, of an .npy input in memory that has them so, in its bytes */
    double *owned;        /* or NULL */
    struct cella_bytes names; /* column names, each ended with NUL; empty without a header */
};

/* What to do about a field that is missing or not a finite number. */
enum cella_matrix_missing {
    CELLA_MATRIX_REFUSE,
    CELLA_MATRIX_KEEP_NAN, /* missing fields and NaN become NaN; text and infinities are refused */
};

/* Whether the first record of a CSV input is a header. */
enum cella_matrix_header {
    CELLA_MATRIX_NO_HEADER,
    CELLA_MATRIX_HEADER,
    CELLA_MATRIX_AUTO, /* it is one if none of its fields is a number or missing */
};

/* What tables say about an input that is read with CELLA_MATRIX_AUTO. */
#define CELLA_MATRIX_AUTO_TEXT "; a first record of CSV in which no field is a number or empty is a header"
#define CELLA_MATRIX_AUTO_TEXT_PLACES CELLA_MATRIX_AUTO_TEXT ", whose names do not matter: columns are known by their place"

/*
 * Read an input. A header only, or an array of no rows, has rows 0; an input without any column is refused.
 *
 * columns_wanted:  refuse another number of columns; 0 for any
 * out:             zeroed; the caller frees it with cella_matrix_release, before the call ends
 *
 * CELLA_BUILTIN_FAILED  refused: no numbers, other shape, not CSV or .npy; the message names row and column
 * CELLA_NO_MEMORY, CELLA_SYSTEM_FAILED, CELLA_CANCELLED
 */
CELLA_MUST_USE cella_status cella_matrix_read(struct cella_builtin_call *call, struct cella_builtin_input *input,
                                              enum cella_matrix_header header, enum cella_matrix_missing missing,
                                              size_t columns_wanted, struct cella_matrix *out);

void cella_matrix_release(struct cella_matrix *matrix);

/*
 * Rows as 32-bit numbers, one after the other.
 *
 * input:    its name, for the message
 * rows:     from row number first on
 * columns:  of each row, from its beginning
 * out:      rows * columns of them; may be the place of matrix->owned, if first is 0
 *
 * CELLA_BUILTIN_FAILED  refused: a number is beyond their range, so that it would be infinite
 */
CELLA_MUST_USE cella_status cella_matrix_floats(struct cella_builtin_call *call, const char *input,
                                                const struct cella_matrix *matrix, size_t first, size_t rows,
                                                size_t columns, float *out);

/* Write as .npy version 1, f8, C order, shape (rows, columns). */
CELLA_MUST_USE cella_status cella_matrix_write_npy(const struct cella_matrix *matrix,
                                                   struct cella_builtin_output *output);

/* Write as CSV; a header if there are names. */
CELLA_MUST_USE cella_status cella_matrix_write_csv(const struct cella_matrix *matrix,
                                                   struct cella_builtin_output *output);
