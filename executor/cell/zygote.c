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
#include "cell/interpreter.h"
#include "confine/descriptors.h"

/* Cells in existence at one time; the monitor asks for far fewer. */
#define CELLS_MAX 1024U

/* The trial cell that is not warm after this long never will be. */
#define WARM_MS 30000

/* What is polled before the children. */
#define POLL_MONITOR 0
#define POLL_SIGNALS 1
#define POLL_CHILDREN 2

struct child {
    pid_t process; /* 0: free */
    uint64_t cell;
    int socket; /* while it warms up; -1 when the monitor has it */
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

/* What a cell that has warmed up says is in force: our own code says it, before any script. */
static cella_status read_layers(int socket, uint32_t *layers)
{
    uint8_t packet[4];
    if (read(socket, packet, sizeof(packet)) != (ssize_t) sizeof(packet)) {
        return CELLA_CELL_DIED;
    }
    struct cella_reader reader = cella_reader_of(cella_view_of(packet, sizeof(packet)));
    return cella_read_u32(&reader, layers);
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

/* Fork a cell, which then warms up on its own. Does not return in the cell. */
static cella_status fork_cell(struct zygote *zygote, struct child *child)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    CELLA_CLEANUP(cella_descriptors_release) int near = ends[0];
    CELLA_CLEANUP(cella_descriptors_release) int far = ends[1];
    pid_t process = -1;
    cella_interpreter_before_fork();
    cella_status status = cella_box_fork(&zygote->cell->box, &process, &zygote->cell->baseline);
    cella_interpreter_after_fork(process);
    if (process == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        cella_cell_live(zygote->cell, far);
    }
    CELLA_TRY(status);
    *child = (struct child){ process, zygote->next_cell++, near };
    near = -1;
    return CELLA_OK;
}

/* The child's socket has something to read: it is warm, or it died, and then its EXIT tells the monitor. */
static cella_status hand_out(struct zygote *zygote, struct child *child)
{
    uint32_t layers = 0;
    CELLA_CLEANUP(cella_descriptors_release) int socket = child->socket;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes packet = { 0 };
    child->socket = -1;
    if (read_layers(socket, &layers) != CELLA_OK) {
        return CELLA_OK;
    }
    if (layers != zygote->cell->box.layers) {
        return CELLA_SYSTEM_FAILED;
    }
    CELLA_CLEANUP(cella_descriptors_release) int handle = (int) syscall(SYS_pidfd_open, child->process, 0U);
    if (handle < 0) {
        return CELLA_SYSTEM_FAILED;
    }
    CELLA_TRY(cella_write_u8(&packet, CELLA_ZYGOTE_CELL));
    CELLA_TRY(cella_write_u64(&packet, child->cell));
    return send_message(zygote->monitor, cella_bytes_view(&packet), (int[]){ socket, handle }, 2);
}

static uint64_t microseconds(struct timeval time)
{
    return (uint64_t) time.tv_sec * 1000000 + (uint64_t) time.tv_usec;
}

static cella_status report_exit(struct zygote *zygote, uint64_t cell, int status, const struct rusage *used)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes packet = { 0 };
    CELLA_TRY(cella_write_u8(&packet, CELLA_ZYGOTE_EXIT));
    CELLA_TRY(cella_write_u64(&packet, cell));
    CELLA_TRY(cella_write_u32(&packet, (uint32_t) status));
    CELLA_TRY(cella_write_u64(&packet, microseconds(used->ru_utime)));
    CELLA_TRY(cella_write_u64(&packet, microseconds(used->ru_stime)));
    CELLA_TRY(cella_write_u64(&packet, (uint64_t) used->ru_maxrss));
    return send_message(zygote->monitor, cella_bytes_view(&packet), NULL, 0);
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
                cella_descriptors_release(&child->socket);
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
    struct cella_reader reader = cella_reader_of(cella_view_of(packet, (size_t) size));
    CELLA_TRY(cella_read_u8(&reader, &kind));
    CELLA_TRY(cella_read_u16(&reader, &count));
    CELLA_TRY(cella_reader_end(&reader));
    if (kind != CELLA_ZYGOTE_SPAWN) {
        return CELLA_BAD_FORMAT;
    }
    for (uint16_t i = 0; i < count; i++) {
        struct child *child = free_child(zygote);
        if (child == NULL) {
            return CELLA_SYSTEM_FAILED;
        }
        CELLA_TRY(fork_cell(zygote, child));
    }
    return CELLA_OK;
}

/* A cell that nobody uses shows what is in force; the announcement says no more than that. */
static cella_status announce(struct zygote *zygote, struct cella_view profile)
{
    uint32_t layers = 0;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes packet = { 0 };
    struct child trial;
    CELLA_TRY(fork_cell(zygote, &trial));
    CELLA_CLEANUP(cella_descriptors_release) int socket = trial.socket;
    struct pollfd waiting = { .fd = socket, .events = POLLIN };
    if (poll(&waiting, 1, WARM_MS) != 1) {
        return CELLA_TIMEOUT;
    }
    CELLA_TRY(read_layers(socket, &layers));
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

/* Which children are warming up; which[i] belongs to polled[POLL_CHILDREN + i]. */
static size_t list_warming(struct zygote *zygote, struct pollfd *polled, struct child **which)
{
    size_t count = 0;
    for (size_t i = 0; i < CELLS_MAX; i++) {
        struct child *child = &zygote->children[i];
        if (child->process != 0 && child->socket >= 0) {
            polled[POLL_CHILDREN + count] = (struct pollfd){ .fd = child->socket, .events = POLLIN };
            which[count++] = child;
        }
    }
    return count;
}

static cella_status serve_once(struct zygote *zygote, int signals)
{
    struct pollfd polled[POLL_CHILDREN + CELLS_MAX] = {
        [POLL_MONITOR] = { .fd = zygote->monitor, .events = POLLIN },
        [POLL_SIGNALS] = { .fd = signals, .events = POLLIN },
    };
    struct child *warming[CELLS_MAX];
    size_t count = list_warming(zygote, polled, warming);
    if (poll(polled, POLL_CHILDREN + count, -1) < 0) {
        return errno == EINTR ? CELLA_OK : CELLA_SYSTEM_FAILED;
    }
    for (size_t i = 0; i < count; i++) {
        if (polled[POLL_CHILDREN + i].revents != 0) {
            CELLA_TRY(hand_out(zygote, warming[i]));
        }
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
    CELLA_TRY(announce(&zygote, profile));
    CELLA_CLEANUP(cella_descriptors_release) int signals = signalfd(-1, &ended, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0) {
        return CELLA_SYSTEM_FAILED;
    }
    for (;;) {
        CELLA_TRY(serve_once(&zygote, signals));
    }
}
