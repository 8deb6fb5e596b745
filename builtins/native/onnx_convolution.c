/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/native/onnx_binary.h"
#include "builtins/native/onnx_gemm.h"
#include "builtins/native/onnx_kernel.h"
#include "builtins/native/onnx_operators.h"
#include "builtins/native/onnx_window.h"

#include <string.h>

#define GATHER_STEPS 4.0
#define SHORT_ROW_STEPS 32.0
#define RUNS_MAX CELLA_ONNX_KERNEL_COLUMNS_MAX

struct convolution {
    struct cella_onnx_step *step;
    struct cella_onnx_window window;
    struct cella_onnx_pieces pieces; /* of depthwise ones */
    const struct cella_onnx_tensor *weights;
    const float *bias;
    size_t groups;
    size_t group_inputs;
    size_t group_outputs;
    size_t taps;  /* of a window */
    size_t depth; /* taps of all inputs of a group */
    const float *planes;
    const size_t *offsets; /* depth of them: where in a group's planes each row of B begins */
    const float *image_planes; /* of the present group, first image */
    float *output;
    struct cella_onnx_tile end;
};

static size_t find_runs(const struct convolution *convolution, size_t first, struct cella_onnx_run *runs)
{
    const struct cella_onnx_window *window = &convolution->window;
    size_t pixels = window->out_height * window->out_width;
    size_t columns = convolution->step->session->kernel->columns;
    size_t total = window->images * pixels;
    size_t count = 0;
    for (size_t done = 0; done < columns && first + done < total;) {
        size_t image = (first + done) / pixels;
        size_t y = (first + done) % pixels / window->out_width;
        size_t x = (first + done) % pixels % window->out_width;
        size_t here = window->out_width - x;
        here = here < columns - done ? here : columns - done;
        size_t from = image * window->channels * window->plane_size + y * window->stride_height * window->row_stride + x;
        if (count > 0 && runs[count - 1].from + runs[count - 1].count == from) {
            runs[count - 1].count += here;
        } else {
            runs[count++] = (struct cella_onnx_run){ done, from, here };
        }
        done += here;
    }
    return count;
}

/* What is copied too much is overwritten by the next run or row, or is past the last column. */
static void gather(const void *context, size_t first_row, size_t depth, size_t first_column, float *to)
{
    const struct convolution *convolution = context;
    struct cella_onnx_run runs[RUNS_MAX];
    size_t count = find_runs(convolution, first_column, runs);
    convolution->step->session->kernel->gather(convolution->image_planes, convolution->offsets + first_row, depth, runs,
                                               count, to);
}

static bool is_depthwise(const struct convolution *convolution)
{
    return convolution->group_inputs == 1 && convolution->groups > 1;
}

/* Products of weights and pixels; and gathering pixels for them, or vectors that are not full. */
static cella_status ask(const struct convolution *convolution)
{
    const struct cella_onnx_window *window = &convolution->window;
    double width = (double) (window->out_width == 0 ? 1 : window->out_width);
    double each = is_depthwise(convolution) ? (double) convolution->group_outputs * (1 + SHORT_ROW_STEPS / width)
                                            : (double) convolution->group_outputs + GATHER_STEPS;
    return cella_onnx_work(convolution->step, cella_onnx_window_steps(window) * (double) convolution->group_inputs *
                                                  (double) convolution->groups * each);
}

static cella_status read_shapes(struct convolution *convolution)
{
    struct cella_onnx_step *step = convolution->step;
    CELLA_TRY(cella_onnx_expect(step, 0, CELLA_ONNX_FLOAT));
    CELLA_TRY(cella_onnx_expect(step, 1, CELLA_ONNX_FLOAT));
    const struct cella_onnx_tensor *input = cella_onnx_input(step, 0);
    const struct cella_onnx_tensor *weights = cella_onnx_input(step, 1);
    const struct cella_onnx_tensor *bias = step->bias.buffer != NULL ? &step->bias : cella_onnx_input(step, 2);
    int64_t groups = cella_onnx_integer(step, "group", 1);
    if (weights->rank != input->rank || weights->rank < 3 || weights->rank > 4 || weights->count == 0) {
        return cella_onnx_refuse(step, "its input has %zu dimensions and its weights have %zu; 4 and 4, or 3 and 3, are "
                                       "supported", input->rank, weights->rank);
    }
    if (groups < 1 || (size_t) groups > weights->dims[0] || weights->dims[0] % (size_t) groups != 0 ||
        input->dims[1] != weights->dims[1] * (size_t) groups) {
        return cella_onnx_refuse(step, "an input of %zu channels does not fit weights of %zu x %zu in %lld groups",
                                 input->dims[1], weights->dims[0], weights->dims[1], (long long) groups);
    }
    if (bias != NULL && (bias->type != CELLA_ONNX_FLOAT || bias->rank != 1 || bias->count != weights->dims[0])) {
        return cella_onnx_refuse(step, "its bias does not fit %zu output channels", weights->dims[0]);
    }
    CELLA_TRY(cella_onnx_window_of(step, input, weights->rank == 4 ? weights->dims[2] : 1,
                                   weights->dims[weights->rank - 1], &convolution->window));
    convolution->weights = weights;
    convolution->bias = bias == NULL ? NULL : bias->data;
    convolution->groups = (size_t) groups;
    convolution->group_inputs = weights->dims[1];
    convolution->group_outputs = weights->dims[0] / (size_t) groups;
    convolution->taps = convolution->window.kernel_height * convolution->window.kernel_width;
    convolution->depth = convolution->taps * convolution->group_inputs;
    return ask(convolution);
}

