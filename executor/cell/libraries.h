/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The shared libraries that cells inherit, arranged so that forking copies little.
 *
 * The loader maps a library as five pieces with rights of their own: headers, code, constants, tables that it wrote
 * addresses into, data; a sixth is data that begins as zeros. A fork copies the record of each piece and the cell's end
 * gives it back, which for hundreds of libraries costs more than everything that they contain. Afterwards a library is two:
 * what is never written, readable and executable; and what is, in anonymous memory.
 *
 * So constants can be executed, and a library's tables of addresses can be written to. Neither is a loss against a script:
 * one with numpy writes to any memory of its cell, where function pointers abound; what it can do with that is for the
 * sandbox to bound. No memory is both writable and executable.
 */

/*
 * Once, when every library is loaded, by the only thread. What the machine refuses is left as it was: it only costs time.
 */
void cella_libraries_join(void);
