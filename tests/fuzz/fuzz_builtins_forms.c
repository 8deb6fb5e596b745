/* SPDX-License-Identifier: Apache-2.0 */

/*
 * aggregate and csv_profile on any arguments and rows: an answer or a refusal. The input's lines are: which mechanism and flags,
 * group_by, aggregates, bounds, person; then the rows.
 */

#include <stdlib.h>
#include <string.h>

#include "builtins/dispatch.h"
#include "builtins/registry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static cella_status keep(void *context, struct cella_view bytes)
{
    return cella_bytes_append(context, bytes);
}

static struct cella_view next_line(struct cella_view *rest)
{
    const uint8_t *end = rest->size == 0 ? NULL : memchr(rest->data, '\n', rest->size);
    struct cella_view line = cella_view_of(rest->data, end == NULL ? rest->size : (size_t) (end - rest->data));
    size_t used = end == NULL ? line.size : line.size + 1;
    *rest = cella_view_of(rest->data + used, rest->size - used);
    return line;
}

static struct cella_builtin_value text_of(const char *name, struct cella_view text)
{
    return (struct cella_builtin_value){
        .name = cella_view_of_string(name), .kind = CELLA_BUILTIN_VALUE_TEXT, .bytes = text
    };
}

static struct cella_builtin_value integer_of(const char *name, int64_t value)
{
    return (struct cella_builtin_value){
        .name = cella_view_of_string(name), .kind = CELLA_BUILTIN_VALUE_INTEGER, .integer = value
    };
}

static struct cella_builtin_value real_of(const char *name, double value)
{
    return (struct cella_builtin_value){
        .name = cella_view_of_string(name), .kind = CELLA_BUILTIN_VALUE_REAL, .real = value
    };
}

static struct cella_builtin_value rows_of(const char *name, struct cella_view bytes)
{
    return (struct cella_builtin_value){
        .name = cella_view_of_string(name), .kind = CELLA_BUILTIN_VALUE_INPUT, .bytes = bytes
    };
}

static struct cella_builtin_value output_to(const char *name, struct cella_bytes *out)
{
    return (struct cella_builtin_value){
        .name = cella_view_of_string(name), .kind = CELLA_BUILTIN_VALUE_OUTPUT, .write = keep, .context = out
    };
}

static cella_status run(const char *name, const struct cella_builtin_value *values, size_t count)
{
    const struct cella_builtin_registry registry = { .module_count = 0 };
    struct cella_builtin_call call = { .threads = 1 };
    cella_status status =
        cella_builtin_run(cella_builtin_find(&registry, cella_view_of_string(name)), values, count, &call);
    cella_bytes_clear(&call.result);
    if (status != CELLA_OK && status != CELLA_BUILTIN_FAILED && status != CELLA_BAD_ARGUMENT) {
        abort();
    }
    if (status != CELLA_OK && call.message[0] == '\0') {
        abort();
    }
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cella_view rest = cella_view_of(data, size);
    struct cella_view flags = next_line(&rest);
    uint8_t choice = flags.size > 0 ? flags.data[0] : 0;
    static const char *const mechanisms[] = { "none", "laplace", "gaussian", "none" };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes result = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes profile = { 0 };
    bool noise = choice % 4 == 1 || choice % 4 == 2;
    struct cella_builtin_value values[12] = { text_of("mechanism", cella_view_of_string(mechanisms[choice % 4])) };
    size_t count = 1;
    values[count++] = text_of("group_by", next_line(&rest));
    values[count++] = text_of("aggregates", next_line(&rest));
    values[count++] = text_of("bounds", next_line(&rest));
    struct cella_view person = next_line(&rest);
    values[count++] = text_of("person", person);
    values[count++] = integer_of("minimum_group", choice / 4 % 4 + 1);
    values[count++] = real_of("epsilon", noise ? 0.5 + choice / 16 : 0);
    values[count++] = real_of("delta", noise && (choice & 16) != 0 ? 1e-5 : 0);
    values[count++] = integer_of("groups_per_person", person.size == 0 ? 0 : choice / 32 % 4);
    values[count++] = integer_of("rows_per_person", person.size == 0 ? 0 : choice / 64 % 4);
    values[count++] = rows_of("data", rest);
    values[count++] = output_to("result", &result);
    (void) run("aggregate", values, count);
    const struct cella_builtin_value others[] = { integer_of("minimum_group", choice % 5 + 1), rows_of("data", rest),
                                                  output_to("profile", &profile) };
    (void) run("csv_profile", others, 3);
    return 0;
}
