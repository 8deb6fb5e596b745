/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Builtin functions for Python: values go from Python objects to builtins/dispatch.h and back.
 */

#include <Python.h>

#include "base/bytes.h"

/* Write all bytes. CELLA_LIMIT_OUTPUT  the file's limit is reached; CELLA_SYSTEM_FAILED. errno is set. */
CELLA_MUST_USE cella_status cella_native_write(int file, struct cella_view bytes);

struct cella_cell;

/* builtins() -> str: the functions that this cell has, as a JSON list of what builtins/describe.h says. */
PyObject *cella_native_table(const struct cella_cell *cell);

/* load(name: str) -> str: load a library of the builtins' folder; empty, or what is wrong with it. In the zygote only. */
PyObject *cella_native_load(struct cella_cell *cell, PyObject *name);

/*
 * call(name: str, arguments: dict, inputs: dict, outputs: dict of int or None, task: bool)
 *   -> (status number, whether the result is JSON, result or message: bytes, {output: bytes})
 *
 * An input is None, an object with readinto, which is read as the function goes on, or a buffer. An output given as a
 * number is a descriptor that is written to; None collects the bytes. A task's builtin reports how far it is. Raises what
 * readinto or a signal's handler raised, and LookupError if this profile has no such function.
 */
PyObject *cella_native_call(struct cella_cell *cell, PyObject *arguments);
