/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/native/onnx_copy.h"
#include "builtins/native/onnx_operators.h"

#include <math.h>
#include <string.h>

#define SIFT_ELEMENTS 8U /* so many elements are gone through while one finds its place in a heap */

/* An input whose reduced dimensions were moved behind the others: rows of length numbers each become one. */
struct rows {
    struct cella_onnx_tensor values;
    size_t count;
    size_t length;
    size_t rank; /* of the output */
    size_t dims[CELLA_ONNX_RANK_MAX];
};

static void release_rows(struct rows *rows)
{
    cella_onnx_tensor_release(&rows->values);
}

static cella_status move_rows(struct cella_onnx_step *step, const struct cella_onnx_tensor *input, const bool *reduced,
                              bool keep, struct rows *out)
{
    struct cella_onnx_copy copy = { .rank = input->rank };
    ptrdiff_t strides[CELLA_ONNX_RANK_MAX];
    size_t at = 0;
    out->count = 1;
    out->length = 1;
    cella_onnx_strides(input->rank, input->dims, strides);
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < input->rank; i++) {
            if (reduced[i] == (pass == 1)) {
                copy.dims[at] = input->dims[i];
                copy.from[at++] = strides[i];
            }
            if (pass == 0 && (!reduced[i] || keep)) {
                out->dims[out->rank++] = reduced[i] ? 1 : input->dims[i];
            }
            if (pass == 0 && reduced[i]) {
                out->length *= input->dims[i];
            } else if (pass == 0) {
                out->count *= input->dims[i];
            }
        }
    }
    cella_onnx_strides(copy.rank, copy.dims, copy.to);
    bool in_order = true;
    for (size_t i = 0; i < copy.rank; i++) {
        in_order = in_order && (copy.dims[i] == 1 || copy.from[i] == copy.to[i]);
    }
    if (in_order) {
        cella_onnx_tensor_share(input, &out->values);
        return CELLA_OK;
    }
    CELLA_TRY(cella_onnx_scratch(step, input->type, input->count, &out->values));
    return cella_onnx_copy(step, &copy, cella_onnx_type_size(input->type), input->data, out->values.data);
}

/* One row to one number; q: maximum or mean that was found first. */
typedef double reduction(const float *row, size_t length);

#define SUM(name, expression, result)                                                                                \
    static double name(const float *row, size_t length)                                                              \
    {                                                                                                                \
        double sum = 0;                                                                                              \
        for (size_t i = 0; i < length; i++) {                                                                        \
            double x = (double) row[i];                                                                              \
            sum += (expression);                                                                                     \
        }                                                                                                            \
        return (result);                                                                                             \
    }
SUM(sum_of, x, sum)
SUM(mean_of, x, sum / (double) length)
SUM(l1_of, fabs(x), sum)
SUM(l2_of, x * x, sqrt(sum))
SUM(square_of, x * x, sum)
SUM(log_sum_of, x, log(sum))

static double max_of(const float *row, size_t length)
{
    float best = -INFINITY;
    for (size_t i = 0; i < length; i++) {
        best = row[i] > best || row[i] != row[i] ? row[i] : best;
    }
    return (double) best;
}

static double min_of(const float *row, size_t length)
{
    float best = INFINITY;
    for (size_t i = 0; i < length; i++) {
        best = row[i] < best || row[i] != row[i] ? row[i] : best;
    }
    return (double) best;
}

static double product_of(const float *row, size_t length)
{
    double product = 1;
    for (size_t i = 0; i < length; i++) {
        product *= (double) row[i];
    }
    return product;
}

static double log_sum_exp_of(const float *row, size_t length)
{
    double most = max_of(row, length);
    double sum = 0;
    for (size_t i = 0; i < length; i++) {
        sum += exp((double) row[i] - (isfinite(most) ? most : 0));
    }
    return log(sum) + (isfinite(most) ? most : 0);
}

static const struct {
    const char *name;
    reduction *reduction;
    int64_t input_since; /* operator set from which axes are an input */
} table[] = {
    { "ReduceSum", sum_of, 13 },          { "ReduceMean", mean_of, 18 },     { "ReduceMax", max_of, 18 },
    { "ReduceMin", min_of, 18 },          { "ReduceProd", product_of, 18 },  { "ReduceL1", l1_of, 18 },
    { "ReduceL2", l2_of, 18 },            { "ReduceSumSquare", square_of, 18 }, { "ReduceLogSum", log_sum_of, 18 },
    { "ReduceLogSumExp", log_sum_exp_of, 18 },
};

