/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "builtins/dispatch.h"
#include "builtins/registry.h"
#include "tests/unit/builtin_input.h"

/*
 * The first byte chooses a function and how; then texts, each ended by 0x1e: two arguments, and up to three inputs. Each call
 * is made twice, in two ways that must give the same: from memory and from streams in small pieces; fast and
 * oblivious; sorted and not. A join counts its result exactly before it is written.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUTS 3U
#define OUTPUT_MOST 1000000U

struct texts {
    struct cella_view arguments[2];
    struct cella_view inputs[INPUTS];
};

struct result {
    cella_status status;
    struct cella_bytes outputs[INPUTS];
    struct cella_builtin_call call;
};

static void clear(struct result *result)
{
    for (size_t i = 0; i < INPUTS; i++) {
        cella_bytes_clear(&result->outputs[i]);
    }
    cella_bytes_clear(&result->call.result);
}

static cella_status collect(void *context, struct cella_view bytes)
{
    struct cella_bytes *all = context;
    return all->size + bytes.size > OUTPUT_MOST ? CELLA_LIMIT_OUTPUT : cella_bytes_append(all, bytes);
}

/* What a function is called with; a name ending in # gets numbers from first on. */
struct shape {
    const char *function;
    const char *input;
    unsigned int first;
    size_t input_count;
    const char *output;
    size_t output_count;
    uint64_t most; /* bytes that an output may have; 0: not told */
};

struct values {
    struct cella_builtin_value items[24];
    char names[2 * INPUTS][32];
    size_t count;
};

static struct cella_builtin_value *add(struct values *values, const char *name, enum cella_builtin_value_kind kind)
{
    struct cella_builtin_value *value = &values->items[values->count++];
    *value = (struct cella_builtin_value){ .name = cella_view_of_string(name), .kind = kind };
    return value;
}

static void run(const struct shape *shape, const struct values *arguments, const struct texts *texts, size_t piece,
                struct result *result)
{
    struct values values = *arguments;
    struct piecewise streams[INPUTS];
    for (size_t i = 0; i < shape->input_count; i++) {
        snprintf(values.names[i], sizeof(values.names[i]), "%s%zu", shape->input, i + shape->first);
        struct cella_builtin_value *value = add(&values, values.names[i], CELLA_BUILTIN_VALUE_INPUT);
        streams[i] = (struct piecewise){ texts->inputs[i], piece };
        value->bytes = texts->inputs[i];
        value->read = piece > 0 ? piecewise_read : NULL;
        value->context = &streams[i];
    }
    for (size_t i = 0; i < shape->output_count; i++) {
        char *name = values.names[INPUTS + i];
        bool single = shape->output_count == 1 && shape->first == 1;
        snprintf(name, sizeof(values.names[0]), single ? "%s" : "%s%zu", shape->output, i + shape->first);
        struct cella_builtin_value *value = add(&values, name, CELLA_BUILTIN_VALUE_OUTPUT);
        value->write = collect;
        value->most = shape->most;
        value->context = &result->outputs[i];
    }
    struct cella_builtin_registry registry = { .module_count = 0 };
    const struct cella_builtin *builtin = cella_builtin_find(&registry, cella_view_of_string(shape->function));
    assert(builtin != NULL);
    result->call.threads = 1;
    result->status = cella_builtin_run(builtin, values.items, values.count, &result->call);
    assert(result->status == CELLA_OK || result->call.message[0] != 0 || result->status == CELLA_LIMIT_OUTPUT ||
           result->status == CELLA_NO_MEMORY);
}

static void same(const struct result *a, const struct result *b)
{
    for (size_t i = 0; i < INPUTS; i++) {
        assert(cella_view_equal(cella_bytes_view(&a->outputs[i]), cella_bytes_view(&b->outputs[i])));
    }
    assert(cella_view_equal(cella_bytes_view(&a->call.result), cella_bytes_view(&b->call.result)));
}

static void twice(const struct shape *shape, const struct values *first, const struct values *second,
                  const struct texts *texts, size_t piece)
{
    CELLA_CLEANUP(clear) struct result one = { 0 };
    CELLA_CLEANUP(clear) struct result other = { 0 };
    run(shape, first, texts, 0, &one);
    run(shape, second, texts, piece, &other);
    if (one.status == CELLA_OK && other.status == CELLA_OK) {
        same(&one, &other);
    }
    /* Only an order that was asked for makes the one refuse what the other takes. */
    assert(one.status == other.status || strcmp(shape->function, "ordered_set_join") == 0);
}

static void add_text(struct values *values, const char *name, struct cella_view text)
{
    add(values, name, CELLA_BUILTIN_VALUE_TEXT)->bytes = text;
}

static void add_flag(struct values *values, const char *name, bool flag)
{
    add(values, name, CELLA_BUILTIN_VALUE_FLAG)->flag = flag;
}

