/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The parts of the builtin aggregate: what was asked for, what noise that takes, what was collected. Private to
 * aggregate*.c.
 *
 * Differential privacy here: a person's rows count in at most groups_per_person groups and rows_per_person times in each,
 * chosen by nothing but that person's own rows. A query is one sum of whole numbers for each group; one row changes it by
 * at most its limit. Everything that is released is computed from noisy queries and from arguments.
 */

#include "builtins/builtin.h"
#include "builtins/csv.h"
#include "builtins/hash_index.h"
#include "builtins/noise.h"

#define AGGREGATE_ITEMS_MAX 32U
#define AGGREGATE_VALUES_MAX 32U
#define AGGREGATE_KEYS_MAX 32U
#define AGGREGATE_QUERIES_MAX (2U + 4U * AGGREGATE_VALUES_MAX)
#define AGGREGATE_GRID 1048576 /* steps from the middle of a value's range to its bounds, or from 0 to the larger one */

enum aggregate_mechanism {
    AGGREGATE_EXACT,
    AGGREGATE_LAPLACE,
    AGGREGATE_GAUSSIAN,
};

enum aggregate_kind {
    AGGREGATE_COUNT,
    AGGREGATE_PERSONS,
    AGGREGATE_COUNT_OF, /* this one and all others: of a value */
    AGGREGATE_SUM,
    AGGREGATE_MEAN,
    AGGREGATE_VARIANCE,
    AGGREGATE_DEVIATION,
    AGGREGATE_MINIMUM,
    AGGREGATE_MAXIMUM,
};

struct aggregate_item {
    enum aggregate_kind kind;
    size_t value;            /* which value */
    struct cella_view text; /* as it was written */
};

/* Sums of whole numbers that noise is added to. */
enum aggregate_sum {
    AGGREGATE_SUM_COUNT,   /* rows with a value */
    AGGREGATE_SUM_CENTRED, /* distances from the middle of the range, in steps */
    AGGREGATE_SUM_SQUARES, /* squares of these, from -limit (0) to limit (the range's end) */
    AGGREGATE_SUM_PLAIN,   /* values, in steps from 0 */
    AGGREGATE_SUM_KINDS,
};

/* A column with numbers. */
struct aggregate_value {
    struct cella_view name;
    size_t column;
    bool bounded;
    double lower;
    double upper;
    bool wanted[AGGREGATE_SUM_KINDS]; /* noise: which sums are needed */
    size_t query[AGGREGATE_SUM_KINDS];
};

/* One sum for each group that noise is added to. */
struct aggregate_query {
    struct cella_view of; /* column; empty: rows or persons */
    const char *what;
    int64_t limit;   /* how much one row changes it at most */
    int64_t rows;    /* how many rows of one person count in one group */
    double step;     /* what 1 stands for */
    struct cella_noise_laplace laplace;
    struct cella_noise_gaussian gaussian;
    double deviation; /* of the noise, in units of 1 */
};

struct aggregate_plan {
    enum aggregate_mechanism mechanism;
    struct cella_csv lists[3]; /* what the views below point into: group_by, aggregates, bounds */
    struct cella_builtin_input list_inputs[3];
    size_t key_count;
    struct cella_view key_names[AGGREGATE_KEYS_MAX];
    size_t keys[AGGREGATE_KEYS_MAX]; /* columns */
    size_t item_count;
    struct aggregate_item items[AGGREGATE_ITEMS_MAX];
    size_t value_count;
    struct aggregate_value values[AGGREGATE_VALUES_MAX];
    bool has_person;
    struct cella_view person_name;
    size_t person;            /* column */
    int64_t groups_per_person; /* 0: without limit */
    int64_t rows_per_person;
    int64_t minimum_group;
    bool listed;              /* only groups of the public list count, and all of them are released */
    double epsilon;
    double delta;
    size_t query_count;
    struct aggregate_query queries[AGGREGATE_QUERIES_MAX];
    size_t persons_query; /* SIZE_MAX: none */
    size_t rows_query;
    int64_t threshold; /* noise, groups not listed: noisy persons that a group must have */
};

/* Of a value in a group. */
struct aggregate_exact {
    uint64_t count;
    uint64_t persons; /* with a value */
    double sum;
    double lost; /* what rounding took from sum */
    double mean;
    double squares; /* of distances from the mean */
    double minimum;
    double maximum;
    uint64_t minimum_persons; /* who have it */
    uint64_t maximum_persons;
};

union aggregate_cell {
    struct aggregate_exact exact;
    int64_t sums[AGGREGATE_SUM_KINDS];
};

