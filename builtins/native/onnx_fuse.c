/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/native/onnx_operators.h"

#include <math.h>
#include <string.h>

/*
 * Steps that another step can do on the way: a normalization of a convolution's result becomes part of its weights, a sum
 * and a clipping happen before the result is stored the first time.
 */

static bool is(const struct cella_onnx_step *step, const char *operation)
{
    return !step->skipped && step->node->domain.size == 0 && cella_view_is(step->node->operation, operation);
}

/* The only step that uses a step's only result; NULL if there is none, or who runs the model gets the result. */
static struct cella_onnx_step *follower(struct cella_onnx_session *session, const struct cella_onnx_step *step)
{
    const struct cella_onnx_value *value = &session->values[step->outputs[0]];
    return value->kept || value->uses != 1 || value->first_use == CELLA_ONNX_ABSENT
        ? NULL
        : &session->steps[value->first_use];
}

static void merge(struct cella_onnx_step *step, struct cella_onnx_step *into)
{
    into->outputs[0] = step->outputs[0];
    into->session->values[into->outputs[0]].producer = into->index;
    step->skipped = true;
}

static const struct cella_onnx_tensor *constant(const struct cella_onnx_step *step, size_t input, size_t count)
{
    const struct cella_onnx_tensor *tensor = cella_onnx_input(step, input);
    return tensor != NULL && step->session->values[step->inputs[input]].constant && tensor->type == CELLA_ONNX_FLOAT &&
            tensor->count == count
        ? tensor
        : NULL;
}

static cella_status fold_normalization(struct cella_onnx_step *step, struct cella_onnx_step *normalization, bool *done)
{
    struct cella_onnx_session *session = step->session;
    const struct cella_onnx_tensor *weights = cella_onnx_input(step, 1);
    *done = false;
    if (weights == NULL || weights->type != CELLA_ONNX_FLOAT || weights->rank < 3 || weights->count == 0 ||
        !session->values[step->inputs[1]].constant || session->values[step->inputs[1]].uses != 1 ||
        session->values[step->inputs[1]].kept || weights->buffer->references != 1 ||
        normalization->node->output_count != 1 || cella_onnx_integer(normalization, "training_mode", 0) != 0 ||
        cella_onnx_integer(normalization, "is_test", 1) == 0 || cella_onnx_integer(normalization, "spatial", 1) != 1) {
        return CELLA_OK;
    }
    size_t channels = weights->dims[0];
    const float *numbers[5];
    for (size_t i = 1; i < 5; i++) {
        const struct cella_onnx_tensor *tensor = constant(normalization, i, channels);
        if (tensor == NULL) {
            return CELLA_OK;
        }
        numbers[i] = tensor->data;
    }
    bool has_bias = step->node->input_count > 2 && step->inputs[2] != CELLA_ONNX_ABSENT;
    const struct cella_onnx_tensor *bias = constant(step, 2, channels);
    if (has_bias && bias == NULL) {
        return CELLA_OK;
    }
    CELLA_TRY(cella_onnx_scratch(step, CELLA_ONNX_FLOAT, channels, &step->bias));
    float epsilon = cella_onnx_real(normalization, "epsilon", 1e-5f);
    size_t each = weights->count / channels;
    for (size_t c = 0; c < channels; c++) {
        float scale = numbers[1][c] / sqrtf(numbers[4][c] + epsilon);
        float old = bias == NULL ? 0 : ((const float *) bias->data)[c];
        ((float *) step->bias.data)[c] = (old - numbers[3][c]) * scale + numbers[2][c];
        for (size_t i = 0; i < each; i++) {
            ((float *) weights->data)[c * each + i] *= scale;
        }
    }
    merge(normalization, step);
    *done = true;
    return CELLA_OK;
}

/* A sum of this step's result with something made before it. */
static bool fold_sum(struct cella_onnx_step *step, struct cella_onnx_step *sum)
{
    const struct cella_onnx_session *session = step->session;
    size_t other = sum->inputs[sum->inputs[0] == step->outputs[0] ? 1 : 0];
    const struct cella_onnx_value *value = &session->values[other];
    if (sum->opset < 7 || value->constant || (value->producer != CELLA_ONNX_ABSENT && value->producer >= step->index)) {
        return false;
    }
    step->finish.addend = other;
    merge(sum, step);
    return true;
}

static bool fold_clip(struct cella_onnx_step *step, struct cella_onnx_step *clip)
{
    float low = 0;
    float high = INFINITY;
    if (is(clip, "Clip")) {
        /* Bounds that are computed while the model runs stay a step. */
        for (size_t i = 1; i < clip->node->input_count; i++) {
            if (clip->inputs[i] != CELLA_ONNX_ABSENT && constant(clip, i, 1) == NULL) {
                return false;
            }
        }
        if (cella_onnx_clip_bounds(clip, &low, &high) != CELLA_OK) {
            return false;
        }
    } else if (!is(clip, "Relu")) {
        return false;
    }
    step->finish.clip = true;
    step->finish.low = low;
    step->finish.high = high;
    merge(clip, step);
    return true;
}

cella_status cella_onnx_fuse(struct cella_onnx_session *session)
{
    for (size_t i = 0; i < session->step_count; i++) {
        struct cella_onnx_step *step = &session->steps[i];
        bool convolution = is(step, "Conv");
        if (!convolution && !is(step, "Gemm") && !is(step, "MatMul")) {
            continue;
        }
        struct cella_onnx_step *next = follower(session, step);
        bool done = false;
        if (convolution && next != NULL && is(next, "BatchNormalization") && next->inputs[0] == step->outputs[0]) {
            CELLA_TRY(fold_normalization(step, next, &done));
            next = done ? follower(session, step) : next;
        }
        if (convolution && next != NULL && is(next, "Add") && fold_sum(step, next)) {
            next = follower(session, step);
        }
        if (next != NULL && next->node->input_count > 0 && next->inputs[0] == step->outputs[0]) {
            fold_clip(step, next);
        }
    }
    return CELLA_OK;
}
