/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/pool.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "monitor/cgroups.h"
#include "monitor/zygote.h"

#define READY_MS 60000
#define RESTART_FIRST_MS 200U
#define RESTART_LAST_MS 30000U
#define FAILED_PAUSE_MS 250U

/* Zygotes for one owner each: they cost their whole memory, so there are few. */
#define OWNED_MAX 8U
#define OWNER_SIZE 64U
#define OWNED_IDLE_MS 60000U

/* Demand is the most cells in use at a time, in this window and the one before. */
#define WINDOW_MS 30000U

/* What a cell is taken to need before one was seen. */
#define CELL_BYTES_FIRST 4194304U

/* For whom there is a zygote: a profile, or one owner's functions of a profile. */
struct place {
    struct cella_pool *pool;
    const char *profile;        /* NULL: free */
    char owner[OWNER_SIZE];     /* "" for the shared one */
    struct cella_zygote *serving;
    struct cella_zygote *coming; /* started, not ready yet */
    char version[33];            /* "" until one was ready */
    uint32_t layers;
    uint32_t peak[2]; /* cells in use at a time: this window, the one before */
    uint64_t window_ms;
    uint64_t used_ms;
    uint64_t restart_ms;
    struct cella_timer restart;
    struct cella_timer pause;
    struct cella_timer idle; /* of an owner's place */
};

struct cella_pool {
    struct cella_monitor *monitor;
    cella_cell_exited exited;
    void *context;
    uint64_t next_cell;
    uint32_t promised; /* layers that evidence names; 0 before it was made */
    struct cella_zygote *zygotes; /* all that were not reaped yet */
    struct place shared[CELLA_PROFILES_MAX];
    size_t shared_count;
    struct place owned[OWNED_MAX];
};

/* ---- the life of a zygote ---- */

static void restart_later(struct place *place)
{
    cella_loop_set_timer(place->pool->monitor->loop, &place->restart, place->restart_ms);
    place->restart_ms = place->restart_ms * 2 > RESTART_LAST_MS ? RESTART_LAST_MS : place->restart_ms * 2;
}

/* No more tasks for it: it ends with the last one that runs. */
static void retire(struct cella_zygote *zygote)
{
    if (zygote == NULL) {
        return;
    }
    cella_zygote_retire(zygote);
    if (zygote->taken_count == 0) {
        cella_zygote_stop(zygote);
    }
}

static bool zygote_ready(void *context, struct cella_zygote *zygote)
{
    struct place *place = context;
    uint32_t promised = place->pool->promised;
    /* Evidence names the layers that stood at the start: a zygote with fewer may not serve under it. */
    uint32_t layers = zygote->layers | cella_cgroups_layers(place->pool->monitor->cgroups);
    if (place->coming != zygote || (layers & promised) != promised) {
        return false;
    }
    retire(place->serving);
    place->serving = zygote;
    place->coming = NULL;
    place->layers = layers;
    memcpy(place->version, zygote->version, sizeof(place->version));
    place->restart_ms = RESTART_FIRST_MS;
    return true;
}

static void cell_exited(void *context, uint64_t cell, const struct cella_cell_exit *exit)
{
    struct cella_zygote *zygote = context;
    struct cella_pool *pool = zygote->monitor->pool;
    pool->exited(pool->context, cell, exit);
    if (zygote->retired && zygote->taken_count == 0) {
        cella_zygote_stop(zygote);
    }
}

static const struct cella_zygote_events events = { zygote_ready, cell_exited };

static void start_zygote(struct place *place)
{
    struct cella_pool *pool = place->pool;
    struct cella_zygote *zygote = calloc(1, sizeof(*zygote));
    if (zygote == NULL) {
        restart_later(place);
        return;
    }
    zygote->monitor = pool->monitor;
    zygote->profile = place->profile;
    zygote->events = &events;
    zygote->context = place;
    zygote->exit_context = zygote;
    zygote->next_cell = &pool->next_cell;
    cella_status status = cella_zygote_start(zygote);
    if (status != CELLA_OK) {
        cella_zygote_stop(zygote);
        restart_later(place);
    }
    if (zygote->pid < 0) {
        free(zygote);
        return;
    }
    zygote->next = pool->zygotes;
    pool->zygotes = zygote;
    place->coming = status == CELLA_OK ? zygote : NULL;
}

static void restart_zygote(void *context)
{
    struct place *place = context;
    if (place->profile != NULL && place->coming == NULL) {
        start_zygote(place);
    }
}

