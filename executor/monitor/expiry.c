/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/expiry.h"

#include "monitor/clock.h"
#include "monitor/runner.h"

/* The machine's clock is looked at at least this often. */
#define LOOK_S 60

static void look(void *context)
{
    struct cella_monitor *monitor = context;
    cella_clock_look(monitor);
    int64_t now_s = cella_clock_now_s(monitor);
    int64_t next_s = now_s + LOOK_S;
    for (struct cella_entry *entry = monitor->state.tasks.first; entry != NULL; entry = entry->next) {
        struct cella_task_record *task = (struct cella_task_record *) entry;
        if (task->state >= CELLA_TASK_QUEUED || task->expires_s == 0) {
            continue;
        }
        if (task->expires_s > now_s) {
            next_s = task->expires_s < next_s ? task->expires_s : next_s;
        } else if (cella_runner_end(monitor->runner, task, CELLA_TASK_EXPIRED, "", NULL) == CELLA_OK) {
            cella_monitor_log(monitor, "task expired %s", task->entry.id);
        }
    }
    cella_loop_set_timer(monitor->loop, &monitor->expiry, (uint64_t) (next_s - now_s) * 1000);
}

void cella_expiry_start(struct cella_monitor *monitor)
{
    monitor->expiry.expired = look;
    monitor->expiry.context = monitor;
    look(monitor);
}

void cella_expiry_note(struct cella_monitor *monitor, int64_t expires_s)
{
    int64_t now_s = cella_clock_now_s(monitor);
    uint64_t delay_ms = expires_s > now_s ? (uint64_t) (expires_s - now_s) * 1000 : 0;
    if (monitor->expiry.active && cella_loop_now_ms() + delay_ms < monitor->expiry.at_ms) {
        cella_loop_set_timer(monitor->loop, &monitor->expiry, delay_ms);
    }
}
