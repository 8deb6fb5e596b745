/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/native/onnx_step.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

cella_status cella_onnx_refuse(const struct cella_onnx_step *step, const char *format, ...)
{
    char what[CELLA_BUILTIN_MESSAGE_MAX];
    char name[64];
    char operation[64];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    return cella_builtin_refuse(step->session->call, "%s: node %zu '%s' (%s): %s", step->session->source, step->index,
                                cella_onnx_printable(step->node->name, name),
                                cella_onnx_printable(step->node->operation, operation), what);
}

const struct cella_onnx_tensor *cella_onnx_input(const struct cella_onnx_step *step, size_t index)
{
    if (index >= step->node->input_count || step->inputs[index] == CELLA_ONNX_ABSENT) {
        return NULL;
    }
    const struct cella_onnx_tensor *tensor = &step->session->values[step->inputs[index]].tensor;
    return tensor->buffer == NULL ? NULL : tensor;
}

bool cella_onnx_wanted(const struct cella_onnx_step *step, size_t index)
{
    return index < step->node->output_count && step->outputs[index] != CELLA_ONNX_ABSENT &&
        (step->session->values[step->outputs[index]].uses > 0 || step->session->values[step->outputs[index]].kept);
}

cella_status cella_onnx_expect(const struct cella_onnx_step *step, size_t index, enum cella_onnx_type type)
{
    const struct cella_onnx_tensor *input = cella_onnx_input(step, index);
    if (input == NULL) {
        return cella_onnx_refuse(step, "input %zu is missing", index);
    }
    if (input->type != type) {
        return cella_onnx_refuse(step, "input %zu has type %s where only %s is supported", index,
                                 cella_onnx_type_name(input->type), cella_onnx_type_name(type));
    }
    return CELLA_OK;
}

cella_status cella_onnx_refuse_type(const struct cella_onnx_step *step, enum cella_onnx_type type)
{
    return cella_onnx_refuse(step, "type %s is not supported here", cella_onnx_type_name(type));
}

cella_status cella_onnx_work(const struct cella_onnx_step *step, double steps)
{
    struct cella_onnx_work *work = &step->session->work;
    if (cella_onnx_work_add(work, steps)) {
        return CELLA_OK;
    }
    return cella_onnx_refuse(step, "it would take %.3g steps, %.3g with what comes before it; at most %.3g for %zu %s",
                             steps, work->asked, cella_onnx_work_most(work), work->examples,
                             work->examples == 1 ? "example" : "examples");
}

cella_status cella_onnx_went(const struct cella_onnx_step *step, size_t elements)
{
    return cella_onnx_work_done(&step->session->work, (double) elements * CELLA_ONNX_WORK_ELEMENT);
}

/* "float of 10 x 20", for messages. */
static const char *describe(enum cella_onnx_type type, size_t rank, const size_t *dims, char text[128])
{
    size_t size = (size_t) snprintf(text, 128, "%s", cella_onnx_type_name(type));
    for (size_t i = 0; i < rank && size < 100; i++) {
        size += (size_t) snprintf(text + size, 128 - size, "%s%zu", i == 0 ? " of " : " x ", dims[i]);
    }
    return text;
}

static cella_status make(struct cella_onnx_step *step, enum cella_onnx_type type, size_t rank, const size_t *dims,
                         struct cella_onnx_tensor *out)
{
    if (rank > CELLA_ONNX_RANK_MAX) {
        return cella_onnx_refuse(step, "its output would have %zu dimensions; %u are supported", rank,
                                 CELLA_ONNX_RANK_MAX);
    }
    char text[128];
    cella_status made = cella_onnx_tensor_make(&step->session->memory, type, rank, dims, out);
    if (made == CELLA_LIMIT_MEMORY) {
        return cella_onnx_refuse(step, "with %s the model's values would need more than %zu bytes at a time",
                                 describe(type, rank, dims, text), step->session->memory.limit);
    }
    if (made == CELLA_NO_MEMORY) {
        cella_status refused =
            cella_onnx_refuse(step, "%s does not fit into the task's memory beside %zu bytes of the model's values",
                              describe(type, rank, dims, text), step->session->memory.used);
        return refused == CELLA_BUILTIN_FAILED ? CELLA_LIMIT_MEMORY : refused;
    }
    CELLA_TRY(made);
    return cella_onnx_work(step, (double) out->count * CELLA_ONNX_WORK_ELEMENT);
}

cella_status cella_onnx_output(struct cella_onnx_step *step, size_t index, enum cella_onnx_type type, size_t rank,
                               const size_t *dims, struct cella_onnx_tensor **out)
{
    if (index >= step->node->output_count || step->outputs[index] == CELLA_ONNX_ABSENT) {
        return cella_onnx_refuse(step, "it has no name for output %zu", index);
    }
    *out = &step->session->values[step->outputs[index]].tensor;
    cella_onnx_tensor_release(*out);
    return make(step, type, rank, dims, *out);
}

