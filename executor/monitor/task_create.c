/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/task.h"

#include <string.h>

#include "monitor/audit_rule.h"
#include "monitor/clock.h"
#include "monitor/expiry.h"

/* What becomes the event of a new task, and of its first assignment. */
struct draft {
    const struct cella_function *function;
    json_t *participants;
    json_t *inputs;  /* name -> owners */
    json_t *outputs; /* name -> receivers */
    json_t *result;
    json_t *messages;
    json_t *arguments;
    json_t *limits;
    json_t *isolation;
    json_t *data;   /* name -> data id */
    json_t *fusion; /* name -> true */
    json_t *auditors; /* borrowed; NULL: none are required */
    int64_t priority;
    int64_t attempts;
    struct cella_bytes nonce; /* of the run that is asked for at once; empty: none was chosen */
    int64_t approval_s; /* from now until it expires */
};

static void clear_draft(struct draft *draft)
{
    json_decref(draft->participants);
    json_decref(draft->inputs);
    json_decref(draft->outputs);
    json_decref(draft->result);
    json_decref(draft->messages);
    json_decref(draft->arguments);
    json_decref(draft->limits);
    json_decref(draft->isolation);
    json_decref(draft->data);
    json_decref(draft->fusion);
    cella_bytes_clear(&draft->nonce);
}

static cella_status blame(struct cella_call *call, const char *path, const char *name, cella_status status)
{
    (void) snprintf(call->error.field, sizeof(call->error.field), "args.%.20s%s%.30s", path,
                    name[0] == '\0' ? "" : ".", name);
    return status;
}

static bool contains(const json_t *array, const char *id)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (strcmp(json_string_value(json_array_get(array, i)), id) == 0) {
            return true;
        }
    }
    return false;
}

static cella_status add_participant(struct draft *draft, const char *id)
{
    if (contains(draft->participants, id)) {
        return CELLA_OK;
    }
    if (json_array_size(draft->participants) >= CELLA_PARTICIPANTS_MAX) {
        return CELLA_TOO_MANY;
    }
    return json_array_append_new(draft->participants, json_string(id)) == 0 ? CELLA_OK : CELLA_NO_MEMORY;
}

/* A list of party ids: known and not removed, no one twice; all become participants. An absent list means the caller. */
static cella_status read_parties(struct cella_monitor *monitor, struct cella_call *call, struct draft *draft,
                                 const json_t *list, const char *path, json_t **out)
{
    CELLA_CLEANUP(cella_json_cleanup) json_t *parties = json_array();
    if (list == NULL) {
        CELLA_TRY(add_participant(draft, call->party->entry.id));
        if (json_array_append_new(parties, json_string(call->party->entry.id)) != 0) {
            return CELLA_NO_MEMORY;
        }
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *id = json_string_value(json_array_get(list, i));
        if (id == NULL || contains(parties, id) || strlen(id) != CELLA_THUMBPRINT_SIZE) {
            return blame(call, path, "", CELLA_BAD_FIELD);
        }
        const struct cella_party *party = cella_state_party(&monitor->state, id);
        if (party == NULL || party->removed) {
            return blame(call, path, "", party == NULL ? CELLA_NOT_FOUND : CELLA_PARTY_REMOVED);
        }
        CELLA_TRY(add_participant(draft, id));
        if (json_array_append_new(parties, json_string(id)) != 0) {
            return CELLA_NO_MEMORY;
        }
    }
    *out = parties;
    parties = NULL;
    return CELLA_OK;
}

/* A fusion output belongs to several, the caller among them, and its key to nobody. */
static cella_status add_fusion(struct cella_call *call, struct draft *draft, const char *name, const json_t *parties)
{
    if (json_array_size(parties) < 2 || !contains(parties, call->party->entry.id)) {
        return blame(call, "outputs", name, CELLA_BAD_FIELD);
    }
    return json_object_set_new(draft->fusion, name, json_true()) == 0 ? CELLA_OK : CELLA_NO_MEMORY;
}

