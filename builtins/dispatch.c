/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/dispatch.h"

#include <ffi.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Room for one parameter as the C function receives it. */
union slot {
    int64_t integer;
    double real;
    uint8_t flag;
    const void *pointer;
};

/* One value per parameter, made from the caller's values and the defaults. */
struct frame {
    struct cella_builtin_value values[CELLA_BUILTIN_PARAMETERS_MAX];
    union slot slots[CELLA_BUILTIN_PARAMETERS_MAX + 1];
    void *pointers[CELLA_BUILTIN_PARAMETERS_MAX + 1];
    ffi_type *types[CELLA_BUILTIN_PARAMETERS_MAX + 1];
};

static const char *const kind_names[] = {
    [CELLA_BUILTIN_TEXT] = "a text",       [CELLA_BUILTIN_INTEGER] = "a whole number",
    [CELLA_BUILTIN_REAL] = "a number",     [CELLA_BUILTIN_FLAG] = "true or false",
    [CELLA_BUILTIN_INPUT] = "an input",    [CELLA_BUILTIN_OUTPUT] = "an output",
};

cella_status cella_builtin_refuse(struct cella_builtin_call *call, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(call->message, sizeof(call->message), format, arguments);
    va_end(arguments);
    return CELLA_BUILTIN_FAILED;
}

static cella_status bad(struct cella_builtin_call *call, const struct cella_builtin_parameter *parameter,
                        const char *what)
{
    snprintf(call->message, sizeof(call->message), "%s '%s' %s",
             parameter->kind == CELLA_BUILTIN_INPUT    ? "input"
             : parameter->kind == CELLA_BUILTIN_OUTPUT ? "output"
                                                       : "argument",
             parameter->name, what);
    return CELLA_BAD_ARGUMENT;
}

static cella_status wrong_kind(struct cella_builtin_call *call, const struct cella_builtin_parameter *parameter)
{
    char text[64];
    snprintf(text, sizeof(text), "must be %s", kind_names[parameter->kind]);
    return bad(call, parameter, text);
}

static cella_status check_range(struct cella_builtin_call *call, const struct cella_builtin_parameter *parameter,
                                double value)
{
    if (value >= parameter->minimum && value <= parameter->maximum) {
        return CELLA_OK;
    }
    char text[128];
    snprintf(text, sizeof(text), "is out of range: %s%.15g is not between %.15g and %.15g",
             parameter->kind == CELLA_BUILTIN_TEXT ? "its size in bytes, " : "", value, parameter->minimum,
             parameter->maximum);
    return bad(call, parameter, text);
}

/* Check one value against its parameter and put it where libffi finds it. */
static cella_status fill(struct cella_builtin_call *call, const struct cella_builtin_parameter *parameter,
                         struct cella_builtin_value *value, union slot *slot, ffi_type **type)
{
    *type = &ffi_type_pointer;
    switch (parameter->kind) {
    case CELLA_BUILTIN_TEXT:
        slot->pointer = &value->bytes;
        return value->kind != CELLA_BUILTIN_VALUE_TEXT ? wrong_kind(call, parameter)
                                                       : check_range(call, parameter, (double) value->bytes.size);
    case CELLA_BUILTIN_INTEGER:
        *type = &ffi_type_sint64;
        slot->integer = value->integer;
        return value->kind != CELLA_BUILTIN_VALUE_INTEGER ? wrong_kind(call, parameter)
                                                          : check_range(call, parameter, (double) value->integer);
    case CELLA_BUILTIN_REAL:
        *type = &ffi_type_double;
        slot->real = value->kind == CELLA_BUILTIN_VALUE_INTEGER ? (double) value->integer : value->real;
        if (value->kind != CELLA_BUILTIN_VALUE_INTEGER && value->kind != CELLA_BUILTIN_VALUE_REAL) {
            return wrong_kind(call, parameter);
        }
        return check_range(call, parameter, slot->real);
    case CELLA_BUILTIN_FLAG:
        *type = &ffi_type_uint8;
        slot->flag = value->flag ? 1 : 0;
        return value->kind != CELLA_BUILTIN_VALUE_FLAG ? wrong_kind(call, parameter) : CELLA_OK;
    case CELLA_BUILTIN_INPUT:
        slot->pointer = &value->bytes;
        return value->kind != CELLA_BUILTIN_VALUE_INPUT ? wrong_kind(call, parameter) : CELLA_OK;
    case CELLA_BUILTIN_OUTPUT:
        slot->pointer = &value->output;
        return value->kind != CELLA_BUILTIN_VALUE_OUTPUT ? wrong_kind(call, parameter) : CELLA_OK;
    }
    return CELLA_INTERNAL;
}

