/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/native/onnx_window.h"

#include "builtins/native/onnx_kernel.h"

#include <string.h>

#define EXTENT_MAX (1U << 24) /* of a kernel, stride, dilation or padding */
#define TAPS_MAX (1U << 24)   /* of a window */
#define PIECE_COLUMNS 64U     /* whole vectors of every kernel */

/* A list attribute of two numbers, or of one for the width. */
static cella_status pair(const struct cella_onnx_step *step, const char *name, size_t spatial, int64_t least,
                         size_t *height, size_t *width)
{
    const struct cella_onnx_attribute *attribute = cella_onnx_attribute(step, name);
    if (attribute == NULL) {
        return CELLA_OK;
    }
    if (attribute->count != spatial) {
        return cella_onnx_refuse(step, "%s has %zu numbers, but there are %zu spatial dimensions", name,
                                 attribute->count, spatial);
    }
    for (size_t i = 0; i < spatial; i++) {
        if (attribute->integers[i] < least || attribute->integers[i] > EXTENT_MAX) {
            return cella_onnx_refuse(step, "%s has %lld, which is not between %lld and %u", name,
                                     (long long) attribute->integers[i], (long long) least, EXTENT_MAX);
        }
    }
    *height = spatial == 2 ? (size_t) attribute->integers[0] : *height;
    *width = (size_t) attribute->integers[spatial - 1];
    return CELLA_OK;
}

static cella_status explicit_pads(const struct cella_onnx_step *step, size_t spatial, struct cella_onnx_window *window)
{
    const struct cella_onnx_attribute *pads = cella_onnx_attribute(step, "pads");
    if (pads == NULL) {
        return CELLA_OK;
    }
    if (pads->count != 2 * spatial) {
        return cella_onnx_refuse(step, "pads has %zu numbers, but there are %zu spatial dimensions", pads->count,
                                 spatial);
    }
    for (size_t i = 0; i < pads->count; i++) {
        if (pads->integers[i] < 0 || pads->integers[i] > EXTENT_MAX) {
            return cella_onnx_refuse(step, "pads has %lld, which is not between 0 and %u",
                                     (long long) pads->integers[i], EXTENT_MAX);
        }
    }
    if (spatial == 2) {
        window->top = (size_t) pads->integers[0];
        window->bottom = (size_t) pads->integers[2];
    }
    window->left = (size_t) pads->integers[spatial - 1];
    window->right = (size_t) pads->integers[2 * spatial - 1];
    return CELLA_OK;
}

/* Padding of one axis so that the output is input / stride, rounded up. lower: an odd pixel goes in front. */
static void same(size_t size, size_t kernel, size_t stride, bool lower, size_t *before, size_t *after)
{
    size_t outputs = (size + stride - 1) / stride;
    size_t needed = outputs == 0 ? 0 : (outputs - 1) * stride + kernel;
    size_t total = needed > size ? needed - size : 0;
    *before = lower ? total - total / 2 : total / 2;
    *after = total - *before;
}

static cella_status padding(const struct cella_onnx_step *step, size_t spatial, struct cella_onnx_window *window)
{
    const struct cella_onnx_attribute *automatic = cella_onnx_attribute(step, "auto_pad");
    if (automatic == NULL || cella_view_is(automatic->text, "NOTSET") || automatic->text.size == 0) {
        return explicit_pads(step, spatial, window);
    }
    bool lower = cella_view_is(automatic->text, "SAME_LOWER");
    if (lower || cella_view_is(automatic->text, "SAME_UPPER")) {
        size_t high = (window->kernel_height - 1) * window->dilation_height + 1;
        size_t wide = (window->kernel_width - 1) * window->dilation_width + 1;
        same(window->height, high, window->stride_height, lower, &window->top, &window->bottom);
        same(window->width, wide, window->stride_width, lower, &window->left, &window->right);
        return CELLA_OK;
    }
    char text[64];
    return cella_view_is(automatic->text, "VALID")
        ? CELLA_OK
        : cella_onnx_refuse(step, "auto_pad is '%s'", cella_onnx_printable(automatic->text, text));
}

/* How often a window fits. All numbers are below 2^40 or so: nothing overflows. */
static cella_status outputs(const struct cella_onnx_step *step, size_t size, size_t before, size_t after, size_t kernel,
                            size_t dilation, size_t stride, bool round_up, size_t *out)
{
    size_t padded = size + before + after;
    size_t reach = (kernel - 1) * dilation + 1;
    if (reach > padded) {
        return cella_onnx_refuse(step, "a window of %zu does not fit into %zu pixels with padding", reach, padded);
    }
    size_t room = padded - reach;
    *out = room / stride + 1;
    /* One more, unless it would begin in the padding behind the image. */
    if (round_up && room % stride != 0 && *out * stride < size + before) {
        (*out)++;
    }
    return CELLA_OK;
}

