/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/statement.h"

#include <stdlib.h>
#include <string.h>

#include "monitor/clock.h"
#include "trust/back_end.h"
#include "trust/statement.h"

#define FILES_LAYER "files" /* of the runtime: the executor's programs, as the contract names them */

/* ---- evidence ---- */

/* The measurement inside of the executor's own evidence; appended to out. Nothing where the type has registers only. */
static cella_status read_measurement(const struct cella_monitor *monitor, struct cella_bytes *out)
{
    const struct cella_back_end *back_end = cella_back_end_of(cella_platform_type(monitor->platform));
    struct cella_endorsements endorsements = { 0 };
    struct cella_claims claims = { 0 };
    struct cella_text detail = { 0 };
    CELLA_CLEANUP(cella_parsed_clear) struct cella_parsed parsed = { 0 };
    if (back_end == NULL || back_end->measurement == NULL) {
        return CELLA_OK;
    }
    CELLA_TRY(cella_endorsements_read(cella_bytes_view(&monitor->evidence.endorsements), &endorsements));
    CELLA_TRY(back_end->parse(cella_bytes_view(&monitor->evidence.evidence), &endorsements, &claims, &parsed, &detail));
    const struct cella_claim *claim = cella_claims_find(&claims, back_end->measurement, CELLA_CLAIM_BYTES);
    return claim == NULL ? CELLA_BAD_EVIDENCE : cella_bytes_append(out, cella_view_of(claim->bytes, claim->size));
}

static cella_status commit_evidence(struct cella_monitor *monitor, const char *id, const char *type,
                                    const struct cella_bytes *file)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes measurement = { 0 };
    CELLA_TRY(read_measurement(monitor, &measurement));
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *body = json_pack("{s:s, s:s, s:o, s:o}", "evidence", id, "type", type, "measurement",
                             cella_json_base64url(cella_bytes_view(&measurement)), "file",
                             cella_json_base64url(cella_bytes_view(file)));
    return cella_monitor_commit(monitor, CELLA_EVENT_EVIDENCE_KEPT, body);
}

/* The evidence that statements of this start name. */
static cella_status find_evidence(struct cella_monitor *monitor, const struct cella_kept_evidence **out)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes file = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes id = { 0 };
    uint8_t digest[CELLA_SHA256_SIZE];
    if (monitor->evidence_file[0] == '\0') {
        const char *type = cella_evidence_type_name(cella_platform_type(monitor->platform));
        CELLA_TRY(cella_keyring_write_evidence(monitor->keyring, cella_view_of_string(type),
                                               cella_bytes_view(&monitor->evidence.evidence),
                                               cella_bytes_view(&monitor->charter.text), &file));
        CELLA_TRY(cella_sha256(cella_bytes_view(&file), digest));
        CELLA_TRY(cella_base64url_encode(cella_view_of(digest, sizeof(digest)), &id));
        CELLA_TRY(cella_write_u8(&id, '\0'));
        if (cella_table_find(&monitor->state.evidence, (const char *) id.data) == NULL) {
            CELLA_TRY(commit_evidence(monitor, (const char *) id.data, type, &file));
        }
        memcpy(monitor->evidence_file, id.data, id.size);
    }
    *out = (const struct cella_kept_evidence *) cella_table_find(&monitor->state.evidence, monitor->evidence_file);
    return *out == NULL ? CELLA_INTERNAL : CELLA_OK;
}

/* ---- the parts of a run ---- */

/* What an execution borrows besides the state. */
struct draft {
    struct cella_execution run;
    uint8_t outputs[CELLA_TASK_FILES_MAX][CELLA_SHA256_SIZE];
    uint8_t participants[CELLA_PARTICIPANTS_MAX][CELLA_SHA256_SIZE];
    struct cella_merkle_hash parents[CELLA_TASK_FILES_MAX];
    uint8_t evidence[CELLA_SHA256_SIZE];
};

static int compare_items(const void *a, const void *b)
{
    struct cella_view left = ((const struct cella_statement_item *) a)->name;
    struct cella_view right = ((const struct cella_statement_item *) b)->name;
    int order = memcmp(left.data, right.data, left.size < right.size ? left.size : right.size);
    return order != 0 ? order : (left.size > right.size) - (left.size < right.size);
}

static void sort_items(struct cella_statement_items *items)
{
    qsort(items->list, items->count, sizeof(items->list[0]), compare_items);
}

