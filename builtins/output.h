/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * An output of a builtin. Writing small pieces is cheap: they are collected. The caller of the function sends the rest
 * when it succeeded.
 */

#include "builtins/call.h"

#define CELLA_BUILTIN_OUTPUT_BLOCK 65536U

struct cella_builtin_output {
    /* Keeps all or fails: CELLA_LIMIT_OUTPUT, CELLA_NO_MEMORY, CELLA_SYSTEM_FAILED. */
    cella_status (*write)(void *context, struct cella_view bytes);
    void *context;
    uint64_t most; /* bytes that it can take at most; 0: not known. write has the last word */
    struct cella_bytes pending;
};

struct cella_builtin_outputs {
    size_t count;
    struct cella_builtin_output *items;
};

/* Append bytes. CELLA_LIMIT_OUTPUT, CELLA_NO_MEMORY, CELLA_SYSTEM_FAILED. */
CELLA_MUST_USE cella_status cella_builtin_output_write(struct cella_builtin_output *output, struct cella_view bytes);

/* Append formatted text of at most 1,000 bytes (CELLA_INTERNAL beyond). Errors as above. */
CELLA_MUST_USE cella_status cella_builtin_output_print(struct cella_builtin_output *output, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Hand over what is collected. */
CELLA_MUST_USE cella_status cella_builtin_output_flush(struct cella_builtin_output *output);
