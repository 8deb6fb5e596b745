/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/operation.h"
#include "monitor/policy.h"

static json_t *parties_json(const struct cella_task_record *task, uint64_t mask)
{
    json_t *list = json_array();
    for (size_t i = 0; i < task->participant_count; i++) {
        if ((mask >> i & 1) != 0) {
            (void) json_array_append_new(list, json_string(task->participants[i].party->entry.id));
        }
    }
    return list;
}

enum participant_set { EVERYBODY, APPROVED, RESULT_READERS, MESSAGE_READERS };

static uint64_t mask_of(const struct cella_task_record *task, enum participant_set set)
{
    uint64_t mask = 0;
    for (size_t i = 0; i < task->participant_count; i++) {
        const struct cella_participant *one = &task->participants[i];
        bool in = set == EVERYBODY || (set == APPROVED && one->approved) ||
                  (set == RESULT_READERS && one->reads_result) || (set == MESSAGE_READERS && one->reads_messages);
        mask |= (uint64_t) (in ? 1 : 0) << i;
    }
    return mask;
}

static json_t *digest_json(const uint8_t digest[CELLA_SHA256_SIZE])
{
    return cella_json_hex(cella_view_of(digest, CELLA_SHA256_SIZE));
}

/* The only owner's policy by itself; those of several owners, and of what the data were made of, as a list. */
static void add_policies(const struct cella_data *data, json_t *input)
{
    json_t *bounds = cella_policy_bounds(data, NULL);
    if (data->owner_count == 1 && data->policies[0] != NULL) {
        (void) json_object_set(input, "policy", data->policies[0]);
    }
    if (bounds != NULL) {
        (void) json_object_set_new(input, "bound_by", bounds);
    }
}

/* What a run spends of it, where its function declares to protect it and the arguments say how much. */
static void add_privacy(const struct cella_task_record *task, const struct cella_task_input *input, json_t *one)
{
    const char *ignored;
    struct cella_privacy cost;
    const struct cella_spec *spec = &task->function->spec;
    if (cella_privacy_protects(spec, input->file->name) &&
        cella_privacy_cost(spec, task->arguments, &ignored, &cost) == CELLA_OK) {
        (void) json_object_set_new(one, "privacy", cella_privacy_json(cost));
    }
}

static json_t *inputs_json(const struct cella_task_record *task)
{
    json_t *inputs = json_object();
    for (size_t i = 0; i < task->function->spec.input_count; i++) {
        const struct cella_task_input *input = &task->inputs[i];
        if (input->owners == 0) {
            continue;
        }
        json_t *one = json_pack("{s:o}", "owners", parties_json(task, input->owners));
        if (input->file->stream) {
            (void) json_object_set_new(one, "stream", json_true());
        }
        add_privacy(task, input, one);
        if (input->data != NULL) {
            (void) json_object_set_new(one, "data", json_string(input->data->entry.id));
            (void) json_object_set_new(one, "sha256", digest_json(input->data->sha256));
            (void) json_object_set_new(one, "size", json_integer((json_int_t) input->data->size));
            if (input->data->format != CELLA_DATA_SEALED_FILE) {
                (void) json_object_set_new(one, "format", json_string(cella_data_format_name(input->data->format)));
            }
            add_policies(input->data, one);
        }
        (void) json_object_set_new(inputs, input->file->name, one);
    }
    return inputs;
}

static json_t *outputs_json(const struct cella_task_record *task, const struct cella_participant *reader)
{
    json_t *outputs = json_object();
    for (size_t i = 0; i < task->function->spec.output_count; i++) {
        const struct cella_task_output *output = &task->outputs[i];
        if (output->receivers == 0) {
            continue;
        }
        json_t *one = json_pack("{s:o}", "receivers", parties_json(task, output->receivers));
        if (output->fusion) {
            (void) json_object_set_new(one, "fusion", json_true());
        }
        if (output->size > 0) {
            (void) json_object_set_new(one, "size", json_integer((json_int_t) output->size));
            (void) json_object_set_new(one, "sha256", digest_json(output->sha256));
        }
        size_t index = reader == NULL ? 0 : (size_t) (reader - task->participants);
        if (reader != NULL && task->state == CELLA_TASK_FINISHED && output->keys != NULL && output->keys[index].size > 0) {
            (void) json_object_set_new(one, "sealed_key",
                                       cella_json_base64url(cella_bytes_view(&output->keys[index])));
        }
        (void) json_object_set_new(outputs, output->file->name, one);
    }
    return outputs;
}

static void add_progress(const struct cella_task_record *task, const struct cella_participant *reader, json_t *view)
{
    if (task->state != CELLA_TASK_RUNNING) {
        return;
    }
    json_t *progress = json_pack("{s:f}", "fraction", (double) task->progress / 10000.0);
    if (reader->reads_messages && task->progress_text.size > 0) {
        /* A script's text that is not UTF-8 gives NULL here and is left out. */
        (void) json_object_set_new(progress, "text",
                                   json_stringn((const char *) task->progress_text.data, task->progress_text.size));
    }
    (void) json_object_set_new(view, "progress", progress);
}

