/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/native/onnx_kernel.h"
#include "builtins/native/onnx_operators.h"
#include "builtins/native/onnx_window.h"

#include <math.h>
#include <string.h>

#define TAP_STEPS 32.0

struct pool {
    struct cella_onnx_step *step;
    struct cella_onnx_window window;
    struct cella_onnx_pieces pieces;
    const float *planes;
    float *output;
    bool largest; /* else the mean */
    bool count_padding;
};

/* How many steps of dilation from first on are below end. */
static size_t steps_below(size_t first, size_t dilation, size_t end)
{
    return end <= first ? 0 : (end - first + dilation - 1) / dilation;
}

/* How many of a window's pixels along one axis count. */
static size_t counted(const struct pool *pool, size_t out, size_t kernel, size_t stride, size_t dilation, size_t before,
                      size_t size, size_t after)
{
    size_t first = out * stride;
    size_t outside = pool->count_padding ? 0 : steps_below(first, dilation, before);
    size_t inside = steps_below(first, dilation, before + size + (pool->count_padding ? after : 0));
    inside = inside < kernel ? inside : kernel;
    return outside < inside ? inside - outside : 0;
}

/* From sums to means: a piece's columns of row y. */
static void divide_row(const struct pool *pool, size_t y, const struct cella_onnx_piece *piece, float *to)
{
    const struct cella_onnx_window *w = &pool->window;
    size_t high = counted(pool, y, w->kernel_height, w->stride_height, w->dilation_height, w->top, w->height, w->bottom);
    for (size_t x = 0; x < piece->columns; x++) {
        size_t wide = counted(pool, piece->first_column + x, w->kernel_width, w->stride_width, w->dilation_width, w->left,
                              w->width, w->right);
        to[x] /= (float) (high * wide);
    }
}

static void add_row(float *to, const float *from, size_t width)
{
    for (size_t x = 0; x < width; x++) {
        to[x] += from[x];
    }
}

static void pool_piece(void *context, size_t index, size_t thread)
{
    const struct pool *pool = context;
    const struct cella_onnx_window *window = &pool->window;
    const struct cella_onnx_kernel *kernel = pool->step->session->kernel;
    struct cella_onnx_piece piece = cella_onnx_window_piece(window, &pool->pieces, index);
    const float *plane = pool->planes + piece.plane * window->plane_size + piece.first_column;
    float *to = pool->output + (piece.plane * window->out_height + piece.first_row) * window->out_width +
        piece.first_column;
    (void) thread;
    for (size_t y = piece.first_row; y < piece.first_row + piece.rows; y++, to += window->out_width) {
        const float *from = plane + y * window->stride_height * window->row_stride;
        memcpy(to, from, piece.columns * sizeof(float));
        for (size_t tap = 1; tap < window->kernel_height * window->kernel_width; tap++) {
            const float *row = from + cella_onnx_window_tap(window, tap / window->kernel_width,
                                                            tap % window->kernel_width);
            if (pool->largest) {
                kernel->maximum(to, row, piece.columns);
            } else {
                add_row(to, row, piece.columns);
            }
        }
        if (!pool->largest) {
            divide_row(pool, y, &piece, to);
        }
    }
}

/* MaxPool, AveragePool. */
cella_status cella_onnx_run_pool(struct cella_onnx_step *step)
{
    struct pool pool = { .step = step, .largest = cella_view_is(step->node->operation, "MaxPool") };
    CELLA_CLEANUP(cella_onnx_tensor_release) struct cella_onnx_tensor planes = { 0 };
    struct cella_onnx_tensor *output;
    size_t dims[CELLA_ONNX_RANK_MAX];
    CELLA_TRY(cella_onnx_expect(step, 0, CELLA_ONNX_FLOAT));
    const struct cella_onnx_tensor *input = cella_onnx_input(step, 0);
    if (cella_onnx_wanted(step, 1)) {
        return cella_onnx_refuse(step, "output 1, the places of the largest values, is not supported");
    }
    CELLA_TRY(cella_onnx_window_of(step, input, 0, 0, &pool.window));
    struct cella_onnx_window *w = &pool.window;
    if (w->top >= w->kernel_height * w->dilation_height || w->left >= w->kernel_width * w->dilation_width) {
        return cella_onnx_refuse(step, "its padding is as large as its window");
    }
    /* A tap of a short row is found more slowly than added. */
    CELLA_TRY(cella_onnx_work(step, cella_onnx_window_steps(w) * (double) w->channels *
                                        (1 + TAP_STEPS / (double) (w->out_width == 0 ? 1 : w->out_width))));
    size_t rank = cella_onnx_window_dims(w, w->channels, dims);
    CELLA_TRY(cella_onnx_output(step, 0, CELLA_ONNX_FLOAT, rank, dims, &output));
    CELLA_TRY(cella_onnx_planes(step, input, w, pool.largest ? -INFINITY : 0, &planes));
    pool.count_padding = cella_onnx_integer(step, "count_include_pad", 0) != 0;
    pool.planes = planes.data;
    pool.output = output->data;
    pool.pieces = cella_onnx_window_pieces(w);
    return cella_onnx_parallel(step->session->threads, w->images * w->channels * pool.pieces.down * pool.pieces.across,
                               pool.pieces.steps, pool_piece, &pool);
}

/* GlobalAveragePool, GlobalMaxPool. */
cella_status cella_onnx_run_global_pool(struct cella_onnx_step *step)
{
    const struct cella_onnx_tensor *input = cella_onnx_input(step, 0);
    struct cella_onnx_tensor *output;
    size_t dims[CELLA_ONNX_RANK_MAX];
    CELLA_TRY(cella_onnx_expect(step, 0, CELLA_ONNX_FLOAT));
    if (input->rank < 3) {
        return cella_onnx_refuse(step, "its input has %zu dimensions", input->rank);
    }
    for (size_t i = 0; i < input->rank; i++) {
        dims[i] = i < 2 ? input->dims[i] : 1;
    }
    CELLA_TRY(cella_onnx_output(step, 0, CELLA_ONNX_FLOAT, input->rank, dims, &output));
    size_t pixels = cella_onnx_span(input, 2, input->rank - 2);
    bool largest = cella_view_is(step->node->operation, "GlobalMaxPool");
    for (size_t i = 0; i < output->count; i++) {
        const float *from = (const float *) input->data + i * pixels;
        double sum = 0;
        float most = -INFINITY;
        for (size_t p = 0; p < pixels; p++) {
            sum += (double) from[p];
            most = from[p] > most ? from[p] : most;
        }
        ((float *) output->data)[i] = largest ? most : (float) (sum / (double) pixels);
        CELLA_TRY(cella_onnx_went(step, pixels));
    }
    return CELLA_OK;
}
