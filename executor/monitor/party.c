/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/operation.h"

#include <string.h>

#include "monitor/runner.h"

json_t *cella_party_json(const struct cella_party *party)
{
    json_t *json = json_pack("{s:s, s:s, s:o, s:o, s:o, s:b, s:b}", "party", party->entry.id, "name", party->name,
                             "sign", cella_json_base64url(cella_view_of(party->sign, sizeof(party->sign))), "seal",
                             cella_json_base64url(cella_view_of(party->seal, sizeof(party->seal))), "roles",
                             cella_roles_json(party->roles), "manages", (int) party->manages, "removed",
                             (int) party->removed);
    if (json != NULL && party->organisation != NULL) {
        (void) json_object_set_new(json, "organisation", json_string(party->organisation->entry.id));
    }
    if (json != NULL && party->rotations != NULL) {
        (void) json_object_set_new(json, "rotations", json_deep_copy(party->rotations));
    }
    return json;
}

/* The party that an argument names: everybody may know who is here. */
static cella_status find_party(struct cella_monitor *monitor, struct cella_call *call, const char *id,
                               struct cella_party **out)
{
    *out = cella_state_party(&monitor->state, id);
    if (*out == NULL) {
        return CELLA_NOT_FOUND;
    }
    return cella_operation_may(call, cella_right_to_party(call->party, *out));
}

cella_status cella_operation_party_get(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_json_object object;
    struct cella_party *party;
    const char *id = call->party->entry.id;
    CELLA_TRY(cella_json_begin(call->args, "args", &call->error, &object));
    CELLA_TRY(cella_json_string_optional(&object, "party", CELLA_THUMBPRINT_SIZE, &id));
    CELLA_TRY(cella_json_end(&object));
    CELLA_TRY(find_party(monitor, call, id, &party));
    call->reply = cella_party_json(party);
    return CELLA_OK;
}

static bool shows_party(const struct cella_call *call, const struct cella_entry *entry, const void *context)
{
    const struct cella_party *party = (const struct cella_party *) entry;
    (void) context;
    return cella_operation_may(call, cella_right_to_party(call->party, party)) == CELLA_OK;
}

static json_t *listed_party(const struct cella_call *call, const struct cella_entry *entry)
{
    (void) call;
    return cella_party_json((const struct cella_party *) entry);
}

cella_status cella_operation_party_list(struct cella_monitor *monitor, struct cella_call *call)
{
    static const struct cella_listing listing = { "parties", shows_party, listed_party, NULL };
    return cella_operation_list(&monitor->state.parties, &listing, call);
}

/* Who would be left without one after this. Nothing can come in between: the answer and the change are one step. */
static cella_status keep_an_administrator(const struct cella_monitor *monitor, const struct cella_party *target)
{
    bool last = cella_party_is(target, CELLA_PARTY_ADMINISTRATOR) && monitor->state.administrators == 1;
    return last ? CELLA_LAST_ADMINISTRATOR : CELLA_OK;
}

/* {party, roles}: all the roles that it is to have */
cella_status cella_operation_party_change(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_json_object object;
    struct cella_party *party;
    const char *id;
    json_t *names;
    unsigned int roles;
    CELLA_TRY(cella_json_begin(call->args, "args", &call->error, &object));
    CELLA_TRY(cella_json_string(&object, "party", CELLA_THUMBPRINT_SIZE, &id));
    CELLA_TRY(cella_json_member(&object, "roles", JSON_ARRAY, &names));
    CELLA_TRY(cella_json_end(&object));
    if (cella_roles_read(names, &roles) != CELLA_OK) {
        return cella_operation_blame(call, "roles", CELLA_BAD_FIELD);
    }
    CELLA_TRY(find_party(monitor, call, id, &party));
    bool administers = cella_party_is(call->party, CELLA_PARTY_ADMINISTRATOR);
    if (!administers && (roles & ~CELLA_ROLES_ORDINARY) != 0) {
        return cella_operation_blame(call, "roles", CELLA_DENIED);
    }
    if (party->removed) {
        return CELLA_PARTY_REMOVED;
    }
    if ((roles & CELLA_PARTY_ADMINISTRATOR) == 0) {
        CELLA_TRY(keep_an_administrator(monitor, party));
    }
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *event = json_pack("{s:s, s:s, s:o}", "party", id, "by", call->party->entry.id, "roles",
                              cella_roles_json(roles));
    CELLA_TRY(cella_monitor_commit(monitor, CELLA_EVENT_PARTY_CHANGED, event));
    cella_monitor_log(monitor, "party changed %s", id);
    call->reply = cella_party_json(party);
    return CELLA_OK;
}

/*
 * {party}: from the next request on its signature counts for nothing, and what it takes part in ends: its consent is part
 * of what others have approved.
 */
