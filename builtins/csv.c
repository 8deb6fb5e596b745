/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/csv.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "builtins/csv_reader.h"
#include "builtins/number.h"

#define WINDOW_FIRST (256U * 1024U)
#define SHOWN_MAX 48U /* bytes of a name or a text in a message */

/* How many bytes of a text to show: up to a bound, and whole characters. */
static int shown(struct cella_view text)
{
    size_t size = text.size < SHOWN_MAX ? text.size : SHOWN_MAX;
    while (size < text.size && size > 0 && (text.data[size] & 0xc0) == 0x80) {
        size--;
    }
    return (int) size;
}

static const char *fault_text(enum csv_fault fault)
{
    switch (fault) {
    case CSV_QUOTE_INSIDE:
        return "a quote inside a field that does not begin with one";
    case CSV_TEXT_AFTER_QUOTE:
        return "text between a closing quote and the next comma";
    case CSV_QUOTE_OPEN:
        return "a quote that is never closed";
    case CSV_LONE_CR:
        return "a carriage return without a line feed; write it in quotes or end lines with LF or CR LF";
    case CSV_NO_FAULT:
        break;
    }
    return "";
}

/* Where the record that is being read is: the header, or the next row. */
static const char *place(const struct cella_csv *csv, char text[48])
{
    if (csv->header == CELLA_CSV_HEADER && csv->names == NULL) {
        snprintf(text, 48, "header");
    } else {
        snprintf(text, 48, "row %zu (line %zu)", csv->row + 1, csv->line);
    }
    return text;
}

static cella_status refuse_fault(struct cella_builtin_call *call, const struct cella_csv *csv)
{
    char where[48];
    return cella_builtin_refuse(call, "%s, %s, column %zu: %s", csv->input->name, place(csv, where),
                                csv->reader->count + 1, fault_text(csv->reader->fault));
}

/*
 * More of a stream behind the record that is not complete. The window is filled to its end each time, and doubled when a
 * record does not fit, so that a long record is scanned twice, not once for each piece that arrives.
 */
static cella_status fill(struct cella_builtin_call *call, struct cella_csv *csv)
{
    struct csv_reader *reader = csv->reader;
    if (reader->window.data != NULL) {
        cella_bytes_consume(&reader->window, (size_t) (reader->at - reader->window.data));
    }
    if (reader->window.size > CELLA_CSV_RECORD_MAX) {
        char where[48];
        return cella_builtin_refuse(call, "%s, %s: is longer than %u bytes; is a quote not closed?", csv->input->name,
                                    place(csv, where), CELLA_CSV_RECORD_MAX);
    }
    size_t have = reader->window.size;
    CELLA_TRY(cella_bytes_reserve(&reader->window, have < WINDOW_FIRST ? WINDOW_FIRST - have : have));
    while (reader->window.size < reader->window.capacity) {
        size_t got = 0;
        CELLA_TRY(cella_builtin_input_read(csv->input, reader->window.data + reader->window.size,
                                           reader->window.capacity - reader->window.size, &got));
        if (got == 0) {
            reader->ended = true;
            break;
        }
        reader->window.size += got;
    }
    reader->at = reader->window.data;
    reader->end = reader->window.data + reader->window.size;
    reader->block = NULL;
    return CELLA_OK;
}

/* The first bytes in memory, a byte order mark passed. */
static cella_status open_input(struct cella_builtin_call *call, struct cella_csv *csv)
{
    struct csv_reader *reader = csv->reader;
    if (csv->input->read != NULL) {
        CELLA_TRY(fill(call, csv));
    } else {
        struct cella_view bytes = csv->input->bytes;
        static const uint8_t nothing[1] = { 0 };
        reader->at = bytes.size == 0 ? nothing : bytes.data + csv->input->position;
        reader->end = bytes.size == 0 ? nothing : bytes.data + bytes.size;
        reader->ended = true;
        csv->input->position = bytes.size;
    }
    if (reader->end - reader->at >= 3 && memcmp(reader->at, "\xef\xbb\xbf", 3) == 0) {
        reader->at += 3;
    }
    return CELLA_OK;
}

