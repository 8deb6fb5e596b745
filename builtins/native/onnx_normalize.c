/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/native/onnx_operators.h"

#include <math.h>
#include <string.h>

#define POWER_ELEMENTS 4U /* so many elements are gone through while one power is computed */

/* One number for each channel: inputs first to first + count. */
static cella_status expect_channels(const struct cella_onnx_step *step, size_t first, size_t count, size_t channels)
{
    for (size_t i = first; i < first + count; i++) {
        CELLA_TRY(cella_onnx_expect(step, i, CELLA_ONNX_FLOAT));
        if (cella_onnx_input(step, i)->count != channels) {
            return cella_onnx_refuse(step, "input %zu has %zu numbers for %zu channels", i,
                                     cella_onnx_input(step, i)->count, channels);
        }
    }
    return CELLA_OK;
}

static cella_status expect_image(const struct cella_onnx_step *step)
{
    CELLA_TRY(cella_onnx_expect(step, 0, CELLA_ONNX_FLOAT));
    return cella_onnx_input(step, 0)->rank >= 2
        ? CELLA_OK
        : cella_onnx_refuse(step, "its input has %zu dimensions", cella_onnx_input(step, 0)->rank);
}

cella_status cella_onnx_run_batch_normalization(struct cella_onnx_step *step)
{
    const struct cella_onnx_tensor *input = cella_onnx_input(step, 0);
    struct cella_onnx_tensor *output;
    float epsilon = cella_onnx_real(step, "epsilon", 1e-5f);
    if (cella_onnx_integer(step, "training_mode", 0) != 0 || step->node->output_count > 1 ||
        cella_onnx_integer(step, "is_test", 1) == 0 || cella_onnx_integer(step, "spatial", 1) != 1) {
        return cella_onnx_refuse(step, "it is to run as in training, which is not supported");
    }
    CELLA_TRY(expect_image(step));
    CELLA_TRY(expect_channels(step, 1, 4, input->dims[1]));
    CELLA_TRY(cella_onnx_output_over(step, 0, 0, CELLA_ONNX_FLOAT, input, &output));
    size_t channels = input->dims[1];
    size_t pixels = cella_onnx_span(input, 2, input->rank - 2);
    for (size_t i = 0; i < input->dims[0] * channels; i++) {
        size_t c = i % channels;
        float scale = ((const float *) cella_onnx_input(step, 1)->data)[c] /
            sqrtf(((const float *) cella_onnx_input(step, 4)->data)[c] + epsilon);
        float shift = ((const float *) cella_onnx_input(step, 2)->data)[c] -
            ((const float *) cella_onnx_input(step, 3)->data)[c] * scale;
        const float *from = (const float *) input->data + i * pixels;
        float *to = (float *) output->data + i * pixels;
        for (size_t p = 0; p < pixels; p++) {
            to[p] = from[p] * scale + shift;
        }
        CELLA_TRY(cella_onnx_went(step, pixels + 1));
    }
    return CELLA_OK;
}

/* Mean and 1 / sqrt(variance + epsilon). */
static void moments(const float *row, size_t count, float epsilon, double *mean, double *inverse)
{
    double sum = 0;
    double squares = 0;
    for (size_t i = 0; i < count; i++) {
        sum += (double) row[i];
    }
    *mean = sum / (double) count;
    for (size_t i = 0; i < count; i++) {
        squares += ((double) row[i] - *mean) * ((double) row[i] - *mean);
    }
    *inverse = 1.0 / sqrt(squares / (double) count + (double) epsilon);
}

cella_status cella_onnx_run_instance_normalization(struct cella_onnx_step *step)
{
    const struct cella_onnx_tensor *input = cella_onnx_input(step, 0);
    struct cella_onnx_tensor *output;
    float epsilon = cella_onnx_real(step, "epsilon", 1e-5f);
    CELLA_TRY(expect_image(step));
    CELLA_TRY(expect_channels(step, 1, 2, input->dims[1]));
    CELLA_TRY(cella_onnx_output_over(step, 0, 0, CELLA_ONNX_FLOAT, input, &output));
    size_t pixels = cella_onnx_span(input, 2, input->rank - 2);
    for (size_t i = 0; i < input->dims[0] * input->dims[1]; i++) {
        const float *from = (const float *) input->data + i * pixels;
        float *to = (float *) output->data + i * pixels;
        double mean;
        double inverse;
        moments(from, pixels, epsilon, &mean, &inverse);
        double scale = inverse * (double) ((const float *) cella_onnx_input(step, 1)->data)[i % input->dims[1]];
        double shift = (double) ((const float *) cella_onnx_input(step, 2)->data)[i % input->dims[1]] - mean * scale;
        for (size_t p = 0; p < pixels; p++) {
            to[p] = (float) ((double) from[p] * scale + shift);
        }
        CELLA_TRY(cella_onnx_went(step, 3 * pixels + 1));
    }
    return CELLA_OK;
}

