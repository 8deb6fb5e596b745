/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/pool.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/layers.h"
#include "base/packet.h"
#include "monitor/child.h"

#define WARM_MAX 64U
#define TAKEN_MAX 256U
#define READY_MS 60000
#define RESTART_FIRST_MS 200U
#define RESTART_LAST_MS 30000U
#define READ_BATCH 32
#define FAILED_PAUSE_MS 250U

/* A cell that somebody took and whose end the zygote will report. */
struct taken_cell {
    uint64_t id;
    uint64_t number;
};

struct zygote {
    struct cella_pool *pool;
    const char *profile;
    pid_t pid;
    int pidfd;
    int socket;
    bool ready;
    uint32_t layers;
    char version[33];
    uint32_t asked; /* cells asked for that have not come */
    uint64_t failed_at_ms; /* when a cell last died before it was warm; 0 never */
    struct cella_warm_cell warm[WARM_MAX];
    size_t warm_count;
    struct taken_cell taken[TAKEN_MAX];
    size_t taken_count;
    uint64_t restart_ms;
    struct cella_watcher watcher;
    struct cella_timer restart;
    struct cella_timer pause;
};

struct cella_pool {
    struct cella_monitor *monitor;
    cella_cell_exited exited;
    void *context;
    uint64_t next_cell;
    uint32_t promised; /* layers that evidence names; 0 before it was made */
    struct zygote zygotes[CELLA_PROFILES_MAX];
    size_t count;
};

static cella_status start_zygote(struct zygote *zygote);

/* ---- the end of a zygote ---- */

static void drop_warm_cells(struct zygote *zygote)
{
    for (size_t i = 0; i < zygote->warm_count; i++) {
        (void) syscall(SYS_pidfd_send_signal, zygote->warm[i].pidfd, SIGKILL, NULL, 0U);
        (void) close(zygote->warm[i].socket);
        (void) close(zygote->warm[i].pidfd);
    }
    zygote->warm_count = 0;
}

/* Nobody will report the exit of this zygote's taken cells any more: say for each that it is gone. */
static void end_taken_cells(struct zygote *zygote)
{
    const struct cella_cell_exit gone = { .wait_status = SIGKILL, .zygote_died = true };
    while (zygote->taken_count > 0) {
        uint64_t id = zygote->taken[--zygote->taken_count].id;
        zygote->pool->exited(zygote->pool->context, id, &gone);
    }
}

static void stop_zygote(struct zygote *zygote)
{
    if (zygote->socket < 0) {
        return;
    }
    cella_loop_unwatch(zygote->pool->monitor->loop, &zygote->watcher);
    (void) syscall(SYS_pidfd_send_signal, zygote->pidfd, SIGKILL, NULL, 0U);
    cella_child_close(&zygote->socket);
    cella_child_close(&zygote->pidfd);
    zygote->ready = false;
    zygote->asked = 0;
    drop_warm_cells(zygote);
    end_taken_cells(zygote);
}

static void pause_over(void *context)
{
    (void) context; /* the round that follows refills again */
}

static void restart_zygote(void *context)
{
    struct zygote *zygote = context;
    if (start_zygote(zygote) != CELLA_OK) {
        stop_zygote(zygote);
        cella_loop_set_timer(zygote->pool->monitor->loop, &zygote->restart, zygote->restart_ms);
    }
}

bool cella_pool_reaped(struct cella_pool *pool, pid_t pid, int wait_status)
{
    for (size_t i = 0; i < pool->count; i++) {
        struct zygote *zygote = &pool->zygotes[i];
        if (zygote->pid != pid) {
            continue;
        }
        zygote->pid = -1;
        char program[64];
        (void) snprintf(program, sizeof(program), "cella-zygote (%s)", zygote->profile);
        cella_monitor_log_death(pool->monitor, program, wait_status,
                                "its tasks fail; it is started again");
        stop_zygote(zygote);
        cella_loop_set_timer(pool->monitor->loop, &zygote->restart, zygote->restart_ms);
        zygote->restart_ms = zygote->restart_ms * 2 > RESTART_LAST_MS ? RESTART_LAST_MS : zygote->restart_ms * 2;
        return true;
    }
    return false;
}

/* ---- messages ---- */

