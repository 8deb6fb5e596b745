/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Rows of a CSV file in memory, found by their key: chosen fields, ready to be written as CSV. Rows with the same key
 * are chained in their order. Keys are compared by 128 bits of keyed hash (see hash.h).
 */

#include "builtins/csv.h"
#include "builtins/hash_table.h"

/* The rows with one key. */
struct cella_rows_group {
    uint64_t first; /* row numbers, from 0 */
    uint64_t last;
    uint64_t count; /* those that cella_rows_take did not give */
};

/* So many rows are added, and so many keys looked up, together: memory has time to answer. */
#define CELLA_ROWS_BATCH 64U

/* A zeroed one is empty; set width before adding. */
struct cella_rows {
    size_t width; /* fields of a row */
    uint64_t count;
    struct cella_hash_table table; /* key: number of the group, from 1 */
    struct cella_bytes groups;
    struct cella_bytes next; /* uint64_t for each row: the next one of its group, from 1; 0 for none */
    struct cella_bytes ends; /* uint64_t for each field: where it ends in text */
    struct cella_bytes text;
    struct cella_builtin_output encoder; /* writes to text */
    struct cella_hash waiting[CELLA_ROWS_BATCH]; /* keys of the newest rows, which are not in the table yet */
    size_t waiting_count;
};

/*
 * What identifies the present record: a hash of its fields in columns, in that order. *missing: one of them is empty and
 * not in quotes.
 *
 * scratch:  reused memory of the caller
 *
 * CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_rows_key(const struct cella_hash_key *key, const struct cella_csv *csv,
                                           const size_t *columns, size_t count, struct cella_bytes *scratch,
                                           struct cella_hash *out, bool *missing);

/*
 * Write a field of the present record as it came: an empty one in quotes stays in quotes, as it is no missing one. Comma
 * and errors as cella_csv_write.
 */
CELLA_MUST_USE cella_status cella_rows_write(struct cella_builtin_output *output, const struct cella_csv *csv,
                                             size_t column, bool first);

/* Append a row that no key finds: fields of the present record in the given columns, width of them. CELLA_NO_MEMORY. */
CELLA_MUST_USE cella_status cella_rows_append(struct cella_rows *rows, const struct cella_csv *csv, const size_t *columns);

/* Append a row with a key. CELLA_NO_MEMORY. */
CELLA_MUST_USE cella_status cella_rows_add(struct cella_rows *rows, struct cella_hash key, const struct cella_csv *csv,
                                           const size_t *columns);

/* After the last one, before anything is read. CELLA_NO_MEMORY. */
CELLA_MUST_USE cella_status cella_rows_end(struct cella_rows *rows);

/* Forget rows that were appended, but keep the memory. */
void cella_rows_empty(struct cella_rows *rows);

/* For each of at most CELLA_ROWS_BATCH keys the first row with it, plus one; 0 if there is none. */
void cella_rows_find(const struct cella_rows *rows, const struct cella_hash *keys, size_t count, uint64_t *first);

/* The same for the numbers of the groups, from 1. */
void cella_rows_find_groups(const struct cella_rows *rows, const struct cella_hash *keys, size_t count, uint64_t *number);

/* How many groups there are. */
uint64_t cella_rows_groups(const struct cella_rows *rows);

/* Group number 1 to cella_rows_groups. */
const struct cella_rows_group *cella_rows_group(const struct cella_rows *rows, uint64_t number);

/* The row behind a row in its group; both counted from 1; 0 if there is none. */
uint64_t cella_rows_next(const struct cella_rows *rows, uint64_t row);

/* Each row of a key once, in their order, then 0. */
uint64_t cella_rows_take(struct cella_rows *rows, struct cella_hash key);

/* Field number which of a row (counted from 1), as CSV. */
struct cella_view cella_rows_field(const struct cella_rows *rows, uint64_t row, size_t which);

/* Bytes of the longest row, all its fields together. */
uint64_t cella_rows_longest(const struct cella_rows *rows);

void cella_rows_release(struct cella_rows *rows);
