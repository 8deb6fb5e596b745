/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/native/onnx_binary.h"

#include <math.h>
#include <string.h>

#include "builtins/native/onnx_copy.h"
#include "builtins/native/onnx_kernel.h"
#include "builtins/native/onnx_operators.h"

#define PIECE (1U << 18) /* elements */
#define POWER_STEPS 128.0
#define REMAINDER_STEPS 16384.0

/* One row: distances are 0 or 1 element. */
typedef void loop(const void *a, size_t a_stride, const void *b, size_t b_stride, void *to, size_t count);

enum slot { FLOAT, DOUBLE, INT32, INT64, UINT8, INT8, BOOL, SLOTS };

struct binary {
    loop *loops[SLOTS];
    bool logical; /* the result is bool */
};

#define LOOP(name, type, result, expression)                                                                         \
    static void name(const void *left, size_t left_stride, const void *right, size_t right_stride, void *to,         \
                     size_t count)                                                                                   \
    {                                                                                                                \
        const type *a = left;                                                                                        \
        const type *b = right;                                                                                       \
        result *out = to;                                                                                            \
        if (left_stride == 1 && right_stride == 1) {                                                                 \
            for (size_t i = 0; i < count; i++) {                                                                     \
                type x = a[i];                                                                                       \
                type y = b[i];                                                                                       \
                out[i] = (result) (expression);                                                                      \
            }                                                                                                        \
        } else if (right_stride == 0) {                                                                              \
            type y = b[0];                                                                                           \
            for (size_t i = 0; i < count; i++) {                                                                     \
                type x = a[i * left_stride];                                                                         \
                out[i] = (result) (expression);                                                                      \
            }                                                                                                        \
        } else {                                                                                                     \
            type x = a[0];                                                                                           \
            for (size_t i = 0; i < count; i++) {                                                                     \
                type y = b[i];                                                                                       \
                out[i] = (result) (expression);                                                                      \
            }                                                                                                        \
        }                                                                                                            \
    }