static cella_status receive_ready(struct zygote *zygote, struct cella_reader *reader)
{
    struct cella_view profile;
    struct cella_view version;
    CELLA_TRY(cella_read_u32(reader, &zygote->layers));
    CELLA_TRY(cella_read_field(reader, 32, &profile));
    CELLA_TRY(cella_read_field(reader, sizeof(zygote->version) - 1, &version));
    CELLA_TRY(cella_reader_end(reader));
    if (zygote->ready || !cella_view_is(profile, zygote->profile)) {
        return CELLA_BAD_FORMAT;
    }
    /* Evidence names the layers that stood at the start: a zygote with fewer may not serve under it. */
    if ((zygote->layers & zygote->pool->promised) != zygote->pool->promised) {
        return CELLA_UNSAFE;
    }
    memcpy(zygote->version, version.data, version.size);
    zygote->version[version.size] = '\0';
    zygote->ready = true;
    zygote->restart_ms = RESTART_FIRST_MS;
    return CELLA_OK;
}

static pid_t pid_of(int pidfd)
{
    char path[64];
    char text[512] = "";
    (void) snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return -1;
    }
    (void) !read(file, text, sizeof(text) - 1);
    (void) close(file);
    const char *line = strstr(text, "\nPid:");
    return line == NULL ? -1 : (pid_t) strtol(line + 5, NULL, 10);
}

static cella_status receive_cell(struct zygote *zygote, struct cella_reader *reader, struct cella_packet *packet)
{
    uint64_t number;
    CELLA_TRY(cella_read_u64(reader, &number));
    CELLA_TRY(cella_reader_end(reader));
    if (packet->descriptor_count != 2 || zygote->asked == 0 || zygote->warm_count >= WARM_MAX) {
        return CELLA_BAD_FORMAT;
    }
    /* Whoever talks to a cell must never wait for it. */
    if (fcntl(packet->descriptors[0], F_SETFL, O_NONBLOCK) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    zygote->asked--;
    zygote->warm[zygote->warm_count++] = (struct cella_warm_cell){
        .id = zygote->pool->next_cell++,
        .number = number,
        .socket = packet->descriptors[0],
        .pidfd = packet->descriptors[1],
        .pid = pid_of(packet->descriptors[1]),
    };
    packet->descriptor_count = 0;
    return CELLA_OK;
}

/* A warm cell that died without a task is forgotten; for a taken one the taker is told. */
static void cell_gone(struct zygote *zygote, uint64_t number, const struct cella_cell_exit *exit)
{
    for (size_t i = 0; i < zygote->warm_count; i++) {
        if (zygote->warm[i].number == number) {
            (void) close(zygote->warm[i].socket);
            (void) close(zygote->warm[i].pidfd);
            zygote->warm[i] = zygote->warm[--zygote->warm_count];
            return;
        }
    }
    for (size_t i = 0; i < zygote->taken_count; i++) {
        if (zygote->taken[i].number == number) {
            uint64_t id = zygote->taken[i].id;
            zygote->taken[i] = zygote->taken[--zygote->taken_count];
            zygote->pool->exited(zygote->pool->context, id, exit);
            return;
        }
    }
    /* Neither: it died before it was warm, so it is not coming. */
    if (zygote->asked > 0) {
        zygote->asked--;
        zygote->failed_at_ms = cella_loop_now_ms();
    }
}

static cella_status receive_exit(struct zygote *zygote, struct cella_reader *reader)
{
    uint64_t number;
    uint32_t wait_status;
    struct cella_cell_exit exit = { 0 };
    CELLA_TRY(cella_read_u64(reader, &number));
    CELLA_TRY(cella_read_u32(reader, &wait_status));
    CELLA_TRY(cella_read_u64(reader, &exit.user_us));
    CELLA_TRY(cella_read_u64(reader, &exit.system_us));
    CELLA_TRY(cella_read_u64(reader, &exit.peak_kib));
    CELLA_TRY(cella_reader_end(reader));
    exit.wait_status = (int) wait_status;
    cell_gone(zygote, number, &exit);
    return CELLA_OK;
}

static cella_status receive_message(struct zygote *zygote, struct cella_packet *packet)
{
    struct cella_reader reader = cella_reader_of(packet->message);
    uint8_t kind;
    CELLA_TRY(cella_read_u8(&reader, &kind));
    if (kind == CELLA_ZYGOTE_READY) {
        return receive_ready(zygote, &reader);
    }
    if (kind == CELLA_ZYGOTE_CELL && zygote->ready) {
        return receive_cell(zygote, &reader, packet);
    }
    return kind == CELLA_ZYGOTE_EXIT && zygote->ready ? receive_exit(zygote, &reader) : CELLA_BAD_FORMAT;
}

/* CELLA_BUSY when there is nothing more to read. */
static cella_status read_message(struct zygote *zygote)
{
    uint8_t buffer[512];
    struct cella_packet packet;
    CELLA_TRY(cella_packet_receive(zygote->socket, buffer, sizeof(buffer), &packet));
    cella_status status = receive_message(zygote, &packet);
    cella_packet_close(&packet);
    return status;
}

static void zygote_readable(void *context, uint32_t events)
{
    struct zygote *zygote = context;
    cella_status status = CELLA_OK;
    (void) events;
    for (int i = 0; i < READ_BATCH && status == CELLA_OK && zygote->socket >= 0; i++) {
        status = read_message(zygote);
    }
    if (status != CELLA_OK && status != CELLA_BUSY) {
        stop_zygote(zygote); /* its death is then reaped, and it is started again */
    }
}

/* ---- life ---- */

static cella_status start_zygote(struct zygote *zygote)
{
    struct cella_monitor *monitor = zygote->pool->monitor;
    char path[512];
    int far = -1;
    (void) snprintf(path, sizeof(path), "%s/profiles/%s.json", monitor->config.programs, zygote->profile);
    CELLA_TRY(cella_child_socket(SOCK_SEQPACKET, &zygote->socket, &far));
    const char *const arguments[] = { "--profile", path, NULL };
    cella_status status =
        cella_child_start(monitor, "cella-zygote", arguments, &far, 1, &zygote->pid, &zygote->pidfd);
    cella_child_close(&far);
    CELLA_TRY(status);
    zygote->watcher.ready = zygote_readable;
    zygote->watcher.context = zygote;
    return cella_loop_watch(monitor->loop, &zygote->watcher, zygote->socket, EPOLLIN);
}

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
        struct zygote *zygote = &pool->zygotes[pool->count++];
        zygote->pool = pool;
        zygote->profile = monitor->config.profiles[i];
        zygote->pid = -1;
        zygote->socket = -1;
        zygote->pidfd = -1;
        zygote->restart_ms = RESTART_FIRST_MS;
        zygote->restart.expired = restart_zygote;
        zygote->restart.context = zygote;
        zygote->pause.expired = pause_over;
        CELLA_TRY(start_zygote(zygote));
    }
    return CELLA_OK;
}

