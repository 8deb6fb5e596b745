/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/lines.h"

#include <string.h>

#define WINDOW_FIRST (256U * 1024U)
#define LINE_MAX (16U * 1024U * 1024U)

void cella_lines_begin(struct cella_lines *lines, struct cella_builtin_input *input)
{
    *lines = (struct cella_lines){ .input = input };
}

static struct cella_view rest_of(const struct cella_lines *lines)
{
    struct cella_view whole = lines->input->read == NULL ? lines->input->bytes : cella_bytes_view(&lines->window);
    size_t used = lines->input->read == NULL ? lines->input->position : lines->used;
    return used == whole.size ? cella_view_of(NULL, 0) : cella_view_of(whole.data + used, whole.size - used);
}

static void skip(struct cella_lines *lines, size_t size)
{
    if (lines->input->read == NULL) {
        lines->input->position += size;
    } else {
        lines->used += size;
    }
}

/*
 * More of a stream behind what is not used yet. The window is filled to its end each time, and doubled when a line does
 * not fit, so that a long line is looked at twice, not once for each piece that arrives.
 */
static cella_status fill(struct cella_builtin_call *call, struct cella_lines *lines)
{
    cella_bytes_consume(&lines->window, lines->used);
    lines->used = 0;
    if (lines->window.size > LINE_MAX) {
        return cella_builtin_refuse(call, "%s, line %zu: is longer than %u bytes", lines->input->name,
                                    lines->number + 1, LINE_MAX);
    }
    size_t have = lines->window.size;
    CELLA_TRY(cella_bytes_reserve(&lines->window, have < WINDOW_FIRST ? WINDOW_FIRST - have : have));
    while (lines->window.size < lines->window.capacity) {
        size_t got = 0;
        CELLA_TRY(cella_builtin_input_read(lines->input, lines->window.data + lines->window.size,
                                           lines->window.capacity - lines->window.size, &got));
        if (got == 0) {
            lines->ended = true;
            return CELLA_OK;
        }
        lines->window.size += got;
    }
    return CELLA_OK;
}

static void skip_mark(struct cella_lines *lines)
{
    struct cella_view rest = rest_of(lines);
    if (rest.size >= 3 && memcmp(rest.data, "\xef\xbb\xbf", 3) == 0) {
        skip(lines, 3);
    }
}

cella_status cella_lines_check(struct cella_builtin_call *call, const struct cella_builtin_input *input,
                               struct cella_view text)
{
    if (text.size >= 2 && (memcmp(text.data, "\xff\xfe", 2) == 0 || memcmp(text.data, "\xfe\xff", 2) == 0)) {
        return cella_builtin_refuse(call, "%s: is UTF-16, not UTF-8", input->name);
    }
    return CELLA_OK;
}

cella_status cella_lines_next(struct cella_builtin_call *call, struct cella_lines *lines, bool *there)
{
    bool streamed = lines->input->read != NULL;
    *there = false;
    if (lines->number == 0) {
        if (streamed) {
            CELLA_TRY(fill(call, lines));
        }
        CELLA_TRY(cella_lines_check(call, lines->input, rest_of(lines)));
        skip_mark(lines);
    }
    struct cella_view rest = rest_of(lines);
    const uint8_t *end = rest.size == 0 ? NULL : memchr(rest.data, '\n', rest.size);
    while (end == NULL && streamed && !lines->ended) {
        size_t looked = rest.size;
        CELLA_TRY(fill(call, lines));
        rest = rest_of(lines);
        end = rest.size == looked ? NULL : memchr(rest.data + looked, '\n', rest.size - looked);
    }
    if (rest.size == 0) {
        return CELLA_OK;
    }
    size_t size = end == NULL ? rest.size : (size_t) (end - rest.data);
    skip(lines, end == NULL ? size : size + 1);
    if (end != NULL && size > 0 && rest.data[size - 1] == '\r') {
        size--;
    }
    lines->line = cella_view_of(rest.data, size);
    lines->number++;
    *there = true;
    return CELLA_OK;
}

void cella_lines_release(struct cella_lines *lines)
{
    cella_bytes_clear(&lines->window);
    *lines = (struct cella_lines){ 0 };
}

static bool is_blank(uint8_t character)
{
    return character == ' ' || character == '\t' || character == '\r';
}

struct cella_view cella_lines_trim(struct cella_view line)
{
    while (line.size > 0 && is_blank(line.data[line.size - 1])) {
        line.size--;
    }
    while (line.size > 0 && is_blank(line.data[0])) {
        line.data++;
        line.size--;
    }
    return line;
}
