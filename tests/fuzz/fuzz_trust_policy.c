/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "trust/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A policy either demands something of everything, or accepts nothing. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cella_policy policy;
    char field[64];
    cella_status status = cella_policy_parse(cella_view_of(data, size), field, &policy);
    assert(memchr(field, '\0', sizeof(field)) != NULL);
    if (status != CELLA_OK) {
        assert(status == CELLA_BAD_POLICY);
        assert(!policy.accept_soft && policy.measurement_count == 0 && policy.soft_root_count == 0);
        return 0;
    }
    assert(policy.min_level >= 1 && policy.min_level <= 5);
    assert(policy.accept_soft && policy.soft_root_count > 0 && policy.soft_root_count <= CELLA_POLICY_ROOTS_MAX);
    assert(policy.measurement_count > 0 && policy.measurement_count <= CELLA_POLICY_MEASUREMENTS_MAX);
    for (size_t i = 0; i < policy.measurement_count; i++) {
        const struct cella_policy_measurement *measurement = &policy.measurements[i];
        assert(measurement->type == CELLA_EVIDENCE_SOFT);
        assert(measurement->size == 32 || measurement->size == 48);
        assert(measurement->name[0] != '\0' && strlen(measurement->name) <= CELLA_NAME_MAX);
    }
    return 0;
}
