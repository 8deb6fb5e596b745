/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/task.h"

#include <string.h>

#include "monitor/clock.h"
#include "monitor/front.h"
#include "monitor/policy.h"
#include "monitor/runner.h"
#include "monitor/task_check.h"

/* ---- steps ---- */

static bool is_stream(const struct cella_spec *spec, const char *input)
{
    for (size_t i = 0; i < spec->input_count; i++) {
        if (strcmp(spec->inputs[i].name, input) == 0) {
            return spec->inputs[i].stream;
        }
    }
    return false;
}

static cella_status blame_input(struct cella_call *call, const char *name, cella_status status)
{
    (void) snprintf(call->error.field, sizeof(call->error.field), "args.inputs.%.40s", name);
    return status;
}

static void add_others(const struct cella_state *state, const json_t *all, struct cella_policy_use *use)
{
    const char *name;
    json_t *id;
    json_object_foreach((json_t *) all, name, id)
    {
        const struct cella_data *data = json_is_string(id) ? cella_state_data(state, json_string_value(id)) : NULL;
        if (data != NULL && strcmp(name, use->input) != 0 && use->other_count < CELLA_TASK_FILES_MAX) {
            use->others[use->other_count++] = data;
        }
    }
}

cella_status cella_task_check_data(struct cella_monitor *monitor, struct cella_call *call, const char *input,
                                   const json_t *all, const json_t *owners, const struct cella_function *function,
                                   const json_t *arguments)
{
    const char *data_id = json_string_value(json_object_get(all, input));
    const struct cella_data *data = data_id == NULL ? NULL : cella_state_data(&monitor->state, data_id);
    if (data == NULL || !cella_data_is_owner(data, call->party)) {
        return blame_input(call, input, CELLA_NOT_FOUND);
    }
    /* The owners of the data are those that the task declares, no more and no fewer: all of them are asked. */
    if (json_array_size(owners) != data->owner_count) {
        return blame_input(call, input, CELLA_DENIED);
    }
    for (size_t i = 0; i < json_array_size(owners); i++) {
        const struct cella_party *owner =
            cella_state_party(&monitor->state, json_string_value(json_array_get(owners, i)));
        if (owner == NULL || !cella_data_is_owner(data, owner)) {
            return blame_input(call, input, CELLA_DENIED);
        }
    }
    if (!cella_data_format_streams(data->format) && is_stream(&function->spec, input)) {
        (void) snprintf(call->detail, sizeof(call->detail), "%s is %s", data->entry.id,
                        cella_data_format_name(data->format));
        return blame_input(call, input, CELLA_NOT_STREAMABLE);
    }
    struct cella_policy_use use = { .function = function, .arguments = arguments, .input = input };
    add_others(&monitor->state, all, &use);
    cella_status status =
        cella_policy_allows(&monitor->state, data, &use, cella_clock_now_s(monitor), call->detail);
    status = status == CELLA_OK
                 ? cella_policy_can_pay(data, cella_privacy_counted(&function->spec, arguments), call->detail)
                 : status;
    status = status == CELLA_OK ? cella_policy_check_bounds(data, call->detail) : status;
    status = status == CELLA_OK && !cella_data_is_there(data) ? CELLA_BAD_STATE : status;
    return status == CELLA_OK ? CELLA_OK : blame_input(call, input, status);
}

cella_status cella_task_may_run(const struct cella_monitor *monitor, const struct cella_party *creator,
                                const struct cella_spec *spec)
{
    if (monitor->draining) {
        return CELLA_DRAINING;
    }
    return cella_runner_may_run(monitor->runner, creator, spec);
}

cella_status cella_task_commit_data(struct cella_monitor *monitor, struct cella_task_record *task, json_t *data,
                                    const struct cella_party *by)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes contract = { 0 };
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *assigned = json_pack("{s:s, s:O, s:s}", "task", task->entry.id, "inputs", data, "by", by->entry.id);
    CELLA_TRY(cella_monitor_commit(monitor, CELLA_EVENT_TASK_ASSIGNED, assigned));
    if (!cella_task_is_assigned(task)) {
        return CELLA_OK;
    }
    CELLA_TRY(cella_contract_write(monitor, task, &contract));
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *contracted = json_pack("{s:s, s:o}", "task", task->entry.id, "contract",
                                   cella_json_base64url(cella_bytes_view(&contract)));
    return cella_monitor_commit(monitor, CELLA_EVENT_TASK_CONTRACTED, contracted);
}

