/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Zygotes and their cells. Each profile has a shared zygote; a function owner who asks for it has one that serves his
 * functions only, started when needed and ended when idle. A cell is taken for one task and never comes back.
 *
 * While tasks run, cells are made only for runs that wait, cold, which is fastest. When nothing runs, the pool is filled
 * with warm ones: as many as were in use at a time lately, at most the configured number, and within the memory that
 * idle cells may take.
 *
 * A zygote that has served its number of tasks is replaced by a fresh process, with an address layout and a hash key of
 * its own; it serves until the new one is ready, and its running cells finish. One that dies takes its cells with it; it
 * is started again, slower each time.
 */

#include <sys/types.h>

#include "cell/message.h"
#include "monitor/monitor.h"

struct cella_pool;

/* A cell that was taken: the taker owns both descriptors. */
struct cella_warm_cell {
    uint64_t id;     /* the pool's own: no two cells of any zygote share it */
    uint64_t number; /* the zygote's */
    int socket;
    int pidfd;
    pid_t pid; /* in the monitor's pid namespace; the kernel vouches for it */
    uint32_t slot; /* its control group (cgroups.h); the pool gives it back */
};

/* How a cell ended. */
struct cella_cell_exit {
    int wait_status;
    uint64_t user_us;
    uint64_t system_us;
    uint64_t peak_kib;
    bool zygote_died;
};

/* A taken cell has ended; nothing more comes from it. */
typedef void (*cella_cell_exited)(void *context, uint64_t cell, const struct cella_cell_exit *exit);

/* Start one zygote per configured profile. */
CELLA_MUST_USE cella_status cella_pool_new(struct cella_monitor *monitor, cella_cell_exited exited, void *context,
                                           struct cella_pool **out);
void cella_pool_free(struct cella_pool *pool);

/* Wait until every zygote is ready or has died. Before the keys are made: they are made in its shadow. */
CELLA_MUST_USE cella_status cella_pool_wait(struct cella_pool *pool);

/* Layers that every zygote had at the start, and without which none may serve later: what evidence says. */
uint32_t cella_pool_promised(const struct cella_pool *pool);

/* Layers in force in every zygote that is ready; 0 when none is. */
uint32_t cella_pool_layers(const struct cella_pool *pool);

/* Is the profile offered? */
bool cella_pool_has(const struct cella_pool *pool, const char *profile);
uint32_t cella_pool_profile_layers(const struct cella_pool *pool, const char *profile);

/* Name and interpreter version of profile number index; false past the end. Only those that are ready. */
bool cella_pool_profile(const struct cella_pool *pool, size_t index, const char **name, const char **version);

/*
 * Take a cell.
 *
 * owner:  NULL for the profile's shared zygote; else a party's id, for the zygote that serves this function owner only
 *
 * CELLA_BUSY        none is here at the moment: say so to cella_pool_want
 * CELLA_NO_PROFILE  this executor does not have the profile
 */
CELLA_MUST_USE cella_status cella_pool_take(struct cella_pool *pool, const char *profile, const char *owner,
                                            struct cella_warm_cell *out);

/* So many runs wait for a cell there now: what is missing is asked for, cold. Unknown profiles are ignored. */
void cella_pool_want(struct cella_pool *pool, const char *profile, const char *owner, uint32_t waiting);

/*
 * A taken cell turned out to be dead before it got its task: close its descriptors and forget it; nothing is reported
 * of it any more.
 */
void cella_pool_discard(struct cella_pool *pool, struct cella_warm_cell *cell);

/* Nothing runs: fill up with warm cells. */
void cella_pool_refill(struct cella_pool *pool);

/* A child of the monitor has died: is it a zygote? */
bool cella_pool_reaped(struct cella_pool *pool, pid_t pid, int wait_status);
