/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/native/onnx_copy.h"
#include "builtins/native/onnx_operators.h"

#include <string.h>

#define LIST_MAX CELLA_ONNX_RANK_MAX

cella_status cella_onnx_run_shape(struct cella_onnx_step *step)
{
    const struct cella_onnx_tensor *input = cella_onnx_input(step, 0);
    int64_t rank = (int64_t) input->rank;
    int64_t start = cella_onnx_integer(step, "start", 0);
    int64_t end = cella_onnx_integer(step, "end", rank);
    start = start < -rank ? 0 : start < 0 ? start + rank : start > rank ? rank : start;
    end = end < -rank ? 0 : end < 0 ? end + rank : end > rank ? rank : end;
    size_t count = end > start ? (size_t) (end - start) : 0;
    struct cella_onnx_tensor *output;
    CELLA_TRY(cella_onnx_output(step, 0, CELLA_ONNX_INT64, 1, &count, &output));
    for (size_t i = 0; i < count; i++) {
        ((int64_t *) output->data)[i] = (int64_t) input->dims[(size_t) start + i];
    }
    return CELLA_OK;
}

cella_status cella_onnx_run_size(struct cella_onnx_step *step)
{
    struct cella_onnx_tensor *output;
    int64_t count = (int64_t) cella_onnx_input(step, 0)->count;
    CELLA_TRY(cella_onnx_output(step, 0, CELLA_ONNX_INT64, 0, NULL, &output));
    memcpy(output->data, &count, sizeof(count));
    return CELLA_OK;
}

cella_status cella_onnx_run_reshape(struct cella_onnx_step *step)
{
    const struct cella_onnx_tensor *input = cella_onnx_input(step, 0);
    int64_t wanted[LIST_MAX];
    size_t dims[LIST_MAX];
    size_t rank;
    size_t known = 1;
    size_t open = LIST_MAX;
    bool zero_is_zero = cella_onnx_integer(step, "allowzero", 0) != 0;
    CELLA_TRY(cella_onnx_list_since(step, "shape", 5, 1, LIST_MAX, wanted, &rank));
    for (size_t i = 0; i < rank; i++) {
        if (wanted[i] < -1 || (wanted[i] == -1 && open != LIST_MAX) ||
            (wanted[i] == 0 && !zero_is_zero && i >= input->rank)) {
            return cella_onnx_refuse(step, "a shape with %lld as dimension %zu", (long long) wanted[i], i);
        }
        if (wanted[i] == -1) {
            open = i;
            continue;
        }
        dims[i] = wanted[i] == 0 && !zero_is_zero ? input->dims[i] : (size_t) wanted[i];
        if (__builtin_mul_overflow(known, dims[i], &known)) {
            return cella_onnx_refuse(step, "the shape's dimensions multiply to more than this machine can count");
        }
    }
    if (open != LIST_MAX) {
        if (known == 0 || input->count % known != 0) {
            return cella_onnx_refuse(step, "%zu values do not fit into rows of %zu", input->count, known);
        }
        dims[open] = input->count / known;
    }
    return cella_onnx_output_reshaped(step, rank, dims);
}

cella_status cella_onnx_run_flatten(struct cella_onnx_step *step)
{
    const struct cella_onnx_tensor *input = cella_onnx_input(step, 0);
    int64_t given = cella_onnx_integer(step, "axis", 1);
    size_t axis = input->rank;
    if (given != (int64_t) input->rank) {
        CELLA_TRY(cella_onnx_axis(step, given, input->rank, &axis));
    }
    size_t dims[2] = { cella_onnx_span(input, 0, axis), cella_onnx_span(input, axis, input->rank - axis) };
    return cella_onnx_output_reshaped(step, 2, dims);
}

/* Which of rank axes are listed. */
static cella_status marked(const struct cella_onnx_step *step, const int64_t *list, size_t count, size_t rank,
                           bool marks[CELLA_ONNX_RANK_MAX])
{
    for (size_t i = 0; i < count; i++) {
        size_t axis;
        CELLA_TRY(cella_onnx_axis(step, list[i], rank, &axis));
        if (marks[axis]) {
            return cella_onnx_refuse(step, "axis %zu is given twice", axis);
        }
        marks[axis] = true;
    }
    return CELLA_OK;
}

