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

/* There is new evidence, or new collateral: sessions and the TLS certificate follow. Accepts NULL. */
void cella_front_evidence_changed(struct cella_front *front);

/* For monitor/session.h: the answer to one question, and the payload of CERTIFICATE. */
CELLA_MUST_USE cella_status cella_front_answer(struct cella_front *front, uint32_t request, cella_status status,
                                               struct cella_view body);
CELLA_MUST_USE cella_status cella_front_certificate(struct cella_front *front, struct cella_view payload);

/* More has become durable: send the answers that waited for it. */
void cella_front_durable(struct cella_front *front);
/* What answers wait for does not become durable: answer them with this status. */
void cella_front_refuse(struct cella_front *front, cella_status status);

/* Milliseconds since the last question of the front; large when there was none. */
uint64_t cella_front_quiet_ms(const struct cella_front *front);

/* A child of the monitor has died: is it the front? */
bool cella_front_reaped(struct cella_front *front, pid_t pid, int wait_status);
