/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/dispatch.h"

#include <ffi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for one parameter as the C function receives it. */
union slot {
    int64_t integer;
    double real;
    uint8_t flag;
    void *pointer;
};

/* What one parameter's slot points at. */
struct holder {
    struct cella_view text;
    struct cella_builtin_inputs inputs;
    struct cella_builtin_outputs outputs;
};

/* A call's parameters. The arrays have one element for each value, which is at least as many as are needed. */
struct frame {
    struct cella_builtin_call *call;
    const struct cella_builtin_value *values;
    size_t count;
    bool used[CELLA_BUILTIN_VALUES_MAX];
    struct cella_builtin_input *inputs;
    size_t input_count;
    struct cella_builtin_output *outputs;
    size_t output_count;
    struct holder holders[CELLA_BUILTIN_PARAMETERS_MAX];
    union slot slots[CELLA_BUILTIN_PARAMETERS_MAX + 1];
    void *pointers[CELLA_BUILTIN_PARAMETERS_MAX + 1];
    ffi_type *types[CELLA_BUILTIN_PARAMETERS_MAX + 1];
};

static void release_frame(struct frame *frame)
{
    for (size_t i = 0; i < frame->input_count; i++) {
        cella_builtin_input_release(&frame->inputs[i]);
    }
    for (size_t i = 0; i < frame->output_count; i++) {
        cella_bytes_clear(&frame->outputs[i].pending);
    }
    free(frame->inputs);
    free(frame->outputs);
}

static const char *kind_name(enum cella_builtin_kind kind)
{
    static const char *const names[] = {
        [CELLA_BUILTIN_TEXT] = "a text",      [CELLA_BUILTIN_CHOICE] = "a text",
        [CELLA_BUILTIN_INTEGER] = "a whole number", [CELLA_BUILTIN_REAL] = "a number",
        [CELLA_BUILTIN_FLAG] = "true or false",     [CELLA_BUILTIN_INPUT] = "an input",
        [CELLA_BUILTIN_INPUTS] = "inputs",          [CELLA_BUILTIN_OUTPUT] = "an output",
        [CELLA_BUILTIN_OUTPUTS] = "outputs",
    };
    return names[kind];
}

static bool is_input(enum cella_builtin_kind kind)
{
    return kind == CELLA_BUILTIN_INPUT || kind == CELLA_BUILTIN_INPUTS;
}

static bool is_output(enum cella_builtin_kind kind)
{
    return kind == CELLA_BUILTIN_OUTPUT || kind == CELLA_BUILTIN_OUTPUTS;
}

static cella_status bad(struct frame *frame, const struct cella_builtin_parameter *parameter, const char *what)
{
    return cella_builtin_refuse_argument(frame->call, "%s '%s' %s",
                                         is_input(parameter->kind)    ? "input"
                                         : is_output(parameter->kind) ? "output"
                                                                      : "argument",
                                         parameter->name, what);
}

static cella_status wrong_kind(struct frame *frame, const struct cella_builtin_parameter *parameter)
{
    char text[64];
    (void) snprintf(text, sizeof(text), "must be %s", kind_name(parameter->kind));
    return bad(frame, parameter, text);
}

static cella_status check_range(struct frame *frame, const struct cella_builtin_parameter *parameter, double value)
{
    if (value >= parameter->minimum && value <= parameter->maximum) {
        return CELLA_OK;
    }
    char text[128];
    (void) snprintf(text, sizeof(text), "is out of range: %s%.15g is not between %.15g and %.15g",
                    parameter->kind == CELLA_BUILTIN_TEXT ? "its size in bytes, " : "", value, parameter->minimum,
                    parameter->maximum);
    return bad(frame, parameter, text);
}

/* The value of that name, marked as used; NULL when there is none. */
static const struct cella_builtin_value *take(struct frame *frame, const char *name)
{
    for (size_t i = 0; i < frame->count; i++) {
        if (cella_view_is(frame->values[i].name, name)) {
            frame->used[i] = true;
            return &frame->values[i];
        }
    }
    return NULL;
}

static cella_status choose(struct frame *frame, const struct cella_builtin_parameter *parameter,
                           struct cella_view given, int64_t *out)
{
    const char *choice = parameter->choices;
    for (int64_t i = 0; choice != NULL; i++) {
        const char *end = strchr(choice, '|');
        size_t size = end == NULL ? strlen(choice) : (size_t) (end - choice);
        if (cella_view_equal(given, cella_view_of(choice, size))) {
            *out = i;
            return CELLA_OK;
        }
        choice = end == NULL ? NULL : end + 1;
    }
    char text[160];
    (void) snprintf(text, sizeof(text), "must be one of %.140s", parameter->choices);
    return bad(frame, parameter, text);
}

