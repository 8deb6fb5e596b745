/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The native module _cell: what the runtime package (executor/cell/runtime) needs from C. Scripts use the package.
 *
 *   sources() -> dict[str, bytes]          the runtime package's modules
 *   log(text: bytes)                       within the log's limit
 *   progress(fraction: int, text: bytes)   in 1/10000
 *   write(output: int, data) -> int        all of data to the end of an output; OSError
 *   restart(output: int)                   empty an output
 *   builtins() -> str                      the builtin functions' table, as JSON
 *   load(name: str) -> str                 load a library with builtins; what is wrong with it
 *   call(name, arguments, inputs, outputs, task) -> tuple   call one (cell/native.h)
 *   peak_bytes() -> int                    most memory the process ever held
 */

#include <Python.h>

struct cella_cell;

/* For PyImport_Inittab, under the name _cell. */
PyObject *cella_module_create(void);

/* Bind an imported module to the cell. */
void cella_module_bind(PyObject *module, struct cella_cell *cell);
