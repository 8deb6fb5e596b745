/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The wire format of protocol buffers, as far as ONNX files need it: a message is a run of fields, a field has a number and
 * is a varint, 4 or 8 fixed bytes, or bytes with their length. Groups are refused: no ONNX file has them. Everything read
 * here is untrusted; nothing is copied and nothing recurses.
 *
 * Source: protobuf.dev/programming-guides/encoding
 */

#include "base/bytes.h"

enum cella_onnx_wire {
    CELLA_ONNX_WIRE_VARINT = 0,
    CELLA_ONNX_WIRE_FIXED64 = 1,
    CELLA_ONNX_WIRE_BYTES = 2,
    CELLA_ONNX_WIRE_FIXED32 = 5,
};

struct cella_onnx_field {
    uint32_t number;
    enum cella_onnx_wire wire;
    uint64_t value;          /* VARINT, FIXED64, FIXED32 */
    struct cella_view bytes; /* BYTES: borrowed */
};

/*
 * Take the next field off the front of a message.
 *
 * rest:   what is left of the message; shortened
 * there:  false at the end of the message
 *
 * CELLA_BAD_FORMAT  the bytes end within a field, a varint has more than 64 bits, field number 0, a group
 */
CELLA_MUST_USE cella_status cella_onnx_wire_next(struct cella_view *rest, struct cella_onnx_field *field, bool *there);

/* Take one varint off the front. CELLA_BAD_FORMAT. */
CELLA_MUST_USE cella_status cella_onnx_wire_varint(struct cella_view *rest, uint64_t *value);

/* Little-endian numbers at the front of bytes that are known to be there. */
uint32_t cella_onnx_wire_u32(const uint8_t *bytes);
uint64_t cella_onnx_wire_u64(const uint8_t *bytes);