static cella_status reduced_axes(const struct cella_onnx_step *step, int64_t since, size_t rank, bool *reduced,
                                 size_t *count)
{
    int64_t axes[CELLA_ONNX_RANK_MAX];
    CELLA_TRY(cella_onnx_list_since(step, "axes", since, 1, CELLA_ONNX_RANK_MAX, axes, count));
    for (size_t i = 0; i < *count; i++) {
        size_t axis;
        CELLA_TRY(cella_onnx_axis(step, axes[i], rank, &axis));
        reduced[axis] = true;
    }
    for (size_t i = 0; *count == 0 && i < rank; i++) {
        reduced[i] = true;
    }
    return CELLA_OK;
}

cella_status cella_onnx_run_reduce(struct cella_onnx_step *step)
{
    const struct cella_onnx_tensor *input = cella_onnx_input(step, 0);
    CELLA_CLEANUP(release_rows) struct rows rows = { 0 };
    bool reduced[CELLA_ONNX_RANK_MAX] = { false };
    struct cella_onnx_tensor *output;
    size_t given;
    size_t i = 0;
    while (!cella_view_is(step->node->operation, table[i].name)) {
        i++;
    }
    CELLA_TRY(cella_onnx_expect(step, 0, CELLA_ONNX_FLOAT));
    CELLA_TRY(reduced_axes(step, table[i].input_since, input->rank, reduced, &given));
    if (given == 0 && cella_onnx_integer(step, "noop_with_empty_axes", 0) != 0) {
        return cella_onnx_output_reshaped(step, input->rank, input->dims);
    }
    CELLA_TRY(move_rows(step, input, reduced, cella_onnx_integer(step, "keepdims", 1) != 0, &rows));
    CELLA_TRY(cella_onnx_output(step, 0, CELLA_ONNX_FLOAT, rows.rank, rows.dims, &output));
    for (size_t r = 0; r < rows.count; r++) {
        ((float *) output->data)[r] =
            (float) table[i].reduction((const float *) rows.values.data + r * rows.length, rows.length);
        CELLA_TRY(cella_onnx_went(step, rows.length + 1));
    }
    return CELLA_OK;
}

cella_status cella_onnx_run_arg(struct cella_onnx_step *step)
{
    const struct cella_onnx_tensor *input = cella_onnx_input(step, 0);
    CELLA_CLEANUP(release_rows) struct rows rows = { 0 };
    bool reduced[CELLA_ONNX_RANK_MAX] = { false };
    struct cella_onnx_tensor *output;
    size_t axis;
    float direction = cella_view_is(step->node->operation, "ArgMax") ? 1.0f : -1.0f;
    bool last = cella_onnx_integer(step, "select_last_index", 0) != 0;
    CELLA_TRY(cella_onnx_expect(step, 0, CELLA_ONNX_FLOAT));
    CELLA_TRY(cella_onnx_axis(step, cella_onnx_integer(step, "axis", 0), input->rank, &axis));
    reduced[axis] = true;
    CELLA_TRY(move_rows(step, input, reduced, cella_onnx_integer(step, "keepdims", 1) != 0, &rows));
    if (rows.length == 0) {
        return cella_onnx_refuse(step, "there is nothing to choose from");
    }
    CELLA_TRY(cella_onnx_output(step, 0, CELLA_ONNX_INT64, rows.rank, rows.dims, &output));
    for (size_t r = 0; r < rows.count; r++) {
        const float *row = (const float *) rows.values.data + r * rows.length;
        size_t best = 0;
        for (size_t i = 1; i < rows.length; i++) {
            float difference = direction * (row[i] - row[best]);
            if (row[i] != row[best] ? difference > 0 : last) {
                best = i;
            }
        }
        ((int64_t *) output->data)[r] = (int64_t) best;
        CELLA_TRY(cella_onnx_went(step, rows.length + 1));
    }
    return CELLA_OK;
}

struct ranked {
    float key;
    size_t index;
};

/* Largest key first; the first of equal ones; NaN last. */
static int by_key(const struct ranked *left, const struct ranked *right)
{
    bool left_nan = left->key != left->key;
    bool right_nan = right->key != right->key;
    if (left_nan != right_nan) {
        return left_nan ? 1 : -1;
    }
    if (left->key != right->key && !left_nan) {
        return left->key > right->key ? -1 : 1;
    }
    return left->index < right->index ? -1 : left->index > right->index;
}