void cella_pool_free(struct cella_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    for (size_t i = 0; i < pool->count; i++) {
        cella_loop_clear_timer(pool->monitor->loop, &pool->zygotes[i].restart);
        cella_loop_clear_timer(pool->monitor->loop, &pool->zygotes[i].pause);
        stop_zygote(&pool->zygotes[i]);
    }
    free(pool);
}

/* A zygote that can not load its profile (numpy is not installed) is left to the restart timer. */
static void wait_for(struct zygote *zygote, uint64_t deadline_ms)
{
    while (!zygote->ready && zygote->socket >= 0) {
        uint64_t now = cella_loop_now_ms();
        struct pollfd poller = { .fd = zygote->socket, .events = POLLIN };
        if (now >= deadline_ms || poll(&poller, 1, (int) (deadline_ms - now)) < 0) {
            return;
        }
        cella_status status = read_message(zygote);
        if (status != CELLA_OK && status != CELLA_BUSY) {
            stop_zygote(zygote);
        }
    }
}

cella_status cella_pool_wait(struct cella_pool *pool)
{
    uint64_t deadline_ms = cella_loop_now_ms() + READY_MS;
    bool any = false;
    for (size_t i = 0; i < pool->count; i++) {
        wait_for(&pool->zygotes[i], deadline_ms);
        any = any || pool->zygotes[i].ready;
    }
    pool->promised = cella_pool_layers(pool);
    return any ? CELLA_OK : CELLA_ZYGOTE_DIED;
}