cella_status cella_task_commit_queued(struct cella_monitor *monitor, struct cella_call *call,
                                      struct cella_task_record *task, enum cella_event event, struct cella_view nonce)
{
    uint8_t digest[CELLA_SHA256_SIZE];
    CELLA_TRY(cella_task_check(monitor, task, call->detail));
    CELLA_TRY(cella_task_check_costs(task, call->detail));
    CELLA_TRY(cella_sha256(monitor->cause.request, digest));
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *body = json_pack("{s:s, s:s, s:o}", "task", task->entry.id, "by", call->party->entry.id, "nonce",
                             cella_json_base64url(nonce.size > 0 ? nonce : cella_view_of(digest, sizeof(digest))));
    CELLA_TRY(cella_monitor_commit(monitor, event, body));
    cella_runner_enqueue(monitor->runner, task);
    return CELLA_OK;
}

cella_status cella_task_read_nonce(struct cella_json_object *object, struct cella_call *call, struct cella_bytes *out)
{
    if (json_object_get(call->args, "nonce") == NULL) {
        return CELLA_OK;
    }
    CELLA_TRY(cella_json_bytes(object, "nonce", CELLA_NONCE_MAX, out));
    return out->size < CELLA_NONCE_MIN ? cella_operation_blame(call, "nonce", CELLA_BAD_FIELD) : CELLA_OK;
}

cella_status cella_task_reply(struct cella_call *call, const struct cella_task_record *task)
{
    call->reply = json_pack("{s:s, s:s, s:I}", "task", task->entry.id, "state", cella_task_state_name(task->state),
                            "version", (json_int_t) task->version);
    return call->reply == NULL ? CELLA_NO_MEMORY : CELLA_OK;
}

/* ---- operations ---- */

cella_status cella_task_find(struct cella_monitor *monitor, struct cella_call *call, const char *id,
                             struct cella_task_record **task, struct cella_participant **reader)
{
    *task = cella_state_task(&monitor->state, id);
    if (*task == NULL) {
        return CELLA_NOT_FOUND;
    }
    CELLA_TRY(cella_operation_may(call, cella_right_to_task(call->party, *task)));
    *reader = cella_task_participant(*task, call->party);
    return CELLA_OK;
}

cella_status cella_task_find_only(struct cella_monitor *monitor, struct cella_call *call,
                                  struct cella_task_record **task, struct cella_participant **reader)
{
    const char *id;
    CELLA_TRY(cella_operation_only(call, "task", &id));
    return cella_task_find(monitor, call, id, task, reader);
}

static json_t *owners_json(const struct cella_task_record *task, const struct cella_task_input *input)
{
    json_t *list = json_array();
    for (size_t i = 0; i < task->participant_count; i++) {
        if ((input->owners >> i & 1) != 0) {
            (void) json_array_append_new(list, json_string(task->participants[i].party->entry.id));
        }
    }
    return list;
}

static cella_status check_assignment(struct cella_monitor *monitor, struct cella_call *call,
                                     const struct cella_task_record *task, const char *name, const json_t *all)
{
    for (size_t i = 0; i < task->function->spec.input_count; i++) {
        const struct cella_task_input *input = &task->inputs[i];
        if (strcmp(input->file->name, name) != 0 || input->owners == 0) {
            continue;
        }
        if (input->data != NULL) {
            return blame_input(call, name, CELLA_EXISTS);
        }
        if (!json_is_string(json_object_get(all, name))) {
            return blame_input(call, name, CELLA_BAD_FIELD);
        }
        CELLA_CLEANUP(cella_json_cleanup) json_t *owners = owners_json(task, input);
        return cella_task_check_data(monitor, call, name, all, owners, task->function, task->arguments);
    }
    return blame_input(call, name, CELLA_UNKNOWN_FIELD);
}

/* {name: id} of what is given now and of what was assigned before. NULL without memory. */
static json_t *all_data(const struct cella_task_record *task, const json_t *given)
{
    json_t *all = json_copy((json_t *) given);
    for (size_t i = 0; all != NULL && i < task->function->spec.input_count; i++) {
        const struct cella_task_input *input = &task->inputs[i];
        if (input->data != NULL && json_object_get(all, input->file->name) == NULL &&
            json_object_set_new(all, input->file->name, json_string(input->data->entry.id)) != 0) {
            json_decref(all);
            return NULL;
        }
    }
    return all;
}

cella_status cella_operation_task_assign(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_json_object object;
    struct cella_task_record *task;
    struct cella_participant *reader;
    const char *id;
    json_t *inputs;
    CELLA_TRY(cella_json_begin(call->args, "args", &call->error, &object));
    CELLA_TRY(cella_json_string(&object, "task", CELLA_ID_SIZE - 1, &id));
    CELLA_TRY(cella_json_member(&object, "inputs", JSON_OBJECT, &inputs));
    CELLA_TRY(cella_json_end(&object));
    CELLA_TRY(cella_task_find(monitor, call, id, &task, &reader));
    if (task->state != CELLA_TASK_CREATED) {
        return CELLA_BAD_STATE;
    }
    CELLA_CLEANUP(cella_json_cleanup) json_t *all = all_data(task, inputs);
    if (all == NULL) {
        return CELLA_NO_MEMORY;
    }
    const char *name;
    json_t *data;
    json_object_foreach(inputs, name, data)
    {
        CELLA_TRY(check_assignment(monitor, call, task, name, all));
    }
    CELLA_TRY(cella_task_commit_data(monitor, task, inputs, call->party));
    cella_monitor_task_changed(monitor, task);
    return cella_task_reply(call, task);
}

