/* SPDX-License-Identifier: Apache-2.0 */
#include "host/store.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/wire.h"
#include "host/store_folder.h"
#include "host/worker.h"

#define PIECE 65536U /* bytes read from an object at a time */
#define WRITE_BACK_BYTES                                                                                           \
    (8U * 1024U * 1024U) /* start writing to disk that often, so that the last fsync is short */

enum direction {
    DIRECTION_PUT,
    DIRECTION_GET,
};

struct transfer {
    struct cella_owner owner;
    struct cella_store *store;
    enum direction direction;
    char id[CELLA_STORE_ID_SIZE];
    int file;        /* -1 when there is none (any more) */
    uint64_t number; /* of the temporary file */
    uint64_t max;    /* PUT: declared size; GET: size of the object */
    uint64_t moved;
    bool answered;
    cella_status failed;
    struct cella_job publishing; /* on its way to the disk while its context is not NULL */
    cella_status published;
    uint64_t replaced;
    bool deserted; /* the stream ended meanwhile */
};

struct cella_store {
    struct cella_store_folder folder;
    struct cella_worker *worker;
    size_t transfers;
};

/* Free a transfer; what was not published is discarded. */
static void free_transfer(struct transfer *transfer)
{
    if (transfer->file >= 0 && transfer->direction == DIRECTION_PUT) {
        cella_store_folder_discard(&transfer->store->folder, transfer->number, transfer->file, transfer->moved);
    } else if (transfer->file >= 0) {
        close(transfer->file);
    }
    transfer->store->transfers--;
    free(transfer);
}

/* Send the host's whole answer and its end. The stream, and with it the transfer, may be gone afterwards. */
static void answer(struct cella_peer *peer, struct cella_stream *stream, cella_status result)
{
    const uint8_t text[4] = { 0, 0, (uint8_t) ((unsigned int) result >> 8), (uint8_t) result };
    cella_status status = cella_link_answer(peer->link, stream, cella_view_of(text, sizeof(text)));
    if (status == CELLA_OK) {
        status = cella_link_end(peer->link, stream);
    }
    cella_peer_break(peer, status);
}

static void answer_transfer(struct transfer *transfer, cella_status result)
{
    transfer->answered = true;
    answer(transfer->owner.peer, transfer->owner.stream, result);
}

/* ---- PUT ---- */

static cella_status write_piece(struct transfer *transfer, struct cella_view bytes)
{
    if (bytes.size > transfer->max - transfer->moved) {
        return CELLA_TOO_LARGE;
    }
    CELLA_TRY(cella_store_folder_reserve(&transfer->store->folder, bytes.size));
    uint64_t before = transfer->moved;
    transfer->moved += bytes.size;
    while (bytes.size > 0) {
        ssize_t count = write(transfer->file, bytes.data, bytes.size);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return errno == ENOSPC || errno == EDQUOT ? CELLA_STORE_FULL : CELLA_STORE_FAILED;
        }
        bytes = cella_view_of(bytes.data + count, bytes.size - (size_t) count);
    }
    if (transfer->moved / WRITE_BACK_BYTES != before / WRITE_BACK_BYTES) {
        (void) sync_file_range(transfer->file, 0, 0, SYNC_FILE_RANGE_WRITE);
    }
    return CELLA_OK;
}

/* After a failure the enclave is told at once; what it still sends is thrown away. */
static void fail_put(struct transfer *transfer, cella_status status)
{
    transfer->failed = status;
    cella_store_folder_discard(&transfer->store->folder, transfer->number, transfer->file, transfer->moved);
    transfer->file = -1;
    answer_transfer(transfer, status);
}

static void on_data(struct cella_owner *owner, struct cella_view bytes)
{
    struct transfer *transfer = (struct transfer *) owner;
    struct cella_peer *peer = owner->peer;
    if (transfer->direction == DIRECTION_GET) {
        cella_peer_break(peer, CELLA_BAD_FRAME);
        return;
    }
    cella_peer_break(peer, cella_link_consumed(peer->link, owner->stream, bytes.size));
    if (transfer->failed == CELLA_OK) {
        cella_status status = write_piece(transfer, bytes);
        if (status != CELLA_OK) {
            fail_put(transfer, status);
        }
    }
}

