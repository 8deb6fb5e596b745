/* SPDX-License-Identifier: Apache-2.0 */
#include "host/links.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINK_BUFFER (1024 * 1024)

struct cella_links {
    struct event_base *base;
    const struct cella_links_events *events;
    void *context;
    struct cella_peer *peers;
    size_t count;
    struct event *door;
};

/* ---- what happens on a link ---- */

static void on_hello(void *context, enum cella_link_role role)
{
    struct cella_peer *peer = context;
    if (role != peer->role) {
        peer->broken = CELLA_BAD_FRAME;
        return;
    }
    peer->greeted = true;
    peer->links->events->greeted(peer->links->context, peer);
}

static void on_note(void *context, enum cella_note_kind kind, struct cella_view payload)
{
    struct cella_peer *peer = context;
    peer->links->events->note(peer->links->context, peer, kind, payload);
}

void cella_peer_break(struct cella_peer *peer, cella_status status)
{
    peer->broken = peer->broken == CELLA_OK ? status : peer->broken;
}

cella_status cella_peer_answer(struct cella_peer *peer, struct cella_stream *stream, cella_status status)
{
    const uint8_t text[4] = { 0, 0, (uint8_t) ((unsigned int) status >> 8), (uint8_t) status };
    CELLA_TRY(cella_link_answer(peer->link, stream, cella_view_of(text, sizeof(text))));
    return cella_link_end(peer->link, stream);
}

static void on_opened(void *context, struct cella_stream *stream, enum cella_stream_kind kind,
                      struct cella_view arguments)
{
    struct cella_peer *peer = context;
    uint32_t id = cella_stream_id(stream);
    if (peer->broken == CELLA_OK) {
        peer->links->events->opened(peer->links->context, peer, stream, kind, arguments);
    }
    /* An owner may have answered and ended already; only a stream that nobody wanted is still there without one. */
    if (cella_link_knows(peer->link, id) && cella_stream_user(stream) == NULL) {
        cella_peer_break(peer, cella_link_reset(peer->link, stream, CELLA_BAD_FRAME));
    }
}

static void on_data(void *context, struct cella_stream *stream, struct cella_view bytes)
{
    (void) context;
    struct cella_owner *owner = cella_stream_user(stream);
    owner->class->data(owner, bytes);
}

static void on_ended(void *context, struct cella_stream *stream)
{
    (void) context;
    struct cella_owner *owner = cella_stream_user(stream);
    owner->class->ended(owner);
}

static void on_closed(void *context, struct cella_stream *stream, cella_status status)
{
    (void) context;
    struct cella_owner *owner = cella_stream_user(stream);
    if (owner != NULL) {
        owner->class->closed(owner, status);
    }
}

