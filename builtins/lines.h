/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * An input as lines, in order: LF or CR LF ends a line, the last one need not be ended; a final line end makes no
 * further line. A UTF-8 byte order mark in front is skipped.
 */

#include "builtins/input.h"

struct cella_lines {
    struct cella_builtin_input *input;
    size_t number;          /* of the present line, from 1; 0 before the first */
    struct cella_view line; /* without its end; valid until the next call */
    struct cella_bytes window; /* of a stream: what was read ahead */
    size_t used;
    bool ended;
};

/* Begin. The reader borrows the input. */
void cella_lines_begin(struct cella_lines *lines, struct cella_builtin_input *input);

/*
 * Go to the next line. *there is false at the end.
 * CELLA_BUILTIN_FAILED  a line of a stream beyond 16 MiB, or UTF-16; the message says which
 * CELLA_NO_MEMORY, CELLA_SYSTEM_FAILED, CELLA_CANCELLED
 */
CELLA_MUST_USE cella_status cella_lines_next(struct cella_builtin_call *call, struct cella_lines *lines, bool *there);

void cella_lines_release(struct cella_lines *lines);

/*
 * Refuse text that begins with the byte order mark of UTF-16: none of its lines would be equal to those of other files.
 * CELLA_BUILTIN_FAILED  it does; the message names the input
 */
CELLA_MUST_USE cella_status cella_lines_check(struct cella_builtin_call *call, const struct cella_builtin_input *input,
                                              struct cella_view text);

/* Without the blanks (space, tab, CR) at both ends. */
struct cella_view cella_lines_trim(struct cella_view line);
