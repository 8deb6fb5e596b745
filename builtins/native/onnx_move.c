/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/native/onnx_copy.h"
#include "builtins/native/onnx_operators.h"

#include <string.h>

/* Output 0: the input's dimensions in another order. */
static cella_status permute(struct cella_onnx_step *step, const struct cella_onnx_tensor *input, const size_t *order)
{
    struct cella_onnx_copy copy = { .rank = input->rank };
    ptrdiff_t strides[CELLA_ONNX_RANK_MAX];
    struct cella_onnx_tensor *output;
    cella_onnx_strides(input->rank, input->dims, strides);
    for (size_t i = 0; i < input->rank; i++) {
        copy.dims[i] = input->dims[order[i]];
        copy.from[i] = strides[order[i]];
    }
    cella_onnx_strides(copy.rank, copy.dims, copy.to);
    CELLA_TRY(cella_onnx_output(step, 0, input->type, copy.rank, copy.dims, &output));
    return cella_onnx_copy(step, &copy, cella_onnx_type_size(input->type), input->data, output->data);
}

cella_status cella_onnx_run_transpose(struct cella_onnx_step *step)
{
    const struct cella_onnx_tensor *input = cella_onnx_input(step, 0);
    const struct cella_onnx_attribute *given = cella_onnx_attribute(step, "perm");
    size_t order[CELLA_ONNX_RANK_MAX];
    bool seen[CELLA_ONNX_RANK_MAX] = { false };
    if (given != NULL && given->count != input->rank) {
        return cella_onnx_refuse(step, "perm has %zu numbers for %zu dimensions", given->count, input->rank);
    }
    for (size_t i = 0; i < input->rank; i++) {
        order[i] = input->rank - 1 - i;
        if (given != NULL) {
            CELLA_TRY(cella_onnx_axis(step, given->integers[i], input->rank, &order[i]));
        }
        if (seen[order[i]]) {
            return cella_onnx_refuse(step, "perm has axis %zu twice", order[i]);
        }
        seen[order[i]] = true;
    }
    return permute(step, input, order);
}

cella_status cella_onnx_run_concat(struct cella_onnx_step *step)
{
    const struct cella_onnx_tensor *first = cella_onnx_input(step, 0);
    struct cella_onnx_tensor *output;
    size_t axis;
    size_t dims[CELLA_ONNX_RANK_MAX];
    CELLA_TRY(cella_onnx_axis(step, cella_onnx_integer(step, "axis", step->opset < 4 ? 1 : 0), first->rank, &axis));
    memcpy(dims, first->dims, sizeof(dims));
    for (size_t i = 1; i < step->node->input_count; i++) {
        const struct cella_onnx_tensor *next = cella_onnx_input(step, i);
        bool fits = next != NULL && next->rank == first->rank && next->type == first->type;
        for (size_t j = 0; fits && j < first->rank; j++) {
            fits = j == axis || next->dims[j] == first->dims[j];
        }
        if (!fits || __builtin_add_overflow(dims[axis], next->dims[axis], &dims[axis])) {
            return cella_onnx_refuse(step, "input %zu does not fit to input 0", i);
        }
    }
    CELLA_TRY(cella_onnx_output(step, 0, first->type, first->rank, dims, &output));
    size_t size = cella_onnx_type_size(first->type);
    size_t outer = cella_onnx_span(first, 0, axis);
    size_t row = cella_onnx_span(output, axis, first->rank - axis) * size;
    uint8_t *to = output->data;
    for (size_t i = 0; i < step->node->input_count && output->count > 0; i++) {
        const struct cella_onnx_tensor *input = cella_onnx_input(step, i);
        size_t piece = cella_onnx_span(input, axis, first->rank - axis) * size;
        for (size_t j = 0; j < outer && piece > 0; j++) {
            memcpy(to + j * row, (const uint8_t *) input->data + j * piece, piece);
            CELLA_TRY(cella_onnx_went(step, piece / size));
        }
        to += piece;
    }
    return CELLA_OK;
}

/* How long each piece is. */
static cella_status split_sizes(const struct cella_onnx_step *step, size_t total, int64_t *sizes)
{
    size_t pieces = step->node->output_count;
    size_t count;
    CELLA_TRY(cella_onnx_list_since(step, "split", 13, 1, 64, sizes, &count));
    if (count == 0) {
        if (total % pieces != 0) {
            return cella_onnx_refuse(step, "%zu can not be split into %zu equal pieces", total, pieces);
        }
        for (size_t i = 0; i < pieces; i++) {
            sizes[i] = (int64_t) (total / pieces);
        }
        return CELLA_OK;
    }
    size_t left = total;
    for (size_t i = 0; i < count; i++) {
        if (sizes[i] < 0 || (size_t) sizes[i] > left) {
            return cella_onnx_refuse(step, "pieces do not add up to %zu", total);
        }
        left -= (size_t) sizes[i];
    }
    return count == pieces && left == 0 ? CELLA_OK : cella_onnx_refuse(step, "pieces do not add up to %zu", total);
}