/* Outputs 1 and 2: mean and inverse deviation of each row. */
static cella_status layer_statistics(struct cella_onnx_step *step, const struct cella_onnx_tensor *input, size_t axis,
                                     float **means, float **inverses)
{
    struct cella_onnx_tensor *output;
    size_t dims[CELLA_ONNX_RANK_MAX];
    for (size_t i = 0; i < input->rank; i++) {
        dims[i] = i < axis ? input->dims[i] : 1;
    }
    float **targets[] = { means, inverses };
    for (size_t i = 1; i <= 2; i++) {
        *targets[i - 1] = NULL;
        if (cella_onnx_wanted(step, i)) {
            CELLA_TRY(cella_onnx_output(step, i, CELLA_ONNX_FLOAT, input->rank, dims, &output));
            *targets[i - 1] = output->data;
        }
    }
    return CELLA_OK;
}

cella_status cella_onnx_run_layer_normalization(struct cella_onnx_step *step)
{
    const struct cella_onnx_tensor *input = cella_onnx_input(step, 0);
    struct cella_onnx_tensor *output;
    size_t axis;
    float *means;
    float *inverses;
    CELLA_TRY(cella_onnx_expect(step, 0, CELLA_ONNX_FLOAT));
    CELLA_TRY(cella_onnx_axis(step, cella_onnx_integer(step, "axis", -1), input->rank, &axis));
    size_t length = cella_onnx_span(input, axis, input->rank - axis);
    CELLA_TRY(expect_channels(step, 1, cella_onnx_input(step, 2) == NULL ? 1 : 2, length));
    CELLA_TRY(layer_statistics(step, input, axis, &means, &inverses));
    CELLA_TRY(cella_onnx_output_over(step, 0, 0, CELLA_ONNX_FLOAT, input, &output));
    const float *scale = cella_onnx_input(step, 1)->data;
    const float *bias = cella_onnx_input(step, 2) == NULL ? NULL : cella_onnx_input(step, 2)->data;
    for (size_t r = 0; r < cella_onnx_span(input, 0, axis); r++) {
        const float *from = (const float *) input->data + r * length;
        float *to = (float *) output->data + r * length;
        double mean;
        double inverse;
        moments(from, length, cella_onnx_real(step, "epsilon", 1e-5f), &mean, &inverse);
        for (size_t i = 0; i < length; i++) {
            to[i] = (float) (((double) from[i] - mean) * inverse) * scale[i] + (bias == NULL ? 0 : bias[i]);
        }
        if (means != NULL) {
            means[r] = (float) mean;
        }
        if (inverses != NULL) {
            inverses[r] = (float) inverse;
        }
        CELLA_TRY(cella_onnx_went(step, 3 * length + 1));
    }
    return CELLA_OK;
}

/* Local response normalization: squares of neighbouring channels. */
cella_status cella_onnx_run_lrn(struct cella_onnx_step *step)
{
    const struct cella_onnx_tensor *input = cella_onnx_input(step, 0);
    struct cella_onnx_tensor *output;
    int64_t size = cella_onnx_integer(step, "size", 0);
    float alpha = cella_onnx_real(step, "alpha", 0.0001f);
    float beta = cella_onnx_real(step, "beta", 0.75f);
    float bias = cella_onnx_real(step, "bias", 1.0f);
    CELLA_TRY(expect_image(step));
    if (size < 1 || size > (1 << 20)) {
        return cella_onnx_refuse(step, "a size of %lld", (long long) size);
    }
    CELLA_TRY(cella_onnx_output(step, 0, CELLA_ONNX_FLOAT, input->rank, input->dims, &output));
    size_t channels = input->dims[1];
    size_t pixels = cella_onnx_span(input, 2, input->rank - 2);
    double squares = (double) ((uint64_t) size < channels ? (uint64_t) size : channels);
    CELLA_TRY(cella_onnx_work(step, (double) input->count * (squares + POWER_ELEMENTS * CELLA_ONNX_WORK_ELEMENT)));
    size_t before = (size_t) (size - 1) / 2;
    size_t after = (size_t) size - 1 - before;
    for (size_t i = 0; i < input->dims[0] * channels; i++) {
        size_t c = i % channels;
        size_t first = c < before ? 0 : c - before;
        size_t last = c + after < channels ? c + after : channels - 1;
        const float *image = (const float *) input->data + (i - c) * pixels;
        float *to = (float *) output->data + i * pixels;
        memset(to, 0, pixels * sizeof(float));
        for (size_t other = first; other <= last; other++) {
            for (size_t p = 0; p < pixels; p++) {
                to[p] += image[other * pixels + p] * image[other * pixels + p];
            }
            CELLA_TRY(cella_onnx_work_done(&step->session->work, (double) pixels));
        }
        for (size_t p = 0; p < pixels; p++) {
            to[p] = image[c * pixels + p] / powf(bias + alpha / (float) size * to[p], beta);
        }
        CELLA_TRY(cella_onnx_went(step, POWER_ELEMENTS * pixels));
    }
    return CELLA_OK;
}

