/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * When snapshots of the ledger (snapshot.h) are made, and how: beside all else.
 *
 * A forked process hands out the state as it was at that moment, while this one goes on; the kernel copies the pages that
 * change meanwhile. It has no keys (secrets are zero after a fork), no descriptors but a socket to here, and sends plain
 * items; sealing and sending them to the host is done here, a few packets in each round of the loop. The host replaces what it
 * had under the name when it has all of it, and not before; a snapshot that was cut off leaves nothing. It is let go only
 * once every record that it stands for is durable, so that none is ahead of the ledger.
 *
 * Two are kept, under two names that take turns, so that one which was damaged does not cost the whole of the start.
 */

#include "monitor/ledger_state.h"
#include "monitor/snapshot.h"

/*
 * One is made after this many records or bytes of them, whichever comes first: reading so many takes about half a second at
 * a start. And not before the new records take a quarter of the room of the last snapshot: so a large state is not
 * written again and again for little.
 */
#define CELLA_SNAPSHOT_RECORDS 10000U
#define CELLA_SNAPSHOT_BYTES ((uint64_t) 64 << 20)
#define CELLA_SNAPSHOT_SHARE 4U
/* At a clean end it is made for less, but not for nothing: reading so many takes less than a tenth of a second. */
#define CELLA_SNAPSHOT_END_RECORDS 1000U

#define CELLA_SNAPSHOT_KEPT 2U
/* Names that the host keeps them under. */
extern const char *const cella_snapshot_names[CELLA_SNAPSHOT_KEPT];

struct cella_snapshots;

/* ledger: borrowed, outlives it. CELLA_NO_MEMORY; free accepts NULL and gives up what is under way */
CELLA_MUST_USE cella_status cella_snapshots_new(struct cella_ledger *ledger, struct cella_snapshots **out);
void cella_snapshots_free(struct cella_snapshots *snapshots);

/* Said at the start: which of the names holds the newest good one, and its bytes. Not said: the first name is written next. */
void cella_snapshots_found(struct cella_snapshots *snapshots, size_t which, uint64_t bytes);

/* Whose snapshots a ledger's are. Borrowed. */
struct cella_snapshot_binding cella_snapshots_binding(const struct cella_ledger *ledger);

/* Begin one if one is due, and go on with what is under way; after every round of the loop. */
void cella_snapshots_proceed(struct cella_snapshots *snapshots);

/* cella_ledger_settle */
bool cella_snapshots_settle(struct cella_snapshots *snapshots);
