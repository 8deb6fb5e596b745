/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "trust/der.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Elements one after the other, and into sequences: always forward, always inside. */
static void walk(struct cella_view text, unsigned int depth)
{
    struct cella_reader reader = cella_reader_of(text);
    while (reader.rest.size > 0 && depth < 16) {
        size_t before = reader.rest.size;
        struct cella_view content;
        uint32_t number;
        uint8_t tag;
        if (cella_der_next(&reader, &tag, &content) != CELLA_OK) {
            return;
        }
        assert(reader.rest.size + content.size < before);
        assert(content.data >= text.data && content.data + content.size <= text.data + text.size);
        if (cella_der_number(content, &number) == CELLA_OK) {
            assert(content.size >= 1 && content.size <= 5);
        }
        walk(content, depth + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    walk(cella_view_of(data, size), 0);
    return 0;
}
