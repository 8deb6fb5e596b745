/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The monitor's side of the front (request.h): reads its questions, has them answered, starts it again when it dies.
 */

#include "monitor/operation.h"

struct cella_front;

CELLA_MUST_USE cella_status cella_front_new(struct cella_monitor *monitor, struct cella_front **out);
void cella_front_free(struct cella_front *front);

/*
 * The answer to this question is the task as its party sees it, as soon as it changes (or, with over, as soon as it is
 * over), at the latest after 25 s. front may be NULL: before it was started nobody waits. CELLA_BUSY when too many wait; CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_front_watch(struct cella_front *front, uint32_t request, struct cella_party *party,
                                              struct cella_task_record *task, bool over);

/* Answer everybody who watches this task. */
void cella_front_task_changed(struct cella_front *front, struct cella_task_record *task);

/* Evidence that cella_monitor_attest_fresh was asked for, or why there is none: answers the question that waits for it. */
void cella_front_attested(struct cella_front *front, uint64_t ticket, cella_status status,
                          const struct cella_monitor_evidence *evidence);

/* Milliseconds since the last question of the front; large when there was none. */
uint64_t cella_front_quiet_ms(const struct cella_front *front);

/* A child of the monitor has died: is it the front? */
bool cella_front_reaped(struct cella_front *front, pid_t pid, int wait_status);
