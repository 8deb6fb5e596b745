/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * CPython inside a zygote and its cells. Only interpreter, module, native and audit know Python's API.
 */

#include "cell/receive.h"

struct cella_cell;

/* The runtime's functions that every cell calls: Python objects, found once. */
struct cella_python {
    void *reseed;
    void *warm;
    void *run;
};

/* How a task ended. The result is JSON text when status is CELLA_OK; the other texts tell of a failure. */
struct cella_outcome {
    cella_status status;
    uint32_t line;
    struct cella_bytes result;
    struct cella_bytes exception;
    struct cella_bytes message;
    struct cella_bytes traceback;
};

/*
 * Start the interpreter: isolated from environment, user and site settings, UTF-8 throughout, without the built-in
 * modules that a cell has no use for.
 *
 * cell:  stays; hooks and the native module refer to it
 *
 * CELLA_INTERNAL
 */
CELLA_MUST_USE cella_status cella_interpreter_start(struct cella_cell *cell);

/*
 * Load everything of a profile, then replace the import system by one that reads memory only.
 *
 * profile:    JSON text of the profile file. Trusted: it is measured.
 * out_name:   the profile's name. The caller clears it.
 *
 * CELLA_NO_PROFILE  a package or library of the profile is not installed; standard error says which
 * CELLA_BAD_FORMAT  the profile or a module of it failed to load; the reason went to standard error
 */
CELLA_MUST_USE cella_status cella_interpreter_preload(struct cella_cell *cell, struct cella_view profile,
                                                       struct cella_bytes *out_name);

/* Version of the interpreter, "3.11.2". Static. */
const char *cella_interpreter_version(void);

/*
 * In a new cell, first of all: fresh random state; with warm also a throw-away script, so that a task finds its memory
 * in place.
 */
CELLA_MUST_USE cella_status cella_interpreter_begin(const struct cella_cell *cell, bool warm);

/* Run the task. CELLA_INTERNAL, CELLA_NO_MEMORY: there is no outcome. */
CELLA_MUST_USE cella_status cella_interpreter_run(const struct cella_cell *cell, struct cella_outcome *out);
