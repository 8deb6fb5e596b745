/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/join_columns.h"
#include "builtins/text_order.h"

static cella_status add(struct cella_join_columns *columns, size_t input, size_t column)
{
    struct cella_join_column item = { input, column };
    return cella_bytes_append(&columns->items, cella_view_of(&item, sizeof(item)));
}

static bool is_key(const struct cella_join_input *input, size_t key_count, size_t column)
{
    for (size_t i = 0; i < key_count; i++) {
        if (input->keys[i] == column) {
            return true;
        }
    }
    return false;
}

static cella_status add_all(struct cella_join_columns *columns, const struct cella_join_input *inputs, size_t input,
                            size_t key_count)
{
    for (size_t i = 0; i < inputs[input].csv.column_count; i++) {
        if (!is_key(&inputs[input], key_count, i)) {
            CELLA_TRY(add(columns, input, i));
        }
    }
    return CELLA_OK;
}

/* "N.NAME" or "N.*". */
static cella_status add_choice(struct cella_builtin_call *call, struct cella_view choice,
                               const struct cella_join_input *inputs, size_t input_count, size_t key_count,
                               struct cella_join_columns *columns)
{
    size_t input = 0;
    size_t at = 0;
    while (at < choice.size && at < 3 && choice.data[at] >= '0' && choice.data[at] <= '9') {
        input = 10 * input + (size_t) (choice.data[at++] - '0');
    }
    if (at == 0 || at == choice.size || choice.data[at] != '.') {
        return cella_builtin_refuse_argument(call, "argument 'columns': '%.*s' is not the number of an input, a point and a "
                                             "column, such as 1.age", (int) (choice.size < 80 ? choice.size : 80),
                                             (const char *) choice.data);
    }
    if (input >= input_count) {
        return cella_builtin_refuse_argument(call, "argument 'columns' names input %zu, but there are %zu, counted from 0",
                                             input, input_count);
    }
    struct cella_view name = cella_view_of(choice.data + at + 1, choice.size - at - 1);
    if (cella_view_is(name, "*")) {
        return add_all(columns, inputs, input, key_count);
    }
    size_t column = 0;
    CELLA_TRY(cella_csv_column(call, &inputs[input].csv, "columns", name, &column));
    return add(columns, input, column);
}

static cella_status choose_for(struct cella_builtin_call *call, const struct cella_column_list *list, size_t output,
                               const struct cella_join_input *inputs, size_t input_count, size_t key_count,
                               struct cella_join_columns *columns)
{
    size_t count = 0;
    const struct cella_view *choices = list == NULL ? NULL : cella_column_list_of(list, output, &count);
    for (size_t i = 0; i < count; i++) {
        CELLA_TRY(add_choice(call, choices[i], inputs, input_count, key_count, columns));
    }
    for (size_t i = 0; list == NULL && i < input_count; i++) {
        CELLA_TRY(add_all(columns, inputs, i, key_count));
    }
    if (columns->items.size == 0) {
        return cella_builtin_refuse_argument(call, "argument 'columns' leaves no column for output%zu", output);
    }
    return CELLA_OK;
}

/* What each input has to remember of its records. */
static cella_status find_kept(struct cella_join_input *inputs, size_t input_count,
                              const struct cella_join_columns *outputs, size_t output_count)
{
    for (size_t i = 0; i < input_count; i++) {
        inputs[i].place = calloc(inputs[i].csv.column_count + 1, sizeof(size_t));
        inputs[i].kept = calloc(inputs[i].csv.column_count + 1, sizeof(size_t));
        if (inputs[i].place == NULL || inputs[i].kept == NULL) {
            return CELLA_NO_MEMORY;
        }
    }
    for (size_t i = 0; i < output_count; i++) {
        size_t count;
        const struct cella_join_column *columns = cella_join_columns_of(&outputs[i], &count);
        for (size_t j = 0; j < count; j++) {
            inputs[columns[j].input].place[columns[j].column] = 1;
        }
    }
    for (size_t i = 0; i < input_count; i++) {
        for (size_t column = 0; column < inputs[i].csv.column_count; column++) {
            if (inputs[i].place[column] != 0) {
                inputs[i].place[column] = inputs[i].kept_count;
                inputs[i].kept[inputs[i].kept_count++] = column;
            }
        }
    }
    return CELLA_OK;
}

cella_status cella_join_choose(struct cella_builtin_call *call, struct cella_view text, bool with_keys,
                               struct cella_join_input *inputs, size_t input_count, size_t key_count,
                               struct cella_join_columns *out, size_t output_count)
{
    CELLA_CLEANUP(cella_column_list_release) struct cella_column_list list = { 0 };
    if (text.size > 0) {
        CELLA_TRY(cella_column_list_parse(call, "columns", text, "outputs", output_count, &list));
    }
    for (size_t i = 0; i < output_count; i++) {
        for (size_t key = 0; with_keys && key < key_count; key++) {
            CELLA_TRY(add(&out[i], 0, inputs[0].keys[key]));
        }
        CELLA_TRY(choose_for(call, text.size == 0 ? NULL : &list, i, inputs, input_count, key_count, &out[i]));
    }
    return find_kept(inputs, input_count, out, output_count);
}

const struct cella_join_column *cella_join_columns_of(const struct cella_join_columns *columns, size_t *count)
{
    *count = columns->items.size / sizeof(struct cella_join_column);
    return (const struct cella_join_column *) (const void *) columns->items.data;
}

static cella_status write_name(struct cella_builtin_output *output, const struct cella_join_column *column,
                               struct cella_view name, bool twice, bool first)
{
    if (!twice) {
        return cella_csv_write(output, name, first);
    }
    char number[24];
    int size = snprintf(number, sizeof(number), "%zu.", column->input);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes longer = { 0 };
    CELLA_TRY(cella_bytes_append(&longer, cella_view_of(number, (size_t) size)));
    CELLA_TRY(cella_bytes_append(&longer, name));
    return cella_csv_write(output, cella_bytes_view(&longer), first);
}

cella_status cella_join_write_header(const struct cella_join_input *inputs, const struct cella_join_columns *columns,
                                     struct cella_builtin_output *output)
{
    size_t count;
    const struct cella_join_column *items = cella_join_columns_of(columns, &count);
    CELLA_CLEANUP(cella_pointer_free) struct cella_text_entry *names = calloc(count, sizeof(*names));
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes twice = { 0 };
    if (names == NULL) {
        return CELLA_NO_MEMORY;
    }
    CELLA_TRY(cella_bytes_resize(&twice, count));
    for (size_t i = 0; i < count; i++) {
        struct cella_view name = inputs[items[i].input].csv.names[items[i].column];
        names[i] = (struct cella_text_entry){ .data = name.data, .size = name.size, .value = i };
    }
    /* Equal names are neighbours then. */
    CELLA_TRY(cella_text_sort(names, count));
    for (size_t i = 1; i < count; i++) {
        if (names[i].size == names[i - 1].size &&
            cella_view_equal(cella_view_of(names[i].data, names[i].size), cella_view_of(names[i - 1].data, names[i].size))) {
            twice.data[names[i].value] = 1;
            twice.data[names[i - 1].value] = 1;
        }
    }
    for (size_t i = 0; i < count; i++) {
        struct cella_view name = inputs[items[i].input].csv.names[items[i].column];
        CELLA_TRY(write_name(output, &items[i], name, twice.data[i] != 0, i == 0));
    }
    return cella_builtin_output_write(output, cella_view_of("\n", 1));
}