/* One member of inputs or outputs: {"owners"?, "data"?} or {"receivers"?, "fusion"?}. */
static cella_status read_file(struct cella_monitor *monitor, struct cella_call *call, struct draft *draft,
                              const struct cella_spec_file *file, const json_t *given, bool is_input)
{
    struct cella_json_object object;
    json_t *list = NULL;
    json_t *parties = NULL;
    const char *data = NULL;
    bool fusion = false;
    const char *member = is_input ? "owners" : "receivers";
    CELLA_TRY(cella_json_begin(given, is_input ? "args.inputs" : "args.outputs", &call->error, &object));
    CELLA_TRY(cella_json_member_optional(&object, member, JSON_ARRAY, &list));
    if (is_input) {
        CELLA_TRY(cella_json_string_optional(&object, "data", CELLA_ID_SIZE - 1, &data));
    } else {
        CELLA_TRY(cella_json_boolean_optional(&object, "fusion", &fusion));
    }
    CELLA_TRY(cella_json_end(&object));
    if (list != NULL && json_array_size(list) == 0) {
        return blame(call, member, file->name, CELLA_BAD_FIELD);
    }
    CELLA_TRY(read_parties(monitor, call, draft, list, file->name, &parties));
    if (json_object_set_new(is_input ? draft->inputs : draft->outputs, file->name, parties) != 0) {
        return CELLA_NO_MEMORY;
    }
    CELLA_TRY(fusion ? add_fusion(call, draft, file->name, parties) : CELLA_OK);
    if (data != NULL && json_object_set_new(draft->data, file->name, json_string(data)) != 0) {
        return CELLA_NO_MEMORY;
    }
    return CELLA_OK;
}

/* Inputs or outputs: every declared one that is not optional, and no other. */
static cella_status read_files(struct cella_monitor *monitor, struct cella_call *call, struct draft *draft,
                               const json_t *given, bool is_input)
{
    const struct cella_spec *spec = &draft->function->spec;
    const struct cella_spec_file *files = is_input ? spec->inputs : spec->outputs;
    size_t count = is_input ? spec->input_count : spec->output_count;
    const char *path = is_input ? "inputs" : "outputs";
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        const json_t *one = json_object_get(given, files[i].name);
        if (one != NULL) {
            used++;
            CELLA_TRY(read_file(monitor, call, draft, &files[i], one, is_input));
        } else if (!files[i].optional) {
            return blame(call, path, files[i].name, CELLA_MISSING_FIELD);
        }
    }
    const char *name;
    json_t *value;
    json_object_foreach((json_t *) given, name, value)
    {
        if (json_object_get(is_input ? draft->inputs : draft->outputs, name) == NULL) {
            return blame(call, path, name, CELLA_UNKNOWN_FIELD);
        }
    }
    return used == json_object_size(given) ? CELLA_OK : CELLA_UNKNOWN_FIELD;
}

/* {"receivers": [...]} */
static cella_status read_receivers(struct cella_monitor *monitor, struct cella_call *call, struct draft *draft,
                                   const json_t *given, const char *path, json_t **out)
{
    struct cella_json_object object;
    json_t *list = NULL;
    CELLA_TRY(cella_json_begin(given, path, &call->error, &object));
    CELLA_TRY(cella_json_member(&object, "receivers", JSON_ARRAY, &list));
    CELLA_TRY(cella_json_end(&object));
    return read_parties(monitor, call, draft, list, path, out);
}

/* Who gets the result and the script's own texts. Called last: who takes part is known then. */
static cella_status read_words(struct cella_monitor *monitor, struct cella_call *call, struct draft *draft,
                               const json_t *result, const json_t *messages)
{
    if (result == NULL) {
        CELLA_TRY(read_parties(monitor, call, draft, NULL, "result", &draft->result));
    } else {
        CELLA_TRY(read_receivers(monitor, call, draft, result, "args.result", &draft->result));
    }
    if (messages != NULL) {
        return read_receivers(monitor, call, draft, messages, "args.messages", &draft->messages);
    }
    /* Texts can contain anybody's data, so nobody gets them whom the data's owners have not approved by name. */
    draft->messages = json_array_size(draft->participants) == 1 ? json_incref(draft->participants) : json_array();
    return draft->messages == NULL ? CELLA_NO_MEMORY : CELLA_OK;
}

/* Executor, function and task, each at most as generous as the one before. */
static cella_status read_terms(const struct cella_monitor *monitor, struct cella_call *call, struct draft *draft,
                               const json_t *given_limits, const json_t *given_isolation)
{
    const struct cella_spec *spec = &draft->function->spec;
    struct cella_task_limits limits = monitor->charter.limits;
    struct cella_isolation isolation = spec->isolation;
    CELLA_TRY(cella_spec_lower_limits(spec->limits, &call->error, &limits));
    CELLA_TRY(cella_spec_lower_limits(given_limits, &call->error, &limits));
    CELLA_TRY(cella_spec_isolate(given_isolation, &call->error, &isolation));
    if (isolation.coarse_clock) {
        limits.threads = 0; /* a thread that counts is a fine clock */
    }
    draft->limits = cella_spec_limits_json(&limits);
    draft->isolation = cella_spec_isolation_json(&isolation);
    return draft->limits == NULL || draft->isolation == NULL ? CELLA_NO_MEMORY : CELLA_OK;
}

