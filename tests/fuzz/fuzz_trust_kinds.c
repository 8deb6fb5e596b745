/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/wire.h"
#include "trust/back_end.h"
#include "trust/evidence.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW 1750809600U /* 2025-06-25: certificates of most seeds are valid */
#define VALUE "ffffffffffffffffffffffffffffffff"

/* A policy for each kind that lets everything pass which has a valid form, but no measurement that exists. */
static const struct {
    enum cella_evidence_type type;
    const char *measurement;
    const char *section;
} kinds[] = {
    { CELLA_EVIDENCE_SNP, "\"value\":\"sha384:" VALUE VALUE VALUE "\"",
      "{\"products\":[\"milan\",\"genoa\",\"siena\",\"turin\"],\"keys\":[\"vcek\",\"vlek\"],\"revocation\":\"any\"}" },
    { CELLA_EVIDENCE_TDX,
      "\"value\":\"sha384:" VALUE VALUE VALUE "\",\"registers\":{\"rtmr1\":\"" VALUE VALUE VALUE "\",\"rtmr2\":\"" VALUE VALUE VALUE "\"}", "{}" },
    { CELLA_EVIDENCE_SGX, "\"value\":\"sha256:" VALUE VALUE "\"", "{}" },
    { CELLA_EVIDENCE_NITRO,
      "\"value\":\"sha384:" VALUE VALUE VALUE "\",\"registers\":{\"pcr1\":\"" VALUE VALUE VALUE "\",\"pcr2\":\"" VALUE VALUE VALUE "\"}", "{}" },
    { CELLA_EVIDENCE_TPM, "\"registers\":{\"pcr0\":\"" VALUE VALUE "\"}", "{\"pcrs\":[0,4,7,11]}" },
    { CELLA_EVIDENCE_AZ_SNP,
      "\"value\":\"sha384:" VALUE VALUE VALUE "\",\"registers\":{\"pcr0\":\"" VALUE VALUE "\"}", "{\"pcrs\":[0]}" },
    { CELLA_EVIDENCE_AZ_TDX,
      "\"value\":\"sha384:" VALUE VALUE VALUE "\",\"registers\":{\"pcr0\":\"" VALUE VALUE "\"}", "{\"pcrs\":[0]}" },
};

static void read_policy(size_t kind, struct cella_policy *policy)
{
    char text[2048];
    const char *name = cella_evidence_type_name(kinds[kind].type);
    (void) snprintf(text, sizeof(text),
                    "{\"version\":1,\"accept\":[\"%s\"],\"measurement\":[{\"name\":\"none\",\"type\":\"%s\",%s}],\"%s\":%s}",
                    name, name, kinds[kind].measurement, name, kinds[kind].section);
    cella_status status = cella_policy_parse(cella_view_of_string(text), NULL, policy);
    assert(status == CELLA_OK);
}

static void check_report(const struct cella_report *report)
{
    bool failed = false;
    assert(report->check_count > 0 && report->check_count <= CELLA_REPORT_CHECKS_MAX);
    assert(report->claims.count <= CELLA_CLAIMS_MAX);
    for (size_t i = 0; i < report->claims.count; i++) {
        assert(report->claims.list[i].size <= CELLA_CLAIM_SIZE_MAX && report->claims.list[i].name != NULL);
    }
    for (size_t i = 0; i < report->check_count; i++) {
        const struct cella_check *check = &report->checks[i];
        assert((check->outcome == CELLA_CHECK_FAILED) == (check->status != CELLA_OK));
        failed = failed || check->outcome == CELLA_CHECK_FAILED;
    }
    assert(failed);
    assert(report->level == 0 && report->measurement_name[0] == '\0');
}

/* Nothing passes. Input: u8 kind, field evidence, then endorsements as on the wire. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CELLA_CLEANUP(cella_policy_clear) struct cella_policy policy = { 0 };
    const struct cella_binding binding = { .kind = CELLA_BINDING_NONE };
    struct cella_reader reader = cella_reader_of(cella_view_of(data, size));
    struct cella_evidence evidence;
    struct cella_report report;
    uint8_t kind;
    if (cella_read_u8(&reader, &kind) != CELLA_OK || kind >= sizeof(kinds) / sizeof(kinds[0]) ||
        cella_read_field(&reader, 2 * CELLA_EVIDENCE_MAX, &evidence.content) != CELLA_OK ||
        cella_endorsements_read(reader.rest, &evidence.endorsements) != CELLA_OK) {
        return 0;
    }
    evidence.type = kinds[kind].type;
    read_policy(kind, &policy);
    cella_status status = cella_evidence_appraise(&evidence, &binding, &policy, NOW, &report);
    assert(status == report.status && status != CELLA_OK);
    check_report(&report);
    return 0;
}
