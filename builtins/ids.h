/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The ids of one party, many at a time: the lines of an input, or one column of CSV. Blanks (space, tab, CR) around an id
 * do not belong to it; an id of nothing else is empty. An input that is a stream needs memory for its longest id
 * only. All of it is untrusted.
 */

#include "builtins/csv.h"

#define CELLA_IDS_BATCH 256U

enum cella_ids_form {
    CELLA_IDS_LINES,
    CELLA_IDS_CSV,        /* the first record holds names */
    CELLA_IDS_CSV_NO_HEADER,
};

/* A zeroed one can be released. */
struct cella_ids {
    struct cella_builtin_input *input;
    enum cella_ids_form form;
    struct cella_view ids[CELLA_IDS_BATCH]; /* the present batch, valid until the next call */
    size_t count;                           /* how many; 0 at the end only */
    uint64_t before;                        /* how many ids came before this batch */
    struct cella_csv csv;
    size_t column;
    struct cella_bytes window; /* of a stream: what was read ahead; of CSV: the batch */
    const uint8_t *next;       /* lines: begin of the next one, and where the bytes in memory end */
    const uint8_t *end;
    bool ended;
};

/*
 * Begin. ids borrows the input.
 *
 * argument, column:  CSV: the argument that says which column holds the ids, and its text: a name, or a number from 0
 *                    when there is no header; empty for the first column
 *
 * CELLA_BUILTIN_FAILED, CELLA_BAD_ARGUMENT  as cella_csv_begin and cella_csv_column; lines: as cella_lines_check
 * CELLA_NO_MEMORY, CELLA_SYSTEM_FAILED, CELLA_CANCELLED
 */
CELLA_MUST_USE cella_status cella_ids_begin(struct cella_builtin_call *call, struct cella_ids *ids,
                                            struct cella_builtin_input *input, enum cella_ids_form form,
                                            const char *argument, struct cella_view column);

/*
 * The next batch. Errors as cella_csv_next; CELLA_BUILTIN_FAILED as well for a line of a stream beyond 16 MiB.
 */
CELLA_MUST_USE cella_status cella_ids_next(struct cella_builtin_call *call, struct cella_ids *ids);

void cella_ids_release(struct cella_ids *ids);
