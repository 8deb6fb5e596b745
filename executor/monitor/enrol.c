/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/operation.h"

#include <string.h>

#include "monitor/invitation.h"

/* How parties become known: by the charter, by an invitation, by an administrator. */

cella_status cella_operation_check_seal(const uint8_t key[CELLA_X25519_KEY_SIZE])
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret ephemeral = { 0 };
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret shared = { 0 };
    CELLA_TRY(cella_secret_random(&ephemeral, CELLA_X25519_KEY_SIZE));
    return cella_x25519_derive(&ephemeral, key, &shared);
}

/* Everything that a new party is to be. */
struct newcomer {
    const char *id;
    const char *name;
    const uint8_t *sign;
    const uint8_t *seal;
    const char *by;
    struct cella_invitation terms; /* terms.id is empty where there is no invitation */
};

static cella_status commit_newcomer(struct cella_monitor *monitor, const struct newcomer *newcomer)
{
    if (monitor->state.parties.count >= CELLA_PARTIES_MAX) {
        return CELLA_TOO_MANY;
    }
    const struct cella_invitation *terms = &newcomer->terms;
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *event = json_pack("{s:s, s:s, s:o, s:o, s:o, s:b, s:s, s:s}", "party", newcomer->id, "name",
                              newcomer->name, "sign",
                              cella_json_base64url(cella_view_of(newcomer->sign, CELLA_ED25519_KEY_SIZE)), "seal",
                              cella_json_base64url(cella_view_of(newcomer->seal, CELLA_X25519_KEY_SIZE)), "roles",
                              cella_roles_json(terms->roles), "manages", (int) terms->manages, "invitation", terms->id,
                              "by", newcomer->by);
    if (event == NULL || (terms->organisation != NULL &&
                          json_object_set_new(event, "organisation", json_string(terms->organisation->entry.id)) != 0)) {
        return CELLA_NO_MEMORY;
    }
    CELLA_TRY(cella_monitor_commit(monitor, CELLA_EVENT_PARTY_ENROLLED, event));
    cella_monitor_log(monitor, "party enrolled %s", newcomer->id);
    return CELLA_OK;
}

static bool is_listed(char list[][CELLA_THUMBPRINT_SIZE + 1], size_t count, const char *id)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i], id) == 0) {
            return true;
        }
    }
    return false;
}

/* What the charter alone lets this key be. CELLA_ENROL_CLOSED  it does not let it in */
static cella_status admit_by_charter(struct cella_charter *charter, const char *id, unsigned int *roles)
{
    bool administers = is_listed(charter->administrators, charter->administrator_count, id);
    bool audits = is_listed(charter->auditors, charter->auditor_count, id);
    *roles = (administers ? CELLA_PARTY_ADMINISTRATOR : 0U) | (audits ? CELLA_PARTY_AUDITOR : 0U);
    if (charter->enrolment == CELLA_ENROL_OPEN) {
        *roles |= charter->roles;
        return CELLA_OK;
    }
    return *roles != 0 ? CELLA_OK : CELLA_ENROL_CLOSED;
}

/* A key that is known: the same again is harmless, since a client may not know whether its first try arrived. */
static cella_status enrol_again(const struct cella_party *known, const struct newcomer *newcomer)
{
    if (known->removed) {
        return CELLA_PARTY_REMOVED;
    }
    if (memcmp(known->sign, newcomer->sign, sizeof(known->sign)) != 0) {
        return CELLA_BAD_KEY; /* it was replaced */
    }
    return memcmp(known->seal, newcomer->seal, sizeof(known->seal)) == 0 ? CELLA_OK : CELLA_EXISTS;
}

/* A key that another party has taken as its new one can not become a party of its own. */
static bool is_somebodys(const struct cella_monitor *monitor, const uint8_t sign[CELLA_ED25519_KEY_SIZE])
{
    for (const struct cella_entry *entry = monitor->state.parties.first; entry != NULL; entry = entry->next) {
        if (memcmp(((const struct cella_party *) entry)->sign, sign, CELLA_ED25519_KEY_SIZE) == 0) {
            return true;
        }
    }
    return false;
}

static cella_status admit(struct cella_monitor *monitor, const char *invitation, struct newcomer *newcomer)
{
    unsigned int granted = 0;
    const struct cella_party *known = cella_state_party(&monitor->state, newcomer->id);
    if (known != NULL) {
        return enrol_again(known, newcomer);
    }
    if (is_somebodys(monitor, newcomer->sign)) {
        return CELLA_EXISTS;
    }
    cella_status by_charter = admit_by_charter(&monitor->charter, newcomer->id, &granted);
    if (invitation != NULL) {
        CELLA_TRY(cella_invitation_read(monitor, invitation, newcomer->id, &newcomer->terms));
        newcomer->by = newcomer->terms.by->entry.id;
    } else {
        CELLA_TRY(by_charter);
    }
    newcomer->terms.roles |= granted;
    return commit_newcomer(monitor, newcomer);
}

