/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/apply.h"

#include <stdlib.h>

#include "monitor/source.h"

static cella_status task_of(const struct cella_state *state, const json_t *body, struct cella_task_record **out)
{
    *out = cella_state_task(state, cella_apply_text(body, "task"));
    return *out == NULL ? CELLA_INTERNAL : CELLA_OK;
}

void cella_apply_free_task(struct cella_entry *entry)
{
    struct cella_task_record *task = (struct cella_task_record *) entry;
    for (size_t i = 0; i < task->participant_count; i++) {
        cella_bytes_clear(&task->participants[i].result);
        cella_bytes_clear(&task->participants[i].messages);
        cella_bytes_clear(&task->participants[i].approval.text);
    }
    for (size_t i = 0; task->outputs != NULL && i < task->function->spec.output_count; i++) {
        for (size_t k = 0; task->outputs[i].keys != NULL && k < task->participant_count; k++) {
            cella_bytes_clear(&task->outputs[i].keys[k]);
        }
        free(task->outputs[i].keys);
        cella_bytes_clear(&task->outputs[i].kept_key);
    }
    free(task->participants);
    free(task->inputs);
    free(task->outputs);
    json_decref(task->arguments);
    json_decref(task->auditors);
    cella_bytes_clear(&task->contract);
    cella_bytes_clear(&task->progress_text);
    cella_bytes_clear(&task->run_logged.statement);
    free(task);
}

/* Mask over the task's participants of an array of party ids. */
static cella_status mask_of(const struct cella_state *state, const struct cella_task_record *task,
                            const json_t *parties, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < json_array_size(parties); i++) {
        const struct cella_party *party =
            cella_state_party(state, json_string_value(json_array_get(parties, i)));
        int index = party == NULL ? -1 : cella_task_participant_index(task, party);
        if (index < 0) {
            return CELLA_INTERNAL;
        }
        *out |= (uint64_t) 1 << index;
    }
    return CELLA_OK;
}

static cella_status fill_participants(const struct cella_state *state, const json_t *body,
                                      struct cella_task_record *task)
{
    const json_t *parties = json_object_get(body, "participants");
    size_t count = json_array_size(parties);
    if (count == 0 || count > CELLA_PARTICIPANTS_MAX) {
        return CELLA_INTERNAL;
    }
    task->participants = calloc(count, sizeof(task->participants[0]));
    if (task->participants == NULL) {
        return CELLA_NO_MEMORY;
    }
    task->participant_count = count;
    for (size_t i = 0; i < count; i++) {
        const char *id = json_string_value(json_array_get(parties, i));
        task->participants[i].party = cella_state_party(state, id == NULL ? "" : id);
        if (task->participants[i].party == NULL) {
            return CELLA_INTERNAL;
        }
    }
    uint64_t result;
    uint64_t messages;
    CELLA_TRY(mask_of(state, task, json_object_get(body, "result"), &result));
    CELLA_TRY(mask_of(state, task, json_object_get(body, "messages"), &messages));
    for (size_t i = 0; i < count; i++) {
        task->participants[i].reads_result = (result >> i & 1) != 0;
        task->participants[i].reads_messages = (messages >> i & 1) != 0;
    }
    return CELLA_OK;
}

static cella_status fill_files(const struct cella_state *state, const json_t *body, struct cella_task_record *task)
{
    const struct cella_spec *spec = &task->function->spec;
    task->inputs = calloc(spec->input_count + 1, sizeof(task->inputs[0]));
    task->outputs = calloc(spec->output_count + 1, sizeof(task->outputs[0]));
    if (task->inputs == NULL || task->outputs == NULL) {
        return CELLA_NO_MEMORY;
    }
    const json_t *inputs = json_object_get(body, "inputs");
    for (size_t i = 0; i < spec->input_count; i++) {
        task->inputs[i].file = &spec->inputs[i];
        CELLA_TRY(mask_of(state, task, json_object_get(inputs, spec->inputs[i].name), &task->inputs[i].owners));
    }
    const json_t *outputs = json_object_get(body, "outputs");
    const json_t *fusion = json_object_get(body, "fusion");
    for (size_t i = 0; i < spec->output_count; i++) {
        task->outputs[i].file = &spec->outputs[i];
        CELLA_TRY(
            mask_of(state, task, json_object_get(outputs, spec->outputs[i].name), &task->outputs[i].receivers));
        task->outputs[i].fusion = cella_apply_flag(fusion, spec->outputs[i].name);
    }
    return CELLA_OK;
}

