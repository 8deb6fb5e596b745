/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/native/onnx_parse.h"

#include <string.h>

/* A TensorProto as found: where its values are, not yet what they are. */
struct proto {
    size_t rank;
    size_t dims[CELLA_ONNX_RANK_MAX];
    uint64_t type;
    struct cella_view name;
    struct cella_view raw;
    bool has_raw;
    uint32_t typed; /* number of the field with typed values, 0 if none */
};

enum { DIMS = 1, TYPE = 2, SEGMENT = 3, FLOATS = 4, INT32S = 5, STRINGS = 6, INT64S = 7, NAME = 8, RAW = 9,
       DOUBLES = 10, UINT64S = 11, EXTERNAL = 13, LOCATION = 14 };

static cella_status add_dimension(const struct cella_onnx_parse *parse, struct proto *proto, uint64_t value)
{
    if (proto->rank == CELLA_ONNX_RANK_MAX) {
        return cella_onnx_parse_refuse(parse, "a tensor has more than %u dimensions", CELLA_ONNX_RANK_MAX);
    }
    if (value > (uint64_t) INT64_MAX) {
        return cella_onnx_parse_refuse(parse, "a tensor has a negative dimension");
    }
    proto->dims[proto->rank++] = (size_t) value;
    return CELLA_OK;
}

static cella_status dimensions(const struct cella_onnx_parse *parse, struct proto *proto,
                               const struct cella_onnx_field *field)
{
    if (field->wire == CELLA_ONNX_WIRE_VARINT) {
        return add_dimension(parse, proto, field->value);
    }
    CELLA_TRY(cella_onnx_parse_expect(parse, "a tensor", field, CELLA_ONNX_WIRE_BYTES));
    struct cella_view rest = field->bytes;
    while (rest.size > 0) {
        uint64_t value;
        if (cella_onnx_wire_varint(&rest, &value) != CELLA_OK) {
            return cella_onnx_parse_refuse(parse, "a tensor's dimensions are cut short");
        }
        CELLA_TRY(add_dimension(parse, proto, value));
    }
    return CELLA_OK;
}

static cella_status read_field(const struct cella_onnx_parse *parse, struct proto *proto,
                               const struct cella_onnx_field *field)
{
    switch (field->number) {
    case DIMS:
        return dimensions(parse, proto, field);
    case TYPE:
        proto->type = field->value;
        return cella_onnx_parse_expect(parse, "a tensor", field, CELLA_ONNX_WIRE_VARINT);
    case NAME:
        proto->name = field->bytes;
        return cella_onnx_parse_expect(parse, "a tensor", field, CELLA_ONNX_WIRE_BYTES);
    case RAW:
        proto->raw = field->bytes;
        proto->has_raw = true;
        return cella_onnx_parse_expect(parse, "a tensor", field, CELLA_ONNX_WIRE_BYTES);
    case FLOATS:
    case INT32S:
    case STRINGS:
    case INT64S:
    case DOUBLES:
    case UINT64S:
        if (proto->typed != 0 && proto->typed != field->number) {
            return cella_onnx_parse_refuse(parse, "a tensor has values of two kinds");
        }
        proto->typed = field->number;
        return CELLA_OK;
    case SEGMENT:
        return cella_onnx_parse_refuse(parse, "a tensor is stored in segments, which is not supported");
    case EXTERNAL:
        return cella_onnx_parse_refuse(parse, "a tensor's data are in another file, which is refused: "
                                              "save the model with its data inside");
    case LOCATION:
        return field->value == 0 ? CELLA_OK
                                 : cella_onnx_parse_refuse(parse, "a tensor's data are in another file, which is "
                                                                  "refused: save the model with its data inside");
    default:
        return CELLA_OK;
    }
}

/* Which field has the values of a type when they are not raw. */
static uint32_t field_of(enum cella_onnx_type type)
{
    switch (type) {
    case CELLA_ONNX_FLOAT:
        return FLOATS;
    case CELLA_ONNX_DOUBLE:
        return DOUBLES;
    case CELLA_ONNX_INT64:
        return INT64S;
    case CELLA_ONNX_STRING:
        return STRINGS;
    case CELLA_ONNX_INT32:
    case CELLA_ONNX_UINT8:
    case CELLA_ONNX_INT8:
    case CELLA_ONNX_BOOL:
    case CELLA_ONNX_NONE:
        break;
    }
    return INT32S;
}

static void store(struct cella_onnx_tensor *tensor, size_t index, uint64_t bits)
{
    uint8_t byte = (uint8_t) (tensor->type == CELLA_ONNX_BOOL ? bits != 0 : bits & 0xffU);
    uint32_t word = (uint32_t) bits;
    switch (cella_onnx_type_size(tensor->type)) {
    case 1:
        ((uint8_t *) tensor->data)[index] = byte;
        break;
    case 4:
        memcpy((uint8_t *) tensor->data + 4 * index, &word, 4);
        break;
    default:
        memcpy((uint8_t *) tensor->data + 8 * index, &bits, 8);
        break;
    }
}

