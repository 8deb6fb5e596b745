/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/join_size.h"

#include <inttypes.h>
#include <stdlib.h>

static uint64_t plus(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static uint64_t times(uint64_t a, uint64_t b)
{
    uint64_t product;
    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

/* Most bytes of an output. */
static uint64_t most_of(const struct cella_join_size *size, size_t output)
{
    uint64_t most = size->outputs->items[output].most;
    return most == 0 ? UINT64_MAX : most;
}

/* Add the bytes that one row of an input gives to a record of each output. */
static void add_text(const struct cella_join_size *size, size_t input, uint64_t row, uint64_t *bytes)
{
    for (size_t i = 0; i < size->use_counts[input]; i++) {
        const struct cella_join_use *use = &size->uses[input][i];
        bytes[use->output] += cella_rows_field(&size->rows[input], row, use->place).size;
    }
}

/* How often an output has the same column of an input, at most. */
static uint64_t repeats_of(const struct cella_join_size *size, size_t output, size_t input)
{
    size_t count;
    size_t most = 0;
    const struct cella_join_column *items = cella_join_columns_of(&size->columns[output], &count);
    CELLA_CLEANUP(cella_pointer_free) size_t *counts = calloc(size->inputs[input].kept_count + 1, sizeof(*counts));
    for (size_t i = 0; i < count; i++) {
        if (items[i].input == input) {
            size_t repeats = counts == NULL ? count : ++counts[size->inputs[input].place[items[i].column]];
            most = repeats > most ? repeats : most;
        }
    }
    return most;
}

static uint64_t largest_group(const struct cella_rows *rows)
{
    uint64_t largest = 1;
    for (uint64_t number = 1; number <= cella_rows_groups(rows); number++) {
        uint64_t count = cella_rows_group(rows, number)->count;
        largest = count > largest ? count : largest;
    }
    return largest;
}

static uint64_t lines_of(struct cella_view text)
{
    uint64_t lines = 1; /* the last one may not be ended */
    for (size_t i = 0; i < text.size; i++) {
        lines += text.data[i] == '\n';
    }
    return lines;
}

bool cella_join_size_is_small(const struct cella_join_size *size, const struct cella_builtin_input *first)
{
    uint64_t combinations = 1;
    uint64_t longest[CELLA_BUILTIN_GROUP_MAX];
    for (size_t i = 1; i < size->input_count; i++) {
        combinations = times(combinations, largest_group(&size->rows[i]));
        longest[i] = cella_rows_longest(&size->rows[i]);
    }
    if (first->read != NULL) {
        return combinations == 1;
    }
    uint64_t records = times(lines_of(first->bytes), combinations);
    for (size_t output = 0; output < size->outputs->count; output++) {
        size_t columns;
        (void) cella_join_columns_of(&size->columns[output], &columns);
        uint64_t each = columns; /* commas and the line end */
        for (size_t i = 1; i < size->input_count; i++) {
            each = plus(each, times(longest[i], repeats_of(size, output, i)));
        }
        /* No field is longer than it was in the file. */
        uint64_t own = times(first->bytes.size, repeats_of(size, output, 0));
        uint64_t bytes = plus(times(records, each), times(own, combinations));
        if (bytes > most_of(size, output)) {
            return false;
        }
    }
    return true;
}

static cella_status find_uses(struct cella_join_size *size)
{
    for (size_t output = 0; output < size->outputs->count; output++) {
        size_t count;
        const struct cella_join_column *items = cella_join_columns_of(&size->columns[output], &count);
        for (size_t i = 0; i < count; i++) {
            size->use_counts[items[i].input]++;
        }
    }
    for (size_t i = 0; i < size->input_count; i++) {
        size->uses[i] = calloc(size->use_counts[i] + 1, sizeof(*size->uses[i]));
        if (size->uses[i] == NULL) {
            return CELLA_NO_MEMORY;
        }
        size->use_counts[i] = 0;
    }
    for (size_t output = 0; output < size->outputs->count; output++) {
        size_t count;
        const struct cella_join_column *items = cella_join_columns_of(&size->columns[output], &count);
        for (size_t i = 0; i < count; i++) {
            size_t input = items[i].input;
            size->uses[input][size->use_counts[input]++] =
                (struct cella_join_use){ .output = output, .place = size->inputs[input].place[items[i].column] };
        }
    }
    return CELLA_OK;
}

cella_status cella_join_size_begin(struct cella_join_size *size)
{
    CELLA_TRY(find_uses(size));
    for (size_t i = 1; i < size->input_count; i++) {
        uint64_t groups = cella_rows_groups(&size->rows[i]);
        size->texts[i] = calloc(groups + 1, size->outputs->count * sizeof(uint64_t));
        if (size->texts[i] == NULL) {
            return CELLA_NO_MEMORY;
        }
        for (uint64_t number = 1; number <= groups; number++) {
            uint64_t row = cella_rows_group(&size->rows[i], number)->first + 1;
            for (; row != 0; row = cella_rows_next(&size->rows[i], row)) {
                add_text(size, i, row, size->texts[i] + (number - 1) * size->outputs->count);
            }
        }
    }
    return CELLA_OK;
}

/* How many rows an input gives to the record: none counts as one empty row in a left join. */
static uint64_t count_of(const struct cella_join_size *size, size_t input, uint64_t number)
{
    return number != 0 ? cella_rows_group(&size->rows[input], number)->count : size->left ? 1 : 0;
}

static void note_key(struct cella_join_size *size, struct cella_hash key, uint64_t row, const uint64_t *numbers,
                     uint64_t combinations)
{
    if (key.low == size->key.low && key.high == size->key.high && size->own > 0) {
        size->own++;
        return;
    }
    if (combinations <= size->combinations) {
        return;
    }
    size->key = key;
    size->combinations = combinations;
    size->row = row;
    size->own = 1;
    size->partners = 0;
    for (size_t i = 1; i < size->input_count; i++) {
        uint64_t count = count_of(size, i, numbers[i]);
        if (count > size->partners) {
            size->partners = count;
            size->partner = i;
        }
    }
}

/* numbers: the group of each input but the first, 0 for none; row: of the batch, from 1. Returns the combinations. */
static uint64_t add_record(struct cella_join_size *size, uint64_t row, const uint64_t *numbers)
{
    uint64_t combinations = 1;
    for (size_t i = 1; i < size->input_count; i++) {
        combinations = times(combinations, count_of(size, i, numbers[i]));
    }
    if (combinations == 0) {
        return 0;
    }
    uint64_t own[CELLA_BUILTIN_GROUP_MAX] = { 0 };
    add_text(size, 0, row, own);
    size->records = plus(size->records, combinations);
    for (size_t output = 0; output < size->outputs->count; output++) {
        size_t columns;
        (void) cella_join_columns_of(&size->columns[output], &columns);
        uint64_t bytes = times(combinations, columns + own[output]);
        for (size_t i = 1; i < size->input_count; i++) {
            if (numbers[i] != 0) {
                /* Each of its rows comes once for each combination of the others. */
                uint64_t text = size->texts[i][(numbers[i] - 1) * size->outputs->count + output];
                bytes = plus(bytes, times(text, combinations / count_of(size, i, numbers[i])));
            }
        }
        size->bytes[output] = plus(size->bytes[output], bytes);
    }
    return combinations;
}

void cella_join_size_add(struct cella_join_size *size, const struct cella_hash *keys, const bool *missing, size_t count,
                         uint64_t before)
{
    uint64_t found[CELLA_ROWS_BATCH];
    uint64_t numbers[CELLA_ROWS_BATCH][CELLA_BUILTIN_GROUP_MAX];
    for (size_t i = 1; i < size->input_count; i++) {
        cella_rows_find_groups(&size->rows[i], keys, count, found);
        for (size_t record = 0; record < count; record++) {
            numbers[record][i] = missing[record] ? 0 : found[record];
        }
    }
    for (size_t record = 0; record < count; record++) {
        uint64_t combinations = add_record(size, record + 1, numbers[record]);
        if (combinations > 0 && !missing[record]) {
            note_key(size, keys[record], before + record + 1, numbers[record], combinations);
        }
    }
}

static size_t exceeded(const struct cella_join_size *size)
{
    size_t output = 0;
    while (output < size->outputs->count && size->bytes[output] <= most_of(size, output)) {
        output++;
    }
    return output;
}

bool cella_join_size_exceeds(const struct cella_join_size *size)
{
    return exceeded(size) < size->outputs->count;
}

cella_status cella_join_size_check(struct cella_builtin_call *call, const struct cella_join_size *size)
{
    size_t output = exceeded(size);
    if (output == size->outputs->count) {
        return CELLA_OK;
    }
    return cella_builtin_refuse_output(
        call,
        "the join would have %s%" PRIu64 " records ('output%zu': %" PRIu64 " bytes of at most %" PRIu64 "). The key of input0, row %" PRIu64
        ", is in %" PRIu64 " of its records and %" PRIu64 " of input%zu's: remove duplicates, join on more columns or raise the limit",
        size->records == UINT64_MAX ? "more than " : "", size->records, output, size->bytes[output], most_of(size, output),
        size->row, size->own, size->partners, size->partner);
}

void cella_join_size_release(struct cella_join_size *size)
{
    for (size_t i = 0; i < CELLA_BUILTIN_GROUP_MAX; i++) {
        free(size->uses[i]);
        free(size->texts[i]);
    }
}