/* {task, creator, function, participants [], inputs {name: []}, outputs {name: []}, result [], messages [],
 *  arguments {}, limits {}, isolation {}, fusion? {name: true}, auditors?, priority, attempts, expires} */
static cella_status fill_task(const struct cella_state *state, const json_t *body, struct cella_task_record *task)
{
    struct cella_json_error ignored = { 0 };
    CELLA_TRY(cella_apply_copy_text(body, "task", task->entry.id, sizeof(task->entry.id)));
    task->creator = cella_state_party(state, cella_apply_text(body, "creator"));
    task->function = cella_state_function(state, cella_apply_text(body, "function"));
    if (task->creator == NULL || task->function == NULL) {
        return CELLA_INTERNAL;
    }
    task->limits = cella_limits_most; /* the event names all of them: the charter may be another one by now */
    CELLA_TRY(cella_spec_lower_limits(json_object_get(body, "limits"), &ignored, &task->limits));
    CELLA_TRY(cella_spec_isolate(json_object_get(body, "isolation"), &ignored, &task->isolation));
    CELLA_TRY(cella_apply_copy_json(body, "arguments", &task->arguments));
    CELLA_TRY(cella_apply_copy_json(body, "auditors", &task->auditors));
    task->priority = (uint32_t) cella_apply_number(body, "priority");
    task->attempts = (uint32_t) cella_apply_number(body, "attempts");
    task->expires_s = (int64_t) cella_apply_number(body, "expires");
    CELLA_TRY(fill_participants(state, body, task));
    CELLA_TRY(fill_files(state, body, task));
    task->state = CELLA_TASK_CREATED;
    task->version = 1;
    return CELLA_OK;
}

cella_status cella_apply_task_created(struct cella_state *state, const json_t *body)
{
    struct cella_task_record *task = calloc(1, sizeof(*task));
    if (task == NULL) {
        return CELLA_NO_MEMORY;
    }
    cella_status status = fill_task(state, body, task);
    status = status == CELLA_OK ? cella_table_add(&state->tasks, &task->entry) : status;
    if (status != CELLA_OK) {
        cella_apply_free_task(&task->entry);
        return status;
    }
    state->bytes += sizeof(*task) + task->participant_count * sizeof(task->participants[0]) +
                    CELLA_JSON_COST * cella_apply_number(body, "arguments_bytes");
    return CELLA_OK;
}

/* {task, inputs {name: data}} */
cella_status cella_apply_task_assigned(struct cella_state *state, const json_t *body)
{
    struct cella_task_record *task;
    CELLA_TRY(task_of(state, body, &task));
    const json_t *inputs = json_object_get(body, "inputs");
    for (size_t i = 0; i < task->function->spec.input_count; i++) {
        const char *data = json_string_value(json_object_get(inputs, task->inputs[i].file->name));
        if (data != NULL) {
            task->inputs[i].data = cella_state_data(state, data);
        }
    }
    task->version++;
    return CELLA_OK;
}

/* {task, contract} */
cella_status cella_apply_task_contracted(struct cella_state *state, const json_t *body)
{
    struct cella_task_record *task;
    CELLA_TRY(task_of(state, body, &task));
    CELLA_TRY(cella_apply_copy_bytes(body, "contract", &task->contract));
    CELLA_TRY(cella_sha256(cella_bytes_view(&task->contract), task->contract_sha256));
    state->bytes += task->contract.size;
    task->state = CELLA_TASK_ASSIGNED;
    /* The only participant approves by assigning: nobody else's word is asked for. */
    if (task->participant_count == 1) {
        task->participants[0].approved = true;
        task->state = CELLA_TASK_APPROVED;
    }
    task->version++;
    return CELLA_OK;
}

/* {task, party, request} */
cella_status cella_apply_task_approved(struct cella_state *state, const json_t *body)
{
    struct cella_task_record *task;
    CELLA_TRY(task_of(state, body, &task));
    const struct cella_party *party = cella_state_party(state, cella_apply_text(body, "party"));
    struct cella_participant *participant = cella_task_participant(task, party);
    if (participant == NULL) {
        return CELLA_INTERNAL;
    }
    CELLA_TRY(cella_apply_request(state, body, party, &participant->approval));
    participant->approved = true;
    bool everyone = true;
    for (size_t i = 0; i < task->participant_count; i++) {
        everyone = everyone && task->participants[i].approved;
    }
    task->state = everyone ? CELLA_TASK_APPROVED : CELLA_TASK_ASSIGNED;
    task->version++;
    return CELLA_OK;
}

static void leave_state(struct cella_task_record *task, enum cella_task_state new_state)
{
    task->state = new_state;
    task->version++;
}

