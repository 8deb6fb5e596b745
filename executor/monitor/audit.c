/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/operation.h"

#include <string.h>

#include "base/wire.h"
#include "monitor/head.h"
#include "monitor/ledger.h"

/*
 * Questions to the journal. Participants see what they take part in, owners what is theirs, administrators what concerns
 * the service, auditors what the charter grants; nobody else learns that there was anything.
 */

enum kind { KIND_PARTY, KIND_FUNCTION, KIND_DATA, KIND_TASK };

static enum kind kind_of(enum cella_event event)
{
    switch (cella_event_name(event)[0]) {
    case 'f':
        return KIND_FUNCTION;
    case 'd':
        return KIND_DATA;
    case 't':
        return KIND_TASK;
    default:
        return KIND_PARTY; /* parties, organisations, invitations */
    }
}

/* The caller is what the entry is about, owns it, takes part in it, or caused it. */
static bool concerns(const struct cella_journal_entry *entry, const struct cella_party *reader)
{
    const struct cella_entry *me = &reader->entry;
    if (entry->by == me || entry->subject == me || entry->other == me) {
        return true;
    }
    switch (kind_of((enum cella_event) entry->event)) {
    case KIND_FUNCTION:
        return ((const struct cella_function *) entry->subject)->owner == reader;
    case KIND_DATA:
        return cella_data_is_owner((const struct cella_data *) entry->subject, reader);
    case KIND_TASK:
        return cella_task_participant_index((const struct cella_task_record *) entry->subject, reader) >= 0;
    case KIND_PARTY:
        break;
    }
    /* Whoever manages an organisation sees who comes and goes. */
    return reader->manages && (entry->subject == &reader->organisation->entry || entry->other == &reader->organisation->entry);
}

static bool may_read(const struct cella_monitor *monitor, const struct cella_journal_entry *entry,
                     const struct cella_party *reader)
{
    static const unsigned int reading[] = {
        [KIND_PARTY] = CELLA_READ_PARTIES,
        [KIND_FUNCTION] = CELLA_READ_FUNCTIONS,
        [KIND_DATA] = CELLA_READ_DATA,
        [KIND_TASK] = CELLA_READ_TASKS,
    };
    enum kind kind = kind_of((enum cella_event) entry->event);
    bool service = kind == KIND_PARTY || kind == KIND_FUNCTION;
    bool granted = cella_party_is(reader, CELLA_PARTY_AUDITOR) && (monitor->charter.auditors_read & reading[kind]) != 0;
    return granted || (service && cella_party_is(reader, CELLA_PARTY_ADMINISTRATOR)) || concerns(entry, reader);
}

struct filter {
    int64_t after;
    int64_t size; /* of the ledger that the asker knows; 0: none */
    int64_t since_s;
    int64_t until_s;
    const char *party;
    const char *function;
    const char *data;
    const char *task;
};

static bool names(const struct cella_journal_entry *entry, const char *id)
{
    return (entry->by != NULL && strcmp(entry->by->id, id) == 0) ||
           (entry->subject != NULL && strcmp(entry->subject->id, id) == 0) ||
           (entry->other != NULL && strcmp(entry->other->id, id) == 0);
}

/* Also what happened in tasks of the function. */
static bool is_of_function(const struct cella_journal_entry *entry, const char *id)
{
    return names(entry, id) ||
           (kind_of((enum cella_event) entry->event) == KIND_TASK &&
            strcmp(((const struct cella_task_record *) entry->subject)->function->entry.id, id) == 0);
}

static bool passes(const struct filter *filter, const struct cella_journal_entry *entry)
{
    return entry->time_s >= filter->since_s && entry->time_s < filter->until_s &&
           (filter->party == NULL || names(entry, filter->party)) &&
           (filter->function == NULL || is_of_function(entry, filter->function)) &&
           (filter->data == NULL || names(entry, filter->data)) &&
           (filter->task == NULL || names(entry, filter->task));
}

