/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/invitation.h"

#include <string.h>

#include "monitor/clock.h"

/* Its text, verified under the key that stands in its own header. Whose key that is, is asked afterwards. */
static cella_status open_text(const char *compact, struct cella_jws *jws, json_t **out)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    CELLA_TRY(cella_jws_split(cella_view_of_string(compact), jws));
    if (jws->form != CELLA_JWS_JWK) {
        return CELLA_BAD_FORMAT;
    }
    CELLA_TRY(cella_jws_verify(jws, jws->jwk, &text));
    return cella_json_parse(cella_bytes_view(&text), CELLA_INVITATION_MAX, out);
}

struct terms {
    const char *executor;
    const char *by;
    const char *id;
    int64_t expires;
    const char *organisation;
    const char *party;
};

static cella_status read_terms(const json_t *json, struct terms *terms, struct cella_invitation *out)
{
    struct cella_json_error ignored = { 0 };
    struct cella_json_object object;
    int64_t version;
    const char *type;
    json_t *roles;
    CELLA_TRY(cella_json_begin(json, "", &ignored, &object));
    CELLA_TRY(cella_json_integer(&object, "version", 1, 1, &version));
    CELLA_TRY(cella_json_string(&object, "type", 32, &type));
    CELLA_TRY(cella_json_string(&object, "executor", CELLA_THUMBPRINT_SIZE, &terms->executor));
    CELLA_TRY(cella_json_string(&object, "by", CELLA_THUMBPRINT_SIZE, &terms->by));
    CELLA_TRY(cella_json_string(&object, "invitation", 32, &terms->id));
    CELLA_TRY(cella_json_integer(&object, "expires", 1, (int64_t) 1 << 53, &terms->expires));
    CELLA_TRY(cella_json_member(&object, "roles", JSON_ARRAY, &roles));
    CELLA_TRY(cella_json_string_optional(&object, "organisation", CELLA_ID_SIZE - 1, &terms->organisation));
    CELLA_TRY(cella_json_boolean_optional(&object, "manages", &out->manages));
    CELLA_TRY(cella_json_string_optional(&object, "party", CELLA_THUMBPRINT_SIZE, &terms->party));
    CELLA_TRY(cella_json_end(&object));
    CELLA_TRY(cella_roles_read(roles, &out->roles));
    bool hex = strlen(terms->id) == 32 && strspn(terms->id, "0123456789abcdef") == 32;
    return hex && strcmp(type, "cella invitation") == 0 ? CELLA_OK : CELLA_BAD_FIELD;
}

/* May who signed it give all of this? An administrator may; a manager only ordinary membership of his organisation. */
static bool may_give(const struct cella_invitation *invitation)
{
    const struct cella_party *by = invitation->by;
    if (by->removed || (invitation->manages && invitation->organisation == NULL)) {
        return false;
    }
    if (cella_party_is(by, CELLA_PARTY_ADMINISTRATOR)) {
        return true;
    }
    return by->manages && invitation->organisation != NULL && by->organisation == invitation->organisation &&
           !invitation->manages && (invitation->roles & ~CELLA_ROLES_ORDINARY) == 0;
}

cella_status cella_invitation_read(const struct cella_monitor *monitor, const char *compact, const char *party,
                                   struct cella_invitation *out)
{
    struct cella_jws jws;
    struct terms terms = { 0 };
    struct cella_invitation invitation = { 0 };
    CELLA_CLEANUP(cella_json_cleanup) json_t *json = NULL;
    if (open_text(compact, &jws, &json) != CELLA_OK || read_terms(json, &terms, &invitation) != CELLA_OK) {
        return CELLA_BAD_INVITATION;
    }
    invitation.by = cella_state_party(&monitor->state, terms.by);
    bool signed_by_him =
        invitation.by != NULL && memcmp(invitation.by->sign, jws.jwk, sizeof(jws.jwk)) == 0;
    bool for_him = terms.party == NULL || strcmp(terms.party, party) == 0;
    bool here = strcmp(terms.executor, cella_keyring_executor(monitor->keyring)) == 0;
    if (!signed_by_him || !for_him || !here) {
        return CELLA_BAD_INVITATION;
    }
    if (terms.organisation != NULL) {
        invitation.organisation = cella_state_organisation(&monitor->state, terms.organisation);
        if (invitation.organisation == NULL || invitation.organisation->removed) {
            return CELLA_BAD_INVITATION;
        }
    }
    if (!may_give(&invitation)) {
        return CELLA_BAD_INVITATION;
    }
    memcpy(invitation.id, terms.id, strlen(terms.id) + 1);
    if (cella_table_find(&monitor->state.invitations, terms.id) != NULL) {
        return CELLA_INVITATION_USED;
    }
    if (cella_clock_now_s(monitor) >= terms.expires) {
        return CELLA_INVITATION_EXPIRED;
    }
    *out = invitation;
    return monitor->state.invitations.count >= CELLA_INVITATIONS_MAX ? CELLA_TOO_MANY : CELLA_OK;
}

/* {invitation}: what an administrator has signed, or somebody else, does not count any more. */
cella_status cella_operation_invitation_revoke(struct cella_monitor *monitor, struct cella_call *call)
{
    const char *id;
    CELLA_TRY(cella_operation_only(call, "invitation", &id));
    if (strlen(id) != 32 || strspn(id, "0123456789abcdef") != 32) {
        return cella_operation_blame(call, "invitation", CELLA_BAD_FIELD);
    }
    CELLA_TRY(cella_operation_may(call, cella_right_to_service(call->party)));
    if (cella_table_find(&monitor->state.invitations, id) == NULL) {
        if (monitor->state.invitations.count >= CELLA_INVITATIONS_MAX) {
            return CELLA_TOO_MANY;
        }
        CELLA_CLEANUP(cella_json_cleanup)
        json_t *event = json_pack("{s:s, s:s}", "invitation", id, "by", call->party->entry.id);
        CELLA_TRY(cella_monitor_commit(monitor, CELLA_EVENT_INVITATION_REVOKED, event));
    }
    call->reply = json_pack("{s:s}", "invitation", id);
    return CELLA_OK;
}
