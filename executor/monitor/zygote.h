/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One zygote process as the monitor sees it: its start, its messages, its cells until they are taken. Which zygotes
 * there are, and how many cells each should have, is the pool's matter (monitor/pool.h).
 */

#include "monitor/pool.h"

#define CELLA_ZYGOTE_WAITING_MAX 64U /* cells that are coming or idle */
#define CELLA_ZYGOTE_TAKEN_MAX 256U  /* cells that somebody has and whose end the zygote will report */

struct cella_zygote;

/* What the pool is told. Within these calls the zygote may be stopped, not freed. */
struct cella_zygote_events {
    /* It announced itself: its layers and its version are known now. False: it may not serve. */
    bool (*ready)(void *context, struct cella_zygote *zygote);
    /* A taken cell has ended. */
    cella_cell_exited exited;
};

/* A cell that nobody has yet. */
struct cella_waiting_cell {
    struct cella_zygote *zygote;
    struct cella_watcher watcher; /* until it says HERE */
    struct cella_warm_cell cell;  /* socket -1: the place is free; pid 0: not here yet */
};

struct cella_taken_cell {
    uint64_t id;
    uint64_t number;
    uint32_t slot; /* its control group */
};

struct cella_zygote {
    struct cella_monitor *monitor;
    const char *profile;
    const struct cella_zygote_events *events;
    void *context;      /* of ready */
    void *exit_context; /* of exited */
    uint64_t *next_cell;
    pid_t pid; /* -1: reaped, or never started */
    int pidfd;
    int socket; /* -1: stopped */
    bool ready;
    bool unavailable; /* its profile can not be loaded here, and it has said so */
    bool retired; /* takes no more tasks; its running cells may finish */
    uint32_t layers;
    char version[33];
    uint32_t asked;        /* cells asked for that were not announced yet */
    uint64_t served;       /* cells taken so far */
    uint64_t failed_at_ms; /* when a cell last died before it was taken; 0 never */
    uint32_t cell_bytes;   /* the most memory that an idle cell of this one had of its own */
    struct cella_waiting_cell waiting[CELLA_ZYGOTE_WAITING_MAX];
    struct cella_taken_cell taken[CELLA_ZYGOTE_TAKEN_MAX];
    size_t taken_count;
    struct cella_watcher watcher;
    struct cella_zygote *next; /* of the pool */
};

/*
 * Start one. The caller has set monitor, profile, events, contexts and next_cell in an object that is otherwise zero;
 * the object stays where it is until the process was reaped. CELLA_SYSTEM_FAILED
 */
CELLA_MUST_USE cella_status cella_zygote_start(struct cella_zygote *zygote);

/* Kill it with all its cells. For each taken cell exited is called. Accepts a stopped one. */
void cella_zygote_stop(struct cella_zygote *zygote);

/* Read one message, if there is one. CELLA_BUSY  none is there; others: it is of no more use, stop it */
CELLA_MUST_USE cella_status cella_zygote_read(struct cella_zygote *zygote);

/* Cells that are idle and here; and those with the ones that are on their way. */
size_t cella_zygote_idle(const struct cella_zygote *zygote);
size_t cella_zygote_expected(const struct cella_zygote *zygote);

/* Ask for count more cells, at most as many as there is room for. A lost request shows as silence; it is asked again. */
void cella_zygote_spawn(struct cella_zygote *zygote, size_t count, bool warm);

/* The cell that came last. CELLA_BUSY  none is idle, or too many are taken */
CELLA_MUST_USE cella_status cella_zygote_take(struct cella_zygote *zygote, struct cella_warm_cell *out);

/* Forget a taken cell: nothing is reported of it any more. False: it is not this zygote's. */
bool cella_zygote_forget(struct cella_zygote *zygote, uint64_t id);

/* It gets no more tasks: its idle cells are killed. */
void cella_zygote_retire(struct cella_zygote *zygote);
