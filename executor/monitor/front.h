/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The monitor's side of the front (request.h): reads its questions, has them answered, starts it again when it dies.
 */

#include "monitor/operation.h"

struct cella_front;

CELLA_MUST_USE cella_status cella_front_new(struct cella_monitor *monitor, struct cella_front **out);
void cella_front_free(struct cella_front *front);

/* Answer a question that was deferred: an id that nobody waits for any more is ignored. Accepts a NULL front: before it
 * was started nobody waits. */
void cella_front_answer(struct cella_front *front, uint32_t request, cella_status status, const json_t *reply);

/* Somebody watches a task: his answer is due at the latest when his time is up. Accepts NULL. */
void cella_front_watch(struct cella_front *front);

/* A child of the monitor has died: is it the front? */
bool cella_front_reaped(struct cella_front *front, pid_t pid, int wait_status);