cella_status cella_operation_task_contract(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_task_record *task;
    struct cella_participant *reader;
    CELLA_TRY(cella_task_find_only(monitor, call, &task, &reader));
    if (task->contract.size == 0) {
        return CELLA_NOT_ASSIGNED;
    }
    call->reply =
        json_pack("{s:o, s:o}", "contract", cella_json_base64url(cella_bytes_view(&task->contract)), "sha256",
                  cella_json_hex(cella_view_of(task->contract_sha256, sizeof(task->contract_sha256))));
    return CELLA_OK;
}

cella_status cella_operation_task_approve(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_json_object object;
    struct cella_task_record *task;
    struct cella_participant *reader;
    const char *id;
    const char *contract;
    uint8_t approved[CELLA_SHA256_SIZE];
    CELLA_TRY(cella_json_begin(call->args, "args", &call->error, &object));
    CELLA_TRY(cella_json_string(&object, "task", CELLA_ID_SIZE - 1, &id));
    CELLA_TRY(cella_json_string(&object, "contract", 2 * CELLA_SHA256_SIZE, &contract));
    CELLA_TRY(cella_json_end(&object));
    CELLA_TRY(cella_task_find(monitor, call, id, &task, &reader));
    if (task->contract.size == 0) {
        return CELLA_NOT_ASSIGNED;
    }
    if (cella_hex_decode(cella_view_of_string(contract), approved, sizeof(approved)) != CELLA_OK ||
        memcmp(approved, task->contract_sha256, sizeof(approved)) != 0) {
        return CELLA_WRONG_CONTRACT;
    }
    if (task->state > CELLA_TASK_APPROVED) {
        return CELLA_BAD_STATE;
    }
    if (!reader->approved) {
        CELLA_CLEANUP(cella_json_cleanup)
        json_t *body = json_pack("{s:s, s:s}", "task", id, "party", call->party->entry.id);
        CELLA_TRY(body == NULL ? CELLA_NO_MEMORY : cella_operation_keep_request(monitor, body));
        CELLA_TRY(cella_monitor_commit(monitor, CELLA_EVENT_TASK_APPROVED, body));
        cella_monitor_log(monitor, "task approved %s", id);
        cella_monitor_task_changed(monitor, task);
    }
    return cella_task_reply(call, task);
}

cella_status cella_operation_task_get(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_task_record *task;
    struct cella_participant *reader;
    CELLA_TRY(cella_task_find_only(monitor, call, &task, &reader));
    call->reply = cella_task_view(task, reader);
    return CELLA_OK;
}

cella_status cella_operation_task_watch(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_json_object object;
    struct cella_task_record *task;
    struct cella_participant *reader;
    const char *id;
    int64_t version;
    bool over = false;
    CELLA_TRY(cella_json_begin(call->args, "args", &call->error, &object));
    CELLA_TRY(cella_json_string(&object, "task", CELLA_ID_SIZE - 1, &id));
    CELLA_TRY(cella_json_integer(&object, "version", 0, (int64_t) 1 << 53, &version));
    CELLA_TRY(cella_json_boolean_optional(&object, "over", &over));
    CELLA_TRY(cella_json_end(&object));
    CELLA_TRY(cella_task_find(monitor, call, id, &task, &reader));
    if ((task->version > version && !over) || cella_task_is_over(task)) {
        call->reply = cella_task_view(task, reader);
        return CELLA_OK;
    }
    call->deferred = true;
    return cella_front_watch(monitor->front, call->request, call->party, task, over);
}

static json_t *brief_json(const struct cella_task_record *task)
{
    return json_pack("{s:s, s:s, s:s, s:I}", "task", task->entry.id, "function", task->function->entry.id, "state",
                     cella_task_state_name(task->state), "version", (json_int_t) task->version);
}

static bool shows_task(const struct cella_call *call, const struct cella_entry *entry, const void *context)
{
    const struct cella_task_record *task = (const struct cella_task_record *) entry;
    (void) context;
    return cella_operation_may(call, cella_right_to_task(call->party, task)) == CELLA_OK;
}

static json_t *listed_task(const struct cella_call *call, const struct cella_entry *entry)
{
    (void) call;
    return brief_json((const struct cella_task_record *) entry);
}

cella_status cella_operation_task_list(struct cella_monitor *monitor, struct cella_call *call)
{
    static const struct cella_listing listing = { "tasks", shows_task, listed_task, NULL };
    return cella_operation_list(&monitor->state.tasks, &listing, call);
}
