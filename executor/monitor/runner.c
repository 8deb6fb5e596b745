/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/runner.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/layers.h"
#include "monitor/run.h"

struct cella_runner {
    struct cella_monitor *monitor;
    struct cella_task_record *first;
    struct cella_task_record *last;
    size_t queued;
    struct cella_run *runs;
    size_t running;
};

struct cella_monitor *cella_runner_monitor(struct cella_runner *runner)
{
    return runner->monitor;
}

/* ---- the end of a run ---- */

static void end_run(struct cella_run *run, cella_status status, struct cella_reader *stored)
{
    struct cella_runner *runner = run->runner;
    cella_loop_clear_timer(runner->monitor->loop, &run->deadline);
    cella_loop_unwatch(runner->monitor->loop, &run->watcher);
    if (run->cancelled) {
        status = CELLA_CANCELLED;
    }
    if (cella_run_commit_end(runner->monitor, run, status, stored) != CELLA_OK) {
        cella_monitor_log(runner->monitor, "task %s could not be ended: no memory", run->task->entry.id);
    }
    struct cella_run **place = &runner->runs;
    while (*place != run) {
        place = &(*place)->next;
    }
    *place = run->next;
    runner->running--;
    cella_run_free(run);
}

/* ---- couriers ---- */

static void blame_input(struct cella_run *run, size_t index)
{
    size_t place = 0;
    for (size_t i = 0; i < run->task->function->spec.input_count; i++) {
        if (run->task->inputs[i].data != NULL && place++ == index) {
            (void) snprintf(run->detail, sizeof(run->detail), "input %s (%s)", run->task->inputs[i].file->name,
                            run->task->inputs[i].data->entry.id);
        }
    }
}

static void fetched(void *context, cella_status status, size_t index, const int *descriptors, size_t count)
{
    struct cella_run *run = context;
    for (size_t i = 0; i < count; i++) {
        if (run->input_count < CELLA_TASK_FILES_MAX) {
            run->inputs[run->input_count++] = descriptors[i];
        }
    }
    if (status != CELLA_OK || run->cancelled || run->stage != CELLA_RUN_FETCHING ||
        count != cella_task_data_count(run->task)) {
        blame_input(run, index);
        end_run(run, status == CELLA_OK ? CELLA_INTERNAL : status, NULL);
        return;
    }
    run->stage = CELLA_RUN_WAITING;
}

static void stored(void *context, cella_status status, size_t index, struct cella_reader *outputs)
{
    struct cella_run *run = context;
    (void) index;
    if (run->stage != CELLA_RUN_STORING) {
        status = CELLA_INTERNAL;
    }
    if (status == CELLA_LIMIT_OUTPUT) {
        (void) snprintf(run->detail, sizeof(run->detail), "limit output_bytes %llu",
                        (unsigned long long) run->task->limits.output_bytes);
    }
    end_run(run, status, status == CELLA_OK ? outputs : NULL);
}

static void courier_died(void *context)
{
    struct cella_run *run = context;
    run->courier = NULL;
    end_run(run, CELLA_COURIER_DIED, NULL);
}

static const struct cella_courier_events courier_events = { fetched, stored, courier_died };

static cella_status take_courier(struct cella_run *run)
{
    if (run->courier != NULL) {
        return CELLA_OK;
    }
    return cella_couriers_take(run->runner->monitor->couriers, &courier_events, run, &run->courier);
}

static cella_status start_fetching(struct cella_run *run)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret message = { 0 };
    CELLA_TRY(take_courier(run));
    CELLA_TRY(cella_run_write_fetch(run->runner->monitor, run, &message));
    return cella_courier_send(run->courier, &message, NULL, 0);
}

static cella_status start_storing(struct cella_run *run)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret message = { 0 };
    run->stage = CELLA_RUN_STORING;
    CELLA_TRY(take_courier(run));
    CELLA_TRY(cella_run_write_store(run, &message));
    return cella_courier_send(run->courier, &message, run->outputs, run->output_count);
}

/* ---- cells ---- */

