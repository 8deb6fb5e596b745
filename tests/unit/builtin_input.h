/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Inputs and outputs of builtins in unit tests: texts in memory, the same as a stream that gives small pieces, and an output
 * that keeps everything.
 */

#include <string.h>

#include "builtins/input.h"
#include "builtins/output.h"

struct piecewise {
    struct cella_view rest;
    size_t piece; /* bytes at a time */
};

static inline cella_status piecewise_read(void *context, uint8_t *to, size_t size, size_t *got)
{
    struct piecewise *from = context;
    *got = from->rest.size < from->piece ? from->rest.size : from->piece;
    *got = *got < size ? *got : size;
    if (*got > 0) {
        memcpy(to, from->rest.data, *got);
    }
    from->rest = cella_view_of(from->rest.data + *got, from->rest.size - *got);
    return CELLA_OK;
}

static inline struct cella_builtin_input input_of(struct cella_view bytes)
{
    return (struct cella_builtin_input){ .name = "data", .bytes = bytes };
}

static inline struct cella_builtin_input input_stream(struct piecewise *from)
{
    return (struct cella_builtin_input){ .name = "data", .read = piecewise_read, .context = from };
}

static inline cella_status keep_all(void *context, struct cella_view bytes)
{
    return cella_bytes_append(context, bytes);
}

static inline struct cella_builtin_output output_to(struct cella_bytes *bytes)
{
    return (struct cella_builtin_output){ .write = keep_all, .context = bytes };
}
