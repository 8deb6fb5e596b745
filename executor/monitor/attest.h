/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Evidence in the background. A device may take from milliseconds to minutes, because the machine's owner can slow it
 * down; so one thread asks the platform, one question after the other, and the monitor's loop goes on. Nothing else runs
 * in that thread, and it touches nothing of the monitor's.
 */

#include "monitor/monitor.h"

#define CELLA_ATTESTER_WAITING_MAX 64U /* questions that wait for their turn */

struct cella_attester;

/*
 * made: called from the loop with the answer; answers come in the order of their questions. evidence: the callee's to take.
 *       A question that is forgotten while the device is at it may be answered still: see ticket.
 */
struct cella_attester_events {
    void (*made)(void *context, uint64_t ticket, cella_status status, struct cella_monitor_evidence *evidence);
    void *context;
};

/* platform: used by the thread alone from now on; outlives the attester. CELLA_NO_MEMORY, CELLA_SYSTEM_FAILED */
CELLA_MUST_USE cella_status cella_attester_new(struct cella_loop *loop, struct cella_platform *platform,
                                               struct cella_attester **out);

/*
 * Ask for evidence.
 *
 * nonce:  at most CELLA_NONCE_SIZE bytes
 * events: where the answer goes; its context outlives the loop's last event
 * ticket: names the answer; never 0
 * CELLA_BUSY  CELLA_ATTESTER_WAITING_MAX questions wait; CELLA_NO_MEMORY; CELLA_BAD_SIZE
 */
CELLA_MUST_USE cella_status cella_attester_ask(struct cella_attester *attester,
                                               const uint8_t report_data[CELLA_REPORT_DATA_SIZE],
                                               struct cella_view nonce, struct cella_attester_events events,
                                               uint64_t *ticket);

/*
 * Before the loop runs: wait for answers at most ms milliseconds, and give them to those who asked. False: none came.
 */
bool cella_attester_wait(struct cella_attester *attester, int ms);

/* Nobody wants this answer any more: the question leaves the queue. One that is being answered is answered still. */
void cella_attester_forget(struct cella_attester *attester, uint64_t ticket);

/*
 * End the thread, and free. Waits a second for a device at work; false: it is at work still, nothing was freed, and the
 * process has to end without touching the platform; or ask again later. Accepts NULL.
 */
CELLA_MUST_USE bool cella_attester_free(struct cella_attester *attester);
