/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Messages to the front. One that may tell of the state is held back until everything that was committed before it is
 * durable: what was read, and also what was refused. Order is kept among those. A zeroed object with monitor set is empty.
 */

#include "monitor/monitor.h"
#include "monitor/request.h"

struct cella_held;

struct cella_answers {
    struct cella_monitor *monitor;
    struct cella_bytes out;       /* to be written to the front's socket */
    struct cella_held *held;      /* the oldest first, so that what they wait for ascends */
    struct cella_held *last_held;
    size_t held_bytes;
};

void cella_answers_clear(struct cella_answers *answers);

/* Send as soon as all that is committed now is durable. payload is moved. While the ledger is stalled or lost, the refusal
 * is sent in its place. CELLA_NO_MEMORY */
CELLA_MUST_USE cella_status cella_answers_send(struct cella_answers *answers, uint32_t id, enum cella_request_kind kind,
                                               struct cella_bytes *payload);

/* Send a message at once that tells nothing of the state. CELLA_NO_MEMORY */
CELLA_MUST_USE cella_status cella_answers_say(struct cella_answers *answers, uint32_t id, enum cella_request_kind kind,
                                              struct cella_view payload);

/* The same for an ANSWER with this status and body. CELLA_NO_MEMORY */
CELLA_MUST_USE cella_status cella_answers_send_now(struct cella_answers *answers, uint32_t id, cella_status status,
                                                   struct cella_view body);

/* The same for the error answer of a status. CELLA_NO_MEMORY */
CELLA_MUST_USE cella_status cella_answers_refuse(struct cella_answers *answers, uint32_t id, cella_status status);

/* Payload of an ANSWER, appended to out. CELLA_NO_MEMORY */
CELLA_MUST_USE cella_status cella_answers_write(cella_status status, struct cella_view body, struct cella_bytes *out);

/* More has become durable: those that waited for it go out. */
void cella_answers_release(struct cella_answers *answers);

/* What they wait for does not become durable: every one is answered with this status. */
void cella_answers_refuse_all(struct cella_answers *answers, cella_status status);
