/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/layers.h"
#include "monitor/ledger.h"
#include "monitor/queue.h"
#include "monitor/run.h"
#include "monitor/task_check.h"

/*
 * Runs beyond those that have a cell: as many as there may be cells, so that the data of the next are moved while one
 * computes, but no more than this: each may have a courier, and the host has links for so many (host/links.h).
 */
#define RUNS_AHEAD_MAX 8U
/* From the end of the last run to making new cells: by then its answer has reached the client. */
#define QUIET_MS 1U

struct cella_runner {
    struct cella_monitor *monitor;
    struct cella_queue queue;
    struct cella_run *runs; /* the oldest first */
    size_t running;
    bool busy; /* runs there were when it was last looked */
    struct cella_timer quiet;
};

struct cella_monitor *cella_runner_monitor(struct cella_runner *runner)
{
    return runner->monitor;
}

/* ---- the wall clock: it goes while something is done for the task, or it waits for what is its own ---- */

static void let_clock_go(struct cella_run *run)
{
    uint64_t limit_ms = (uint64_t) run->task->limits.wall_s * 1000;
    if (run->going_since_ms == 0) {
        run->going_since_ms = cella_loop_now_ms();
        cella_loop_set_timer(run->runner->monitor->loop, &run->deadline,
                             limit_ms > run->spent_ms ? limit_ms - run->spent_ms : 0);
    }
}

static void stop_clock(struct cella_run *run)
{
    run->spent_ms = cella_run_wall_ms(run);
    run->going_since_ms = 0;
    cella_loop_clear_timer(run->runner->monitor->loop, &run->deadline);
}

/* ---- the end of a run ---- */

static void forget_run(struct cella_run *run)
{
    struct cella_runner *runner = run->runner;
    struct cella_run **place = &runner->runs;
    while (*place != run) {
        place = &(*place)->next;
    }
    *place = run->next;
    runner->running--;
    cella_run_free(run);
}

static void end_run(struct cella_run *run, cella_status status, struct cella_reader *stored)
{
    struct cella_runner *runner = run->runner;
    stop_clock(run);
    cella_loop_clear_timer(runner->monitor->loop, &run->grace);
    cella_loop_clear_timer(runner->monitor->loop, &run->cpu_check);
    cella_loop_unwatch(runner->monitor->loop, &run->watcher);
    if (run->cancelled) {
        status = run->reason;
        memcpy(run->detail, run->reason_detail, sizeof(run->detail));
    }
    if (cella_run_commit_end(runner->monitor, run, status, stored) != CELLA_OK) {
        cella_monitor_log(runner->monitor, "task %s could not be ended: no memory", run->task->entry.id);
    }
    if (run->asked_to_store && run->task->state != CELLA_TASK_FINISHED) {
        /* Nobody will get the keys of what it has stored: it deletes that. */
        cella_courier_dismiss(run->courier);
        run->courier = NULL;
    }
    forget_run(run);
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
    if (status != CELLA_OK || run->stage != CELLA_RUN_FETCHING || count != cella_task_data_count(run->task)) {
        blame_input(run, index);
        end_run(run, status == CELLA_OK ? CELLA_INTERNAL : status, NULL);
        return;
    }
    run->stage = CELLA_RUN_WAITING;
    stop_clock(run);
}

/* What a courier says ends a run at once, unless there is a cell that has to be killed and measured first. */
static void fail_by_courier(struct cella_run *run, cella_status status)
{
    if (run->stage != CELLA_RUN_CELL) {
        end_run(run, status, NULL);
        return;
    }
    /* It comes before what the script says: a stream that fails is a short file to the script. */
    run->failure = run->failure == CELLA_OK ? status : run->failure;
    cella_run_kill_cell(run, status, run->detail);
    cella_run_settle(run);
}

static void streamed(void *context, cella_status status, size_t index)
{
    struct cella_run *run = context;
    bool expected = run->streaming && (run->stage == CELLA_RUN_WAITING || run->stage == CELLA_RUN_CELL);
    run->streaming = false;
    if (status != CELLA_OK || !expected) {
        blame_input(run, index);
        fail_by_courier(run, status == CELLA_OK ? CELLA_INTERNAL : status);
    } else {
        cella_run_settle(run);
    }
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
    run->streaming = false;
    fail_by_courier(run, CELLA_COURIER_DIED);
}