/* Values of one field: one, or packed many. */
static cella_status store_field(const struct cella_onnx_parse *parse, struct cella_onnx_tensor *tensor,
                                const struct cella_onnx_field *field, size_t *stored)
{
    if (tensor->type == CELLA_ONNX_STRING) {
        CELLA_TRY(cella_onnx_parse_expect(parse, "a tensor", field, CELLA_ONNX_WIRE_BYTES));
        if (*stored < tensor->count) {
            ((struct cella_view *) tensor->data)[*stored] = field->bytes;
        }
        (*stored)++;
        return CELLA_OK;
    }
    if (field->wire != CELLA_ONNX_WIRE_BYTES) {
        if (*stored < tensor->count) {
            store(tensor, *stored, field->value);
        }
        (*stored)++;
        return CELLA_OK;
    }
    struct cella_view rest = field->bytes;
    size_t fixed = tensor->type == CELLA_ONNX_FLOAT ? 4 : tensor->type == CELLA_ONNX_DOUBLE ? 8 : 0;
    while (rest.size > 0) {
        uint64_t value;
        if (fixed == 0 ? cella_onnx_wire_varint(&rest, &value) != CELLA_OK : rest.size < fixed) {
            return cella_onnx_parse_refuse(parse, "a tensor's values are cut short");
        }
        if (fixed != 0) {
            value = fixed == 4 ? cella_onnx_wire_u32(rest.data) : cella_onnx_wire_u64(rest.data);
            rest = cella_view_of(rest.data + fixed, rest.size - fixed);
        }
        if (*stored < tensor->count) {
            store(tensor, *stored, value);
        }
        (*stored)++;
    }
    return CELLA_OK;
}

static cella_status read_typed(const struct cella_onnx_parse *parse, struct cella_view message,
                               struct cella_onnx_tensor *tensor)
{
    size_t stored = 0;
    struct cella_onnx_field field;
    for (bool there = true;;) {
        CELLA_TRY(cella_onnx_parse_next(parse, "a tensor", &message, &field, &there));
        if (!there) {
            break;
        }
        if (field.number == field_of(tensor->type)) {
            CELLA_TRY(store_field(parse, tensor, &field, &stored));
        }
    }
    if (stored != tensor->count) {
        return cella_onnx_parse_refuse(parse, "a tensor's shape means %zu values, but there are %zu", tensor->count,
                                       stored);
    }
    return CELLA_OK;
}

static cella_status read_raw(const struct cella_onnx_parse *parse, struct cella_view raw,
                             struct cella_onnx_tensor *tensor)
{
    if (tensor->type == CELLA_ONNX_STRING) {
        return cella_onnx_parse_refuse(parse, "a tensor of strings has raw data");
    }
    if (raw.size != tensor->count * cella_onnx_type_size(tensor->type)) {
        return cella_onnx_parse_refuse(parse, "a tensor's shape means %zu values, but it has %zu bytes", tensor->count,
                                       raw.size);
    }
    if (raw.size > 0) {
        memcpy(tensor->data, raw.data, raw.size);
    }
    for (size_t i = 0; tensor->type == CELLA_ONNX_BOOL && i < tensor->count; i++) {
        ((uint8_t *) tensor->data)[i] = ((uint8_t *) tensor->data)[i] != 0;
    }
    return CELLA_OK;
}

/* Before memory is taken: the message must be long enough for as many values. */
static cella_status check_length(const struct cella_onnx_parse *parse, const struct proto *proto, size_t size)
{
    size_t count = 1;
    for (size_t i = 0; i < proto->rank; i++) {
        if (__builtin_mul_overflow(count, proto->dims[i], &count)) {
            return cella_onnx_parse_refuse(parse, "a tensor's dimensions multiply to more than this machine can count");
        }
    }
    return count <= size ? CELLA_OK
                         : cella_onnx_parse_refuse(parse, "a tensor's shape means %zu values, but it has %zu bytes",
                                                   count, size);
}

cella_status cella_onnx_parse_tensor(const struct cella_onnx_parse *parse, struct cella_view message,
                                     struct cella_view *name, struct cella_onnx_tensor *out)
{
    struct proto proto = { 0 };
    struct cella_onnx_field field;
    struct cella_view rest = message;
    for (bool there = true;;) {
        CELLA_TRY(cella_onnx_parse_next(parse, "a tensor", &rest, &field, &there));
        if (!there) {
            break;
        }
        CELLA_TRY(read_field(parse, &proto, &field));
    }
    char text[64];
    if (!cella_onnx_type_known(proto.type)) {
        return cella_onnx_parse_refuse(parse, "tensor '%s' is of type %s, which is not supported",
                                       cella_onnx_printable(proto.name, text), cella_onnx_type_name(proto.type));
    }
    CELLA_TRY(check_length(parse, &proto, message.size));
    CELLA_CLEANUP(cella_onnx_tensor_release) struct cella_onnx_tensor tensor = { 0 };
    cella_status made = cella_onnx_tensor_make(parse->model->memory, (enum cella_onnx_type) proto.type, proto.rank,
                                               proto.dims, &tensor);
    if (made == CELLA_LIMIT_MEMORY) {
        return cella_onnx_parse_refuse(parse, "its tensors together are larger than %zu bytes",
                                       parse->model->memory->limit);
    }
    CELLA_TRY(made);
    CELLA_TRY(proto.has_raw ? read_raw(parse, proto.raw, &tensor) : read_typed(parse, message, &tensor));
    *name = proto.name;
    cella_onnx_tensor_share(&tensor, out);
    return CELLA_OK;
}