static void skip_blank_lines(struct csv_reader *reader)
{
    while (reader->at < reader->end) {
        if (*reader->at == '\n') {
            reader->at++;
        } else if (*reader->at == '\r' && reader->end - reader->at > 1 && reader->at[1] == '\n') {
            reader->at += 2;
        } else {
            return;
        }
        reader->lines++;
    }
}

/* Scan the next record; *next is NULL at the end. */
static cella_status scan(struct cella_builtin_call *call, struct cella_csv *csv, const uint8_t **next)
{
    struct csv_reader *reader = csv->reader;
    for (;;) {
        *next = NULL;
        if (csv->column_count != 1) {
            skip_blank_lines(reader);
        }
        csv->line = reader->lines + 1;
        if (reader->at < reader->end) {
            *next = csv_scan(reader, csv->fields, csv->quoted);
            if (*next != NULL) {
                return CELLA_OK;
            }
            if (reader->fault != CSV_NO_FAULT) {
                return refuse_fault(call, csv);
            }
        } else if (reader->ended) {
            return CELLA_OK;
        }
        CELLA_TRY(fill(call, csv));
    }
}

/* Texts of the fields with "" in them. */
static cella_status unescape(struct cella_csv *csv, size_t record_size)
{
    struct cella_bytes *scratch = &csv->reader->scratch;
    scratch->size = 0;
    CELLA_TRY(cella_bytes_reserve(scratch, record_size)); /* once, so that no text moves */
    for (size_t i = 0; i < csv->column_count; i++) {
        struct cella_view field = csv->fields[i];
        if (!csv->quoted[i] || field.size == 0 || memchr(field.data, '"', field.size) == NULL) {
            continue;
        }
        uint8_t *text = scratch->data + scratch->size;
        size_t size = 0;
        for (size_t at = 0; at < field.size; at++) {
            text[size++] = field.data[at];
            at += field.data[at] == '"';
        }
        scratch->size += size;
        csv->fields[i] = cella_view_of(text, size);
    }
    return CELLA_OK;
}

/* Which field is not UTF-8, from 1. */
static size_t bad_text(const struct cella_csv *csv)
{
    size_t at = 0;
    while (at < csv->column_count && csv_is_utf8(csv->fields[at].data, csv->fields[at].data + csv->fields[at].size)) {
        at++;
    }
    return at + 1;
}

/* The next record into csv->fields, checked. */
static cella_status take(struct cella_builtin_call *call, struct cella_csv *csv, bool *there)
{
    struct csv_reader *reader = csv->reader;
    const uint8_t *next = NULL;
    char where[48];
    *there = false;
    CELLA_TRY(scan(call, csv, &next));
    if (next == NULL) {
        return CELLA_OK;
    }
    if (reader->count != csv->column_count) {
        return cella_builtin_refuse(call, "%s, %s: has %zu fields, the first record has %zu", csv->input->name,
                                    place(csv, where), reader->count, csv->column_count);
    }
    if (reader->beyond_ascii && !csv_is_utf8(reader->at, next)) {
        return cella_builtin_refuse(call, "%s, %s, column %zu: is not UTF-8", csv->input->name, place(csv, where),
                                    bad_text(csv));
    }
    reader->lines++;
    if (reader->has_quotes) {
        const uint8_t *at = reader->at;
        while ((at = memchr(at, '\n', (size_t) (next - 1 - at))) != NULL) {
            reader->lines++;
            at++;
        }
        if (reader->unescape) {
            CELLA_TRY(unescape(csv, (size_t) (next - reader->at)));
        }
    }
    reader->at = next;
    *there = true;
    return CELLA_OK;
}

/* How many columns there are; makes room for them. */
static cella_status count_columns(struct cella_builtin_call *call, struct cella_csv *csv)
{
    const uint8_t *next = NULL;
    CELLA_TRY(scan(call, csv, &next));
    if (next == NULL) {
        return CELLA_OK;
    }
    size_t count = csv->reader->count;
    if (count > CELLA_CSV_COLUMNS_MAX) {
        return cella_builtin_refuse(call, "%s: has %zu columns, more than %u", csv->input->name, count,
                                    CELLA_CSV_COLUMNS_MAX);
    }
    csv->fields = calloc(count, sizeof(*csv->fields));
    csv->quoted = calloc(count, sizeof(*csv->quoted));
    if (csv->fields == NULL || csv->quoted == NULL) {
        return CELLA_NO_MEMORY;
    }
    csv->reader->capacity = count;
    csv->reader->block = NULL; /* the record will be scanned again */
    csv->column_count = count;
    return CELLA_OK;
}

