/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The runner: takes approved tasks from the queue through courier, cell and courier to their end. A task holds one run
 * while it is on its way; whatever happens to it in between ends in one commit: finished, failed or cancelled. A task
 * that did not finish releases nothing.
 */

#include "monitor/monitor.h"

struct cella_runner;

#define CELLA_QUEUE_MAX 256U

/* Takes over monitor->pool and monitor->couriers. */
CELLA_MUST_USE cella_status cella_runner_new(struct cella_monitor *monitor, struct cella_runner **out);
void cella_runner_free(struct cella_runner *runner);

/* Could a function like this run now? CELLA_BUSY (queue full), CELLA_NO_PROFILE, CELLA_UNSAFE */
CELLA_MUST_USE cella_status cella_runner_may_run(const struct cella_runner *runner, const struct cella_spec *spec);

/* Put a task whose state is queued at the end of the queue. */
void cella_runner_enqueue(struct cella_runner *runner, struct cella_task_record *task);

/* Cancel a task in any state that is not over. A running one ends when its cell is dead. */
CELLA_MUST_USE cella_status cella_runner_cancel(struct cella_runner *runner, struct cella_task_record *task);

/* Nothing queued, nothing running. */
bool cella_runner_is_idle(const struct cella_runner *runner);

/* Start what can be started; called after every round of the event loop. */
void cella_runner_advance(struct cella_runner *runner);
