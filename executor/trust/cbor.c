/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/cbor.h"

#include <string.h>

#include "base/utf8.h"

#define INDEFINITE 31U
#define BREAK 0xffU
#define NULL_BYTE 0xf6U

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

/* ---- the two profiles ---- */

/* By bytes, a prefix first: RFC 8949 section 4.2.1. */
static int compare(struct cella_view a, struct cella_view b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    int order = size == 0 ? 0 : memcmp(a.data, b.data, size);
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static cella_status check_item(struct cella_reader *reader, enum cella_cbor_profile profile, unsigned int depth);

/* keys: those before, of which the strict profile needs only the last. */
static cella_status check_key(struct cella_view key, enum cella_cbor_profile profile, const struct cella_view *keys,
                              size_t count)
{
    if (profile == CELLA_CBOR_STRICT) {
        return count == 0 || compare(keys[0], key) < 0 ? CELLA_OK : CELLA_BAD_FORMAT;
    }
    for (size_t i = 0; i < count; i++) {
        if (cella_view_equal(keys[i], key)) {
            return CELLA_BAD_FORMAT;
        }
    }
    return CELLA_OK;
}

static cella_status check_map(struct cella_reader *reader, enum cella_cbor_profile profile, uint64_t pairs,
                              unsigned int depth)
{
    struct cella_view keys[CELLA_CBOR_PAIRS_MAX];
    if (pairs > CELLA_CBOR_PAIRS_MAX) {
        return CELLA_BAD_FORMAT;
    }
    for (size_t i = 0; i < pairs; i++) {
        struct cella_view before = reader->rest;
        CELLA_TRY(check_item(reader, profile, depth + 1));
        struct cella_view key = cella_view_of(before.data, before.size - reader->rest.size);
        CELLA_TRY(check_key(key, profile, keys, i));
        keys[profile == CELLA_CBOR_STRICT ? 0 : i] = key;
        CELLA_TRY(check_item(reader, profile, depth + 1));
    }
    return CELLA_OK;
}

static cella_status check_item(struct cella_reader *reader, enum cella_cbor_profile profile, unsigned int depth)
{
    struct cella_cbor_item item;
    CELLA_TRY(depth > CELLA_CBOR_DEPTH_MAX ? CELLA_BAD_FORMAT : cella_cbor_next(reader, &item));
    if (item.indefinite) {
        return CELLA_BAD_FORMAT;
    }
    switch (item.kind) {
    case CELLA_CBOR_UNSIGNED:
    case CELLA_CBOR_NEGATIVE:
    case CELLA_CBOR_BYTES:
        return CELLA_OK;
    case CELLA_CBOR_TEXT:
        return cella_utf8_is(item.content) ? CELLA_OK : CELLA_BAD_FORMAT;
    case CELLA_CBOR_ARRAY:
        for (uint64_t i = 0; i < item.value; i++) {
            CELLA_TRY(check_item(reader, profile, depth + 1));
        }
        return CELLA_OK;
    case CELLA_CBOR_MAP:
        return check_map(reader, profile, item.value, depth);
    case CELLA_CBOR_TAG:
        return depth == 1 ? check_item(reader, profile, 2) : CELLA_BAD_FORMAT;
    case CELLA_CBOR_SIMPLE:
        return item.value != 23 ? CELLA_OK : CELLA_BAD_FORMAT;
    }
    return CELLA_BAD_FORMAT;
}

cella_status cella_cbor_check(struct cella_view content, enum cella_cbor_profile profile)
{
    struct cella_reader reader = cella_reader_of(content);
    CELLA_TRY(check_item(&reader, profile, 1));
    return cella_reader_end(&reader);
}

/* ---- parts ---- */

static cella_status count_of(struct cella_reader *reader, enum cella_cbor_kind kind, uint64_t *count)
{
    struct cella_cbor_item item;
    CELLA_TRY(cella_cbor_expect(reader, kind, &item));
    *count = item.value;
    return item.indefinite ? CELLA_BAD_FORMAT : CELLA_OK;
}

static cella_status content_of(struct cella_reader *reader, enum cella_cbor_kind kind, struct cella_view *out)
{
    struct cella_cbor_item item;
    CELLA_TRY(cella_cbor_expect(reader, kind, &item));
    *out = item.content;
    return CELLA_OK;
}

cella_status cella_cbor_array(struct cella_reader *reader, uint64_t *count)
{
    return count_of(reader, CELLA_CBOR_ARRAY, count);
}

cella_status cella_cbor_map(struct cella_reader *reader, uint64_t *count)
{
    return count_of(reader, CELLA_CBOR_MAP, count);
}

cella_status cella_cbor_unsigned(struct cella_reader *reader, uint64_t *out)
{
    return count_of(reader, CELLA_CBOR_UNSIGNED, out);
}

cella_status cella_cbor_number(struct cella_reader *reader, int64_t *out)
{
    struct cella_cbor_item item;
    CELLA_TRY(cella_cbor_next(reader, &item));
    if (item.value > INT64_MAX || (item.kind != CELLA_CBOR_UNSIGNED && item.kind != CELLA_CBOR_NEGATIVE)) {
        return CELLA_BAD_FORMAT;
    }
    *out = item.kind == CELLA_CBOR_NEGATIVE ? -1 - (int64_t) item.value : (int64_t) item.value;
    return CELLA_OK;
}

cella_status cella_cbor_bytes(struct cella_reader *reader, struct cella_view *out)
{
    return content_of(reader, CELLA_CBOR_BYTES, out);
}

cella_status cella_cbor_text(struct cella_reader *reader, struct cella_view *out)
{
    return content_of(reader, CELLA_CBOR_TEXT, out);
}

cella_status cella_cbor_whole(struct cella_reader *reader, struct cella_view *out)
{
    struct cella_view before = reader->rest;
    CELLA_TRY(cella_cbor_skip(reader));
    *out = cella_view_of(before.data, before.size - reader->rest.size);
    return CELLA_OK;
}

bool cella_cbor_take_null(struct cella_reader *reader)
{
    uint8_t byte;
    return !reader->failed && reader->rest.size > 0 && reader->rest.data[0] == NULL_BYTE &&
           cella_read_u8(reader, &byte) == CELLA_OK;
}

/* ---- writing ---- */

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

cella_status cella_cbor_write_text_view(struct cella_bytes *out, struct cella_view content)
{
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_TEXT, content.size));
    return cella_bytes_append(out, content);
}

cella_status cella_cbor_write_text(struct cella_bytes *out, const char *content)
{
    return cella_cbor_write_text_view(out, cella_view_of_string(content));
}

cella_status cella_cbor_write_number(struct cella_bytes *out, int64_t value)
{
    return value < 0 ? cella_cbor_write_head(out, CELLA_CBOR_NEGATIVE, (uint64_t)(-1 - value))
                     : cella_cbor_write_head(out, CELLA_CBOR_UNSIGNED, (uint64_t) value);
}

cella_status cella_cbor_write_null(struct cella_bytes *out)
{
    return cella_write_u8(out, NULL_BYTE);
}