cella_status cella_operation_party_enrol(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_json_object object;
    uint8_t seal[CELLA_X25519_KEY_SIZE];
    struct newcomer newcomer = { .id = call->enrol_id, .name = "", .sign = call->enrol_key, .seal = seal };
    const char *invitation = NULL;
    newcomer.by = call->enrol_id;
    CELLA_TRY(cella_json_begin(call->args, "args", &call->error, &object));
    CELLA_TRY(cella_json_fixed(&object, "seal", seal, sizeof(seal)));
    CELLA_TRY(cella_json_string_optional(&object, "name", CELLA_PARTY_NAME_MAX, &newcomer.name));
    CELLA_TRY(cella_json_string_optional(&object, "invitation", CELLA_INVITATION_MAX, &invitation));
    CELLA_TRY(cella_json_end(&object));
    CELLA_TRY(cella_operation_check_seal(seal));
    CELLA_TRY(admit(monitor, invitation, &newcomer));
    call->reply = json_pack("{s:s}", "party", call->enrol_id);
    return CELLA_OK;
}

/* {sign, seal, name?, roles, organisation?, manages?}: an administrator enrols somebody */
cella_status cella_operation_party_add(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_json_object object;
    uint8_t sign[CELLA_ED25519_KEY_SIZE];
    uint8_t seal[CELLA_X25519_KEY_SIZE];
    char id[CELLA_THUMBPRINT_SIZE + 1];
    struct newcomer newcomer = { .id = id, .name = "", .sign = sign, .seal = seal, .by = call->party->entry.id };
    const char *organisation = NULL;
    json_t *roles;
    CELLA_TRY(cella_json_begin(call->args, "args", &call->error, &object));
    CELLA_TRY(cella_json_fixed(&object, "sign", sign, sizeof(sign)));
    CELLA_TRY(cella_json_fixed(&object, "seal", seal, sizeof(seal)));
    CELLA_TRY(cella_json_member(&object, "roles", JSON_ARRAY, &roles));
    CELLA_TRY(cella_json_string_optional(&object, "name", CELLA_PARTY_NAME_MAX, &newcomer.name));
    CELLA_TRY(cella_json_string_optional(&object, "organisation", CELLA_ID_SIZE - 1, &organisation));
    CELLA_TRY(cella_json_boolean_optional(&object, "manages", &newcomer.terms.manages));
    CELLA_TRY(cella_json_end(&object));
    if (cella_roles_read(roles, &newcomer.terms.roles) != CELLA_OK) {
        return cella_operation_blame(call, "roles", CELLA_BAD_FIELD);
    }
    CELLA_TRY(cella_operation_may(call, cella_right_to_service(call->party)));
    if (organisation != NULL) {
        newcomer.terms.organisation = cella_state_organisation(&monitor->state, organisation);
        if (newcomer.terms.organisation == NULL || newcomer.terms.organisation->removed) {
            return cella_operation_blame(call, "organisation", CELLA_NOT_FOUND);
        }
    }
    CELLA_TRY(cella_operation_check_seal(seal));
    CELLA_TRY(cella_thumbprint(sign, id));
    if (cella_state_party(&monitor->state, id) != NULL || is_somebodys(monitor, sign)) {
        return CELLA_EXISTS;
    }
    newcomer.terms.manages = newcomer.terms.manages && organisation != NULL;
    CELLA_TRY(commit_newcomer(monitor, &newcomer));
    call->reply = cella_party_json(cella_state_party(&monitor->state, id));
    return CELLA_OK;
}

/* {invitation}: a party that is known already takes what it was offered. Nobody is moved into an organisation unasked. */
cella_status cella_operation_party_join(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_json_object object;
    struct cella_invitation terms;
    struct cella_party *party = call->party;
    const char *compact;
    CELLA_TRY(cella_json_begin(call->args, "args", &call->error, &object));
    CELLA_TRY(cella_json_string(&object, "invitation", CELLA_INVITATION_MAX, &compact));
    CELLA_TRY(cella_json_end(&object));
    CELLA_TRY(cella_operation_may(call, cella_right_to_party(party, party)));
    CELLA_TRY(cella_invitation_read(monitor, compact, party->entry.id, &terms));
    if (terms.organisation != NULL && party->organisation != NULL && party->organisation != terms.organisation) {
        return CELLA_BAD_STATE; /* of one organisation at a time: it has to leave the other first */
    }
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *event = json_pack("{s:s, s:s, s:s, s:o}", "party", party->entry.id, "by", terms.by->entry.id, "invitation",
                              terms.id, "roles", cella_roles_json(party->roles | terms.roles));
    if (event == NULL) {
        return CELLA_NO_MEMORY;
    }
    if (terms.organisation == NULL) {
        CELLA_TRY(cella_monitor_commit(monitor, CELLA_EVENT_PARTY_CHANGED, event));
    } else {
        bool manages = terms.manages || (party->organisation == terms.organisation && party->manages);
        if (json_object_set_new(event, "organisation", json_string(terms.organisation->entry.id)) != 0 ||
            json_object_set_new(event, "manages", json_boolean(manages)) != 0) {
            return CELLA_NO_MEMORY;
        }
        CELLA_TRY(cella_monitor_commit(monitor, CELLA_EVENT_ORGANISATION_JOINED, event));
    }
    call->reply = cella_party_json(party);
    return CELLA_OK;
}