/* Defaults are written by us in the table, so they are only converted. */
static struct cella_builtin_value default_of(const struct cella_builtin_parameter *parameter)
{
    struct cella_builtin_value value = { 0 };
    const char *text = parameter->default_text;
    switch (parameter->kind) {
    case CELLA_BUILTIN_TEXT:
        value.kind = CELLA_BUILTIN_VALUE_TEXT;
        value.bytes = cella_view_of_string(text);
        break;
    case CELLA_BUILTIN_INTEGER:
        value.kind = CELLA_BUILTIN_VALUE_INTEGER;
        value.integer = strtoll(text, NULL, 10);
        break;
    case CELLA_BUILTIN_REAL:
        value.kind = CELLA_BUILTIN_VALUE_REAL;
        value.real = strtod(text, NULL);
        break;
    case CELLA_BUILTIN_FLAG:
        value.kind = CELLA_BUILTIN_VALUE_FLAG;
        value.flag = cella_view_is(cella_view_of_string(text), "true");
        break;
    case CELLA_BUILTIN_INPUT:
    case CELLA_BUILTIN_OUTPUT:
        break;
    }
    return value;
}

static const struct cella_builtin_value *find(const struct cella_builtin_value *values, size_t count,
                                              const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (cella_view_is(values[i].name, name)) {
            return &values[i];
        }
    }
    return NULL;
}

static cella_status refuse_surplus(const struct cella_builtin *builtin, const struct cella_builtin_value *values,
                                   size_t count, struct cella_builtin_call *call)
{
    for (size_t i = 0; i < count; i++) {
        bool known = false;
        for (size_t j = 0; j < builtin->parameter_count; j++) {
            known = known || cella_view_is(values[i].name, builtin->parameters[j].name);
        }
        bool first = true;
        for (size_t j = 0; j < i; j++) {
            first = first && !cella_view_equal(values[i].name, values[j].name);
        }
        if (!known || !first) {
            int size = values[i].name.size < 64 ? (int) values[i].name.size : 64;
            snprintf(call->message, sizeof(call->message), "'%.*s' %s", size, (const char *) values[i].name.data,
                     known ? "is given twice" : "is not a parameter of this function");
            return CELLA_BAD_ARGUMENT;
        }
    }
    return CELLA_OK;
}

cella_status cella_builtin_run(const struct cella_builtin *builtin, const struct cella_builtin_value *values,
                               size_t count, struct cella_builtin_call *call)
{
    struct frame frame = { 0 };
    ffi_cif signature;
    ffi_arg answer = 0;
    call->message[0] = '\0';
    CELLA_TRY(refuse_surplus(builtin, values, count, call));
    frame.slots[0].pointer = call;
    frame.types[0] = &ffi_type_pointer;
    frame.pointers[0] = &frame.slots[0];
    for (size_t i = 0; i < builtin->parameter_count; i++) {
        const struct cella_builtin_parameter *parameter = &builtin->parameters[i];
        const struct cella_builtin_value *given = find(values, count, parameter->name);
        if (given == NULL && parameter->default_text == NULL) {
            return bad(call, parameter, "is missing");
        }
        frame.values[i] = given != NULL ? *given : default_of(parameter);
        CELLA_TRY(fill(call, parameter, &frame.values[i], &frame.slots[i + 1], &frame.types[i + 1]));
        frame.pointers[i + 1] = &frame.slots[i + 1];
    }
    if (ffi_prep_cif(&signature, FFI_DEFAULT_ABI, (unsigned int) builtin->parameter_count + 1, &ffi_type_sint32,
                     frame.types) != FFI_OK) {
        return CELLA_INTERNAL;
    }
    ffi_call(&signature, builtin->function, &answer, frame.pointers);
    return (cella_status) (int32_t) answer;
}
