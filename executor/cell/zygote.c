/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/zygote.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/layers.h"
#include "cell/heap.h"
#include "cell/interpreter.h"
#include "confine/descriptors.h"

/* Cells in existence at one time; the monitor asks for far fewer. */
#define CELLS_MAX 1024U

/* The trial cell that is not warm after this long never will be. */
#define WARM_MS 30000

/* What is polled. */
#define POLL_MONITOR 0
#define POLL_SIGNALS 1

struct child {
    pid_t process; /* 0: free */
    uint64_t cell;
};

struct zygote {
    struct cella_cell *cell;
    int monitor;
    uint64_t next_cell;
    struct child children[CELLS_MAX];
};

static cella_status send_message(int socket, struct cella_view packet, const int *descriptors, size_t count)
{
    struct iovec part = { (void *) (uintptr_t) packet.data, packet.size };
    union {
        char bytes[CMSG_SPACE(2 * sizeof(int))];
        struct cmsghdr align;
    } ancillary = { .bytes = { 0 } };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    if (count > 0) {
        message.msg_control = ancillary.bytes;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(header), descriptors, count * sizeof(int));
    }
    ssize_t sent;
    do {
        sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent == (ssize_t) packet.size ? CELLA_OK : CELLA_CLOSED;
}

/* On the stack: after a fork, every page of the heap that is written to is copied once more. */
static void put_u32(uint8_t *place, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        place[i] = (uint8_t) (value >> (24 - 8 * i));
    }
}

static void put_u64(uint8_t *place, uint64_t value)
{
    put_u32(place, (uint32_t) (value >> 32));
    put_u32(place + 4, (uint32_t) value);
}

static struct child *free_child(struct zygote *zygote)
{
    for (size_t i = 0; i < CELLS_MAX; i++) {
        if (zygote->children[i].process == 0) {
            return &zygote->children[i];
        }
    }
    return NULL;
}

/* Fork a cell; near receives the monitor's end of its socket. Does not return in the cell. */
static cella_status fork_cell(struct zygote *zygote, bool warm, struct child *child, int *near)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    CELLA_CLEANUP(cella_descriptors_release) int far = ends[1];
    *near = ends[0];
    /* Here already, because the kernel adds credentials to a packet when it is sent, not when it is received. */
    if (setsockopt(*near, SOL_SOCKET, SO_PASSCRED, &(int){ 1 }, sizeof(int)) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    pid_t process = -1;
    cella_status status = cella_box_fork(&zygote->cell->box, &process, &zygote->cell->baseline);
    if (process == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        cella_cell_live(zygote->cell, far, warm);
    }
    CELLA_TRY(status);
    *child = (struct child){ process, zygote->next_cell++ };
    return CELLA_OK;
}

/* Everything else the monitor hears from the cell itself. */
static cella_status hand_out(const struct zygote *zygote, const struct child *child, int socket)
{
    CELLA_CLEANUP(cella_descriptors_release) int handle = (int) syscall(SYS_pidfd_open, child->process, 0U);
    uint8_t packet[1 + sizeof(uint64_t)] = { CELLA_ZYGOTE_CELL };
    if (handle < 0) {
        return CELLA_SYSTEM_FAILED;
    }
    put_u64(packet + 1, child->cell);
    return send_message(zygote->monitor, cella_view_of(packet, sizeof(packet)), (int[]){ socket, handle }, 2);
}

static cella_status spawn(struct zygote *zygote, bool warm)
{
    CELLA_CLEANUP(cella_descriptors_release) int near = -1;
    struct child *child = free_child(zygote);
    if (child == NULL) {
        return CELLA_SYSTEM_FAILED;
    }
    CELLA_TRY(fork_cell(zygote, warm, child, &near));
    return hand_out(zygote, child, near);
}

static uint64_t microseconds(struct timeval time)
{
    return (uint64_t) time.tv_sec * 1000000 + (uint64_t) time.tv_usec;
}

static cella_status report_exit(const struct zygote *zygote, uint64_t cell, int status, const struct rusage *used)
{
    uint8_t packet[1 + 4 * sizeof(uint64_t) + sizeof(uint32_t)] = { CELLA_ZYGOTE_EXIT };
    put_u64(packet + 1, cell);
    put_u32(packet + 9, (uint32_t) status);
    put_u64(packet + 13, microseconds(used->ru_utime));
    put_u64(packet + 21, microseconds(used->ru_stime));
    put_u64(packet + 29, (uint64_t) used->ru_maxrss);
    return send_message(zygote->monitor, cella_view_of(packet, sizeof(packet)), NULL, 0);
}