cella_status cella_onnx_run_split(struct cella_onnx_step *step)
{
    const struct cella_onnx_tensor *input = cella_onnx_input(step, 0);
    int64_t sizes[64];
    size_t axis;
    CELLA_TRY(cella_onnx_axis(step, cella_onnx_integer(step, "axis", 0), input->rank, &axis));
    CELLA_TRY(split_sizes(step, input->dims[axis], sizes));
    size_t size = cella_onnx_type_size(input->type);
    size_t outer = cella_onnx_span(input, 0, axis);
    size_t unit = cella_onnx_span(input, axis + 1, input->rank - axis - 1) * size;
    const uint8_t *from = input->data;
    for (size_t i = 0; i < step->node->output_count; i++) {
        struct cella_onnx_tensor *output;
        size_t dims[CELLA_ONNX_RANK_MAX];
        memcpy(dims, input->dims, sizeof(dims));
        dims[axis] = (size_t) sizes[i];
        size_t piece = dims[axis] * unit;
        if (i > 0 && step->outputs[i] == CELLA_ONNX_ABSENT) {
            from += piece;
            continue;
        }
        CELLA_TRY(cella_onnx_output(step, i, input->type, input->rank, dims, &output));
        for (size_t j = 0; j < outer && piece > 0; j++) {
            memcpy((uint8_t *) output->data + j * piece, from + j * input->dims[axis] * unit, piece);
            CELLA_TRY(cella_onnx_went(step, piece / size));
        }
        from += piece;
    }
    return CELLA_OK;
}

/* One axis of a slice: where it begins, and how many elements it has. */
static size_t slice_axis(size_t size_given, int64_t start, int64_t end, int64_t by, int64_t *first)
{
    int64_t size = (int64_t) size_given;
    start = start < 0 ? (start < -size ? -size : start) + size : start;
    end = end < 0 ? (end < -size - 1 ? -size - 1 : end) + size : end;
    if (by > 0) {
        start = start > size ? size : start;
        end = end > size ? size : end < 0 ? 0 : end;
        *first = start;
        return end > start ? (size_t) (1 + (end - start - 1) / by) : 0;
    }
    start = start > size - 1 ? size - 1 : start;
    end = end > size - 1 ? size - 1 : end;
    *first = start;
    return start > end ? (size_t) (1 + (uint64_t) (start - end - 1) / (0U - (uint64_t) by)) : 0;
}

cella_status cella_onnx_run_slice(struct cella_onnx_step *step)
{
    const struct cella_onnx_tensor *input = cella_onnx_input(step, 0);
    int64_t lists[4][CELLA_ONNX_RANK_MAX];
    size_t counts[4];
    static const char *const names[] = { "starts", "ends", "axes", "steps" };
    for (size_t i = 0; i < 4; i++) {
        CELLA_TRY(cella_onnx_list_since(step, names[i], 10, i + 1, CELLA_ONNX_RANK_MAX, lists[i], &counts[i]));
    }
    if (counts[0] != counts[1] || (counts[2] != 0 && counts[2] != counts[0]) ||
        (counts[3] != 0 && counts[3] != counts[0]) || counts[0] > input->rank) {
        return cella_onnx_refuse(step, "starts, ends, axes and steps have different lengths");
    }
    struct cella_onnx_copy copy = { .rank = input->rank };
    bool seen[CELLA_ONNX_RANK_MAX] = { false };
    struct cella_onnx_tensor *output;
    ptrdiff_t offset = 0;
    memcpy(copy.dims, input->dims, sizeof(input->dims));
    cella_onnx_strides(input->rank, input->dims, copy.from);
    for (size_t i = 0; i < counts[0]; i++) {
        size_t axis;
        int64_t first;
        int64_t by = counts[3] == 0 ? 1 : lists[3][i];
        CELLA_TRY(cella_onnx_axis(step, counts[2] == 0 ? (int64_t) i : lists[2][i], input->rank, &axis));
        if (by == 0 || seen[axis]) {
            return cella_onnx_refuse(step, "a step of 0, or axis %zu twice", axis);
        }
        seen[axis] = true;
        copy.dims[axis] = slice_axis(input->dims[axis], lists[0][i], lists[1][i], by, &first);
        if (copy.dims[axis] > 0) {
            offset += (ptrdiff_t) first * copy.from[axis];
        }
        /* A step of which only one element comes can be as large as one likes; it is not taken. */
        copy.from[axis] = copy.dims[axis] > 1 ? copy.from[axis] * (ptrdiff_t) by : 0;
    }
    CELLA_TRY(cella_onnx_output(step, 0, input->type, copy.rank, copy.dims, &output));
    cella_onnx_strides(copy.rank, copy.dims, copy.to);
    size_t size = cella_onnx_type_size(input->type);
    return output->count == 0 ? CELLA_OK
                              : cella_onnx_copy(step, &copy, size,
                                                (const uint8_t *) input->data + offset * (ptrdiff_t) size, output->data);
}

