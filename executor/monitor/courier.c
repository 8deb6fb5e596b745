/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/courier.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/packet.h"
#include "monitor/child.h"

#define IDLE_PAUSE_MS 5000U

struct cella_courier {
    struct cella_couriers *couriers;
    const struct cella_courier_events *events; /* NULL while it waits for a task */
    void *context;
    pid_t pid;
    int pidfd;
    int socket;
    bool released;
    bool lost;     /* it went away before its task was over */
    bool tidying;  /* it was dismissed */
    struct cella_timer patience;
    struct cella_watcher watcher;
    struct cella_courier *next;
};

struct cella_couriers {
    struct cella_monitor *monitor;
    uint64_t idle_lost_ms; /* when one last died while it waited; 0 never */
    struct cella_courier *idle;
    struct cella_courier *all; /* until reaped */
};

/* ---- messages ---- */

static cella_status receive_fetched(struct cella_courier *courier, struct cella_reader *reader,
                                    struct cella_packet *packet)
{
    uint32_t number;
    uint16_t index;
    CELLA_TRY(cella_read_u32(reader, &number));
    CELLA_TRY(cella_read_u16(reader, &index));
    CELLA_TRY(cella_reader_end(reader));
    cella_status status = cella_status_from_number(number);
    size_t count = packet->descriptor_count;
    if (status != CELLA_OK && count > 0) {
        return CELLA_BAD_FORMAT;
    }
    packet->descriptor_count = 0;
    courier->events->fetched(courier->context, status, index, packet->descriptors, count);
    return CELLA_OK;
}

static cella_status receive_streamed(struct cella_courier *courier, struct cella_reader *reader)
{
    uint32_t number;
    uint16_t index;
    CELLA_TRY(cella_read_u32(reader, &number));
    CELLA_TRY(cella_read_u16(reader, &index));
    CELLA_TRY(cella_reader_end(reader));
    courier->events->streamed(courier->context, cella_status_from_number(number), index);
    return CELLA_OK;
}

static cella_status receive_stored(struct cella_courier *courier, struct cella_reader *reader)
{
    uint32_t number;
    uint16_t index;
    CELLA_TRY(cella_read_u32(reader, &number));
    CELLA_TRY(cella_read_u16(reader, &index));
    courier->events->stored(courier->context, cella_status_from_number(number), index, reader);
    return CELLA_OK;
}

static cella_status receive_message(struct cella_courier *courier, struct cella_packet *packet)
{
    struct cella_reader reader = cella_reader_of(packet->message);
    uint8_t kind;
    CELLA_TRY(cella_read_u8(&reader, &kind));
    if (courier->events == NULL) {
        return CELLA_BAD_FORMAT;
    }
    switch (kind) {
    case CELLA_COURIER_FETCHED:
        return receive_fetched(courier, &reader, packet);
    case CELLA_COURIER_STREAMED:
        return receive_streamed(courier, &reader);
    case CELLA_COURIER_STORED:
        return receive_stored(courier, &reader);
    default:
        return CELLA_BAD_FORMAT;
    }
}

static void lost(struct cella_courier *courier)
{
    const struct cella_courier_events *events = courier->events;
    void *context = courier->context;
    courier->lost = true;
    if (events == NULL) {
        courier->couriers->idle_lost_ms = cella_loop_now_ms();
    }
    cella_courier_release(courier);
    if (events != NULL) {
        events->died(context);
    }
}

/* CELLA_BUSY when nothing is there. The task may be over afterwards, and the courier released. */
static cella_status read_message(struct cella_courier *courier)
{
    uint8_t buffer[CELLA_COURIER_MESSAGE_MAX];
    struct cella_packet packet;
    CELLA_TRY(cella_packet_receive(courier->socket, buffer, sizeof(buffer), &packet));
    cella_status status = receive_message(courier, &packet);
    cella_packet_close(&packet);
    return status;
}

void cella_courier_poll(struct cella_courier *courier)
{
    cella_status status = CELLA_OK;
    while (status == CELLA_OK && !courier->released) {
        status = read_message(courier);
    }
    if (status != CELLA_OK && status != CELLA_BUSY && !courier->released) {
        lost(courier);
    }
}

static void courier_readable(void *context, uint32_t events)
{
    struct cella_courier *courier = context;
    (void) events;
    cella_status status = read_message(courier);
    if (status != CELLA_OK && status != CELLA_BUSY && !courier->released) {
        lost(courier);
    }
}

cella_status cella_courier_send(struct cella_courier *courier, const struct cella_secret *message,
                                const int *descriptors, size_t count)
{
    return cella_packet_send(courier->socket, cella_secret_view(message), descriptors, count);
}

/* ---- life ---- */

/* It is nobody's any more. */
static void forget(struct cella_courier *courier)
{
    courier->released = true;
    if (courier->couriers->idle == courier) {
        courier->couriers->idle = NULL;
    }
    cella_loop_unwatch(courier->couriers->monitor->loop, &courier->watcher);
    cella_child_close(&courier->socket);
}

static void kill_courier(struct cella_courier *courier)
{
    if (courier->pidfd >= 0) {
        (void) syscall(SYS_pidfd_send_signal, courier->pidfd, SIGKILL, NULL, 0U);
        cella_child_close(&courier->pidfd);
    }
}