static cella_status reap(struct zygote *zygote)
{
    for (;;) {
        int status;
        struct rusage used;
        pid_t process = wait4(-1, &status, WNOHANG, &used);
        if (process <= 0) {
            return CELLA_OK;
        }
        for (size_t i = 0; i < CELLS_MAX; i++) {
            struct child *child = &zygote->children[i];
            if (child->process == process) {
                child->process = 0;
                CELLA_TRY(report_exit(zygote, child->cell, status, &used));
            }
        }
    }
}

static cella_status serve_request(struct zygote *zygote)
{
    uint8_t packet[16];
    struct iovec part = { packet, sizeof(packet) };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    ssize_t size = recvmsg(zygote->monitor, &message, MSG_CMSG_CLOEXEC);
    if (size <= 0) {
        return CELLA_CLOSED;
    }
    uint8_t kind;
    uint16_t count;
    uint8_t warm;
    struct cella_reader reader = cella_reader_of(cella_view_of(packet, (size_t) size));
    CELLA_TRY(cella_read_u8(&reader, &kind));
    CELLA_TRY(cella_read_u16(&reader, &count));
    CELLA_TRY(cella_read_u8(&reader, &warm));
    CELLA_TRY(cella_reader_end(&reader));
    if (kind != CELLA_ZYGOTE_SPAWN || warm > 1) {
        return CELLA_BAD_FORMAT;
    }
    for (uint16_t i = 0; i < count; i++) {
        CELLA_TRY(spawn(zygote, warm == 1));
    }
    return CELLA_OK;
}

/* What a cell says is in force: our own code says it, before any script. */
static cella_status read_here(int socket, uint32_t *layers)
{
    uint8_t packet[9];
    uint8_t kind;
    struct pollfd waiting = { .fd = socket, .events = POLLIN };
    if (poll(&waiting, 1, WARM_MS) != 1) {
        return CELLA_TIMEOUT;
    }
    if (read(socket, packet, sizeof(packet)) != (ssize_t) sizeof(packet)) {
        return CELLA_CELL_DIED;
    }
    struct cella_reader reader = cella_reader_of(cella_view_of(packet, sizeof(packet)));
    CELLA_TRY(cella_read_u8(&reader, &kind));
    return kind == CELLA_CELL_HERE ? cella_read_u32(&reader, layers) : CELLA_BAD_FORMAT;
}

/* A cell that nobody uses shows what is in force; the announcement says no more than that. */
static cella_status announce(struct zygote *zygote, struct cella_view profile)
{
    uint32_t layers = 0;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes packet = { 0 };
    CELLA_CLEANUP(cella_descriptors_release) int socket = -1;
    struct child trial;
    CELLA_TRY(fork_cell(zygote, true, &trial, &socket));
    CELLA_TRY(read_here(socket, &layers));
    cella_descriptors_release(&socket);
    if (waitpid(trial.process, NULL, 0) != trial.process) {
        return CELLA_SYSTEM_FAILED;
    }
    zygote->cell->box.layers = layers;
    CELLA_TRY(cella_write_u8(&packet, CELLA_ZYGOTE_READY));
    CELLA_TRY(cella_write_u32(&packet, layers));
    CELLA_TRY(cella_write_field(&packet, profile));
    CELLA_TRY(cella_write_field(&packet, cella_view_of_string(cella_interpreter_version())));
    return send_message(zygote->monitor, cella_bytes_view(&packet), NULL, 0);
}

static cella_status serve_once(struct zygote *zygote, int signals)
{
    struct pollfd polled[] = {
        [POLL_MONITOR] = { .fd = zygote->monitor, .events = POLLIN },
        [POLL_SIGNALS] = { .fd = signals, .events = POLLIN },
    };
    if (poll(polled, sizeof(polled) / sizeof(polled[0]), -1) < 0) {
        return errno == EINTR ? CELLA_OK : CELLA_SYSTEM_FAILED;
    }
    if (polled[POLL_SIGNALS].revents != 0) {
        struct signalfd_siginfo taken;
        while (read(signals, &taken, sizeof(taken)) > 0) {
        }
        CELLA_TRY(reap(zygote));
    }
    return polled[POLL_MONITOR].revents != 0 ? serve_request(zygote) : CELLA_OK;
}

cella_status cella_zygote_serve(struct cella_cell *cell, int monitor, struct cella_view profile)
{
    struct zygote zygote = { .cell = cell, .monitor = monitor, .next_cell = 0 };
    sigset_t ended;
    sigemptyset(&ended);
    sigaddset(&ended, SIGCHLD);
    sigprocmask(SIG_BLOCK, &ended, NULL);
    cella_heap_tidy();
    CELLA_TRY(announce(&zygote, profile));
    CELLA_CLEANUP(cella_descriptors_release) int signals = signalfd(-1, &ended, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0) {
        return CELLA_SYSTEM_FAILED;
    }
    for (;;) {
        CELLA_TRY(serve_once(&zygote, signals));
    }
}