static cella_status find_offsets(struct convolution *convolution, struct cella_onnx_tensor *offsets)
{
    const struct cella_onnx_window *window = &convolution->window;
    CELLA_TRY(cella_onnx_scratch(convolution->step, CELLA_ONNX_INT64, convolution->depth, offsets));
    size_t *to = offsets->data;
    convolution->offsets = to;
    for (size_t c = 0; c < convolution->group_inputs; c++) {
        for (size_t y = 0; y < window->kernel_height; y++) {
            for (size_t x = 0; x < window->kernel_width; x++) {
                *to++ = c * window->plane_size + cella_onnx_window_tap(window, y, x);
            }
        }
    }
    return CELLA_OK;
}

/* A piece of one output channel of one image, whose group has one input channel. */
static void depthwise_piece(void *context, size_t index, size_t thread)
{
    const struct convolution *convolution = context;
    const struct cella_onnx_window *window = &convolution->window;
    struct cella_onnx_piece piece = cella_onnx_window_piece(window, &convolution->pieces, index);
    size_t outputs = convolution->groups * convolution->group_outputs;
    size_t channel = piece.plane % outputs;
    size_t plane = piece.plane / outputs * window->channels + channel / convolution->group_outputs;
    const float *from = convolution->planes + plane * window->plane_size + piece.first_column;
    float *to = convolution->output + piece.plane * window->out_height * window->out_width + piece.first_column;
    struct cella_onnx_taps taps = {
        .count = convolution->taps,
        .weights = (const float *) convolution->weights->data + channel * convolution->taps,
        .offsets = convolution->offsets,
        .bias = convolution->bias == NULL ? 0 : convolution->bias[channel],
        .clip = convolution->end.clip, .low = convolution->end.low, .high = convolution->end.high,
    };
    (void) thread;
    const struct cella_onnx_kernel *kernel = convolution->step->session->kernel;
    size_t vector = kernel->columns / 2;
    size_t whole = (window->out_width + vector - 1) / vector * vector;
    size_t end = piece.first_row + piece.rows;
    for (size_t y = piece.first_row; y < end; y++) {
        /* Whole vectors: what is too much is overwritten by the next rows, as long as the piece has some. */
        bool exact = piece.columns < window->out_width || (end - 1 - y) * window->out_width < vector;
        kernel->taps(&taps, from + y * window->stride_height * window->row_stride, to + y * window->out_width,
                     exact ? piece.columns : whole);
    }
}

static cella_status depthwise(struct convolution *convolution)
{
    const struct cella_onnx_window *window = &convolution->window;
    convolution->pieces = cella_onnx_window_pieces(window);
    size_t planes = window->images * convolution->weights->dims[0];
    return cella_onnx_parallel(convolution->step->session->threads,
                               planes * convolution->pieces.down * convolution->pieces.across, convolution->pieces.steps,
                               depthwise_piece, convolution);
}

/* Weights as panels, once if they are constant. */
static cella_status pack_weights(const struct convolution *convolution, struct cella_onnx_tensor *out)
{
    struct cella_onnx_step *step = convolution->step;
    const struct cella_onnx_kernel *kernel = step->session->kernel;
    if (step->packed.buffer != NULL) {
        cella_onnx_tensor_share(&step->packed, out);
        return CELLA_OK;
    }
    size_t size = cella_onnx_packed_a(kernel, convolution->group_outputs, convolution->depth);
    CELLA_TRY(cella_onnx_scratch(step, CELLA_ONNX_FLOAT, size * convolution->groups, out));
    for (size_t g = 0; g < convolution->groups; g++) {
        struct cella_onnx_matrix from = {
            (const float *) convolution->weights->data + g * convolution->group_outputs * convolution->depth,
            convolution->depth, 1 };
        cella_onnx_pack_a(kernel, from, convolution->group_outputs, convolution->depth, (float *) out->data + g * size);
    }
    if (step->session->values[step->inputs[1]].constant) {
        cella_onnx_tensor_share(out, &step->packed);
    }
    return CELLA_OK;
}