enum family { SOFTMAX, LOG_SOFTMAX, HARDMAX };

/* Over count numbers that are stride apart. */
static void soften(enum family family, const float *from, float *to, size_t count, size_t stride)
{
    float most = from[0];
    size_t where = 0;
    for (size_t i = 1; i < count; i++) {
        if (from[i * stride] > most) {
            most = from[i * stride];
            where = i;
        }
    }
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        float x = from[i * stride] - most;
        float power = family == HARDMAX ? 0 : expf(x);
        sum += (double) power;
        to[i * stride] = family == HARDMAX ? (i == where ? 1.0f : 0.0f) : family == SOFTMAX ? power : x;
    }
    float log_sum = family == LOG_SOFTMAX ? (float) log(sum) : 0;
    float inverse = (float) (1.0 / sum);
    for (size_t i = 0; family != HARDMAX && i < count; i++) {
        to[i * stride] = family == SOFTMAX ? to[i * stride] * inverse : to[i * stride] - log_sum;
    }
}

/* Before operator set 13 all dimensions from axis on were one. */
cella_status cella_onnx_run_softmax(struct cella_onnx_step *step)
{
    const struct cella_onnx_tensor *input = cella_onnx_input(step, 0);
    struct cella_onnx_tensor *output;
    size_t axis;
    bool old = step->opset < 13;
    enum family family = cella_view_is(step->node->operation, "Softmax") ? SOFTMAX
        : cella_view_is(step->node->operation, "LogSoftmax")             ? LOG_SOFTMAX
                                                                         : HARDMAX;
    CELLA_TRY(cella_onnx_expect(step, 0, CELLA_ONNX_FLOAT));
    CELLA_TRY(cella_onnx_axis(step, cella_onnx_integer(step, "axis", old ? 1 : -1), input->rank, &axis));
    size_t inner = old ? 1 : cella_onnx_span(input, axis + 1, input->rank - axis - 1);
    size_t size = old ? cella_onnx_span(input, axis, input->rank - axis) : input->dims[axis];
    size_t outer = cella_onnx_span(input, 0, axis);
    CELLA_TRY(cella_onnx_output_over(step, 0, 0, CELLA_ONNX_FLOAT, input, &output));
    for (size_t row = 0; size > 0 && row < outer * inner; row++) {
        size_t offset = row / inner * size * inner + row % inner;
        soften(family, (const float *) input->data + offset, (float *) output->data + offset, size, inner);
        CELLA_TRY(cella_onnx_went(step, POWER_ELEMENTS * size));
    }
    return CELLA_OK;
}

cella_status cella_onnx_run_lp_normalization(struct cella_onnx_step *step)
{
    const struct cella_onnx_tensor *input = cella_onnx_input(step, 0);
    struct cella_onnx_tensor *output;
    size_t axis;
    int64_t p = cella_onnx_integer(step, "p", 2);
    CELLA_TRY(cella_onnx_expect(step, 0, CELLA_ONNX_FLOAT));
    CELLA_TRY(cella_onnx_axis(step, cella_onnx_integer(step, "axis", -1), input->rank, &axis));
    if (p != 1 && p != 2) {
        return cella_onnx_refuse(step, "p is %lld; 1 and 2 are supported", (long long) p);
    }
    size_t size = input->dims[axis];
    size_t inner = cella_onnx_span(input, axis + 1, input->rank - axis - 1);
    CELLA_TRY(cella_onnx_output_over(step, 0, 0, CELLA_ONNX_FLOAT, input, &output));
    for (size_t row = 0; row < cella_onnx_span(input, 0, axis) * inner; row++) {
        const float *from = (const float *) input->data + row / inner * size * inner + row % inner;
        float *to = (float *) output->data + row / inner * size * inner + row % inner;
        double norm = 0;
        for (size_t i = 0; i < size; i++) {
            double x = (double) from[i * inner];
            norm += p == 1 ? fabs(x) : x * x;
        }
        norm = p == 1 ? norm : sqrt(norm);
        for (size_t i = 0; i < size; i++) {
            to[i * inner] = (float) ((double) from[i * inner] / norm);
        }
        CELLA_TRY(cella_onnx_went(step, 2 * size + 1));
    }
    return CELLA_OK;
}
