/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Names of events in records. They are a format: a name is never given to another event, and an event that is not made
 * any more keeps its name and its apply function, so that old ledgers can be read.
 */

#include "monitor/state.h"

/* Events of the ledger itself, which change nothing in the state. */
#define CELLA_EVENT_GENESIS "ledger.begun" /* first record: {charter, executor, keys, version} */
#define CELLA_EVENT_EPOCH "ledger.opened"  /* first record of each start: {epoch, measurement, version, anchor?} */

/* Event of a name (cella_event_name). False: none has it. */
bool cella_event_of(struct cella_view name, enum cella_event *out);

/*
 * Members of a body that are not written into the record, since it holds them already: "logged", the statement (base64url),
 * and "leaf", the record's number, under which the tree has it. For the state, at the commit and at each replay.
 * CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_event_add_statement(json_t *body, struct cella_view statement, uint64_t sequence);