static cella_status by_products(struct convolution *convolution)
{
    struct cella_onnx_session *session = convolution->step->session;
    const struct cella_onnx_window *window = &convolution->window;
    size_t pixels = window->out_height * window->out_width;
    size_t outputs = convolution->groups * convolution->group_outputs;
    CELLA_CLEANUP(cella_onnx_tensor_release) struct cella_onnx_tensor packed = { 0 };
    CELLA_CLEANUP(cella_onnx_tensor_release) struct cella_onnx_tensor scratch = { 0 };
    CELLA_CLEANUP(cella_onnx_tensor_release) struct cella_onnx_tensor room = { 0 };
    CELLA_TRY(pack_weights(convolution, &packed));
    CELLA_TRY(cella_onnx_scratch(convolution->step, CELLA_ONNX_FLOAT,
                                 cella_onnx_gemm_scratch(session->kernel) * cella_onnx_threads_count(session->threads),
                                 &scratch));
    struct cella_onnx_gemm product = {
        .kernel = session->kernel, .threads = session->threads, .rows = convolution->group_outputs,
        .columns = window->images * pixels, .depth = convolution->depth, .gather = gather, .context = convolution,
        .scratch = scratch.data, .stride = pixels, .pixels = pixels, .image = outputs * pixels, .end = convolution->end,
    };
    size_t floats = cella_onnx_gemm_room(&product);
    if (floats > 0) {
        CELLA_TRY(cella_onnx_scratch(convolution->step, CELLA_ONNX_FLOAT, floats, &room));
        product.room = room.data;
    }
    for (size_t g = 0; g < convolution->groups && pixels > 0; g++) {
        convolution->image_planes = convolution->planes + g * convolution->group_inputs * window->plane_size;
        product.a = (const float *) packed.data +
            g * cella_onnx_packed_a(session->kernel, convolution->group_outputs, convolution->depth);
        product.c = convolution->output + g * convolution->group_outputs * pixels;
        product.end.bias =
            convolution->bias == NULL ? NULL : convolution->bias + g * convolution->group_outputs;
        CELLA_TRY(cella_onnx_gemm(&product));
    }
    return CELLA_OK;
}

/* The value that a later step would add, put where sums are added to it; NULL if it has another shape. */
static const struct cella_onnx_tensor *addend_of(const struct cella_onnx_step *step, size_t rank, const size_t *dims)
{
    if (step->finish.addend == CELLA_ONNX_ABSENT) {
        return NULL;
    }
    const struct cella_onnx_tensor *addend = &step->session->values[step->finish.addend].tensor;
    bool fits = addend->rank == rank && memcmp(addend->dims, dims, rank * sizeof(dims[0])) == 0;
    return fits ? addend : NULL;
}

static cella_status make_output(struct convolution *convolution, struct cella_onnx_tensor **output, bool *added)
{
    struct cella_onnx_step *step = convolution->step;
    size_t dims[CELLA_ONNX_RANK_MAX];
    size_t rank = cella_onnx_window_dims(&convolution->window, convolution->weights->dims[0], dims);
    const struct cella_onnx_tensor *addend = is_depthwise(convolution) ? NULL : addend_of(step, rank, dims);
    *added = addend != NULL;
    if (addend == NULL) {
        return cella_onnx_output(step, 0, CELLA_ONNX_FLOAT, rank, dims, output);
    }
    const struct cella_onnx_value *value = &step->session->values[step->finish.addend];
    if (addend->buffer->references == 1 && value->last_use == step->index && !value->constant && !value->kept) {
        *output = &step->session->values[step->outputs[0]].tensor;
        cella_onnx_tensor_release(*output);
        cella_onnx_tensor_share(addend, *output);
        return CELLA_OK;
    }
    CELLA_TRY(cella_onnx_output(step, 0, CELLA_ONNX_FLOAT, rank, dims, output));
    memcpy((*output)->data, addend->data, addend->count * sizeof(float));
    return CELLA_OK;
}

cella_status cella_onnx_run_conv(struct cella_onnx_step *step)
{
    struct convolution convolution = { .step = step };
    CELLA_CLEANUP(cella_onnx_tensor_release) struct cella_onnx_tensor offsets = { 0 };
    CELLA_CLEANUP(cella_onnx_tensor_release) struct cella_onnx_tensor planes = { 0 };
    struct cella_onnx_tensor *output;
    bool added;
    CELLA_TRY(read_shapes(&convolution));
    CELLA_TRY(make_output(&convolution, &output, &added));
    CELLA_TRY(cella_onnx_planes(step, cella_onnx_input(step, 0), &convolution.window, 0, &planes));
    CELLA_TRY(find_offsets(&convolution, &offsets));
    bool later = step->finish.addend != CELLA_ONNX_ABSENT && !added;
    convolution.planes = planes.data;
    convolution.output = output->data;
    convolution.end = (struct cella_onnx_tile){ .add = added, .clip = step->finish.clip && !later,
                                                .low = step->finish.low, .high = step->finish.high };
    if (is_depthwise(&convolution)) {
        CELLA_TRY(depthwise(&convolution));
    } else {
        CELLA_TRY(by_products(&convolution));
    }
    return later ? cella_onnx_add_later(step) : CELLA_OK;
}
