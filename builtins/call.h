/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One call of a builtin: what it may ask for while it runs, and what it leaves behind.
 */

#include "base/bytes.h"

#define CELLA_BUILTIN_MESSAGE_MAX 256U

/*
 * A function that refuses its input returns CELLA_BUILTIN_FAILED and says why in message; one that refuses the
 * combination of its arguments returns CELLA_BAD_ARGUMENT and says why.
 */
struct cella_builtin_call {
    struct cella_bytes result; /* UTF-8 text, or JSON if the table says so; becomes the task's result */
    char message[CELLA_BUILTIN_MESSAGE_MAX];
    unsigned int threads; /* how many the function may use, its own included; at least 1 */
    /* Set by who calls; NULL: nobody listens. fraction: 0 to 1. CELLA_CANCELLED when the call is to end. */
    cella_status (*progress)(void *context, double fraction);
    void *context;
};

/* Leave a message for the caller and return CELLA_BUILTIN_FAILED. */
CELLA_MUST_USE cella_status cella_builtin_refuse(struct cella_builtin_call *call, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same for arguments that do not fit together or to the input: CELLA_BAD_ARGUMENT. */
CELLA_MUST_USE cella_status cella_builtin_refuse_argument(struct cella_builtin_call *call, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * The same for a result that can not fit into an output: CELLA_LIMIT_OUTPUT. The message has the output's name in single
 * quotes, by which the monitor finds it.
 */
CELLA_MUST_USE cella_status cella_builtin_refuse_output(struct cella_builtin_call *call, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Say how far the call is. Long work calls it a few times a second at most, from the thread that was called.
 *
 * fraction:  0 to 1
 *
 * CELLA_CANCELLED  the task is cancelled: return that
 */
CELLA_MUST_USE cella_status cella_builtin_progress(struct cella_builtin_call *call, double fraction);

/* Append to call->result. CELLA_NO_MEMORY. */
CELLA_MUST_USE cella_status cella_builtin_result(struct cella_builtin_call *call, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
