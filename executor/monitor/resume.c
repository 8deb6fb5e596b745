/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/resume.h"

#include "monitor/runner.h"

static void fail_interrupted(struct cella_monitor *monitor, struct cella_task_record *task)
{
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *body = json_pack("{s:s, s:I, s:b}", "task", task->entry.id, "error", (json_int_t) CELLA_EXECUTOR_DIED, "stored", 1);
    cella_status status = cella_monitor_commit(monitor, CELLA_EVENT_TASK_FAILED, body);
    cella_monitor_log(monitor, "task %s %s %s", cella_task_state_name(task->state), task->entry.id,
                      cella_status_name(status == CELLA_OK ? CELLA_EXECUTOR_DIED : status));
}

void cella_resume_tasks(struct cella_monitor *monitor)
{
    struct cella_entry *entry = monitor->state.tasks.first;
    for (; entry != NULL; entry = entry->next) {
        struct cella_task_record *task = (struct cella_task_record *) entry;
        if (task->state == CELLA_TASK_RUNNING) {
            fail_interrupted(monitor, task);
        } else if (task->state == CELLA_TASK_QUEUED) {
            task->resumed = true;
            cella_runner_enqueue(monitor->runner, task);
        }
    }
}
