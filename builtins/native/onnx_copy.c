/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/native/onnx_copy.h"

#include <string.h>

#define PIECE (1U << 20)

void cella_onnx_strides(size_t rank, const size_t *dims, ptrdiff_t *strides)
{
    ptrdiff_t stride = 1;
    for (size_t i = rank; i > 0; i--) {
        strides[i - 1] = stride;
        stride *= (ptrdiff_t) dims[i - 1];
    }
}

void cella_onnx_broadcast_strides(const struct cella_onnx_tensor *tensor, size_t rank, ptrdiff_t *strides)
{
    ptrdiff_t own[CELLA_ONNX_RANK_MAX];
    cella_onnx_strides(tensor->rank, tensor->dims, own);
    for (size_t i = 0; i < rank; i++) {
        size_t missing = rank - tensor->rank;
        strides[i] = i < missing || tensor->dims[i - missing] == 1 ? 0 : own[i - missing];
    }
}

cella_status cella_onnx_broadcast(const struct cella_onnx_step *step, size_t a_rank, const size_t *a, size_t b_rank,
                                  const size_t *b, size_t *rank, size_t *dims)
{
    size_t most = a_rank > b_rank ? a_rank : b_rank;
    for (size_t i = 0; i < most; i++) {
        size_t left = i + a_rank < most ? 1 : a[i + a_rank - most];
        size_t right = i + b_rank < most ? 1 : b[i + b_rank - most];
        if (left != right && left != 1 && right != 1) {
            return cella_onnx_refuse(step, "shapes do not fit: dimension %zu from the end is %zu and %zu", most - i, left,
                                     right);
        }
        dims[i] = left == 1 ? right : left;
    }
    *rank = most;
    return CELLA_OK;
}

/* The last dimension. */
static void copy_row(size_t count, ptrdiff_t from_stride, ptrdiff_t to_stride, size_t size, const uint8_t *from,
                     uint8_t *to)
{
    if (from_stride == 1 && to_stride == 1) {
        memcpy(to, from, count * size);
        return;
    }
    ptrdiff_t from_step = from_stride * (ptrdiff_t) size;
    ptrdiff_t to_step = to_stride * (ptrdiff_t) size;
    for (size_t i = 0; i < count; i++) {
        switch (size) {
        case 1:
            *to = *from;
            break;
        case 4:
            memcpy(to, from, 4);
            break;
        case 8:
            memcpy(to, from, 8);
            break;
        default:
            memcpy(to, from, size);
            break;
        }
        from += from_step;
        to += to_step;
    }
}

/* Merge dimensions that are one run in both. */
static struct cella_onnx_copy collapse(const struct cella_onnx_copy *copy)
{
    struct cella_onnx_copy less = { 0 };
    for (size_t i = 0; i < copy->rank; i++) {
        if (copy->dims[i] == 1) {
            continue;
        }
        size_t last = less.rank - 1;
        if (less.rank > 0 && less.from[last] == copy->from[i] * (ptrdiff_t) copy->dims[i] &&
            less.to[last] == copy->to[i] * (ptrdiff_t) copy->dims[i]) {
            less.dims[last] *= copy->dims[i];
            less.from[last] = copy->from[i];
            less.to[last] = copy->to[i];
            continue;
        }
        less.dims[less.rank] = copy->dims[i];
        less.from[less.rank] = copy->from[i];
        less.to[less.rank++] = copy->to[i];
    }
    if (less.rank == 0) {
        less = (struct cella_onnx_copy){ .rank = 1, .dims = { 1 }, .from = { 1 }, .to = { 1 } };
    }
    return less;
}

/* A row by pieces that are short enough to be cancelled between. */
static cella_status copy_long_row(const struct cella_onnx_step *step, const struct cella_onnx_copy *copy, size_t size,
                                  const uint8_t *from, uint8_t *to)
{
    size_t inner = copy->rank - 1;
    ptrdiff_t from_stride = copy->from[inner];
    ptrdiff_t to_stride = copy->to[inner];
    for (size_t done = 0; done < copy->dims[inner]; done += PIECE) {
        size_t left = copy->dims[inner] - done;
        size_t count = left < PIECE ? left : PIECE;
        copy_row(count, from_stride, to_stride, size, from + (ptrdiff_t) done * from_stride * (ptrdiff_t) size,
                 to + (ptrdiff_t) done * to_stride * (ptrdiff_t) size);
        CELLA_TRY(cella_onnx_went(step, count));
    }
    return CELLA_OK;
}

cella_status cella_onnx_copy(const struct cella_onnx_step *step, const struct cella_onnx_copy *given, size_t size,
                             const void *from, void *to)
{
    for (size_t i = 0; i < given->rank; i++) {
        if (given->dims[i] == 0) {
            return CELLA_OK;
        }
    }
    struct cella_onnx_copy copy = collapse(given);
    size_t at[CELLA_ONNX_COPY_RANK_MAX] = { 0 };
    ptrdiff_t from_at = 0;
    ptrdiff_t to_at = 0;
    size_t inner = copy.rank - 1;
    for (;;) {
        CELLA_TRY(copy_long_row(step, &copy, size, (const uint8_t *) from + from_at * (ptrdiff_t) size,
                                (uint8_t *) to + to_at * (ptrdiff_t) size));
        size_t axis = inner;
        for (; axis > 0; axis--) {
            from_at += copy.from[axis - 1];
            to_at += copy.to[axis - 1];
            if (++at[axis - 1] < copy.dims[axis - 1]) {
                break;
            }
            from_at -= copy.from[axis - 1] * (ptrdiff_t) copy.dims[axis - 1];
            to_at -= copy.to[axis - 1] * (ptrdiff_t) copy.dims[axis - 1];
            at[axis - 1] = 0;
        }
        if (axis == 0) {
            return CELLA_OK;
        }
    }
}

cella_status cella_onnx_fill(const struct cella_onnx_step *step, const void *element, size_t size,
                             struct cella_onnx_tensor *out)
{
    struct cella_onnx_copy copy = { .rank = 1, .dims = { out->count }, .from = { 0 }, .to = { 1 } };
    return cella_onnx_copy(step, &copy, size, element, out->data);
}
