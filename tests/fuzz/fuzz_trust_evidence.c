/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "trust/evidence_soft.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The one evidence that the policy below accepts: root seed, keys, measurement and nonce are all zero or empty. */
static void make_accepted(struct cella_binding *binding, struct cella_policy *policy, struct cella_bytes *evidence)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret seed = { 0 };
    uint8_t report_data[CELLA_REPORT_DATA_SIZE];
    *binding = (struct cella_binding){ .role = CELLA_ROLE_EXECUTOR };
    *policy = (struct cella_policy){ .min_level = 2, .accept_soft = true, .measurement_count = 1 };
    policy->measurements[0].type = CELLA_EVIDENCE_SOFT;
    policy->measurements[0].size = CELLA_SHA256_SIZE;
    policy->soft_root_count = 1;
    cella_status status = cella_secret_resize(&seed, CELLA_ED25519_KEY_SIZE);
    assert(status == CELLA_OK);
    status = cella_ed25519_public(&seed, policy->soft_roots[0]);
    assert(status == CELLA_OK);
    status =
        cella_evidence_report_data(binding->role, &binding->keys, binding->charter, binding->nonce, report_data);
    assert(status == CELLA_OK);
    status = cella_evidence_soft_make(&seed, 0, policy->measurements[0].value, report_data, 0, evidence);
    assert(status == CELLA_OK);
}

/* Nothing but that evidence passes, and the report never says more than the verdict. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes accepted = { 0 };
    struct cella_binding binding;
    struct cella_policy policy;
    struct cella_report report;
    struct cella_view input = cella_view_of(data, size);
    make_accepted(&binding, &policy, &accepted);
    cella_status status = cella_evidence_appraise(input, CELLA_EVIDENCE_SOFT, &binding, &policy, 0, &report);
    assert(status == report.status);
    assert((status == CELLA_OK) == cella_view_equal(input, cella_bytes_view(&accepted)));
    assert((status == CELLA_OK) == (report.level == 2));
    for (size_t i = 0; i < report.check_count; i++) {
        assert(status != CELLA_OK || report.checks[i].outcome == CELLA_CHECK_PASSED);
    }
    return 0;
}
