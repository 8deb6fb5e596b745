/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/column_list.h"

/* A name in quotes from at on, without them. *at is then behind the closing one. */
static cella_status take_quoted(struct cella_builtin_call *call, const char *argument, struct cella_view text,
                                size_t *at, struct cella_bytes *out)
{
    for (size_t i = *at + 1; i < text.size; i++) {
        if (text.data[i] == '"') {
            bool twice = i + 1 < text.size && text.data[i + 1] == '"';
            if (!twice) {
                *at = i + 1;
                return CELLA_OK;
            }
            i++;
        }
        CELLA_TRY(cella_bytes_append(out, cella_view_of(text.data + i, 1)));
    }
    return cella_builtin_refuse_argument(call, "argument '%s': a quote does not end", argument);
}

/* One name from at on; *at is then at the separator behind it, or the end. */
static cella_status take_name(struct cella_builtin_call *call, const char *argument, struct cella_view text, size_t *at,
                              struct cella_column_list *out)
{
    if (out->count == CELLA_COLUMN_LIST_MAX) {
        return cella_builtin_refuse_argument(call, "argument '%s' names more than %u columns", argument,
                                             CELLA_COLUMN_LIST_MAX);
    }
    size_t begin = out->text.size;
    if (*at < text.size && text.data[*at] == '"') {
        CELLA_TRY(take_quoted(call, argument, text, at, &out->text));
        if (*at < text.size && text.data[*at] != ',' && text.data[*at] != '|') {
            return cella_builtin_refuse_argument(call, "argument '%s': text behind a quote", argument);
        }
    } else {
        size_t from = *at;
        while (*at < text.size && text.data[*at] != ',' && text.data[*at] != '|') {
            (*at)++;
        }
        CELLA_TRY(cella_bytes_append(&out->text, cella_view_of(text.data + from, *at - from)));
    }
    if (out->text.size == begin) {
        return cella_builtin_refuse_argument(call, "argument '%s' names a column without a name", argument);
    }
    /* The text does not move: it got room for all. */
    out->names[out->count] = cella_view_of(out->text.data + begin, out->text.size - begin);
    out->inputs[out->count++] = out->input_count - 1;
    return CELLA_OK;
}

cella_status cella_column_list_parse(struct cella_builtin_call *call, const char *argument, struct cella_view text,
                                     const char *what, size_t count, struct cella_column_list *out)
{
    CELLA_TRY(cella_bytes_reserve(&out->text, text.size + 1));
    out->input_count = 1;
    for (size_t at = 0; at <= text.size; at++) {
        CELLA_TRY(take_name(call, argument, text, &at, out));
        out->input_count += at < text.size && text.data[at] == '|';
    }
    if (out->input_count != 1 && out->input_count != count) {
        return cella_builtin_refuse_argument(call, "argument '%s' is for %zu %s, but there are %zu", argument,
                                             out->input_count, what, count);
    }
    return CELLA_OK;
}

const struct cella_view *cella_column_list_of(const struct cella_column_list *list, size_t input, size_t *count)
{
    size_t wanted = list->input_count == 1 ? 0 : input;
    size_t begin = 0;
    while (begin < list->count && list->inputs[begin] != wanted) {
        begin++;
    }
    size_t end = begin;
    while (end < list->count && list->inputs[end] == wanted) {
        end++;
    }
    *count = end - begin;
    return list->names + begin;
}

void cella_column_list_release(struct cella_column_list *list)
{
    cella_bytes_clear(&list->text);
}