static struct zygote *find_zygote(const struct cella_pool *pool, const char *profile)
{
    for (size_t i = 0; i < pool->count; i++) {
        if (strcmp(pool->zygotes[i].profile, profile) == 0) {
            return (struct zygote *) &pool->zygotes[i];
        }
    }
    return NULL;
}

uint32_t cella_pool_promised(const struct cella_pool *pool)
{
    return pool->promised;
}

uint32_t cella_pool_layers(const struct cella_pool *pool)
{
    uint32_t layers = 0;
    bool any = false;
    for (size_t i = 0; i < pool->count; i++) {
        if (pool->zygotes[i].ready) {
            layers = any ? layers & pool->zygotes[i].layers : pool->zygotes[i].layers;
            any = true;
        }
    }
    return layers;
}

bool cella_pool_has(const struct cella_pool *pool, const char *profile)
{
    const struct zygote *zygote = find_zygote(pool, profile);
    /* version stays when a zygote is being started again: the profile is offered, its tasks wait. */
    return zygote != NULL && zygote->version[0] != '\0';
}

uint32_t cella_pool_profile_layers(const struct cella_pool *pool, const char *profile)
{
    const struct zygote *zygote = find_zygote(pool, profile);
    return zygote == NULL ? 0 : zygote->layers;
}

bool cella_pool_profile(const struct cella_pool *pool, size_t index, const char **name, const char **version)
{
    for (size_t i = 0; i < pool->count; i++) {
        if (pool->zygotes[i].version[0] != '\0' && index-- == 0) {
            *name = pool->zygotes[i].profile;
            *version = pool->zygotes[i].version;
            return true;
        }
    }
    return false;
}

void cella_pool_want(struct cella_pool *pool, const char *profile, const char *owner, uint32_t waiting)
{
    (void) profile;
    (void) owner;
    (void) waiting;
    cella_pool_refill(pool);
}

cella_status cella_pool_take(struct cella_pool *pool, const char *profile, const char *owner,
                             struct cella_warm_cell *out)
{
    (void) owner;
    struct zygote *zygote = find_zygote(pool, profile);
    if (zygote == NULL) {
        return CELLA_NO_PROFILE;
    }
    if (zygote->warm_count == 0 || zygote->taken_count >= TAKEN_MAX) {
        return CELLA_BUSY;
    }
    *out = zygote->warm[--zygote->warm_count];
    zygote->taken[zygote->taken_count++] = (struct taken_cell){ out->id, out->number };
    return CELLA_OK;
}

void cella_pool_discard(struct cella_pool *pool, struct cella_warm_cell *cell)
{
    cella_child_close(&cell->socket);
    cella_child_close(&cell->pidfd);
    for (size_t i = 0; i < pool->count; i++) {
        struct zygote *zygote = &pool->zygotes[i];
        for (size_t k = 0; k < zygote->taken_count; k++) {
            if (zygote->taken[k].id == cell->id) {
                zygote->taken[k] = zygote->taken[--zygote->taken_count];
                return;
            }
        }
    }
}

void cella_pool_refill(struct cella_pool *pool)
{
    for (size_t i = 0; i < pool->count; i++) {
        struct zygote *zygote = &pool->zygotes[i];
        uint32_t have = (uint32_t) zygote->warm_count + zygote->asked;
        uint32_t want = pool->monitor->config.pool;
        bool failing = zygote->failed_at_ms != 0 && cella_loop_now_ms() - zygote->failed_at_ms < FAILED_PAUSE_MS;
        if (!zygote->ready || have >= want) {
            continue;
        }
        if (failing) {
            /* A machine that can not make cells at the moment is not asked in a loop. */
            if (!zygote->pause.active) {
                cella_loop_set_timer(pool->monitor->loop, &zygote->pause, FAILED_PAUSE_MS);
            }
            continue;
        }
        uint32_t count = want - have;
        const uint8_t message[3] = { CELLA_ZYGOTE_SPAWN, (uint8_t) (count >> 8), (uint8_t) count };
        if (cella_packet_send(zygote->socket, cella_view_of(message, sizeof(message)), NULL, 0) == CELLA_OK) {
            zygote->asked += count;
        }
    }
}
