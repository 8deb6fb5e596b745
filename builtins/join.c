/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/builtin.h"
#include "builtins/join_size.h"

#include <inttypes.h>

#define JOIN(X)                                                                                                      \
    X(TEXT, on, 1, 4096, NULL,                                                                                       \
      "the key columns: names separated by commas, or without headers numbers from 0. If they are called otherwise in " \
      "other inputs, a list for each input, separated by |: \"id|customer|id\"")                                     \
    X(CHOICE, how, "inner|left", "inner",                                                                            \
      "inner: keys that all inputs have. left: all records of input0; fields of inputs that do not have the key are empty") \
    X(FLAG, header, "true", "the first record of each input holds the columns' names")                               \
    X(TEXT, columns, 0, 65535, "",                                                                                   \
      "what each output gets beside the keys, a list for each output separated by |, or one for all: N.NAME is column NAME " \
      "of input N (counted from 0), N.* all its columns but the keys: \"0.*,1.age|1.*\". If empty, all of all inputs") \
    X(FLAG, keys, "true", "each output begins with the keys")                                                        \
    X(INPUTS, input, 2, 64, "CSV", "the records of one party")                                                       \
    X(OUTPUTS, output, 1, 64, "CSV", "the joined records, with the columns that this output gets, and a header if the inputs have one")

#define RECORDS_BETWEEN_PROGRESS (1U << 18)

struct join {
    struct cella_builtin_call *call;
    struct cella_join_input inputs[CELLA_BUILTIN_GROUP_MAX];
    struct cella_rows rows[CELLA_BUILTIN_GROUP_MAX]; /* of each input; of the first one only a batch */
    uint64_t found[CELLA_BUILTIN_GROUP_MAX][CELLA_ROWS_BATCH]; /* first rows for the keys of a batch */
    struct cella_join_columns columns[CELLA_BUILTIN_GROUP_MAX]; /* of each output */
    uint64_t present[CELLA_BUILTIN_GROUP_MAX]; /* row of each input in the record to be written, from 1; 0: none */
    uint64_t first[CELLA_BUILTIN_GROUP_MAX];   /* first row of each input with the present key */
    size_t input_count;
    size_t key_count;
    bool left;
    struct cella_hash_key hash_key;
    struct cella_bytes scratch;
    struct cella_builtin_outputs *outputs;
    uint64_t count;
    struct cella_join_size size;
    bool counts; /* records of the first input are counted into size */
    bool writes; /* they are written */
};

static void release(struct join **held)
{
    struct join *join = *held;
    for (size_t i = 0; join != NULL && i < CELLA_BUILTIN_GROUP_MAX; i++) {
        cella_csv_release(&join->inputs[i].csv);
        free(join->inputs[i].keys);
        free(join->inputs[i].kept);
        free(join->inputs[i].place);
        cella_rows_release(&join->rows[i]);
        cella_bytes_clear(&join->columns[i].items);
    }
    if (join != NULL) {
        cella_bytes_clear(&join->scratch);
        cella_join_size_release(&join->size);
    }
    free(join);
}

static cella_status begin_input(struct join *join, struct cella_builtin_input *from, bool header,
                                const struct cella_column_list *on, size_t which)
{
    struct cella_join_input *input = &join->inputs[which];
    CELLA_TRY(cella_csv_begin(join->call, &input->csv, from, header ? CELLA_CSV_HEADER : CELLA_CSV_NO_HEADER));
    if (input->csv.column_count == 0) {
        return cella_builtin_refuse(join->call, "%s: is empty", from->name);
    }
    size_t count;
    const struct cella_view *names = cella_column_list_of(on, which, &count);
    if (which == 0) {
        join->key_count = count;
    } else if (count != join->key_count) {
        return cella_builtin_refuse_argument(join->call, "argument 'on' names %zu columns of input0 and %zu of %s",
                                             join->key_count, count, from->name);
    }
    input->keys = calloc(count, sizeof(*input->keys));
    if (input->keys == NULL) {
        return CELLA_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        CELLA_TRY(cella_csv_column(join->call, &input->csv, "on", names[i], &input->keys[i]));
    }
    return CELLA_OK;
}