cella_status cella_onnx_run_gather(struct cella_onnx_step *step)
{
    const struct cella_onnx_tensor *input = cella_onnx_input(step, 0);
    const struct cella_onnx_tensor *indices = cella_onnx_input(step, 1);
    struct cella_onnx_tensor *output;
    size_t axis;
    size_t dims[2 * CELLA_ONNX_RANK_MAX];
    CELLA_TRY(cella_onnx_axis(step, cella_onnx_integer(step, "axis", 0), input->rank, &axis));
    CELLA_CLEANUP(cella_onnx_tensor_release) struct cella_onnx_tensor list = { 0 };
    if (indices->type != CELLA_ONNX_INT64 && indices->type != CELLA_ONNX_INT32) {
        return cella_onnx_refuse_type(step, indices->type);
    }
    CELLA_TRY(cella_onnx_cast(step, indices, CELLA_ONNX_INT64, &list));
    size_t rank = 0;
    for (size_t i = 0; i < axis; i++) {
        dims[rank++] = input->dims[i];
    }
    for (size_t i = 0; i < indices->rank; i++) {
        dims[rank++] = indices->dims[i];
    }
    for (size_t i = axis + 1; i < input->rank; i++) {
        dims[rank++] = input->dims[i];
    }
    CELLA_TRY(cella_onnx_output(step, 0, input->type, rank, dims, &output));
    size_t element = cella_onnx_type_size(input->type);
    size_t piece = cella_onnx_span(input, axis + 1, input->rank - axis - 1) * element;
    int64_t size = (int64_t) input->dims[axis];
    uint8_t *to = output->data;
    size_t outer = output->count == 0 ? 0 : cella_onnx_span(input, 0, axis);
    for (size_t i = 0; i < list.count; i++) {
        int64_t *index = &((int64_t *) list.data)[i];
        if (*index < -size || *index >= size) {
            return cella_onnx_refuse(step, "index %lld is outside of %lld", (long long) *index, (long long) size);
        }
        *index += *index < 0 ? size : 0;
    }
    for (size_t i = 0; i < outer; i++) {
        const uint8_t *from = (const uint8_t *) input->data + i * (size_t) size * piece;
        for (size_t j = 0; j < list.count; j++, to += piece) {
            memcpy(to, from + (size_t) ((const int64_t *) list.data)[j] * piece, piece);
            CELLA_TRY(cella_onnx_went(step, piece / element + 1));
        }
    }
    return CELLA_OK;
}

/* Pads: before and after each axis; negative ones cut. */
static cella_status pad_copy(const struct cella_onnx_step *step, const struct cella_onnx_tensor *input,
                             const int64_t *pads, size_t *dims, struct cella_onnx_copy *copy, ptrdiff_t *from_offset,
                             ptrdiff_t *to_offset)
{
    copy->rank = input->rank;
    cella_onnx_strides(input->rank, input->dims, copy->from);
    for (size_t i = 0; i < input->rank; i++) {
        int64_t before = pads[i];
        int64_t after = pads[i + input->rank];
        int64_t size = (int64_t) input->dims[i];
        if (before < -size || after < -size || before > INT32_MAX || after > INT32_MAX || before + after + size < 0) {
            return cella_onnx_refuse(step, "pads of %lld and %lld do not fit to a dimension of %lld",
                                     (long long) before, (long long) after, (long long) size);
        }
        dims[i] = (size_t) (size + before + after);
        int64_t kept = size + (before < 0 ? before : 0) + (after < 0 ? after : 0);
        copy->dims[i] = kept < 0 ? 0 : (size_t) kept;
        from_offset[i] = before < 0 ? (ptrdiff_t) -before : 0;
        to_offset[i] = before > 0 ? (ptrdiff_t) before : 0;
    }
    cella_onnx_strides(input->rank, dims, copy->to);
    return CELLA_OK;
}