static int compare_thumbprints(const void *a, const void *b)
{
    return memcmp(a, b, CELLA_SHA256_SIZE);
}

/* Ids of parties as sorted thumbprints. bytes: room for all of them */
static cella_status fill_parties(const struct cella_party *const *parties, size_t count,
                                 uint8_t (*bytes)[CELLA_SHA256_SIZE], struct cella_statement_digests *out)
{
    for (size_t i = 0; i < count; i++) {
        CELLA_TRY(cella_base64url_decode_exact(cella_view_of_string(parties[i]->entry.id), bytes[i], CELLA_SHA256_SIZE));
    }
    qsort(bytes, count, CELLA_SHA256_SIZE, compare_thumbprints);
    for (size_t i = 0; i < count; i++) {
        out->list[i] = cella_view_of(bytes[i], CELLA_SHA256_SIZE);
    }
    out->count = count;
    return CELLA_OK;
}

static cella_status fill_participants(const struct cella_task_record *task, struct draft *draft)
{
    const struct cella_party *parties[CELLA_PARTICIPANTS_MAX];
    for (size_t i = 0; i < task->participant_count; i++) {
        parties[i] = task->participants[i].party;
    }
    return fill_parties(parties, task->participant_count, draft->participants, &draft->run.participants);
}

/* The run that made these data, once. Runs of before executors made statements have none. */
static cella_status add_parent(const struct cella_data *data, struct draft *draft)
{
    struct cella_statement_digests *parents = &draft->run.parents;
    if (data->made_by == NULL || data->made_by->run_logged.statement.size == 0) {
        return CELLA_OK;
    }
    struct cella_view entry = cella_bytes_view(&data->made_by->run_logged.statement);
    struct cella_merkle_hash *leaf = &draft->parents[parents->count];
    CELLA_TRY(cella_merkle_leaf(&entry, 1, leaf));
    for (size_t i = 0; i < parents->count; i++) {
        if (cella_merkle_equal(leaf, &draft->parents[i])) {
            return CELLA_OK;
        }
    }
    parents->list[parents->count++] = cella_view_of(leaf->bytes, sizeof(leaf->bytes));
    return CELLA_OK;
}

static cella_status fill_inputs(const struct cella_task_record *task, struct draft *draft)
{
    struct cella_statement_items *items = &draft->run.inputs;
    for (size_t i = 0; i < task->function->spec.input_count; i++) {
        const struct cella_data *data = task->inputs[i].data;
        if (data == NULL) {
            continue;
        }
        items->list[items->count++] = (struct cella_statement_item){
            .name = cella_view_of_string(task->inputs[i].file->name),
            .kind = CELLA_DIGEST_SEALED,
            .digest = cella_view_of(data->sha256, sizeof(data->sha256)),
            .size = data->size,
        };
        CELLA_TRY(add_parent(data, draft));
    }
    sort_items(items);
    return CELLA_OK;
}

static cella_status fill_outputs(const json_t *outputs, struct draft *draft)
{
    struct cella_statement_items *items = &draft->run.outputs;
    const char *name;
    json_t *output;
    json_object_foreach((json_t *) outputs, name, output)
    {
        if (items->count == CELLA_TASK_FILES_MAX) {
            return CELLA_INTERNAL;
        }
        uint8_t *digest = draft->outputs[items->count];
        const char *text = json_string_value(json_object_get(output, "sha256"));
        CELLA_TRY(text == NULL ? CELLA_INTERNAL
                               : cella_base64url_decode_exact(cella_view_of_string(text), digest, CELLA_SHA256_SIZE));
        items->list[items->count++] = (struct cella_statement_item){
            .name = cella_view_of_string(name),
            .kind = CELLA_DIGEST_SEALED,
            .digest = cella_view_of(digest, CELLA_SHA256_SIZE),
            .size = (uint64_t) json_integer_value(json_object_get(output, "size")),
        };
    }
    sort_items(items);
    return CELLA_OK;
}

static void fill_usage(const json_t *usage, struct cella_execution *run)
{
    /* In the order of the payload's keys 1 to 5; there is no exit code of a script. */
    static const char *const names[] = { "cpu_us", "peak_kib", NULL, "bytes_in", "bytes_out" };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i] != NULL) {
            run->has_usage[i] = true;
            run->usage[i] = (uint64_t) json_integer_value(json_object_get(usage, names[i]));
        }
    }
    run->usage[1] *= 1024;
}