/* How the task is to be treated: what is not said has its default. */
static cella_status read_treatment(const struct cella_monitor *monitor, struct cella_json_object *object,
                                   struct cella_call *call, struct draft *draft)
{
    draft->priority = CELLA_PRIORITY_DEFAULT;
    draft->attempts = 1;
    draft->approval_s = monitor->charter.approval_s;
    CELLA_TRY(cella_json_integer_optional(object, "priority", 0, CELLA_PRIORITY_MAX, &draft->priority));
    CELLA_TRY(cella_json_integer_optional(object, "attempts", 1, CELLA_ATTEMPTS_MAX, &draft->attempts));
    CELLA_TRY(cella_json_integer_optional(object, "approval_s", 1, draft->approval_s, &draft->approval_s));
    CELLA_TRY(cella_json_member_optional(object, "auditors", JSON_OBJECT, &draft->auditors));
    CELLA_TRY(cella_task_read_nonce(object, call, &draft->nonce));
    return draft->auditors == NULL ? CELLA_OK
                                   : cella_audit_rule_check(draft->auditors, "args.auditors", &call->error);
}

/* The function of the task, if the caller may use it. */
static cella_status find_function(struct cella_monitor *monitor, struct cella_call *call, const char *id,
                                  struct draft *draft)
{
    const struct cella_function *function = cella_state_function(&monitor->state, id);
    if (function == NULL) {
        return blame(call, "function", "", CELLA_NOT_FOUND);
    }
    if (cella_operation_may(call, cella_right_to_function(call->party, function)) != CELLA_OK) {
        return blame(call, "function", "", CELLA_NOT_ALLOWED);
    }
    if (function->disabled || function->deleted) {
        return blame(call, "function", "", CELLA_FUNCTION_DISABLED);
    }
    if (!function->spec.is_public && function->owner->removed) {
        return blame(call, "function", "", CELLA_PARTY_REMOVED); /* he would have to approve */
    }
    draft->function = function;
    return CELLA_OK;
}

static cella_status read_draft(struct cella_monitor *monitor, struct cella_call *call, struct draft *draft,
                               bool *invoke)
{
    struct cella_json_object object;
    const char *function;
    json_t *arguments = NULL;
    json_t *inputs = NULL;
    json_t *outputs = NULL;
    json_t *result = NULL;
    json_t *messages = NULL;
    json_t *limits = NULL;
    json_t *isolation = NULL;
    CELLA_TRY(cella_json_begin(call->args, "args", &call->error, &object));
    CELLA_TRY(cella_json_string(&object, "function", CELLA_ID_SIZE - 1, &function));
    CELLA_TRY(cella_json_member_optional(&object, "arguments", JSON_OBJECT, &arguments));
    CELLA_TRY(cella_json_member_optional(&object, "inputs", JSON_OBJECT, &inputs));
    CELLA_TRY(cella_json_member_optional(&object, "outputs", JSON_OBJECT, &outputs));
    CELLA_TRY(cella_json_member_optional(&object, "result", JSON_OBJECT, &result));
    CELLA_TRY(cella_json_member_optional(&object, "messages", JSON_OBJECT, &messages));
    CELLA_TRY(cella_json_member_optional(&object, "limits", JSON_OBJECT, &limits));
    CELLA_TRY(cella_json_member_optional(&object, "isolation", JSON_OBJECT, &isolation));
    CELLA_TRY(cella_json_boolean_optional(&object, "invoke", invoke));
    CELLA_TRY(read_treatment(monitor, &object, call, draft));
    CELLA_TRY(cella_json_end(&object));
    CELLA_TRY(find_function(monitor, call, function, draft));
    CELLA_TRY(add_participant(draft, call->party->entry.id));
    if (!draft->function->spec.is_public) {
        CELLA_TRY(add_participant(draft, draft->function->owner->entry.id));
    }
    CELLA_TRY(read_files(monitor, call, draft, inputs, true));
    CELLA_TRY(read_files(monitor, call, draft, outputs, false));
    CELLA_TRY(read_words(monitor, call, draft, result, messages));
    CELLA_TRY(read_terms(monitor, call, draft, limits, isolation));
    return cella_spec_arguments(&draft->function->spec, arguments, &call->error, &draft->arguments);
}