/* ---- what a run costs: the function's quota and the uses of its data ---- */

static void take_use(struct cella_data *data, void *context)
{
    const struct cella_privacy *cost = context;
    data->used++;
    data->spent.epsilon += cost->epsilon;
    data->spent.delta += cost->delta;
}

static void return_use(struct cella_data *data, void *context)
{
    const struct cella_privacy *cost = context;
    data->used--;
    data->spent.epsilon -= cost->epsilon;
    data->spent.delta -= cost->delta;
}

/*
 * A task that is queued takes one run of the quota, and one use and its privacy's cost of each of its data and of what these were
 * made of.
 */
static void take_costs(struct cella_state *state, struct cella_task_record *task)
{
    struct cella_privacy cost = cella_privacy_counted(&task->function->spec, task->arguments);
    task->function->used++;
    (void) cella_sources_visit(state, task, take_use, &cost);
}

/* A task that leaves the queue without having started has seen nothing: it gives everything back. */
static void return_costs(struct cella_state *state, struct cella_task_record *task)
{
    struct cella_privacy cost = cella_privacy_counted(&task->function->spec, task->arguments);
    task->function->used--;
    (void) cella_sources_visit(state, task, return_use, &cost);
}

/* The nonce of whoever asked for the run. Records of before there were nonces have none: then the contract's hash stands in. */
static cella_status fill_nonce(const json_t *body, struct cella_task_record *task)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes nonce = { 0 };
    CELLA_TRY(cella_apply_copy_bytes(body, "nonce", &nonce));
    struct cella_view chosen = nonce.size == 0 ? cella_view_of(task->contract_sha256, CELLA_SHA256_SIZE)
                                               : cella_bytes_view(&nonce);
    if (chosen.size > sizeof(task->nonce)) {
        return CELLA_INTERNAL;
    }
    memcpy(task->nonce, chosen.data, chosen.size);
    task->nonce_size = chosen.size;
    return CELLA_OK;
}

/* {task, by, nonce} */
cella_status cella_apply_task_queued(struct cella_state *state, const json_t *body)
{
    struct cella_task_record *task;
    CELLA_TRY(task_of(state, body, &task));
    CELLA_TRY(fill_nonce(body, task));
    take_costs(state, task);
    task->attempt++;
    leave_state(task, CELLA_TASK_QUEUED);
    return CELLA_OK;
}

/* {task, by, nonce}: a failed one is queued again, under the same contract */
cella_status cella_apply_task_retried(struct cella_state *state, const json_t *body)
{
    struct cella_task_record *task;
    CELLA_TRY(task_of(state, body, &task));
    CELLA_TRY(fill_nonce(body, task));
    take_costs(state, task);
    task->attempt++;
    task->error = CELLA_OK;
    task->error_detail[0] = '\0';
    task->error_class[0] = '\0';
    task->error_line = 0;
    task->has_usage = false;
    for (size_t i = 0; i < task->participant_count; i++) {
        state->bytes -= task->participants[i].messages.size;
        cella_bytes_clear(&task->participants[i].messages);
    }
    leave_state(task, CELLA_TASK_QUEUED);
    return CELLA_OK;
}

/* {task} */
cella_status cella_apply_task_started(struct cella_state *state, const json_t *body)
{
    struct cella_task_record *task;
    CELLA_TRY(task_of(state, body, &task));
    task->started_s = (int64_t) cella_apply_number(body, "time");
    leave_state(task, CELLA_TASK_RUNNING);
    return CELLA_OK;
}

/* {task, party}: it waits for this approval again; one that was queued leaves the queue */
cella_status cella_apply_task_withdrawn(struct cella_state *state, const json_t *body)
{
    struct cella_task_record *task;
    CELLA_TRY(task_of(state, body, &task));
    struct cella_participant *participant =
        cella_task_participant(task, cella_state_party(state, cella_apply_text(body, "party")));
    if (participant == NULL) {
        return CELLA_INTERNAL;
    }
    if (task->state == CELLA_TASK_QUEUED) {
        return_costs(state, task);
        task->attempt--;
    }
    participant->approved = false;
    state->bytes -= participant->approval.text.size;
    cella_bytes_clear(&participant->approval.text);
    leave_state(task, CELLA_TASK_ASSIGNED);
    return CELLA_OK;
}

