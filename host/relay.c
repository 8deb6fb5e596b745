/* SPDX-License-Identifier: Apache-2.0 */
#include "host/relay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE CELLA_FRAME_MAX /* bytes read from a client at a time */

struct connection {
    struct cella_owner owner; /* owner.stream is NULL once the stream is gone */
    struct cella_relay *relay;
    int socket;
    struct event *readable;
    struct event *writable;
    struct cella_bytes out; /* from the front, not written yet; at most one window */
    bool ended_by_client;
    bool ended_by_front;
    struct connection *next;
};

struct cella_relay {
    struct event_base *base;
    struct cella_log *log;
    int listener;
    struct event *incoming;
    struct cella_peer *front;
    struct connection *connections;
    size_t count;
};

static void free_connection(struct connection *connection)
{
    struct connection **place = &connection->relay->connections;
    while (*place != connection) {
        place = &(*place)->next;
    }
    *place = connection->next;
    connection->relay->count--;
    event_free(connection->readable);
    event_free(connection->writable);
    close(connection->socket);
    cella_bytes_clear(&connection->out);
    free(connection);
}

/* The client is gone, or we give it up. */
static void drop(struct connection *connection)
{
    if (connection->owner.stream != NULL) {
        struct cella_peer *peer = connection->owner.peer;
        cella_peer_break(peer, cella_link_reset(peer->link, connection->owner.stream, CELLA_CLOSED));
    }
    free_connection(connection);
}

/* ---- client to front ---- */

static void end_by_client(struct connection *connection)
{
    connection->ended_by_client = true;
    event_del(connection->readable);
    if (connection->owner.stream != NULL) {
        struct cella_peer *peer = connection->owner.peer;
        cella_peer_break(peer, cella_link_end(peer->link, connection->owner.stream));
    }
}

static void on_client_readable(evutil_socket_t socket, short what, void *context)
{
    struct connection *connection = context;
    struct cella_link *link = connection->owner.peer->link;
    uint8_t piece[PIECE];
    (void) what;
    if (!cella_link_room(link, connection->owner.stream, sizeof(piece))) {
        event_del(connection->readable); /* until writable */
        return;
    }
    ssize_t size = read((int) socket, piece, sizeof(piece));
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (size < 0) {
        drop(connection);
        return;
    }
    if (size == 0) {
        end_by_client(connection);
        return;
    }
    size_t accepted;
    cella_peer_break(connection->owner.peer,
                     cella_link_send(link, connection->owner.stream, cella_view_of(piece, (size_t) size), &accepted));
}

static void on_stream_writable(struct cella_owner *owner)
{
    struct connection *connection = (struct connection *) owner;
    if (!connection->ended_by_client && event_add(connection->readable, NULL) != 0) {
        cella_peer_break(owner->peer, CELLA_NO_MEMORY);
    }
}

/* ---- front to client ---- */

/* Write as much as the client takes. False when the connection is broken. */
static bool write_out(struct connection *connection)
{
    while (connection->out.size > 0) {
        ssize_t size = write(connection->socket, connection->out.data, connection->out.size);
        if (size < 0) {
            return errno == EAGAIN || errno == EINTR;
        }
        cella_bytes_consume(&connection->out, (size_t) size);
        if (connection->owner.stream != NULL) {
            cella_peer_break(connection->owner.peer,
                       cella_link_consumed(connection->owner.peer->link, connection->owner.stream, (size_t) size));
        }
    }
    return true;
}

/* Write, then wait for the client, pass on the front's end, or be done. The connection may be gone afterwards. */
static void advance(struct connection *connection)
{
    struct timeval patience = { CELLA_RELAY_FLUSH_S, 0 };
    bool last = connection->owner.stream == NULL;
    if (!write_out(connection)) {
        drop(connection);
    } else if (connection->out.size > 0) {
        event_add(connection->writable, last ? &patience : NULL);
    } else if (last) {
        free_connection(connection);
    } else if (connection->ended_by_front) {
        shutdown(connection->socket, SHUT_WR);
    } else if (connection->out.capacity > PIECE) {
        cella_bytes_clear(&connection->out);
    }
}

static void on_client_writable(evutil_socket_t socket, short what, void *context)
{
    (void) socket;
    if ((what & EV_TIMEOUT) != 0) {
        drop(context);
        return;
    }
    advance(context);
}

static void on_stream_data(struct cella_owner *owner, struct cella_view bytes)
{
    struct connection *connection = (struct connection *) owner;
    bool waiting = connection->out.size > 0;
    if (cella_bytes_append(&connection->out, bytes) != CELLA_OK) {
        drop(connection);
        return;
    }
    if (!waiting) {
        advance(connection);
    }
}

static void on_stream_ended(struct cella_owner *owner)
{
    struct connection *connection = (struct connection *) owner;
    connection->ended_by_front = true;
    if (connection->out.size == 0) {
        advance(connection);
    }
}