struct aggregate_group {
    size_t key; /* where its key begins in keys: for each column its size in 4 bytes, and its text */
    uint64_t rows;
    uint64_t persons;
};

/* A person in a group. */
struct aggregate_member {
    uint32_t person;
    uint32_t group;
    uint32_t rows;
    uint32_t values; /* a bit for each value that the person has there */
};

struct aggregate_state {
    struct cella_hash_key hash_key;
    struct cella_hash_index group_index;
    struct cella_hash_index person_index;
    struct cella_hash_index member_index;
    struct cella_bytes keys;
    struct cella_bytes groups;   /* of struct aggregate_group */
    struct cella_bytes cells;    /* of union aggregate_cell, value_count for each group */
    struct cella_bytes persons;  /* of uint32_t: how many groups a person is in */
    struct cella_bytes members;  /* of struct aggregate_member */
    struct cella_bytes extremes; /* of double, two for each value and member: what it was counted for */
    struct cella_bytes scratch;
};

/* aggregate_plan.c: read the arguments' lists and check them against each other. CELLA_BAD_ARGUMENT, CELLA_NO_MEMORY */
CELLA_MUST_USE cella_status aggregate_plan_make(struct cella_builtin_call *call, struct aggregate_plan *plan,
                                                const struct cella_view lists[3]);

/* Find the columns that the plan names. CELLA_BAD_ARGUMENT */
CELLA_MUST_USE cella_status aggregate_plan_columns(struct cella_builtin_call *call, struct aggregate_plan *plan,
                                                   const struct cella_csv *csv);

void aggregate_plan_clear(struct aggregate_plan *plan);

/* aggregate_privacy.c: share epsilon and delta among the queries. CELLA_BAD_ARGUMENT */
CELLA_MUST_USE cella_status aggregate_share(struct cella_builtin_call *call, struct aggregate_plan *plan);

/* A text of the arguments as JSON, with its quotes. CELLA_NO_MEMORY */
CELLA_MUST_USE cella_status aggregate_put_text(struct cella_builtin_call *call, struct cella_view text);

/* Add the summary's members about privacy, without braces. CELLA_NO_MEMORY */
CELLA_MUST_USE cella_status aggregate_describe(struct cella_builtin_call *call, const struct aggregate_plan *plan);

/* aggregate_read.c: the public list, and all rows. */
CELLA_MUST_USE cella_status aggregate_read_list(struct cella_builtin_call *call, const struct aggregate_plan *plan,
                                                struct aggregate_state *state, struct cella_builtin_input *input,
                                                bool header);
CELLA_MUST_USE cella_status aggregate_read_rows(struct cella_builtin_call *call, struct aggregate_plan *plan,
                                                struct aggregate_state *state, struct cella_builtin_input *input,
                                                bool header);
/* Group number i, and its cells. */
struct aggregate_group *aggregate_group_at(const struct aggregate_state *state, size_t i);
union aggregate_cell *aggregate_cells_at(const struct aggregate_plan *plan, const struct aggregate_state *state,
                                         size_t i);
void aggregate_state_clear(struct aggregate_state *state);

/* A figure of a result. */
struct aggregate_figure {
    bool is_there;
    bool is_whole;
    int64_t whole;
    double number;
};

/* aggregate_release.c: the numbers of groups that have rows, sorted by key (listed ones: as listed). The caller frees. */
CELLA_MUST_USE cella_status aggregate_order(const struct aggregate_plan *plan, const struct aggregate_state *state,
                                            size_t **out, size_t *count);
CELLA_MUST_USE cella_status aggregate_write_head(const struct aggregate_plan *plan,
                                                 struct cella_builtin_output *output);
CELLA_MUST_USE cella_status aggregate_write_key(const struct aggregate_plan *plan, const struct aggregate_state *state,
                                                size_t group, struct cella_builtin_output *output);
CELLA_MUST_USE cella_status aggregate_write_figure(struct cella_builtin_output *output, struct aggregate_figure figure,
                                                   bool first);
/* Write all that may be released, and the summary. */
CELLA_MUST_USE cella_status aggregate_release_exact(struct cella_builtin_call *call, const struct aggregate_plan *plan,
                                                    const struct aggregate_state *state,
                                                    struct cella_builtin_output *output);
/* aggregate_noisy.c */
CELLA_MUST_USE cella_status aggregate_release_noisy(struct cella_builtin_call *call, const struct aggregate_plan *plan,
                                                    const struct aggregate_state *state,
                                                    struct cella_builtin_output *output);
