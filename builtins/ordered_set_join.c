/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/builtin.h"
#include "builtins/rows.h"

#include <inttypes.h>
#include <string.h>

#define JOIN(X)                                                                                                      \
    X(INTEGER, left_column, 0, 16383, NULL, "which column of input_data1 is the key, from 0")                        \
    X(INTEGER, right_column, 0, 16383, NULL, "the same of input_data2")                                              \
    X(FLAG, ascending, NULL, "with sorted: the order of both inputs; otherwise without effect")                      \
    X(FLAG, drop, NULL, "leave the key out of the output")                                                           \
    X(FLAG, sorted, "false",                                                                                         \
      "both inputs are sorted by the bytes of their keys: read them as streams, with memory for one record, and refuse " \
      "one that is not")                                                                                             \
    X(INPUT, input_data1, "CSV", "left records, without a header: a line of names would be a record")                                                   \
    X(INPUT, input_data2, "CSV", "right records, the same")                                                  \
    X(OUTPUT, output_result, "CSV", "left record, then right record without its key, for each pair of equal keys")

#define RECORDS_BETWEEN_PROGRESS (1U << 20)

struct side {
    struct cella_csv csv;
    size_t key;
    bool there;
    struct cella_bytes before; /* the key of the record before */
};

struct join {
    struct cella_builtin_call *call;
    struct side left;
    struct side right;
    bool drop;
    bool ascending;
    uint64_t count;
    struct cella_builtin_output *output;
    struct cella_hash_key hash_key;
    struct cella_rows rows; /* right ones in memory, without their keys */
    size_t *columns;
};

static void release(struct join *join)
{
    cella_csv_release(&join->left.csv);
    cella_csv_release(&join->right.csv);
    cella_bytes_clear(&join->left.before);
    cella_bytes_clear(&join->right.before);
    cella_rows_release(&join->rows);
    free(join->columns);
}

static cella_status begin(struct join *join, struct side *side, struct cella_builtin_input *input, int64_t key,
                          const char *argument)
{
    CELLA_TRY(cella_csv_begin(join->call, &side->csv, input, CELLA_CSV_NO_HEADER));
    if (side->csv.column_count == 0) {
        return cella_builtin_refuse(join->call, "%s: is empty", input->name);
    }
    if ((size_t) key >= side->csv.column_count) {
        return cella_builtin_refuse_argument(join->call, "argument '%s' is %" PRId64 ", but %s has %zu columns", argument,
                                             key, input->name, side->csv.column_count);
    }
    side->key = (size_t) key;
    return CELLA_OK;
}

