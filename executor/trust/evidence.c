/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/evidence.h"

#include <stdio.h>
#include <string.h>

#include "base/wire.h"
#include "trust/evidence_soft.h"

#define EVIDENCE_LABEL "cella evidence v1"
#define SESSION_LABEL "cella session v1"

static const char *role_name(enum cella_role role)
{
    switch (role) {
    case CELLA_ROLE_EXECUTOR:
        return "executor";
    }
    return NULL;
}

cella_status cella_evidence_report_data(enum cella_role role, const struct cella_key_set *keys,
                                        struct cella_view charter, struct cella_view nonce,
                                        uint8_t out[CELLA_REPORT_DATA_SIZE])
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes message = { 0 };
    uint8_t key_bytes[sizeof(keys->sign) + sizeof(keys->seal)];
    uint8_t digest[CELLA_SHA256_SIZE];
    const char *name = role_name(role);
    if (name == NULL) {
        return CELLA_BAD_FIELD;
    }
    if (charter.size > CELLA_CHARTER_MAX || (nonce.size != 0 && nonce.size != CELLA_NONCE_SIZE)) {
        return CELLA_BAD_SIZE;
    }
    memcpy(key_bytes, keys->sign, sizeof(keys->sign));
    memcpy(key_bytes + sizeof(keys->sign), keys->seal, sizeof(keys->seal));
    CELLA_TRY(cella_write_field(&message, cella_view_of_string(EVIDENCE_LABEL)));
    CELLA_TRY(cella_write_field(&message, cella_view_of_string(name)));
    CELLA_TRY(cella_sha256(cella_view_of(key_bytes, sizeof(key_bytes)), digest));
    CELLA_TRY(cella_write_field(&message, cella_view_of(digest, sizeof(digest))));
    CELLA_TRY(cella_sha256(charter, digest));
    CELLA_TRY(cella_write_field(&message, cella_view_of(digest, sizeof(digest))));
    CELLA_TRY(cella_write_field(&message, nonce));
    return cella_sha512(cella_bytes_view(&message), out);
}

cella_status cella_session_message(const uint8_t exporter[CELLA_EXPORTER_SIZE],
                                   const uint8_t spki_sha256[CELLA_SHA256_SIZE], struct cella_view client_nonce,
                                   struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes message = { 0 };
    CELLA_TRY(cella_write_field(&message, cella_view_of_string(SESSION_LABEL)));
    CELLA_TRY(cella_write_field(&message, cella_view_of(exporter, CELLA_EXPORTER_SIZE)));
    CELLA_TRY(cella_write_field(&message, cella_view_of(spki_sha256, CELLA_SHA256_SIZE)));
    CELLA_TRY(cella_write_field(&message, client_nonce));
    return cella_bytes_append(out, cella_bytes_view(&message));
}

/* One kind of evidence: what parses it, what it is worth at best, and what it never proves. */
struct back_end {
    enum cella_evidence_type type;
    cella_status (*open)(struct cella_view evidence, struct cella_claims *out);
    int level;
    const char *level_reason;
    const char *not_checked[3]; /* ends with NULL */
};

static const struct back_end back_ends[] = {
    { CELLA_EVIDENCE_SOFT,
      cella_evidence_soft_open,
      2,
      "software root: the host operator could forge this evidence",
      { "that hardware isolates the executor: software evidence can not show it",
        "that the host does not read the executor's memory", NULL } },
};

struct appraisal {
    struct cella_view evidence;
    enum cella_evidence_type type;
    const struct cella_binding *binding;
    const struct cella_policy *policy;
    const struct back_end *back_end; /* set by the first check */
    struct cella_report *report;
    char *detail; /* of the check that runs, CELLA_REPORT_TEXT_MAX characters */
};

static void explain(struct appraisal *appraisal, const char *text)
{
    (void) snprintf(appraisal->detail, CELLA_REPORT_TEXT_MAX, "%s", text);
}

static bool type_accepted(const struct cella_policy *policy, enum cella_evidence_type type)
{
    switch (type) {
    case CELLA_EVIDENCE_NONE:
        return false;
    case CELLA_EVIDENCE_SOFT:
        return policy->accept_soft;
    }
    return false;
}

static cella_status check_type(struct appraisal *appraisal)
{
    for (size_t i = 0; i < sizeof(back_ends) / sizeof(back_ends[0]); i++) {
        if (back_ends[i].type == appraisal->type) {
            appraisal->back_end = &back_ends[i];
        }
    }
    const char *verdict = "accepted";
    if (appraisal->back_end == NULL || !type_accepted(appraisal->policy, appraisal->type)) {
        verdict = "not accepted";
    }
    (void) snprintf(appraisal->detail, CELLA_REPORT_TEXT_MAX, "evidence of type %s is %s by the trust file",
                    cella_evidence_type_name(appraisal->type), verdict);
    return verdict[0] == 'a' ? CELLA_OK : CELLA_EVIDENCE_TYPE;
}

