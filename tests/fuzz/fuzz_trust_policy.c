/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "trust/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A policy either demands something of everything, or accepts nothing. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CELLA_CLEANUP(cella_policy_clear) struct cella_policy policy = { 0 };
    char field[CELLA_FIELD_MAX];
    cella_status status = cella_policy_parse(cella_view_of(data, size), field, &policy);
    assert(memchr(field, '\0', sizeof(field)) != NULL);
    if (status != CELLA_OK) {
        assert(status == CELLA_BAD_POLICY);
        assert(policy.json == NULL && policy.accepts == 0);
        return 0;
    }
    assert(policy.min_level >= 1 && policy.min_level <= 5);
    assert(policy.accepts != 0 && (policy.accepts & 1) == 0);
    assert(json_array_size(json_object_get(policy.json, "measurement")) > 0 ||
           json_integer_value(json_object_get(json_object_get(policy.json, "auditors"), "threshold")) > 0);
    return 0;
}