static cella_status pad_list(const struct cella_onnx_step *step, size_t rank, int64_t *pads)
{
    size_t count;
    CELLA_TRY(cella_onnx_list_since(step, step->opset < 2 ? "paddings" : "pads", 11, 1, 2 * CELLA_ONNX_RANK_MAX, pads,
                                    &count));
    if (!cella_onnx_text_is(step, "mode", "constant", true)) {
        return cella_onnx_refuse(step, "only mode 'constant' is supported");
    }
    return count == 2 * rank ? CELLA_OK
                             : cella_onnx_refuse(step, "%zu pads for %zu dimensions", count, rank);
}

cella_status cella_onnx_run_pad(struct cella_onnx_step *step)
{
    const struct cella_onnx_tensor *input = cella_onnx_input(step, 0);
    const struct cella_onnx_tensor *value = step->opset >= 11 ? cella_onnx_input(step, 2) : NULL;
    struct cella_onnx_copy copy = { 0 };
    struct cella_onnx_tensor *output;
    int64_t pads[2 * CELLA_ONNX_RANK_MAX];
    size_t dims[CELLA_ONNX_RANK_MAX];
    ptrdiff_t from_offset[CELLA_ONNX_RANK_MAX];
    ptrdiff_t to_offset[CELLA_ONNX_RANK_MAX];
    CELLA_TRY(pad_list(step, input->rank, pads));
    CELLA_TRY(pad_copy(step, input, pads, dims, &copy, from_offset, to_offset));
    CELLA_TRY(cella_onnx_output(step, 0, input->type, input->rank, dims, &output));
    uint8_t bytes[16] = { 0 };
    float real = cella_onnx_real(step, "value", 0);
    size_t size = cella_onnx_type_size(input->type);
    if (input->type == CELLA_ONNX_STRING || (value != NULL && (value->type != input->type || value->count != 1))) {
        return cella_onnx_refuse(step, "its value is not one number of the input's type");
    }
    if (value != NULL) {
        memcpy(bytes, value->data, size);
    } else if (input->type == CELLA_ONNX_FLOAT) {
        memcpy(bytes, &real, sizeof(real));
    }
    CELLA_TRY(cella_onnx_fill(step, bytes, size, output));
    ptrdiff_t from = 0;
    ptrdiff_t to = 0;
    for (size_t i = 0; i < input->rank; i++) {
        from += from_offset[i] * copy.from[i];
        to += to_offset[i] * copy.to[i];
    }
    return output->count == 0 || input->count == 0
        ? CELLA_OK
        : cella_onnx_copy(step, &copy, size, (const uint8_t *) input->data + from * (ptrdiff_t) size,
                          (uint8_t *) output->data + to * (ptrdiff_t) size);
}

cella_status cella_onnx_run_tile(struct cella_onnx_step *step)
{
    const struct cella_onnx_tensor *input = cella_onnx_input(step, 0);
    struct cella_onnx_copy copy = { .rank = 2 * input->rank };
    struct cella_onnx_tensor *output;
    int64_t repeats[CELLA_ONNX_RANK_MAX];
    size_t dims[CELLA_ONNX_RANK_MAX];
    ptrdiff_t strides[CELLA_ONNX_RANK_MAX];
    size_t count;
    if (step->opset < 6) {
        return cella_onnx_refuse(step, "operator sets before 6 are not supported");
    }
    CELLA_TRY(cella_onnx_list(step, 1, CELLA_ONNX_RANK_MAX, repeats, &count));
    cella_onnx_strides(input->rank, input->dims, strides);
    for (size_t i = 0; i < input->rank; i++) {
        if (count != input->rank || repeats[i] < 0 ||
            __builtin_mul_overflow(input->dims[i], (size_t) repeats[i], &dims[i])) {
            return cella_onnx_refuse(step, "its repeats do not fit to %zu dimensions", input->rank);
        }
        copy.dims[2 * i] = (size_t) repeats[i];
        copy.dims[2 * i + 1] = input->dims[i];
        copy.from[2 * i + 1] = strides[i];
    }
    CELLA_TRY(cella_onnx_output(step, 0, input->type, input->rank, dims, &output));
    cella_onnx_strides(copy.rank, copy.dims, copy.to);
    return cella_onnx_copy(step, &copy, cella_onnx_type_size(input->type), input->data, output->data);
}

