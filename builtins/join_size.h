/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How large a join's result is, before it is written. A key that many records of several inputs have makes all their
 * combinations, so that two inputs of a million records can make 10^12 of them: what can not fit is refused instead of
 * written up to the limit. Numbers beyond 64 bits stay at the greatest one.
 */

#include "builtins/builtin.h"
#include "builtins/join_columns.h"
#include "builtins/rows.h"

/* A field of an input's rows that an output has. */
struct cella_join_use {
    size_t output;
    size_t place; /* in the row */
};

struct cella_join_size {
    const struct cella_join_input *inputs;
    const struct cella_rows *rows;              /* of each input; of the first one the present batch */
    size_t input_count;
    const struct cella_join_columns *columns;   /* of each output */
    const struct cella_builtin_outputs *outputs;
    bool left;
    struct cella_join_use *uses[CELLA_BUILTIN_GROUP_MAX]; /* of each input's fields */
    size_t use_counts[CELLA_BUILTIN_GROUP_MAX];
    uint64_t *texts[CELLA_BUILTIN_GROUP_MAX]; /* of each input but the first, for each group and output: bytes of its fields */
    uint64_t records;                         /* so far */
    uint64_t bytes[CELLA_BUILTIN_GROUP_MAX];  /* of each output, without its header */
    struct cella_hash key;                    /* the one with the most combinations for a record of the first input */
    uint64_t combinations;                    /* how many these are */
    uint64_t row;                             /* the first record with this key, from 1 */
    uint64_t own;                             /* how many records of the first input have it */
    size_t partner;                           /* the input that has the most records with it */
    uint64_t partners;                        /* how many */
};

/*
 * Whether counting is not worth while, at little cost: the result fits into every output whatever the keys of the first input
 * are; or that is a stream and no record of it has more than one combination. Needs inputs, input_count, rows (those of all
 * inputs but the first complete), columns and outputs.
 */
bool cella_join_size_is_small(const struct cella_join_size *size, const struct cella_builtin_input *first);

/* Prepare for counting. Needs the same members and left. CELLA_NO_MEMORY. */
CELLA_MUST_USE cella_status cella_join_size_begin(struct cella_join_size *size);

/*
 * Count what the present batch of the first input makes.
 *
 * keys, missing:  of its records, count of them, at most CELLA_ROWS_BATCH; one whose key is missing has no partner
 * before:         how many records of the first input came before
 */
void cella_join_size_add(struct cella_join_size *size, const struct cella_hash *keys, const bool *missing, size_t count,
                         uint64_t before);

/* Whether what was counted is more than an output may have. */
bool cella_join_size_exceeds(const struct cella_join_size *size);

/* CELLA_LIMIT_OUTPUT if it is, with a message: how many records and bytes, which key makes them, and what to do. */
CELLA_MUST_USE cella_status cella_join_size_check(struct cella_builtin_call *call, const struct cella_join_size *size);

void cella_join_size_release(struct cella_join_size *size);
