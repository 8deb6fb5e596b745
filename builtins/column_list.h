/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * An argument that lists columns for several inputs: names separated by commas, inputs by bars ("id|customer,branch|id");
 * a name with a comma, bar, blank or quote in it stands in double quotes, as in CSV. One list without a bar is for all.
 */

#include "builtins/csv.h"

#define CELLA_COLUMN_LIST_MAX 256U /* names in all */

struct cella_column_list {
    struct cella_bytes text; /* what the names point into; owned */
    size_t input_count;      /* how many inputs are told apart: 1 is for all */
    size_t count;
    struct cella_view names[CELLA_COLUMN_LIST_MAX];
    size_t inputs[CELLA_COLUMN_LIST_MAX]; /* which input, from 0, the name is for */
};

/*
 * Take the text apart. The caller releases out.
 *
 * argument:     its name, for messages
 * what, count:    what the lists are for ("inputs") and how many of these there are
 *
 * CELLA_BAD_ARGUMENT  an empty name, quotes that do not end, text behind quotes, too many names; lists for another
 *                     number than 1 or count
 * CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_column_list_parse(struct cella_builtin_call *call, const char *argument,
                                                    struct cella_view text, const char *what,
                                                    size_t count, struct cella_column_list *out);

/* The names for an input; *count of them. */
const struct cella_view *cella_column_list_of(const struct cella_column_list *list, size_t input, size_t *count);

void cella_column_list_release(struct cella_column_list *list);
