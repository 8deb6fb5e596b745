/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "monitor/data.h"
#include "monitor/ledger.h"
#include "monitor/task.h"
#include "trust/cose.h"
#include "trust/statement.h"

/*
 * Receipts: given out for what stands in the ledger, as often as somebody asks. A receipt is made from the statement and
 * the tree as it was right after the statement's record, so it is the same bytes each time.
 */

/* Parts of a bundle that are made for it. */
struct parts {
    struct cella_bytes receipt;
    struct cella_bytes tree_head;
    struct cella_bytes endorsements;
    struct cella_bytes histories;
    struct cella_bytes bundle;
};

static void clear_parts(struct parts *parts)
{
    cella_bytes_clear(&parts->receipt);
    cella_bytes_clear(&parts->tree_head);
    cella_bytes_clear(&parts->endorsements);
    cella_bytes_clear(&parts->histories);
    cella_bytes_clear(&parts->bundle);
}

/* The transparent statement, and the head that its receipt leads to. */
static cella_status make_receipt(const struct cella_monitor *monitor, const struct cella_logged *logged,
                                 const struct cella_statement *statement, struct parts *parts)
{
    const struct cella_chain *chain = cella_ledger_chain(monitor->ledger);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes inclusion = { 0 };
    struct cella_merkle_path path;
    struct cella_merkle_hash leaf;
    uint64_t size = logged->leaf + 1;
    CELLA_TRY(cella_chain_prove_inclusion(chain, logged->leaf, size, &leaf, &path));
    CELLA_TRY(cella_keyring_sign_inclusion(monitor->keyring, &leaf, logged->leaf, size, &path, &inclusion,
                                           &parts->tree_head));
    struct cella_view receipt = cella_bytes_view(&inclusion);
    return cella_statement_attach(statement, &receipt, 1, &parts->receipt);
}

/* ---- requests, offered as evidence where a verifier can tell whose they are ---- */

/* The key that a rotation of the state names: it was verified when it was made. */
static cella_status next_key(const struct cella_monitor *monitor, const struct cella_party *party, size_t index,
                             struct cella_view statement, uint8_t out[CELLA_ED25519_KEY_SIZE])
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    struct cella_json_error error = { "" };
    struct cella_rotation rotation;
    struct cella_jws jws;
    CELLA_TRY(cella_jws_split(statement, &jws));
    CELLA_TRY(cella_base64url_decode(jws.payload_text, &text));
    CELLA_TRY(cella_rotation_read(cella_bytes_view(&text), party->entry.id, cella_keyring_executor(monitor->keyring),
                                  (int64_t) index + 1, &error, &rotation));
    memcpy(out, rotation.sign, sizeof(rotation.sign));
    return CELLA_OK;
}

/* How the party came to this key: the statements up to it. *found is false for a key that it never had. */
static cella_status add_history(const struct cella_monitor *monitor, const struct cella_party *party, const uint8_t *key,
                                struct cella_bundle *bundle, struct cella_bytes *histories, bool *found)
{
    struct cella_view statements[CELLA_ROTATIONS_MAX];
    uint8_t next[CELLA_ED25519_KEY_SIZE];
    *found = false;
    for (size_t i = 0; i < json_array_size(party->rotations) && i < CELLA_ROTATIONS_MAX && !*found; i++) {
        statements[i] = cella_view_of_string(json_string_value(json_array_get(party->rotations, i)));
        CELLA_TRY(next_key(monitor, party, i, statements[i], next));
        *found = memcmp(next, key, sizeof(next)) == 0;
        CELLA_TRY(*found ? cella_key_history_write(party->first, statements, i + 1, histories) : CELLA_OK);
    }
    bundle->history_count += *found ? 1 : 0;
    return CELLA_OK;
}

