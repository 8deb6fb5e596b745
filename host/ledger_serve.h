/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What cella-ledger does: serves the executor's ledger link (APPEND, READ, PUT and GET of base/link.h) from a store. It waits for
 * the disk so that the host's event loop need not. What arrives while a commit is under way is in the next one: so many
 * changes share one wait.
 */

#include "host/ledger_store.h"
#include "host/log.h"

/*
 * Serve until the control socket is closed.
 *
 * control: SOCK_SEQPACKET; each message brings the descriptor of a link. The newest one is served; a link before is closed:
 *          two executors do not write to one ledger.
 */
void cella_ledger_serve(struct cella_ledger_store *store, int control, struct cella_log *log);
