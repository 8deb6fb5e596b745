/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "trust/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take_some(const json_t *json)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes bytes = { 0 };
    struct cella_json_error error = { "" };
    struct cella_json_object object;
    const char *text = NULL;
    int64_t number = 5;
    bool flag = false;
    json_t *value = NULL;
    uint8_t fixed[4];
    size_t failures = 0;
    failures += cella_json_begin(json, "top", &error, &object) != CELLA_OK;
    failures += cella_json_string_optional(&object, "s", 8, &text) != CELLA_OK;
    failures += cella_json_integer_optional(&object, "i", -9, 9, &number) != CELLA_OK;
    failures += cella_json_boolean_optional(&object, "b", &flag) != CELLA_OK;
    failures += cella_json_member_optional(&object, "o", JSON_OBJECT, &value) != CELLA_OK;
    failures += cella_json_fixed(&object, "f", fixed, sizeof(fixed)) != CELLA_OK;
    failures += cella_json_bytes(&object, "x", 8, &bytes) != CELLA_OK;
    failures += cella_json_end(&object) != CELLA_OK;
    assert(number >= -9 && number <= 9);
    assert(bytes.size <= 8);
    assert(text == NULL || strlen(text) <= 8);
    assert(failures == 0 || error.field[0] != '\0');
    if (value != NULL) {
        take_some(value);
    }
}

/* What was parsed, written and parsed again is the same value. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CELLA_CLEANUP(cella_json_cleanup) json_t *json = NULL;
    CELLA_CLEANUP(cella_json_cleanup) json_t *again = NULL;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    if (cella_json_parse(cella_view_of(data, size), 65536, &json) != CELLA_OK) {
        assert(json == NULL);
        return 0;
    }
    take_some(json);
    cella_status status = cella_json_write(json, &text);
    assert(status == CELLA_OK);
    status = cella_json_parse(cella_bytes_view(&text), SIZE_MAX, &again);
    assert(status == CELLA_OK && json_equal(json, again));
    return 0;
}
