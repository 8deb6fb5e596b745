/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/evidence.h"

#include <stdio.h>
#include <string.h>

#include "base/wire.h"
#include "trust/evidence_log.h"
#include "trust/measurement.h"

#define EVIDENCE_LABEL "cella evidence v1"
#define SESSION_LABEL "cella session v1"

static const char *role_name(enum cella_role role)
{
    switch (role) {
    case CELLA_ROLE_EXECUTOR:
        return "executor";
    case CELLA_ROLE_MUTUAL_INITIATOR:
        return "mutual initiator";
    case CELLA_ROLE_MUTUAL_RESPONDER:
        return "mutual responder";
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

/* ---- the flow ---- */

#define FUTURE_SLACK_S 300U /* clocks differ */

struct appraisal {
    const struct cella_evidence *evidence;
    const struct cella_binding *binding;
    const struct cella_policy *policy;
    const struct cella_back_end *back_end; /* set by the first step */
    uint64_t now_unix_s;
    struct cella_report *report;
    struct cella_parsed parsed;
    struct cella_certificates helpers;
    struct cella_chain chain;
    struct cella_text *detail; /* of the check that runs */
};

static struct cella_context context_of(const struct appraisal *appraisal)
{
    return (struct cella_context){
        .endorsements = &appraisal->evidence->endorsements,
        .policy = appraisal->policy,
        .now_unix_s = appraisal->now_unix_s,
        .parsed = &appraisal->parsed,
        .chain = &appraisal->chain,
        .detail = appraisal->detail,
    };
}

static cella_status check_type(struct appraisal *appraisal)
{
    bool accepted = appraisal->back_end != NULL && cella_policy_accepts(appraisal->policy, appraisal->evidence->type);
    if (appraisal->evidence->type == CELLA_EVIDENCE_NONE) {
        cella_text_set(appraisal->detail, appraisal->evidence->content.size == 0
                                              ? "there is no evidence: it is empty"
                                              : "this is no evidence of any kind that this library knows");
        return CELLA_EVIDENCE_TYPE;
    }
    cella_text_set(appraisal->detail, "evidence of type %s is %s by the trust file",
                   cella_evidence_type_name(appraisal->evidence->type), accepted ? "accepted" : "not accepted");
    return accepted ? CELLA_OK : CELLA_EVIDENCE_TYPE;
}

static cella_status check_format(struct appraisal *appraisal)
{
    if (appraisal->evidence->content.size > CELLA_EVIDENCE_MAX) {
        cella_text_set(appraisal->detail, "evidence has more than %u bytes", CELLA_EVIDENCE_MAX);
        return CELLA_BAD_EVIDENCE;
    }
    cella_status status = appraisal->back_end->parse(appraisal->evidence->content, &appraisal->evidence->endorsements,
                                                     &appraisal->report->claims, &appraisal->parsed,
                                                     appraisal->detail);
    if (status == CELLA_OK) {
        cella_text_set(appraisal->detail, "well-formed evidence of %s", appraisal->back_end->title);
        return CELLA_OK;
    }
    if (appraisal->detail->characters[0] == '\0') {
        cella_text_set(appraisal->detail, "evidence is malformed");
    }
    return status == CELLA_ENDORSEMENT || status == CELLA_NO_MEMORY ? status : CELLA_BAD_EVIDENCE;
}

static cella_status check_chain(struct appraisal *appraisal)
{
    const struct cella_chain_rules *rules = appraisal->parsed.chain_rules;
    struct cella_report *report = appraisal->report;
    struct cella_context context = context_of(appraisal);
    if (rules == NULL) {
        return appraisal->back_end->anchor(&context, &report->claims, &report->anchor);
    }
    CELLA_TRY(cella_anchors_helpers(rules->family, &appraisal->parsed.certificates, &appraisal->helpers));
    CELLA_TRY(cella_chain_verify(&appraisal->parsed.certificates, &appraisal->helpers, appraisal->parsed.crls,
                                 appraisal->parsed.crl_count, &appraisal->policy->anchors, rules,
                                 appraisal->now_unix_s, &appraisal->chain, appraisal->detail));
    const struct cella_anchor *anchor = appraisal->chain.anchor;
    cella_text_set(&report->anchor, "%s, pinned in %s", anchor->name,
                   anchor->pinned_here ? "this library" : "the trust file");
    cella_text_set(appraisal->detail, "%zu certificates up to %s", appraisal->chain.count, anchor->name);
    return CELLA_OK;
}

static cella_status check_revocation(struct appraisal *appraisal)
{
    struct cella_context context = context_of(appraisal);
    if (appraisal->back_end->revocation != NULL) {
        return appraisal->back_end->revocation(&context, &appraisal->report->claims);
    }
    cella_text_set(appraisal->detail, "no certificate of the chain is revoked"); /* the chain rules have seen to it */
    return CELLA_OK;
}

static cella_status verify_one(const struct cella_signed *one, const struct cella_public_key *leaf)
{
    if (one->ed25519.size == CELLA_ED25519_KEY_SIZE) {
        return cella_ed25519_verify(one->ed25519.data, one->message, one->signature);
    }
    const struct cella_public_key *key = one->by_leaf ? leaf : one->key;
    return key == NULL ? CELLA_BAD_SIGNATURE
                       : cella_signature_verify(key, one->form, one->hash, one->message, one->signature);
}

static cella_status check_signature(struct appraisal *appraisal)
{
    CELLA_CLEANUP(cella_public_key_cleanup) struct cella_public_key *leaf = NULL;
    if (appraisal->chain.count > 0) {
        CELLA_TRY(cella_certificate_key(appraisal->chain.list[0], &leaf));
    }
    cella_text_set(appraisal->detail, "signed:");
    for (size_t i = 0; i < appraisal->parsed.signature_count; i++) {
        const struct cella_signed *one = &appraisal->parsed.signatures[i];
        if (verify_one(one, leaf) != CELLA_OK) {
            cella_text_set(appraisal->detail,
                           "the signature of the %s does not verify: it was changed, or somebody else signed it",
                           one->what);
            appraisal->report->anchor = (struct cella_text){ "" }; /* nobody vouches for this */
            return CELLA_BAD_EVIDENCE;
        }
        cella_text_add(appraisal->detail, " %s", one->what);
    }
    return appraisal->parsed.signature_count > 0 ? CELLA_OK : CELLA_BAD_EVIDENCE;
}

static cella_status check_endorsement(struct appraisal *appraisal)
{
    struct cella_context context = context_of(appraisal);
    return appraisal->back_end->endorse(&context, &appraisal->report->claims);
}

static cella_status check_event_log(struct appraisal *appraisal)
{
    struct cella_context context = context_of(appraisal);
    return cella_log_check(appraisal->back_end, &context, &appraisal->report->claims);
}

/* Length first: a prefix is not the whole. */
static bool same_bytes(struct cella_view a, struct cella_view b)
{
    return a.size > 0 && a.size == b.size && cella_equal_constant_time(a.data, b.data, a.size);
}

static bool is_bound(const struct appraisal *appraisal, const uint8_t expected[CELLA_REPORT_DATA_SIZE])
{
    const struct cella_binding *binding = appraisal->binding;
    const struct cella_parsed *parsed = &appraisal->parsed;
    if (binding->kind == CELLA_BINDING_EXECUTOR) {
        return same_bytes(cella_view_of(expected, CELLA_REPORT_DATA_SIZE), parsed->bound);
    }
    if (binding->kind == CELLA_BINDING_CERTIFICATE) {
        return same_bytes(binding->report_data, parsed->bound);
    }
    bool named = binding->report_data.size > 0 || binding->nonce.size > 0;
    return named && (binding->report_data.size == 0 || same_bytes(binding->report_data, parsed->bound)) &&
           (binding->nonce.size == 0 || same_bytes(binding->nonce, parsed->nonce));
}

/* What each kind compares, by its number: when it is the same, and when not. NONE compares nothing. */
static const struct {
    const char *same;
    const char *other;
} bindings[] = {
    [CELLA_BINDING_EXECUTOR] = { "bound to the executor's keys and charter",
                                 "evidence was made for other keys, another charter or another nonce" },
    [CELLA_BINDING_REPORT_DATA] = { "bound to what you named",
                                    "the evidence is not bound to the report data, or not to the nonce, that you named" },
    [CELLA_BINDING_CERTIFICATE] = { "bound to the certificate's key",
                                    "the evidence was made for another key than the certificate's" },
};

static cella_status check_binding(struct appraisal *appraisal)
{
    const struct cella_binding *binding = appraisal->binding;
    uint8_t expected[CELLA_REPORT_DATA_SIZE] = { 0 };
    if (binding->kind == CELLA_BINDING_NONE) {
        cella_text_set(appraisal->detail, "bound to nothing that you named");
        return CELLA_OK;
    }
    if (binding->kind == CELLA_BINDING_EXECUTOR) {
        CELLA_TRY(cella_evidence_report_data(binding->role, &binding->keys, binding->charter, binding->nonce,
                                             expected));
    }
    if (!is_bound(appraisal, expected)) {
        cella_text_set(appraisal->detail, "%s", bindings[binding->kind].other);
        return CELLA_BINDING;
    }
    cella_text_set(appraisal->detail, "%s%s", bindings[binding->kind].same,
                   binding->nonce.size > 0 ? " and to your nonce" : "");
    return CELLA_OK;
}

static cella_status check_freshness(struct appraisal *appraisal)
{
    const struct cella_policy *policy = appraisal->policy;
    const struct cella_claim *issued =
        cella_claims_find(&appraisal->report->claims, "issued_unix_s", CELLA_CLAIM_NUMBER);
    if (policy->nonce_required && appraisal->binding->nonce.size == 0) {
        cella_text_set(appraisal->detail, "the trust file wants evidence made for your nonce");
        return CELLA_EXPIRED;
    }
    if (policy->max_age_s == 0) {
        cella_text_set(appraisal->detail, "made for your nonce");
        return CELLA_OK;
    }
    if (issued == NULL || issued->number > appraisal->now_unix_s + FUTURE_SLACK_S ||
        issued->number + policy->max_age_s < appraisal->now_unix_s) {
        cella_text_set(appraisal->detail, issued == NULL ? "the evidence does not say when it was made"
                                                         : "the evidence is older than the trust file allows, or from "
                                                           "the future");
        return CELLA_EXPIRED;
    }
    cella_text_set(appraisal->detail, "young enough");
    return CELLA_OK;
}

static cella_status check_measurement(struct appraisal *appraisal)
{
    struct cella_context context = context_of(appraisal);
    return cella_measurement_check(appraisal->back_end, &appraisal->report->claims, &context,
                                   appraisal->report->measurement_name);
}

static cella_status check_charter(struct appraisal *appraisal)
{
    const struct cella_binding *binding = appraisal->binding;
    uint8_t digest[CELLA_SHA256_SIZE];
    if (binding->kind != CELLA_BINDING_EXECUTOR && binding->charter.size == 0) {
        cella_text_set(appraisal->detail, "the trust file pins a charter and none was given, so that this can not be met%s",
                       binding->kind == CELLA_BINDING_CERTIFICATE
                           ? ": evidence inside of a certificate is not bound to a charter"
                           : "");
        return CELLA_CHARTER;
    }
    CELLA_TRY(cella_sha256(binding->charter, digest));
    if (!cella_equal_constant_time(digest, appraisal->policy->charter_sha256, sizeof(digest))) {
        char digits[2 * CELLA_SHA256_SIZE + 1];
        cella_hex_encode(cella_view_of(digest, sizeof(digest)), digits);
        cella_text_set(appraisal->detail, "charter %s is not the pinned one", digits);
        return CELLA_CHARTER;
    }
    cella_text_set(appraisal->detail, "the charter is the one pinned in the trust file");
    return CELLA_OK;
}

static cella_status check_level(struct appraisal *appraisal)
{
    struct cella_report *report = appraisal->report;
    report->level = appraisal->back_end->level(&report->claims, appraisal->policy, &report->level_reason);
    cella_text_set(appraisal->detail, "level %d, at least %d required", report->level, appraisal->policy->min_level);
    return report->level >= appraisal->policy->min_level ? CELLA_OK : CELLA_LEVEL;
}

/* NULL: here come the terms of the type's section, one check each. */
static const struct {
    const char *name;
    cella_status (*run)(struct appraisal *appraisal);
} steps[] = {
    { "type", check_type },
    { "format", check_format },
    { "chain", check_chain },
    { "revocation", check_revocation },
    { "signature", check_signature },
    { "endorsement", check_endorsement },
    { "event_log", check_event_log },
    { "binding", check_binding },
    { "freshness", check_freshness },
    { "terms", NULL },
    { "measurement", check_measurement },
    { "charter", check_charter },
    { "level", check_level },
};

/* ---- the report ---- */

static void list_not_checked(struct cella_report *report, const char *sentence)
{
    if (report->not_checked_count < CELLA_REPORT_UNCHECKED_MAX) {
        report->not_checked[report->not_checked_count++] = sentence;
    }
}

static bool has_passed(const struct cella_report *report, const char *name)
{
    for (size_t i = 0; i < report->check_count; i++) {
        if (strcmp(report->checks[i].name, name) == 0) {
            return report->checks[i].outcome == CELLA_CHECK_PASSED;
        }
    }
    return false;
}

static bool rests_on_doubt(const struct cella_report *report, const struct cella_term *term)
{
    const struct cella_claim *claim = cella_claims_next(&report->claims, term->claim, NULL);
    return term->unproven != NULL && claim != NULL && claim->unproven;
}

/* What the trust file leaves out, and where it asks for less than the fallback: those are no checks that passed. */
static void list_unchecked_terms(const struct appraisal *appraisal, const struct cella_back_end *back_end)
{
    for (size_t i = 0; back_end != NULL && i < back_end->term_count; i++) {
        const struct cella_term *term = &back_end->terms[i];
        const json_t *value = cella_policy_term(appraisal->policy, back_end->type, term->name);
        if (value != NULL && rests_on_doubt(appraisal->report, term)) {
            list_not_checked(appraisal->report, term->unproven);
        }
        bool open = value == NULL ? !has_passed(appraisal->report, term->name) : cella_term_is_wider(term, value);
        if (open && term->unchecked != NULL) {
            list_not_checked(appraisal->report, term->unchecked);
        }
    }
}

static void list_all_not_checked(const struct appraisal *appraisal)
{
    struct cella_report *report = appraisal->report;
    const struct cella_back_end *back_end = appraisal->back_end;
    for (size_t i = 0; back_end != NULL && back_end->not_checked[i] != NULL; i++) {
        list_not_checked(report, back_end->not_checked[i]);
    }
    list_unchecked_terms(appraisal, back_end);
    list_unchecked_terms(appraisal, back_end == NULL ? NULL : back_end->hardware);
    if (appraisal->binding->kind == CELLA_BINDING_NONE) {
        list_not_checked(report, "that the evidence belongs to anybody you talk to: nothing to bind it to was given");
    } else if (appraisal->binding->nonce.size == 0) {
        list_not_checked(report, "that the evidence is fresh: no nonce was given");
    }
    if (appraisal->binding->kind == CELLA_BINDING_CERTIFICATE && appraisal->binding->issued) {
        list_not_checked(report, "who made the certificate, and its dates: another key than its own signed it");
    }
    if (!appraisal->policy->charter_pinned) {
        list_not_checked(report, "the charter: the trust file does not pin it");
    }
}

/* A new entry of the report; not done until somebody says otherwise. */
static struct cella_check *add_check(struct cella_report *report, const char *name)
{
    struct cella_check *entry = &report->checks[report->check_count++];
    *entry = (struct cella_check){ .name = name };
    return entry;
}

static cella_status finish_check(struct cella_check *entry, cella_status status)
{
    entry->status = status;
    entry->outcome = status == CELLA_OK ? CELLA_CHECK_PASSED : CELLA_CHECK_FAILED;
    if (entry->detail.characters[0] == '\0') {
        cella_text_set(&entry->detail, "%s", cella_status_text(status));
    }
    return status;
}

/* One check per term that has a value. All of them are judged, so that a report shows everything that is wrong. */
static cella_status judge_section(struct appraisal *appraisal, const struct cella_back_end *back_end, bool reached)
{
    cella_status first = CELLA_OK;
    for (size_t i = 0; back_end != NULL && i < back_end->term_count; i++) {
        const struct cella_term *term = &back_end->terms[i];
        const json_t *value = cella_policy_term(appraisal->policy, back_end->type, term->name);
        if (value == NULL || term->elsewhere) {
            continue;
        }
        struct cella_check *entry = add_check(appraisal->report, term->name);
        if (reached) {
            cella_status status = cella_term_check(term, value, &appraisal->report->claims, &entry->detail);
            (void) finish_check(entry, status);
            if (status == CELLA_OK && rests_on_doubt(appraisal->report, term)) {
                appraisal->report->check_count--; /* the report says so among what was not checked */
            }
            first = first == CELLA_OK ? status : first;
        }
    }
    return first;
}

static cella_status judge_terms(struct appraisal *appraisal, cella_status before)
{
    const struct cella_back_end *back_end = appraisal->back_end;
    bool reached = before == CELLA_OK;
    cella_status inside = judge_section(appraisal, back_end == NULL ? NULL : back_end->hardware, reached);
    cella_status own = judge_section(appraisal, back_end, reached);
    return !reached ? before : inside != CELLA_OK ? inside : own;
}

/* Lists that came along are looked at in any case; without one there is a check only where the trust file demands it. */
static bool revocation_applies(const struct appraisal *appraisal)
{
    const struct cella_back_end *back_end = appraisal->back_end;
    const struct cella_chain_rules *rules = appraisal->parsed.chain_rules;
    if (back_end == NULL || back_end->revocation == NULL) {
        return rules != NULL && rules->revocation;
    }
    const struct cella_back_end *owner = back_end->hardware != NULL ? back_end->hardware : back_end;
    return appraisal->parsed.crl_count > 0 ||
           cella_policy_term(appraisal->policy, owner->type, "revocation") != NULL;
}

/* Some steps have nothing to look at for some evidence or policy; the report is not filled up with them. */
static bool applies(const struct appraisal *appraisal, cella_status (*step)(struct appraisal *appraisal))
{
    const struct cella_back_end *back_end = appraisal->back_end;
    if (step == check_charter) {
        return appraisal->policy->charter_pinned;
    }
    if (step == check_freshness) {
        return appraisal->policy->nonce_required || appraisal->policy->max_age_s > 0;
    }
    if (step == check_event_log) {
        return back_end != NULL &&
               cella_log_applies(back_end, &appraisal->evidence->endorsements, appraisal->policy);
    }
    if (step == check_revocation) {
        return revocation_applies(appraisal);
    }
    return step != check_endorsement || back_end == NULL || back_end->endorse != NULL;
}

static void clear_appraisal(struct appraisal *appraisal)
{
    cella_parsed_clear(&appraisal->parsed);
    cella_certificates_clear(&appraisal->helpers);
}

cella_status cella_evidence_appraise(const struct cella_evidence *evidence, const struct cella_binding *binding,
                                     const struct cella_policy *policy, uint64_t now_unix_s,
                                     struct cella_report *out)
{
    CELLA_CLEANUP(clear_appraisal) struct appraisal appraisal = {
        .evidence = evidence,
        .binding = binding,
        .policy = policy,
        .back_end = cella_back_end_of(evidence->type),
        .now_unix_s = now_unix_s,
        .report = out,
    };
    cella_status status = CELLA_OK;
    *out = (struct cella_report){ .status = CELLA_BAD_EVIDENCE, .type = evidence->type };
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        if (steps[i].run == NULL) {
            status = judge_terms(&appraisal, status);
            continue;
        }
        if (!applies(&appraisal, steps[i].run)) {
            continue;
        }
        struct cella_check *entry = add_check(out, steps[i].name);
        if (status == CELLA_OK) {
            appraisal.detail = &entry->detail;
            status = finish_check(entry, steps[i].run(&appraisal));
        }
    }
    list_all_not_checked(&appraisal);
    out->status = status;
    return status;
}