static void forget_zygote(struct cella_pool *pool, struct cella_zygote *zygote)
{
    struct cella_zygote **link = &pool->zygotes;
    while (*link != zygote) {
        link = &(*link)->next;
    }
    *link = zygote->next;
    free(zygote);
}

bool cella_pool_reaped(struct cella_pool *pool, pid_t pid, int wait_status)
{
    struct cella_zygote *zygote = pool->zygotes;
    while (zygote != NULL && zygote->pid != pid) {
        zygote = zygote->next;
    }
    if (zygote == NULL) {
        return false;
    }
    struct place *place = zygote->context;
    bool missed = place->serving == zygote || place->coming == zygote;
    if (missed && zygote->unavailable && place->version[0] == '\0' && place->owner[0] == '\0') {
        place->coming = NULL; /* for good: this profile was never offered, and tasks that ask get CELLA_NO_PROFILE */
    } else if (missed) {
        char program[64];
        (void) snprintf(program, sizeof(program), "cella-zygote (%s)", zygote->profile);
        cella_monitor_log_death(pool->monitor, program, wait_status, "its tasks fail; it is started again");
        place->serving = place->serving == zygote ? NULL : place->serving;
        place->coming = place->coming == zygote ? NULL : place->coming;
        restart_later(place);
    }
    zygote->pid = -1;
    cella_zygote_stop(zygote);
    forget_zygote(pool, zygote);
    return true;
}

/* ---- places ---- */

static void pause_over(void *context)
{
    (void) context; /* the round that follows asks again */
}

static void close_place(struct place *place)
{
    struct cella_loop *loop = place->pool->monitor->loop;
    cella_loop_clear_timer(loop, &place->restart);
    cella_loop_clear_timer(loop, &place->pause);
    cella_loop_clear_timer(loop, &place->idle);
    struct cella_zygote *serving = place->serving;
    struct cella_zygote *coming = place->coming;
    place->serving = NULL;
    place->coming = NULL;
    place->profile = NULL;
    retire(serving);
    retire(coming);
}

static bool is_in_use(const struct place *place)
{
    return place->serving != NULL && place->serving->taken_count > 0;
}

static void look_whether_idle(void *context)
{
    struct place *place = context;
    if (!is_in_use(place) && cella_loop_now_ms() - place->used_ms >= OWNED_IDLE_MS) {
        close_place(place);
        return;
    }
    cella_loop_set_timer(place->pool->monitor->loop, &place->idle, OWNED_IDLE_MS);
}

static void open_place(struct cella_pool *pool, struct place *place, const char *profile, const char *owner)
{
    *place = (struct place){ .pool = pool, .profile = profile, .restart_ms = RESTART_FIRST_MS };
    (void) snprintf(place->owner, sizeof(place->owner), "%s", owner);
    place->used_ms = cella_loop_now_ms();
    place->restart.expired = restart_zygote;
    place->restart.context = place;
    place->pause.expired = pause_over;
    place->idle.expired = look_whether_idle;
    place->idle.context = place;
    start_zygote(place);
}

static struct place *find_shared(const struct cella_pool *pool, const char *profile)
{
    for (size_t i = 0; i < pool->shared_count; i++) {
        if (strcmp(pool->shared[i].profile, profile) == 0) {
            return (struct place *) &pool->shared[i];
        }
    }
    return NULL;
}

static struct place *find_place(struct cella_pool *pool, const char *profile, const char *owner)
{
    if (owner == NULL) {
        return find_shared(pool, profile);
    }
    for (size_t i = 0; i < OWNED_MAX; i++) {
        struct place *place = &pool->owned[i];
        if (place->profile != NULL && strcmp(place->profile, profile) == 0 && strcmp(place->owner, owner) == 0) {
            return place;
        }
    }
    return NULL;
}

/* A zygote of a place that was closed still points to it, so such a place is not opened again before that one is gone. */
static bool is_remembered(const struct cella_pool *pool, const struct place *place)
{
    for (const struct cella_zygote *zygote = pool->zygotes; zygote != NULL; zygote = zygote->next) {
        if (zygote->context == place) {
            return true;
        }
    }
    return false;
}