static struct cella_view id_of(const struct transfer *transfer)
{
    return cella_view_of(transfer->id, sizeof(transfer->id));
}

/* In the worker's thread. */
static void publish(void *context)
{
    struct transfer *transfer = context;
    transfer->published = cella_store_folder_publish(&transfer->store->folder, transfer->number, transfer->file,
                                                     id_of(transfer), &transfer->replaced);
}

static void on_published(void *context)
{
    struct transfer *transfer = context;
    struct cella_store_folder *folder = &transfer->store->folder;
    transfer->publishing.context = NULL;
    if (transfer->published == CELLA_OK) {
        cella_store_folder_release(folder, transfer->replaced);
        close(transfer->file);
        transfer->file = -1;
    }
    if (transfer->deserted) {
        /* Nobody was told that it is there, so nobody would ever ask for it. */
        if (transfer->published == CELLA_OK) {
            (void) !cella_store_folder_delete(folder, id_of(transfer));
        }
        free_transfer(transfer);
    } else if (transfer->published == CELLA_OK) {
        answer_transfer(transfer, CELLA_OK);
    } else {
        fail_put(transfer, transfer->published);
    }
}

static void on_ended(struct cella_owner *owner)
{
    struct transfer *transfer = (struct transfer *) owner;
    if (transfer->direction == DIRECTION_PUT && !transfer->answered) {
        transfer->publishing = (struct cella_job){ .run = publish, .done = on_published, .context = transfer };
        cella_worker_give(transfer->store->worker, &transfer->publishing);
    }
}

static void on_closed(struct cella_owner *owner, cella_status status)
{
    struct transfer *transfer = (struct transfer *) owner;
    (void) status;
    if (transfer->publishing.context != NULL) {
        transfer->deserted = true;
    } else {
        free_transfer(transfer);
    }
}

/* ---- GET ---- */

/* Send as much of the object as there is room for. The transfer may be gone afterwards. */
static void send_object(struct transfer *transfer)
{
    struct cella_peer *peer = transfer->owner.peer;
    struct cella_stream *stream = transfer->owner.stream;
    uint8_t piece[PIECE];
    while (transfer->moved < transfer->max && cella_link_room(peer->link, stream, sizeof(piece))) {
        ssize_t size = pread(transfer->file, piece, sizeof(piece), (off_t) transfer->moved);
        if (size <= 0) {
            /* Shorter than when it was opened. The enclave notices; it trusts no size from here anyway. */
            cella_status status = cella_link_reset(peer->link, stream, CELLA_STORE_FAILED);
            free_transfer(transfer);
            cella_peer_break(peer, status);
            return;
        }
        size_t accepted;
        cella_peer_break(peer, cella_link_send(peer->link, stream, cella_view_of(piece, (size_t) size), &accepted));
        if (peer->broken != CELLA_OK) {
            return;
        }
        transfer->moved += accepted;
    }
    if (transfer->moved == transfer->max) {
        cella_peer_break(peer, cella_link_end(peer->link, stream));
    }
}

static void on_writable(struct cella_owner *owner)
{
    struct transfer *transfer = (struct transfer *) owner;
    if (transfer->direction == DIRECTION_GET) {
        send_object(transfer);
    }
}

static const struct cella_owner_class transfer_class = {
    .data = on_data,
    .ended = on_ended,
    .closed = on_closed,
    .writable = on_writable,
};

static cella_status start_get(struct transfer *transfer, struct cella_view id)
{
    CELLA_TRY(cella_store_folder_find(&transfer->store->folder, id, &transfer->file, &transfer->max));
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes head = { 0 };
    CELLA_TRY(cella_write_u32(&head, CELLA_OK));
    CELLA_TRY(cella_write_u64(&head, transfer->max));
    return cella_link_answer(transfer->owner.peer->link, transfer->owner.stream, cella_bytes_view(&head));
}

static cella_status start_put(struct transfer *transfer, struct cella_view id)
{
    memcpy(transfer->id, id.data, sizeof(transfer->id));
    return cella_store_folder_create(&transfer->store->folder, &transfer->number, &transfer->file);
}

/* ---- serving ---- */

