/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/zygote.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/packet.h"
#include "monitor/cgroups.h"
#include "monitor/child.h"

#define READ_BATCH 32

/* ---- the end ---- */

static void kill_by(int pidfd)
{
    (void) syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0U);
}

static void free_place(struct cella_waiting_cell *place)
{
    cella_cgroups_release(place->zygote->monitor->cgroups, place->cell.slot);
    place->cell.slot = CELLA_CGROUPS_NO_SLOT;
    cella_loop_unwatch(place->zygote->monitor->loop, &place->watcher);
    cella_child_close(&place->cell.socket);
    cella_child_close(&place->cell.pidfd);
}

static void drop_waiting(struct cella_zygote *zygote)
{
    for (size_t i = 0; i < CELLA_ZYGOTE_WAITING_MAX; i++) {
        if (zygote->waiting[i].cell.socket >= 0) {
            kill_by(zygote->waiting[i].cell.pidfd);
            free_place(&zygote->waiting[i]);
        }
    }
}

void cella_zygote_stop(struct cella_zygote *zygote)
{
    const struct cella_cell_exit gone = { .wait_status = SIGKILL, .zygote_died = true };
    if (zygote->socket < 0) {
        return;
    }
    cella_loop_unwatch(zygote->monitor->loop, &zygote->watcher);
    kill_by(zygote->pidfd);
    cella_child_close(&zygote->socket);
    cella_child_close(&zygote->pidfd);
    zygote->ready = false;
    zygote->asked = 0;
    drop_waiting(zygote);
    /* Nobody will report the exits of its taken cells any more: say for each that it is gone. */
    while (zygote->taken_count > 0) {
        const struct cella_taken_cell cell = zygote->taken[--zygote->taken_count];
        zygote->events->exited(zygote->exit_context, cell.id, &gone);
        cella_cgroups_release(zygote->monitor->cgroups, cell.slot);
    }
}

/* ---- messages ---- */

static cella_status receive_ready(struct cella_zygote *zygote, struct cella_reader *reader)
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
    memcpy(zygote->version, version.data, version.size);
    zygote->version[version.size] = '\0';
    zygote->ready = true;
    return zygote->events->ready(zygote->context, zygote) ? CELLA_OK : CELLA_UNSAFE;
}

/* A cell that no control group takes in is not used; its exit frees the place. */
static cella_status take_in(struct cella_waiting_cell *place, pid_t pid)
{
    struct cella_monitor *monitor = place->zygote->monitor;
    if (cella_cgroups_place(monitor->cgroups, pid, &place->cell.slot) != CELLA_OK) {
        cella_monitor_log(monitor, "a cell could not be put into its control group; it is ended");
        kill_by(place->cell.pidfd);
        return CELLA_OK;
    }
    place->cell.pid = pid;
    return CELLA_OK;
}

/*
 * A cell's first word, from our own code before any script. The kernel adds who said it. A cell with less around it than
 * its zygote announced ends the zygote; one that says nothing and dies is the zygote's to report.
 */
static cella_status read_here(struct cella_waiting_cell *place)
{
    uint8_t text[16];
    uint8_t kind;
    uint32_t layers;
    uint32_t kib;
    union {
        char bytes[CMSG_SPACE(sizeof(struct ucred))];
        struct cmsghdr align;
    } ancillary;
    struct iovec part = { text, sizeof(text) };
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = ancillary.bytes, .msg_controllen = sizeof(ancillary.bytes)
    };
    ssize_t size = recvmsg(place->cell.socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size <= 0) {
        cella_loop_unwatch(place->zygote->monitor->loop, &place->watcher);
        return CELLA_OK;
    }
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    struct cella_reader reader = cella_reader_of(cella_view_of(text, (size_t) size));
    CELLA_TRY(cella_read_u8(&reader, &kind));
    CELLA_TRY(cella_read_u32(&reader, &layers));
    CELLA_TRY(cella_read_u32(&reader, &kib));
    CELLA_TRY(cella_reader_end(&reader));
    if (kind != CELLA_CELL_HERE || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || header == NULL ||
        header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_CREDENTIALS) {
        return CELLA_BAD_FORMAT;
    }
    if (layers != place->zygote->layers) {
        return CELLA_UNSAFE;
    }
    struct ucred who;
    memcpy(&who, CMSG_DATA(header), sizeof(who));
    if (setsockopt(place->cell.socket, SOL_SOCKET, SO_PASSCRED, &(int){ 0 }, sizeof(int)) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    cella_loop_unwatch(place->zygote->monitor->loop, &place->watcher);
    uint32_t bytes = kib > UINT32_MAX / 1024 ? UINT32_MAX : kib * 1024;
    place->zygote->cell_bytes = bytes > place->zygote->cell_bytes ? bytes : place->zygote->cell_bytes;
    return take_in(place, who.pid);
}