cella_status cella_onnx_run_squeeze(struct cella_onnx_step *step)
{
    const struct cella_onnx_tensor *input = cella_onnx_input(step, 0);
    int64_t axes[LIST_MAX];
    bool marks[CELLA_ONNX_RANK_MAX] = { false };
    size_t dims[CELLA_ONNX_RANK_MAX];
    size_t count;
    size_t rank = 0;
    CELLA_TRY(cella_onnx_list_since(step, "axes", 13, 1, LIST_MAX, axes, &count));
    CELLA_TRY(marked(step, axes, count, input->rank, marks));
    for (size_t i = 0; i < input->rank; i++) {
        if (count == 0 ? input->dims[i] != 1 : !marks[i]) {
            dims[rank++] = input->dims[i];
        }
    }
    return cella_onnx_output_reshaped(step, rank, dims);
}

cella_status cella_onnx_run_unsqueeze(struct cella_onnx_step *step)
{
    const struct cella_onnx_tensor *input = cella_onnx_input(step, 0);
    int64_t axes[LIST_MAX];
    bool marks[CELLA_ONNX_RANK_MAX] = { false };
    size_t dims[CELLA_ONNX_RANK_MAX];
    size_t count;
    CELLA_TRY(cella_onnx_list_since(step, "axes", 13, 1, LIST_MAX, axes, &count));
    if (input->rank + count > CELLA_ONNX_RANK_MAX) {
        return cella_onnx_refuse(step, "its output would have %zu dimensions", input->rank + count);
    }
    CELLA_TRY(marked(step, axes, count, input->rank + count, marks));
    for (size_t i = 0, from = 0; i < input->rank + count; i++) {
        dims[i] = marks[i] ? 1 : input->dims[from++];
    }
    return cella_onnx_output_reshaped(step, input->rank + count, dims);
}

/* Identity, and Dropout when nothing is trained: the second output says that nothing was dropped. */
cella_status cella_onnx_run_identity(struct cella_onnx_step *step)
{
    const struct cella_onnx_tensor *input = cella_onnx_input(step, 0);
    const struct cella_onnx_tensor *training = cella_onnx_input(step, 2);
    struct cella_onnx_tensor *mask;
    if (training != NULL &&
        (training->type != CELLA_ONNX_BOOL || training->count != 1 || *(const uint8_t *) training->data != 0)) {
        return cella_onnx_refuse(step, "it is to run as in training, which is not supported");
    }
    if (cella_onnx_integer(step, "is_test", 1) == 0) {
        return cella_onnx_refuse(step, "it is to run as in training, which is not supported");
    }
    if (cella_onnx_wanted(step, 1)) {
        bool old = step->opset < 10; /* the mask had the input's type */
        if (old) {
            return cella_onnx_refuse(step, "output 1 is not supported before operator set 10");
        }
        CELLA_TRY(cella_onnx_output(step, 1, CELLA_ONNX_BOOL, input->rank, input->dims, &mask));
        memset(mask->data, 1, mask->count);
    }
    return cella_onnx_output_reshaped(step, input->rank, input->dims);
}

/* A constant that is a list or number of the attribute. */
static cella_status constant_numbers(struct cella_onnx_step *step, const struct cella_onnx_attribute *attribute)
{
    struct cella_onnx_tensor *output;
    bool list = attribute->kind == CELLA_ONNX_ATTRIBUTE_FLOATS || attribute->kind == CELLA_ONNX_ATTRIBUTE_INTS;
    bool real = attribute->kind == CELLA_ONNX_ATTRIBUTE_FLOATS || attribute->kind == CELLA_ONNX_ATTRIBUTE_FLOAT;
    CELLA_TRY(cella_onnx_output(step, 0, real ? CELLA_ONNX_FLOAT : CELLA_ONNX_INT64, list ? 1 : 0, &attribute->count,
                                &output));
    const void *from = list ? (real ? (const void *) attribute->reals : (const void *) attribute->integers)
                            : (real ? (const void *) &attribute->real : (const void *) &attribute->integer);
    if (output->count > 0) {
        memcpy(output->data, from, output->count * cella_onnx_type_size(output->type));
    }
    return CELLA_OK;
}

cella_status cella_onnx_run_constant(struct cella_onnx_step *step)
{
    if (step->node->attribute_count != 1) {
        return cella_onnx_refuse(step, "it has %zu values; one is needed", step->node->attribute_count);
    }
    const struct cella_onnx_attribute *attribute = &step->node->attributes[0];
    if (attribute->kind != CELLA_ONNX_ATTRIBUTE_TENSOR) {
        return constant_numbers(step, attribute);
    }
    struct cella_onnx_tensor *output = &step->session->values[step->outputs[0]].tensor;
    cella_onnx_tensor_release(output);
    cella_onnx_tensor_share(&attribute->tensor, output);
    return CELLA_OK;
}

