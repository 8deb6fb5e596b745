/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/native/onnx_operators.h"

#include <math.h>
#include <string.h>

#define PART 16384U /* elements that one thread takes at a time */
#define FUNCTION_STEPS 64.0 /* of one element beside reading and writing it */

/* p and q: the operator's parameters. */
typedef void loop(const float *from, float *to, size_t count, float p, float q);

#define LOOP(name, expression)                                                                                       \
    static void name(const float *from, float *to, size_t count, float p, float q)                                   \
    {                                                                                                                \
        (void) p;                                                                                                    \
        (void) q;                                                                                                    \
        for (size_t i = 0; i < count; i++) {                                                                         \
            float x = from[i];                                                                                       \
            to[i] = (expression);                                                                                    \
        }                                                                                                            \
    }

/* Comparisons are written so that a NaN stays one. */
LOOP(relu, x < 0 ? 0 : x)
LOOP(leaky_relu, x < 0 ? p * x : x)
LOOP(thresholded_relu, x <= p ? 0 : x)
LOOP(elu, x < 0 ? p * expm1f(x) : x)
LOOP(selu, x <= 0 ? q * p * expm1f(x) : q * x)
LOOP(celu, x < 0 ? p * expm1f(x / p) : x)
LOOP(hard_sigmoid, p * x + q < 0 ? 0 : p * x + q > 1 ? 1 : p * x + q)
LOOP(hard_swish, x * (x + 3 < 0 ? 0 : x + 3 > 6 ? 6 : x + 3) / 6)
LOOP(sigmoid, 1 / (1 + expf(-x)))
LOOP(tanh_of, tanhf(x))
LOOP(softplus, x > 0 ? x + log1pf(expf(-x)) : log1pf(expf(x)))
LOOP(softsign, x / (1 + fabsf(x)))
LOOP(exp_of, expf(x))
LOOP(log_of, logf(x))
LOOP(sqrt_of, sqrtf(x))
LOOP(abs_of, fabsf(x))
LOOP(neg, -x)
LOOP(reciprocal, 1 / x)
LOOP(floor_of, floorf(x))
LOOP(ceil_of, ceilf(x))
LOOP(round_of, rintf(x)) /* halves to even */
LOOP(sign, x > 0 ? 1.0f : x < 0 ? -1.0f : x)
LOOP(erf_of, erff(x))
LOOP(sin_of, sinf(x))
LOOP(cos_of, cosf(x))
LOOP(tan_of, tanf(x))
LOOP(asin_of, asinf(x))
LOOP(acos_of, acosf(x))
LOOP(atan_of, atanf(x))
LOOP(sinh_of, sinhf(x))
LOOP(cosh_of, coshf(x))
LOOP(asinh_of, asinhf(x))
LOOP(acosh_of, acoshf(x))
LOOP(atanh_of, atanhf(x))
LOOP(shrink, x < -p ? x + q : x > p ? x - q : x != x ? x : 0)
LOOP(clip, x < p ? p : x > q ? q : x)
LOOP(binarize, x > p ? 1 : 0)

