/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "trust/cbor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Skipping goes forward and stays inside; a head that was read is written back as the same bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cella_reader reader = cella_reader_of(cella_view_of(data, size));
    while (reader.rest.size > 0) {
        size_t before = reader.rest.size;
        if (cella_cbor_skip(&reader) != CELLA_OK) {
            break;
        }
        assert(reader.rest.size < before);
    }
    reader = cella_reader_of(cella_view_of(data, size));
    for (const uint8_t *start = data; reader.rest.size > 0; start = reader.rest.data) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes again = { 0 };
        struct cella_cbor_item item;
        if (cella_cbor_next(&reader, &item) != CELLA_OK) {
            break;
        }
        if (item.indefinite || item.kind == CELLA_CBOR_SIMPLE) {
            continue;
        }
        cella_status status = cella_cbor_write_head(&again, item.kind, item.value);
        assert(status == CELLA_OK);
        assert(again.size + item.content.size == (size_t) (reader.rest.data - start));
        assert(cella_view_equal(cella_bytes_view(&again), cella_view_of(start, again.size)));
    }
    return 0;
}
