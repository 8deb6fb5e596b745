/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/der.h"

static cella_status read_length(struct cella_reader *reader, size_t *out)
{
    uint8_t first;
    CELLA_TRY(cella_read_u8(reader, &first));
    *out = first;
    if (first < 0x80) {
        return CELLA_OK;
    }
    size_t count = first & 0x7fU;
    *out = 0;
    if (count == 0 || count > 3) {
        return CELLA_BAD_FORMAT;
    }
    for (size_t i = 0; i < count; i++) {
        uint8_t byte;
        CELLA_TRY(cella_read_u8(reader, &byte));
        if (i == 0 && byte == 0) {
            return CELLA_BAD_FORMAT; /* not the shortest form */
        }
        *out = *out << 8 | byte;
    }
    return *out < 0x80 ? CELLA_BAD_FORMAT : CELLA_OK;
}

cella_status cella_der_next(struct cella_reader *reader, uint8_t *tag, struct cella_view *content)
{
    size_t size;
    CELLA_TRY(cella_read_u8(reader, tag));
    if ((*tag & 0x1f) == 0x1f) {
        return CELLA_BAD_FORMAT; /* long tags do not occur here */
    }
    CELLA_TRY(read_length(reader, &size));
    return cella_read_view(reader, size, content);
}

cella_status cella_der_expect(struct cella_reader *reader, uint8_t tag, struct cella_view *content)
{
    uint8_t found;
    CELLA_TRY(cella_der_next(reader, &found, content));
    return found == tag ? CELLA_OK : CELLA_BAD_FORMAT;
}

cella_status cella_der_number(struct cella_view content, uint32_t *out)
{
    *out = 0;
    bool padded = content.size > 1 && content.data[0] == 0;
    if (content.size == 0 || content.size > 5 || (content.data[0] & 0x80) != 0 ||
        (padded && (content.data[1] & 0x80) == 0) || (content.size == 5 && content.data[0] != 0)) {
        return CELLA_BAD_FORMAT;
    }
    for (size_t i = 0; i < content.size; i++) {
        *out = *out << 8 | content.data[i];
    }
    return CELLA_OK;
}