static void deadline_passed(void *context)
{
    struct cella_run *run = context;
    (void) snprintf(run->detail, sizeof(run->detail), "limit wall_s %u; used %.1f s", run->task->limits.wall_s,
                    (double) (cella_loop_now_ms() - run->started_ms) / 1000.0);
    if (run->stage == CELLA_RUN_CELL) {
        char detail[CELLA_DETAIL_MAX];
        memcpy(detail, run->detail, sizeof(detail));
        cella_run_kill_cell(run, CELLA_LIMIT_WALL, detail);
    } else {
        end_run(run, CELLA_LIMIT_WALL, NULL);
    }
}

static void cell_exited(void *context, uint64_t cell, const struct cella_cell_exit *exit)
{
    struct cella_runner *runner = context;
    struct cella_run *run = runner->runs;
    while (run != NULL && (run->stage != CELLA_RUN_CELL || run->cell.id != cell)) {
        run = run->next;
    }
    if (run == NULL) {
        return;
    }
    run->exited = true;
    run->exit = *exit;
    cella_status status = cella_run_verdict(run);
    if (status == CELLA_OK && run->output_count > 0 && !run->cancelled) {
        status = start_storing(run);
        if (status == CELLA_OK) {
            return;
        }
    }
    end_run(run, status, NULL);
}

/* Hand the run to a warm cell; one that is found dead is thrown away, and the next one is taken. */
static cella_status give_to_cell(struct cella_run *run)
{
    struct cella_monitor *monitor = run->runner->monitor;
    for (;;) {
        CELLA_TRY(cella_pool_take(monitor->pool, run->task->function->spec.profile, NULL, &run->cell));
        cella_status status = cella_run_start_cell(monitor, run);
        if (status != CELLA_CLOSED) {
            return status;
        }
        cella_pool_discard(monitor->pool, &run->cell);
    }
}

/* A warm cell for a run whose inputs are here. False when none is there yet. */
static bool start_cell(struct cella_run *run)
{
    cella_status status = give_to_cell(run);
    if (status == CELLA_BUSY) {
        return false;
    }
    if (status == CELLA_OK) {
        run->stage = CELLA_RUN_CELL;
        return true;
    }
    if (run->cell.pidfd >= 0) {
        /* Its exit is still to be reported, and ends the run. */
        run->stage = CELLA_RUN_CELL;
        cella_run_kill_cell(run, status, "");
        return true;
    }
    end_run(run, status, NULL);
    return true;
}

/* ---- the queue ---- */

static cella_status commit_started(struct cella_monitor *monitor, struct cella_task_record *task)
{
    CELLA_CLEANUP(cella_json_cleanup) json_t *body = json_pack("{s:s}", "task", task->entry.id);
    return cella_monitor_commit(monitor, CELLA_EVENT_TASK_STARTED, body);
}

static void start_task(struct cella_runner *runner, struct cella_task_record *task)
{
    struct cella_run *run = cella_run_new(runner, task);
    if (run == NULL) {
        return;
    }
    run->next = runner->runs;
    runner->runs = run;
    runner->running++;
    run->deadline.expired = deadline_passed;
    run->deadline.context = run;
    cella_loop_set_timer(runner->monitor->loop, &run->deadline, (uint64_t) task->limits.wall_s * 1000);
    cella_status status = commit_started(runner->monitor, task);
    cella_monitor_task_changed(runner->monitor, task);
    run->stage = CELLA_RUN_WAITING;
    if (status == CELLA_OK && cella_task_data_count(task) > 0) {
        run->stage = CELLA_RUN_FETCHING;
        status = start_fetching(run);
    }
    if (status != CELLA_OK) {
        end_run(run, status, NULL);
    }
}

static struct cella_task_record *take_first(struct cella_runner *runner)
{
    struct cella_task_record *task = runner->first;
    runner->first = task->next_in_queue;
    if (runner->first == NULL) {
        runner->last = NULL;
    }
    task->next_in_queue = NULL;
    runner->queued--;
    return task;
}

