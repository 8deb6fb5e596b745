/* SPDX-License-Identifier: Apache-2.0 */
#include "front/client.h"

#include <stdlib.h>

/* Ciphertext of one full record, and of what the handshake sends at once. */
#define RECORD_ROOM (CELLA_TLS_PIECE + 512U)
#define KEEP_MAX 65536U /* capacity of an empty buffer that is kept */

void cella_client_enter(struct cella_client *client, enum cella_client_phase phase, uint64_t ms)
{
    client->phase = phase;
    client->deadline_ms = ms == 0 ? UINT64_MAX : client->front->now_ms + ms;
}

static void check_link(struct cella_client *client, cella_status status)
{
    if (status != CELLA_OK && client->front->broken == CELLA_OK) {
        client->front->broken = status;
    }
}

void cella_client_drop(struct cella_client *client)
{
    if (client->dead) {
        return;
    }
    client->dead = true;
    cella_client_object_stop(client);
    if (client->question != 0) {
        check_link(client, cella_ask_gone(client->front->ask, client->question));
        client->question = 0;
    }
    if (client->connection.stream != NULL) {
        check_link(client, cella_link_reset(client->front->link, client->connection.stream, CELLA_CLOSED));
        client->connection.stream = NULL;
    }
}

/* ---- writing ---- */

/* Hand ciphertext to the host. False when it has no room for all of it. */
static bool flush(struct cella_client *client)
{
    struct cella_link *link = client->front->link;
    uint8_t record[RECORD_ROOM];
    while (cella_tls_pending(client->tls) > 0) {
        if (!cella_link_room(link, client->connection.stream, sizeof(record))) {
            return false;
        }
        size_t size = cella_tls_take(client->tls, record, sizeof(record));
        size_t accepted;
        check_link(client,
                   cella_link_send(link, client->connection.stream, cella_view_of(record, size), &accepted));
    }
    return client->front->broken == CELLA_OK;
}

static void give_credit_for_object(struct cella_client *client, size_t written)
{
    size_t own = written < client->reply_own ? written : client->reply_own;
    client->reply_own -= own;
    if (client->object.stream != NULL && written > own) {
        check_link(client, cella_link_consumed(client->front->link, client->object.stream, written - own));
    }
}

static void compact_reply(struct cella_client *client)
{
    if (client->reply_sent == client->reply.size) {
        client->reply.size = 0;
        client->reply_sent = 0;
        if (client->reply.capacity > KEEP_MAX && client->reply_more == 0) {
            cella_bytes_clear(&client->reply);
        }
    } else if (client->reply_sent > CELLA_LINK_WINDOW) {
        cella_bytes_consume(&client->reply, client->reply_sent);
        client->reply_sent = 0;
    }
}

/* One record of the answer. False when nothing could be done. */
static bool write_piece(struct cella_client *client)
{
    size_t size = client->reply.size - client->reply_sent;
    size = size < CELLA_TLS_PIECE ? size : CELLA_TLS_PIECE;
    if (size == 0 || !flush(client)) {
        return false;
    }
    if (cella_tls_write(client->tls, cella_view_of(client->reply.data + client->reply_sent, size)) != CELLA_OK) {
        cella_client_drop(client);
        return false;
    }
    client->reply_sent += size;
    give_credit_for_object(client, size);
    compact_reply(client);
    client->deadline_ms = client->front->now_ms + CELLA_CLIENT_STALL_MS;
    return true;
}

/* ---- reading ---- */

/* What OpenSSL has taken, the host may send anew. */
static void give_credit(struct cella_client *client)
{
    size_t waiting = cella_tls_waiting(client->tls);
    if (waiting < client->held && client->connection.stream != NULL) {
        check_link(client,
                   cella_link_consumed(client->front->link, client->connection.stream, client->held - waiting));
        client->held = waiting;
    }
}

/* Append up to size bytes of plaintext. False when there were none, or the client was dropped. */
static bool read_plain(struct cella_client *client, struct cella_bytes *to, size_t size)
{
    size_t count = 0;
    if (cella_bytes_reserve(to, size) != CELLA_OK) {
        cella_client_drop(client);
        return false;
    }
    cella_status status = cella_tls_read(client->tls, to->data + to->size, size, &count);
    to->size += count;
    if (status != CELLA_OK) {
        (void) flush(client); /* an alert, perhaps */
        cella_client_drop(client);
        return false;
    }
    return count > 0;
}

static bool step_handshake(struct cella_client *client)
{
    bool done;
    cella_status status = cella_tls_handshake(client->tls, &done);
    bool flushed = flush(client);
    if (status != CELLA_OK) {
        cella_client_drop(client);
        return false;
    }
    if (!done || !flushed) {
        return false;
    }
    client->phase = CELLA_CLIENT_HEAD; /* the handshake's deadline holds for the first head, too */
    return true;
}

/* The bytes of a head that arrive after a pause start its deadline. */
static void note_first_bytes(struct cella_client *client, bool first)
{
    if (first && client->in.size > 0) {
        uint64_t deadline = client->front->now_ms + CELLA_CLIENT_HEAD_MS;
        client->deadline_ms = deadline < client->deadline_ms ? deadline : client->deadline_ms;
    }
}

