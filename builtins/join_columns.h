/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which columns of the join's inputs go to which output. A choice is "N.NAME", column NAME of input number N (NAME a number
 * from 0 without headers), or "N.*", all its columns but the keys; see column_list.h for lists of them.
 */

#include "builtins/column_list.h"

/* One of the inputs. */
struct cella_join_input {
    struct cella_csv csv;
    size_t *keys; /* columns, key_count of them; owned, as are the others */
    size_t *kept; /* columns that some output has, in the order of the file */
    size_t kept_count;
    size_t *place; /* for each column: where it is in kept */
};

struct cella_join_column {
    size_t input;
    size_t column;
};

/* Columns of one output, in order. */
struct cella_join_columns {
    struct cella_bytes items; /* struct cella_join_column */
};

/*
 * Choose.
 *
 * text:        the argument columns; empty: "0.*,1.*,..." for each output
 * with_keys:   the first input's keys come first
 * inputs:      begun, keys known; kept and place are filled
 * out:         output_count zeroed ones
 *
 * CELLA_BAD_ARGUMENT  a choice that means nothing; an output without columns; CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_join_choose(struct cella_builtin_call *call, struct cella_view text, bool with_keys,
                                              struct cella_join_input *inputs, size_t input_count, size_t key_count,
                                              struct cella_join_columns *out, size_t output_count);

/* Column number which of an output; *count is how many there are. */
const struct cella_join_column *cella_join_columns_of(const struct cella_join_columns *columns, size_t *count);

/*
 * Write the header of an output: a column's name, or "N.NAME" where two columns of it have the same name.
 * Errors as cella_builtin_output_write.
 */
CELLA_MUST_USE cella_status cella_join_write_header(const struct cella_join_input *inputs,
                                                    const struct cella_join_columns *columns,
                                                    struct cella_builtin_output *output);
