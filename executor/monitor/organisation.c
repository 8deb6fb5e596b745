/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/operation.h"

#include <string.h>

static json_t *organisation_json(const struct cella_organisation *organisation)
{
    return json_pack("{s:s, s:s, s:I}", "organisation", organisation->entry.id, "name", organisation->name, "members",
                     (json_int_t) organisation->member_count);
}

/* One that was deleted is not there for anybody. */
static cella_status find(struct cella_monitor *monitor, const char *id, struct cella_organisation **out)
{
    *out = cella_state_organisation(&monitor->state, id);
    return *out == NULL || (*out)->removed ? CELLA_NOT_FOUND : CELLA_OK;
}

cella_status cella_operation_organisation_create(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_json_object object;
    const char *name;
    char id[CELLA_ID_SIZE];
    CELLA_TRY(cella_json_begin(call->args, "args", &call->error, &object));
    CELLA_TRY(cella_json_string(&object, "name", CELLA_PARTY_NAME_MAX, &name));
    CELLA_TRY(cella_json_end(&object));
    if (name[0] == '\0') {
        return cella_operation_blame(call, "name", CELLA_BAD_FIELD);
    }
    CELLA_TRY(cella_operation_may(call, cella_right_to_service(call->party)));
    CELLA_TRY(cella_state_has_room(&monitor->state, &monitor->state.organisations, CELLA_ORGANISATIONS_MAX));
    for (const struct cella_entry *entry = monitor->state.organisations.first; entry != NULL; entry = entry->next) {
        const struct cella_organisation *other = (const struct cella_organisation *) entry;
        if (!other->removed && strcmp(other->name, name) == 0) {
            return cella_operation_blame(call, "name", CELLA_EXISTS);
        }
    }
    CELLA_TRY(cella_monitor_new_id("organisation-", id));
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *event = json_pack("{s:s, s:s, s:s}", "organisation", id, "name", name, "by", call->party->entry.id);
    CELLA_TRY(cella_monitor_commit(monitor, CELLA_EVENT_ORGANISATION_CREATED, event));
    cella_monitor_log(monitor, "organisation created %s", id);
    call->reply = organisation_json(cella_state_organisation(&monitor->state, id));
    return CELLA_OK;
}

/* Everybody may know of an organisation; who belongs to it, its members and administrators. */
cella_status cella_operation_organisation_get(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_organisation *organisation;
    const char *id;
    CELLA_TRY(cella_operation_only(call, "organisation", &id));
    CELLA_TRY(find(monitor, id, &organisation));
    unsigned int relations = cella_right_to_organisation(call->party, organisation);
    CELLA_TRY(cella_operation_may(call, relations));
    call->reply = organisation_json(organisation);
    if (call->reply == NULL || (relations & (CELLA_IS_MEMBER | CELLA_IS_ADMINISTRATOR)) == 0) {
        return CELLA_OK;
    }
    json_t *managers = json_array();
    for (const struct cella_entry *entry = monitor->state.parties.first; entry != NULL; entry = entry->next) {
        const struct cella_party *party = (const struct cella_party *) entry;
        if (party->organisation == organisation && party->manages) {
            (void) json_array_append_new(managers, json_string(party->entry.id));
        }
    }
    return json_object_set_new(call->reply, "managers", managers) == 0 ? CELLA_OK : CELLA_NO_MEMORY;
}

static bool shows_organisation(const struct cella_call *call, const struct cella_entry *entry, const void *context)
{
    const struct cella_organisation *organisation = (const struct cella_organisation *) entry;
    (void) context;
    (void) call;
    return !organisation->removed;
}

static json_t *listed_organisation(const struct cella_call *call, const struct cella_entry *entry)
{
    (void) call;
    return organisation_json((const struct cella_organisation *) entry);
}

cella_status cella_operation_organisation_list(struct cella_monitor *monitor, struct cella_call *call)
{
    static const struct cella_listing listing = { "organisations", shows_organisation, listed_organisation, NULL };
    return cella_operation_list(&monitor->state.organisations, &listing, call);
}

/* {organisation, party, manages?}: an administrator puts a party into it, or makes it a manager or an ordinary member. */
cella_status cella_operation_organisation_add(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_json_object object;
    struct cella_organisation *organisation;
    const char *id;
    const char *party_id;
    bool manages = false;
    CELLA_TRY(cella_json_begin(call->args, "args", &call->error, &object));
    CELLA_TRY(cella_json_string(&object, "organisation", CELLA_ID_SIZE - 1, &id));
    CELLA_TRY(cella_json_string(&object, "party", CELLA_THUMBPRINT_SIZE, &party_id));
    CELLA_TRY(cella_json_boolean_optional(&object, "manages", &manages));
    CELLA_TRY(cella_json_end(&object));
    CELLA_TRY(find(monitor, id, &organisation));
    CELLA_TRY(cella_operation_may(call, cella_right_to_organisation(call->party, organisation)));
    const struct cella_party *party = cella_state_party(&monitor->state, party_id);
    if (party == NULL) {
        return cella_operation_blame(call, "party", CELLA_NOT_FOUND);
    }
    if (party->removed) {
        return CELLA_PARTY_REMOVED;
    }
    if (party->organisation != NULL && party->organisation != organisation) {
        return cella_operation_blame(call, "party", CELLA_BAD_STATE);
    }
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *event = json_pack("{s:s, s:s, s:b, s:s}", "organisation", id, "party", party_id, "manages", (int) manages,
                              "by", call->party->entry.id);
    CELLA_TRY(cella_monitor_commit(monitor, CELLA_EVENT_ORGANISATION_JOINED, event));
    call->reply = cella_party_json(party);
    return CELLA_OK;
}

/* {organisation, party}: it goes, or is sent away. It stays a party with its roles. */
cella_status cella_operation_organisation_remove(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_json_object object;
    struct cella_organisation *organisation;
    const char *id;
    const char *party_id;
    CELLA_TRY(cella_json_begin(call->args, "args", &call->error, &object));
    CELLA_TRY(cella_json_string(&object, "organisation", CELLA_ID_SIZE - 1, &id));
    CELLA_TRY(cella_json_string(&object, "party", CELLA_THUMBPRINT_SIZE, &party_id));
    CELLA_TRY(cella_json_end(&object));
    CELLA_TRY(find(monitor, id, &organisation));
    const struct cella_party *party = cella_state_party(&monitor->state, party_id);
    if (party == NULL || party->organisation != organisation) {
        return cella_operation_blame(call, "party", CELLA_NOT_FOUND);
    }
    CELLA_TRY(cella_operation_may(call, cella_right_to_party(call->party, party)));
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *event =
        json_pack("{s:s, s:s, s:s}", "organisation", id, "party", party_id, "by", call->party->entry.id);
    CELLA_TRY(cella_monitor_commit(monitor, CELLA_EVENT_ORGANISATION_LEFT, event));
    call->reply = cella_party_json(party);
    return CELLA_OK;
}

cella_status cella_operation_organisation_delete(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_organisation *organisation;
    const char *id;
    CELLA_TRY(cella_operation_only(call, "organisation", &id));
    CELLA_TRY(find(monitor, id, &organisation));
    CELLA_TRY(cella_operation_may(call, cella_right_to_organisation(call->party, organisation)));
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *event = json_pack("{s:s, s:s}", "organisation", id, "by", call->party->entry.id);
    CELLA_TRY(cella_monitor_commit(monitor, CELLA_EVENT_ORGANISATION_REMOVED, event));
    call->reply = json_pack("{s:s}", "organisation", id);
    return CELLA_OK;
}
