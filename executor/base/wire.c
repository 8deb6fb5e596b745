/* SPDX-License-Identifier: Apache-2.0 */
#include "base/wire.h"

#include <string.h>

cella_status cella_read_view(struct cella_reader *reader, size_t size, struct cella_view *out)
{
    *out = (struct cella_view){ 0 };
    if (reader->failed || size > reader->rest.size) {
        reader->failed = true;
        return CELLA_BAD_FORMAT;
    }
    *out = cella_view_of(reader->rest.data, size);
    if (size > 0) {
        reader->rest.data += size;
        reader->rest.size -= size;
    }
    return CELLA_OK;
}

static cella_status read_integer(struct cella_reader *reader, size_t size, uint64_t *out)
{
    struct cella_view view;
    *out = 0;
    CELLA_TRY(cella_read_view(reader, size, &view));
    for (size_t i = 0; i < size; i++) {
        *out = *out << 8 | view.data[i];
    }
    return CELLA_OK;
}

cella_status cella_read_u8(struct cella_reader *reader, uint8_t *out)
{
    uint64_t value;
    cella_status status = read_integer(reader, 1, &value);
    *out = (uint8_t) value;
    return status;
}

cella_status cella_read_u16(struct cella_reader *reader, uint16_t *out)
{
    uint64_t value;
    cella_status status = read_integer(reader, 2, &value);
    *out = (uint16_t) value;
    return status;
}

cella_status cella_read_u32(struct cella_reader *reader, uint32_t *out)
{
    uint64_t value;
    cella_status status = read_integer(reader, 4, &value);
    *out = (uint32_t) value;
    return status;
}

cella_status cella_read_u64(struct cella_reader *reader, uint64_t *out)
{
    return read_integer(reader, 8, out);
}

static cella_status read_little_endian(struct cella_reader *reader, size_t size, uint64_t *out)
{
    struct cella_view view;
    *out = 0;
    CELLA_TRY(cella_read_view(reader, size, &view));
    for (size_t i = size; i > 0; i--) {
        *out = *out << 8 | view.data[i - 1];
    }
    return CELLA_OK;
}

cella_status cella_read_u16_le(struct cella_reader *reader, uint16_t *out)
{
    uint64_t value;
    cella_status status = read_little_endian(reader, 2, &value);
    *out = (uint16_t) value;
    return status;
}

cella_status cella_read_u32_le(struct cella_reader *reader, uint32_t *out)
{
    uint64_t value;
    cella_status status = read_little_endian(reader, 4, &value);
    *out = (uint32_t) value;
    return status;
}

cella_status cella_read_u64_le(struct cella_reader *reader, uint64_t *out)
{
    return read_little_endian(reader, 8, out);
}

cella_status cella_read_fixed(struct cella_reader *reader, uint8_t *out, size_t size)
{
    struct cella_view view;
    CELLA_TRY(cella_read_view(reader, size, &view));
    if (size > 0) {
        memcpy(out, view.data, size);
    }
    return CELLA_OK;
}

cella_status cella_read_field(struct cella_reader *reader, size_t max, struct cella_view *out)
{
    uint32_t size;
    *out = (struct cella_view){ 0 };
    CELLA_TRY(cella_read_u32(reader, &size));
    if (size > max) {
        reader->failed = true;
        return CELLA_TOO_LARGE;
    }
    return cella_read_view(reader, size, out);
}

cella_status cella_reader_end(const struct cella_reader *reader)
{
    return reader->failed || reader->rest.size != 0 ? CELLA_BAD_FORMAT : CELLA_OK;
}

static cella_status write_integer(struct cella_bytes *out, uint64_t value, unsigned int size)
{
    uint8_t text[8];
    for (unsigned int i = 0; i < size; i++) {
        text[i] = (uint8_t) (value >> (8 * (size - 1 - i)));
    }
    return cella_bytes_append(out, cella_view_of(text, size));
}

cella_status cella_write_u8(struct cella_bytes *out, uint8_t value)
{
    return write_integer(out, value, 1);
}

cella_status cella_write_u16(struct cella_bytes *out, uint16_t value)
{
    return write_integer(out, value, 2);
}

cella_status cella_write_u32(struct cella_bytes *out, uint32_t value)
{
    return write_integer(out, value, 4);
}

cella_status cella_write_u64(struct cella_bytes *out, uint64_t value)
{
    return write_integer(out, value, 8);
}

cella_status cella_write_field(struct cella_bytes *out, struct cella_view field)
{
    if (field.size > UINT32_MAX) {
        return CELLA_TOO_LARGE;
    }
    CELLA_TRY(cella_write_u32(out, (uint32_t) field.size));
    return cella_bytes_append(out, field);
}
