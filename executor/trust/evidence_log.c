/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/evidence_log.h"

#include <stdio.h>
#include <string.h>

#include "trust/event_log.h"

const char *const cella_log_choices[] = { "optional", "required", NULL };

struct check {
    const struct cella_back_end *back_end;
    const struct cella_context *context;
    const struct cella_claims *claims;
    struct cella_view log;
    enum cella_hash hash;
    struct cella_replay replay;
    uint32_t compared; /* bit per register whose quoted value the replay gave */
};

/* What the section of the contained hardware demands counts too: a demand is never passed over. */
static const json_t *term_of(const struct cella_back_end *back_end, const struct cella_policy *policy, const char *name)
{
    return back_end == NULL ? NULL : cella_policy_term(policy, back_end->type, name);
}

static bool is_required(const struct cella_back_end *back_end, const struct cella_policy *policy)
{
    const struct cella_back_end *const both[] = { back_end, back_end->hardware };
    for (size_t i = 0; i < 2; i++) {
        const char *choice = json_string_value(term_of(both[i], policy, "event_log"));
        if ((choice != NULL && strcmp(choice, "required") == 0) || term_of(both[i], policy, "event") != NULL) {
            return true;
        }
    }
    return false;
}

bool cella_log_applies(const struct cella_back_end *back_end, const struct cella_endorsements *endorsements,
                       const struct cella_policy *policy)
{
    return back_end->log_registers != NULL &&
           (cella_endorsements_next(endorsements, CELLA_ENDORSE_EVENT_LOG, NULL) != NULL ||
            is_required(back_end, policy));
}

/* Evidence without a claim for its bank has registers of SHA-384 only. */
static enum cella_hash bank_of(const struct cella_claims *claims)
{
    const struct cella_claim *bank = cella_claims_find(claims, "pcr_bank", CELLA_CLAIM_TEXT);
    return bank == NULL || cella_view_is(cella_view_of(bank->bytes, bank->size), "sha384") ? CELLA_HASH_SHA384
                                                                                            : CELLA_HASH_SHA256;
}

static cella_status replay(struct check *check)
{
    cella_status status = cella_event_log_replay(check->log, check->hash, &check->replay);
    if (status != CELLA_OK) {
        cella_text_set(check->context->detail, status == CELLA_NOT_FOUND
                                                   ? "the event log has no digests of the bank that was quoted"
                                                   : "the event log can not be read");
        return CELLA_ENDORSEMENT;
    }
    return CELLA_OK;
}

static cella_status compare(struct check *check)
{
    const char *const *names = check->back_end->log_registers;
    for (uint32_t i = 0; i < check->back_end->log_register_count; i++) {
        const struct cella_claim *quoted =
            names[i] == NULL ? NULL : cella_claims_find(check->claims, names[i], CELLA_CLAIM_BYTES);
        if (quoted == NULL || (check->replay.extended >> i & 1) == 0) {
            continue;
        }
        if (quoted->size != check->replay.digest_size ||
            !cella_equal_constant_time(quoted->bytes, check->replay.values[i], quoted->size)) {
            cella_text_set(check->context->detail, "the event log does not lead to the quoted value of %s", names[i]);
            return CELLA_ENDORSEMENT;
        }
        check->compared |= (uint32_t) 1 << i;
    }
    if (check->compared == 0) {
        cella_text_set(check->context->detail, "the event log says nothing about any register of the evidence");
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
            return (check->compared >> i & 1) != 0 &&
                   cella_event_log_has(check->log, check->hash, i, cella_view_of(digest, size));
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

cella_status cella_log_check(const struct cella_back_end *back_end, const struct cella_context *context,
                             struct cella_claims *claims)
{
    struct check check = {
        .back_end = back_end, .context = context, .claims = claims, .hash = bank_of(claims),
    };
    if (cella_endorsements_next(context->endorsements, CELLA_ENDORSE_EVENT_LOG, NULL) == NULL) {
        cella_text_set(context->detail, "the trust file wants the firmware's event log, and none came with the evidence");
        return CELLA_TERM;
    }
    CELLA_TRY(cella_endorsements_only(context->endorsements, CELLA_ENDORSE_EVENT_LOG, "event log", &check.log,
                                      context->detail));
    CELLA_TRY(replay(&check));
    CELLA_TRY(compare(&check));
    CELLA_TRY(cella_claims_number(claims, "log_events", check.replay.extend_count));
    CELLA_TRY(look_for(&check, term_of(back_end, context->policy, "event")));
    CELLA_TRY(look_for(&check, term_of(back_end->hardware, context->policy, "event")));
    cella_text_set(context->detail, "the event log leads to what was quoted, %zu events", check.replay.extend_count);
    return CELLA_OK;
}