static cella_status add_request(const struct cella_monitor *monitor, const struct cella_party *party,
                                const struct cella_signed_request *request, struct cella_bundle *bundle,
                                struct cella_bytes *histories)
{
    bool found = memcmp(request->public_key, party->first, sizeof(party->first)) == 0;
    if (request->text.size == 0 || bundle->approval_count == CELLA_STATEMENT_PARTIES_MAX) {
        return CELLA_OK;
    }
    CELLA_TRY(found ? CELLA_OK : add_history(monitor, party, request->public_key, bundle, histories, &found));
    if (found) {
        bundle->approvals[bundle->approval_count++] = (struct cella_approval){
            cella_view_of(request->public_key, sizeof(request->public_key)), cella_bytes_view(&request->text) };
    }
    return CELLA_OK;
}

/* The evidence that the statement names; of a deletion, which names none, the newest. */
static cella_status find_evidence(const struct cella_monitor *monitor, const struct cella_statement *statement,
                                  const struct cella_kept_evidence **out)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes id = { 0 };
    struct cella_execution run;
    struct cella_text detail;
    const struct cella_entry *found = monitor->state.evidence.last;
    if (statement->kind == CELLA_STATEMENT_IS_EXECUTION) {
        CELLA_TRY(cella_execution_read(statement->sign1.payload, &run, &detail));
        CELLA_TRY(cella_base64url_encode(run.evidence, &id));
        CELLA_TRY(cella_write_u8(&id, '\0'));
        found = cella_table_find(&monitor->state.evidence, (const char *) id.data);
    }
    *out = (const struct cella_kept_evidence *) found;
    return found == NULL ? CELLA_INTERNAL : CELLA_OK;
}

static cella_status refuse(struct cella_call *call, const char *sentence)
{
    (void) snprintf(call->detail, sizeof(call->detail), "%s", sentence);
    return CELLA_BAD_STATE;
}

static cella_status check_ledger(const struct cella_monitor *monitor, struct cella_call *call)
{
    return monitor->ledger != NULL
               ? CELLA_OK
               : refuse(call, "this executor's platform can not seal keys: it keeps no ledger, and gives no receipts");
}

/* bundle, parts: have what only the caller knows. The reply is all of it as one file. */
static cella_status reply(struct cella_monitor *monitor, struct cella_call *call, const struct cella_logged *logged,
                          struct cella_bundle *bundle, struct parts *parts)
{
    const struct cella_kept_evidence *evidence;
    struct cella_statement statement;
    struct cella_text detail;
    CELLA_TRY(check_ledger(monitor, call));
    if (!cella_ledger_is_durable(monitor->ledger, logged->leaf + 1)) {
        return refuse(call, "it is not durable yet");
    }
    CELLA_TRY(cella_statement_read(cella_bytes_view(&logged->statement), &statement, &detail));
    CELLA_TRY(find_evidence(monitor, &statement, &evidence));
    CELLA_TRY(make_receipt(monitor, logged, &statement, parts));
    CELLA_TRY(cella_bytes_append(&parts->endorsements, cella_bytes_view(&monitor->evidence.endorsements)));
    CELLA_TRY(cella_bytes_append(&parts->endorsements, cella_bytes_view(&monitor->collateral)));
    bundle->receipt = cella_bytes_view(&parts->receipt);
    bundle->tree_head = cella_bytes_view(&parts->tree_head);
    bundle->endorsements = cella_bytes_view(&parts->endorsements);
    bundle->evidence_file = cella_bytes_view(&evidence->file);
    bundle->histories = cella_bytes_view(&parts->histories);
    CELLA_TRY(cella_bundle_write(bundle, &parts->bundle));
    call->reply = json_pack("{s:o}", "proof", cella_json_base64url(cella_bytes_view(&parts->bundle)));
    return call->reply == NULL ? CELLA_NO_MEMORY : CELLA_OK;
}

