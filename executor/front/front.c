/* SPDX-License-Identifier: Apache-2.0 */
#include "front/front.h"

#include <errno.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#define READ_SIZE 65536U

/* ---- what happens on the link ---- */

static void on_hello(void *context, enum cella_link_role role)
{
    struct cella_front *front = context;
    (void) role;
    front->broken = CELLA_BAD_FRAME;
}

static void on_note(void *context, enum cella_note_kind kind, struct cella_view payload)
{
    (void) context;
    (void) kind;
    (void) payload;
}

static void on_opened(void *context, struct cella_stream *stream, enum cella_stream_kind kind,
                      struct cella_view arguments)
{
    struct cella_front *front = context;
    bool good = kind == CELLA_STREAM_CONNECTION && arguments.size == 0;
    if (!good || cella_client_new(front, stream) == NULL) {
        cella_status status = cella_link_reset(front->link, stream, good ? CELLA_NO_MEMORY : CELLA_BAD_FRAME);
        front->broken = front->broken == CELLA_OK ? status : front->broken;
    }
}

static bool is_object(const struct cella_client_end *end)
{
    return end == &end->client->object;
}

static void on_data(void *context, struct cella_stream *stream, struct cella_view bytes)
{
    struct cella_client_end *end = cella_stream_user(stream);
    (void) context;
    if (is_object(end)) {
        cella_client_object_data(end->client, bytes);
    } else {
        cella_client_receive(end->client, bytes);
    }
}

/*
 * A client that ends its direction is taken for gone, unless only the answer is missing: TLS clients do not
 * half-close before they have it.
 */
static void on_ended(void *context, struct cella_stream *stream)
{
    struct cella_client_end *end = cella_stream_user(stream);
    enum cella_client_phase phase = end->client->phase;
    (void) context;
    if (!is_object(end) && phase != CELLA_CLIENT_REPLY && phase != CELLA_CLIENT_LINGER) {
        cella_client_drop(end->client);
    } else if (is_object(end) && end->client->hash != NULL) {
        /* The host has no more to say about an upload, but has not said how it went. */
        cella_client_object_stop(end->client);
        cella_client_object_closed(end->client, CELLA_STORE_FAILED);
    }
}

static void on_closed(void *context, struct cella_stream *stream, cella_status status)
{
    struct cella_client_end *end = cella_stream_user(stream);
    (void) context;
    if (end == NULL) {
        return;
    }
    end->stream = NULL;
    if (is_object(end)) {
        cella_client_object_closed(end->client, status);
    } else {
        cella_client_drop(end->client);
    }
}

static void on_writable(void *context, struct cella_stream *stream)
{
    struct cella_client_end *end = cella_stream_user(stream);
    (void) context;
    cella_client_run(end->client);
}

static const struct cella_link_events link_events = {
    .hello = on_hello,
    .note = on_note,
    .opened = on_opened,
    .data = on_data,
    .ended = on_ended,
    .closed = on_closed,
    .writable = on_writable,
};

/* ---- time ---- */

static uint64_t read_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * 1000U + (uint64_t) now.tv_nsec / 1000000U;
}

/* Milliseconds until the first deadline, at most a minute. */
static int next_deadline(const struct cella_front *front)
{
    uint64_t wait = 60000;
    for (const struct cella_client *client = front->clients; client != NULL; client = client->next) {
        uint64_t left = client->deadline_ms > front->now_ms ? client->deadline_ms - front->now_ms : 0;
        wait = left < wait ? left : wait;
    }
    return (int) wait;
}

static void expire_clients(struct cella_front *front)
{
    for (struct cella_client *client = front->clients; client != NULL; client = client->next) {
        if (!client->dead && client->deadline_ms <= front->now_ms) {
            cella_client_expire(client);
        }
    }
}

void cella_front_sweep(struct cella_front *front)
{
    struct cella_client **place = &front->clients;
    while (*place != NULL) {
        struct cella_client *client = *place;
        if (client->dead) {
            *place = client->next;
            cella_client_free(client);
        } else {
            place = &client->next;
        }
    }
}

/* ---- the two descriptors ---- */

static cella_status read_monitor(struct cella_front *front, int monitor)
{
    uint8_t bytes[READ_SIZE];
    ssize_t count = read(monitor, bytes, sizeof(bytes));
    if (count < 0) {
        return errno == EAGAIN || errno == EINTR ? CELLA_OK : CELLA_SYSTEM_FAILED;
    }
    return count == 0 ? CELLA_CLOSED : cella_ask_receive(front->ask, cella_view_of(bytes, (size_t) count));
}

static cella_status write_monitor(struct cella_front *front, int monitor)
{
    struct cella_view pending = cella_ask_pending(front->ask);
    while (pending.size > 0) {
        ssize_t count = write(monitor, pending.data, pending.size);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return errno == EAGAIN ? CELLA_OK : CELLA_CLOSED;
        }
        cella_ask_sent(front->ask, (size_t) count);
        pending = cella_ask_pending(front->ask);
    }
    return CELLA_OK;
}

/* One round: wait, read, write. */
static cella_status serve_once(struct cella_front *front, int monitor, int link)
{
    const short in = POLLIN;
    struct pollfd descriptors[] = {
        { monitor, (short) (in | (cella_ask_pending(front->ask).size > 0 ? POLLOUT : 0)), 0 },
        { link, (short) (in | (cella_link_pending(front->link).size > 0 ? POLLOUT : 0)), 0 },
    };
    /* Before the certificate is there, the link waits: the host takes no client before our greeting. */
    if (poll(descriptors, front->certified ? 2 : 1, next_deadline(front)) < 0 && errno != EINTR) {
        return CELLA_SYSTEM_FAILED;
    }
    front->now_ms = read_clock();
    if ((descriptors[0].revents & ~POLLOUT) != 0) {
        CELLA_TRY(read_monitor(front, monitor));
    }
    if ((descriptors[1].revents & ~POLLOUT) != 0) {
        CELLA_TRY(cella_link_read_from(front->link, link));
    }
    expire_clients(front);
    CELLA_TRY(write_monitor(front, monitor));
    if (front->certified) {
        CELLA_TRY(cella_link_write_to(front->link, link));
    }
    cella_front_sweep(front);
    return front->broken;
}

cella_status cella_front_run(struct cella_front *front, int monitor, int link)
{
    front->now_ms = read_clock();
    cella_status status = CELLA_OK;
    while (status == CELLA_OK) {
        status = serve_once(front, monitor, link);
    }
    return status;
}

cella_status cella_front_init(struct cella_front *front)
{
    *front = (struct cella_front){ 0 };
    CELLA_TRY(cella_tls_context_new(&front->tls));
    front->ask = cella_ask_new(&cella_client_ask_events, front, cella_tls_context_spki_sha256(front->tls));
    front->link = cella_link_new(CELLA_LINK_ENCLAVE, CELLA_LINK_FRONT, &link_events, front);
    return front->ask != NULL && front->link != NULL ? CELLA_OK : CELLA_NO_MEMORY;
}

void cella_front_clear(struct cella_front *front)
{
    cella_link_free(front->link);
    front->link = NULL;
    for (struct cella_client *client = front->clients; client != NULL; client = client->next) {
        client->dead = true;
    }
    cella_front_sweep(front);
    cella_ask_free(front->ask);
    front->ask = NULL;
    cella_tls_context_free(front->tls);
    front->tls = NULL;
}
