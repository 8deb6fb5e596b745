/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/apply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cella_apply_free_party(struct cella_entry *entry)
{
    struct cella_party *party = (struct cella_party *) entry;
    json_decref(party->rotations);
    free(party);
}

void cella_apply_free_plain(struct cella_entry *entry)
{
    free(entry);
}

/* ---- invitations: only those that can not be used any more are remembered ---- */

static cella_status remember_invitation(struct cella_state *state, const char *id)
{
    if (id[0] == '\0' || cella_table_find(&state->invitations, id) != NULL) {
        return CELLA_OK;
    }
    struct cella_entry *entry = calloc(1, sizeof(*entry));
    if (entry == NULL) {
        return CELLA_NO_MEMORY;
    }
    (void) snprintf(entry->id, sizeof(entry->id), "%s", id);
    cella_status status = cella_table_add(&state->invitations, entry);
    if (status != CELLA_OK) {
        free(entry);
    }
    return status;
}

/* {invitation, by} */
cella_status cella_apply_invitation_revoked(struct cella_state *state, const json_t *body)
{
    return remember_invitation(state, cella_apply_text(body, "invitation"));
}

/* ---- parties ---- */

static void set_roles(struct cella_state *state, struct cella_party *party, unsigned int roles)
{
    state->administrators -= cella_party_is(party, CELLA_PARTY_ADMINISTRATOR) ? 1 : 0;
    party->roles = roles;
    state->administrators += cella_party_is(party, CELLA_PARTY_ADMINISTRATOR) ? 1 : 0;
}

static void join(struct cella_party *party, struct cella_organisation *organisation, bool manages)
{
    if (party->organisation != organisation) {
        organisation->member_count++;
    }
    party->organisation = organisation;
    party->manages = manages;
}

static void leave(struct cella_party *party)
{
    if (party->organisation != NULL) {
        party->organisation->member_count--;
    }
    party->organisation = NULL;
    party->manages = false;
}

static cella_status organisation_of(const struct cella_state *state, const json_t *body,
                                    struct cella_organisation **out)
{
    *out = cella_state_organisation(state, cella_apply_text(body, "organisation"));
    return *out == NULL ? CELLA_INTERNAL : CELLA_OK;
}

static cella_status fill_party(const json_t *body, struct cella_party *party)
{
    CELLA_TRY(cella_apply_copy_text(body, "party", party->entry.id, sizeof(party->entry.id)));
    CELLA_TRY(cella_apply_copy_text(body, "name", party->name, sizeof(party->name)));
    CELLA_TRY(cella_apply_copy_fixed(body, "sign", party->sign, sizeof(party->sign)));
    memcpy(party->first, party->sign, sizeof(party->first));
    return cella_apply_copy_fixed(body, "seal", party->seal, sizeof(party->seal));
}

/* {party, sign, seal, name, roles [], organisation?, manages?, invitation?, by} */
cella_status cella_apply_party_enrolled(struct cella_state *state, const json_t *body)
{
    unsigned int roles;
    struct cella_organisation *organisation = NULL;
    CELLA_TRY(cella_roles_read(json_object_get(body, "roles"), &roles));
    if (json_object_get(body, "organisation") != NULL) {
        CELLA_TRY(organisation_of(state, body, &organisation));
    }
    struct cella_party *party = calloc(1, sizeof(*party));
    if (party == NULL) {
        return CELLA_NO_MEMORY;
    }
    cella_status status = fill_party(body, party);
    status = status == CELLA_OK ? remember_invitation(state, cella_apply_text(body, "invitation")) : status;
    status = status == CELLA_OK ? cella_table_add(&state->parties, &party->entry) : status;
    if (status != CELLA_OK) {
        cella_apply_free_party(&party->entry);
        return status;
    }
    set_roles(state, party, roles);
    if (organisation != NULL) {
        join(party, organisation, cella_apply_flag(body, "manages"));
    }
    return CELLA_OK;
}

