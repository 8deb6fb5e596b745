/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "trust/json.h"
#include "trust/signed_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is cut out lies inside of the text, is an object by its braces, and a JSON parser sees the same end. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CELLA_CLEANUP(cella_json_cleanup) json_t *json = NULL;
    struct cella_view inner = { 0 };
    uint8_t signature[64];
    char text[32];
    uint64_t time;
    if (cella_signed_json_split(cella_view_of(data, size), "tcbInfo", &inner, signature) == CELLA_OK) {
        assert(inner.data >= data && inner.data + inner.size <= data + size && inner.size >= 2);
        assert(inner.data[0] == '{' && inner.data[inner.size - 1] == '}');
        cella_status status = cella_json_parse(inner, CELLA_SIGNED_JSON_MAX, &json);
        assert((status == CELLA_OK) == (json != NULL));
    }
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = i + 1 < sizeof(text) && i < size ? (char) data[i] : '\0';
    }
    if (cella_time_of_text(text, &time) == CELLA_OK) {
        assert(time <= 253402300800U);
    }
    return 0;
}