static void cell_readable(void *context, uint32_t events)
{
    struct cella_waiting_cell *place = context;
    (void) events;
    if (read_here(place) != CELLA_OK) {
        cella_zygote_stop(place->zygote);
    }
}

static struct cella_waiting_cell *free_waiting(struct cella_zygote *zygote)
{
    for (size_t i = 0; i < CELLA_ZYGOTE_WAITING_MAX; i++) {
        if (zygote->waiting[i].cell.socket < 0) {
            return &zygote->waiting[i];
        }
    }
    return NULL;
}

static cella_status receive_cell(struct cella_zygote *zygote, struct cella_reader *reader, struct cella_packet *packet)
{
    uint64_t number;
    struct cella_waiting_cell *place = free_waiting(zygote);
    CELLA_TRY(cella_read_u64(reader, &number));
    CELLA_TRY(cella_reader_end(reader));
    if (packet->descriptor_count != 2 || zygote->asked == 0 || place == NULL) {
        return CELLA_BAD_FORMAT;
    }
    /* Whoever talks to a cell must never wait for it. */
    if (fcntl(packet->descriptors[0], F_SETFL, O_NONBLOCK) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    zygote->asked--;
    place->cell = (struct cella_warm_cell){
        .id = (*zygote->next_cell)++,
        .number = number,
        .socket = packet->descriptors[0],
        .pidfd = packet->descriptors[1],
        .slot = CELLA_CGROUPS_NO_SLOT,
    };
    packet->descriptor_count = 0;
    place->watcher.ready = cell_readable;
    place->watcher.context = place;
    return cella_loop_watch(zygote->monitor->loop, &place->watcher, place->cell.socket, EPOLLIN);
}

/* A cell that died without a task is forgotten; for a taken one the taker is told. */
static void cell_gone(struct cella_zygote *zygote, uint64_t number, const struct cella_cell_exit *exit)
{
    for (size_t i = 0; i < CELLA_ZYGOTE_WAITING_MAX; i++) {
        struct cella_waiting_cell *place = &zygote->waiting[i];
        if (place->cell.socket >= 0 && place->cell.number == number) {
            free_place(place);
            zygote->failed_at_ms = cella_loop_now_ms();
            return;
        }
    }
    for (size_t i = 0; i < zygote->taken_count; i++) {
        if (zygote->taken[i].number == number) {
            const struct cella_taken_cell cell = zygote->taken[i];
            zygote->taken[i] = zygote->taken[--zygote->taken_count];
            zygote->events->exited(zygote->exit_context, cell.id, exit); /* which still reads what the group counted */
            cella_cgroups_release(zygote->monitor->cgroups, cell.slot);
            return;
        }
    }
}

static cella_status receive_exit(struct cella_zygote *zygote, struct cella_reader *reader)
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

static cella_status receive_message(struct cella_zygote *zygote, struct cella_packet *packet)
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
    if (kind == CELLA_ZYGOTE_UNAVAILABLE && !zygote->ready) {
        zygote->unavailable = true;
        return CELLA_CLOSED;
    }
    return kind == CELLA_ZYGOTE_EXIT && zygote->ready ? receive_exit(zygote, &reader) : CELLA_BAD_FORMAT;
}

cella_status cella_zygote_read(struct cella_zygote *zygote)
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
    struct cella_zygote *zygote = context;
    cella_status status = CELLA_OK;
    (void) events;
    for (int i = 0; i < READ_BATCH && status == CELLA_OK && zygote->socket >= 0; i++) {
        status = cella_zygote_read(zygote);
    }
    if (status != CELLA_OK && status != CELLA_BUSY) {
        cella_zygote_stop(zygote); /* its death is then reaped */
    }
}

