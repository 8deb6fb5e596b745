/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/apply.h"

#include <stdlib.h>
#include <string.h>

/*
 * Each event: its name, what it does, and which members of its body say who caused it, what changed, and what else it is
 * about. The journal is made from the last three.
 */
static const struct {
    const char *name;
    cella_apply apply;
    const char *by;
    const char *subject;
    const char *other;
} events[] = {
    [CELLA_EVENT_PARTY_ENROLLED] = { "party.enrolled", cella_apply_party_enrolled, "by", "party", "organisation" },
    [CELLA_EVENT_PARTY_CHANGED] = { "party.changed", cella_apply_party_changed, "by", "party", NULL },
    [CELLA_EVENT_PARTY_ROTATED] = { "party.rotated", cella_apply_party_rotated, "party", "party", NULL },
    [CELLA_EVENT_PARTY_REMOVED] = { "party.removed", cella_apply_party_removed, "by", "party", NULL },
    [CELLA_EVENT_ORGANISATION_CREATED] = { "organisation.created", cella_apply_organisation_created, "by",
                                           "organisation", NULL },
    [CELLA_EVENT_ORGANISATION_JOINED] = { "organisation.joined", cella_apply_organisation_joined, "by",
                                          "organisation", "party" },
    [CELLA_EVENT_ORGANISATION_LEFT] = { "organisation.left", cella_apply_organisation_left, "by", "organisation",
                                        "party" },
    [CELLA_EVENT_ORGANISATION_REMOVED] = { "organisation.removed", cella_apply_organisation_removed, "by",
                                           "organisation", NULL },
    [CELLA_EVENT_INVITATION_REVOKED] = { "invitation.revoked", cella_apply_invitation_revoked, "by", "invitation",
                                         NULL },
    [CELLA_EVENT_FUNCTION_REGISTERED] = { "function.registered", cella_apply_function_registered, "owner", "function",
                                          NULL },
    [CELLA_EVENT_FUNCTION_CHANGED] = { "function.changed", cella_apply_function_changed, "by", "function", NULL },
    [CELLA_EVENT_FUNCTION_DELETED] = { "function.deleted", cella_apply_function_deleted, "by", "function", NULL },
    [CELLA_EVENT_FUNCTION_SHOWN] = { "function.shown", cella_apply_function_shown, "by", "function", "auditor" },
    [CELLA_EVENT_FUNCTION_AUDITED] = { "function.audited", cella_apply_function_audited, "auditor", "function", NULL },
    [CELLA_EVENT_DATA_REGISTERED] = { "data.registered", cella_apply_data_registered, "owner", "data", NULL },
    [CELLA_EVENT_DATA_STORED] = { "data.stored", cella_apply_data_stored, NULL, "data", NULL },
    [CELLA_EVENT_DATA_CHANGED] = { "data.changed", cella_apply_data_changed, "by", "data", NULL },
    [CELLA_EVENT_DATA_DELETED] = { "data.deleted", cella_apply_data_deleted, "by", "data", NULL },
    [CELLA_EVENT_DATA_DERIVED] = { "data.derived", cella_apply_data_derived, "by", "data", "task" },
    [CELLA_EVENT_DATA_MOVED] = { "data.moved", cella_apply_data_moved, "by", "data", NULL },
    [CELLA_EVENT_TASK_CREATED] = { "task.created", cella_apply_task_created, "creator", "task", "function" },
    [CELLA_EVENT_TASK_ASSIGNED] = { "task.assigned", cella_apply_task_assigned, "by", "task", NULL },
    [CELLA_EVENT_TASK_CONTRACTED] = { "task.contracted", cella_apply_task_contracted, NULL, "task", NULL },
    [CELLA_EVENT_TASK_APPROVED] = { "task.approved", cella_apply_task_approved, "party", "task", NULL },
    [CELLA_EVENT_TASK_WITHDRAWN] = { "task.withdrawn", cella_apply_task_withdrawn, "party", "task", NULL },
    [CELLA_EVENT_TASK_QUEUED] = { "task.queued", cella_apply_task_queued, "by", "task", NULL },
    [CELLA_EVENT_TASK_RETRIED] = { "task.retried", cella_apply_task_retried, "by", "task", NULL },
    [CELLA_EVENT_TASK_STARTED] = { "task.started", cella_apply_task_started, NULL, "task", NULL },
    [CELLA_EVENT_TASK_FINISHED] = { "task.finished", cella_apply_task_finished, NULL, "task", NULL },
    [CELLA_EVENT_EVIDENCE_KEPT] = { "evidence.kept", cella_apply_evidence_kept, NULL, "evidence", NULL },
    [CELLA_EVENT_TASK_FAILED] = { "task.failed", cella_apply_task_failed, "by", "task", NULL },
};