static void on_writable(void *context, struct cella_stream *stream)
{
    (void) context;
    struct cella_owner *owner = cella_stream_user(stream);
    owner->class->writable(owner);
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

void cella_owner_claim(struct cella_owner *owner, const struct cella_owner_class *class, struct cella_peer *peer,
                       struct cella_stream *stream)
{
    owner->class = class;
    owner->peer = peer;
    owner->stream = stream;
    cella_stream_set_user(stream, owner);
}

/* ---- peers ---- */

static void free_peer(struct cella_peer *peer)
{
    struct cella_links *links = peer->links;
    struct cella_peer **place = &links->peers;
    while (*place != peer) {
        place = &(*place)->next;
    }
    *place = peer->next;
    links->count--;
    cella_link_free(peer->link);
    peer->link = NULL;
    links->events->lost(links->context, peer, peer->broken);
    event_free(peer->readable);
    event_free(peer->writable);
    close(peer->descriptor);
    free(peer);
}

static void on_readable(evutil_socket_t descriptor, short what, void *context)
{
    struct cella_peer *peer = context;
    (void) what;
    cella_peer_break(peer, cella_link_read_from(peer->link, (int) descriptor));
}

/* Nothing to do here: the flush after this round writes. */
static void on_descriptor_writable(evutil_socket_t descriptor, short what, void *context)
{
    (void) descriptor;
    (void) what;
    (void) context;
}

cella_status cella_links_add(struct cella_links *links, enum cella_link_role role, int descriptor)
{
    struct cella_peer *peer = links->count < CELLA_LINKS_MAX ? calloc(1, sizeof(*peer)) : NULL;
    if (peer == NULL) {
        close(descriptor);
        return links->count < CELLA_LINKS_MAX ? CELLA_NO_MEMORY : CELLA_TOO_MANY;
    }
    peer->links = links;
    peer->role = role;
    peer->descriptor = descriptor;
    peer->link = cella_link_new(CELLA_LINK_HOST, role, &link_events, peer);
    peer->readable = event_new(links->base, descriptor, EV_READ | EV_PERSIST, on_readable, peer);
    peer->writable = event_new(links->base, descriptor, EV_WRITE, on_descriptor_writable, peer);
    if (peer->link == NULL || peer->readable == NULL || peer->writable == NULL ||
        event_add(peer->readable, NULL) != 0) {
        cella_link_free(peer->link);
        if (peer->readable != NULL) {
            event_free(peer->readable);
        }
        if (peer->writable != NULL) {
            event_free(peer->writable);
        }
        close(descriptor);
        free(peer);
        return CELLA_NO_MEMORY;
    }
    peer->next = links->peers;
    links->peers = peer;
    links->count++;
    return CELLA_OK;
}

void cella_links_flush(struct cella_links *links)
{
    struct cella_peer *next;
    for (struct cella_peer *peer = links->peers; peer != NULL; peer = next) {
        if (peer->broken == CELLA_OK && cella_link_pending(peer->link).size > 0) {
            peer->broken = cella_link_write_to(peer->link, peer->descriptor);
        }
        if (peer->broken == CELLA_OK && cella_link_pending(peer->link).size > 0 &&
            event_add(peer->writable, NULL) != 0) {
            peer->broken = CELLA_NO_MEMORY;
        }
        next = peer->next;
        if (peer->broken != CELLA_OK) {
            free_peer(peer);
        }
    }
}

/* ---- the door ---- */

/* Send one byte, with a descriptor unless it is -1. */
static void answer_door(int door, uint8_t role, int descriptor)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = { .space = { 0 } };
    struct iovec part = { &role, 1 };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    if (descriptor >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof(control.space);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.header), &descriptor, sizeof(int));
    }
    /* A monitor that asks and does not read loses its answer. */
    (void) !sendmsg(door, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Room for more than one read of the other side: while one works, the other does not wait. More is not granted where
 * the machine's limit is lower, and then wake-ups are more frequent, nothing else. */
static void widen(int socket)
{
    const int size = LINK_BUFFER;
    (void) setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

/* The host's end of a new link goes to whom it is for. */
static bool place_end(struct cella_links *links, uint8_t role, int end)
{
    if (role == CELLA_LINK_LEDGER) {
        return links->events->ledger(links->context, end);
    }
    return fcntl(end, F_SETFL, O_NONBLOCK) == 0 && cella_links_add(links, (enum cella_link_role) role, end) == CELLA_OK;
}

static void serve_door(struct cella_links *links, int door, uint8_t role)
{
    int pair[2];
    bool known = role == CELLA_LINK_FRONT || role == CELLA_LINK_COURIER || role == CELLA_LINK_LEDGER;
    if (!known || links->count >= CELLA_LINKS_MAX ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        answer_door(door, 0, -1);
        return;
    }
    widen(pair[0]);
    widen(pair[1]);
    if (place_end(links, role, pair[0])) {
        answer_door(door, role, pair[1]);
    } else {
        answer_door(door, 0, -1);
    }
    close(pair[1]);
}

static void on_door(evutil_socket_t door, short what, void *context)
{
    struct cella_links *links = context;
    uint8_t role;
    (void) what;
    ssize_t count = recv((int) door, &role, 1, MSG_DONTWAIT);
    if (count == 1) {
        serve_door(links, (int) door, role);
    } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
        event_del(links->door);
    }
}

cella_status cella_links_watch_door(struct cella_links *links, int door)
{
    links->door = event_new(links->base, door, EV_READ | EV_PERSIST, on_door, links);
    return links->door != NULL && event_add(links->door, NULL) == 0 ? CELLA_OK : CELLA_NO_MEMORY;
}

/* ---- life ---- */

struct cella_links *cella_links_new(struct event_base *base, const struct cella_links_events *events, void *context)
{
    struct cella_links *links = calloc(1, sizeof(*links));
    if (links != NULL) {
        links->base = base;
        links->events = events;
        links->context = context;
    }
    return links;
}

void cella_links_close_all(struct cella_links *links)
{
    if (links->door != NULL) {
        event_free(links->door);
        links->door = NULL;
    }
    while (links->peers != NULL) {
        links->peers->broken = CELLA_CLOSED;
        free_peer(links->peers);
    }
}

void cella_links_free(struct cella_links *links)
{
    if (links != NULL) {
        cella_links_close_all(links);
        free(links);
    }
}