/* DepthToSpace and SpaceToDepth: six dimensions in another order. */
cella_status cella_onnx_run_blocks(struct cella_onnx_step *step)
{
    const struct cella_onnx_tensor *input = cella_onnx_input(step, 0);
    bool to_space = cella_view_is(step->node->operation, "DepthToSpace");
    bool crd = cella_onnx_text_is(step, "mode", "CRD", false);
    int64_t given = cella_onnx_integer(step, "blocksize", 0);
    if (input->rank != 4 || given < 1 || given > INT16_MAX) {
        return cella_onnx_refuse(step, "%zu dimensions in blocks of %lld", input->rank, (long long) given);
    }
    size_t block = (size_t) given;
    size_t n = input->dims[0];
    size_t c = input->dims[1];
    size_t h = input->dims[2];
    size_t w = input->dims[3];
    if (to_space ? c % (block * block) != 0 : h % block != 0 || w % block != 0) {
        return cella_onnx_refuse(step, "%zu x %zu x %zu can not be divided into blocks of %zu", c, h, w, block);
    }
    size_t depth = c / (block * block);
    struct cella_onnx_tensor shaped = *input;
    struct cella_onnx_tensor *output;
    shaped.rank = 6;
    const size_t space[6] = { n, crd ? depth : block, block, crd ? block : depth, h, w };
    const size_t deep[6] = { n, c, h / block, block, w / block, block };
    static const size_t orders[3][6] = { { 0, 3, 4, 1, 5, 2 }, { 0, 1, 4, 2, 5, 3 }, { 0, 3, 5, 1, 2, 4 } };
    memcpy(shaped.dims, to_space ? space : deep, sizeof(space));
    CELLA_TRY(permute(step, &shaped, orders[!to_space ? 2 : crd ? 1 : 0]));
    output = &step->session->values[step->outputs[0]].tensor;
    output->rank = 4;
    output->dims[1] = to_space ? depth : c * block * block;
    output->dims[2] = to_space ? h * block : h / block;
    output->dims[3] = to_space ? w * block : w / block;
    return CELLA_OK;
}

cella_status cella_onnx_run_where(struct cella_onnx_step *step)
{
    const struct cella_onnx_tensor *condition = cella_onnx_input(step, 0);
    const struct cella_onnx_tensor *yes = cella_onnx_input(step, 1);
    const struct cella_onnx_tensor *no = cella_onnx_input(step, 2);
    struct cella_onnx_copy copy = { 0 };
    struct cella_onnx_tensor *output;
    size_t rank;
    size_t dims[CELLA_ONNX_RANK_MAX];
    CELLA_TRY(cella_onnx_expect(step, 0, CELLA_ONNX_BOOL));
    if (yes->type != no->type) {
        return cella_onnx_refuse(step, "its inputs have two types");
    }
    CELLA_TRY(cella_onnx_broadcast(step, yes->rank, yes->dims, no->rank, no->dims, &rank, dims));
    CELLA_TRY(cella_onnx_broadcast(step, condition->rank, condition->dims, rank, dims, &copy.rank, copy.dims));
    CELLA_TRY(cella_onnx_output(step, 0, yes->type, copy.rank, copy.dims, &output));
    CELLA_CLEANUP(cella_onnx_tensor_release) struct cella_onnx_tensor choice = { 0 };
    CELLA_CLEANUP(cella_onnx_tensor_release) struct cella_onnx_tensor other = { 0 };
    size_t size = cella_onnx_type_size(yes->type);
    CELLA_TRY(cella_onnx_scratch(step, CELLA_ONNX_BOOL, output->count, &choice));
    CELLA_TRY(cella_onnx_scratch(step, yes->type, output->count, &other));
    cella_onnx_strides(copy.rank, copy.dims, copy.to);
    cella_onnx_broadcast_strides(condition, copy.rank, copy.from);
    CELLA_TRY(cella_onnx_copy(step, &copy, 1, condition->data, choice.data));
    cella_onnx_broadcast_strides(yes, copy.rank, copy.from);
    CELLA_TRY(cella_onnx_copy(step, &copy, size, yes->data, output->data));
    cella_onnx_broadcast_strides(no, copy.rank, copy.from);
    CELLA_TRY(cella_onnx_copy(step, &copy, size, no->data, other.data));
    for (size_t i = 0; i < output->count; i++) {
        if (((const uint8_t *) choice.data)[i] == 0) {
            memcpy((uint8_t *) output->data + i * size, (const uint8_t *) other.data + i * size, size);
        }
        CELLA_TRY(cella_onnx_went(step, 1));
    }
    return CELLA_OK;
}