static void lay_out(struct cella_onnx_window *window)
{
    size_t reach = (window->kernel_width - 1) * window->dilation_width + 1;
    size_t needed = (window->out_width - 1) * window->stride_width + reach;
    window->plane_rows = (window->out_height - 1) * window->stride_height +
        (window->kernel_height - 1) * window->dilation_height + 1;
    window->phases = window->stride_width < reach ? window->stride_width : reach;
    window->phase_width = (needed + window->stride_width - 1) / window->stride_width;
    window->row_stride = window->phases * window->phase_width;
    window->plane_size = window->plane_rows * window->row_stride;
}

cella_status cella_onnx_window_of(const struct cella_onnx_step *step, const struct cella_onnx_tensor *input,
                                  size_t kernel_height, size_t kernel_width, struct cella_onnx_window *out)
{
    if (input->rank != 3 && input->rank != 4) {
        return cella_onnx_refuse(step, "its input has %zu dimensions; images (4) and sequences (3) are supported",
                                 input->rank);
    }
    size_t spatial = input->rank - 2;
    struct cella_onnx_window window = {
        .images = input->dims[0], .channels = input->dims[1], .height = spatial == 2 ? input->dims[2] : 1,
        .width = input->dims[input->rank - 1], .kernel_height = 1, .kernel_width = 1, .stride_height = 1,
        .stride_width = 1, .dilation_height = 1, .dilation_width = 1, .rank = input->rank,
    };
    if (kernel_width == 0 && cella_onnx_attribute(step, "kernel_shape") == NULL) {
        return cella_onnx_refuse(step, "kernel_shape is missing");
    }
    CELLA_TRY(pair(step, "kernel_shape", spatial, 1, &window.kernel_height, &window.kernel_width));
    CELLA_TRY(pair(step, "strides", spatial, 1, &window.stride_height, &window.stride_width));
    CELLA_TRY(pair(step, "dilations", spatial, 1, &window.dilation_height, &window.dilation_width));
    if (kernel_width != 0 && cella_onnx_attribute(step, "kernel_shape") != NULL &&
        (window.kernel_height != kernel_height || window.kernel_width != kernel_width)) {
        return cella_onnx_refuse(step, "kernel_shape is not the shape of the weights");
    }
    window.kernel_height = kernel_width != 0 ? kernel_height : window.kernel_height;
    window.kernel_width = kernel_width != 0 ? kernel_width : window.kernel_width;
    if (window.height > 1U << 30 || window.width > 1U << 30 || window.kernel_height > EXTENT_MAX ||
        window.kernel_width > EXTENT_MAX) {
        return cella_onnx_refuse(step, "its input of %zu x %zu pixels is too large", window.height, window.width);
    }
    if (window.kernel_height * window.kernel_width > TAPS_MAX) {
        return cella_onnx_refuse(step, "a window of %zu x %zu; at most %u together are supported", window.kernel_height,
                                 window.kernel_width, TAPS_MAX);
    }
    CELLA_TRY(padding(step, spatial, &window));
    bool round_up = cella_onnx_integer(step, "ceil_mode", 0) != 0;
    CELLA_TRY(outputs(step, window.height, window.top, window.bottom, window.kernel_height, window.dilation_height,
                      window.stride_height, round_up, &window.out_height));
    CELLA_TRY(outputs(step, window.width, window.left, window.right, window.kernel_width, window.dilation_width,
                      window.stride_width, round_up, &window.out_width));
    lay_out(&window);
    *out = window;
    return CELLA_OK;
}

size_t cella_onnx_window_dims(const struct cella_onnx_window *window, size_t channels, size_t dims[CELLA_ONNX_RANK_MAX])
{
    dims[0] = window->images;
    dims[1] = channels;
    dims[2] = window->rank == 4 ? window->out_height : window->out_width;
    dims[3] = window->out_width;
    return window->rank;
}

size_t cella_onnx_window_tap(const struct cella_onnx_window *window, size_t y, size_t x)
{
    size_t column = x * window->dilation_width;
    return y * window->dilation_height * window->row_stride +
        column % window->stride_width * window->phase_width + column / window->stride_width;
}

double cella_onnx_window_steps(const struct cella_onnx_window *window)
{
    return (double) window->images * (double) window->out_height * (double) window->out_width *
        (double) window->kernel_height * (double) window->kernel_width;
}