static cella_status positive(const struct cella_onnx_step *step, const int64_t *list, size_t count, size_t *dims)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i] < 0) {
            return cella_onnx_refuse(step, "a shape with %lld as dimension %zu", (long long) list[i], i);
        }
        dims[i] = (size_t) list[i];
    }
    return CELLA_OK;
}

cella_status cella_onnx_run_constant_of_shape(struct cella_onnx_step *step)
{
    const struct cella_onnx_attribute *value = cella_onnx_attribute(step, "value");
    struct cella_onnx_tensor *output;
    int64_t list[LIST_MAX];
    size_t dims[LIST_MAX];
    size_t rank;
    CELLA_TRY(cella_onnx_list(step, 0, LIST_MAX, list, &rank));
    CELLA_TRY(positive(step, list, rank, dims));
    if (value != NULL && value->tensor.count != 1) {
        return cella_onnx_refuse(step, "its value is %zu numbers", value->tensor.count);
    }
    CELLA_TRY(cella_onnx_output(step, 0, value == NULL ? CELLA_ONNX_FLOAT : value->tensor.type, rank, dims, &output));
    static const float zero = 0;
    return cella_onnx_fill(step, value == NULL ? (const void *) &zero : value->tensor.data,
                           cella_onnx_type_size(output->type), output);
}

cella_status cella_onnx_run_expand(struct cella_onnx_step *step)
{
    const struct cella_onnx_tensor *input = cella_onnx_input(step, 0);
    struct cella_onnx_copy copy = { 0 };
    struct cella_onnx_tensor *output;
    int64_t list[LIST_MAX];
    size_t dims[LIST_MAX];
    size_t given;
    CELLA_TRY(cella_onnx_list(step, 1, LIST_MAX, list, &given));
    CELLA_TRY(positive(step, list, given, dims));
    CELLA_TRY(cella_onnx_broadcast(step, input->rank, input->dims, given, dims, &copy.rank, copy.dims));
    CELLA_TRY(cella_onnx_output(step, 0, input->type, copy.rank, copy.dims, &output));
    cella_onnx_broadcast_strides(input, copy.rank, copy.from);
    cella_onnx_strides(copy.rank, copy.dims, copy.to);
    return cella_onnx_copy(step, &copy, cella_onnx_type_size(input->type), input->data, output->data);
}

#define COUNT_UP(type, conversion)                                                                                   \
    {                                                                                                                \
        type first = *(const type *) start->data;                                                                    \
        type step_by = *(const type *) delta->data;                                                                  \
        for (size_t i = 0; i < count; i++) {                                                                         \
            ((type *) output->data)[i] = (type) ((conversion) first + (conversion) i * (conversion) step_by);        \
        }                                                                                                            \
    }

cella_status cella_onnx_run_range(struct cella_onnx_step *step)
{
    const struct cella_onnx_tensor *start = cella_onnx_input(step, 0);
    const struct cella_onnx_tensor *delta = cella_onnx_input(step, 2);
    struct cella_onnx_tensor *output;
    double numbers[3];
    for (size_t i = 0; i < 3; i++) {
        const struct cella_onnx_tensor *input = cella_onnx_input(step, i);
        CELLA_CLEANUP(cella_onnx_tensor_release) struct cella_onnx_tensor cast = { 0 };
        if (input == NULL || input->count != 1 || input->type != start->type) {
            return cella_onnx_refuse(step, "its inputs are not three numbers of the same type");
        }
        CELLA_TRY(cella_onnx_cast(step, input, CELLA_ONNX_DOUBLE, &cast));
        numbers[i] = *(const double *) cast.data;
    }
    double steps = __builtin_ceil((numbers[1] - numbers[0]) / numbers[2]);
    if (!(steps > -1e18 && steps < 1e9)) {
        return cella_onnx_refuse(step, "from %g to %g by %g is not a list that this engine makes", numbers[0], numbers[1],
                                 numbers[2]);
    }
    size_t count = steps > 0 ? (size_t) steps : 0;
    CELLA_TRY(cella_onnx_output(step, 0, start->type, 1, &count, &output));
    if (start->type == CELLA_ONNX_FLOAT) {
        COUNT_UP(float, float)
    } else if (start->type == CELLA_ONNX_INT64) {
        COUNT_UP(int64_t, uint64_t)
    } else if (start->type == CELLA_ONNX_INT32) {
        COUNT_UP(int32_t, uint32_t)
    } else {
        return cella_onnx_refuse_type(step, start->type);
    }
    return CELLA_OK;
}