/* An owner's place: a free one, or that of the owner who has not used his for the longest time. */
static void open_owned(struct cella_pool *pool, const char *profile, const char *owner)
{
    struct place *oldest = NULL;
    for (size_t i = 0; i < OWNED_MAX; i++) {
        struct place *place = &pool->owned[i];
        if (place->profile == NULL && !is_remembered(pool, place)) {
            open_place(pool, place, profile, owner);
            cella_loop_set_timer(pool->monitor->loop, &place->idle, OWNED_IDLE_MS);
            return;
        }
        if (place->profile != NULL && !is_in_use(place) && (oldest == NULL || place->used_ms < oldest->used_ms)) {
            oldest = place;
        }
    }
    if (oldest != NULL) {
        close_place(oldest); /* its zygote's death starts the round in which this one is opened */
    }
}

/* ---- the pool ---- */

cella_status cella_pool_new(struct cella_monitor *monitor, cella_cell_exited exited, void *context,
                            struct cella_pool **out)
{
    struct cella_pool *pool = calloc(1, sizeof(*pool));
    if (pool == NULL) {
        return CELLA_NO_MEMORY;
    }
    pool->monitor = monitor;
    pool->exited = exited;
    pool->context = context;
    *out = pool;
    for (size_t i = 0; i < monitor->config.profile_count; i++) {
        open_place(pool, &pool->shared[pool->shared_count++], monitor->config.profiles[i], "");
    }
    return CELLA_OK;
}

void cella_pool_free(struct cella_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    for (size_t i = 0; i < pool->shared_count; i++) {
        close_place(&pool->shared[i]);
    }
    for (size_t i = 0; i < OWNED_MAX; i++) {
        if (pool->owned[i].profile != NULL) {
            close_place(&pool->owned[i]);
        }
    }
    while (pool->zygotes != NULL) {
        cella_zygote_stop(pool->zygotes);
        forget_zygote(pool, pool->zygotes);
    }
    free(pool);
}

/* A zygote that can not load its profile (a package is not installed) says so and is not waited for. */
static void wait_for(struct place *place, uint64_t deadline_ms)
{
    struct cella_zygote *zygote = place->coming;
    while (zygote != NULL && !zygote->ready && zygote->socket >= 0) {
        uint64_t now = cella_loop_now_ms();
        struct pollfd poller = { .fd = zygote->socket, .events = POLLIN };
        if (now >= deadline_ms || poll(&poller, 1, (int) (deadline_ms - now)) < 0) {
            return;
        }
        cella_status status = cella_zygote_read(zygote);
        if (status != CELLA_OK && status != CELLA_BUSY) {
            cella_zygote_stop(zygote);
        }
    }
}

cella_status cella_pool_wait(struct cella_pool *pool)
{
    uint64_t deadline_ms = cella_loop_now_ms() + READY_MS;
    bool any = false;
    for (size_t i = 0; i < pool->shared_count; i++) {
        wait_for(&pool->shared[i], deadline_ms);
        any = any || pool->shared[i].serving != NULL;
    }
    pool->promised = cella_pool_layers(pool);
    return any ? CELLA_OK : CELLA_ZYGOTE_DIED;
}

uint32_t cella_pool_promised(const struct cella_pool *pool)
{
    return pool->promised;
}

uint32_t cella_pool_layers(const struct cella_pool *pool)
{
    uint32_t layers = 0;
    bool any = false;
    for (size_t i = 0; i < pool->shared_count; i++) {
        if (pool->shared[i].serving != NULL) {
            layers = any ? layers & pool->shared[i].layers : pool->shared[i].layers;
            any = true;
        }
    }
    return layers;
}

bool cella_pool_has(const struct cella_pool *pool, const char *profile)
{
    const struct place *place = find_shared(pool, profile);
    /* version stays when a zygote is being started again: the profile is offered, its tasks wait. */
    return place != NULL && place->version[0] != '\0';
}

uint32_t cella_pool_profile_layers(const struct cella_pool *pool, const char *profile)
{
    const struct place *place = find_shared(pool, profile);
    return place == NULL ? 0 : place->layers;
}

bool cella_pool_profile(const struct cella_pool *pool, size_t index, const char **name, const char **version)
{
    for (size_t i = 0; i < pool->shared_count; i++) {
        if (pool->shared[i].version[0] != '\0' && index-- == 0) {
            *name = pool->shared[i].profile;
            *version = pool->shared[i].version;
            return true;
        }
    }
    return false;
}

/* ---- cells ---- */

