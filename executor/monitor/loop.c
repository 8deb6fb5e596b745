/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX 64

struct cella_loop {
    int epoll;
    bool stopped;
    struct cella_timer *timers; /* ascending by at_ms */
    struct epoll_event pending[EVENTS_MAX];
    int pending_count;
};

struct cella_loop *cella_loop_new(void)
{
    struct cella_loop *loop = calloc(1, sizeof(*loop));
    if (loop == NULL) {
        return NULL;
    }
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll < 0) {
        free(loop);
        return NULL;
    }
    return loop;
}

void cella_loop_free(struct cella_loop *loop)
{
    if (loop != NULL) {
        (void) close(loop->epoll);
        free(loop);
    }
}

uint64_t cella_loop_now_ms(void)
{
    struct timespec now;
    (void) clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * 1000 + (uint64_t) now.tv_nsec / 1000000;
}

cella_status cella_loop_watch(struct cella_loop *loop, struct cella_watcher *watcher, int descriptor, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = watcher };
    if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, descriptor, &event) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    watcher->descriptor = descriptor;
    watcher->events = events;
    watcher->active = true;
    return CELLA_OK;
}

cella_status cella_loop_change(struct cella_loop *loop, struct cella_watcher *watcher, uint32_t events)
{
    if (watcher->events == events) {
        return CELLA_OK;
    }
    struct epoll_event event = { .events = events, .data.ptr = watcher };
    if (epoll_ctl(loop->epoll, EPOLL_CTL_MOD, watcher->descriptor, &event) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    watcher->events = events;
    return CELLA_OK;
}

void cella_loop_unwatch(struct cella_loop *loop, struct cella_watcher *watcher)
{
    if (!watcher->active) {
        return;
    }
    (void) epoll_ctl(loop->epoll, EPOLL_CTL_DEL, watcher->descriptor, NULL);
    watcher->active = false;
    /* The same round may hold an event for it that was not delivered yet. */
    for (int i = 0; i < loop->pending_count; i++) {
        if (loop->pending[i].data.ptr == watcher) {
            loop->pending[i].data.ptr = NULL;
        }
    }
}

void cella_loop_set_timer(struct cella_loop *loop, struct cella_timer *timer, uint64_t delay_ms)
{
    cella_loop_clear_timer(loop, timer);
    timer->at_ms = cella_loop_now_ms() + delay_ms;
    timer->active = true;
    struct cella_timer **place = &loop->timers;
    while (*place != NULL && (*place)->at_ms <= timer->at_ms) {
        place = &(*place)->next;
    }
    timer->next = *place;
    *place = timer;
}

void cella_loop_clear_timer(struct cella_loop *loop, struct cella_timer *timer)
{
    if (!timer->active) {
        return;
    }
    struct cella_timer **place = &loop->timers;
    while (*place != timer) {
        place = &(*place)->next;
    }
    *place = timer->next;
    timer->active = false;
}

static int time_to_wait(const struct cella_loop *loop)
{
    if (loop->timers == NULL) {
        return -1;
    }
    uint64_t now = cella_loop_now_ms();
    uint64_t at = loop->timers->at_ms;
    return at <= now ? 0 : at - now > 60000 ? 60000 : (int) (at - now);
}

static void run_timers(struct cella_loop *loop)
{
    uint64_t now = cella_loop_now_ms();
    while (loop->timers != NULL && loop->timers->at_ms <= now) {
        struct cella_timer *timer = loop->timers;
        loop->timers = timer->next;
        timer->active = false;
        timer->expired(timer->context);
    }
}

cella_status cella_loop_run(struct cella_loop *loop, void (*after_events)(void *context), void *context)
{
    while (!loop->stopped) {
        if (after_events != NULL) {
            after_events(context);
        }
        int count = loop->stopped ? 0 : epoll_wait(loop->epoll, loop->pending, EVENTS_MAX, time_to_wait(loop));
        if (count < 0 && errno != EINTR) {
            return CELLA_SYSTEM_FAILED;
        }
        loop->pending_count = count < 0 ? 0 : count;
        for (int i = 0; i < loop->pending_count && !loop->stopped; i++) {
            struct cella_watcher *watcher = loop->pending[i].data.ptr;
            if (watcher != NULL) {
                watcher->ready(watcher->context, loop->pending[i].events);
            }
        }
        loop->pending_count = 0;
        run_timers(loop);
    }
    loop->stopped = false; /* it may be run again */
    return CELLA_OK;
}

void cella_loop_stop(struct cella_loop *loop)
{
    loop->stopped = true;
}