static int compare_names(const void *one, const void *two)
{
    const struct cella_view *a = one;
    const struct cella_view *b = two;
    if (a->size != b->size) {
        return a->size < b->size ? -1 : 1;
    }
    return memcmp(a->data, b->data, a->size);
}

cella_status csv_make_names(struct cella_builtin_call *call, struct cella_csv *csv)
{
    CELLA_CLEANUP(cella_pointer_free) struct cella_view *names = calloc(csv->column_count, sizeof(*names));
    CELLA_CLEANUP(cella_pointer_free) struct cella_view *sorted = calloc(csv->column_count, sizeof(*sorted));
    if (names == NULL || sorted == NULL) {
        return CELLA_NO_MEMORY;
    }
    for (size_t i = 0; i < csv->column_count; i++) {
        if (csv->fields[i].size == 0) {
            return cella_builtin_refuse(call, "%s, header, column %zu: has no name", csv->input->name, i + 1);
        }
        CELLA_TRY(cella_bytes_append(&csv->reader->names, csv->fields[i]));
    }
    size_t at = 0;
    for (size_t i = 0; i < csv->column_count; i++) {
        names[i] = cella_view_of(csv->reader->names.data + at, csv->fields[i].size);
        at += names[i].size;
    }
    memcpy(sorted, names, csv->column_count * sizeof(*names));
    qsort(sorted, csv->column_count, sizeof(*sorted), compare_names);
    for (size_t i = 1; i < csv->column_count; i++) {
        if (cella_view_equal(sorted[i - 1], sorted[i])) {
            return cella_builtin_refuse(call, "%s, header: two columns are named '%.*s'", csv->input->name,
                                        shown(sorted[i]), (const char *) sorted[i].data);
        }
    }
    csv->names = names;
    csv->header = CELLA_CSV_HEADER;
    names = NULL;
    return CELLA_OK;
}

cella_status cella_csv_begin(struct cella_builtin_call *call, struct cella_csv *csv,
                             struct cella_builtin_input *input, enum cella_csv_header header)
{
    *csv = (struct cella_csv){ .input = input, .header = header };
    csv->reader = calloc(1, sizeof(*csv->reader));
    if (csv->reader == NULL) {
        return CELLA_NO_MEMORY;
    }
    CELLA_TRY(open_input(call, csv));
    CELLA_TRY(count_columns(call, csv));
    if (header == CELLA_CSV_NO_HEADER || csv->column_count == 0) {
        return CELLA_OK;
    }
    bool there = false;
    CELLA_TRY(take(call, csv, &there));
    return csv_make_names(call, csv);
}

cella_status cella_csv_next(struct cella_builtin_call *call, struct cella_csv *csv, bool *there)
{
    CELLA_TRY(take(call, csv, there));
    csv->row += *there;
    return CELLA_OK;
}

cella_status cella_csv_column(struct cella_builtin_call *call, const struct cella_csv *csv, const char *argument,
                              struct cella_view name, size_t *out)
{
    if (csv->names == NULL) {
        int64_t number = 0;
        if (cella_number_parse_integer(name, &number) == CELLA_OK && number >= 0 &&
            (uint64_t) number < csv->column_count) {
            *out = (size_t) number;
            return CELLA_OK;
        }
        return cella_builtin_refuse_argument(
            call, "argument '%s': '%.*s' is no column of %s, which has %zu%s", argument, shown(name),
            (const char *) name.data, csv->input->name, csv->column_count,
            csv->header == CELLA_CSV_HEADER ? " (it is empty)" : " without names: give a number from 0");
    }
    for (size_t i = 0; i < csv->column_count; i++) {
        if (cella_view_equal(csv->names[i], name)) {
            *out = i;
            return CELLA_OK;
        }
    }
    struct cella_view first = csv->names[0];
    struct cella_view last = csv->names[csv->column_count - 1];
    return cella_builtin_refuse_argument(
        call, "argument '%s': '%.*s' is no column of %s, which has %zu: '%.*s'%s%.*s%s", argument, shown(name),
        (const char *) name.data, csv->input->name, csv->column_count, shown(first), (const char *) first.data,
        csv->column_count > 1 ? " to '" : "", csv->column_count > 1 ? shown(last) : 0, (const char *) last.data,
        csv->column_count > 1 ? "'" : "");
}