static cella_status check_signature(struct appraisal *appraisal)
{
    cella_status status = CELLA_BAD_FORMAT;
    if (appraisal->evidence.size <= CELLA_EVIDENCE_MAX) {
        status = appraisal->back_end->open(appraisal->evidence, &appraisal->report->claims);
    }
    if (status == CELLA_BAD_FORMAT) {
        explain(appraisal, "evidence is malformed");
        return CELLA_BAD_EVIDENCE;
    }
    if (status == CELLA_BAD_SIGNATURE) {
        explain(appraisal, "evidence was changed, or is not signed by the root that it names");
        return CELLA_BAD_EVIDENCE;
    }
    explain(appraisal, status == CELLA_OK ? "signed by the root that it names" : cella_status_text(status));
    return status;
}

static cella_status check_root(struct appraisal *appraisal)
{
    const struct cella_policy *policy = appraisal->policy;
    const uint8_t *root = appraisal->report->claims.root;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes name = { 0 };
    CELLA_TRY(cella_base64url_encode(cella_view_of(root, CELLA_ED25519_KEY_SIZE), &name));
    CELLA_TRY(cella_bytes_append(&name, cella_view_of("", 1)));
    for (size_t i = 0; i < policy->soft_root_count && i < CELLA_POLICY_ROOTS_MAX; i++) {
        if (memcmp(policy->soft_roots[i], root, CELLA_ED25519_KEY_SIZE) == 0) {
            (void) snprintf(appraisal->report->anchor, sizeof(appraisal->report->anchor),
                            "software root ed25519:%s, pinned in the trust file", (const char *) name.data);
            explain(appraisal, "the root is pinned in the trust file");
            return CELLA_OK;
        }
    }
    (void) snprintf(appraisal->detail, CELLA_REPORT_TEXT_MAX, "root ed25519:%s is not in the trust file",
                    (const char *) name.data);
    return CELLA_ROOT;
}

static cella_status check_binding(struct appraisal *appraisal)
{
    const struct cella_binding *binding = appraisal->binding;
    uint8_t expected[CELLA_REPORT_DATA_SIZE];
    CELLA_TRY(
        cella_evidence_report_data(binding->role, &binding->keys, binding->charter, binding->nonce, expected));
    if (!cella_equal_constant_time(expected, appraisal->report->claims.report_data, sizeof(expected))) {
        explain(appraisal, "evidence was made for other keys, another charter or another nonce");
        return CELLA_BINDING;
    }
    explain(appraisal, binding->nonce.size > 0 ? "bound to the executor's keys, charter and your nonce"
                                               : "bound to the executor's keys and charter");
    return CELLA_OK;
}

static cella_status check_measurement(struct appraisal *appraisal)
{
    const struct cella_policy *policy = appraisal->policy;
    const struct cella_claims *claims = &appraisal->report->claims;
    for (size_t i = 0; i < policy->measurement_count && i < CELLA_POLICY_MEASUREMENTS_MAX; i++) {
        const struct cella_policy_measurement *listed = &policy->measurements[i];
        if (listed->type == claims->type && listed->size == claims->measurement_size && listed->size > 0 &&
            memcmp(listed->value, claims->measurement, listed->size) == 0) {
            memcpy(appraisal->report->measurement_name, listed->name, sizeof(listed->name));
            (void) snprintf(appraisal->detail, CELLA_REPORT_TEXT_MAX, "the trust file lists it as \"%s\"",
                            listed->name);
            return CELLA_OK;
        }
    }
    char digits[2 * CELLA_MEASUREMENT_MAX + 1];
    cella_hex_encode(cella_view_of(claims->measurement, claims->measurement_size), digits);
    (void) snprintf(appraisal->detail, CELLA_REPORT_TEXT_MAX, "measurement %s is not in the trust file", digits);
    return CELLA_MEASUREMENT;
}

static cella_status check_charter(struct appraisal *appraisal)
{
    uint8_t digest[CELLA_SHA256_SIZE];
    CELLA_TRY(cella_sha256(appraisal->binding->charter, digest));
    if (!cella_equal_constant_time(digest, appraisal->policy->charter_sha256, sizeof(digest))) {
        char digits[2 * CELLA_SHA256_SIZE + 1];
        cella_hex_encode(cella_view_of(digest, sizeof(digest)), digits);
        (void) snprintf(appraisal->detail, CELLA_REPORT_TEXT_MAX, "charter %s is not the pinned one", digits);
        return CELLA_CHARTER;
    }
    explain(appraisal, "the charter is the one pinned in the trust file");
    return CELLA_OK;
}