void cella_runner_advance(struct cella_runner *runner)
{
    struct cella_monitor *monitor = runner->monitor;
    while (runner->first != NULL && runner->running < monitor->config.concurrency) {
        start_task(runner, take_first(runner));
    }
    struct cella_run *run = runner->runs;
    while (run != NULL) {
        struct cella_run *next = run->next;
        if (run->stage == CELLA_RUN_WAITING) {
            if (!start_cell(run)) {
                cella_pool_want(monitor->pool, run->task->function->spec.profile, NULL, 1);
            }
        }
        run = next;
    }
    if (runner->running == 0) {
        cella_pool_refill(monitor->pool);
        cella_couriers_refill(monitor->couriers);
    }
}

static bool remove_from_queue(struct cella_runner *runner, const struct cella_task_record *task)
{
    struct cella_task_record *before = NULL;
    for (struct cella_task_record *one = runner->first; one != NULL; before = one, one = one->next_in_queue) {
        if (one != task) {
            continue;
        }
        if (before == NULL) {
            runner->first = one->next_in_queue;
        } else {
            before->next_in_queue = one->next_in_queue;
        }
        if (runner->last == one) {
            runner->last = before;
        }
        one->next_in_queue = NULL;
        runner->queued--;
        return true;
    }
    return false;
}

cella_status cella_runner_cancel(struct cella_runner *runner, struct cella_task_record *task)
{
    struct cella_run *run = task->run;
    if (run != NULL) {
        run->cancelled = true;
        if (run->stage == CELLA_RUN_CELL) {
            cella_run_kill_cell(run, CELLA_CANCELLED, "");
        } else {
            end_run(run, CELLA_CANCELLED, NULL);
        }
        return CELLA_OK;
    }
    (void) remove_from_queue(runner, task);
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *body = json_pack("{s:s, s:I}", "task", task->entry.id, "error", (json_int_t) CELLA_CANCELLED);
    CELLA_TRY(cella_monitor_commit(runner->monitor, CELLA_EVENT_TASK_FAILED, body));
    cella_monitor_task_changed(runner->monitor, task);
    return CELLA_OK;
}

void cella_runner_enqueue(struct cella_runner *runner, struct cella_task_record *task)
{
    task->next_in_queue = NULL;
    if (runner->last == NULL) {
        runner->first = task;
    } else {
        runner->last->next_in_queue = task;
    }
    runner->last = task;
    runner->queued++;
}

cella_status cella_runner_may_run(const struct cella_runner *runner, const struct cella_spec *spec)
{
    const struct cella_monitor *monitor = runner->monitor;
    if (runner->queued >= CELLA_QUEUE_MAX) {
        return CELLA_BUSY;
    }
    if (!cella_pool_has(monitor->pool, spec->profile)) {
        return CELLA_NO_PROFILE;
    }
    uint32_t layers = cella_pool_profile_layers(monitor->pool, spec->profile);
    bool whole = (layers & CELLA_LAYERS_REQUIRED) == CELLA_LAYERS_REQUIRED;
    return whole || monitor->config.allow_missing_layers ? CELLA_OK : CELLA_UNSAFE;
}

bool cella_runner_is_idle(const struct cella_runner *runner)
{
    return runner->queued == 0 && runner->running == 0;
}

/* ---- life ---- */

cella_status cella_runner_new(struct cella_monitor *monitor, struct cella_runner **out)
{
    struct cella_runner *runner = calloc(1, sizeof(*runner));
    if (runner == NULL) {
        return CELLA_NO_MEMORY;
    }
    runner->monitor = monitor;
    *out = runner;
    CELLA_TRY(cella_pool_new(monitor, cell_exited, runner, &monitor->pool));
    return cella_couriers_new(monitor, &monitor->couriers);
}

void cella_runner_free(struct cella_runner *runner)
{
    if (runner == NULL) {
        return;
    }
    while (runner->runs != NULL) {
        struct cella_run *run = runner->runs;
        runner->runs = run->next;
        cella_run_free(run);
    }
    cella_couriers_free(runner->monitor->couriers);
    cella_pool_free(runner->monitor->pool);
    free(runner);
}
