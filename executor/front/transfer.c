/* SPDX-License-Identifier: Apache-2.0 */
#include "front/client.h"

#include <string.h>

#include "front/reply.h"

static void check_link(struct cella_client *client, cella_status status)
{
    if (status != CELLA_OK && client->front->broken == CELLA_OK) {
        client->front->broken = status;
    }
}

void cella_client_object_stop(struct cella_client *client)
{
    if (client->object.stream != NULL) {
        check_link(client, cella_link_reset(client->front->link, client->object.stream, CELLA_CLOSED));
        client->object.stream = NULL;
    }
    cella_sha256_stream_free(client->hash);
    client->hash = NULL;
}

/* ---- uploads ---- */

/* The upload is over; the monitor makes the answer. */
static void end_upload(struct cella_client *client, cella_status status)
{
    cella_client_object_stop(client);
    client->body_unread = client->body_left > 0;
    check_link(client, cella_ask_uploaded(client->front->ask, client->question, status));
    cella_client_enter(client, CELLA_CLIENT_ASKING, 0);
}

static cella_status open_put(struct cella_client *client, struct cella_view id, uint64_t size)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes arguments = { 0 };
    CELLA_TRY(cella_write_field(&arguments, id));
    CELLA_TRY(cella_write_u64(&arguments, size));
    client->hash = cella_sha256_stream_new();
    if (client->hash == NULL) {
        return CELLA_NO_MEMORY;
    }
    return cella_link_open(client->front->link, CELLA_STREAM_PUT, cella_bytes_view(&arguments), &client->object,
                           &client->object.stream);
}

static cella_status start_upload(struct cella_client *client, struct cella_view id, uint64_t size,
                                 struct cella_view digest)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    client->body_left = client->head.length;
    if (client->head.length != size) {
        return CELLA_BAD_SIZE;
    }
    memcpy(client->digest, digest.data, sizeof(client->digest));
    CELLA_TRY(open_put(client, id, size));
    if (client->head.expects_continue && client->in.size == 0) {
        return cella_tls_write(client->tls, cella_view_of(go_on, sizeof(go_on) - 1));
    }
    return CELLA_OK;
}

/* All bytes have come: the digest decides whether the host may keep them. */
static void finish_upload(struct cella_client *client)
{
    uint8_t digest[CELLA_SHA256_SIZE];
    cella_status status = cella_sha256_stream_finish(client->hash, digest);
    if (status == CELLA_OK && memcmp(digest, client->digest, sizeof(digest)) != 0) {
        status = CELLA_BAD_DIGEST;
    }
    if (status != CELLA_OK) {
        end_upload(client, status);
        return;
    }
    cella_client_enter(client, CELLA_CLIENT_STORE, CELLA_CLIENT_STORE_MS);
    check_link(client, cella_link_end(client->front->link, client->object.stream));
}

bool cella_client_upload_piece(struct cella_client *client)
{
    uint8_t piece[CELLA_TLS_PIECE];
    size_t size = client->body_left < sizeof(piece) ? (size_t) client->body_left : sizeof(piece);
    size_t count = 0;
    if (size == 0) {
        finish_upload(client);
        return true;
    }
    if (!cella_link_room(client->front->link, client->object.stream, size)) {
        return false;
    }
    if (client->in.size > 0) {
        count = client->in.size < size ? client->in.size : size;
        memcpy(piece, client->in.data, count);
        cella_bytes_consume(&client->in, count);
    } else if (cella_tls_read(client->tls, piece, size, &count) != CELLA_OK) {
        cella_client_drop(client);
        return false;
    }
    if (count == 0) {
        return false;
    }
    cella_status status = cella_sha256_stream_update(client->hash, cella_view_of(piece, count));
    if (status != CELLA_OK) {
        end_upload(client, status);
        return true;
    }
    size_t accepted;
    check_link(client,
               cella_link_send(client->front->link, client->object.stream, cella_view_of(piece, count), &accepted));
    client->body_left -= count;
    client->deadline_ms = client->front->now_ms + CELLA_CLIENT_STALL_MS;
    return true;
}

/* ---- downloads ---- */

static cella_status start_download(struct cella_client *client, struct cella_view id, uint64_t size)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes arguments = { 0 };
    CELLA_TRY(cella_write_field(&arguments, id));
    client->object_size = size;
    CELLA_TRY(cella_link_open(client->front->link, CELLA_STREAM_GET, cella_bytes_view(&arguments), &client->object,
                              &client->object.stream));
    return cella_link_end(client->front->link, client->object.stream);
}

static void fail_download(struct cella_client *client, cella_status status)
{
    cella_client_object_stop(client);
    cella_client_refuse(client, status, 0);
}

