/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Calling a builtin function with values that were parsed elsewhere: every argument is checked against the
 * function's table, then the C function is called through libffi.
 */

#include "builtins/builtin.h"

enum cella_builtin_value_kind {
    CELLA_BUILTIN_VALUE_NONE, /* JSON null, or a type that no parameter takes */
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
    struct cella_view bytes; /* TEXT, INPUT */
    int64_t integer;
    double real;
    bool flag;
    struct cella_builtin_output output;
};

/*
 * Check the values and call.
 *
 * values:  arguments, inputs and outputs in any order, each at most once
 * call:    its result or message is filled; the caller clears call->result
 *
 * CELLA_BAD_ARGUMENT    unknown, missing, twice, of the wrong type or out of range; message names it
 * CELLA_BUILTIN_FAILED  the function refused its input; message says why
 * CELLA_LIMIT_OUTPUT, CELLA_NO_MEMORY, CELLA_SYSTEM_FAILED, CELLA_INTERNAL
 */
CELLA_MUST_USE cella_status cella_builtin_run(const struct cella_builtin *builtin,
                                              const struct cella_builtin_value *values, size_t count,
                                              struct cella_builtin_call *call);