static cella_status reply_for_task(struct cella_monitor *monitor, struct cella_call *call, const char *id)
{
    struct cella_task_record *task;
    struct cella_participant *reader;
    struct cella_bundle bundle = { 0 };
    CELLA_CLEANUP(clear_parts) struct parts parts = { 0 };
    CELLA_TRY(cella_task_find(monitor, call, id, &task, &reader));
    if (task->state != CELLA_TASK_FINISHED) {
        return refuse(call, cella_task_is_over(task) ? "it did not finish, and only tasks that did have a receipt"
                                                     : "it has not finished");
    }
    if (task->run_logged.statement.size == 0) {
        return refuse(call, "it ran before this executor gave receipts");
    }
    bundle.contract = cella_bytes_view(&task->contract);
    for (size_t i = 0; i < task->participant_count; i++) {
        const struct cella_participant *participant = &task->participants[i];
        CELLA_TRY(add_request(monitor, participant->party, &participant->approval, &bundle, &parts.histories));
    }
    return reply(monitor, call, &task->run_logged, &bundle, &parts);
}

static cella_status reply_for_data(struct cella_monitor *monitor, struct cella_call *call, const char *id)
{
    struct cella_data *data;
    struct cella_bundle bundle = { 0 };
    CELLA_CLEANUP(clear_parts) struct parts parts = { 0 };
    CELLA_TRY(cella_data_find(monitor, call, id, &data));
    if (!data->deleted || data->deletion.statement.size == 0) {
        return refuse(call, data->deleted ? "they were deleted before this executor gave receipts" : "they are not deleted");
    }
    for (size_t i = 0; i < data->owner_count; i++) {
        /* Of him whose key it is. */
        CELLA_TRY(add_request(monitor, data->owners[i], &data->deletion_request, &bundle, &parts.histories));
    }
    return reply(monitor, call, &data->deletion, &bundle, &parts);
}

/* {of}: the task of a run, or the data of a deletion */
cella_status cella_operation_receipt_get(struct cella_monitor *monitor, struct cella_call *call)
{
    const char *id;
    CELLA_TRY(cella_operation_only(call, "of", &id));
    return cella_state_data(&monitor->state, id) != NULL ? reply_for_data(monitor, call, id)
                                                         : reply_for_task(monitor, call, id);
}

/* ---- by leaf ---- */

static bool has_leaf(const struct cella_chain *chain, const struct cella_logged *logged,
                     const struct cella_merkle_hash *leaf)
{
    struct cella_merkle_hash found;
    return logged->statement.size > 0 && cella_chain_leaf(chain, logged->leaf, &found) == CELLA_OK &&
           cella_merkle_equal(&found, leaf);
}

/* {leaf}: whose receipt has it. A statement names its parents by leaf; what it is of is told only to those who may have it. */
cella_status cella_operation_receipt_find(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_json_object object;
    struct cella_merkle_hash leaf;
    struct cella_participant *reader;
    const char *found = NULL;
    CELLA_TRY(cella_json_begin(call->args, "args", &call->error, &object));
    CELLA_TRY(cella_json_fixed(&object, "leaf", leaf.bytes, sizeof(leaf.bytes)));
    CELLA_TRY(cella_json_end(&object));
    CELLA_TRY(check_ledger(monitor, call));
    const struct cella_chain *chain = cella_ledger_chain(monitor->ledger);
    for (struct cella_entry *entry = monitor->state.tasks.first; entry != NULL && found == NULL; entry = entry->next) {
        struct cella_task_record *task = (struct cella_task_record *) entry;
        if (has_leaf(chain, &task->run_logged, &leaf)) {
            CELLA_TRY(cella_task_find(monitor, call, entry->id, &task, &reader));
            found = entry->id;
        }
    }
    for (struct cella_entry *entry = monitor->state.data.first; entry != NULL && found == NULL; entry = entry->next) {
        struct cella_data *data = (struct cella_data *) entry;
        if (has_leaf(chain, &data->deletion, &leaf)) {
            CELLA_TRY(cella_data_find(monitor, call, entry->id, &data));
            found = entry->id;
        }
    }
    CELLA_TRY(found != NULL ? CELLA_OK : CELLA_NOT_FOUND);
    call->reply = json_pack("{s:s}", "of", found);
    return call->reply == NULL ? CELLA_NO_MEMORY : CELLA_OK;
}