static cella_status check_layers(struct appraisal *appraisal)
{
    uint32_t missing = appraisal->policy->soft_layers & ~appraisal->report->claims.layers;
    if (missing == 0) {
        explain(appraisal, appraisal->policy->soft_layers == 0 ? "the trust file requires none"
                                                               : "every required sandbox layer is in force");
        return CELLA_OK;
    }
    size_t used = (size_t) snprintf(appraisal->detail, CELLA_REPORT_TEXT_MAX, "missing:");
    for (unsigned int bit = 0; bit < 32 && used < CELLA_REPORT_TEXT_MAX; bit++) {
        const char *name = cella_layer_name(bit);
        if ((missing >> bit & 1) != 0 && name != NULL) {
            used += (size_t) snprintf(appraisal->detail + used, CELLA_REPORT_TEXT_MAX - used, " %s", name);
        }
    }
    return CELLA_LAYERS;
}

static cella_status check_level(struct appraisal *appraisal)
{
    struct cella_report *report = appraisal->report;
    report->level = appraisal->back_end->level;
    (void) snprintf(report->level_reason, sizeof(report->level_reason), "%s", appraisal->back_end->level_reason);
    (void) snprintf(appraisal->detail, CELLA_REPORT_TEXT_MAX, "level %d, at least %d required", report->level,
                    appraisal->policy->min_level);
    return report->level >= appraisal->policy->min_level ? CELLA_OK : CELLA_LEVEL;
}

static const struct {
    const char *name;
    cella_status (*run)(struct appraisal *appraisal);
    bool only_if_pinned; /* the charter: unpinned, it is listed as not checked */
} checks[] = {
    { "type", check_type, false },
    { "signature", check_signature, false },
    { "root", check_root, false },
    { "binding", check_binding, false },
    { "measurement", check_measurement, false },
    { "charter", check_charter, true },
    { "layers", check_layers, false },
    { "level", check_level, false },
};

#define CHECK_COUNT (sizeof(checks) / sizeof(checks[0]))

static void list_not_checked(struct cella_report *report, const char *sentence)
{
    if (report->not_checked_count < CELLA_REPORT_CHECKS_MAX) {
        report->not_checked[report->not_checked_count++] = sentence;
    }
}

static void list_all_not_checked(const struct appraisal *appraisal)
{
    struct cella_report *report = appraisal->report;
    const struct back_end *back_end = appraisal->back_end;
    for (size_t i = 0; back_end != NULL && back_end->not_checked[i] != NULL; i++) {
        list_not_checked(report, back_end->not_checked[i]);
    }
    if (appraisal->binding->nonce.size == 0) {
        list_not_checked(report, "that the evidence is fresh: no nonce was given");
    }
    if (!appraisal->policy->charter_pinned) {
        list_not_checked(report, "the charter: the trust file does not pin it");
    }
    if (appraisal->policy->soft_layers == 0) {
        list_not_checked(report, "the sandbox layers: the trust file requires none");
    }
}

/* Run the check into its entry of the report. */
static cella_status run_check(struct appraisal *appraisal, size_t number, struct cella_check *entry)
{
    appraisal->detail = entry->detail;
    entry->status = checks[number].run(appraisal);
    entry->outcome = entry->status == CELLA_OK ? CELLA_CHECK_PASSED : CELLA_CHECK_FAILED;
    if (entry->detail[0] == '\0') {
        explain(appraisal, cella_status_text(entry->status));
    }
    return entry->status;
}

cella_status cella_evidence_appraise(struct cella_view evidence, enum cella_evidence_type type,
                                     const struct cella_binding *binding, const struct cella_policy *policy,
                                     uint64_t now_unix_s, struct cella_report *out)
{
    /* No certificate in software evidence can expire, and its own time is the executor's word. */
    (void) now_unix_s;
    struct appraisal appraisal = { evidence, type, binding, policy, NULL, out, NULL };
    cella_status status = CELLA_OK;
    *out = (struct cella_report){ .status = CELLA_BAD_EVIDENCE };
    for (size_t i = 0; i < CHECK_COUNT; i++) {
        if (checks[i].only_if_pinned && !policy->charter_pinned) {
            continue;
        }
        struct cella_check *entry = &out->checks[out->check_count++];
        entry->name = checks[i].name;
        if (status == CELLA_OK) {
            status = run_check(&appraisal, i, entry);
        }
    }
    list_all_not_checked(&appraisal);
    out->status = status;
    return status;
}