cella_status cella_csv_number(struct cella_builtin_call *call, const struct cella_csv *csv, size_t column,
                              double *out)
{
    struct cella_view field = csv->fields[column];
    double value = 0;
    if (cella_number_parse(field, &value) != CELLA_OK) {
        if (field.size == 0 && !csv->quoted[column]) {
            return cella_csv_refuse(call, csv, column, "is missing");
        }
        return cella_csv_refuse(call, csv, column, "'%.*s' is not a number", shown(field), (const char *) field.data);
    }
    if (!isfinite(value)) {
        return cella_csv_refuse(call, csv, column, "'%.*s' is not a finite number", shown(field),
                                (const char *) field.data);
    }
    *out = value;
    return CELLA_OK;
}

cella_status cella_csv_refuse(struct cella_builtin_call *call, const struct cella_csv *csv, size_t column,
                              const char *format, ...)
{
    char what[CELLA_BUILTIN_MESSAGE_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    if (csv->names == NULL) {
        return cella_builtin_refuse(call, "%s, row %zu, column %zu: %s", csv->input->name, csv->row, column + 1, what);
    }
    struct cella_view name = csv->names[column];
    return cella_builtin_refuse(call, "%s, row %zu, column %zu (%.*s): %s", csv->input->name, csv->row, column + 1,
                                shown(name), (const char *) name.data, what);
}

void cella_csv_release(struct cella_csv *csv)
{
    if (csv->reader != NULL) {
        cella_bytes_clear(&csv->reader->window);
        cella_bytes_clear(&csv->reader->scratch);
        cella_bytes_clear(&csv->reader->names);
    }
    free(csv->reader);
    free(csv->names);
    free(csv->fields);
    free(csv->quoted);
    *csv = (struct cella_csv){ 0 };
}

static bool needs_quotes(struct cella_view field)
{
    for (size_t i = 0; i < field.size; i++) {
        uint8_t byte = field.data[i];
        if (byte == ',' || byte == '"' || byte == '\n' || byte == '\r') {
            return true;
        }
    }
    return false;
}

cella_status cella_csv_write(struct cella_builtin_output *output, struct cella_view field, bool first)
{
    if (!first) {
        CELLA_TRY(cella_builtin_output_write(output, cella_view_of(",", 1)));
    }
    if (!needs_quotes(field)) {
        return cella_builtin_output_write(output, field);
    }
    CELLA_TRY(cella_builtin_output_write(output, cella_view_of("\"", 1)));
    while (field.size > 0) {
        /* Up to a quote, which begins the next piece too and so is written twice. */
        const uint8_t *quote = memchr(field.data, '"', field.size);
        size_t size = quote == NULL ? field.size : (size_t) (quote - field.data) + 1;
        CELLA_TRY(cella_builtin_output_write(output, cella_view_of(field.data, size)));
        if (quote != NULL) {
            CELLA_TRY(cella_builtin_output_write(output, cella_view_of("\"", 1)));
        }
        field = cella_view_of(field.data + size, field.size - size);
    }
    return cella_builtin_output_write(output, cella_view_of("\"", 1));
}

cella_status cella_csv_write_number(struct cella_builtin_output *output, double value, bool first)
{
    char text[CELLA_NUMBER_TEXT_MAX] = { 0 };
    size_t size = isnan(value) ? 0 : cella_number_format(value, text);
    if (!first) {
        CELLA_TRY(cella_builtin_output_write(output, cella_view_of(",", 1)));
    }
    return cella_builtin_output_write(output, cella_view_of(text, size));
}