static cella_status top_count(const struct cella_onnx_step *step, size_t size, size_t *out)
{
    int64_t k[1] = { cella_onnx_integer(step, "k", -1) };
    size_t count = 1;
    if (step->opset >= 10) {
        CELLA_TRY(cella_onnx_list(step, 1, 1, k, &count));
    }
    if (count != 1 || k[0] < 0 || (uint64_t) k[0] > size) {
        return cella_onnx_refuse(step, "the first %lld of %zu", count == 1 ? (long long) k[0] : -1, size);
    }
    *out = (size_t) k[0];
    return CELLA_OK;
}

/* In a heap no parent comes before its children: move a new parent down. */
static void sift(struct ranked *heap, size_t count, size_t at)
{
    struct ranked moved = heap[at];
    for (size_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        child += child + 1 < count && by_key(&heap[child + 1], &heap[child]) > 0;
        if (by_key(&heap[child], &moved) <= 0) {
            break;
        }
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moved;
}

/* The first k of size numbers that are stride apart, sorted. Not qsort, which could not be cancelled. */
static cella_status choose_first(const struct cella_onnx_step *step, const float *from, size_t size, size_t stride,
                                 float direction, struct ranked *heap, size_t k)
{
    for (size_t i = 0; i < k; i++) {
        heap[i] = (struct ranked){ direction * from[i * stride], i };
    }
    for (size_t i = k / 2; i > 0; i--) {
        sift(heap, k, i - 1);
        CELLA_TRY(cella_onnx_went(step, SIFT_ELEMENTS));
    }
    for (size_t i = k; i < size; i++) {
        struct ranked next = { direction * from[i * stride], i };
        if (by_key(&next, &heap[0]) < 0) {
            heap[0] = next;
            sift(heap, k, 0);
        }
        CELLA_TRY(cella_onnx_went(step, SIFT_ELEMENTS));
    }
    for (size_t end = k; end > 1; end--) {
        struct ranked last = heap[0];
        heap[0] = heap[end - 1];
        heap[end - 1] = last;
        sift(heap, end - 1, 0);
        CELLA_TRY(cella_onnx_went(step, SIFT_ELEMENTS));
    }
    return CELLA_OK;
}

cella_status cella_onnx_run_top_k(struct cella_onnx_step *step)
{
    const struct cella_onnx_tensor *input = cella_onnx_input(step, 0);
    struct cella_onnx_tensor *values;
    struct cella_onnx_tensor *places;
    size_t axis;
    size_t k = 0;
    size_t dims[CELLA_ONNX_RANK_MAX];
    float direction = cella_onnx_integer(step, "largest", 1) != 0 ? 1.0f : -1.0f;
    CELLA_TRY(cella_onnx_expect(step, 0, CELLA_ONNX_FLOAT));
    CELLA_TRY(cella_onnx_axis(step, cella_onnx_integer(step, "axis", -1), input->rank, &axis));
    CELLA_TRY(top_count(step, input->dims[axis], &k));
    memcpy(dims, input->dims, sizeof(dims));
    dims[axis] = k;
    size_t size = input->dims[axis];
    size_t inner = cella_onnx_span(input, axis + 1, input->rank - axis - 1);
    CELLA_CLEANUP(cella_onnx_tensor_release) struct cella_onnx_tensor scratch = { 0 };
    CELLA_TRY(cella_onnx_scratch(step, CELLA_ONNX_DOUBLE, 2 * k, &scratch)); /* 16 bytes each, as struct ranked */
    CELLA_TRY(cella_onnx_output(step, 0, CELLA_ONNX_FLOAT, input->rank, dims, &values));
    CELLA_TRY(cella_onnx_output(step, 1, CELLA_ONNX_INT64, input->rank, dims, &places));
    CELLA_TRY(cella_onnx_work(step, (double) input->count * CELLA_ONNX_WORK_ELEMENT * (1 + 2 * log2((double) k + 1))));
    const struct ranked *ranked = scratch.data;
    for (size_t row = 0; values->count > 0 && row < cella_onnx_span(input, 0, axis) * inner; row++) {
        const float *from = (const float *) input->data + row / inner * size * inner + row % inner;
        size_t to = row / inner * k * inner + row % inner;
        CELLA_TRY(choose_first(step, from, size, inner, direction, scratch.data, k));
        for (size_t i = 0; i < k; i++) {
            ((float *) values->data)[to + i * inner] = from[ranked[i].index * inner];
            ((int64_t *) places->data)[to + i * inner] = (int64_t) ranked[i].index;
        }
    }
    return CELLA_OK;
}
