/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "base/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One read chosen by the operation; writes what was read, so that the copy can be compared. */
static cella_status step(struct cella_reader *reader, uint8_t operation, struct cella_bytes *copy)
{
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    struct cella_view view;
    switch (operation % 6) {
    case 0:
        CELLA_TRY(cella_read_u8(reader, &u8));
        return cella_write_u8(copy, u8);
    case 1:
        CELLA_TRY(cella_read_u16(reader, &u16));
        return cella_write_u16(copy, u16);
    case 2:
        CELLA_TRY(cella_read_u32(reader, &u32));
        return cella_write_u32(copy, u32);
    case 3:
        CELLA_TRY(cella_read_u64(reader, &u64));
        return cella_write_u64(copy, u64);
    case 4:
        CELLA_TRY(cella_read_view(reader, operation / 6, &view));
        return cella_bytes_append(copy, view);
    default:
        CELLA_TRY(cella_read_field(reader, 64, &view));
        assert(view.size <= 64);
        return cella_write_field(copy, view);
    }
}

/* First byte: number of operations; then the operations; then the message. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes copy = { 0 };
    if (size == 0 || size - 1 < data[0]) {
        return 0;
    }
    size_t count = data[0];
    struct cella_view message = cella_view_of(data + 1 + count, size - 1 - count);
    struct cella_reader reader = cella_reader_of(message);
    bool failed = false;
    for (size_t i = 0; i < count; i++) {
        size_t before = reader.rest.size;
        cella_status status = step(&reader, data[1 + i], &copy);
        assert(!failed || status != CELLA_OK);
        failed = failed || status != CELLA_OK;
        assert(reader.rest.size <= before);
    }
    assert(copy.size <= message.size &&
           cella_view_equal(cella_bytes_view(&copy), cella_view_of(message.data, copy.size)));
    if (cella_reader_end(&reader) == CELLA_OK) {
        assert(!failed && copy.size == message.size);
    }
    return 0;
}