/* The host has answered: its object has the size that the monitor knows, or it is not that object. */
static void begin_download(struct cella_client *client, uint64_t size)
{
    if (size != client->object_size) {
        fail_download(client, CELLA_OBJECT_MISSING);
        return;
    }
    bool last = client->head.closes;
    if (cella_reply_head(&client->reply, 200, "application/octet-stream", size, last) != CELLA_OK) {
        cella_client_drop(client);
        return;
    }
    client->reply_own = client->reply.size - client->reply_sent;
    client->reply_more = size;
    client->reply_last = last;
    cella_client_enter(client, CELLA_CLIENT_REPLY, CELLA_CLIENT_STALL_MS);
}

static void append_download(struct cella_client *client, struct cella_view bytes)
{
    if (bytes.size == 0) {
        return;
    }
    if (bytes.size > client->reply_more || cella_bytes_append(&client->reply, bytes) != CELLA_OK) {
        cella_client_drop(client);
        return;
    }
    client->reply_more -= bytes.size;
}

/* ---- what the host says ---- */

void cella_client_transfer(struct cella_client *client, struct cella_view id, uint64_t size,
                           struct cella_view digest)
{
    client->answer_size = 0;
    if (digest.size == 0) {
        cella_client_enter(client, CELLA_CLIENT_STORE, CELLA_CLIENT_STORE_MS);
        cella_status status = start_download(client, id, size);
        if (status != CELLA_OK) {
            fail_download(client, status);
        }
        return;
    }
    cella_client_enter(client, CELLA_CLIENT_UPLOAD, CELLA_CLIENT_STALL_MS);
    cella_status status = start_upload(client, id, size, digest);
    if (status != CELLA_OK) {
        end_upload(client, status);
    }
}

/* Collect the fixed part of the host's answer. Gives the bytes after it; *complete tells whether it is all there.
 */
static struct cella_view collect_answer(struct cella_client *client, struct cella_view bytes, size_t size,
                                        bool *complete)
{
    size_t missing = size > client->answer_size ? size - client->answer_size : 0;
    size_t count = bytes.size < missing ? bytes.size : missing;
    memcpy(client->answer + client->answer_size, bytes.data, count);
    client->answer_size += count;
    *complete = client->answer_size >= size;
    if (count > 0) {
        check_link(client, cella_link_consumed(client->front->link, client->object.stream, count));
    }
    return cella_view_of(bytes.data + count, bytes.size - count);
}

static cella_status answer_status(const struct cella_client *client)
{
    struct cella_reader reader = cella_reader_of(cella_view_of(client->answer, 4));
    uint32_t number;
    CELLA_TRY(cella_read_u32(&reader, &number));
    return number == 0 ? CELLA_OK : cella_status_from_number(number);
}

static void on_upload_answer(struct cella_client *client, struct cella_view bytes)
{
    bool complete;
    bytes = collect_answer(client, bytes, 4, &complete);
    if (!complete) {
        return;
    }
    cella_status status = answer_status(client);
    /* An answer before the end can only be a refusal. */
    bool good = status != CELLA_OK || (client->phase == CELLA_CLIENT_STORE && bytes.size == 0);
    end_upload(client, good ? status : CELLA_STORE_FAILED);
}

static void on_download_answer(struct cella_client *client, struct cella_view bytes)
{
    bool complete;
    bytes = collect_answer(client, bytes, 4, &complete);
    cella_status status = complete ? answer_status(client) : CELLA_OK;
    if (status != CELLA_OK) {
        fail_download(client, status);
        return;
    }
    if (!complete) {
        return;
    }
    bytes = collect_answer(client, bytes, 12, &complete);
    if (!complete) {
        return;
    }
    struct cella_reader reader = cella_reader_of(cella_view_of(client->answer + 4, 8));
    uint64_t size;
    check_link(client, cella_read_u64(&reader, &size));
    begin_download(client, size);
    if (client->phase == CELLA_CLIENT_REPLY && client->object.stream != NULL) {
        append_download(client, bytes);
    }
}

void cella_client_object_data(struct cella_client *client, struct cella_view bytes)
{
    if (client->hash != NULL) {
        on_upload_answer(client, bytes);
    } else if (client->phase == CELLA_CLIENT_STORE) {
        on_download_answer(client, bytes);
    } else {
        append_download(client, bytes);
    }
    cella_client_run(client);
}

void cella_client_object_closed(struct cella_client *client, cella_status status)
{
    client->object.stream = NULL;
    if (client->dead) {
        return;
    }
    status = status == CELLA_OK || status == CELLA_CLOSED ? CELLA_STORE_FAILED : status;
    if (client->hash != NULL) {
        end_upload(client, status);
    } else if (client->phase == CELLA_CLIENT_STORE) {
        fail_download(client, status == CELLA_STORE_FAILED ? CELLA_OBJECT_MISSING : status);
    } else if (client->phase == CELLA_CLIENT_REPLY && client->reply_more > 0) {
        cella_client_drop(client); /* the length is said already: only a broken connection is honest now */
    }
    cella_client_run(client);
}

void cella_client_store_expired(struct cella_client *client)
{
    if (client->hash != NULL) {
        end_upload(client, CELLA_TIMEOUT);
    } else {
        fail_download(client, CELLA_TIMEOUT);
    }
}
