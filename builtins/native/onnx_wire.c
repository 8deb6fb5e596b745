/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/native/onnx_wire.h"

static void skip(struct cella_view *rest, size_t size)
{
    rest->data += size;
    rest->size -= size;
}

uint32_t cella_onnx_wire_u32(const uint8_t *bytes)
{
    return (uint32_t) bytes[0] | (uint32_t) bytes[1] << 8 | (uint32_t) bytes[2] << 16 | (uint32_t) bytes[3] << 24;
}

uint64_t cella_onnx_wire_u64(const uint8_t *bytes)
{
    return cella_onnx_wire_u32(bytes) | (uint64_t) cella_onnx_wire_u32(bytes + 4) << 32;
}

cella_status cella_onnx_wire_varint(struct cella_view *rest, uint64_t *value)
{
    uint64_t sum = 0;
    for (unsigned int i = 0; i < 10; i++) {
        if (i >= rest->size) {
            return CELLA_BAD_FORMAT;
        }
        uint8_t byte = rest->data[i];
        if (i == 9 && byte > 1) {
            return CELLA_BAD_FORMAT;
        }
        sum |= (uint64_t) (byte & 0x7fU) << (7 * i);
        if ((byte & 0x80U) == 0) {
            skip(rest, i + 1);
            *value = sum;
            return CELLA_OK;
        }
    }
    return CELLA_BAD_FORMAT;
}

cella_status cella_onnx_wire_next(struct cella_view *rest, struct cella_onnx_field *field, bool *there)
{
    *there = false;
    if (rest->size == 0) {
        return CELLA_OK;
    }
    uint64_t tag;
    CELLA_TRY(cella_onnx_wire_varint(rest, &tag));
    if (tag >> 3 == 0 || tag >> 3 > 0x1fffffffU) {
        return CELLA_BAD_FORMAT;
    }
    *field = (struct cella_onnx_field){ .number = (uint32_t) (tag >> 3) };
    size_t size = 0;
    switch (tag & 7U) {
    case CELLA_ONNX_WIRE_VARINT:
        field->wire = CELLA_ONNX_WIRE_VARINT;
        CELLA_TRY(cella_onnx_wire_varint(rest, &field->value));
        break;
    case CELLA_ONNX_WIRE_FIXED64:
    case CELLA_ONNX_WIRE_FIXED32:
        field->wire = (tag & 7U) == CELLA_ONNX_WIRE_FIXED64 ? CELLA_ONNX_WIRE_FIXED64 : CELLA_ONNX_WIRE_FIXED32;
        size = field->wire == CELLA_ONNX_WIRE_FIXED64 ? 8 : 4;
        if (rest->size < size) {
            return CELLA_BAD_FORMAT;
        }
        field->value = size == 8 ? cella_onnx_wire_u64(rest->data) : cella_onnx_wire_u32(rest->data);
        skip(rest, size);
        break;
    case CELLA_ONNX_WIRE_BYTES:
        field->wire = CELLA_ONNX_WIRE_BYTES;
        uint64_t length;
        CELLA_TRY(cella_onnx_wire_varint(rest, &length));
        if (length > rest->size) {
            return CELLA_BAD_FORMAT;
        }
        field->bytes = cella_view_of(rest->data, (size_t) length);
        skip(rest, (size_t) length);
        break;
    default:
        return CELLA_BAD_FORMAT;
    }
    *there = true;
    return CELLA_OK;
}
