/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Builtin functions for Python: values go from Python objects to builtins/dispatch.h and back.
 */

#include <Python.h>

#include "base/bytes.h"

/* Write all bytes. CELLA_LIMIT_OUTPUT  the file's limit is reached; CELLA_SYSTEM_FAILED. errno is set. */
CELLA_MUST_USE cella_status cella_native_write(int file, struct cella_view bytes);

/* builtins(): a tuple of (name, alias, version, documentation, returns, parameters), with parameters a tuple of
 * (name, kind, minimum, maximum, default text or None, documentation). */
PyObject *cella_native_table(PyObject *module, PyObject *nothing);

/*
 * call(name: str, arguments: dict, inputs: dict of buffers, outputs: dict of int or None)
 *   -> (status number, result or message: bytes, {output: bytes})
 *
 * An output given as a number is a descriptor that is written to; None collects the bytes.
 */
PyObject *cella_native_call(PyObject *module, PyObject *arguments);
