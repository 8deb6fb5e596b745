/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/cbor.h"

#define INDEFINITE 31U
#define BREAK 0xffU

static cella_status read_value(struct cella_reader *reader, unsigned int more, uint64_t *out)
{
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    switch (more) {
    case 24:
        CELLA_TRY(cella_read_u8(reader, &u8));
        *out = u8;
        return u8 >= 24 ? CELLA_OK : CELLA_BAD_FORMAT;
    case 25:
        CELLA_TRY(cella_read_u16(reader, &u16));
        *out = u16;
        return u16 > UINT8_MAX ? CELLA_OK : CELLA_BAD_FORMAT;
    case 26:
        CELLA_TRY(cella_read_u32(reader, &u32));
        *out = u32;
        return u32 > UINT16_MAX ? CELLA_OK : CELLA_BAD_FORMAT;
    case 27:
        CELLA_TRY(cella_read_u64(reader, out));
        return *out > UINT32_MAX ? CELLA_OK : CELLA_BAD_FORMAT;
    default:
        *out = more;
        return more < 24 ? CELLA_OK : CELLA_BAD_FORMAT;
    }
}

cella_status cella_cbor_next(struct cella_reader *reader, struct cella_cbor_item *out)
{
    uint8_t first;
    *out = (struct cella_cbor_item){ 0 };
    CELLA_TRY(cella_read_u8(reader, &first));
    out->kind = (enum cella_cbor_kind)(first >> 5);
    unsigned int more = first & 31U;
    if (more == INDEFINITE) {
        out->indefinite = true;
        return out->kind == CELLA_CBOR_ARRAY || out->kind == CELLA_CBOR_MAP ? CELLA_OK : CELLA_BAD_FORMAT;
    }
    if (out->kind == CELLA_CBOR_SIMPLE && (more < 20 || more > 23)) {
        return CELLA_BAD_FORMAT;
    }
    CELLA_TRY(read_value(reader, more, &out->value));
    if (out->kind == CELLA_CBOR_BYTES || out->kind == CELLA_CBOR_TEXT) {
        return out->value > reader->rest.size ? CELLA_BAD_FORMAT
                                              : cella_read_view(reader, (size_t) out->value, &out->content);
    }
    return CELLA_OK;
}

cella_status cella_cbor_expect(struct cella_reader *reader, enum cella_cbor_kind kind, struct cella_cbor_item *out)
{
    CELLA_TRY(cella_cbor_next(reader, out));
    return out->kind == kind ? CELLA_OK : CELLA_BAD_FORMAT;
}

cella_status cella_cbor_more(struct cella_reader *reader, const struct cella_cbor_item *container, uint64_t done,
                             bool *more)
{
    uint8_t byte;
    *more = !container->indefinite && done < container->value;
    if (!container->indefinite) {
        return CELLA_OK;
    }
    if (reader->rest.size == 0) {
        return CELLA_BAD_FORMAT;
    }
    *more = reader->rest.data[0] != BREAK;
    return *more ? CELLA_OK : cella_read_u8(reader, &byte);
}

static cella_status skip(struct cella_reader *reader, unsigned int depth)
{
    struct cella_cbor_item item;
    if (depth > CELLA_CBOR_DEPTH_MAX) {
        return CELLA_BAD_FORMAT;
    }
    CELLA_TRY(cella_cbor_next(reader, &item));
    if (item.kind == CELLA_CBOR_TAG) {
        return skip(reader, depth + 1);
    }
    bool more = false;
    bool container = item.kind == CELLA_CBOR_ARRAY || item.kind == CELLA_CBOR_MAP;
    for (uint64_t done = 0; container; done++) {
        CELLA_TRY(cella_cbor_more(reader, &item, done, &more));
        if (!more) {
            break;
        }
        CELLA_TRY(skip(reader, depth + 1));
        if (item.kind == CELLA_CBOR_MAP) {
            CELLA_TRY(skip(reader, depth + 1));
        }
    }
    return CELLA_OK;
}

cella_status cella_cbor_skip(struct cella_reader *reader)
{
    return skip(reader, 1);
}

cella_status cella_cbor_write_head(struct cella_bytes *out, enum cella_cbor_kind kind, uint64_t value)
{
    unsigned int major = (unsigned int) kind << 5;
    if (value < 24) {
        return cella_write_u8(out, (uint8_t)(major | value));
    }
    if (value <= UINT8_MAX) {
        CELLA_TRY(cella_write_u8(out, (uint8_t)(major | 24)));
        return cella_write_u8(out, (uint8_t) value);
    }
    if (value <= UINT16_MAX) {
        CELLA_TRY(cella_write_u8(out, (uint8_t)(major | 25)));
        return cella_write_u16(out, (uint16_t) value);
    }
    if (value <= UINT32_MAX) {
        CELLA_TRY(cella_write_u8(out, (uint8_t)(major | 26)));
        return cella_write_u32(out, (uint32_t) value);
    }
    CELLA_TRY(cella_write_u8(out, (uint8_t)(major | 27)));
    return cella_write_u64(out, value);
}

cella_status cella_cbor_write_bytes(struct cella_bytes *out, struct cella_view content)
{
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_BYTES, content.size));
    return cella_bytes_append(out, content);
}

cella_status cella_cbor_write_text(struct cella_bytes *out, const char *content)
{
    struct cella_view view = cella_view_of_string(content);
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_TEXT, view.size));
    return cella_bytes_append(out, view);
}
