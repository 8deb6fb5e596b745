/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The host's side of the ledger: a process of its own (ledger_serve.h), started here, started again when it died, and given
 * the links that the executor asks for.
 */

#include <sys/types.h>

#include "host/ledger_store.h"
#include "host/log.h"

#define CELLA_LEDGER_FILE "ledger.db" /* in the state folder; SQLite keeps two more files beside it */

struct cella_ledger_process {
    const char *folder;  /* absolute; borrowed */
    uint64_t max_bytes;
    struct cella_log *log;
    pid_t process; /* 0: none */
    int control;   /* -1: none */
};

/*
 * Start the process, and wait until it has opened the store.
 *
 * folder: the state folder
 * CELLA_BAD_VERSION, CELLA_BAD_FORMAT, CELLA_EXISTS and the like: of the store; the log says what is wrong
 * CELLA_SYSTEM_FAILED
 */
CELLA_MUST_USE cella_status cella_ledger_process_start(struct cella_ledger_process *ledger);

/* Give it a link: the host's end of the pipe, closed here in any case. Starts the process if there is none. False: not done. */
bool cella_ledger_process_link(struct cella_ledger_process *ledger, int descriptor);

/* A child has died: was it this one? It is started again with the next link. */
bool cella_ledger_process_reap(struct cella_ledger_process *ledger);

/* End it: it commits what it has and leaves. Accepts one that does not run. */
void cella_ledger_process_end(struct cella_ledger_process *ledger);