static void serve_transfer(struct cella_store *store, struct cella_peer *peer, struct cella_stream *stream,
                           enum direction direction, struct cella_view id, uint64_t max)
{
    struct transfer *transfer = store->transfers < CELLA_STORE_TRANSFERS_MAX ? calloc(1, sizeof(*transfer)) : NULL;
    if (transfer == NULL) {
        cella_peer_break(peer, cella_link_reset(peer->link, stream, CELLA_BUSY));
        return;
    }
    store->transfers++;
    *transfer = (struct transfer){ .store = store, .direction = direction, .file = -1, .max = max };
    cella_owner_claim(&transfer->owner, &transfer_class, peer, stream);
    cella_status status = direction == DIRECTION_PUT ? start_put(transfer, id) : start_get(transfer, id);
    if (status != CELLA_OK) {
        transfer->failed = status;
        answer_transfer(transfer, status);
    } else if (direction == DIRECTION_GET) {
        transfer->answered = true;
        send_object(transfer);
    }
}

/* A DELETE keeps no state; the stream goes when its opener ends it. */
static void on_nothing_data(struct cella_owner *owner, struct cella_view bytes)
{
    (void) bytes;
    cella_peer_break(owner->peer, CELLA_BAD_FRAME);
}

static void on_nothing(struct cella_owner *owner)
{
    (void) owner;
}

static void on_delete_closed(struct cella_owner *owner, cella_status status)
{
    (void) status;
    free(owner);
}

static const struct cella_owner_class delete_class = {
    .data = on_nothing_data,
    .ended = on_nothing,
    .closed = on_delete_closed,
    .writable = on_nothing,
};

static void serve_delete(struct cella_store *store, struct cella_peer *peer, struct cella_stream *stream,
                         struct cella_view id)
{
    struct cella_owner *owner = calloc(1, sizeof(*owner));
    if (owner == NULL) {
        cella_peer_break(peer, cella_link_reset(peer->link, stream, CELLA_NO_MEMORY));
        return;
    }
    cella_owner_claim(owner, &delete_class, peer, stream);
    answer(peer, stream, cella_store_folder_delete(&store->folder, id));
}

bool cella_store_serve(struct cella_store *store, struct cella_peer *peer, struct cella_stream *stream,
                       enum cella_stream_kind kind, struct cella_view arguments)
{
    struct cella_reader reader = cella_reader_of(arguments);
    struct cella_view id;
    uint64_t max = 0;
    if (kind != CELLA_STREAM_PUT && kind != CELLA_STREAM_GET && kind != CELLA_STREAM_DELETE) {
        return false;
    }
    cella_status status = cella_read_field(&reader, CELLA_STORE_ID_SIZE, &id);
    if (status == CELLA_OK && kind == CELLA_STREAM_PUT) {
        status = cella_read_u64(&reader, &max);
    }
    if (status != CELLA_OK || cella_reader_end(&reader) != CELLA_OK || !cella_store_id_valid(id)) {
        return false;
    }
    if (kind == CELLA_STREAM_DELETE) {
        serve_delete(store, peer, stream, id);
    } else {
        serve_transfer(store, peer, stream, kind == CELLA_STREAM_PUT ? DIRECTION_PUT : DIRECTION_GET, id, max);
    }
    return true;
}

cella_status cella_store_open(int state, uint64_t max_bytes, struct cella_store **out)
{
    struct cella_store *store = calloc(1, sizeof(*store));
    if (store == NULL) {
        return CELLA_NO_MEMORY;
    }
    cella_status status = cella_store_folder_open(state, max_bytes, &store->folder);
    status = status == CELLA_OK ? cella_worker_new(&store->worker) : status;
    if (status != CELLA_OK) {
        cella_store_free(store);
        return status;
    }
    *out = store;
    return CELLA_OK;
}

void cella_store_free(struct cella_store *store)
{
    if (store != NULL) {
        cella_worker_free(store->worker);
        cella_store_folder_close(&store->folder);
        free(store);
    }
}

int cella_store_descriptor(const struct cella_store *store)
{
    return cella_worker_descriptor(store->worker);
}

void cella_store_proceed(struct cella_store *store)
{
    cella_worker_collect(store->worker);
}
