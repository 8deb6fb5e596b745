/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/ids.h"

#include "builtins/lines.h"

#include <string.h>

#define PIECE 262144U
#define LINE_MAX_BYTES (16U << 20)

static inline bool is_blank(uint8_t character)
{
    return character == ' ' || character == '\t' || character == '\r';
}

static inline struct cella_view trim(const uint8_t *begin, const uint8_t *end)
{
    while (end > begin && is_blank(end[-1])) {
        end--;
    }
    while (begin < end && is_blank(*begin)) {
        begin++;
    }
    return cella_view_of(begin, (size_t) (end - begin));
}

/* The high bit of each byte that is a line feed. Exact, unlike the shorter formula that borrows from its neighbour. */
static inline uint64_t line_feeds(const uint8_t *from)
{
    const uint64_t low7 = 0x7f7f7f7f7f7f7f7fU;
    uint64_t word;
    memcpy(&word, from, 8);
    word ^= 0x0a0a0a0a0a0a0a0aU;
    return ~(((word & low7) + low7) | word | low7);
}

/* Give the whole lines that are in memory, up to a batch. */
static void take_lines(struct cella_ids *ids)
{
    const uint8_t *begin = ids->next;
    const uint8_t *scan = begin;
    size_t count = 0;
    while (ids->end - scan >= 8 && count < CELLA_IDS_BATCH) {
        uint64_t found = line_feeds(scan);
        for (; found != 0 && count < CELLA_IDS_BATCH; found &= found - 1) {
            const uint8_t *at = scan + __builtin_ctzll(found) / 8;
            ids->ids[count++] = trim(begin, at);
            begin = at + 1;
        }
        scan += 8;
    }
    /* The last bytes are no whole word. */
    for (; scan < ids->end && count < CELLA_IDS_BATCH; scan++) {
        if (*scan == '\n') {
            ids->ids[count++] = trim(begin, scan);
            begin = scan + 1;
        }
    }
    if (ids->ended && begin < ids->end && count < CELLA_IDS_BATCH) {
        ids->ids[count++] = trim(begin, ids->end);
        begin = ids->end;
    }
    ids->next = begin;
    ids->count = count;
}

/* Keep the line that is not whole yet, and read on behind it. */
static cella_status fill(struct cella_builtin_call *call, struct cella_ids *ids)
{
    size_t kept = (size_t) (ids->end - ids->next);
    if (kept > LINE_MAX_BYTES) {
        return cella_builtin_refuse(call, "%s, line %llu: is longer than 16 MiB", ids->input->name,
                                    (unsigned long long) ids->before + 1);
    }
    if (ids->window.data != NULL) {
        cella_bytes_consume(&ids->window, (size_t) (ids->next - ids->window.data));
    }
    CELLA_TRY(cella_bytes_reserve(&ids->window, kept + PIECE));
    size_t got = 0;
    CELLA_TRY(cella_builtin_input_read(ids->input, ids->window.data + kept, kept + PIECE, &got));
    ids->window.size = kept + got;
    ids->ended = got == 0;
    ids->next = ids->window.data;
    ids->end = ids->window.data + ids->window.size;
    return CELLA_OK;
}

static void skip_mark(struct cella_ids *ids)
{
    if (ids->end - ids->next >= 3 && memcmp(ids->next, "\xef\xbb\xbf", 3) == 0) {
        ids->next += 3;
    }
}

static cella_status begin_lines(struct cella_builtin_call *call, struct cella_ids *ids)
{
    if (ids->input->read == NULL) {
        struct cella_view all = ids->input->bytes;
        ids->next = all.data;
        ids->end = all.size == 0 ? all.data : all.data + all.size;
        ids->ended = true;
    }
    while (!ids->ended && ids->end - ids->next < 3) {
        CELLA_TRY(fill(call, ids));
    }
    if (ids->end - ids->next >= 2) {
        CELLA_TRY(cella_lines_check(call, ids->input, cella_view_of(ids->next, (size_t) (ids->end - ids->next))));
    }
    skip_mark(ids);
    return CELLA_OK;
}

cella_status cella_ids_begin(struct cella_builtin_call *call, struct cella_ids *ids, struct cella_builtin_input *input,
                             enum cella_ids_form form, const char *argument, struct cella_view column)
{
    ids->input = input;
    ids->form = form;
    if (form == CELLA_IDS_LINES) {
        return begin_lines(call, ids);
    }
    CELLA_TRY(cella_csv_begin(call, &ids->csv, input, form == CELLA_IDS_CSV ? CELLA_CSV_HEADER : CELLA_CSV_NO_HEADER));
    if (ids->csv.column_count == 0 || column.size == 0) {
        return CELLA_OK; /* nothing in it, so no ids; or the first column */
    }
    return cella_csv_column(call, &ids->csv, argument, column, &ids->column);
}

/* Fields live until the next record only: a batch is copied. The window may move while it grows. */
static cella_status next_records(struct cella_builtin_call *call, struct cella_ids *ids)
{
    size_t ends[CELLA_IDS_BATCH];
    ids->window.size = 0;
    size_t count = 0;
    while (count < CELLA_IDS_BATCH && ids->csv.column_count > 0) {
        bool there = false;
        CELLA_TRY(cella_csv_next(call, &ids->csv, &there));
        if (!there) {
            break;
        }
        CELLA_TRY(cella_bytes_append(&ids->window, ids->csv.fields[ids->column]));
        ends[count++] = ids->window.size;
    }
    const uint8_t *begin = ids->window.data;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *end = ids->window.data == NULL ? NULL : ids->window.data + ends[i];
        ids->ids[i] = trim(begin, end);
        begin = end;
    }
    ids->count = count;
    return CELLA_OK;
}

cella_status cella_ids_next(struct cella_builtin_call *call, struct cella_ids *ids)
{
    ids->before += ids->count;
    if (ids->form != CELLA_IDS_LINES) {
        return next_records(call, ids);
    }
    take_lines(ids);
    while (ids->count == 0 && !ids->ended) {
        CELLA_TRY(fill(call, ids));
        take_lines(ids);
    }
    return CELLA_OK;
}

void cella_ids_release(struct cella_ids *ids)
{
    cella_csv_release(&ids->csv);
    cella_bytes_clear(&ids->window);
}
