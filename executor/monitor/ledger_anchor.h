/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The platform's anchor of a ledger: it tells an executor at its start whether the ledger is older than the last start, where
 * the platform has anchors (cella_platform_anchors). What was put back to a moment within the last run it can not tell: only
 * starts are noted, since a TPM is slow and wears out. Heads that clients keep say the rest.
 *
 * The protocol. A start
 *   1. reads the anchor, v, and judges the ledger by it;
 *   2. writes its first record, which has v as a member, and waits until that is durable;
 *   3. extends the anchor by the hash of that record: SHA-256(v || hash); and serves from then on.
 * So a ledger is the newest in one of two cases. Its last start has found v0 and has the hash h, and the anchor is
 * SHA-256(v0 || h): that start has served. Or the anchor is v0: that start ended between 2 and 3, has served nobody, and
 * nobody has seen anything of it; it counts as one that never was, and its record stays.
 *
 * Nothing else is accepted. In particular somebody who ends a start between 2 and 3, keeps that ledger, and starts the
 * executor on the one before again has two ledgers whose last starts have found the same v0; but the anchor moves by the
 * hash of one of the two, and only that one opens afterwards. A number that is counted up could not tell them apart.
 */

#include "monitor/monitor.h"
#include "monitor/replay.h"

/* What is written into the record of this start. */
struct cella_ledger_anchor {
    bool used;
    uint8_t found[CELLA_PLATFORM_ANCHOR_SIZE];
};

/*
 * Step 1. Makes the anchor for a ledger that has none yet. What is wrong is logged.
 *
 * opened: the ledger's last start; not anchored: there was none, or the platform had no anchors
 * CELLA_ROLLBACK       the ledger is not the newest, or nothing says any more that it is
 * CELLA_SYSTEM_FAILED  the platform failed; CELLA_NO_MEMORY, CELLA_CRYPTO_FAILED
 */
CELLA_MUST_USE cella_status cella_ledger_anchor_judge(struct cella_monitor *monitor, const struct cella_opened *opened,
                                               struct cella_ledger_anchor *out);

/*
 * Step 3. Nothing to do where no anchor is used. Errors of cella_platform_anchor_extend, and
 * CELLA_ROLLBACK  somebody else has moved it meanwhile: another executor runs on a copy
 */
CELLA_MUST_USE cella_status cella_ledger_anchor_move(struct cella_monitor *monitor, const struct cella_ledger_anchor *anchor,
                                              const uint8_t start[CELLA_SHA256_SIZE]);