/* Everything that could refuse the first assignment is asked before anything is committed. */
static cella_status check_draft(struct cella_monitor *monitor, struct cella_call *call, const struct draft *draft,
                                bool invoke)
{
    const char *name;
    json_t *value;
    json_object_foreach(draft->data, name, value)
    {
        const json_t *owners = json_object_get(draft->inputs, name);
        CELLA_TRY(cella_task_check_data(monitor, call, name, draft->data, owners, draft->function, draft->arguments));
    }
    if (json_object_size(draft->fusion) > 0 && strcmp(json_string_value(json_object_get(draft->isolation, "sizes")),
                                                      "padded") == 0) {
        return blame(call, "isolation", "sizes", CELLA_BAD_FIELD); /* nobody could take the padding off again */
    }
    if (!cella_audit_rule_is_met(&monitor->state, draft->auditors, draft->function)) {
        return blame(call, "auditors", "", CELLA_NOT_AUDITED);
    }
    if (!invoke) {
        /* Nothing would come of it: it belongs to the request that queues the task. */
        return draft->nonce.size == 0 ? CELLA_OK : cella_operation_blame(call, "nonce", CELLA_BAD_FIELD);
    }
    if (json_object_size(draft->data) != json_object_size(draft->inputs)) {
        return CELLA_NOT_ASSIGNED;
    }
    if (json_array_size(draft->participants) != 1) {
        return CELLA_NOT_APPROVED;
    }
    return cella_task_may_run(monitor, call->party, &draft->function->spec);
}

static cella_status commit_draft(struct cella_monitor *monitor, struct cella_call *call, const struct draft *draft,
                                 char id[CELLA_ID_SIZE])
{
    CELLA_TRY(cella_monitor_new_id("task-", id));
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes arguments = { 0 };
    CELLA_TRY(cella_json_write(draft->arguments, &arguments));
    int64_t expires_s = cella_clock_now_s(monitor) + draft->approval_s;
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *event =
        json_pack("{s:s, s:s, s:s, s:O, s:O, s:O, s:O, s:O, s:O, s:O, s:O, s:O, s:I, s:I, s:I, s:I}", "task", id, "creator",
                  call->party->entry.id, "function", draft->function->entry.id, "participants", draft->participants,
                  "inputs", draft->inputs, "outputs", draft->outputs, "result", draft->result, "messages",
                  draft->messages, "arguments", draft->arguments, "limits", draft->limits, "isolation",
                  draft->isolation, "fusion", draft->fusion, "arguments_bytes", (json_int_t) arguments.size, "priority",
                  (json_int_t) draft->priority, "attempts", (json_int_t) draft->attempts, "expires", (json_int_t) expires_s);
    if (event == NULL || (draft->auditors != NULL && json_object_set(event, "auditors", draft->auditors) != 0)) {
        return CELLA_NO_MEMORY;
    }
    cella_expiry_note(monitor, expires_s);
    return cella_monitor_commit(monitor, CELLA_EVENT_TASK_CREATED, event);
}

cella_status cella_operation_task_create(struct cella_monitor *monitor, struct cella_call *call)
{
    CELLA_CLEANUP(clear_draft) struct draft draft = { 0 };
    char id[CELLA_ID_SIZE];
    bool invoke = false;
    draft.participants = json_array();
    draft.inputs = json_object();
    draft.outputs = json_object();
    draft.data = json_object();
    draft.fusion = json_object();
    CELLA_TRY(cella_state_has_room(&monitor->state, &monitor->state.tasks, CELLA_TASKS_MAX));
    if (monitor->draining) {
        return CELLA_DRAINING;
    }
    CELLA_TRY(read_draft(monitor, call, &draft, &invoke));
    CELLA_TRY(check_draft(monitor, call, &draft, invoke));
    CELLA_TRY(commit_draft(monitor, call, &draft, id));
    struct cella_task_record *task = cella_state_task(&monitor->state, id);
    cella_monitor_log(monitor, "task created %s", id);
    if (json_object_size(draft.data) > 0 || cella_task_is_assigned(task)) {
        CELLA_TRY(cella_task_commit_data(monitor, task, draft.data, call->party));
    }
    if (invoke) {
        CELLA_TRY(cella_task_commit_queued(monitor, call, task, CELLA_EVENT_TASK_QUEUED, cella_bytes_view(&draft.nonce)));
    }
    return cella_task_reply(call, task);
}
