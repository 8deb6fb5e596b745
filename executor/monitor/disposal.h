/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Telling the host to delete what nobody can open any more: the objects of deleted data, and what runs have stored that did not
 * finish. The key goes first, in one durable
 * event; the object goes after that event is durable and no run uses it, by a courier, many at a time. The host may disobey. What
 * was not told before an end is told at the next start, for all deleted data there are.
 *
 * A run's courier deletes what it has stored itself if the run fails (runner.c). After an end of the executor in the middle nobody
 * knows how far it came: the objects of that attempt have names that the monitor can compute (keyring.h), and the task remembers
 * the attempt, so they are told now, and at every start.
 *
 * The object of data that were derived from an output stays as long as somebody can open it: receivers of the output, or, of a
 * fusion output, whose key nobody gets, owners of other data derived from it.
 */

#include "monitor/monitor.h"

#define CELLA_DISPOSAL_BATCH 512U /* objects that one courier is told */

struct cella_disposal;

/* CELLA_NO_MEMORY */
CELLA_MUST_USE cella_status cella_disposal_new(struct cella_monitor *monitor, struct cella_disposal **out);
void cella_disposal_free(struct cella_disposal *disposal); /* accepts NULL */

/* Once, after the ledger was read and tasks were resumed: all data that are deleted by then, all attempts that ended in the middle. */
void cella_disposal_start(struct cella_disposal *disposal);

/* Data whose deletion was just committed. disposal may be NULL (tests). Without memory it waits for the next start. */
void cella_disposal_add(struct cella_disposal *disposal, const struct cella_data *data);

/* Tell the host what can be told; called after every round of the event loop. */
void cella_disposal_advance(struct cella_disposal *disposal);