static cella_status read_filter(struct cella_call *call, struct filter *filter)
{
    struct cella_json_object object;
    CELLA_TRY(cella_json_begin(call->args, "args", &call->error, &object));
    CELLA_TRY(cella_json_integer_optional(&object, "after", 0, (int64_t) 1 << 53, &filter->after));
    CELLA_TRY(cella_json_integer_optional(&object, "size", 1, (int64_t) 1 << 53, &filter->size));
    CELLA_TRY(cella_json_integer_optional(&object, "since", 0, (int64_t) 1 << 53, &filter->since_s));
    CELLA_TRY(cella_json_integer_optional(&object, "until", 0, (int64_t) 1 << 53, &filter->until_s));
    CELLA_TRY(cella_json_string_optional(&object, "party", CELLA_ID_SIZE - 1, &filter->party));
    CELLA_TRY(cella_json_string_optional(&object, "function", CELLA_ID_SIZE - 1, &filter->function));
    CELLA_TRY(cella_json_string_optional(&object, "data", CELLA_ID_SIZE - 1, &filter->data));
    CELLA_TRY(cella_json_string_optional(&object, "task", CELLA_ID_SIZE - 1, &filter->task));
    return cella_json_end(&object);
}

/* An answer that is being made. */
struct answer {
    json_t *entries;
    json_t *proofs;
    struct cella_bytes lines;
    size_t next; /* number of the last entry that was looked at */
    bool more;
};

static void clear_answer(struct answer *answer)
{
    json_decref(answer->entries);
    json_decref(answer->proofs);
    cella_bytes_clear(&answer->lines);
}

/* The statement that is the leaf of this entry's record; NULL: its record is a private one. */
static const struct cella_bytes *statement_of(const struct cella_journal_entry *entry)
{
    const struct cella_logged *logged = NULL;
    if (entry->event == CELLA_EVENT_TASK_FINISHED) {
        logged = &((const struct cella_task_record *) entry->subject)->run_logged;
    } else if (entry->event == CELLA_EVENT_DATA_DELETED) {
        logged = &((const struct cella_data *) entry->subject)->deletion;
    }
    return logged != NULL && logged->statement.size > 0 && logged->leaf == entry->leaf ? &logged->statement : NULL;
}

/* {leaf, rest | statement, path}: that the ledger has the entry. null where its record is too old to say it. */
static cella_status add_proof(const struct cella_chain *chain, const struct cella_journal_entry *entry,
                              struct answer *answer)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes nodes = { 0 };
    struct cella_merkle_hash leaf;
    struct cella_merkle_path path;
    const struct cella_bytes *statement = statement_of(entry);
    if (!entry->logged) {
        return json_array_append_new(answer->proofs, json_null()) == 0 ? CELLA_OK : CELLA_NO_MEMORY;
    }
    CELLA_TRY(cella_chain_prove_inclusion(chain, entry->leaf, chain->size, &leaf, &path));
    for (size_t i = 0; i < path.count; i++) {
        CELLA_TRY(cella_bytes_append(&nodes, cella_view_of(path.nodes[i].bytes, sizeof(path.nodes[i].bytes))));
    }
    struct cella_view opening =
        statement != NULL ? cella_bytes_view(statement) : cella_view_of(entry->rest, sizeof(entry->rest));
    json_t *proof = json_pack("{s:I, s:o, s:o}", "leaf", (json_int_t) entry->leaf, statement != NULL ? "statement" : "rest",
                              cella_json_base64url(opening), "path", cella_json_base64url(cella_bytes_view(&nodes)));
    return json_array_append_new(answer->proofs, proof) == 0 ? CELLA_OK : CELLA_NO_MEMORY;
}