static cella_status start_courier(struct cella_couriers *couriers, struct cella_courier *courier)
{
    struct cella_monitor *monitor = couriers->monitor;
    int descriptors[2] = { -1, -1 };
    CELLA_TRY(cella_child_socket(SOCK_SEQPACKET, &courier->socket, &descriptors[0]));
    cella_status status = cella_child_link(monitor, CELLA_LINK_COURIER, &descriptors[1]);
    const char *const arguments[] = { monitor->config.allow_missing_layers ? "--allow-missing-layers" : NULL, NULL };
    if (status == CELLA_OK) {
        status = cella_child_start(monitor, "cella-courier", arguments, descriptors, 2, &courier->pid,
                                   &courier->pidfd);
    }
    cella_child_close(&descriptors[0]);
    cella_child_close(&descriptors[1]);
    CELLA_TRY(status);
    courier->watcher.ready = courier_readable;
    courier->watcher.context = courier;
    return cella_loop_watch(monitor->loop, &courier->watcher, courier->socket, EPOLLIN);
}

static cella_status new_courier(struct cella_couriers *couriers, struct cella_courier **out)
{
    struct cella_courier *courier = calloc(1, sizeof(*courier));
    if (courier == NULL) {
        return CELLA_NO_MEMORY;
    }
    courier->couriers = couriers;
    courier->pid = -1;
    courier->pidfd = -1;
    courier->socket = -1;
    cella_status status = start_courier(couriers, courier);
    if (courier->pid < 0) {
        cella_child_close(&courier->socket);
        free(courier);
        return status;
    }
    courier->next = couriers->all;
    couriers->all = courier;
    if (status != CELLA_OK) {
        cella_courier_release(courier);
        return status;
    }
    *out = courier;
    return CELLA_OK;
}

cella_status cella_couriers_new(struct cella_monitor *monitor, struct cella_couriers **out)
{
    struct cella_couriers *couriers = calloc(1, sizeof(*couriers));
    if (couriers == NULL) {
        return CELLA_NO_MEMORY;
    }
    couriers->monitor = monitor;
    *out = couriers;
    return CELLA_OK;
}

/* Its process has ended, or ends with the monitor. */
static void free_courier(struct cella_courier *courier)
{
    cella_loop_clear_timer(courier->couriers->monitor->loop, &courier->patience);
    kill_courier(courier);
    free(courier);
}

void cella_couriers_free(struct cella_couriers *couriers)
{
    if (couriers == NULL) {
        return;
    }
    while (couriers->all != NULL) {
        struct cella_courier *courier = couriers->all;
        couriers->all = courier->next;
        cella_courier_release(courier);
        free_courier(courier);
    }
    free(couriers);
}

void cella_couriers_refill(struct cella_couriers *couriers)
{
    /* Couriers that can not live here are not started in a loop; a task that needs one still tries. */
    if (couriers->idle_lost_ms != 0 && cella_loop_now_ms() - couriers->idle_lost_ms < IDLE_PAUSE_MS) {
        return;
    }
    if (couriers->idle == NULL && new_courier(couriers, &couriers->idle) != CELLA_OK) {
        couriers->idle = NULL;
    }
}

cella_status cella_couriers_take(struct cella_couriers *couriers, const struct cella_courier_events *events,
                                 void *context, struct cella_courier **out)
{
    struct cella_courier *courier = couriers->idle;
    couriers->idle = NULL;
    if (courier == NULL) {
        CELLA_TRY(new_courier(couriers, &courier));
    }
    courier->events = events;
    courier->context = context;
    *out = courier;
    return CELLA_OK;
}

static void patience_lost(void *context)
{
    kill_courier(context);
}

void cella_courier_dismiss(struct cella_courier *courier)
{
    if (courier == NULL || courier->released) {
        return;
    }
    forget(courier);
    courier->tidying = true;
    courier->patience.expired = patience_lost;
    courier->patience.context = courier;
    cella_loop_set_timer(courier->couriers->monitor->loop, &courier->patience, CELLA_COURIER_TIDY_MS);
}

bool cella_couriers_tidy_up(const struct cella_couriers *couriers)
{
    const struct cella_courier *courier = couriers->all;
    while (courier != NULL && !courier->tidying) {
        courier = courier->next;
    }
    return courier != NULL;
}

void cella_courier_release(struct cella_courier *courier)
{
    if (courier != NULL && !courier->released) {
        forget(courier);
        kill_courier(courier);
    }
}

bool cella_couriers_reaped(struct cella_couriers *couriers, pid_t pid, int wait_status)
{
    struct cella_courier **place = &couriers->all;
    while (*place != NULL && (*place)->pid != pid) {
        place = &(*place)->next;
    }
    struct cella_courier *courier = *place;
    if (courier == NULL) {
        return false;
    }
    /* It may have said all it had to before it left: its last words are still in the socket. */
    while (!courier->released && read_message(courier) == CELLA_OK) {
    }
    if (!courier->released || courier->lost) {
        cella_monitor_log_death(couriers->monitor, "cella-courier", wait_status,
                                courier->events == NULL ? "another is started when needed" : "its task fails");
    }
    if (!courier->released) {
        lost(courier);
    }
    /* lost may have started others, so the place is looked up again. */
    place = &couriers->all;
    while (*place != courier) {
        place = &(*place)->next;
    }
    *place = courier->next;
    free_courier(courier);
    return true;
}