struct cella_party *cella_state_party(const struct cella_state *state, const char *id)
{
    return (struct cella_party *) cella_table_find(&state->parties, id);
}

struct cella_organisation *cella_state_organisation(const struct cella_state *state, const char *id)
{
    return (struct cella_organisation *) cella_table_find(&state->organisations, id);
}

struct cella_function *cella_state_function(const struct cella_state *state, const char *id)
{
    return (struct cella_function *) cella_table_find(&state->functions, id);
}

struct cella_data *cella_state_data(const struct cella_state *state, const char *id)
{
    return (struct cella_data *) cella_table_find(&state->data, id);
}

struct cella_task_record *cella_state_task(const struct cella_state *state, const char *id)
{
    return (struct cella_task_record *) cella_table_find(&state->tasks, id);
}

/* ---- reading events ---- */

const char *cella_apply_text(const json_t *body, const char *key)
{
    const char *text = json_string_value(json_object_get(body, key));
    return text == NULL ? "" : text;
}

uint64_t cella_apply_number(const json_t *body, const char *key)
{
    return (uint64_t) json_integer_value(json_object_get(body, key));
}

bool cella_apply_flag(const json_t *body, const char *key)
{
    return json_is_true(json_object_get(body, key));
}

cella_status cella_apply_copy_text(const json_t *body, const char *key, char *out, size_t size)
{
    const char *text = cella_apply_text(body, key);
    size_t length = strlen(text);
    if (length >= size) {
        return CELLA_INTERNAL;
    }
    memcpy(out, text, length + 1);
    return CELLA_OK;
}

cella_status cella_apply_copy_fixed(const json_t *body, const char *key, uint8_t *out, size_t size)
{
    return cella_base64url_decode_exact(cella_view_of_string(cella_apply_text(body, key)), out, size);
}

cella_status cella_apply_copy_bytes(const json_t *body, const char *key, struct cella_bytes *out)
{
    return cella_base64url_decode(cella_view_of_string(cella_apply_text(body, key)), out);
}

cella_status cella_apply_copy_json(const json_t *body, const char *key, json_t **out)
{
    const json_t *value = json_object_get(body, key);
    if (value == NULL || json_is_null(value)) {
        *out = NULL;
        return CELLA_OK;
    }
    *out = json_deep_copy(value);
    return *out == NULL ? CELLA_NO_MEMORY : CELLA_OK;
}

cella_status cella_apply_party(const struct cella_state *state, const json_t *body, const char *key,
                               struct cella_party **out)
{
    *out = cella_state_party(state, cella_apply_text(body, key));
    return *out == NULL ? CELLA_INTERNAL : CELLA_OK;
}

/* ---- one event ---- */

static const struct cella_table *table_of(const struct cella_state *state, const char *noun)
{
    static const struct {
        const char *noun;
        size_t table;
    } tables[] = {
        { "organisation", offsetof(struct cella_state, organisations) },
        { "invitation", offsetof(struct cella_state, invitations) },
        { "function", offsetof(struct cella_state, functions) },
        { "data", offsetof(struct cella_state, data) },
        { "task", offsetof(struct cella_state, tasks) },
        { "evidence", offsetof(struct cella_state, evidence) },
    };
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        if (strcmp(tables[i].noun, noun) == 0) {
            return (const struct cella_table *) (const void *) ((const char *) state + tables[i].table);
        }
    }
    return &state->parties;
}

const struct cella_table *cella_state_subjects(const struct cella_state *state, enum cella_event event)
{
    return table_of(state, events[event].subject);
}

const struct cella_table *cella_state_others(const struct cella_state *state, enum cella_event event)
{
    return events[event].other == NULL ? NULL : table_of(state, events[event].other);
}

/* The record that a member of the body names. */
static const struct cella_entry *find_record(const struct cella_state *state, const json_t *body, const char *key)
{
    return key == NULL ? NULL : cella_table_find(table_of(state, key), cella_apply_text(body, key));
}

cella_status cella_state_apply(struct cella_state *state, enum cella_event event, const json_t *body)
{
    if ((unsigned int) event >= CELLA_EVENT_COUNT) {
        return CELLA_INTERNAL;
    }
    CELLA_TRY(cella_journal_reserve(&state->journal));
    CELLA_TRY(events[event].apply(state, body));
    int64_t time_s = (int64_t) cella_apply_number(body, "time");
    state->time_s = time_s > state->time_s ? time_s : state->time_s;
    const struct cella_journal_entry entry = {
        .time_s = state->time_s,
        .event = (int) event,
        .detail = (int) cella_apply_number(body, "error"),
        .by = find_record(state, body, events[event].by),
        .subject = find_record(state, body, events[event].subject),
        .other = find_record(state, body, events[event].other),
    };
    cella_journal_add(&state->journal, &entry);
    state->bytes += sizeof(entry);
    return CELLA_OK;
}