static cella_status next(struct join *join, size_t which, struct cella_hash *key, bool *missing, bool *there)
{
    struct cella_csv *csv = &join->inputs[which].csv;
    CELLA_TRY(cella_csv_next(join->call, csv, there));
    if (!*there) {
        return CELLA_OK;
    }
    if (csv->row % RECORDS_BETWEEN_PROGRESS == 0) {
        double place = (double) (which == 0 ? join->input_count : which);
        CELLA_TRY(cella_builtin_progress(join->call, place / (double) (join->input_count + 1)));
    }
    return cella_rows_key(&join->hash_key, csv, join->inputs[which].keys, join->key_count, &join->scratch, key, missing);
}

static cella_status keep(struct join *join, size_t which)
{
    join->rows[which].width = join->inputs[which].kept_count;
    for (;;) {
        struct cella_hash key;
        bool missing;
        bool there = false;
        CELLA_TRY(next(join, which, &key, &missing, &there));
        if (!there) {
            return cella_rows_end(&join->rows[which]);
        }
        if (!missing) {
            CELLA_TRY(cella_rows_add(&join->rows[which], key, &join->inputs[which].csv, join->inputs[which].kept));
        }
    }
}

static cella_status write_record(struct join *join, size_t which)
{
    struct cella_builtin_output *output = &join->outputs->items[which];
    size_t count;
    const struct cella_join_column *items = cella_join_columns_of(&join->columns[which], &count);
    for (size_t i = 0; i < count; i++) {
        size_t from = items[i].input;
        if (i > 0) {
            CELLA_TRY(cella_builtin_output_write(output, cella_view_of(",", 1)));
        }
        if (join->present[from] != 0) {
            size_t place = join->inputs[from].place[items[i].column];
            CELLA_TRY(cella_builtin_output_write(output, cella_rows_field(&join->rows[from], join->present[from], place)));
        }
    }
    return cella_builtin_output_write(output, cella_view_of("\n", 1));
}

/* The next combination of rows with the present key, the last input's fastest. False after the last one. */
static bool advance(struct join *join)
{
    for (size_t i = join->input_count - 1; i > 0; i--) {
        uint64_t row = join->present[i] == 0 ? 0 : cella_rows_next(&join->rows[i], join->present[i]);
        if (row != 0) {
            join->present[i] = row;
            return true;
        }
        join->present[i] = join->first[i];
    }
    return false;
}

/* All combinations of a record of the batch with those of the other inputs. */
static cella_status write_combinations(struct join *join, size_t record, bool missing)
{
    join->present[0] = record + 1;
    for (size_t i = 1; i < join->input_count; i++) {
        join->first[i] = missing ? 0 : join->found[i][record];
        join->present[i] = join->first[i];
        if (join->first[i] == 0 && !join->left) {
            return CELLA_OK;
        }
    }
    do {
        for (size_t i = 0; i < join->outputs->count; i++) {
            CELLA_TRY(write_record(join, i));
        }
        if (++join->count % RECORDS_BETWEEN_PROGRESS == 0) {
            CELLA_TRY(cella_builtin_progress(join->call, 0.9));
        }
    } while (advance(join));
    return CELLA_OK;
}

/* The next records of the first input. *count is 0 at the end. */
static cella_status do_batch(struct join *join, size_t *count)
{
    struct cella_hash keys[CELLA_ROWS_BATCH];
    bool missing[CELLA_ROWS_BATCH];
    bool there = true;
    *count = 0;
    cella_rows_empty(&join->rows[0]);
    while (*count < CELLA_ROWS_BATCH) {
        CELLA_TRY(next(join, 0, &keys[*count], &missing[*count], &there));
        if (!there) {
            break;
        }
        CELLA_TRY(cella_rows_append(&join->rows[0], &join->inputs[0].csv, join->inputs[0].kept));
        (*count)++;
    }
    CELLA_TRY(cella_rows_end(&join->rows[0]));
    if (join->counts) {
        cella_join_size_add(&join->size, keys, missing, *count, join->inputs[0].csv.row - *count);
    }
    if (!join->writes || cella_join_size_exceeds(&join->size)) {
        return CELLA_OK;
    }
    for (size_t i = 1; i < join->input_count; i++) {
        cella_rows_find(&join->rows[i], keys, *count, join->found[i]);
    }
    for (size_t i = 0; i < *count; i++) {
        CELLA_TRY(write_combinations(join, i, missing[i]));
    }
    return CELLA_OK;
}