struct cella_onnx_pieces cella_onnx_window_pieces(const struct cella_onnx_window *window)
{
    size_t taps = window->kernel_height * window->kernel_width;
    size_t most = CELLA_ONNX_WORK_PART / (taps < CELLA_ONNX_WORK_PART ? taps : CELLA_ONNX_WORK_PART);
    struct cella_onnx_pieces pieces = { .rows = 1, .columns = window->out_width };
    if (most < window->out_width) {
        pieces.columns = most < PIECE_COLUMNS ? PIECE_COLUMNS : most / PIECE_COLUMNS * PIECE_COLUMNS;
    } else {
        pieces.rows = window->out_width == 0 ? window->out_height : most / window->out_width;
        pieces.rows = pieces.rows < window->out_height ? pieces.rows : window->out_height;
    }
    pieces.across = pieces.columns == 0 ? 1 : (window->out_width + pieces.columns - 1) / pieces.columns;
    pieces.down = pieces.rows == 0 ? 1 : (window->out_height + pieces.rows - 1) / pieces.rows;
    pieces.steps = (double) taps * (double) pieces.rows * (double) pieces.columns;
    return pieces;
}

struct cella_onnx_piece cella_onnx_window_piece(const struct cella_onnx_window *window,
                                                const struct cella_onnx_pieces *pieces, size_t index)
{
    size_t within = index % (pieces->down * pieces->across);
    struct cella_onnx_piece piece = { .plane = index / (pieces->down * pieces->across),
                                      .first_row = within / pieces->across * pieces->rows,
                                      .first_column = within % pieces->across * pieces->columns };
    size_t rows = window->out_height - piece.first_row;
    size_t columns = window->out_width - piece.first_column;
    piece.rows = rows < pieces->rows ? rows : pieces->rows;
    piece.columns = columns < pieces->columns ? columns : pieces->columns;
    return piece;
}

struct copy {
    const struct cella_onnx_kernel *kernel;
    const struct cella_onnx_window *window;
    const float *from;
    float *to;
    float padding;
};

static void fill(float *to, size_t count, float value)
{
    for (size_t i = 0; i < count; i++) {
        to[i] = value;
    }
}

/* One row's columns with a remainder: those at phase, phase + stride, ... of the padded row. */
static void copy_phase(const struct cella_onnx_kernel *kernel, const struct cella_onnx_window *window, const float *from,
                       size_t phase, float padding_value, float *to)
{
    size_t stride = window->stride_width;
    size_t first = phase >= window->left ? 0 : (window->left - phase + stride - 1) / stride;
    first = first < window->phase_width ? first : window->phase_width;
    fill(to, first, padding_value);
    size_t x = first * stride + phase - window->left; /* wraps only if first is the end */
    size_t i = first;
    if (first < window->phase_width && x < window->width) {
        size_t there = (window->width - x + stride - 1) / stride;
        size_t count = there < window->phase_width - i ? there : window->phase_width - i;
        kernel->pick(from + x, stride, to + i, count);
        i += count;
    }
    fill(to + i, window->phase_width - i, padding_value);
}

static void copy_plane(void *context, size_t index, size_t thread)
{
    const struct copy *copy = context;
    const struct cella_onnx_window *window = copy->window;
    const float *from = copy->from + index * window->height * window->width;
    float *to = copy->to + index * window->plane_size;
    (void) thread;
    for (size_t y = 0; y < window->plane_rows; y++) {
        if (y < window->top || y - window->top >= window->height) {
            fill(to, window->row_stride, copy->padding);
            to += window->row_stride;
            continue;
        }
        for (size_t phase = 0; phase < window->phases; phase++) {
            copy_phase(copy->kernel, window, from + (y - window->top) * window->width, phase, copy->padding, to);
            to += window->phase_width;
        }
    }
}

cella_status cella_onnx_planes(struct cella_onnx_step *step, const struct cella_onnx_tensor *input,
                               struct cella_onnx_window *window, float padding_value, struct cella_onnx_tensor *out)
{
    size_t planes = window->images * window->channels;
    if (window->stride_width == 1 && window->top == 0 && window->left == 0 && window->plane_rows <= window->height &&
        window->phase_width <= window->width) {
        window->row_stride = window->width;
        window->plane_size = window->height * window->width;
        cella_onnx_tensor_share(input, out);
        return CELLA_OK;
    }
    size_t count;
    if (__builtin_mul_overflow(planes, window->plane_size, &count)) {
        return cella_onnx_refuse(step, "its padded input is too large");
    }
    CELLA_TRY(cella_onnx_scratch(step, CELLA_ONNX_FLOAT, count, out));
    struct copy copy = { step->session->kernel, window, input->data, out->data, padding_value };
    return cella_onnx_parallel(step->session->threads, planes, (double) window->plane_size * CELLA_ONNX_WORK_ELEMENT,
                               copy_plane, &copy);
}