/* Defaults are written by us in the table, so they are only converted. */
static struct cella_builtin_value default_of(const struct cella_builtin_parameter *parameter)
{
    const char *text = parameter->default_text;
    struct cella_builtin_value value = { .bytes = cella_view_of_string(text) };
    if (parameter->kind == CELLA_BUILTIN_INTEGER) {
        value.kind = CELLA_BUILTIN_VALUE_INTEGER;
        value.integer = strtoll(text, NULL, 10);
    } else if (parameter->kind == CELLA_BUILTIN_REAL) {
        value.kind = CELLA_BUILTIN_VALUE_REAL;
        value.real = strtod(text, NULL);
    } else if (parameter->kind == CELLA_BUILTIN_FLAG) {
        value.kind = CELLA_BUILTIN_VALUE_FLAG;
        value.flag = strcmp(text, "true") == 0;
    } else {
        value.kind = CELLA_BUILTIN_VALUE_TEXT;
    }
    return value;
}

static cella_status fill_argument(struct frame *frame, const struct cella_builtin_parameter *parameter, size_t place)
{
    union slot *slot = &frame->slots[place];
    const struct cella_builtin_value *given = take(frame, parameter->name);
    if (given == NULL && parameter->default_text == NULL) {
        return bad(frame, parameter, "is missing");
    }
    struct cella_builtin_value value = given != NULL ? *given : default_of(parameter);
    bool is_text = value.kind == CELLA_BUILTIN_VALUE_TEXT;
    bool is_integer = value.kind == CELLA_BUILTIN_VALUE_INTEGER;
    switch (parameter->kind) {
    case CELLA_BUILTIN_TEXT:
        frame->holders[place - 1].text = value.bytes;
        slot->pointer = &frame->holders[place - 1].text;
        return !is_text ? wrong_kind(frame, parameter) : check_range(frame, parameter, (double) value.bytes.size);
    case CELLA_BUILTIN_CHOICE:
        frame->types[place] = &ffi_type_sint64;
        return !is_text ? wrong_kind(frame, parameter) : choose(frame, parameter, value.bytes, &slot->integer);
    case CELLA_BUILTIN_INTEGER:
        frame->types[place] = &ffi_type_sint64;
        slot->integer = value.integer;
        return !is_integer ? wrong_kind(frame, parameter) : check_range(frame, parameter, (double) value.integer);
    case CELLA_BUILTIN_REAL:
        frame->types[place] = &ffi_type_double;
        slot->real = is_integer ? (double) value.integer : value.real;
        return !is_integer && value.kind != CELLA_BUILTIN_VALUE_REAL ? wrong_kind(frame, parameter)
                                                                     : check_range(frame, parameter, slot->real);
    case CELLA_BUILTIN_FLAG:
        frame->types[place] = &ffi_type_uint8;
        slot->flag = value.flag ? 1 : 0;
        return value.kind != CELLA_BUILTIN_VALUE_FLAG ? wrong_kind(frame, parameter) : CELLA_OK;
    case CELLA_BUILTIN_INPUT:
    case CELLA_BUILTIN_INPUTS:
    case CELLA_BUILTIN_OUTPUT:
    case CELLA_BUILTIN_OUTPUTS:
        break;
    }
    return CELLA_INTERNAL;
}

/* The next input or output of that name joins the frame. *there is false when it was not given. */
static cella_status join(struct frame *frame, const struct cella_builtin_parameter *parameter, const char *name,
                         bool *there)
{
    const struct cella_builtin_value *value = take(frame, name);
    *there = value != NULL && value->kind != CELLA_BUILTIN_VALUE_NONE;
    if (!*there) {
        return CELLA_OK;
    }
    if (value->kind != (is_input(parameter->kind) ? CELLA_BUILTIN_VALUE_INPUT : CELLA_BUILTIN_VALUE_OUTPUT)) {
        return wrong_kind(frame, parameter);
    }
    if (is_input(parameter->kind)) {
        struct cella_builtin_input *input = &frame->inputs[frame->input_count++];
        *input = (struct cella_builtin_input){ .bytes = value->bytes, .read = value->read, .context = value->context };
        (void) snprintf(input->name, sizeof(input->name), "%s", name);
    } else {
        frame->outputs[frame->output_count++] =
            (struct cella_builtin_output){ .write = value->write, .context = value->context, .most = value->most };
    }
    return CELLA_OK;
}

static cella_status fill_file(struct frame *frame, const struct cella_builtin_parameter *parameter, size_t place)
{
    bool there = false;
    bool input = is_input(parameter->kind);
    void *first = input ? (void *) &frame->inputs[frame->input_count] : (void *) &frame->outputs[frame->output_count];
    CELLA_TRY(join(frame, parameter, parameter->name, &there));
    if (!there && !parameter->optional) {
        return bad(frame, parameter, "is missing");
    }
    frame->slots[place].pointer = there ? first : NULL;
    return CELLA_OK;
}