static cella_status add_entry(const struct cella_monitor *monitor, size_t number, struct answer *answer)
{
    const struct cella_journal *journal = &monitor->state.journal;
    const struct cella_journal_entry *entry = &journal->entries[number - 1];
    if (json_array_append_new(answer->entries, cella_journal_json(journal, number)) != 0) {
        return CELLA_NO_MEMORY;
    }
    CELLA_TRY(cella_journal_line(journal, number, &answer->lines));
    CELLA_TRY(cella_write_u8(&answer->lines, '\n'));
    return monitor->ledger == NULL ? CELLA_OK : add_proof(cella_ledger_chain(monitor->ledger), entry, answer);
}

/* What is not durable has not happened yet, for those outside. */
static bool is_told(const struct cella_monitor *monitor, const struct cella_journal_entry *entry)
{
    return !entry->logged || cella_ledger_is_durable(monitor->ledger, entry->leaf + 1);
}

static cella_status collect(const struct cella_monitor *monitor, const struct cella_party *reader,
                            const struct filter *filter, struct answer *answer)
{
    const struct cella_journal *journal = &monitor->state.journal;
    size_t next = (size_t) filter->after; /* numbers begin with 1 */
    for (; next < journal->count && json_array_size(answer->entries) < CELLA_PAGE_MAX; next++) {
        const struct cella_journal_entry *entry = &journal->entries[next];
        if (!is_told(monitor, entry)) {
            break;
        }
        CELLA_TRY(passes(filter, entry) && may_read(monitor, entry, reader) ? add_entry(monitor, next + 1, answer)
                                                                            : CELLA_OK);
    }
    answer->next = next;
    answer->more = next < journal->count && is_told(monitor, &journal->entries[next]);
    return CELLA_OK;
}

/* What shows that the answer is the executor's, and that its ledger has the entries. */
static cella_status add_proofs(const struct cella_monitor *monitor, const struct cella_call *call,
                               const struct filter *filter, const struct answer *answer)
{
    const struct cella_chain *chain = cella_ledger_chain(monitor->ledger);
    CELLA_CLEANUP(cella_json_cleanup) json_t *head = NULL;
    CELLA_CLEANUP(cella_json_cleanup) json_t *path = NULL;
    struct cella_merkle_hash root;
    uint8_t signature[CELLA_ED25519_SIGNATURE_SIZE];
    CELLA_TRY(cella_head_json(monitor, &head));
    CELLA_TRY(cella_merkle_root(&chain->tree, &root));
    const struct cella_audit_answer said = {
        .party = call->party->entry.id,
        .request = monitor->cause.request,
        .size = chain->size,
        .root = root.bytes,
        .next = answer->next,
        .more = answer->more,
        .lines = cella_bytes_view(&answer->lines),
    };
    CELLA_TRY(cella_keyring_sign_audit(monitor->keyring, &said, signature));
    bool added = json_object_set(call->reply, "head", head) == 0 &&
                 json_object_set(call->reply, "proofs", answer->proofs) == 0 &&
                 json_object_set_new(call->reply, "signature",
                                     cella_json_base64url(cella_view_of(signature, sizeof(signature)))) == 0;
    if (filter->size > 0) {
        CELLA_TRY(cella_head_prove(monitor, (uint64_t) filter->size, &path));
        added = added && json_object_set(call->reply, "consistency", path) == 0;
    }
    return added ? CELLA_OK : CELLA_NO_MEMORY;
}

cella_status cella_operation_audit_list(struct cella_monitor *monitor, struct cella_call *call)
{
    struct filter filter = { .until_s = INT64_MAX };
    CELLA_TRY(read_filter(call, &filter));
    CELLA_CLEANUP(clear_answer) struct answer answer = { .entries = json_array(), .proofs = json_array() };
    CELLA_TRY(collect(monitor, call->party, &filter, &answer));
    call->reply = json_pack("{s:O, s:b, s:I}", "entries", answer.entries, "more", (int) answer.more, "next",
                            (json_int_t) answer.next);
    CELLA_TRY(call->reply == NULL ? CELLA_NO_MEMORY : CELLA_OK);
    return monitor->ledger == NULL ? CELLA_OK : add_proofs(monitor, call, &filter, &answer);
}
