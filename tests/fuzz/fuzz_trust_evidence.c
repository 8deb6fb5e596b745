/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "trust/evidence_soft.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Root: the public key of the zero seed. */
static const char policy_text[] =
    "{\"version\":1,\"accept\":[\"soft\"],\"measurement\":[{\"name\":\"zero\",\"type\":\"soft\",\"value\":\"sha256:"
    "0000000000000000000000000000000000000000000000000000000000000000\"}],"
    "\"soft\":{\"roots\":[\"ed25519:O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik\"],\"layers\":[]}}";

/* The one evidence that the policy accepts: root seed, keys, measurement and nonce are all zero or empty. */
static void make_accepted(struct cella_binding *binding, struct cella_policy *policy, struct cella_bytes *evidence)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret seed = { 0 };
    const uint8_t measurement[CELLA_SHA256_SIZE] = { 0 };
    uint8_t report_data[CELLA_REPORT_DATA_SIZE];
    *binding = (struct cella_binding){ .kind = CELLA_BINDING_EXECUTOR, .role = CELLA_ROLE_EXECUTOR };
    cella_status status = cella_policy_parse(cella_view_of_string(policy_text), NULL, policy);
    assert(status == CELLA_OK);
    status = cella_secret_resize(&seed, CELLA_ED25519_KEY_SIZE);
    assert(status == CELLA_OK);
    status =
        cella_evidence_report_data(binding->role, &binding->keys, binding->charter, binding->nonce, report_data);
    assert(status == CELLA_OK);
    status = cella_evidence_soft_make(&seed, 0, measurement, report_data, 0, evidence);
    assert(status == CELLA_OK);
}

/* Nothing but that evidence passes, and the report never says more than the verdict. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes accepted = { 0 };
    CELLA_CLEANUP(cella_policy_clear) struct cella_policy policy = { 0 };
    struct cella_binding binding;
    struct cella_report report;
    const struct cella_evidence evidence = { .type = CELLA_EVIDENCE_SOFT, .content = cella_view_of(data, size) };
    make_accepted(&binding, &policy, &accepted);
    cella_status status = cella_evidence_appraise(&evidence, &binding, &policy, 0, &report);
    assert(status == report.status);
    assert((status == CELLA_OK) == cella_view_equal(evidence.content, cella_bytes_view(&accepted)));
    assert((status == CELLA_OK) == (report.level == 2));
    for (size_t i = 0; i < report.check_count; i++) {
        assert(status != CELLA_OK || report.checks[i].outcome == CELLA_CHECK_PASSED);
    }
    return 0;
}
