/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One thread for what would hold up the event loop: waiting for the disk. Jobs are run in order; their ends are told in
 * the loop's thread, so that nothing but a job's own context is shared. A job allocates no memory: the host starts the
 * executor by a bare clone, which must not happen while another thread holds a lock of the C library.
 */

#include "base/status.h"

struct cella_worker;

/* Lives in its owner until done was called. */
struct cella_job {
    void (*run)(void *context);  /* in the worker's thread: touches nothing that the loop changes meanwhile */
    void (*done)(void *context); /* in the loop's thread; the job may be gone afterwards */
    void *context;
    struct cella_job *next; /* the worker's */
};

/* Start the thread; it takes no signals. CELLA_NO_MEMORY, CELLA_SYSTEM_FAILED */
CELLA_MUST_USE cella_status cella_worker_new(struct cella_worker **out);

/* Finish what was given, tell the ends, stop the thread. Accepts NULL. */
void cella_worker_free(struct cella_worker *worker);

/* Run a job, later. */
void cella_worker_give(struct cella_worker *worker, struct cella_job *job);

/* Readable when a job has ended: call collect then, which tells the ends. */
int cella_worker_descriptor(const struct cella_worker *worker);
void cella_worker_collect(struct cella_worker *worker);
