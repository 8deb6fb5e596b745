/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/rows.h"

#include <string.h>

cella_status cella_rows_key(const struct cella_hash_key *key, const struct cella_csv *csv, const size_t *columns,
                            size_t count, struct cella_bytes *scratch, struct cella_hash *out, bool *missing)
{
    *missing = false;
    for (size_t i = 0; i < count; i++) {
        *missing = *missing || (csv->fields[columns[i]].size == 0 && !csv->quoted[columns[i]]);
    }
    if (count == 1) {
        *out = cella_hash_of(key, csv->fields[columns[0]]);
        return CELLA_OK;
    }
    /* Each field behind its size: "a","bc" is not "ab","c". */
    scratch->size = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t size = csv->fields[columns[i]].size;
        CELLA_TRY(cella_bytes_append(scratch, cella_view_of(&size, sizeof(size))));
        CELLA_TRY(cella_bytes_append(scratch, csv->fields[columns[i]]));
    }
    *out = cella_hash_of(key, cella_bytes_view(scratch));
    return CELLA_OK;
}

static struct cella_rows_group *group_at(const struct cella_rows *rows, uint64_t number)
{
    return (struct cella_rows_group *) (void *) rows->groups.data + (number - 1);
}

static uint64_t *numbers(const struct cella_bytes *bytes)
{
    return (uint64_t *) (void *) bytes->data;
}

static cella_status append_number(struct cella_bytes *bytes, uint64_t number)
{
    return cella_bytes_append(bytes, cella_view_of(&number, sizeof(number)));
}

static cella_status to_text(void *context, struct cella_view bytes)
{
    return cella_bytes_append(context, bytes);
}

/* Make a row the last one of its group. */
static cella_status chain(struct cella_rows *rows, uint64_t row, struct cella_hash key)
{
    uint64_t *number;
    CELLA_TRY(cella_hash_table_add(&rows->table, key, &number));
    if (*number != 0) {
        struct cella_rows_group *group = group_at(rows, *number);
        numbers(&rows->next)[group->last] = row + 1;
        group->last = row;
        group->count++;
        return CELLA_OK;
    }
    struct cella_rows_group group = { .first = row, .last = row, .count = 1 };
    *number = rows->groups.size / sizeof(group) + 1;
    return cella_bytes_append(&rows->groups, cella_view_of(&group, sizeof(group)));
}

static cella_status chain_waiting(struct cella_rows *rows)
{
    for (size_t i = 0; i < rows->waiting_count; i++) {
        CELLA_TRY(chain(rows, rows->count - rows->waiting_count + i, rows->waiting[i]));
    }
    rows->waiting_count = 0;
    return CELLA_OK;
}

cella_status cella_rows_write(struct cella_builtin_output *output, const struct cella_csv *csv, size_t column, bool first)
{
    struct cella_view field = csv->fields[column];
    if (field.size == 0 && csv->quoted[column]) {
        return cella_builtin_output_write(output, first ? cella_view_of("\"\"", 2) : cella_view_of(",\"\"", 3));
    }
    return cella_csv_write(output, field, first);
}

cella_status cella_rows_append(struct cella_rows *rows, const struct cella_csv *csv, const size_t *columns)
{
    rows->encoder.write = to_text;
    rows->encoder.context = &rows->text;
    for (size_t i = 0; i < rows->width; i++) {
        CELLA_TRY(cella_rows_write(&rows->encoder, csv, columns[i], true));
        CELLA_TRY(append_number(&rows->ends, rows->text.size + rows->encoder.pending.size));
    }
    rows->count++;
    return CELLA_OK;
}

cella_status cella_rows_add(struct cella_rows *rows, struct cella_hash key, const struct cella_csv *csv,
                            const size_t *columns)
{
    CELLA_TRY(cella_rows_append(rows, csv, columns));
    CELLA_TRY(append_number(&rows->next, 0));
    cella_hash_table_prefetch(&rows->table, key);
    rows->waiting[rows->waiting_count++] = key;
    return rows->waiting_count < CELLA_ROWS_BATCH ? CELLA_OK : chain_waiting(rows);
}

cella_status cella_rows_end(struct cella_rows *rows)
{
    CELLA_TRY(chain_waiting(rows));
    return rows->encoder.write == NULL ? CELLA_OK : cella_builtin_output_flush(&rows->encoder);
}

void cella_rows_empty(struct cella_rows *rows)
{
    rows->count = 0;
    rows->text.size = 0;
    rows->ends.size = 0;
}

/* In two sweeps, each of which asks for the memory that the next one needs. */
void cella_rows_find_groups(const struct cella_rows *rows, const struct cella_hash *keys, size_t count, uint64_t *number)
{
    for (size_t i = 0; i < count; i++) {
        cella_hash_table_prefetch(&rows->table, keys[i]);
    }
    for (size_t i = 0; i < count; i++) {
        number[i] = cella_hash_table_find(&rows->table, keys[i]);
        if (number[i] != 0) {
            __builtin_prefetch(group_at(rows, number[i]));
        }
    }
}

uint64_t cella_rows_groups(const struct cella_rows *rows)
{
    return rows->groups.size / sizeof(struct cella_rows_group);
}

const struct cella_rows_group *cella_rows_group(const struct cella_rows *rows, uint64_t number)
{
    return group_at(rows, number);
}

void cella_rows_find(const struct cella_rows *rows, const struct cella_hash *keys, size_t count, uint64_t *first)
{
    cella_rows_find_groups(rows, keys, count, first);
    for (size_t i = 0; i < count; i++) {
        if (first[i] != 0) {
            uint64_t row = group_at(rows, first[i])->first;
            __builtin_prefetch(&numbers(&rows->next)[row]);
            if (rows->width > 0) {
                __builtin_prefetch(&numbers(&rows->ends)[row * rows->width]);
            }
            first[i] = row + 1;
        }
    }
}

uint64_t cella_rows_next(const struct cella_rows *rows, uint64_t row)
{
    return numbers(&rows->next)[row - 1];
}

uint64_t cella_rows_take(struct cella_rows *rows, struct cella_hash key)
{
    uint64_t number = cella_hash_table_find(&rows->table, key);
    if (number == 0) {
        return 0;
    }
    struct cella_rows_group *group = group_at(rows, number);
    if (group->count == 0) {
        return 0;
    }
    uint64_t row = group->first;
    if (--group->count > 0) {
        group->first = numbers(&rows->next)[row] - 1;
    }
    return row + 1;
}

struct cella_view cella_rows_field(const struct cella_rows *rows, uint64_t row, size_t which)
{
    size_t at = (row - 1) * rows->width + which;
    uint64_t begin = at == 0 ? 0 : numbers(&rows->ends)[at - 1];
    size_t size = numbers(&rows->ends)[at] - begin;
    return size == 0 ? (struct cella_view){ 0 } : cella_view_of(rows->text.data + begin, size);
}

uint64_t cella_rows_longest(const struct cella_rows *rows)
{
    uint64_t longest = 0;
    uint64_t before = 0;
    for (uint64_t row = 1; rows->width > 0 && row <= rows->count; row++) {
        uint64_t end = numbers(&rows->ends)[row * rows->width - 1];
        longest = end - before > longest ? end - before : longest;
        before = end;
    }
    return longest;
}

void cella_rows_release(struct cella_rows *rows)
{
    cella_hash_table_release(&rows->table);
    cella_bytes_clear(&rows->groups);
    cella_bytes_clear(&rows->next);
    cella_bytes_clear(&rows->ends);
    cella_bytes_clear(&rows->text);
    cella_bytes_clear(&rows->encoder.pending);
}