/* usage {cpu_us, wall_us, peak_kib, bytes_in, bytes_out}? and messages {party: sealed}? */
static cella_status fill_end(struct cella_state *state, struct cella_task_record *task, const json_t *body)
{
    const json_t *usage = json_object_get(body, "usage");
    if (usage != NULL) {
        task->has_usage = true;
        task->usage.cpu_us = cella_apply_number(usage, "cpu_us");
        task->usage.wall_us = cella_apply_number(usage, "wall_us");
        task->usage.peak_kib = cella_apply_number(usage, "peak_kib");
        task->usage.bytes_in = cella_apply_number(usage, "bytes_in");
        task->usage.bytes_out = cella_apply_number(usage, "bytes_out");
        task->function->usage.cpu_us += task->usage.cpu_us;
    }
    const json_t *messages = json_object_get(body, "messages");
    const json_t *results = json_object_get(body, "result");
    for (size_t i = 0; i < task->participant_count; i++) {
        struct cella_participant *participant = &task->participants[i];
        CELLA_TRY(cella_apply_copy_bytes(messages, participant->party->entry.id, &participant->messages));
        CELLA_TRY(cella_apply_copy_bytes(results, participant->party->entry.id, &participant->result));
        state->bytes += participant->messages.size + participant->result.size;
    }
    task->version++;
    return CELLA_OK;
}

static cella_status fill_output(struct cella_task_record *task, struct cella_task_output *output, const json_t *body)
{
    CELLA_TRY(cella_apply_copy_text(body, "object", output->object, sizeof(output->object)));
    CELLA_TRY(cella_apply_copy_fixed(body, "sha256", output->sha256, sizeof(output->sha256)));
    CELLA_TRY(cella_apply_copy_bytes(body, "kept_key", &output->kept_key));
    output->size = cella_apply_number(body, "size");
    output->keys = calloc(task->participant_count, sizeof(output->keys[0]));
    if (output->keys == NULL) {
        return CELLA_NO_MEMORY;
    }
    const json_t *keys = json_object_get(body, "keys");
    for (size_t i = 0; i < task->participant_count; i++) {
        CELLA_TRY(cella_apply_copy_bytes(keys, task->participants[i].party->entry.id, &output->keys[i]));
    }
    return CELLA_OK;
}

/* {task, outputs {name: {object, sha256, size, kept_key, keys {party: sealed}}}, result {party: sealed}, messages, usage} */
cella_status cella_apply_task_finished(struct cella_state *state, const json_t *body)
{
    struct cella_task_record *task;
    CELLA_TRY(task_of(state, body, &task));
    const json_t *outputs = json_object_get(body, "outputs");
    for (size_t i = 0; i < task->function->spec.output_count; i++) {
        const json_t *output = json_object_get(outputs, task->outputs[i].file->name);
        if (output != NULL) {
            CELLA_TRY(fill_output(task, &task->outputs[i], output));
        }
    }
    CELLA_TRY(fill_end(state, task, body));
    CELLA_TRY(cella_apply_logged(state, body, &task->run_logged));
    task->state = CELLA_TASK_FINISHED;
    task->function->usage.finished++;
    return CELLA_OK;
}

/* Errors that end a task without a run having failed. */
static bool cancels(cella_status error)
{
    return error == CELLA_CANCELLED || error == CELLA_REJECTED || error == CELLA_TASK_EXPIRED ||
           error == CELLA_PARTY_REMOVED;
}

/* A run that did not finish: in the statistics, and in the quota. */
static void count_failure(struct cella_state *state, struct cella_task_record *task)
{
    struct cella_function *function = task->function;
    bool started = task->state == CELLA_TASK_RUNNING;
    if (cancels(task->error)) {
        function->usage.cancelled++;
    } else {
        function->usage.failed++;
    }
    if (task->state == CELLA_TASK_QUEUED) {
        return_costs(state, task);
    } else if (started && function->quota_of_successes) {
        function->used--;
    }
}

/* {task, error (number), detail, class, line, messages?, usage?, by?, stored? (outputs of this attempt may be in the store)} */
cella_status cella_apply_task_failed(struct cella_state *state, const json_t *body)
{
    struct cella_task_record *task;
    CELLA_TRY(task_of(state, body, &task));
    CELLA_TRY(cella_apply_copy_text(body, "detail", task->error_detail, sizeof(task->error_detail)));
    CELLA_TRY(cella_apply_copy_text(body, "class", task->error_class, sizeof(task->error_class)));
    task->error = cella_status_from_number((unsigned int) cella_apply_number(body, "error"));
    task->error_line = (uint32_t) cella_apply_number(body, "line");
    task->discarded |= cella_apply_flag(body, "stored") ? 1U << task->attempt : 0;
    count_failure(state, task);
    task->state = cancels(task->error) ? CELLA_TASK_CANCELLED : CELLA_TASK_FAILED;
    return fill_end(state, task, body);
}
