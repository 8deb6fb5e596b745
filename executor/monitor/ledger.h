/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The ledger: makes every change of the state durable, through the host, before anybody outside can see it.
 *
 * A change is applied in memory at once and sealed as one record for each of its events. Nothing leaves the executor that
 * was made after it, and no cell is started for it, before the host has acknowledged it: who sends answers or starts
 * something takes cella_ledger_position when he makes it and lets it go when cella_ledger_is_durable. So an answer waits
 * for what it may depend on and for nothing else, and the host writes many changes in one transaction.
 *
 * When the host does not acknowledge (disk full, ledger process dead, silent for CELLA_LEDGER_SILENCE_MS), the ledger is
 * stalled: answers that wait are replaced by its status, new requests are refused with it, nothing is released. The same
 * sealed bytes are offered again until they are taken; then all goes on. What was under way took effect as a whole or not at
 * all; its client has to look.
 *
 * When the ledger can not be trusted or not be read, it is lost (RECOVERY): no request is served, nothing is written.
 *
 * Every function accepts ledger == NULL, which stands for a state that nobody keeps: everything is durable at once.
 */

#include "monitor/chain.h"
#include "monitor/event.h"
#include "monitor/monitor.h"

#define CELLA_LEDGER_WAITING_MAX 4096U                /* records that wait for the host; then requests are refused */
#define CELLA_LEDGER_WAITING_BYTES_MAX (64U << 20)
#define CELLA_LEDGER_SILENCE_MS 10000U
#define CELLA_LEDGER_RETRY_MS 1000U

struct cella_ledger;

CELLA_MUST_USE cella_status cella_ledger_new(struct cella_monitor *monitor, struct cella_ledger **out);
void cella_ledger_free(struct cella_ledger *ledger);

/*
 * Read keyring and ledger, and begin an epoch: fills monitor->keyring and monitor->state. Runs the loop meanwhile;
 * after_events is called after each round. A ledger that is lost is no error here: then the keys are new ones.
 * CELLA_CLOSED  the host has gone; CELLA_NO_MEMORY; and those of the keys
 */
CELLA_MUST_USE cella_status cella_ledger_start(struct cella_ledger *ledger, void (*after_events)(void *context),
                                               void *context);

/* CELLA_OK when requests are served; else the status to refuse them with: LEDGER_BUSY, LEDGER_FULL, RECOVERY, ... */
cella_status cella_ledger_refusal(const struct cella_ledger *ledger);

/* CELLA_OK, or why nothing becomes durable at the moment. */
cella_status cella_ledger_trouble(const struct cella_ledger *ledger);

/* Commits between these two are one change: all of it becomes durable, or nothing. What caused it: monitor->cause. */
void cella_ledger_begin(struct cella_ledger *ledger);
void cella_ledger_end(struct cella_ledger *ledger);

/*
 * Apply an event to the state and add it to the ledger. As cella_state_apply, and:
 * body:      gets what cella_event_add_statement adds, where there is a statement
 * statement: the leaf of the event's record in the tree (record.h); empty: a private record
 * CELLA_TOO_LARGE  it makes a record above CELLA_RECORD_MAX; then nothing has changed
 * RECOVERY and the like  the ledger is lost
 */
CELLA_MUST_USE cella_status cella_ledger_commit(struct cella_ledger *ledger, struct cella_state *state,
                                                enum cella_event event, json_t *body, struct cella_view statement);

/* Number of records that there are, durable or not. */
uint64_t cella_ledger_position(const struct cella_ledger *ledger);
bool cella_ledger_is_durable(const struct cella_ledger *ledger, uint64_t position);

/* The durable ledger. Not with NULL. */
const struct cella_chain *cella_ledger_chain(const struct cella_ledger *ledger);
/* Starts of the executor on this ledger, this one included; 0 when it is lost. */
uint64_t cella_ledger_epoch(const struct cella_ledger *ledger);

/*
 * At a clean end, when nothing else is to be done: makes a snapshot if that saves the next start anything. False while it is
 * under way: ask again after the next round.
 */
bool cella_ledger_settle(struct cella_ledger *ledger);

/* Send what is to be sent; called after every round of the event loop. False: it is broken and the executor has to end. */
bool cella_ledger_proceed(struct cella_ledger *ledger);
