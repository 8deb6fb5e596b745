/* SPDX-License-Identifier: Apache-2.0 */

/* A matrix from any bytes, as .npy or CSV: from memory and as a stream the same; written as .npy it reads back the same. */

#include <stdlib.h>
#include <string.h>

#include "builtins/matrix.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static cella_status give(void *context, uint8_t *to, size_t size, size_t *got)
{
    struct cella_view *rest = context;
    *got = size < rest->size ? size : rest->size;
    *got = *got < 5 ? *got : 5;
    if (*got > 0) {
        memcpy(to, rest->data, *got);
    }
    *rest = cella_view_of(rest->data + *got, rest->size - *got);
    return CELLA_OK;
}

static cella_status keep(void *context, struct cella_view bytes)
{
    return cella_bytes_append(context, bytes);
}

static bool same(const struct cella_matrix *a, const struct cella_matrix *b)
{
    return a->rows == b->rows && a->columns == b->columns &&
           (a->rows == 0 || memcmp(a->values, b->values, a->rows * a->columns * sizeof(double)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cella_builtin_call call = { .threads = 1 };
    CELLA_CLEANUP(cella_matrix_release) struct cella_matrix one = { 0 };
    CELLA_CLEANUP(cella_matrix_release) struct cella_matrix two = { 0 };
    CELLA_CLEANUP(cella_matrix_release) struct cella_matrix back = { 0 };
    struct cella_builtin_input whole = { .name = "data", .bytes = { data, size } };
    struct cella_view rest = { data, size };
    struct cella_builtin_input stream = { .name = "data", .read = give, .context = &rest };
    cella_status status = cella_matrix_read(&call, &whole, CELLA_MATRIX_AUTO, CELLA_MATRIX_KEEP_NAN, 0, &one);
    if (status != CELLA_OK) {
        /* A stream may promise a shape that memory has not room for; that is an answer too, but not tried here. */
        return status == CELLA_BUILTIN_FAILED || status == CELLA_NO_MEMORY ? 0 : (abort(), 0);
    }
    if (cella_matrix_read(&call, &stream, CELLA_MATRIX_AUTO, CELLA_MATRIX_KEEP_NAN, one.columns, &two) != CELLA_OK ||
        !same(&one, &two)) {
        abort();
    }
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    struct cella_builtin_output output = { .write = keep, .context = &text };
    if (cella_matrix_write_npy(&one, &output) != CELLA_OK || cella_builtin_output_flush(&output) != CELLA_OK) {
        abort();
    }
    cella_bytes_clear(&output.pending);
    struct cella_builtin_input again = { .name = "data", .bytes = cella_bytes_view(&text) };
    if (cella_matrix_read(&call, &again, CELLA_MATRIX_NO_HEADER, CELLA_MATRIX_KEEP_NAN, one.columns, &back) !=
            CELLA_OK ||
        !same(&one, &back)) {
        abort();
    }
    return 0;
}