/* What the evidence measures, and the executor's files where that is something else. */
static void fill_runtime(const struct cella_monitor *monitor, const struct cella_kept_evidence *evidence,
                         struct cella_execution *run)
{
    struct cella_view files = cella_view_of(monitor->measurement, sizeof(monitor->measurement));
    struct cella_view measured = cella_bytes_view(&evidence->measurement);
    if (measured.size > 0) {
        run->runtime[run->runtime_count++] =
            (struct cella_statement_layer){ cella_view_of_string(evidence->type), measured };
    }
    if (!cella_view_equal(files, measured)) {
        run->runtime[run->runtime_count++] =
            (struct cella_statement_layer){ cella_view_of_string(FILES_LAYER), files };
    }
}

static cella_status fill_run(struct cella_monitor *monitor, const struct cella_task_record *task, uint64_t now_s,
                             struct draft *draft)
{
    const struct cella_kept_evidence *evidence;
    struct cella_execution *run = &draft->run;
    CELLA_TRY(find_evidence(monitor, &evidence));
    CELLA_TRY(cella_base64url_decode_exact(cella_view_of_string(evidence->entry.id), draft->evidence,
                                           sizeof(draft->evidence)));
    fill_runtime(monitor, evidence, run);
    run->function = cella_view_of(task->function->sha256, sizeof(task->function->sha256));
    run->contract = cella_view_of(task->contract_sha256, sizeof(task->contract_sha256));
    run->started_unix_s = (uint64_t) task->started_s;
    run->ended_unix_s = now_s;
    run->time_source = CELLA_TIME_HOST;
    run->nonce = cella_view_of(task->nonce, task->nonce_size);
    run->evidence = cella_view_of(draft->evidence, sizeof(draft->evidence));
    if (monitor->state.has_statement) {
        run->previous = cella_view_of(monitor->state.last_statement, sizeof(monitor->state.last_statement));
    }
    CELLA_TRY(fill_participants(task, draft));
    return fill_inputs(task, draft);
}

cella_status cella_statement_of_run(struct cella_monitor *monitor, const struct cella_task_record *task,
                                    const json_t *outputs, const json_t *usage, struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes payload = { 0 };
    struct draft draft = { 0 };
    uint64_t now_s = (uint64_t) cella_clock_now_s(monitor);
    CELLA_TRY(fill_run(monitor, task, now_s, &draft));
    CELLA_TRY(fill_outputs(outputs, &draft));
    fill_usage(usage, &draft.run);
    CELLA_TRY(cella_execution_write(&draft.run, &payload));
    return cella_keyring_sign_statement(monitor->keyring, CELLA_STATEMENT_IS_EXECUTION, cella_bytes_view(&payload),
                                        cella_view_of_string(task->entry.id), now_s, out);
}

cella_status cella_statement_of_deletion(struct cella_monitor *monitor, const struct cella_data *data,
                                         struct cella_bytes *out)
{
    const struct cella_kept_evidence *evidence; /* not named in it, but what its key is certified by */
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes payload = { 0 };
    uint8_t owners[CELLA_PARTICIPANTS_MAX][CELLA_SHA256_SIZE];
    uint8_t request[CELLA_SHA256_SIZE];
    uint64_t now_s = (uint64_t) cella_clock_now_s(monitor);
    struct cella_view subject = cella_view_of_string(data->entry.id);
    struct cella_deletion deletion = {
        .data = { subject, CELLA_DIGEST_SEALED, cella_view_of(data->sha256, sizeof(data->sha256)), data->size },
        .time_unix_s = now_s,
        .time_source = CELLA_TIME_HOST,
        .reason = cella_view_of_string(""),
        .request = cella_view_of(request, sizeof(request)),
    };
    CELLA_TRY(find_evidence(monitor, &evidence));
    CELLA_TRY(cella_sha256(monitor->cause.request, request));
    CELLA_TRY(fill_parties((const struct cella_party *const *) data->owners, data->owner_count, owners, &deletion.owners));
    CELLA_TRY(cella_deletion_write(&deletion, &payload));
    return cella_keyring_sign_statement(monitor->keyring, CELLA_STATEMENT_IS_DELETION, cella_bytes_view(&payload),
                                        subject, now_s, out);
}