/* {party, by, roles [], invitation?} */
cella_status cella_apply_party_changed(struct cella_state *state, const json_t *body)
{
    struct cella_party *party;
    unsigned int roles;
    CELLA_TRY(cella_apply_party(state, body, "party", &party));
    CELLA_TRY(cella_roles_read(json_object_get(body, "roles"), &roles));
    CELLA_TRY(remember_invitation(state, cella_apply_text(body, "invitation")));
    set_roles(state, party, roles);
    return CELLA_OK;
}

/* {party, sign, seal, statement} */
cella_status cella_apply_party_rotated(struct cella_state *state, const json_t *body)
{
    struct cella_party *party;
    uint8_t sign[CELLA_ED25519_KEY_SIZE];
    uint8_t seal[CELLA_X25519_KEY_SIZE];
    const char *statement = cella_apply_text(body, "statement");
    CELLA_TRY(cella_apply_party(state, body, "party", &party));
    CELLA_TRY(cella_apply_copy_fixed(body, "sign", sign, sizeof(sign)));
    CELLA_TRY(cella_apply_copy_fixed(body, "seal", seal, sizeof(seal)));
    if (party->rotations == NULL) {
        party->rotations = json_array();
    }
    if (json_array_append_new(party->rotations, json_string(statement)) != 0) {
        return CELLA_NO_MEMORY;
    }
    state->bytes += strlen(statement);
    memcpy(party->sign, sign, sizeof(sign));
    memcpy(party->seal, seal, sizeof(seal));
    return CELLA_OK;
}

/* {party, by} */
cella_status cella_apply_party_removed(struct cella_state *state, const json_t *body)
{
    struct cella_party *party;
    CELLA_TRY(cella_apply_party(state, body, "party", &party));
    set_roles(state, party, 0);
    leave(party);
    party->removed = true;
    return CELLA_OK;
}

/* ---- organisations ---- */

/* {organisation, name, by} */
cella_status cella_apply_organisation_created(struct cella_state *state, const json_t *body)
{
    struct cella_organisation *organisation = calloc(1, sizeof(*organisation));
    if (organisation == NULL) {
        return CELLA_NO_MEMORY;
    }
    cella_status status =
        cella_apply_copy_text(body, "organisation", organisation->entry.id, sizeof(organisation->entry.id));
    status = status == CELLA_OK
                 ? cella_apply_copy_text(body, "name", organisation->name, sizeof(organisation->name))
                 : status;
    status = status == CELLA_OK ? cella_table_add(&state->organisations, &organisation->entry) : status;
    if (status != CELLA_OK) {
        cella_apply_free_plain(&organisation->entry);
    }
    return status;
}

/* {organisation, party, manages, by, invitation?, roles?} */
cella_status cella_apply_organisation_joined(struct cella_state *state, const json_t *body)
{
    struct cella_party *party;
    struct cella_organisation *organisation;
    unsigned int roles;
    CELLA_TRY(cella_apply_party(state, body, "party", &party));
    CELLA_TRY(organisation_of(state, body, &organisation));
    CELLA_TRY(cella_roles_read(json_object_get(body, "roles"), &roles));
    CELLA_TRY(remember_invitation(state, cella_apply_text(body, "invitation")));
    if (json_object_get(body, "roles") != NULL) {
        set_roles(state, party, roles);
    }
    join(party, organisation, cella_apply_flag(body, "manages"));
    return CELLA_OK;
}

/* {organisation, party, by} */
cella_status cella_apply_organisation_left(struct cella_state *state, const json_t *body)
{
    struct cella_party *party;
    CELLA_TRY(cella_apply_party(state, body, "party", &party));
    leave(party);
    return CELLA_OK;
}

/* {organisation, by}: its members are of none then */
cella_status cella_apply_organisation_removed(struct cella_state *state, const json_t *body)
{
    struct cella_organisation *organisation;
    CELLA_TRY(organisation_of(state, body, &organisation));
    for (struct cella_entry *entry = state->parties.first; entry != NULL; entry = entry->next) {
        struct cella_party *party = (struct cella_party *) entry;
        if (party->organisation == organisation) {
            leave(party);
        }
    }
    organisation->removed = true;
    return CELLA_OK;
}