static const struct cella_courier_events courier_events = { fetched, streamed, stored, courier_died };

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
    run->stage = CELLA_RUN_FETCHING;
    run->streaming = cella_run_has_streams(run);
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
    CELLA_TRY(cella_courier_send(run->courier, &message, run->outputs, run->output_count));
    run->asked_to_store = true;
    return CELLA_OK;
}

/* ---- cells ---- */

static void deadline_passed(void *context)
{
    struct cella_run *run = context;
    char detail[CELLA_DETAIL_MAX];
    (void) snprintf(detail, sizeof(detail), "limit wall_s %u; used %.1f s", run->task->limits.wall_s,
                    (double) cella_run_wall_ms(run) / 1000.0);
    if (cella_run_awaits_cell(run)) {
        cella_run_kill_cell(run, CELLA_LIMIT_WALL, detail);
        return;
    }
    memcpy(run->detail, detail, sizeof(detail));
    end_run(run, CELLA_LIMIT_WALL, NULL);
}

/*
 * The cell will not do anything more that matters: it has ended, or said its last word and can not take it back. A cell
 * that may still write to outputs has to have ended before they are stored.
 */
static bool cell_is_over(const struct cella_run *run)
{
    bool writes = run->done && run->output_count > 0;
    return run->exited || (cella_run_has_spoken(run) && run->measured && !writes);
}

void cella_run_settle(struct cella_run *run)
{
    if (run->stage != CELLA_RUN_CELL || run->settling || !cell_is_over(run)) {
        return;
    }
    if (run->streaming) {
        /* The script may have failed because a stream did: what the courier has said by now comes first. */
        run->settling = true;
        cella_courier_poll(run->courier);
        run->settling = false;
    }
    cella_status status = cella_run_verdict(run);
    if (status == CELLA_OK && !run->cancelled) {
        if (run->streaming) {
            return; /* the rest of the streams is still to be verified */
        }
        status = run->output_count > 0 ? start_storing(run) : CELLA_OK;
        if (status == CELLA_OK && run->output_count > 0) {
            return;
        }
    }
    end_run(run, status, NULL);
}

static void cell_exited(void *context, uint64_t cell, const struct cella_cell_exit *exit)
{
    struct cella_runner *runner = context;
    struct cella_run *run = runner->runs;
    while (run != NULL && (run->stage != CELLA_RUN_CELL || run->cell.id != cell)) {
        run = run->next;
    }
    if (run != NULL) {
        run->exited = true;
        run->exit = *exit;
        cella_run_settle(run);
    }
}

/* ---- from the queue to a cell ---- */

static const char *zygote_owner(const struct cella_run *run)
{
    return run->task->isolation.own_zygote ? run->task->function->owner->entry.id : NULL;
}

/* Work for the task begins: from now on it is running. */
static cella_status begin(struct cella_run *run)
{
    struct cella_monitor *monitor = run->runner->monitor;
    let_clock_go(run);
    if (run->started) {
        return CELLA_OK;
    }
    run->started = true;
    CELLA_CLEANUP(cella_json_cleanup) json_t *body = json_pack("{s:s}", "task", run->task->entry.id);
    cella_status status = cella_monitor_commit(monitor, CELLA_EVENT_TASK_STARTED, body);
    cella_monitor_task_changed(monitor, run->task);
    return status;
}