const char *cella_event_name(enum cella_event event)
{
    return (unsigned int) event < CELLA_EVENT_COUNT ? events[event].name : NULL;
}

void cella_state_clear(struct cella_state *state)
{
    cella_journal_clear(&state->journal);
    /* Tasks point to functions and parties, so they go first. */
    cella_table_clear(&state->tasks, cella_apply_free_task);
    cella_table_clear(&state->data, cella_apply_free_data);
    cella_table_clear(&state->functions, cella_apply_free_function);
    cella_table_clear(&state->parties, cella_apply_free_party);
    cella_table_clear(&state->organisations, cella_apply_free_plain);
    cella_table_clear(&state->invitations, cella_apply_free_plain);
    cella_table_clear(&state->evidence, cella_apply_free_evidence);
}

/* ---- questions ---- */

bool cella_party_is(const struct cella_party *party, unsigned int role)
{
    return !party->removed && (party->roles & role) != 0;
}

bool cella_data_is_there(const struct cella_data *data)
{
    return data->stored || data->url != NULL;
}

int cella_data_owner_index(const struct cella_data *data, const struct cella_party *party)
{
    for (size_t i = 0; i < data->owner_count; i++) {
        if (data->owners[i] == party) {
            return (int) i;
        }
    }
    return -1;
}

bool cella_data_is_owner(const struct cella_data *data, const struct cella_party *party)
{
    return cella_data_owner_index(data, party) >= 0;
}

const char *cella_data_key_owner(const struct cella_data *data)
{
    return data->kept ? NULL : data->owners[0]->entry.id;
}

cella_status cella_state_has_room(const struct cella_state *state, const struct cella_table *table, size_t most)
{
    return table->count >= most || state->bytes >= CELLA_STATE_BYTES_MAX ? CELLA_TOO_MANY : CELLA_OK;
}

int cella_task_participant_index(const struct cella_task_record *task, const struct cella_party *party)
{
    for (size_t i = 0; i < task->participant_count; i++) {
        if (task->participants[i].party == party) {
            return (int) i;
        }
    }
    return -1;
}

struct cella_participant *cella_task_participant(struct cella_task_record *task, const struct cella_party *party)
{
    int index = cella_task_participant_index(task, party);
    return index < 0 ? NULL : &task->participants[index];
}

bool cella_task_is_assigned(const struct cella_task_record *task)
{
    for (size_t i = 0; i < task->function->spec.input_count; i++) {
        if (task->inputs[i].owners != 0 && task->inputs[i].data == NULL) {
            return false;
        }
    }
    return true;
}

size_t cella_task_data_count(const struct cella_task_record *task)
{
    size_t count = 0;
    for (size_t i = 0; i < task->function->spec.input_count; i++) {
        count += task->inputs[i].data != NULL ? 1 : 0;
    }
    return count;
}

bool cella_task_is_over(const struct cella_task_record *task)
{
    return task->state >= CELLA_TASK_FINISHED;
}

const char *cella_task_state_name(enum cella_task_state state)
{
    static const char *const names[] = {
        [CELLA_TASK_CREATED] = "created",   [CELLA_TASK_ASSIGNED] = "assigned", [CELLA_TASK_APPROVED] = "approved",
        [CELLA_TASK_QUEUED] = "queued",     [CELLA_TASK_RUNNING] = "running",   [CELLA_TASK_FINISHED] = "finished",
        [CELLA_TASK_FAILED] = "failed",     [CELLA_TASK_CANCELLED] = "cancelled",
    };
    return names[state];
}

cella_status cella_party_sequence(struct cella_party *party, int64_t sequence)
{
    size_t place = party->seen_count;
    while (place > 0 && party->seen[place - 1] > sequence) {
        place--;
    }
    bool full = party->seen_count == CELLA_SEEN_MAX;
    if ((place > 0 && party->seen[place - 1] == sequence) || (full && place == 0)) {
        return CELLA_REPLAYED;
    }
    if (full) {
        memmove(&party->seen[0], &party->seen[1], (place - 1) * sizeof(party->seen[0]));
        party->seen[place - 1] = sequence;
        return CELLA_OK;
    }
    memmove(&party->seen[place + 1], &party->seen[place], (party->seen_count - place) * sizeof(party->seen[0]));
    party->seen[place] = sequence;
    party->seen_count++;
    return CELLA_OK;
}
