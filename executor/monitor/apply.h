/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How each event changes the state: the apply functions, one for each event, in apply_party.c, apply_function.c,
 * apply_data.c and apply_task.c, and what they share. Only state.c calls them.
 *
 * Each takes the body that is described beside it. CELLA_INTERNAL  the body does not fit; CELLA_NO_MEMORY; then nothing
 * has changed.
 */

#include "monitor/state.h"

typedef cella_status (*cella_apply)(struct cella_state *state, const json_t *body);

cella_status cella_apply_party_enrolled(struct cella_state *state, const json_t *body);
cella_status cella_apply_party_changed(struct cella_state *state, const json_t *body);
cella_status cella_apply_party_rotated(struct cella_state *state, const json_t *body);
cella_status cella_apply_party_removed(struct cella_state *state, const json_t *body);
cella_status cella_apply_organisation_created(struct cella_state *state, const json_t *body);
cella_status cella_apply_organisation_joined(struct cella_state *state, const json_t *body);
cella_status cella_apply_organisation_left(struct cella_state *state, const json_t *body);
cella_status cella_apply_organisation_removed(struct cella_state *state, const json_t *body);
cella_status cella_apply_invitation_revoked(struct cella_state *state, const json_t *body);
cella_status cella_apply_function_registered(struct cella_state *state, const json_t *body);
cella_status cella_apply_function_changed(struct cella_state *state, const json_t *body);
cella_status cella_apply_function_deleted(struct cella_state *state, const json_t *body);
cella_status cella_apply_function_shown(struct cella_state *state, const json_t *body);
cella_status cella_apply_function_audited(struct cella_state *state, const json_t *body);
cella_status cella_apply_data_registered(struct cella_state *state, const json_t *body);
cella_status cella_apply_data_stored(struct cella_state *state, const json_t *body);
cella_status cella_apply_data_changed(struct cella_state *state, const json_t *body);
cella_status cella_apply_data_moved(struct cella_state *state, const json_t *body);
cella_status cella_apply_data_deleted(struct cella_state *state, const json_t *body);
cella_status cella_apply_data_derived(struct cella_state *state, const json_t *body);
cella_status cella_apply_task_created(struct cella_state *state, const json_t *body);
cella_status cella_apply_task_assigned(struct cella_state *state, const json_t *body);
cella_status cella_apply_task_contracted(struct cella_state *state, const json_t *body);
cella_status cella_apply_task_approved(struct cella_state *state, const json_t *body);
cella_status cella_apply_task_withdrawn(struct cella_state *state, const json_t *body);
cella_status cella_apply_task_queued(struct cella_state *state, const json_t *body);
cella_status cella_apply_task_retried(struct cella_state *state, const json_t *body);
cella_status cella_apply_task_started(struct cella_state *state, const json_t *body);
cella_status cella_apply_task_finished(struct cella_state *state, const json_t *body);
cella_status cella_apply_task_failed(struct cella_state *state, const json_t *body);
cella_status cella_apply_evidence_kept(struct cella_state *state, const json_t *body);

/* Release records; for cella_state_clear. */
void cella_apply_free_party(struct cella_entry *entry);
void cella_apply_free_plain(struct cella_entry *entry); /* organisations and invitations */
void cella_apply_free_function(struct cella_entry *entry);
void cella_apply_free_data(struct cella_entry *entry);
void cella_apply_free_task(struct cella_entry *entry);
void cella_apply_free_evidence(struct cella_entry *entry);

/* ---- what receipts are made of (apply_statement.c) ---- */

/* The statement that came with the event (cella_event_add_statement), if one did. */
CELLA_MUST_USE cella_status cella_apply_logged(struct cella_state *state, const json_t *body, struct cella_logged *out);
/* Member "request": the request as the party signed it; absent: none. */
CELLA_MUST_USE cella_status cella_apply_request(struct cella_state *state, const json_t *body,
                                                const struct cella_party *party, struct cella_signed_request *out);

/* ---- reading bodies ---- */

/* Text of a member; "" when it is absent. */
const char *cella_apply_text(const json_t *body, const char *key);
/* Number of a member; 0 when it is absent. */
uint64_t cella_apply_number(const json_t *body, const char *key);
bool cella_apply_flag(const json_t *body, const char *key);
/* The same into a buffer with room for size characters and bytes; CELLA_INTERNAL when it does not fit. */
CELLA_MUST_USE cella_status cella_apply_copy_text(const json_t *body, const char *key, char *out, size_t size);
/* Base64url: exactly size bytes; any number of bytes, appended to out ("" and absent: none). */
CELLA_MUST_USE cella_status cella_apply_copy_fixed(const json_t *body, const char *key, uint8_t *out, size_t size);
CELLA_MUST_USE cella_status cella_apply_copy_bytes(const json_t *body, const char *key, struct cella_bytes *out);
/* A copy of a member, or NULL for one that is absent or null. */
CELLA_MUST_USE cella_status cella_apply_copy_json(const json_t *body, const char *key, json_t **out);
/* The party that a member names. CELLA_INTERNAL  there is none */
CELLA_MUST_USE cella_status cella_apply_party(const struct cella_state *state, const json_t *body, const char *key,
                                              struct cella_party **out);