static void on_stream_closed(struct cella_owner *owner, cella_status status)
{
    struct connection *connection = (struct connection *) owner;
    owner->stream = NULL;
    owner->peer = NULL;
    event_del(connection->readable);
    if (status != CELLA_OK) {
        free_connection(connection);
        return;
    }
    advance(connection);
}

static const struct cella_owner_class connection_class = {
    .data = on_stream_data,
    .ended = on_stream_ended,
    .closed = on_stream_closed,
    .writable = on_stream_writable,
};

/* ---- accepting ---- */

static cella_status add_connection(struct cella_relay *relay, int socket)
{
    struct connection *connection = calloc(1, sizeof(*connection));
    if (connection == NULL) {
        close(socket);
        return CELLA_NO_MEMORY;
    }
    connection->relay = relay;
    connection->socket = socket;
    connection->readable = event_new(relay->base, socket, EV_READ | EV_PERSIST, on_client_readable, connection);
    connection->writable = event_new(relay->base, socket, EV_WRITE, on_client_writable, connection);
    struct cella_stream *stream = NULL;
    cella_status status = CELLA_NO_MEMORY;
    if (connection->readable != NULL && connection->writable != NULL &&
        event_add(connection->readable, NULL) == 0) {
        status = cella_link_open(relay->front->link, CELLA_STREAM_CONNECTION, (struct cella_view){ 0 }, connection,
                                 &stream);
    }
    if (status != CELLA_OK) {
        if (connection->readable != NULL) {
            event_free(connection->readable);
        }
        if (connection->writable != NULL) {
            event_free(connection->writable);
        }
        close(socket);
        free(connection);
        return status;
    }
    cella_owner_claim(&connection->owner, &connection_class, relay->front, stream);
    connection->next = relay->connections;
    relay->connections = connection;
    relay->count++;
    return CELLA_OK;
}

static void on_incoming(evutil_socket_t listener, short what, void *context)
{
    struct cella_relay *relay = context;
    const int yes = 1;
    (void) what;
    int socket = accept4((int) listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket < 0) {
        return;
    }
    if (relay->front == NULL || relay->count >= CELLA_RELAY_CONNECTIONS_MAX) {
        close(socket);
        return;
    }
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    cella_status status = add_connection(relay, socket);
    if (status != CELLA_OK) {
        cella_log_write(relay->log, CELLA_LOG_WARNING, "connection refused: %s", cella_status_text(status));
    }
}

static cella_status bind_listener(int listener, const char *host, uint16_t port, char shown[96])
{
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
    const int yes = 1;
    bool is_v4 = inet_pton(AF_INET, host, &v4.sin_addr) == 1;
    if (!is_v4 && inet_pton(AF_INET6, host, &v6.sin6_addr) != 1) {
        return CELLA_BAD_ARGUMENT;
    }
    struct sockaddr *address = is_v4 ? (struct sockaddr *) &v4 : (struct sockaddr *) &v6;
    socklen_t size = is_v4 ? sizeof(v4) : sizeof(v6);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (bind(listener, address, size) != 0 || listen(listener, 256) != 0 ||
        getsockname(listener, address, &size) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    unsigned int bound = ntohs(is_v4 ? v4.sin_port : v6.sin6_port);
    snprintf(shown, 96, is_v4 ? "%s:%u" : "[%s]:%u", host, bound);
    return CELLA_OK;
}

cella_status cella_relay_new(struct event_base *base, struct cella_log *log, const char *host, uint16_t port,
                             struct cella_relay **out, char shown[96])
{
    struct cella_relay *relay = calloc(1, sizeof(*relay));
    if (relay == NULL) {
        return CELLA_NO_MEMORY;
    }
    relay->base = base;
    relay->log = log;
    int family = strchr(host, ':') == NULL ? AF_INET : AF_INET6;
    relay->listener = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    cella_status status =
        relay->listener < 0 ? CELLA_SYSTEM_FAILED : bind_listener(relay->listener, host, port, shown);
    if (status == CELLA_OK) {
        relay->incoming = event_new(base, relay->listener, EV_READ | EV_PERSIST, on_incoming, relay);
        status = relay->incoming != NULL && event_add(relay->incoming, NULL) == 0 ? CELLA_OK : CELLA_NO_MEMORY;
    }
    if (status != CELLA_OK) {
        cella_relay_free(relay);
        return status;
    }
    *out = relay;
    return CELLA_OK;
}

void cella_relay_set_front(struct cella_relay *relay, struct cella_peer *front)
{
    relay->front = front;
}

void cella_relay_stop(struct cella_relay *relay)
{
    if (relay->incoming != NULL) {
        event_free(relay->incoming);
        relay->incoming = NULL;
    }
    if (relay->listener >= 0) {
        close(relay->listener);
        relay->listener = -1;
    }
}

void cella_relay_free(struct cella_relay *relay)
{
    if (relay == NULL) {
        return;
    }
    while (relay->connections != NULL) {
        relay->connections->owner.stream = NULL; /* the links are gone before the relay */
        free_connection(relay->connections);
    }
    cella_relay_stop(relay);
    free(relay);
}