static bool step_head(struct cella_client *client)
{
    size_t size;
    cella_status status = cella_http_gate(cella_bytes_view(&client->in), &client->scanned, &size);
    if (status != CELLA_OK) {
        client->body_unread = true;
        cella_client_refuse(client, status, 0);
        return true;
    }
    if (size == 0) {
        bool first = client->in.size == 0;
        bool more = read_plain(client, &client->in, CELLA_TLS_PIECE);
        note_first_bytes(client, first);
        return more;
    }
    client->scanned = 0;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes head = { 0 };
    if (cella_bytes_set(&head, cella_view_of(client->in.data, size)) != CELLA_OK) {
        cella_client_drop(client);
        return false;
    }
    cella_bytes_consume(&client->in, size);
    cella_client_dispatch(client, cella_bytes_view(&head));
    client->head.request = (struct cella_view){ 0 };
    return true;
}

/* Read towards the body in memory: what came with the head first. */
static bool step_body(struct cella_client *client)
{
    size_t missing = (size_t) client->head.length - client->body.size;
    size_t before = client->body.size;
    if (missing == 0) {
        cella_client_submit(client);
        return true;
    }
    if (client->front->bodies >= CELLA_FRONT_BODIES_MAX) {
        client->body_unread = true;
        cella_client_refuse(client, CELLA_BUSY, 0);
        return true;
    }
    if (client->in.size > 0) {
        size_t size = client->in.size < missing ? client->in.size : missing;
        if (cella_bytes_append(&client->body, cella_view_of(client->in.data, size)) != CELLA_OK) {
            cella_client_drop(client);
            return false;
        }
        cella_bytes_consume(&client->in, size);
    } else {
        (void) read_plain(client, &client->body, missing < CELLA_TLS_PIECE ? missing : CELLA_TLS_PIECE);
    }
    client->front->bodies += client->body.size - before;
    if (client->body.size == before || client->dead) {
        return false;
    }
    uint64_t deadline = client->front->now_ms + CELLA_CLIENT_STALL_MS;
    client->deadline_ms = deadline < client->body_deadline_ms ? deadline : client->body_deadline_ms;
    return true;
}

/* The answer is out: goodbye, or the next request. */
static bool finish_reply(struct cella_client *client)
{
    if (client->reply_more > 0 || !flush(client)) {
        return false;
    }
    if (!client->reply_last) {
        cella_client_enter(client, CELLA_CLIENT_HEAD, CELLA_CLIENT_IDLE_MS);
        note_first_bytes(client, true);
        return true;
    }
    cella_tls_shutdown(client->tls);
    (void) flush(client);
    cella_client_enter(client, CELLA_CLIENT_LINGER, CELLA_CLIENT_LINGER_MS);
    check_link(client, cella_link_consumed(client->front->link, client->connection.stream, client->held));
    client->held = 0;
    /* When the client has ended, too, the stream closes within this call. */
    check_link(client, cella_link_end(client->front->link, client->connection.stream));
    return false;
}

static bool step(struct cella_client *client)
{
    switch (client->phase) {
    case CELLA_CLIENT_HANDSHAKE:
        return step_handshake(client);
    case CELLA_CLIENT_HEAD:
        return flush(client) && step_head(client);
    case CELLA_CLIENT_BODY:
        return flush(client) && step_body(client);
    case CELLA_CLIENT_UPLOAD:
        return flush(client) && cella_client_upload_piece(client);
    case CELLA_CLIENT_REPLY:
        return client->reply_sent < client->reply.size ? write_piece(client) : finish_reply(client);
    case CELLA_CLIENT_ASKING:
    case CELLA_CLIENT_STORE:
    case CELLA_CLIENT_LINGER:
        return false;
    }
    return false;
}

void cella_client_run(struct cella_client *client)
{
    while (!client->dead && client->front->broken == CELLA_OK && step(client)) {
    }
    if (!client->dead && client->phase != CELLA_CLIENT_LINGER) {
        give_credit(client);
    }
}

void cella_client_receive(struct cella_client *client, struct cella_view bytes)
{
    if (client->phase == CELLA_CLIENT_LINGER) {
        check_link(client, cella_link_consumed(client->front->link, client->connection.stream, bytes.size));
        return;
    }
    if (cella_tls_feed(client->tls, bytes) != CELLA_OK) {
        cella_client_drop(client);
        return;
    }
    client->held += bytes.size;
    cella_client_run(client);
}

void cella_client_expire(struct cella_client *client)
{
    client->deadline_ms = UINT64_MAX;
    if (client->phase == CELLA_CLIENT_STORE) {
        cella_client_store_expired(client);
    } else if (client->phase == CELLA_CLIENT_BODY) {
        client->body_unread = true;
        cella_client_refuse(client, CELLA_TIMEOUT, 0);
    } else {
        cella_client_drop(client);
    }
    cella_client_run(client);
}

struct cella_client *cella_client_new(struct cella_front *front, struct cella_stream *stream)
{
    struct cella_client *client = calloc(1, sizeof(*client));
    if (client == NULL) {
        return NULL;
    }
    client->front = front;
    client->tls = cella_tls_new(front->tls);
    if (client->tls == NULL) {
        free(client);
        return NULL;
    }
    client->connection = (struct cella_client_end){ client, stream };
    client->object.client = client;
    cella_stream_set_user(stream, &client->connection);
    cella_client_enter(client, CELLA_CLIENT_HANDSHAKE, CELLA_CLIENT_HEAD_MS);
    client->next = front->clients;
    front->clients = client;
    return client;
}

void cella_client_free(struct cella_client *client)
{
    client->front->bodies -= client->body.size;
    cella_tls_free(client->tls);
    cella_sha256_stream_free(client->hash);
    cella_bytes_clear(&client->in);
    cella_bytes_clear(&client->body);
    cella_bytes_clear(&client->reply);
    free(client);
}