static void note_demand(struct place *place)
{
    uint64_t now = cella_loop_now_ms();
    uint32_t used = place->serving == NULL ? 0 : (uint32_t) place->serving->taken_count;
    if (now - place->window_ms >= WINDOW_MS) {
        place->peak[1] = now - place->window_ms >= 2 * (uint64_t) WINDOW_MS ? 0 : place->peak[0];
        place->peak[0] = used;
        place->window_ms = now;
    }
    place->peak[0] = used > place->peak[0] ? used : place->peak[0];
}

cella_status cella_pool_take(struct cella_pool *pool, const char *profile, const char *owner,
                             struct cella_warm_cell *out)
{
    struct place *place = find_place(pool, profile, owner);
    if (place == NULL) {
        return owner != NULL && find_shared(pool, profile) != NULL ? CELLA_BUSY : CELLA_NO_PROFILE;
    }
    if (place->serving == NULL) {
        return CELLA_BUSY;
    }
    CELLA_TRY(cella_zygote_take(place->serving, out));
    place->used_ms = cella_loop_now_ms();
    note_demand(place);
    if (place->serving->served >= pool->monitor->config.recycle && place->coming == NULL && !place->restart.active) {
        start_zygote(place);
    }
    return CELLA_OK;
}

void cella_pool_discard(struct cella_pool *pool, struct cella_warm_cell *cell)
{
    struct cella_zygote *zygote = pool->zygotes;
    (void) close(cell->socket);
    (void) close(cell->pidfd);
    cell->socket = -1;
    cell->pidfd = -1;
    while (zygote != NULL && !cella_zygote_forget(zygote, cell->id)) {
        zygote = zygote->next;
    }
}

static uint64_t bytes_of_cell(const struct cella_zygote *zygote)
{
    return zygote->cell_bytes == 0 ? CELL_BYTES_FIRST : zygote->cell_bytes;
}

/* How many more idle cells of this zygote fit into the memory for all. */
static size_t room_for(const struct cella_pool *pool, const struct cella_zygote *zygote)
{
    uint64_t taken = 0;
    for (const struct cella_zygote *one = pool->zygotes; one != NULL; one = one->next) {
        taken += cella_zygote_expected(one) * bytes_of_cell(one);
    }
    uint64_t all = pool->monitor->config.pool_memory;
    return taken >= all ? 0 : (size_t) ((all - taken) / bytes_of_cell(zygote));
}

/* A machine that can not make cells at the moment is not asked in a loop. */
static bool is_failing(struct place *place)
{
    uint64_t failed_at_ms = place->serving->failed_at_ms;
    if (failed_at_ms == 0 || cella_loop_now_ms() - failed_at_ms >= FAILED_PAUSE_MS) {
        return false;
    }
    if (!place->pause.active) {
        cella_loop_set_timer(place->pool->monitor->loop, &place->pause, FAILED_PAUSE_MS);
    }
    return true;
}

void cella_pool_want(struct cella_pool *pool, const char *profile, const char *owner, uint32_t waiting)
{
    struct place *place = find_place(pool, profile, owner);
    const struct place *shared = find_shared(pool, profile);
    if (place == NULL && owner != NULL && shared != NULL && waiting > 0) {
        open_owned(pool, shared->profile, owner);
        return;
    }
    if (place == NULL || place->serving == NULL || is_failing(place)) {
        return;
    }
    size_t expected = cella_zygote_expected(place->serving);
    size_t room = room_for(pool, place->serving);
    if (waiting > expected) {
        /* Somebody waits, so one is made in any case. */
        size_t missing = waiting - expected;
        cella_zygote_spawn(place->serving, missing < room ? missing : room > 0 ? room : expected == 0 ? 1 : 0, false);
    }
}

static void refill_place(struct place *place)
{
    const struct cella_pool *pool = place->pool;
    if (place->profile == NULL || place->serving == NULL || is_failing(place)) {
        return;
    }
    note_demand(place);
    size_t peak = place->peak[0] > place->peak[1] ? place->peak[0] : place->peak[1];
    size_t target = peak + 1 < pool->monitor->config.pool ? peak + 1 : pool->monitor->config.pool;
    size_t expected = cella_zygote_expected(place->serving);
    size_t room = room_for(pool, place->serving);
    if (expected < target) {
        cella_zygote_spawn(place->serving, target - expected < room ? target - expected : room, true);
    }
}

void cella_pool_refill(struct cella_pool *pool)
{
    for (size_t i = 0; i < pool->shared_count; i++) {
        refill_place(&pool->shared[i]);
    }
    for (size_t i = 0; i < OWNED_MAX; i++) {
        refill_place(&pool->owned[i]);
    }
}