cella_status cella_operation_party_remove(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_party *party;
    const char *id;
    char detail[CELLA_DETAIL_MAX];
    CELLA_TRY(cella_operation_only(call, "party", &id));
    CELLA_TRY(find_party(monitor, call, id, &party));
    CELLA_TRY(keep_an_administrator(monitor, party));
    if (!party->removed) {
        CELLA_CLEANUP(cella_json_cleanup)
        json_t *event = json_pack("{s:s, s:s}", "party", party->entry.id, "by", call->party->entry.id);
        CELLA_TRY(cella_monitor_commit(monitor, CELLA_EVENT_PARTY_REMOVED, event));
        cella_monitor_log(monitor, "party removed %s", party->entry.id);
    }
    (void) snprintf(detail, sizeof(detail), "party %s", party->entry.id);
    for (struct cella_entry *entry = monitor->state.tasks.first; entry != NULL; entry = entry->next) {
        struct cella_task_record *task = (struct cella_task_record *) entry;
        if (!cella_task_is_over(task) && cella_task_participant_index(task, party) >= 0) {
            CELLA_TRY(cella_runner_end(monitor->runner, task, CELLA_PARTY_REMOVED, detail, call->party));
        }
    }
    call->reply = json_pack("{s:s}", "party", party->entry.id);
    return CELLA_OK;
}

/* ---- new keys ---- */

/* One text, signed by both keys: the old one says who follows, the new one that it is there. */
static cella_status verify_by(const char *compact, const uint8_t key[CELLA_ED25519_KEY_SIZE], struct cella_bytes *text)
{
    struct cella_jws jws;
    CELLA_TRY(cella_jws_split(cella_view_of_string(compact), &jws));
    if (jws.form != CELLA_JWS_PLAIN) {
        return CELLA_BAD_FORMAT;
    }
    return cella_jws_verify(&jws, key, text);
}

/* A key belongs to one party; otherwise it would not be clear who has signed. */
static bool is_taken(const struct cella_monitor *monitor, const uint8_t sign[CELLA_ED25519_KEY_SIZE])
{
    char id[CELLA_THUMBPRINT_SIZE + 1];
    for (const struct cella_entry *entry = monitor->state.parties.first; entry != NULL; entry = entry->next) {
        if (memcmp(((const struct cella_party *) entry)->sign, sign, CELLA_ED25519_KEY_SIZE) == 0) {
            return true;
        }
    }
    return cella_thumbprint(sign, id) != CELLA_OK || cella_state_party(&monitor->state, id) != NULL;
}

static cella_status check_rotation(const struct cella_monitor *monitor, struct cella_call *call, const char *statement,
                                   const char *proof, struct cella_rotation *rotation)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes again = { 0 };
    cella_status status = verify_by(statement, call->party->sign, &text);
    if (status != CELLA_OK) {
        return cella_operation_blame(call, "statement", status);
    }
    CELLA_TRY(cella_rotation_read(cella_bytes_view(&text), call->party->entry.id, cella_keyring_executor(monitor->keyring),
                                  (int64_t) json_array_size(call->party->rotations) + 1, &call->error, rotation));
    status = verify_by(proof, rotation->sign, &again);
    bool same = again.size == text.size && memcmp(again.data, text.data, text.size) == 0;
    if (status != CELLA_OK || !same) {
        return cella_operation_blame(call, "proof", status != CELLA_OK ? status : CELLA_BAD_SIGNATURE);
    }
    CELLA_TRY(cella_operation_check_seal(rotation->seal));
    if (is_taken(monitor, rotation->sign)) {
        return cella_operation_blame(call, "statement", CELLA_EXISTS);
    }
    return json_array_size(call->party->rotations) >= CELLA_ROTATIONS_MAX ? CELLA_TOO_MANY : CELLA_OK;
}

cella_status cella_operation_party_rotate(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_json_object object;
    struct cella_rotation rotation;
    const char *statement;
    const char *proof;
    CELLA_TRY(cella_json_begin(call->args, "args", &call->error, &object));
    CELLA_TRY(cella_json_string(&object, "statement", CELLA_ROTATION_MAX, &statement));
    CELLA_TRY(cella_json_string(&object, "proof", CELLA_ROTATION_MAX, &proof));
    CELLA_TRY(cella_json_end(&object));
    CELLA_TRY(cella_operation_may(call, cella_right_to_party(call->party, call->party)));
    CELLA_TRY(check_rotation(monitor, call, statement, proof, &rotation));
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *event =
        json_pack("{s:s, s:o, s:o, s:s}", "party", call->party->entry.id, "sign",
                  cella_json_base64url(cella_view_of(rotation.sign, sizeof(rotation.sign))), "seal",
                  cella_json_base64url(cella_view_of(rotation.seal, sizeof(rotation.seal))), "statement", statement);
    CELLA_TRY(cella_monitor_commit(monitor, CELLA_EVENT_PARTY_ROTATED, event));
    cella_monitor_log(monitor, "party rotated %s", call->party->entry.id);
    call->reply = cella_party_json(call->party);
    return CELLA_OK;
}
