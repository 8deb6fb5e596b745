/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/state.h"

#include <stdlib.h>
#include <string.h>

struct cella_party *cella_state_party(const struct cella_state *state, const char *id)
{
    return (struct cella_party *) cella_table_find(&state->parties, id);
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

static const char *text_of(const json_t *body, const char *key)
{
    const char *text = json_string_value(json_object_get(body, key));
    return text == NULL ? "" : text;
}

static cella_status copy_text(const json_t *body, const char *key, char *out, size_t size)
{
    const char *text = text_of(body, key);
    size_t length = strlen(text);
    if (length >= size) {
        return CELLA_INTERNAL;
    }
    memcpy(out, text, length + 1);
    return CELLA_OK;
}

static cella_status copy_fixed(const json_t *body, const char *key, uint8_t *out, size_t size)
{
    return cella_base64url_decode_exact(cella_view_of_string(text_of(body, key)), out, size);
}

static cella_status copy_bytes(const json_t *body, const char *key, struct cella_bytes *out)
{
    return cella_base64url_decode(cella_view_of_string(text_of(body, key)), out);
}

static uint64_t number_of(const json_t *object, const char *key)
{
    return (uint64_t) json_integer_value(json_object_get(object, key));
}

static cella_status task_of(const struct cella_state *state, const json_t *body, struct cella_task_record **out)
{
    *out = cella_state_task(state, text_of(body, "task"));
    return *out == NULL ? CELLA_INTERNAL : CELLA_OK;
}

/* ---- parties, functions, data ---- */

static void free_party(struct cella_entry *entry)
{
    free(entry);
}

static void free_function(struct cella_entry *entry)
{
    struct cella_function *function = (struct cella_function *) entry;
    cella_bytes_clear(&function->package);
    cella_spec_clear(&function->spec);
    free(function);
}

static void free_data(struct cella_entry *entry)
{
    struct cella_data *data = (struct cella_data *) entry;
    cella_bytes_clear(&data->sealed_key);
    cella_bytes_clear(&data->associated_data);
    free(data);
}

/* {party, sign, seal, name} */
static cella_status fill_party(const json_t *body, struct cella_party *party)
{
    CELLA_TRY(copy_text(body, "party", party->entry.id, sizeof(party->entry.id)));
    CELLA_TRY(copy_text(body, "name", party->name, sizeof(party->name)));
    CELLA_TRY(copy_fixed(body, "sign", party->sign, sizeof(party->sign)));
    return copy_fixed(body, "seal", party->seal, sizeof(party->seal));
}

static cella_status party_enrolled(struct cella_state *state, const json_t *body)
{
    struct cella_party *party = calloc(1, sizeof(*party));
    if (party == NULL) {
        return CELLA_NO_MEMORY;
    }
    cella_status status = fill_party(body, party);
    status = status == CELLA_OK ? cella_table_add(&state->parties, &party->entry) : status;
    if (status != CELLA_OK) {
        free_party(&party->entry);
    }
    return status;
}

/* {function, owner, sha256, sealed, package, spec} */
static cella_status fill_function(const struct cella_state *state, const json_t *body,
                                  struct cella_function *function)
{
    CELLA_TRY(copy_text(body, "function", function->entry.id, sizeof(function->entry.id)));
    CELLA_TRY(copy_fixed(body, "sha256", function->sha256, sizeof(function->sha256)));
    CELLA_TRY(copy_bytes(body, "package", &function->package));
    function->sealed = json_is_true(json_object_get(body, "sealed"));
    function->owner = cella_state_party(state, text_of(body, "owner"));
    if (function->owner == NULL) {
        return CELLA_INTERNAL;
    }
    return cella_spec_read(cella_view_of_string(text_of(body, "spec")), &function->spec);
}

static cella_status function_registered(struct cella_state *state, const json_t *body)
{
    struct cella_function *function = calloc(1, sizeof(*function));
    if (function == NULL) {
        return CELLA_NO_MEMORY;
    }
    cella_status status = fill_function(state, body, function);
    status = status == CELLA_OK ? cella_table_add(&state->functions, &function->entry) : status;
    if (status != CELLA_OK) {
        free_function(&function->entry);
        return status;
    }
    state->bytes += sizeof(*function) + function->package.size +
                    CELLA_JSON_COST * json_string_length(json_object_get(body, "spec"));
    return CELLA_OK;
}

/* {data, owner, name, object, sha256, size, segment, sealed_key, associated_data} */
static cella_status fill_data(const struct cella_state *state, const json_t *body, struct cella_data *data)
{
    CELLA_TRY(copy_text(body, "data", data->entry.id, sizeof(data->entry.id)));
    CELLA_TRY(copy_text(body, "name", data->name, sizeof(data->name)));
    CELLA_TRY(copy_text(body, "object", data->object, sizeof(data->object)));
    CELLA_TRY(copy_fixed(body, "sha256", data->sha256, sizeof(data->sha256)));
    CELLA_TRY(copy_bytes(body, "sealed_key", &data->sealed_key));
    CELLA_TRY(copy_bytes(body, "associated_data", &data->associated_data));
    data->size = (uint64_t) json_integer_value(json_object_get(body, "size"));
    data->segment_size = (uint32_t) json_integer_value(json_object_get(body, "segment"));
    data->owner = cella_state_party(state, text_of(body, "owner"));
    return data->owner == NULL ? CELLA_INTERNAL : CELLA_OK;
}

static cella_status data_registered(struct cella_state *state, const json_t *body)
{
    struct cella_data *data = calloc(1, sizeof(*data));
    if (data == NULL) {
        return CELLA_NO_MEMORY;
    }
    cella_status status = fill_data(state, body, data);
    status = status == CELLA_OK ? cella_table_add(&state->data, &data->entry) : status;
    if (status != CELLA_OK) {
        free_data(&data->entry);
    }
    return status;
}

/* {data} */
static cella_status data_stored(struct cella_state *state, const json_t *body)
{
    struct cella_data *data = cella_state_data(state, text_of(body, "data"));
    if (data == NULL) {
        return CELLA_INTERNAL;
    }
    data->stored = true;
    return CELLA_OK;
}

/* ---- tasks ---- */

static void free_task(struct cella_entry *entry)
{
    struct cella_task_record *task = (struct cella_task_record *) entry;
    for (size_t i = 0; i < task->participant_count; i++) {
        cella_bytes_clear(&task->participants[i].result);
        cella_bytes_clear(&task->participants[i].messages);
    }
    for (size_t i = 0; task->outputs != NULL && i < task->function->spec.output_count; i++) {
        for (size_t k = 0; task->outputs[i].keys != NULL && k < task->participant_count; k++) {
            cella_bytes_clear(&task->outputs[i].keys[k]);
        }
        free(task->outputs[i].keys);
    }
    free(task->participants);
    free(task->inputs);
    free(task->outputs);
    json_decref(task->arguments);
    cella_bytes_clear(&task->contract);
    cella_bytes_clear(&task->progress_text);
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
    for (size_t i = 0; i < spec->output_count; i++) {
        task->outputs[i].file = &spec->outputs[i];
        CELLA_TRY(
            mask_of(state, task, json_object_get(outputs, spec->outputs[i].name), &task->outputs[i].receivers));
    }
    return CELLA_OK;
}

/* {task, creator, function, participants [], inputs {name: []}, outputs {name: []}, result [], messages [],
 *  arguments {}, limits {}, isolation {}} */
static cella_status fill_task(const struct cella_state *state, const json_t *body, struct cella_task_record *task)
{
    struct cella_json_error ignored = { 0 };
    CELLA_TRY(copy_text(body, "task", task->entry.id, sizeof(task->entry.id)));
    task->creator = cella_state_party(state, text_of(body, "creator"));
    task->function = cella_state_function(state, text_of(body, "function"));
    if (task->creator == NULL || task->function == NULL) {
        return CELLA_INTERNAL;
    }
    task->limits = cella_limits_most; /* the event names all of them: the charter may be another one by now */
    CELLA_TRY(cella_spec_lower_limits(json_object_get(body, "limits"), &ignored, &task->limits));
    CELLA_TRY(cella_spec_isolate(json_object_get(body, "isolation"), &ignored, &task->isolation));
    task->arguments = json_incref(json_object_get(body, "arguments"));
    CELLA_TRY(fill_participants(state, body, task));
    CELLA_TRY(fill_files(state, body, task));
    task->state = CELLA_TASK_CREATED;
    task->version = 1;
    return CELLA_OK;
}

static cella_status task_created(struct cella_state *state, const json_t *body)
{
    struct cella_task_record *task = calloc(1, sizeof(*task));
    if (task == NULL) {
        return CELLA_NO_MEMORY;
    }
    cella_status status = fill_task(state, body, task);
    status = status == CELLA_OK ? cella_table_add(&state->tasks, &task->entry) : status;
    if (status != CELLA_OK) {
        free_task(&task->entry);
        return status;
    }
    state->bytes += sizeof(*task) + task->participant_count * sizeof(task->participants[0]) +
                    CELLA_JSON_COST * number_of(body, "arguments_bytes");
    return CELLA_OK;
}

/* {task, inputs {name: data}} */
static cella_status task_assigned(struct cella_state *state, const json_t *body)
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
static cella_status task_contracted(struct cella_state *state, const json_t *body)
{
    struct cella_task_record *task;
    CELLA_TRY(task_of(state, body, &task));
    CELLA_TRY(copy_bytes(body, "contract", &task->contract));
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

/* {task, party} */
static cella_status task_approved(struct cella_state *state, const json_t *body)
{
    struct cella_task_record *task;
    CELLA_TRY(task_of(state, body, &task));
    const struct cella_party *party = cella_state_party(state, text_of(body, "party"));
    struct cella_participant *participant = cella_task_participant(task, party);
    if (participant == NULL) {
        return CELLA_INTERNAL;
    }
    participant->approved = true;
    bool everyone = true;
    for (size_t i = 0; i < task->participant_count; i++) {
        everyone = everyone && task->participants[i].approved;
    }
    task->state = everyone ? CELLA_TASK_APPROVED : CELLA_TASK_ASSIGNED;
    task->version++;
    return CELLA_OK;
}

/* {task} */
static cella_status set_state(struct cella_state *state, const json_t *body, enum cella_task_state new_state)
{
    struct cella_task_record *task;
    CELLA_TRY(task_of(state, body, &task));
    task->state = new_state;
    task->version++;
    return CELLA_OK;
}

/* usage {cpu_us, wall_us, peak_kib, bytes_in, bytes_out}? and messages {party: sealed}? */
static cella_status fill_end(struct cella_state *state, struct cella_task_record *task, const json_t *body)
{
    const json_t *usage = json_object_get(body, "usage");
    if (usage != NULL) {
        task->has_usage = true;
        task->usage.cpu_us = number_of(usage, "cpu_us");
        task->usage.wall_us = number_of(usage, "wall_us");
        task->usage.peak_kib = number_of(usage, "peak_kib");
        task->usage.bytes_in = number_of(usage, "bytes_in");
        task->usage.bytes_out = number_of(usage, "bytes_out");
    }
    const json_t *messages = json_object_get(body, "messages");
    const json_t *results = json_object_get(body, "result");
    for (size_t i = 0; i < task->participant_count; i++) {
        struct cella_participant *participant = &task->participants[i];
        CELLA_TRY(copy_bytes(messages, participant->party->entry.id, &participant->messages));
        CELLA_TRY(copy_bytes(results, participant->party->entry.id, &participant->result));
        state->bytes += participant->messages.size + participant->result.size;
    }
    task->version++;
    return CELLA_OK;
}

static cella_status fill_output(struct cella_task_record *task, struct cella_task_output *output, const json_t *body)
{
    CELLA_TRY(copy_text(body, "object", output->object, sizeof(output->object)));
    CELLA_TRY(copy_fixed(body, "sha256", output->sha256, sizeof(output->sha256)));
    output->size = number_of(body, "size");
    output->keys = calloc(task->participant_count, sizeof(output->keys[0]));
    if (output->keys == NULL) {
        return CELLA_NO_MEMORY;
    }
    const json_t *keys = json_object_get(body, "keys");
    for (size_t i = 0; i < task->participant_count; i++) {
        CELLA_TRY(copy_bytes(keys, task->participants[i].party->entry.id, &output->keys[i]));
    }
    return CELLA_OK;
}

/* {task, outputs {name: {object, sha256, size, keys {party: sealed}}}, result {party: sealed}, messages, usage} */
static cella_status task_finished(struct cella_state *state, const json_t *body)
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
    task->state = CELLA_TASK_FINISHED;
    return CELLA_OK;
}

/* {task, error (number), detail, class, line, messages?, usage?} */
static cella_status task_failed(struct cella_state *state, const json_t *body)
{
    struct cella_task_record *task;
    CELLA_TRY(task_of(state, body, &task));
    CELLA_TRY(copy_text(body, "detail", task->error_detail, sizeof(task->error_detail)));
    CELLA_TRY(copy_text(body, "class", task->error_class, sizeof(task->error_class)));
    task->error = cella_status_from_number((unsigned int) number_of(body, "error"));
    task->error_line = (uint32_t) number_of(body, "line");
    task->state = task->error == CELLA_CANCELLED ? CELLA_TASK_CANCELLED : CELLA_TASK_FAILED;
    return fill_end(state, task, body);
}

cella_status cella_state_apply(struct cella_state *state, enum cella_event event, const json_t *body)
{
    switch (event) {
    case CELLA_EVENT_PARTY_ENROLLED:
        return party_enrolled(state, body);
    case CELLA_EVENT_FUNCTION_REGISTERED:
        return function_registered(state, body);
    case CELLA_EVENT_DATA_REGISTERED:
        return data_registered(state, body);
    case CELLA_EVENT_DATA_STORED:
        return data_stored(state, body);
    case CELLA_EVENT_TASK_CREATED:
        return task_created(state, body);
    case CELLA_EVENT_TASK_ASSIGNED:
        return task_assigned(state, body);
    case CELLA_EVENT_TASK_CONTRACTED:
        return task_contracted(state, body);
    case CELLA_EVENT_TASK_APPROVED:
        return task_approved(state, body);
    case CELLA_EVENT_TASK_QUEUED:
        return set_state(state, body, CELLA_TASK_QUEUED);
    case CELLA_EVENT_TASK_STARTED:
        return set_state(state, body, CELLA_TASK_RUNNING);
    case CELLA_EVENT_TASK_FINISHED:
        return task_finished(state, body);
    case CELLA_EVENT_TASK_FAILED:
        return task_failed(state, body);
    }
    return CELLA_INTERNAL;
}

void cella_state_clear(struct cella_state *state)
{
    /* Tasks point to functions and parties, so they go first. */
    cella_table_clear(&state->tasks, free_task);
    cella_table_clear(&state->data, free_data);
    cella_table_clear(&state->functions, free_function);
    cella_table_clear(&state->parties, free_party);
}

/* ---- questions ---- */

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