static int compare(struct cella_view a, struct cella_view b)
{
    size_t least = a.size < b.size ? a.size : b.size;
    int order = least == 0 ? 0 : memcmp(a.data, b.data, least);
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static struct cella_view key_of(const struct side *side)
{
    return side->csv.fields[side->key];
}

/* The next record of a side that must be sorted. */
static cella_status next_sorted(struct join *join, struct side *side)
{
    bool first = side->csv.row == 0;
    if (!first) {
        CELLA_TRY(cella_bytes_set(&side->before, key_of(side)));
    }
    CELLA_TRY(cella_csv_next(join->call, &side->csv, &side->there));
    if (!side->there || first) {
        return CELLA_OK;
    }
    int order = compare(cella_bytes_view(&side->before), key_of(side));
    if (join->ascending ? order > 0 : order < 0) {
        return cella_csv_refuse(join->call, &side->csv, side->key, "is not in %s order",
                                join->ascending ? "ascending" : "descending");
    }
    return side->csv.row % RECORDS_BETWEEN_PROGRESS == 0 ? cella_builtin_progress(join->call, 0.5) : CELLA_OK;
}

/* Write the left record; *first says whether the next field begins the output's record. */
static cella_status write_side(struct join *join, const struct side *side, bool with_key, bool *first)
{
    for (size_t i = 0; i < side->csv.column_count; i++) {
        if (i != side->key || with_key) {
            CELLA_TRY(cella_rows_write(join->output, &side->csv, i, *first));
            *first = false;
        }
    }
    return CELLA_OK;
}

static cella_status end_record(struct join *join)
{
    join->count++;
    return cella_builtin_output_write(join->output, cella_view_of("\n", 1));
}

static cella_status join_sorted(struct join *join)
{
    CELLA_TRY(next_sorted(join, &join->left));
    CELLA_TRY(next_sorted(join, &join->right));
    while (join->left.there && join->right.there) {
        int order = compare(key_of(&join->left), key_of(&join->right));
        if (order == 0) {
            bool first = true;
            CELLA_TRY(write_side(join, &join->left, !join->drop, &first));
            CELLA_TRY(write_side(join, &join->right, false, &first));
            CELLA_TRY(end_record(join));
        }
        bool move_left = order == 0 || (order < 0) == join->ascending;
        bool move_right = order == 0 || (order > 0) == join->ascending;
        CELLA_TRY(move_left ? next_sorted(join, &join->left) : CELLA_OK);
        CELLA_TRY(move_right ? next_sorted(join, &join->right) : CELLA_OK);
    }
    return CELLA_OK;
}

/* What is behind the last pair must be good CSV and sorted as well: an answer for half a file would be none. */
static cella_status read_rest(struct join *join)
{
    while (join->left.there) {
        CELLA_TRY(next_sorted(join, &join->left));
    }
    while (join->right.there) {
        CELLA_TRY(next_sorted(join, &join->right));
    }
    return CELLA_OK;
}

static cella_status hash_of(struct join *join, const struct side *side, struct cella_hash *out)
{
    bool missing; /* an empty key is a key here, as in Teaclave */
    return cella_rows_key(&join->hash_key, &side->csv, &side->key, 1, NULL, out, &missing);
}

static cella_status keep_right(struct join *join)
{
    struct side *side = &join->right;
    join->columns = calloc(side->csv.column_count, sizeof(*join->columns));
    if (join->columns == NULL) {
        return CELLA_NO_MEMORY;
    }
    for (size_t i = 0; i < side->csv.column_count; i++) {
        if (i != side->key) {
            join->columns[join->rows.width++] = i;
        }
    }
    for (;;) {
        struct cella_hash hash;
        CELLA_TRY(cella_csv_next(join->call, &side->csv, &side->there));
        if (!side->there) {
            return cella_rows_end(&join->rows);
        }
        CELLA_TRY(hash_of(join, side, &hash));
        CELLA_TRY(cella_rows_add(&join->rows, hash, &side->csv, join->columns));
        if (side->csv.row % RECORDS_BETWEEN_PROGRESS == 0) {
            CELLA_TRY(cella_builtin_progress(join->call, 0.25));
        }
    }
}

static cella_status join_unsorted(struct join *join)
{
    CELLA_TRY(keep_right(join));
    for (;;) {
        struct cella_hash hash;
        CELLA_TRY(cella_csv_next(join->call, &join->left.csv, &join->left.there));
        if (!join->left.there) {
            return CELLA_OK;
        }
        CELLA_TRY(hash_of(join, &join->left, &hash));
        uint64_t row = cella_rows_take(&join->rows, hash);
        if (row != 0) {
            bool first = true;
            CELLA_TRY(write_side(join, &join->left, !join->drop, &first));
            for (size_t i = 0; i < join->rows.width; i++) {
                CELLA_TRY(cella_builtin_output_write(join->output, cella_view_of(",", first ? 0 : 1)));
                CELLA_TRY(cella_builtin_output_write(join->output, cella_rows_field(&join->rows, row, i)));
                first = false;
            }
            CELLA_TRY(end_record(join));
        }
        if (join->left.csv.row % RECORDS_BETWEEN_PROGRESS == 0) {
            CELLA_TRY(cella_builtin_progress(join->call, 0.75));
        }
    }
}

CELLA_BUILTIN(
    ordered_set_join, "ordered_set_join", JOIN, .alias = "builtin-ordered-set-join", .version = "1",
    .documentation =
        "Join the records of two CSV files that have the same key, without showing either file to the other's owner. The n-th "
        "record with a key on the left is paired with the n-th one with this key on the right; records without a partner are "
        "left out. The output is in the order of the left input. Inputs need not be sorted. The function join makes all "
        "pairs, takes headers, several keys and more files.",
    .returns = "\"N records\"",
    .limits = "The result has no more records than the smaller input. Unless sorted: memory for input_data2 without its keys, "
              "and about 80 bytes for each of its records and 8 for each of its fields. input_data1 is read as a stream.",
    .example = ">>> joined = cella.builtins.ordered_set_join(\n"
               "...     b\"7,ann\\n3,bob\\n\", b\"3,1.5\\n7,2.5\\n\", left_column=0, right_column=0, ascending=True, drop=False)\n"
               ">>> joined.returned, joined.output_result\n"
               "('2 records', b'7,ann,2.5\\n3,bob,1.5\\n')\n")
{
    CELLA_CLEANUP(release) struct join join = { .call = call, .drop = drop, .ascending = ascending, .output = output_result };
    CELLA_TRY(begin(&join, &join.left, input_data1, left_column, "left_column"));
    CELLA_TRY(begin(&join, &join.right, input_data2, right_column, "right_column"));
    if (drop && join.left.csv.column_count + join.right.csv.column_count == 2) {
        return cella_builtin_refuse_argument(call, "argument 'drop' leaves nothing: both inputs have one column");
    }
    if (sorted) {
        CELLA_TRY(join_sorted(&join));
        CELLA_TRY(read_rest(&join));
    } else {
        CELLA_TRY(cella_hash_key_make(&join.hash_key));
        CELLA_TRY(join_unsorted(&join));
    }
    return cella_builtin_result(call, "%" PRIu64 " records", join.count);
}