static const struct {
    const char *name;
    loop *loop;
    const char *p;
    float p_default;
    const char *q;
    float q_default;
} table[] = {
    { "Relu", relu, NULL, 0, NULL, 0 },
    { "LeakyRelu", leaky_relu, "alpha", 0.01f, NULL, 0 },
    { "ThresholdedRelu", thresholded_relu, "alpha", 1, NULL, 0 },
    { "Elu", elu, "alpha", 1, NULL, 0 },
    { "Selu", selu, "alpha", 1.67326319217681884765625f, "gamma", 1.05070102214813232421875f },
    { "Celu", celu, "alpha", 1, NULL, 0 },
    { "HardSigmoid", hard_sigmoid, "alpha", 0.2f, "beta", 0.5f },
    { "HardSwish", hard_swish, NULL, 0, NULL, 0 },
    { "Sigmoid", sigmoid, NULL, 0, NULL, 0 },
    { "Tanh", tanh_of, NULL, 0, NULL, 0 },
    { "Softplus", softplus, NULL, 0, NULL, 0 },
    { "Softsign", softsign, NULL, 0, NULL, 0 },
    { "Exp", exp_of, NULL, 0, NULL, 0 },
    { "Log", log_of, NULL, 0, NULL, 0 },
    { "Sqrt", sqrt_of, NULL, 0, NULL, 0 },
    { "Abs", abs_of, NULL, 0, NULL, 0 },
    { "Neg", neg, NULL, 0, NULL, 0 },
    { "Reciprocal", reciprocal, NULL, 0, NULL, 0 },
    { "Floor", floor_of, NULL, 0, NULL, 0 },
    { "Ceil", ceil_of, NULL, 0, NULL, 0 },
    { "Round", round_of, NULL, 0, NULL, 0 },
    { "Sign", sign, NULL, 0, NULL, 0 },
    { "Erf", erf_of, NULL, 0, NULL, 0 },
    { "Sin", sin_of, NULL, 0, NULL, 0 },
    { "Cos", cos_of, NULL, 0, NULL, 0 },
    { "Tan", tan_of, NULL, 0, NULL, 0 },
    { "Asin", asin_of, NULL, 0, NULL, 0 },
    { "Acos", acos_of, NULL, 0, NULL, 0 },
    { "Atan", atan_of, NULL, 0, NULL, 0 },
    { "Sinh", sinh_of, NULL, 0, NULL, 0 },
    { "Cosh", cosh_of, NULL, 0, NULL, 0 },
    { "Asinh", asinh_of, NULL, 0, NULL, 0 },
    { "Acosh", acosh_of, NULL, 0, NULL, 0 },
    { "Atanh", atanh_of, NULL, 0, NULL, 0 },
    { "Shrink", shrink, "lambd", 0.5f, "bias", 0 },
    { "Binarizer", binarize, "threshold", 0, NULL, 0 },
};

struct job {
    loop *loop;
    const float *from;
    float *to;
    size_t count;
    float p;
    float q;
};

static void run_part(void *context, size_t index, size_t thread)
{
    const struct job *job = context;
    size_t first = index * PART;
    (void) thread;
    job->loop(job->from + first, job->to + first, job->count - first < PART ? job->count - first : PART, job->p,
              job->q);
}

static cella_status apply(struct cella_onnx_step *step, loop *loop_given, float p, float q)
{
    const struct cella_onnx_tensor *input = cella_onnx_input(step, 0);
    struct cella_onnx_tensor *output;
    CELLA_TRY(cella_onnx_expect(step, 0, CELLA_ONNX_FLOAT));
    CELLA_TRY(cella_onnx_output_over(step, 0, 0, CELLA_ONNX_FLOAT, input, &output));
    struct job job = { loop_given, input->data, output->data, input->count, p, q };
    CELLA_TRY(cella_onnx_work(step, (double) job.count * FUNCTION_STEPS));
    return cella_onnx_parallel(step->session->threads, (job.count + PART - 1) / PART,
                               PART * (CELLA_ONNX_WORK_ELEMENT + FUNCTION_STEPS), run_part, &job);
}

/* Whole numbers have three of these. Wraps around at the least number, as numpy's. */
#define WHOLE(type, unsigned_type)                                                                                   \
    for (size_t i = 0; i < input->count; i++) {                                                                      \
        type x = ((const type *) input->data)[i];                                                                    \
        type negative = (type) ((unsigned_type) 0 - (unsigned_type) x);                                              \
        ((type *) output->data)[i] =                                                                                 \
            operation == 'N' ? negative : operation == 'A' ? (x < 0 ? negative : x) : (type) ((x > 0) - (x < 0));    \
    }