cella_status cella_onnx_output_over(struct cella_onnx_step *step, size_t index, size_t reuse, enum cella_onnx_type type,
                                    const struct cella_onnx_tensor *shape, struct cella_onnx_tensor **out)
{
    const struct cella_onnx_tensor *old = cella_onnx_input(step, reuse);
    if (old != NULL && old->type == type && cella_onnx_same_shape(old, shape) && old->buffer->references == 1 &&
        index < step->node->output_count && step->outputs[index] != CELLA_ONNX_ABSENT) {
        const struct cella_onnx_value *value = &step->session->values[step->inputs[reuse]];
        if (value->last_use == step->index && !value->constant && !value->kept) {
            *out = &step->session->values[step->outputs[index]].tensor;
            cella_onnx_tensor_release(*out);
            cella_onnx_tensor_share(old, *out);
            return cella_onnx_work(step, (double) old->count * CELLA_ONNX_WORK_ELEMENT);
        }
    }
    return cella_onnx_output(step, index, type, shape->rank, shape->dims, out);
}

cella_status cella_onnx_output_reshaped(struct cella_onnx_step *step, size_t rank, const size_t *dims)
{
    const struct cella_onnx_tensor *input = cella_onnx_input(step, 0);
    struct cella_onnx_tensor shaped = { .rank = rank, .count = 1 };
    for (size_t i = 0; i < rank; i++) {
        shaped.dims[i] = dims[i];
        if (__builtin_mul_overflow(shaped.count, dims[i], &shaped.count)) {
            return cella_onnx_refuse(step, "its output's dimensions multiply to more than this machine can count");
        }
    }
    if (shaped.count != input->count) {
        return cella_onnx_refuse(step, "%zu values can not take a shape with %zu", input->count, shaped.count);
    }
    struct cella_onnx_tensor *output = &step->session->values[step->outputs[0]].tensor;
    cella_onnx_tensor_release(output);
    cella_onnx_tensor_share(input, output);
    output->rank = rank;
    memcpy(output->dims, shaped.dims, sizeof(shaped.dims));
    return CELLA_OK;
}

cella_status cella_onnx_scratch(struct cella_onnx_step *step, enum cella_onnx_type type, size_t count,
                                struct cella_onnx_tensor *out)
{
    return make(step, type, 1, &count, out);
}

const struct cella_onnx_attribute *cella_onnx_attribute(const struct cella_onnx_step *step, const char *name)
{
    for (size_t i = 0; i < step->node->attribute_count; i++) {
        if (cella_view_is(step->node->attributes[i].name, name)) {
            return &step->node->attributes[i];
        }
    }
    return NULL;
}

int64_t cella_onnx_integer(const struct cella_onnx_step *step, const char *name, int64_t otherwise)
{
    const struct cella_onnx_attribute *attribute = cella_onnx_attribute(step, name);
    return attribute == NULL ? otherwise : attribute->integer;
}

float cella_onnx_real(const struct cella_onnx_step *step, const char *name, float otherwise)
{
    const struct cella_onnx_attribute *attribute = cella_onnx_attribute(step, name);
    return attribute == NULL ? otherwise : attribute->real;
}

bool cella_onnx_text_is(const struct cella_onnx_step *step, const char *name, const char *text, bool otherwise)
{
    const struct cella_onnx_attribute *attribute = cella_onnx_attribute(step, name);
    return attribute == NULL ? otherwise : cella_view_is(attribute->text, text);
}

cella_status cella_onnx_list(const struct cella_onnx_step *step, size_t index, size_t most, int64_t *list,
                             size_t *count)
{
    const struct cella_onnx_tensor *input = cella_onnx_input(step, index);
    *count = 0;
    if (input == NULL) {
        return CELLA_OK;
    }
    if ((input->type != CELLA_ONNX_INT64 && input->type != CELLA_ONNX_INT32) || input->rank > 1) {
        return cella_onnx_refuse(step, "input %zu must be a list of whole numbers", index);
    }
    if (input->count > most) {
        return cella_onnx_refuse(step, "input %zu is a list of %zu numbers; at most %zu fit here", index, input->count,
                                 most);
    }
    for (size_t i = 0; i < input->count; i++) {
        list[i] = input->type == CELLA_ONNX_INT64 ? ((const int64_t *) input->data)[i]
                                                  : ((const int32_t *) input->data)[i];
    }
    *count = input->count;
    return CELLA_OK;
}

cella_status cella_onnx_list_since(const struct cella_onnx_step *step, const char *name, int64_t since, size_t index,
                                   size_t most, int64_t *list, size_t *count)
{
    if (step->opset >= since) {
        return cella_onnx_list(step, index, most, list, count);
    }
    const struct cella_onnx_attribute *attribute = cella_onnx_attribute(step, name);
    *count = 0;
    if (attribute == NULL) {
        return CELLA_OK;
    }
    if (attribute->count > most) {
        return cella_onnx_refuse(step, "attribute %s has %zu numbers; at most %zu fit here", name, attribute->count,
                                 most);
    }
    if (attribute->count > 0) {
        memcpy(list, attribute->integers, attribute->count * sizeof(*list));
    }
    *count = attribute->count;
    return CELLA_OK;
}

cella_status cella_onnx_axis(const struct cella_onnx_step *step, int64_t given, size_t rank, size_t *axis)
{
    int64_t from = given < 0 ? given + (int64_t) rank : given;
    if (given < -(int64_t) rank || from < 0 || from >= (int64_t) rank) {
        return cella_onnx_refuse(step, "axis %lld is outside of %zu dimensions", (long long) given, rank);
    }
    *axis = (size_t) from;
    return CELLA_OK;
}
