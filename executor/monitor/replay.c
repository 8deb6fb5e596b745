/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/replay.h"

#include <stdlib.h>
#include <string.h>

#include "monitor/event.h"

/* An event that waits for the end of its change. */
struct cella_replay_change {
    enum cella_event event;
    json_t *body;
    char party[CELLA_ID_SIZE];
    uint64_t party_sequence;
    bool has_line;                   /* of the journal; records of version 1 have none */
    uint64_t leaf;
    uint8_t rest[CELLA_SHA256_SIZE];
    struct cella_replay_change *next;
};

static void free_changes(struct cella_replay *replay)
{
    while (replay->changes != NULL) {
        struct cella_replay_change *change = replay->changes;
        replay->changes = change->next;
        json_decref(change->body);
        free(change);
    }
    replay->last_change = NULL;
}

cella_status cella_replay_begin(struct cella_replay *replay, const struct cella_secret *ledger_key,
                                struct cella_state *state)
{
    *replay = (struct cella_replay){ .state = state };
    return cella_record_reader_new(ledger_key, &replay->reader);
}

void cella_replay_clear(struct cella_replay *replay)
{
    free_changes(replay);
    cella_record_reader_free(replay->reader);
    cella_chain_clear(&replay->chain);
    cella_bytes_clear(&replay->genesis.charter);
    cella_bytes_clear(&replay->plain);
    *replay = (struct cella_replay){ 0 };
}

static cella_status read_genesis(const json_t *body, struct cella_genesis *out)
{
    const char *charter = json_string_value(json_object_get(body, "charter"));
    const char *executor = json_string_value(json_object_get(body, "executor"));
    if (charter == NULL || executor == NULL || strlen(executor) != CELLA_THUMBPRINT_SIZE) {
        return CELLA_BAD_LEDGER;
    }
    memcpy(out->executor, executor, CELLA_THUMBPRINT_SIZE + 1);
    return cella_base64url_decode(cella_view_of_string(charter), &out->charter);
}

/* What a request used up, it has used up for good. */
static void note_sequence(const struct cella_replay *replay, const struct cella_replay_change *change)
{
    struct cella_party *party = cella_state_party(replay->state, change->party);
    if (party != NULL && change->party_sequence <= INT64_MAX) {
        (void) !cella_party_sequence(party, (int64_t) change->party_sequence);
    }
}

static cella_status apply_changes(struct cella_replay *replay)
{
    for (const struct cella_replay_change *change = replay->changes; change != NULL; change = change->next) {
        CELLA_TRY(cella_state_apply(replay->state, change->event, change->body));
        note_sequence(replay, change);
        if (change->has_line) {
            struct cella_journal *journal = &replay->state->journal;
            cella_journal_log(journal, journal->count, change->leaf, change->rest);
        }
    }
    free_changes(replay);
    return CELLA_OK;
}

static cella_status add_change(struct cella_replay *replay, enum cella_event event, const struct cella_record *record,
                               const struct cella_record_mark *mark, json_t *body)
{
    struct cella_replay_change *change = calloc(1, sizeof(*change));
    if (change == NULL || record->party.size >= sizeof(change->party)) {
        free(change);
        return change == NULL ? CELLA_NO_MEMORY : CELLA_BAD_LEDGER;
    }
    change->event = event;
    change->body = json_incref(body);
    change->party_sequence = record->party_sequence;
    change->has_line = record->line.size > 0;
    change->leaf = record->sequence;
    memcpy(change->rest, mark->rest, sizeof(change->rest));
    if (record->party.size > 0) {
        memcpy(change->party, record->party.data, record->party.size);
    }
    if (replay->last_change == NULL) {
        replay->changes = change;
    } else {
        replay->last_change->next = change;
    }
    replay->last_change = change;
    return CELLA_OK;
}

/* The state is as it was; an event of a change whose end is missing did not happen. */
static cella_status take_start(struct cella_replay *replay, const json_t *body)
{
    const char *anchor = json_string_value(json_object_get(body, "anchor"));
    free_changes(replay);
    replay->epochs++;
    replay->opened = (struct cella_opened){ .anchored = anchor != NULL };
    return anchor == NULL ? CELLA_OK
                          : cella_base64url_decode_exact(cella_view_of_string(anchor), replay->opened.found,
                                                         sizeof(replay->opened.found));
}

static cella_status take_event(struct cella_replay *replay, const struct cella_record *record,
                               const struct cella_record_mark *mark)
{
    CELLA_CLEANUP(cella_json_cleanup) json_t *body = NULL;
    enum cella_event event;
    CELLA_TRY(cella_json_parse(record->body, CELLA_RECORD_MAX, &body));
    bool genesis = cella_view_is(record->event, CELLA_EVENT_GENESIS);
    if (genesis != (record->sequence == 0)) {
        return CELLA_BAD_LEDGER;
    }
    if (genesis) {
        return read_genesis(body, &replay->genesis);
    }
    if (cella_view_is(record->event, CELLA_EVENT_EPOCH)) {
        return take_start(replay, body);
    }
    if (!cella_event_of(record->event, &event)) {
        return CELLA_BAD_VERSION;
    }
    if (record->statement.size > 0) {
        CELLA_TRY(cella_event_add_statement(body, record->statement, record->sequence));
    }
    CELLA_TRY(add_change(replay, event, record, mark, body));
    return record->more ? CELLA_OK : apply_changes(replay);
}

cella_status cella_replay_record(struct cella_replay *replay, struct cella_view sealed)
{
    struct cella_record record;
    struct cella_record_mark mark;
    CELLA_TRY(cella_record_open(replay->reader, sealed, replay->chain.size, replay->chain.head, &replay->plain, &record,
                                &mark));
    cella_status status = take_event(replay, &record, &mark);
    if (status != CELLA_OK) {
        bool passed_on = status == CELLA_NO_MEMORY || status == CELLA_CRYPTO_FAILED || status == CELLA_BAD_VERSION;
        return passed_on ? status : CELLA_BAD_LEDGER;
    }
    CELLA_TRY(cella_chain_add(&replay->chain, &mark));
    if (cella_view_is(record.event, CELLA_EVENT_EPOCH)) {
        memcpy(replay->opened.hash, mark.hash, sizeof(replay->opened.hash));
    }
    memcpy(replay->tag, sealed.data + sealed.size - sizeof(replay->tag), sizeof(replay->tag));
    return CELLA_OK;
}