/* Hand the run to a warm cell; one that is found dead is thrown away, and the next one is taken. */
static cella_status give_to_cell(struct cella_run *run)
{
    struct cella_monitor *monitor = run->runner->monitor;
    for (;;) {
        CELLA_TRY(cella_pool_take(monitor->pool, run->task->function->spec.profile, zygote_owner(run), &run->cell));
        cella_status status = begin(run);
        status = status == CELLA_OK ? cella_run_start_cell(monitor, run) : status;
        if (status != CELLA_CLOSED) {
            return status == CELLA_BUSY ? CELLA_SYSTEM_FAILED : status; /* BUSY is for a pool without a cell */
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

/* One that nothing was begun for. */
static cella_status end_waiting(struct cella_runner *runner, struct cella_task_record *task, cella_status reason,
                                const char *detail, const struct cella_party *by)
{
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *body = json_pack("{s:s, s:I, s:s}", "task", task->entry.id, "error", (json_int_t) reason, "detail", detail);
    if (body == NULL || (by != NULL && json_object_set_new(body, "by", json_string(by->entry.id)) != 0) ||
        (task->resumed && json_object_set_new(body, "stored", json_true()) != 0)) {
        return CELLA_NO_MEMORY;
    }
    CELLA_TRY(cella_monitor_commit(runner->monitor, CELLA_EVENT_TASK_FAILED, body));
    (void) cella_queue_remove(&runner->queue, task);
    cella_monitor_task_changed(runner->monitor, task);
    return CELLA_OK;
}

/* What may have changed since it was queued: who takes part, the function, what owners allow. False: it has ended. */
static bool may_start(struct cella_runner *runner, struct cella_task_record *task)
{
    char detail[CELLA_DETAIL_MAX] = "";
    cella_status status = cella_task_check(runner->monitor, task, detail);
    if (status != CELLA_OK && end_waiting(runner, task, status, detail, NULL) != CELLA_OK) {
        cella_monitor_log(runner->monitor, "task %s could not be ended: no memory", task->entry.id);
    }
    return status == CELLA_OK;
}

/* False without memory: then the task waits on. */
static bool start_task(struct cella_runner *runner, struct cella_task_record *task)
{
    if (!may_start(runner, task)) {
        return true;
    }
    struct cella_run *run = cella_run_new(runner, task);
    if (run == NULL) {
        cella_queue_add(&runner->queue, task);
        return false;
    }
    struct cella_run **place = &runner->runs;
    while (*place != NULL) {
        place = &(*place)->next;
    }
    *place = run;
    runner->running++;
    run->deadline.expired = deadline_passed;
    run->deadline.context = run;
    run->stage = CELLA_RUN_WAITING;
    if (cella_task_data_count(task) == 0) {
        return true;
    }
    cella_status status = begin(run);
    status = status == CELLA_OK ? start_fetching(run) : status;
    if (status != CELLA_OK) {
        end_run(run, status, NULL);
    }
    return true;
}

/* Cells at work, of one creator or of all (NULL). One that has said its last word is none any more. */
static size_t count_cells(const struct cella_runner *runner, const struct cella_party *creator)
{
    size_t count = 0;
    for (const struct cella_run *run = runner->runs; run != NULL; run = run->next) {
        bool theirs = creator == NULL || run->task->creator == creator;
        count += theirs && run->stage == CELLA_RUN_CELL && !run->exited && !cella_run_has_spoken(run) ? 1 : 0;
    }
    return count;
}

/* Who gets the next cell: the longest waiting run of a creator who has the fewest of them. NULL when nobody waits. */
static struct cella_run *next_for_cell(const struct cella_runner *runner)
{
    struct cella_run *best = NULL;
    size_t fewest = SIZE_MAX;
    for (struct cella_run *run = runner->runs; run != NULL; run = run->next) {
        if (run->stage != CELLA_RUN_WAITING || run->tried) {
            continue;
        }
        size_t cells = count_cells(runner, run->task->creator);
        if (cells < fewest) {
            best = run;
            fewest = cells;
        }
    }
    return best;
}

/* Runs that could have a cell if the pool had one of that kind. */
static uint32_t count_starved(const struct cella_runner *runner, const struct cella_run *like)
{
    uint32_t count = 0;
    for (const struct cella_run *run = runner->runs; run != NULL; run = run->next) {
        bool same_profile = strcmp(run->task->function->spec.profile, like->task->function->spec.profile) == 0;
        count += run->starved && same_profile && zygote_owner(run) == zygote_owner(like) ? 1 : 0;
    }
    return count;
}

/* There is a place for this run, but no cell: ask for one. Its clock goes, so that it does not wait for ever. */
static void starve(struct cella_run *run)
{
    run->starved = true;
    if (begin(run) != CELLA_OK) {
        end_run(run, CELLA_NO_MEMORY, NULL);
        return;
    }
    cella_pool_want(run->runner->monitor->pool, run->task->function->spec.profile, zygote_owner(run),
                    count_starved(run->runner, run));
}

static void give_out_cells(struct cella_runner *runner)
{
    size_t most = runner->monitor->config.concurrency;
    size_t starved = 0;
    struct cella_run *run;
    for (run = runner->runs; run != NULL; run = run->next) {
        run->tried = false;
        run->starved = false;
    }
    /* A profile that has no cells at the moment keeps none of another from running. */
    while (count_cells(runner, NULL) < most && (run = next_for_cell(runner)) != NULL) {
        run->tried = true;
        if (!start_cell(run) && count_cells(runner, NULL) + starved < most) {
            starved++;
            starve(run);
        }
    }
    for (run = runner->runs; run != NULL; run = run->next) {
        if (run->stage == CELLA_RUN_WAITING && !run->starved) {
            stop_clock(run);
        }
    }
}

/* A task waits, and that it was queued is durable: nothing is run that did not happen. */
static bool may_start_next(const struct cella_runner *runner)
{
    const struct cella_task_record *next = cella_queue_peek(&runner->queue);
    struct cella_ledger *ledger = runner->monitor->ledger;
    return next != NULL && cella_ledger_is_durable(ledger, next->queued_at) && cella_ledger_trouble(ledger) == CELLA_OK;
}

void cella_runner_advance(struct cella_runner *runner)
{
    struct cella_monitor *monitor = runner->monitor;
    size_t cells = monitor->config.concurrency;
    size_t most = cells + (cells < RUNS_AHEAD_MAX ? cells : RUNS_AHEAD_MAX);
    while (runner->running < most && may_start_next(runner)) {
        if (!start_task(runner, cella_queue_take(&runner->queue))) {
            break;
        }
    }
    if (runner->running > 0) {
        give_out_cells(runner);
    }
    if (runner->running == 0 && !runner->busy && !runner->quiet.active) {
        cella_pool_refill(monitor->pool);
        cella_couriers_refill(monitor->couriers);
    } else if (runner->running == 0 && runner->busy) {
        cella_loop_set_timer(monitor->loop, &runner->quiet, QUIET_MS);
    }
    runner->busy = runner->running > 0;
}

/* ---- what operations ask for ---- */

cella_status cella_runner_end(struct cella_runner *runner, struct cella_task_record *task, cella_status reason,
                              const char *detail, const struct cella_party *by)
{
    struct cella_run *run = task->run;
    if (run == NULL) {
        return end_waiting(runner, task, reason, detail, by);
    }
    if (!run->cancelled || reason != CELLA_CANCELLED) {
        run->reason = reason;
        run->reason_by = by;
        (void) snprintf(run->reason_detail, sizeof(run->reason_detail), "%s", detail);
    }
    if (!cella_run_awaits_cell(run)) {
        run->cancelled = true;
        end_run(run, reason, NULL);
    } else if (reason == CELLA_CANCELLED) {
        cella_run_cancel_cell(run);
    } else {
        run->cancelled = true;
        cella_run_kill_cell(run, reason, detail);
    }
    return CELLA_OK;
}

bool cella_runner_take_back(struct cella_runner *runner, struct cella_task_record *task)
{
    if (task->run == NULL) {
        (void) cella_queue_remove(&runner->queue, task);
        return true;
    }
    if (task->run->started) {
        return false;
    }
    stop_clock(task->run);
    forget_run(task->run);
    return true;
}

void cella_runner_enqueue(struct cella_runner *runner, struct cella_task_record *task)
{
    task->queued_at = cella_ledger_position(runner->monitor->ledger);
    cella_queue_add(&runner->queue, task);
}

cella_status cella_runner_may_run(const struct cella_runner *runner, const struct cella_party *creator,
                                  const struct cella_spec *spec)
{
    const struct cella_monitor *monitor = runner->monitor;
    CELLA_TRY(cella_queue_has_room(&runner->queue, creator));
    if (!cella_pool_has(monitor->pool, spec->profile)) {
        return CELLA_NO_PROFILE;
    }
    uint32_t layers = cella_pool_profile_layers(monitor->pool, spec->profile);
    bool whole = (layers & CELLA_LAYERS_REQUIRED) == CELLA_LAYERS_REQUIRED;
    return whole || monitor->config.allow_missing_layers ? CELLA_OK : CELLA_UNSAFE;
}

static void quiet_enough(void *context)
{
    (void) context; /* the round that follows refills */
}

bool cella_runner_uses(const struct cella_runner *runner, const struct cella_data *data)
{
    const struct cella_run *run = runner->runs;
    while (run != NULL && !cella_run_reads(run, data)) {
        run = run->next;
    }
    return run != NULL;
}

bool cella_runner_is_idle(const struct cella_runner *runner)
{
    return runner->queue.count == 0 && runner->running == 0 && !cella_couriers_tidy_up(runner->monitor->couriers);
}

/* ---- life ---- */

cella_status cella_runner_new(struct cella_monitor *monitor, struct cella_runner **out)
{
    struct cella_runner *runner = calloc(1, sizeof(*runner));
    if (runner == NULL) {
        return CELLA_NO_MEMORY;
    }
    runner->monitor = monitor;
    runner->quiet.expired = quiet_enough;
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
    cella_loop_clear_timer(runner->monitor->loop, &runner->quiet);
    free(runner);
}