static void add_end(const struct cella_task_record *task, const struct cella_participant *reader, json_t *view)
{
    if (reader->result.size > 0 && task->state == CELLA_TASK_FINISHED) {
        (void) json_object_set_new(view, "result", cella_json_base64url(cella_bytes_view(&reader->result)));
    }
    if (reader->messages.size > 0) {
        (void) json_object_set_new(view, "messages", cella_json_base64url(cella_bytes_view(&reader->messages)));
    }
    if (task->error != CELLA_OK) {
        json_t *error = json_pack("{s:s, s:I, s:s}", "code", cella_status_name(task->error), "number",
                                  (json_int_t) task->error, "message", cella_status_text(task->error));
        if (task->error_detail[0] != '\0') {
            (void) json_object_set_new(error, "detail", json_string(task->error_detail));
        }
        if (task->error_class[0] != '\0') {
            (void) json_object_set_new(error, "class", json_string(task->error_class));
        }
        if (task->error_line != 0) {
            (void) json_object_set_new(error, "line", json_integer((json_int_t) task->error_line));
        }
        (void) json_object_set_new(view, "error", error);
    }
    if (task->has_usage) {
        (void) json_object_set_new(
            view, "usage",
            json_pack("{s:I, s:I, s:I, s:I, s:I}", "cpu_us", (json_int_t) task->usage.cpu_us, "wall_us",
                      (json_int_t) task->usage.wall_us, "peak_kib", (json_int_t) task->usage.peak_kib, "bytes_in",
                      (json_int_t) task->usage.bytes_in, "bytes_out", (json_int_t) task->usage.bytes_out));
    }
}

json_t *cella_task_view(const struct cella_task_record *task, const struct cella_participant *reader)
{
    json_t *view =
        json_pack("{s:s, s:I, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I}", "task", task->entry.id, "version",
                  (json_int_t) task->version, "state", cella_task_state_name(task->state), "creator",
                  task->creator->entry.id, "function", task->function->entry.id, "function_sha256",
                  digest_json(task->function->sha256), "participants", parties_json(task, mask_of(task, EVERYBODY)),
                  "approved", parties_json(task, mask_of(task, APPROVED)), "inputs", inputs_json(task), "outputs",
                  outputs_json(task, reader), "isolation", cella_spec_isolation_json(&task->isolation), "attempt",
                  (json_int_t) task->attempt, "attempts", (json_int_t) task->attempts, "priority",
                  (json_int_t) task->priority, "expires", (json_int_t) task->expires_s);
    if (view != NULL) {
        add_progress(task, reader, view);
        add_end(task, reader, view);
    }
    return view;
}

/* The function as everybody who approves has to know it: of a private one, hash, declarations and who vouches for it. */
static json_t *function_json(const struct cella_task_record *task)
{
    const struct cella_function *function = task->function;
    json_t *auditors = json_array();
    const char *auditor;
    json_t *audit;
    json_object_foreach(function->audits, auditor, audit)
    {
        if (json_is_true(json_object_get(audit, "accepted"))) {
            (void) json_array_append_new(auditors, json_string(auditor));
        }
    }
    json_t *json = json_pack(
        "{s:s, s:s, s:I, s:s, s:o, s:b, s:s, s:s, s:s, s:I, s:o}", "function", function->entry.id, "name",
        function->spec.name, "version", (json_int_t) function->version, "owner", function->owner->entry.id, "sha256",
        digest_json(function->sha256), "public", (int) function->spec.is_public, "executor",
        function->spec.kind == CELLA_TASK_PYTHON ? "python" : "builtin", "profile", function->spec.profile, "entry",
        function->spec.entry, "quota", (json_int_t) function->quota, "audited_by", auditors);
    const json_t *privacy = json_object_get(function->spec.json, "privacy");
    if (json != NULL && privacy != NULL) {
        (void) json_object_set(json, "privacy", (json_t *) privacy);
    }
    if (json != NULL && function->spec.release != NULL) {
        (void) json_object_set(json, "release", (json_t *) function->spec.release);
    }
    return json;
}

cella_status cella_contract_write(const struct cella_monitor *monitor, const struct cella_task_record *task,
                                  struct cella_bytes *out)
{
    char measurement[7 + 2 * CELLA_SHA256_SIZE + 1] = "sha256:";
    cella_hex_encode(cella_view_of(monitor->measurement, sizeof(monitor->measurement)), measurement + 7);
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *contract = json_pack(
        "{s:i, s:s, s:s, s:[s], s:s, s:o, s:O, s:o, s:o, s:{s:o}, s:{s:o}, s:o, s:o, s:o, s:I, s:I}", "version", 1,
        "task", task->entry.id, "executor", cella_keyring_executor(monitor->keyring), "measurements", measurement,
        "creator", task->creator->entry.id, "function", function_json(task), "arguments", task->arguments, "inputs",
        inputs_json(task), "outputs", outputs_json(task, NULL), "result", "receivers",
        parties_json(task, mask_of(task, RESULT_READERS)), "messages", "receivers",
        parties_json(task, mask_of(task, MESSAGE_READERS)), "limits", cella_spec_limits_json(&task->limits),
        "isolation", cella_spec_isolation_json(&task->isolation), "participants",
        parties_json(task, mask_of(task, EVERYBODY)), "attempts", (json_int_t) task->attempts, "expires",
        (json_int_t) task->expires_s);
    if (contract == NULL ||
        (task->auditors != NULL && json_object_set(contract, "auditors", task->auditors) != 0)) {
        return CELLA_NO_MEMORY;
    }
    return cella_json_write(contract, out);
}