static void intersect(uint8_t how, const struct texts *texts)
{
    struct values fast = { .count = 0 };
    bool csv = (how & 8) != 0;
    add_text(&fast, "form", cella_view_of_string(csv ? "csv" : "lines"));
    add_text(&fast, "reveal", cella_view_of_string((how & 16) != 0 ? "ids" : "flags"));
    add_flag(&fast, "header", (how & 32) != 0);
    if (csv) {
        add_text(&fast, "column", texts->arguments[0]);
    }
    struct values oblivious = fast;
    add_text(&oblivious, "mode", cella_view_of_string("oblivious"));
    const struct shape shape = { "psi", "input", 0, 2 + (how >> 6) % 2, "output", 2, 0 };
    twice(&shape, &fast, &oblivious, texts, 1 + how / 64);
}

/* As many bytes as the result has are enough; one less is refused before anything but a header is written. */
static void count(const struct shape *shape, const struct values *values, const struct texts *texts, bool header)
{
    CELLA_CLEANUP(clear) struct result whole = { 0 };
    CELLA_CLEANUP(clear) struct result enough = { 0 };
    CELLA_CLEANUP(clear) struct result less = { 0 };
    run(shape, values, texts, 0, &whole);
    size_t size = 0;
    for (size_t i = 0; i < INPUTS; i++) {
        size = whole.outputs[i].size > size ? whole.outputs[i].size : size;
    }
    if (whole.status != CELLA_OK || size < 2) {
        return;
    }
    struct shape told = *shape;
    told.most = size;
    run(&told, values, texts, 0, &enough);
    assert(enough.status == CELLA_OK);
    same(&whole, &enough);
    told.most = size - 1;
    run(&told, values, texts, 0, &less);
    assert(header || (less.status == CELLA_LIMIT_OUTPUT && less.call.message[0] != 0 && less.outputs[0].size == 0));
}

static void join(uint8_t how, const struct texts *texts)
{
    struct values values = { .count = 0 };
    add_text(&values, "on", texts->arguments[0]);
    add_text(&values, "columns", texts->arguments[1]);
    add_text(&values, "how", cella_view_of_string((how & 8) != 0 ? "left" : "inner"));
    add_flag(&values, "header", (how & 16) != 0);
    const struct shape shape = { "join", "input", 0, 2 + (how >> 6) % 2, "output", 1 + (how >> 5) % 2, 0 };
    twice(&shape, &values, &values, texts, 1 + how / 64);
    count(&shape, &values, texts, (how & 16) != 0);
}

static void ordered_join(uint8_t how, const struct texts *texts)
{
    struct values values = { .count = 0 };
    add(&values, "left_column", CELLA_BUILTIN_VALUE_INTEGER)->integer = (how >> 4) % 2;
    add(&values, "right_column", CELLA_BUILTIN_VALUE_INTEGER)->integer = (how >> 5) % 2;
    add_flag(&values, "ascending", (how & 8) != 0);
    add_flag(&values, "drop", (how & 64) != 0);
    struct values sorted = values;
    add_flag(&sorted, "sorted", true);
    const struct shape shape = { "ordered_set_join", "input_data", 1, 2, "output_result", 1, 0 };
    twice(&shape, &values, &sorted, texts, 1 + how / 128);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct texts texts = { 0 };
    struct cella_view *parts[] = { &texts.arguments[0], &texts.arguments[1], &texts.inputs[0], &texts.inputs[1],
                                   &texts.inputs[2] };
    size_t begin = 1;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && begin < size; i++) {
        const uint8_t *end = memchr(data + begin, 0x1e, size - begin);
        size_t length = end == NULL ? size - begin : (size_t) (end - data) - begin;
        *parts[i] = cella_view_of(data + begin, length);
        begin += length + 1;
    }
    struct values values = { .count = 0 };
    const struct shape sums = { "private_join_and_compute", "input_data", 0, 2, "output_data", 2, 0 };
    const struct shape ordered = { "ordered_set_intersect", "input_data", 1, 2, "output_result", 2, 0 };
    switch (data[0] % 5) {
    case 0:
        intersect(data[0], &texts);
        break;
    case 1:
        join(data[0], &texts);
        break;
    case 2:
        ordered_join(data[0], &texts);
        break;
    case 3:
        add(&values, "num_user", CELLA_BUILTIN_VALUE_INTEGER)->integer = 2;
        twice(&sums, &values, &values, &texts, 1 + data[0] / 64);
        break;
    default:
        add_text(&values, "order", cella_view_of_string((data[0] & 8) != 0 ? "ascending" : "descending"));
        twice(&ordered, &values, &values, &texts, 1 + data[0] / 64);
        break;
    }
    return 0;
}
