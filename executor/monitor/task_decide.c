/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/task.h"

#include <string.h>

#include "monitor/runner.h"

/* What participants decide about a task whose contract is written: withdraw, reject, invoke, retry, cancel. */

#define REASON_MAX 200U /* characters */

/* {task}: an approval is taken back, as long as nothing was begun. */
cella_status cella_operation_task_withdraw(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_task_record *task;
    struct cella_participant *reader;
    CELLA_TRY(cella_task_find_only(monitor, call, &task, &reader));
    if (task->state < CELLA_TASK_ASSIGNED || task->state > CELLA_TASK_QUEUED) {
        return task->state == CELLA_TASK_CREATED ? CELLA_NOT_ASSIGNED : CELLA_BAD_STATE;
    }
    if (task->state == CELLA_TASK_QUEUED && !cella_runner_take_back(monitor->runner, task)) {
        return CELLA_BAD_STATE;
    }
    if (reader->approved) {
        CELLA_CLEANUP(cella_json_cleanup)
        json_t *body = json_pack("{s:s, s:s}", "task", task->entry.id, "party", call->party->entry.id);
        CELLA_TRY(cella_monitor_commit(monitor, CELLA_EVENT_TASK_WITHDRAWN, body));
        cella_monitor_log(monitor, "task withdrawn %s", task->entry.id);
        cella_monitor_task_changed(monitor, task);
    }
    return cella_task_reply(call, task);
}

/* {task, reason?}: it is over for everybody; the reason is for all participants to read. */
cella_status cella_operation_task_reject(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_json_object object;
    struct cella_task_record *task;
    struct cella_participant *reader;
    const char *id;
    const char *reason = "";
    CELLA_TRY(cella_json_begin(call->args, "args", &call->error, &object));
    CELLA_TRY(cella_json_string(&object, "task", CELLA_ID_SIZE - 1, &id));
    CELLA_TRY(cella_json_string_optional(&object, "reason", REASON_MAX, &reason));
    CELLA_TRY(cella_json_end(&object));
    CELLA_TRY(cella_task_find(monitor, call, id, &task, &reader));
    if (task->state > CELLA_TASK_QUEUED) {
        return CELLA_BAD_STATE;
    }
    CELLA_TRY(cella_runner_end(monitor->runner, task, CELLA_REJECTED, reason, call->party));
    return cella_task_reply(call, task);
}

/* {task, nonce?} */
static cella_status find_to_run(struct cella_monitor *monitor, struct cella_call *call, struct cella_task_record **task,
                                struct cella_bytes *nonce)
{
    struct cella_json_object object;
    struct cella_participant *reader;
    const char *id;
    CELLA_TRY(cella_json_begin(call->args, "args", &call->error, &object));
    CELLA_TRY(cella_json_string(&object, "task", CELLA_ID_SIZE - 1, &id));
    CELLA_TRY(cella_task_read_nonce(&object, call, nonce));
    CELLA_TRY(cella_json_end(&object));
    return cella_task_find(monitor, call, id, task, &reader);
}

/* {task, nonce?} */
cella_status cella_operation_task_invoke(struct cella_monitor *monitor, struct cella_call *call)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes nonce = { 0 };
    struct cella_task_record *task;
    CELLA_TRY(find_to_run(monitor, call, &task, &nonce));
    if (task->state == CELLA_TASK_CREATED) {
        return CELLA_NOT_ASSIGNED;
    }
    if (task->state == CELLA_TASK_ASSIGNED) {
        return CELLA_NOT_APPROVED;
    }
    if (task->state != CELLA_TASK_APPROVED) {
        return CELLA_BAD_STATE;
    }
    CELLA_TRY(cella_task_may_run(monitor, task->creator, &task->function->spec));
    CELLA_TRY(cella_task_commit_queued(monitor, call, task, CELLA_EVENT_TASK_QUEUED, cella_bytes_view(&nonce)));
    cella_monitor_task_changed(monitor, task);
    return cella_task_reply(call, task);
}

/* {task, nonce?}: a run that failed is tried once more, as often as the contract that all have approved says. */
cella_status cella_operation_task_retry(struct cella_monitor *monitor, struct cella_call *call)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes nonce = { 0 };
    struct cella_task_record *task;
    CELLA_TRY(find_to_run(monitor, call, &task, &nonce));
    if (task->state != CELLA_TASK_FAILED) {
        return CELLA_BAD_STATE;
    }
    if (task->attempt >= task->attempts) {
        return CELLA_ATTEMPTS_USED_UP;
    }
    CELLA_TRY(cella_task_may_run(monitor, task->creator, &task->function->spec));
    CELLA_TRY(cella_task_commit_queued(monitor, call, task, CELLA_EVENT_TASK_RETRIED, cella_bytes_view(&nonce)));
    cella_monitor_task_changed(monitor, task);
    return cella_task_reply(call, task);
}

cella_status cella_operation_task_cancel(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_task_record *task;
    struct cella_participant *reader;
    CELLA_TRY(cella_task_find_only(monitor, call, &task, &reader));
    if (cella_task_is_over(task)) {
        return CELLA_BAD_STATE;
    }
    CELLA_TRY(cella_runner_end(monitor->runner, task, CELLA_CANCELLED, "", call->party));
    return cella_task_reply(call, task);
}