/* ---- life ---- */

cella_status cella_zygote_start(struct cella_zygote *zygote)
{
    struct cella_monitor *monitor = zygote->monitor;
    char path[512];
    CELLA_CLEANUP(cella_child_close) int far = -1;
    zygote->pid = -1;
    zygote->pidfd = -1;
    zygote->socket = -1;
    for (size_t i = 0; i < CELLA_ZYGOTE_WAITING_MAX; i++) {
        zygote->waiting[i].zygote = zygote;
        zygote->waiting[i].cell.socket = -1;
        zygote->waiting[i].cell.pidfd = -1;
        zygote->waiting[i].cell.slot = CELLA_CGROUPS_NO_SLOT;
    }
    (void) snprintf(path, sizeof(path), "%s/profiles/%s.json", monitor->config.programs, zygote->profile);
    CELLA_TRY(cella_child_socket(SOCK_SEQPACKET, &zygote->socket, &far));
    const char *const arguments[] = { "--profile", path, NULL };
    CELLA_TRY(cella_child_start(monitor, "cella-zygote", arguments, &far, 1, &zygote->pid, &zygote->pidfd));
    zygote->watcher.ready = zygote_readable;
    zygote->watcher.context = zygote;
    return cella_loop_watch(monitor->loop, &zygote->watcher, zygote->socket, EPOLLIN);
}

static bool is_idle(const struct cella_waiting_cell *place)
{
    return place->cell.socket >= 0 && place->cell.pid > 0;
}

size_t cella_zygote_idle(const struct cella_zygote *zygote)
{
    size_t count = 0;
    for (size_t i = 0; i < CELLA_ZYGOTE_WAITING_MAX; i++) {
        count += is_idle(&zygote->waiting[i]) ? 1 : 0;
    }
    return count;
}

size_t cella_zygote_expected(const struct cella_zygote *zygote)
{
    size_t count = zygote->asked;
    for (size_t i = 0; i < CELLA_ZYGOTE_WAITING_MAX; i++) {
        count += zygote->waiting[i].cell.socket >= 0 ? 1 : 0;
    }
    return count;
}

void cella_zygote_spawn(struct cella_zygote *zygote, size_t count, bool warm)
{
    size_t room = CELLA_ZYGOTE_WAITING_MAX - cella_zygote_expected(zygote);
    uint16_t number = (uint16_t) (count < room ? count : room);
    const uint8_t message[] = { CELLA_ZYGOTE_SPAWN, (uint8_t) (number >> 8), (uint8_t) number, warm ? 1 : 0 };
    if (number > 0 && zygote->ready &&
        cella_packet_send(zygote->socket, cella_view_of(message, sizeof(message)), NULL, 0) == CELLA_OK) {
        zygote->asked += number;
    }
}

cella_status cella_zygote_take(struct cella_zygote *zygote, struct cella_warm_cell *out)
{
    struct cella_waiting_cell *found = NULL;
    for (size_t i = 0; i < CELLA_ZYGOTE_WAITING_MAX; i++) {
        struct cella_waiting_cell *place = &zygote->waiting[i];
        if (is_idle(place) && (found == NULL || place->cell.id > found->cell.id)) {
            found = place;
        }
    }
    if (found == NULL || zygote->taken_count >= CELLA_ZYGOTE_TAKEN_MAX) {
        return CELLA_BUSY;
    }
    *out = found->cell;
    found->cell.socket = -1;
    found->cell.pidfd = -1;
    found->cell.slot = CELLA_CGROUPS_NO_SLOT;
    zygote->taken[zygote->taken_count++] = (struct cella_taken_cell){ out->id, out->number, out->slot };
    zygote->served++;
    return CELLA_OK;
}

bool cella_zygote_forget(struct cella_zygote *zygote, uint64_t id)
{
    for (size_t i = 0; i < zygote->taken_count; i++) {
        if (zygote->taken[i].id == id) {
            cella_cgroups_release(zygote->monitor->cgroups, zygote->taken[i].slot);
            zygote->taken[i] = zygote->taken[--zygote->taken_count];
            return true;
        }
    }
    return false;
}

void cella_zygote_retire(struct cella_zygote *zygote)
{
    zygote->retired = true;
    drop_waiting(zygote);
}
