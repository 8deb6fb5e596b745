/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/evidence_log.h"

#include <stdio.h>
#include <string.h>

const char *const cella_log_choices[] = { "optional", "required", NULL };

struct check {
    const struct cella_back_end *back_end;
    const struct cella_context *context;
    struct cella_view log;
    struct cella_log_comparison comparison;
};

/* What the section of the contained hardware demands counts too: a demand is never passed over. */
static const json_t *term_of(const struct cella_back_end *back_end, const struct cella_policy *policy, const char *name)
{
    return back_end == NULL ? NULL : cella_policy_term(policy, back_end->type, name);
}

static bool is_required(const struct cella_back_end *back_end, const struct cella_policy *policy)
{
    const char *choice = json_string_value(term_of(back_end, policy, "event_log"));
    const char *inside = json_string_value(term_of(back_end->hardware, policy, "event_log"));
    return (choice != NULL && strcmp(choice, "required") == 0) || (inside != NULL && strcmp(inside, "required") == 0);
}

bool cella_log_applies(const struct cella_back_end *back_end, const struct cella_endorsements *endorsements,
                       const struct cella_policy *policy)
{
    return back_end->log_registers != NULL &&
           (cella_endorsements_next(endorsements, CELLA_ENDORSE_EVENT_LOG, NULL) != NULL ||
            is_required(back_end, policy) || term_of(back_end, policy, "event") != NULL ||
            term_of(back_end->hardware, policy, "event") != NULL);
}

/* Evidence without a claim for its bank has registers of SHA-384 only. */
static enum cella_hash bank_of(const struct cella_claims *claims)
{
    const struct cella_claim *bank = cella_claims_find(claims, "pcr_bank", CELLA_CLAIM_TEXT);
    return bank == NULL || cella_view_is(cella_view_of(bank->bytes, bank->size), "sha384") ? CELLA_HASH_SHA384
                                                                                            : CELLA_HASH_SHA256;
}

static cella_status replay(struct cella_view log, struct cella_log_comparison *comparison, struct cella_text *detail)
{
    cella_status status = cella_event_log_replay(log, comparison->hash, &comparison->replay);
    if (status != CELLA_OK) {
        cella_text_set(detail, status == CELLA_NOT_FOUND ? "the event log has no digests of the bank that was quoted"
                                                         : "the event log can not be read");
        return CELLA_ENDORSEMENT;
    }
    return CELLA_OK;
}

cella_status cella_log_compare(const struct cella_back_end *back_end, const struct cella_claims *claims,
                               struct cella_view log, struct cella_log_comparison *out, struct cella_text *detail)
{
    const char *const *names = back_end->log_registers;
    *out = (struct cella_log_comparison){ .hash = bank_of(claims) };
    CELLA_TRY(replay(log, out, detail));
    for (uint32_t i = 0; i < back_end->log_register_count; i++) {
        const struct cella_claim *quoted = names[i] == NULL ? NULL : cella_claims_find(claims, names[i], CELLA_CLAIM_BYTES);
        if (quoted == NULL || (out->replay.extended >> i & 1) == 0) {
            continue;
        }
        if (quoted->size != out->replay.digest_size ||
            !cella_equal_constant_time(quoted->bytes, out->replay.values[i], quoted->size)) {
            cella_text_set(detail, "the event log does not lead to the quoted value of %s", names[i]);
            return CELLA_ENDORSEMENT;
        }
        out->compared |= (uint32_t) 1 << i;
    }
    if (out->compared == 0) {
        cella_text_set(detail, "the event log says nothing about any register of the evidence");
        return CELLA_TERM;
    }
    return CELLA_OK;
}

static bool has_event(const struct check *check, const json_t *event)
{
    const char *name = json_string_value(json_object_get(event, "register"));
    uint8_t digest[CELLA_CLAIM_SIZE_MAX];
    size_t size = 0;
    if (cella_term_bytes(json_string_value(json_object_get(event, "digest")), digest, &size) != CELLA_OK) {
        return false;
    }
    for (uint32_t i = 0; i < check->back_end->log_register_count; i++) {
        const char *known = check->back_end->log_registers[i];
        if (known != NULL && strcmp(known, name) == 0) {
            return (check->comparison.compared >> i & 1) != 0 &&
                   cella_event_log_has(check->log, check->comparison.hash, i, cella_view_of(digest, size));
        }
    }
    return false;
}

static cella_status look_for(const struct check *check, const json_t *events)
{
    for (size_t i = 0; i < json_array_size(events); i++) {
        const json_t *event = json_array_get(events, i);
        if (!has_event(check, event)) {
            cella_text_set(check->context->detail, "no event %.96s was extended into %s",
                           json_string_value(json_object_get(event, "digest")),
                           json_string_value(json_object_get(event, "register")));
            return CELLA_TERM;
        }
    }
    return CELLA_OK;
}

/* Zeros; or ones, where only a dynamic launch resets a register. */
static bool is_initial(const struct cella_claim *claim)
{
    for (size_t i = 0; i < claim->size; i++) {
        if (claim->bytes[i] != claim->bytes[0] || (claim->bytes[0] != 0x00 && claim->bytes[0] != 0xff)) {
            return false;
        }
    }
    return true;
}

/* A log that is demanded accounts for everything that was quoted: what it leaves out could be anything. */
static cella_status check_complete(const struct check *check, const struct cella_claims *claims)
{
    const char *const *names = check->back_end->log_registers;
    for (uint32_t i = 0; i < check->back_end->log_register_count; i++) {
        const struct cella_claim *quoted = names[i] == NULL ? NULL : cella_claims_find(claims, names[i], CELLA_CLAIM_BYTES);
        if (quoted != NULL && !is_initial(quoted) && (check->comparison.compared >> i & 1) == 0) {
            cella_text_set(check->context->detail, "the event log says nothing about %s, which was quoted with a value", names[i]);
            return CELLA_TERM;
        }
    }
    return CELLA_OK;
}

static void name_compared(const struct check *check)
{
    cella_text_set(check->context->detail, "%zu events lead to the quoted", check->comparison.replay.extend_count);
    for (uint32_t i = 0; i < check->back_end->log_register_count; i++) {
        if ((check->comparison.compared >> i & 1) != 0) {
            cella_text_add(check->context->detail, " %s", check->back_end->log_registers[i]);
        }
    }
}

cella_status cella_log_check(const struct cella_back_end *back_end, const struct cella_context *context,
                             struct cella_claims *claims)
{
    struct check check = { .back_end = back_end, .context = context };
    if (cella_endorsements_next(context->endorsements, CELLA_ENDORSE_EVENT_LOG, NULL) == NULL) {
        cella_text_set(context->detail, "the trust file wants the firmware's event log, and none came with the evidence");
        return CELLA_TERM;
    }
    CELLA_TRY(cella_endorsements_only(context->endorsements, CELLA_ENDORSE_EVENT_LOG, "event log", &check.log,
                                      context->detail));
    CELLA_TRY(cella_log_compare(back_end, claims, check.log, &check.comparison, context->detail));
    size_t events = check.comparison.replay.extend_count;
    CELLA_TRY(cella_claims_number(claims, "log_events", events));
    CELLA_TRY(is_required(back_end, context->policy) ? check_complete(&check, claims) : CELLA_OK);
    CELLA_TRY(look_for(&check, term_of(back_end, context->policy, "event")));
    CELLA_TRY(look_for(&check, term_of(back_end->hardware, context->policy, "event")));
    name_compared(&check);
    return CELLA_OK;
}
