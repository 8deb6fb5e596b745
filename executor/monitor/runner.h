/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The runner: takes approved tasks from the queue through courier, cell and courier to their end. A task holds one run
 * while it is on its way; whatever happens to it in between ends in one commit: finished, failed or cancelled. A task
 * that did not finish releases nothing.
 *
 * As many cells work at a time as the configuration says (concurrency). Up to twice as many runs are on their way, so that
 * data are moved while other tasks compute. Parties take turns twice: when tasks leave the queue (queue.h), and when a cell
 * is free, which goes to the party with the fewest. The wall clock of a task stands still while others have the cells.
 */

#include "monitor/monitor.h"

struct cella_runner;

/* Takes over monitor->pool and monitor->couriers. */
CELLA_MUST_USE cella_status cella_runner_new(struct cella_monitor *monitor, struct cella_runner **out);
void cella_runner_free(struct cella_runner *runner);

/*
 * Could a task of this creator run a function like this now?
 * CELLA_BUSY  the queue is full; CELLA_PARTY_BUSY  the creator's share of it is; CELLA_NO_PROFILE; CELLA_UNSAFE
 */
CELLA_MUST_USE cella_status cella_runner_may_run(const struct cella_runner *runner, const struct cella_party *creator,
                                                 const struct cella_spec *spec);

/* Put a task whose state is queued at the end of its creator's lane; cella_runner_may_run was just asked. */
void cella_runner_enqueue(struct cella_runner *runner, struct cella_task_record *task);

/*
 * End a task in any state that is not over. One whose script runs is asked to end (SIGTERM to its cell): it ends when the
 * cell has, and is killed after two seconds, or at once when it is cancelled again or the reason is another one than that
 * somebody cancels it. Whatever the script says in between, the task ends for this reason. In every other state it is over
 * at once. What was stored for it is deleted.
 *
 * reason: CELLA_CANCELLED, CELLA_REJECTED, CELLA_TASK_EXPIRED, CELLA_PARTY_REMOVED, or why it may not start
 * detail: for every participant
 * by:     who wants it; NULL: the executor
 */
CELLA_MUST_USE cella_status cella_runner_end(struct cella_runner *runner, struct cella_task_record *task,
                                             cella_status reason, const char *detail, const struct cella_party *by);

/* Take a task out of the queue again, if nothing was begun for it. False: it runs, and can only be ended. */
bool cella_runner_take_back(struct cella_runner *runner, struct cella_task_record *task);

/* Whether a task on its way reads these data. */
bool cella_runner_uses(const struct cella_runner *runner, const struct cella_data *data);

/* Nothing queued, nothing running. */
bool cella_runner_is_idle(const struct cella_runner *runner);

/* Start what can be started; called after every round of the event loop. */
void cella_runner_advance(struct cella_runner *runner);
