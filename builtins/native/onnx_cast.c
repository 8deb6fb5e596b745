/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/native/onnx_operators.h"

#define PIECE (1U << 20) /* elements between which a call can be cancelled */

/* Out of range, where C leaves it open: the nearest number; NaN becomes 0. */
#define CLAMPED(name, type, least, most)                                                                             \
    static type name(double value)                                                                                   \
    {                                                                                                                \
        return value != value ? 0 : value <= (double) (least) ? (least) : value >= (double) (most) ? (most)          \
                                                                                                   : (type) value;   \
    }
CLAMPED(to_int32, int32_t, INT32_MIN, INT32_MAX)
CLAMPED(to_int64, int64_t, INT64_MIN, INT64_MAX)
/* Smaller ones by way of int64, which wraps around as numpy does. */
#define KEEP(value) (value)
#define TO_UINT8(value) ((uint8_t) to_int64((double) (value)))
#define TO_INT8(value) ((int8_t) to_int64((double) (value)))
#define TO_INT32(value) to_int32((double) (value))
#define TO_INT64(value) to_int64((double) (value))
#define TRUTH(value) ((value) != 0)

#define CONVERT(from_type, to_type, how)                                                                             \
    for (size_t i = 0; i < from->count; i++) {                                                                       \
        ((to_type *) out->data)[i] = (to_type) how(((const from_type *) from->data)[i]);                             \
    }                                                                                                                \
    return true;

/* From a type of floating point numbers, or of whole ones. */
#define FROM(name, kind, int32_how, int64_how, uint8_how, int8_how)                                                  \
    static bool name(const struct cella_onnx_tensor *from, struct cella_onnx_tensor *out)                            \
    {                                                                                                                \
        switch (out->type) {                                                                                         \
        case CELLA_ONNX_FLOAT:                                                                                       \
            CONVERT(kind, float, KEEP)                                                                               \
        case CELLA_ONNX_DOUBLE:                                                                                      \
            CONVERT(kind, double, KEEP)                                                                              \
        case CELLA_ONNX_INT32:                                                                                       \
            CONVERT(kind, int32_t, int32_how)                                                                        \
        case CELLA_ONNX_INT64:                                                                                       \
            CONVERT(kind, int64_t, int64_how)                                                                        \
        case CELLA_ONNX_UINT8:                                                                                       \
            CONVERT(kind, uint8_t, uint8_how)                                                                        \
        case CELLA_ONNX_INT8:                                                                                        \
            CONVERT(kind, int8_t, int8_how)                                                                          \
        case CELLA_ONNX_BOOL:                                                                                        \
            CONVERT(kind, uint8_t, TRUTH)                                                                            \
        case CELLA_ONNX_NONE:                                                                                        \
        case CELLA_ONNX_STRING:                                                                                      \
            break;                                                                                                   \
        }                                                                                                            \
        return false;                                                                                                \
    }
FROM(from_float, float, TO_INT32, TO_INT64, TO_UINT8, TO_INT8)
FROM(from_double, double, TO_INT32, TO_INT64, TO_UINT8, TO_INT8)
FROM(from_int32, int32_t, KEEP, KEEP, KEEP, KEEP)
FROM(from_int64, int64_t, KEEP, KEEP, KEEP, KEEP)
FROM(from_uint8, uint8_t, KEEP, KEEP, KEEP, KEEP)
FROM(from_int8, int8_t, KEEP, KEEP, KEEP, KEEP)

static bool convert(const struct cella_onnx_tensor *from, struct cella_onnx_tensor *out)
{
    switch (from->type) {
    case CELLA_ONNX_FLOAT:
        return from_float(from, out);
    case CELLA_ONNX_DOUBLE:
        return from_double(from, out);
    case CELLA_ONNX_INT32:
        return from_int32(from, out);
    case CELLA_ONNX_INT64:
        return from_int64(from, out);
    case CELLA_ONNX_UINT8:
    case CELLA_ONNX_BOOL:
        return from_uint8(from, out);
    case CELLA_ONNX_INT8:
        return from_int8(from, out);
    case CELLA_ONNX_NONE:
    case CELLA_ONNX_STRING:
        break;
    }
    return false;
}

cella_status cella_onnx_cast(struct cella_onnx_step *step, const struct cella_onnx_tensor *from,
                             enum cella_onnx_type type, struct cella_onnx_tensor *out)
{
    CELLA_TRY(cella_onnx_scratch(step, type, from->count, out));
    out->rank = from->rank;
    for (size_t i = 0; i < from->rank; i++) {
        out->dims[i] = from->dims[i];
    }
    for (size_t done = 0; done < from->count || done == 0; done += PIECE) {
        struct cella_onnx_tensor piece = *from;
        struct cella_onnx_tensor to = *out;
        piece.count = from->count - done < PIECE ? from->count - done : PIECE;
        piece.data = (uint8_t *) from->data + done * cella_onnx_type_size(from->type);
        to.data = (uint8_t *) out->data + done * cella_onnx_type_size(type);
        if (!convert(&piece, &to)) {
            return cella_onnx_refuse(step, "type %s can not be cast to %s here", cella_onnx_type_name(from->type),
                                     cella_onnx_type_name(type));
        }
        CELLA_TRY(cella_onnx_went(step, piece.count));
    }
    return CELLA_OK;
}

cella_status cella_onnx_run_cast(struct cella_onnx_step *step)
{
    const struct cella_onnx_tensor *input = cella_onnx_input(step, 0);
    const struct cella_onnx_tensor *like = cella_onnx_input(step, 1); /* CastLike */
    int64_t type = like != NULL ? (int64_t) like->type : cella_onnx_integer(step, "to", 0);
    if (type < 0 || !cella_onnx_type_known((uint64_t) type)) {
        return cella_onnx_refuse(step, "casting to type %s is not supported",
                                 cella_onnx_type_name(type < 0 ? UINT64_MAX : (uint64_t) type));
    }
    if (input->type == (enum cella_onnx_type) type) {
        return cella_onnx_output_reshaped(step, input->rank, input->dims);
    }
    CELLA_CLEANUP(cella_onnx_tensor_release) struct cella_onnx_tensor cast = { 0 };
    CELLA_TRY(cella_onnx_cast(step, input, (enum cella_onnx_type) type, &cast));
    struct cella_onnx_tensor *output = &step->session->values[step->outputs[0]].tensor;
    cella_onnx_tensor_release(output);
    cella_onnx_tensor_share(&cast, output);
    return CELLA_OK;
}
