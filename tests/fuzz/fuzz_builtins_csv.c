/* SPDX-License-Identifier: Apache-2.0 */

/*
 * CSV, read by blocks, against a reader that goes from character to character: the same fields, or both refuse. What was
 * read and is written again reads as the same.
 */

#include <stdlib.h>
#include <string.h>

#include "builtins/csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One field after another: its size, whether it was quoted, its text. One byte 0xff ends a record. */
static void note(struct cella_bytes *out, struct cella_view text, bool quoted)
{
    uint64_t head[2] = { text.size, quoted };
    if (cella_bytes_append(out, cella_view_of(head, sizeof(head))) != CELLA_OK ||
        cella_bytes_append(out, text) != CELLA_OK) {
        abort();
    }
}

static void note_end(struct cella_bytes *out)
{
    if (cella_bytes_append(out, cella_view_of("\xff", 1)) != CELLA_OK) {
        abort();
    }
}

/* Where a line ends here: 1 or 2 characters, 0 when none does. */
static size_t line_end(const uint8_t *at, const uint8_t *end)
{
    if (at < end && *at == '\n') {
        return 1;
    }
    return end - at > 1 && at[0] == '\r' && at[1] == '\n' ? 2 : 0;
}

/* A field; where it ends, or NULL. */
static const uint8_t *simple_field(const uint8_t *at, const uint8_t *end, struct cella_bytes *text, bool *quoted)
{
    text->size = 0;
    *quoted = at < end && *at == '"';
    if (!*quoted) {
        while (at < end && *at != ',' && line_end(at, end) == 0) {
            if (*at == '"' || *at == '\r' || cella_bytes_append(text, cella_view_of(at, 1)) != CELLA_OK) {
                return NULL;
            }
            at++;
        }
        return at;
    }
    for (at++; at < end; at++) {
        if (*at == '"' && (at + 1 == end || at[1] != '"')) {
            at++;
            return at == end || *at == ',' || line_end(at, end) > 0 ? at : NULL;
        }
        at += *at == '"';
        if (cella_bytes_append(text, cella_view_of(at, 1)) != CELLA_OK) {
            return NULL;
        }
    }
    return NULL;
}

static bool simple(const uint8_t *at, const uint8_t *end, struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    size_t columns = 0;
    if (end - at >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0) {
        at += 3;
    }
    for (;;) {
        while (columns != 1 && line_end(at, end) > 0) {
            at += line_end(at, end);
        }
        if (at == end) {
            return true;
        }
        for (size_t count = 1;; count++) {
            bool quoted = false;
            at = simple_field(at, end, &text, &quoted);
            if (at == NULL) {
                return false;
            }
            note(out, cella_bytes_view(&text), quoted);
            if (at < end && *at == ',') {
                at++;
                continue;
            }
            at += line_end(at, end);
            columns = columns == 0 ? count : columns;
            if (columns != count || columns > CELLA_CSV_COLUMNS_MAX) {
                return false;
            }
            break;
        }
        note_end(out);
    }
}

static cella_status read_all(struct cella_builtin_call *call, struct cella_view bytes, struct cella_bytes *out,
                             struct cella_builtin_output *again)
{
    struct cella_builtin_input input = { .name = "data", .bytes = bytes };
    CELLA_CLEANUP(cella_csv_release) struct cella_csv csv = { 0 };
    bool there = true;
    CELLA_TRY(cella_csv_begin(call, &csv, &input, CELLA_CSV_NO_HEADER));
    for (;;) {
        CELLA_TRY(cella_csv_next(call, &csv, &there));
        if (!there) {
            return CELLA_OK;
        }
        for (size_t i = 0; i < csv.column_count; i++) {
            note(out, csv.fields[i], again == NULL ? false : csv.quoted[i]);
            if (again != NULL) {
                CELLA_TRY(cella_csv_write(again, csv.fields[i], i == 0));
            }
        }
        if (again != NULL) {
            CELLA_TRY(cella_builtin_output_write(again, cella_view_of("\n", 1)));
        }
        note_end(out);
    }
}

static cella_status keep(void *context, struct cella_view bytes)
{
    return cella_bytes_append(context, bytes);
}

/* Any header is taken or refused; never anything else. */
static void with_header(struct cella_view bytes)
{
    struct cella_builtin_call call = { .threads = 1 };
    struct cella_builtin_input input = { .name = "data", .bytes = bytes };
    CELLA_CLEANUP(cella_csv_release) struct cella_csv csv = { 0 };
    cella_status status = cella_csv_begin(&call, &csv, &input, CELLA_CSV_HEADER);
    if (status != CELLA_OK && status != CELLA_BUILTIN_FAILED) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t nothing[1] = { 0 };
    struct cella_builtin_call call = { .threads = 1 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes fast = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes slow = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    struct cella_builtin_output again = { .write = keep, .context = &text };
    data = size == 0 ? nothing : data;
    with_header(cella_view_of(data, size));
    cella_status status = read_all(&call, cella_view_of(data, size), &fast, &again);
    bool good = simple(data, data + size, &slow);
    bool not_utf8 = strstr(call.message, "UTF-8") != NULL;
    if (status == CELLA_OK
            ? !good || !cella_view_equal(cella_bytes_view(&fast), cella_bytes_view(&slow))
            : status != CELLA_BUILTIN_FAILED || (good && !not_utf8)) {
        abort();
    }
    if (cella_builtin_output_flush(&again) != CELLA_OK) {
        abort();
    }
    cella_bytes_clear(&again.pending);
    if (status != CELLA_OK) {
        return 0;
    }
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes second = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes third = { 0 };
    bool bare = text.size >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0; /* would be taken for a byte order mark */
    bool blank = text.size > 0 && text.data[0] == '\n';                      /* for a blank line */
    if (!bare && !blank &&
        (read_all(&call, cella_bytes_view(&text), &second, NULL) != CELLA_OK ||
         read_all(&call, cella_view_of(data, size), &third, NULL) != CELLA_OK ||
         !cella_view_equal(cella_bytes_view(&second), cella_bytes_view(&third)))) {
        abort();
    }
    return 0;
}