static cella_status fill_group(struct frame *frame, const struct cella_builtin_parameter *parameter, size_t place)
{
    struct holder *holder = &frame->holders[place - 1];
    bool input = is_input(parameter->kind);
    holder->inputs.items = &frame->inputs[frame->input_count];
    holder->outputs.items = &frame->outputs[frame->output_count];
    size_t count = 0;
    for (bool there = true; there && count <= CELLA_BUILTIN_GROUP_MAX; count += there ? 1 : 0) {
        char name[64];
        (void) snprintf(name, sizeof(name), "%.48s%zu", parameter->name, count);
        CELLA_TRY(join(frame, parameter, name, &there));
    }
    if ((double) count < parameter->minimum || (double) count > parameter->maximum) {
        char text[160];
        (void) snprintf(text, sizeof(text), "needs %.0f to %.0f members, named %.48s0, %.48s1 and so on; it has %zu",
                        parameter->minimum, parameter->maximum, parameter->name, parameter->name, count);
        return bad(frame, parameter, text);
    }
    holder->inputs.count = count;
    holder->outputs.count = count;
    frame->slots[place].pointer = input ? (void *) &holder->inputs : (void *) &holder->outputs;
    return CELLA_OK;
}

static cella_status fill(struct frame *frame, const struct cella_builtin_parameter *parameter, size_t place)
{
    frame->types[place] = &ffi_type_pointer;
    frame->pointers[place] = &frame->slots[place];
    if (parameter->kind == CELLA_BUILTIN_INPUT || parameter->kind == CELLA_BUILTIN_OUTPUT) {
        return fill_file(frame, parameter, place);
    }
    if (parameter->kind == CELLA_BUILTIN_INPUTS || parameter->kind == CELLA_BUILTIN_OUTPUTS) {
        return fill_group(frame, parameter, place);
    }
    return fill_argument(frame, parameter, place);
}

static cella_status refuse_value(struct frame *frame, size_t index, const char *what)
{
    struct cella_view name = frame->values[index].name;
    int size = name.size < 64 ? (int) name.size : 64;
    return cella_builtin_refuse_argument(frame->call, "'%.*s' %s", size, (const char *) name.data, what);
}

static cella_status refuse_twice(struct frame *frame)
{
    for (size_t i = 0; i < frame->count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (cella_view_equal(frame->values[i].name, frame->values[j].name)) {
                return refuse_value(frame, i, "is given twice");
            }
        }
    }
    return CELLA_OK;
}

static cella_status refuse_surplus(struct frame *frame)
{
    for (size_t i = 0; i < frame->count; i++) {
        if (!frame->used[i]) {
            return refuse_value(frame, i, "is not a parameter of this function");
        }
    }
    return CELLA_OK;
}

static cella_status flush_outputs(struct frame *frame)
{
    for (size_t i = 0; i < frame->output_count; i++) {
        CELLA_TRY(cella_builtin_output_flush(&frame->outputs[i]));
    }
    return CELLA_OK;
}

cella_status cella_builtin_run(const struct cella_builtin *builtin, const struct cella_builtin_value *values,
                               size_t count, struct cella_builtin_call *call)
{
    CELLA_CLEANUP(release_frame) struct frame frame = { .call = call, .values = values, .count = count };
    ffi_cif signature;
    ffi_arg answer = 0;
    call->message[0] = '\0';
    if (count > CELLA_BUILTIN_VALUES_MAX || builtin->parameter_count > CELLA_BUILTIN_PARAMETERS_MAX) {
        return cella_builtin_refuse_argument(call, "more than %u values", CELLA_BUILTIN_VALUES_MAX);
    }
    frame.inputs = calloc(count + 1, sizeof(frame.inputs[0]));
    frame.outputs = calloc(count + 1, sizeof(frame.outputs[0]));
    if (frame.inputs == NULL || frame.outputs == NULL) {
        return CELLA_NO_MEMORY;
    }
    CELLA_TRY(refuse_twice(&frame));
    frame.slots[0].pointer = call;
    frame.types[0] = &ffi_type_pointer;
    frame.pointers[0] = &frame.slots[0];
    for (size_t i = 0; i < builtin->parameter_count; i++) {
        CELLA_TRY(fill(&frame, &builtin->parameters[i], i + 1));
    }
    CELLA_TRY(refuse_surplus(&frame));
    if (ffi_prep_cif(&signature, FFI_DEFAULT_ABI, (unsigned int) builtin->parameter_count + 1, &ffi_type_sint32,
                     frame.types) != FFI_OK) {
        return CELLA_INTERNAL;
    }
    ffi_call(&signature, builtin->function, &answer, frame.pointers);
    CELLA_TRY((cella_status) (int32_t) answer);
    return flush_outputs(&frame);
}
