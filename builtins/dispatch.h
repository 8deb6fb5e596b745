/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Calling a builtin function with values that were parsed elsewhere: every argument is checked against the
 * function's table, then the C function is called through libffi.
 */

#include "builtins/builtin.h"

#define CELLA_BUILTIN_VALUES_MAX (CELLA_BUILTIN_PARAMETERS_MAX + 2 * CELLA_BUILTIN_GROUP_MAX)

enum cella_builtin_value_kind {
    CELLA_BUILTIN_VALUE_NONE, /* an argument of a type that no parameter takes; an input that is not there */
    CELLA_BUILTIN_VALUE_TEXT,
    CELLA_BUILTIN_VALUE_INTEGER,
    CELLA_BUILTIN_VALUE_REAL,
    CELLA_BUILTIN_VALUE_FLAG,
    CELLA_BUILTIN_VALUE_INPUT,
    CELLA_BUILTIN_VALUE_OUTPUT,
};

/* A named value. Borrowed by the call. Untrusted. */
struct cella_builtin_value {
    struct cella_view name;
    enum cella_builtin_value_kind kind;
    struct cella_view bytes; /* TEXT; INPUT in memory */
    int64_t integer;
    double real;
    bool flag;
    /* Of an INPUT that is a stream, as in builtins/input.h; else NULL. */
    cella_status (*read)(void *context, uint8_t *to, size_t size, size_t *got);
    /* Of an OUTPUT, as in builtins/output.h. */
    cella_status (*write)(void *context, struct cella_view bytes);
    uint64_t most; /* the same */
    void *context;
};

/*
 * Check the values and call.
 *
 * values:  arguments, inputs and outputs in any order, each at most once; at most CELLA_BUILTIN_VALUES_MAX
 * call:    threads, progress and context are the caller's; its result or message is filled; the caller clears
 *          call->result
 *
 * CELLA_BAD_ARGUMENT    unknown, missing, twice, of the wrong type or out of range; message names it
 * CELLA_BUILTIN_FAILED  the function refused its input; message says why
 * CELLA_CANCELLED       call->progress or a stream said so
 * CELLA_LIMIT_OUTPUT    an output can not hold the result; message says more if the function knew before it wrote
 * CELLA_NO_MEMORY, CELLA_SYSTEM_FAILED, CELLA_INTERNAL
 */
CELLA_MUST_USE cella_status cella_builtin_run(const struct cella_builtin *builtin,
                                              const struct cella_builtin_value *values, size_t count,
                                              struct cella_builtin_call *call);