static cella_status whole(struct cella_onnx_step *step, char operation)
{
    const struct cella_onnx_tensor *input = cella_onnx_input(step, 0);
    struct cella_onnx_tensor *output;
    CELLA_TRY(cella_onnx_output(step, 0, input->type, input->rank, input->dims, &output));
    if (input->type == CELLA_ONNX_INT64) {
        WHOLE(int64_t, uint64_t)
    } else if (input->type == CELLA_ONNX_INT32) {
        WHOLE(int32_t, uint32_t)
    } else {
        WHOLE(int8_t, uint8_t)
    }
    return CELLA_OK;
}

cella_status cella_onnx_run_unary(struct cella_onnx_step *step)
{
    size_t i = 0;
    struct cella_view name = step->node->operation;
    enum cella_onnx_type type = cella_onnx_input(step, 0)->type;
    while (!cella_view_is(name, table[i].name)) {
        i++;
    }
    bool is_whole = type == CELLA_ONNX_INT64 || type == CELLA_ONNX_INT32 || type == CELLA_ONNX_INT8;
    if (is_whole && (cella_view_is(name, "Neg") || cella_view_is(name, "Abs") || cella_view_is(name, "Sign"))) {
        return whole(step, (char) name.data[0]);
    }
    float p = table[i].p == NULL ? 0 : cella_onnx_real(step, table[i].p, table[i].p_default);
    float q = table[i].q == NULL ? 0 : cella_onnx_real(step, table[i].q, table[i].q_default);
    return apply(step, table[i].loop, p, q);
}

/* A bound of Clip: attribute before opset 11, input after. */
static cella_status bound(const struct cella_onnx_step *step, const char *name, size_t index, float otherwise,
                          float *out)
{
    *out = cella_onnx_real(step, name, otherwise);
    if (step->opset < 11 || cella_onnx_input(step, index) == NULL) {
        return CELLA_OK;
    }
    CELLA_TRY(cella_onnx_expect(step, index, CELLA_ONNX_FLOAT));
    if (cella_onnx_input(step, index)->count != 1) {
        return cella_onnx_refuse(step, "%s is not one number", name);
    }
    memcpy(out, cella_onnx_input(step, index)->data, sizeof(*out));
    return CELLA_OK;
}

cella_status cella_onnx_clip_bounds(const struct cella_onnx_step *step, float *low, float *high)
{
    CELLA_TRY(bound(step, "min", 1, -INFINITY, low));
    return bound(step, "max", 2, INFINITY, high);
}

cella_status cella_onnx_run_clip(struct cella_onnx_step *step)
{
    float low;
    float high;
    CELLA_TRY(cella_onnx_expect(step, 0, CELLA_ONNX_FLOAT));
    CELLA_TRY(cella_onnx_clip_bounds(step, &low, &high));
    return apply(step, clip, low, high);
}

#define CLASSIFY(type, test)                                                                                         \
    for (size_t i = 0; i < input->count; i++) {                                                                      \
        type x = ((const type *) input->data)[i];                                                                    \
        ((uint8_t *) output->data)[i] = (uint8_t) ((test) ? 1 : 0);                                                             \
    }

/* IsNaN, IsInf, Not. */
cella_status cella_onnx_run_classify(struct cella_onnx_step *step)
{
    const struct cella_onnx_tensor *input = cella_onnx_input(step, 0);
    struct cella_onnx_tensor *output;
    bool negate = cella_view_is(step->node->operation, "Not");
    bool nan_wanted = cella_view_is(step->node->operation, "IsNaN");
    bool up = cella_onnx_integer(step, "detect_positive", 1) != 0;
    bool down = cella_onnx_integer(step, "detect_negative", 1) != 0;
    if (input->type != (negate ? CELLA_ONNX_BOOL : CELLA_ONNX_FLOAT)) {
        return cella_onnx_refuse_type(step, input->type);
    }
    CELLA_TRY(cella_onnx_output(step, 0, CELLA_ONNX_BOOL, input->rank, input->dims, &output));
    if (negate) {
        CLASSIFY(uint8_t, x == 0)
    } else if (nan_wanted) {
        CLASSIFY(float, isnan(x))
    } else {
        CLASSIFY(float, isinf(x) && (x > 0 ? up : down))
    }
    return CELLA_OK;
}