/* Arithmetic wraps around in unsigned numbers, as numpy's does; signed overflow would be undefined. */
#define ARITHMETIC(name, operator)                                                                                   \
    LOOP(name##_float, float, float, x operator y)                                                                   \
    LOOP(name##_double, double, double, x operator y)                                                                \
    LOOP(name##_int32, int32_t, int32_t, (uint32_t) x operator (uint32_t) y)                                         \
    LOOP(name##_int64, int64_t, int64_t, (uint64_t) x operator (uint64_t) y)                                         \
    LOOP(name##_uint8, uint8_t, uint8_t, x operator y)                                                               \
    LOOP(name##_int8, int8_t, int8_t, x operator y)
ARITHMETIC(add, +)
ARITHMETIC(sub, -)
ARITHMETIC(mul, *)

#define SAME(name, expression, result)                                                                               \
    LOOP(name##_int32, int32_t, result(int32_t), expression)                                                         \
    LOOP(name##_int64, int64_t, result(int64_t), expression)                                                         \
    LOOP(name##_uint8, uint8_t, result(uint8_t), expression)                                                         \
    LOOP(name##_int8, int8_t, result(int8_t), expression)
#define OWN(type) type
#define TRUTH(type) uint8_t

LOOP(div_float, float, float, x / y)
LOOP(div_double, double, double, x / y)
/* Divisors are not 0: that was checked. The least number divided by -1 wraps around. */
LOOP(div_int32, int32_t, int32_t, y == -1 ? (int32_t) (0U - (uint32_t) x) : x / y)
LOOP(div_int64, int64_t, int64_t, y == -1 ? (int64_t) (0U - (uint64_t) x) : x / y)
LOOP(div_uint8, uint8_t, uint8_t, x / y)
LOOP(div_int8, int8_t, int8_t, x / y)

/* The sign of the divisor, as Python's. */
#define MODULO (y == -1 ? 0 : x % y != 0 && ((x % y < 0) != (y < 0)) ? x % y + y : x % y)
LOOP(mod_int32, int32_t, int32_t, MODULO)
LOOP(mod_int64, int64_t, int64_t, MODULO)
LOOP(mod_uint8, uint8_t, uint8_t, x % y)
LOOP(mod_int8, int8_t, int8_t, MODULO)
LOOP(fmod_float, float, float, fmodf(x, y))
LOOP(fmod_double, double, double, fmod(x, y))
#define REMAINDER (y == -1 ? 0 : x % y)
LOOP(fmod_int32, int32_t, int32_t, REMAINDER)
LOOP(fmod_int64, int64_t, int64_t, REMAINDER)
LOOP(fmod_uint8, uint8_t, uint8_t, x % y)
LOOP(fmod_int8, int8_t, int8_t, REMAINDER)

LOOP(pow_float, float, float, y == 2.0f ? x * x : y == 0.5f && x > 0 ? sqrtf(x) : powf(x, y))
LOOP(pow_double, double, double, pow(x, y))
LOOP(prelu_float, float, float, x < 0 ? x * y : x)
LOOP(prelu_double, double, double, x < 0 ? x * y : x)

/* A NaN wins. */
LOOP(max_float, float, float, x > y || x != x ? x : y)
LOOP(max_double, double, double, x > y || x != x ? x : y)
LOOP(min_float, float, float, x < y || x != x ? x : y)
LOOP(min_double, double, double, x < y || x != x ? x : y)
SAME(max, x > y ? x : y, OWN)
SAME(min, x < y ? x : y, OWN)

#define COMPARISON(name, operator)                                                                                   \
    LOOP(name##_float, float, uint8_t, x operator y)                                                                 \
    LOOP(name##_double, double, uint8_t, x operator y)                                                               \
    SAME(name, x operator y, TRUTH)
COMPARISON(equal, ==)
COMPARISON(less, <)
COMPARISON(less_equal, <=)
COMPARISON(greater, >)
COMPARISON(greater_equal, >=)
LOOP(and_bool, uint8_t, uint8_t, x && y)
LOOP(or_bool, uint8_t, uint8_t, x || y)
LOOP(xor_bool, uint8_t, uint8_t, !x != !y)

#define NUMBERS(name) { name##_float, name##_double, name##_int32, name##_int64, name##_uint8, name##_int8, NULL }

static const struct {
    const char *name;
    struct binary binary;
} table[] = {
    { "Add", { NUMBERS(add), false } },
    { "Sub", { NUMBERS(sub), false } },
    { "Mul", { NUMBERS(mul), false } },
    { "Div", { NUMBERS(div), false } },
    { "Sum", { NUMBERS(add), false } },
    { "Mean", { { add_float, add_double, NULL, NULL, NULL, NULL, NULL }, false } },
    { "Max", { NUMBERS(max), false } },
    { "Min", { NUMBERS(min), false } },
    { "Pow", { { pow_float, pow_double, NULL, NULL, NULL, NULL, NULL }, false } },
    { "PRelu", { { prelu_float, prelu_double, NULL, NULL, NULL, NULL, NULL }, false } },
    { "Mod", { { NULL, NULL, mod_int32, mod_int64, mod_uint8, mod_int8, NULL }, false } },
    { "fmod", { NUMBERS(fmod), false } },
    { "Equal", { { equal_float, equal_double, equal_int32, equal_int64, equal_uint8, equal_int8, equal_uint8 }, true } },
    { "Less", { NUMBERS(less), true } },
    { "LessOrEqual", { NUMBERS(less_equal), true } },
    { "Greater", { NUMBERS(greater), true } },
    { "GreaterOrEqual", { NUMBERS(greater_equal), true } },
    { "And", { { NULL, NULL, NULL, NULL, NULL, NULL, and_bool }, true } },
    { "Or", { { NULL, NULL, NULL, NULL, NULL, NULL, or_bool }, true } },
    { "Xor", { { NULL, NULL, NULL, NULL, NULL, NULL, xor_bool }, true } },
};

static const struct binary *find(struct cella_view name)
{
    size_t i = 0;
    while (!cella_view_is(name, table[i].name)) {
        i++;
    }
    return &table[i].binary;
}

static enum slot slot_of(enum cella_onnx_type type)
{
    switch (type) {
    case CELLA_ONNX_FLOAT:
        return FLOAT;
    case CELLA_ONNX_DOUBLE:
        return DOUBLE;
    case CELLA_ONNX_INT32:
        return INT32;
    case CELLA_ONNX_INT64:
        return INT64;
    case CELLA_ONNX_UINT8:
        return UINT8;
    case CELLA_ONNX_INT8:
        return INT8;
    case CELLA_ONNX_BOOL:
        return BOOL;
    case CELLA_ONNX_NONE:
    case CELLA_ONNX_STRING:
        break;
    }
    return SLOTS;
}

/* Dimensions of a and b side by side, merged where both go on without a gap. */
struct walk {
    size_t rank;
    size_t dims[CELLA_ONNX_RANK_MAX];
    ptrdiff_t a[CELLA_ONNX_RANK_MAX];
    ptrdiff_t b[CELLA_ONNX_RANK_MAX];
    double steps; /* of one element */
};

static struct walk plan(const struct cella_onnx_tensor *a, const struct cella_onnx_tensor *b, size_t rank,
                        const size_t *dims)
{
    ptrdiff_t a_strides[CELLA_ONNX_RANK_MAX];
    ptrdiff_t b_strides[CELLA_ONNX_RANK_MAX];
    struct walk walk = { 0 };
    cella_onnx_broadcast_strides(a, rank, a_strides);
    cella_onnx_broadcast_strides(b, rank, b_strides);
    for (size_t i = 0; i < rank; i++) {
        if (dims[i] == 1) {
            continue;
        }
        ptrdiff_t size = (ptrdiff_t) dims[i];
        size_t last = walk.rank - 1;
        if (walk.rank > 0 && walk.a[last] == a_strides[i] * size && walk.b[last] == b_strides[i] * size) {
            walk.dims[last] *= dims[i];
            walk.a[last] = a_strides[i];
            walk.b[last] = b_strides[i];
            continue;
        }
        walk.dims[walk.rank] = dims[i];
        walk.a[walk.rank] = a_strides[i];
        walk.b[walk.rank++] = b_strides[i];
    }
    if (walk.rank == 0) {
        walk = (struct walk){ .rank = 1, .dims = { 1 }, .a = { 1 }, .b = { 1 } };
    }
    return walk;
}

/* The innermost dimension, by pieces that are short enough to be cancelled between. */
static cella_status run_row(const struct cella_onnx_step *step, loop *row, const struct walk *walk, size_t size,
                            const uint8_t *left, const uint8_t *right, size_t out_size, uint8_t *to)
{
    size_t inner = walk->rank - 1;
    size_t a = (size_t) walk->a[inner];
    size_t b = (size_t) walk->b[inner];
    for (size_t done = 0; done < walk->dims[inner]; done += PIECE) {
        size_t rest = walk->dims[inner] - done;
        size_t count = rest < PIECE ? rest : PIECE;
        row(left + done * a * size, a, right + done * b * size, b, to + done * out_size, count);
        CELLA_TRY(cella_onnx_work_done(&step->session->work, (double) count * walk->steps));
    }
    return CELLA_OK;
}

/* Of one element: remainders of very different numbers are found bit by bit. */
static double steps_of(loop *row)
{
    return row == fmod_float || row == fmod_double ? REMAINDER_STEPS
        : row == pow_float || row == pow_double    ? POWER_STEPS
                                                   : CELLA_ONNX_WORK_ELEMENT;
}

static cella_status run_loop(const struct cella_onnx_step *from, loop *row, const struct cella_onnx_tensor *a,
                             const struct cella_onnx_tensor *b, struct cella_onnx_tensor *out)
{
    if (out->count == 0) {
        return CELLA_OK;
    }
    struct walk walk = plan(a, b, out->rank, out->dims);
    walk.steps = steps_of(row);
    CELLA_TRY(cella_onnx_work(from, (double) out->count * walk.steps));
    ptrdiff_t size = (ptrdiff_t) cella_onnx_type_size(a->type);
    size_t inner = walk.rank - 1;
    size_t step = walk.dims[inner] * cella_onnx_type_size(out->type);
    size_t at[CELLA_ONNX_RANK_MAX] = { 0 };
    const uint8_t *left = a->data;
    const uint8_t *right = b->data;
    uint8_t *to = out->data;
    for (;;) {
        CELLA_TRY(run_row(from, row, &walk, (size_t) size, left, right, cella_onnx_type_size(out->type), to));
        to += step;
        size_t axis = inner;
        for (; axis > 0; axis--) {
            left += walk.a[axis - 1] * size;
            right += walk.b[axis - 1] * size;
            if (++at[axis - 1] < walk.dims[axis - 1]) {
                break;
            }
            left -= walk.a[axis - 1] * (ptrdiff_t) walk.dims[axis - 1] * size;
            right -= walk.b[axis - 1] * (ptrdiff_t) walk.dims[axis - 1] * size;
            at[axis - 1] = 0;
        }
        if (axis == 0) {
            return CELLA_OK;
        }
    }
}

/* Before opset 7 operands were only broadcast on request. */
static cella_status check_old_broadcast(const struct cella_onnx_step *step)
{
    const struct cella_onnx_attribute *axis = cella_onnx_attribute(step, "axis");
    const struct cella_onnx_tensor *a = cella_onnx_input(step, 0);
    const struct cella_onnx_tensor *b = cella_onnx_input(step, 1);
    if (step->opset < 7 && axis != NULL && b != NULL && axis->integer != (int64_t) (a->rank - b->rank) &&
        axis->integer != -(int64_t) b->rank) {
        return cella_onnx_refuse(step, "attribute axis is not supported where it does not mean the last dimensions");
    }
    return CELLA_OK;
}

static bool divides_by_zero(const struct cella_onnx_tensor *divisor)
{
    size_t size = cella_onnx_type_size(divisor->type);
    for (size_t i = 0; i < divisor->count; i++) {
        uint64_t bits = 0;
        memcpy(&bits, (const uint8_t *) divisor->data + i * size, size);
        if (bits == 0) {
            return true;
        }
    }
    return false;
}

static cella_status check_operands(const struct cella_onnx_step *step, const struct binary *binary,
                                   const struct cella_onnx_tensor *a, const struct cella_onnx_tensor *b)
{
    enum slot slot = slot_of(a->type);
    if (slot == SLOTS || binary->loops[slot] == NULL) {
        return cella_onnx_refuse_type(step, a->type);
    }
    if (a->type != b->type) {
        return cella_onnx_refuse(step, "its inputs have types %s and %s; the same type is supported",
                                 cella_onnx_type_name(a->type), cella_onnx_type_name(b->type));
    }
    bool whole = slot != FLOAT && slot != DOUBLE;
    bool divides = cella_view_is(step->node->operation, "Div") || cella_view_is(step->node->operation, "Mod");
    return whole && divides && divides_by_zero(b) ? cella_onnx_refuse(step, "a whole number is divided by zero")
                                                  : CELLA_OK;
}

static cella_status combine(struct cella_onnx_step *step, const struct binary *binary, const struct cella_onnx_tensor *a,
                            const struct cella_onnx_tensor *b, bool in_place)
{
    size_t rank;
    size_t dims[CELLA_ONNX_RANK_MAX];
    CELLA_TRY(check_operands(step, binary, a, b));
    CELLA_TRY(cella_onnx_broadcast(step, a->rank, a->dims, b->rank, b->dims, &rank, dims));
    /* Kept here, as the output may take a's or b's place. */
    CELLA_CLEANUP(cella_onnx_tensor_release) struct cella_onnx_tensor left = { 0 };
    CELLA_CLEANUP(cella_onnx_tensor_release) struct cella_onnx_tensor right = { 0 };
    struct cella_onnx_tensor shape = { .rank = rank };
    struct cella_onnx_tensor *out;
    memcpy(shape.dims, dims, rank * sizeof(dims[0]));
    enum cella_onnx_type type = binary->logical ? CELLA_ONNX_BOOL : a->type;
    bool over_b = in_place && a->type == type && !cella_onnx_same_shape(a, &shape);
    if (in_place) {
        CELLA_TRY(cella_onnx_output_over(step, 0, over_b ? 1 : 0, type, &shape, &out));
        cella_onnx_tensor_share(a, &left);
        cella_onnx_tensor_share(b, &right);
    } else {
        cella_onnx_tensor_share(a, &left);
        cella_onnx_tensor_share(b, &right);
        CELLA_TRY(cella_onnx_output(step, 0, type, rank, dims, &out));
    }
    const struct cella_onnx_kernel *kernel = step->session->kernel;
    bool plain = binary->loops[FLOAT] == add_float && type == CELLA_ONNX_FLOAT &&
        cella_onnx_same_shape(&left, &right) && in_place;
    struct cella_onnx_tile end = { .clip = step->finish.clip, .low = step->finish.low, .high = step->finish.high };
    if (plain) {
        kernel->add(out->data, left.data, right.data, out->count, &end);
        return CELLA_OK;
    }
    CELLA_TRY(run_loop(step, binary->loops[slot_of(left.type)], &left, &right, out));
    for (size_t i = 0; step->finish.clip && i < out->count; i++) {
        float value = ((float *) out->data)[i];
        ((float *) out->data)[i] = value < end.low ? end.low : value > end.high ? end.high : value;
    }
    return CELLA_OK;
}

static cella_status multiply_output(struct cella_onnx_step *step, double factor)
{
    struct cella_onnx_tensor *out = &step->session->values[step->outputs[0]].tensor;
    for (size_t i = 0; i < out->count; i++) {
        if (out->type == CELLA_ONNX_FLOAT) {
            ((float *) out->data)[i] = (float) (((float *) out->data)[i] * factor);
        } else {
            ((double *) out->data)[i] *= factor;
        }
    }
    return CELLA_OK;
}

cella_status cella_onnx_run_binary(struct cella_onnx_step *step)
{
    const struct binary *binary = find(step->node->operation);
    if (cella_view_is(step->node->operation, "Mod") && cella_onnx_integer(step, "fmod", 0) != 0) {
        binary = find(cella_view_of_string("fmod"));
    }
    CELLA_TRY(check_old_broadcast(step));
    return combine(step, binary, cella_onnx_input(step, 0), cella_onnx_input(step, 1), true);
}

/* A power whose exponent has another type. */
cella_status cella_onnx_run_pow(struct cella_onnx_step *step)
{
    const struct cella_onnx_tensor *base = cella_onnx_input(step, 0);
    const struct cella_onnx_tensor *exponent = cella_onnx_input(step, 1);
    if (base->type == exponent->type) {
        return cella_onnx_run_binary(step);
    }
    CELLA_CLEANUP(cella_onnx_tensor_release) struct cella_onnx_tensor cast = { 0 };
    CELLA_TRY(cella_onnx_cast(step, exponent, base->type, &cast));
    return combine(step, find(step->node->operation), base, &cast, false);
}

cella_status cella_onnx_run_variadic(struct cella_onnx_step *step)
{
    const struct binary *binary = find(step->node->operation);
    const struct cella_onnx_tensor *first = cella_onnx_input(step, 0);
    for (size_t i = 0; i < step->node->input_count; i++) {
        if (cella_onnx_input(step, i) == NULL) {
            return cella_onnx_refuse(step, "input %zu is missing", i);
        }
    }
    CELLA_TRY(check_operands(step, binary, first, first));
    struct cella_onnx_tensor *out = &step->session->values[step->outputs[0]].tensor;
    cella_onnx_tensor_release(out);
    cella_onnx_tensor_share(first, out);
    for (size_t i = 1; i < step->node->input_count; i++) {
        CELLA_TRY(combine(step, binary, out, cella_onnx_input(step, i), false));
    }
    if (!cella_view_is(step->node->operation, "Mean") || step->node->input_count == 1) {
        return CELLA_OK;
    }
    return multiply_output(step, 1.0 / (double) step->node->input_count);
}

cella_status cella_onnx_add_later(struct cella_onnx_step *step)
{
    struct cella_onnx_tensor *out = &step->session->values[step->outputs[0]].tensor;
    const struct cella_onnx_tensor *addend = &step->session->values[step->finish.addend].tensor;
    return combine(step, find(cella_view_of_string("Add")), out, addend, false);
}
