/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The monitor's event loop: descriptors and timers, one thread, over epoll.
 *
 * A watcher or timer lives inside its owner's object and is removed before that object goes away. Removing one from
 * within any callback is allowed.
 */

#include <sys/epoll.h>

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct cella_loop;

/* A watched descriptor. The owner fills ready and context before cella_loop_watch; descriptor stays the owner's. */
struct cella_watcher {
    void (*ready)(void *context, uint32_t events); /* EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR */
    void *context;
    int descriptor;
    uint32_t events;
    bool active;
};

/* A one-shot timer. */
struct cella_timer {
    void (*expired)(void *context);
    void *context;
    uint64_t at_ms;
    struct cella_timer *next;
    bool active;
};

struct cella_loop *cella_loop_new(void);
void cella_loop_free(struct cella_loop *loop);

/* Milliseconds of a clock that only goes forward. */
uint64_t cella_loop_now_ms(void);

/* Watch a descriptor for events. CELLA_SYSTEM_FAILED */
CELLA_MUST_USE cella_status cella_loop_watch(struct cella_loop *loop, struct cella_watcher *watcher, int descriptor,
                                             uint32_t events);
/* Change the events of an active watcher; no call is made when nothing changes. */
CELLA_MUST_USE cella_status cella_loop_change(struct cella_loop *loop, struct cella_watcher *watcher,
                                              uint32_t events);
/* Accepts an inactive one. */
void cella_loop_unwatch(struct cella_loop *loop, struct cella_watcher *watcher);

/* Set (or set again) a timer to go off delay_ms from now. */
void cella_loop_set_timer(struct cella_loop *loop, struct cella_timer *timer, uint64_t delay_ms);
void cella_loop_clear_timer(struct cella_loop *loop, struct cella_timer *timer);

/* Run until cella_loop_stop. after_events (may be NULL) is called after each round, before waiting again. */
CELLA_MUST_USE cella_status cella_loop_run(struct cella_loop *loop, void (*after_events)(void *context),
                                           void *context);
void cella_loop_stop(struct cella_loop *loop);