static cella_status do_all(struct join *join, bool counts, bool writes)
{
    join->counts = counts;
    join->writes = writes;
    size_t count;
    do {
        CELLA_TRY(do_batch(join, &count));
    } while (count > 0);
    return counts ? cella_join_size_check(join->call, &join->size) : CELLA_OK;
}

/*
 * Where a key may have many combinations, they are counted first: an input in memory is read twice for it. A stream can not
 * be, so nothing more of it is written as soon as its records are known to be too many; the rest is counted for the message.
 */
static cella_status run(struct join *join, bool header)
{
    struct cella_csv *first = &join->inputs[0].csv;
    struct cella_builtin_input *input = first->input;
    for (size_t i = 1; i < join->input_count; i++) {
        CELLA_TRY(keep(join, i));
    }
    join->rows[0].width = join->inputs[0].kept_count;
    if (cella_join_size_is_small(&join->size, input)) {
        return do_all(join, false, true);
    }
    CELLA_TRY(cella_join_size_begin(&join->size));
    if (input->read != NULL) {
        return do_all(join, true, true);
    }
    CELLA_TRY(do_all(join, true, false));
    cella_csv_release(first);
    input->position = 0;
    CELLA_TRY(cella_csv_begin(join->call, first, input, header ? CELLA_CSV_HEADER : CELLA_CSV_NO_HEADER));
    return do_all(join, false, true);
}

CELLA_BUILTIN(
    join, "join", JOIN, .version = "1", .result = CELLA_BUILTIN_RESULT_JSON,
    .documentation =
        "Private join of CSV files on key columns: each output gets the columns that were agreed on for it. All combinations of "
        "the records with a key are made, in the order of input0, then of input1 and so on. Keys are compared byte by byte; a "
        "record with an empty key (not in quotes) has no partner. Where an output has two columns of one name, they are called "
        "N.NAME. Keys are compared by 128 bits of a hash whose key is drawn for each call: two of n different keys are taken for "
        "one with probability below n^2 / 2^129.",
    .returns = "{\"parties\": how many inputs, \"records\": how many were written to each output}",
    .limits = "Memory for the columns of all inputs but input0 that an output has, and about 80 bytes for each of their records "
              "and 8 for each field. input0 is read as a stream: make the largest one input0. A result that does not fit into the "
              "outputs' limit is refused before it is written, with the number of its records and the key that makes them; "
              "where keys come more than once in another input, input0 is read twice for that, or its records are counted "
              "while they come if it is a stream, with 8 more bytes for each key and output.",
    .example = ">>> joined = cella.builtins.join(b\"id,name\\n1,ann\\n2,bob\\n\", b\"id,age\\n2,41\\n3,37\\n\", on=\"id\",\n"
               "...                              columns=\"0.name,1.age|1.*\")\n"
               ">>> joined.returned, joined.output\n"
               "({'parties': 2, 'records': 1}, [b'id,name,age\\n2,bob,41\\n', b'id,age\\n2,41\\n'])\n")
{
    CELLA_CLEANUP(release) struct join *join = calloc(1, sizeof(*join));
    CELLA_CLEANUP(cella_column_list_release) struct cella_column_list list = { 0 };
    if (join == NULL) {
        return CELLA_NO_MEMORY;
    }
    join->call = call;
    join->input_count = input->count;
    join->outputs = output;
    join->left = how == 1;
    CELLA_TRY(cella_hash_key_make(&join->hash_key));
    CELLA_TRY(cella_column_list_parse(call, "on", *on, "inputs", input->count, &list));
    for (size_t i = 0; i < input->count; i++) {
        CELLA_TRY(begin_input(join, &input->items[i], header, &list, i));
    }
    CELLA_TRY(cella_join_choose(call, *columns, keys, join->inputs, input->count, join->key_count, join->columns,
                                output->count));
    for (size_t i = 0; header && i < output->count; i++) {
        CELLA_TRY(cella_join_write_header(join->inputs, &join->columns[i], &output->items[i]));
    }
    join->size = (struct cella_join_size){ .inputs = join->inputs, .rows = join->rows, .input_count = input->count,
                                           .columns = join->columns, .outputs = output, .left = join->left };
    CELLA_TRY(run(join, header));
    return cella_builtin_result(call, "{\"parties\": %zu, \"records\": %" PRIu64 "}", input->count, join->count);
}
