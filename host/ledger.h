/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The host's side of the ledger: a program of its own, cella-ledger (ledger_main.c), started here, started again when it
 * died, and given the links that the executor asks for. The store and its library are linked into that program only, so
 * another program that keeps to ledger_program.h is another store.
 */

#include <sys/types.h>

#include "host/ledger_program.h"
#include "host/log.h"

/* Zeroed but for the first members, control -1, it is one that does not run. */
struct cella_ledger_process {
    const char *program; /* absolute path; borrowed */
    const char *folder;  /* the state folder, absolute; borrowed */
    uint64_t max_bytes;  /* of the store */
    struct cella_log *log;
    pid_t process;    /* 0: none */
    int control;      /* -1: none */
    uint64_t records; /* that it had when it was started */
};

/*
 * Start the process, and wait until it has opened the store.
 *
 * CELLA_BAD_VERSION, CELLA_BAD_FORMAT, CELLA_EXISTS and the like: of the store; the log says what is wrong
 * CELLA_SYSTEM_FAILED  it was not started, or ended without a word; the log says why
 */
CELLA_MUST_USE cella_status cella_ledger_process_start(struct cella_ledger_process *ledger);

/* Give it a link: the host's end of the pipe, closed here in any case. Starts the process if there is none. False: not done. */
bool cella_ledger_process_link(struct cella_ledger_process *ledger, int descriptor);

/* A child has died: was it this one? It is started again with the next link. */
bool cella_ledger_process_reap(struct cella_ledger_process *ledger);

/* End it: it commits what it has and leaves. False when it did not leave in order. Accepts one that does not run. */
bool cella_ledger_process_end(struct cella_ledger_process *ledger);
