/* SPDX-License-Identifier: Apache-2.0 */
#include "host/ledger_serve.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/link.h"
#include "base/packet.h"
#include "base/wire.h"

#define RECORD_MAX (320U * 1024U * 1024U)
#define RECORD_MIN 64U
#define TAG_SIZE 16U
#define SEQUENCE_OFFSET 38U                   /* in a record: the one thing that the host looks at */
#define COMMIT_BYTES (16U * 1024U * 1024U)    /* in one transaction, at most a record more */
#define FILE_MAX ((uint64_t) 1 << 36)
#define STREAMS_MAX 8U

struct server;

/* A stream. Which of the rest is used depends on its kind. */
struct flow {
    struct server *server;
    struct cella_stream *stream;
    enum cella_stream_kind kind;
    struct cella_bytes in;   /* APPEND, PUT: not stored yet */
    struct cella_bytes out;  /* READ, GET: not sent yet */
    size_t out_sent;
    uint64_t next;           /* READ: record; GET, PUT: part */
    uint64_t size;           /* READ: records; GET, PUT: bytes of the file */
    uint64_t limit;          /* PUT: declared */
    char name[CELLA_LEDGER_NAME_MAX + 1];
    bool over;               /* it was answered for the last time */
};

struct server {
    struct cella_ledger_store *store;
    struct cella_log *log;
    int control;
    int descriptor; /* -1: no link */
    struct cella_link *link;
    cella_status broken;
    uint64_t size;           /* records on disk */
    uint8_t tag[TAG_SIZE];   /* end of the last record on disk */
    uint8_t new_tag[TAG_SIZE];
    uint64_t added;          /* records in the open transaction */
    size_t added_bytes;
    bool committing;         /* a transaction is open */
    struct flow *append;     /* the one APPEND stream */
    size_t flows;
};

static void note_failure(struct server *server, cella_status status)
{
    server->broken = server->broken == CELLA_OK ? status : server->broken;
}

static void free_flow(struct flow *flow)
{
    if (flow->server->append == flow) {
        flow->server->append = NULL;
    }
    flow->server->flows--;
    cella_bytes_clear(&flow->in);
    cella_bytes_clear(&flow->out);
    free(flow);
}

static void answer(struct flow *flow, struct cella_view bytes)
{
    note_failure(flow->server, cella_link_answer(flow->server->link, flow->stream, bytes));
}

static void answer_status(struct flow *flow, cella_status status)
{
    const uint8_t text[4] = { 0, 0, (uint8_t) ((unsigned int) status >> 8), (uint8_t) status };
    struct server *server = flow->server;
    flow->over = true;
    answer(flow, cella_view_of(text, sizeof(text)));
    note_failure(server, cella_link_end(server->link, flow->stream)); /* flow may be gone afterwards */
}

/* ---- APPEND ---- */

/* Where the ledger stands, and whether it goes on. */
static void acknowledge(struct server *server, cella_status status)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    if (server->append == NULL || server->append->over) {
        return;
    }
    if (cella_write_u32(&text, (uint32_t) status) != CELLA_OK || cella_write_u64(&text, server->size) != CELLA_OK ||
        cella_bytes_append(&text, cella_view_of(server->tag, sizeof(server->tag))) != CELLA_OK) {
        note_failure(server, CELLA_NO_MEMORY);
        return;
    }
    server->append->over = status != CELLA_OK;
    answer(server->append, cella_bytes_view(&text));
}

static void fail_append(struct server *server, cella_status status)
{
    server->committing = false;
    server->added = 0;
    server->added_bytes = 0;
    cella_log_write(server->log, CELLA_LOG_ERROR, "ledger: %s (%s)", cella_status_text(status), cella_status_name(status));
    acknowledge(server, status);
}

static void commit(struct server *server)
{
    if (!server->committing) {
        return;
    }
    cella_status status = server->store->class->commit(server->store);
    if (status != CELLA_OK) {
        fail_append(server, status);
        return;
    }
    server->committing = false;
    server->size += server->added;
    server->added = 0;
    server->added_bytes = 0;
    memcpy(server->tag, server->new_tag, sizeof(server->tag));
    acknowledge(server, CELLA_OK);
}

static uint64_t sequence_of(struct cella_view record)
{
    struct cella_reader reader =
        cella_reader_of(cella_view_of(record.data + SEQUENCE_OFFSET, record.size - SEQUENCE_OFFSET));
    uint64_t sequence = 0;
    (void) !cella_read_u64(&reader, &sequence);
    return sequence;
}

static cella_status add_record(struct server *server, struct cella_view record)
{
    const struct cella_ledger_store_class *class = server->store->class;
    uint64_t sequence = server->size + server->added;
    if (record.size < RECORD_MIN || sequence_of(record) != sequence) {
        return CELLA_LEDGER_TAKEN;
    }
    if (!server->committing) {
        CELLA_TRY(class->begin(server->store));
        server->committing = true;
    }
    CELLA_TRY(class->append(server->store, sequence, record));
    memcpy(server->new_tag, record.data + record.size - TAG_SIZE, TAG_SIZE);
    server->added++;
    server->added_bytes += record.size;
    return CELLA_OK;
}

/* Put what is complete into the open transaction. */
static void take_records(struct flow *flow)
{
    struct server *server = flow->server;
    size_t used = 0;
    while (!flow->over && flow->in.size - used >= 4) {
        struct cella_reader reader = cella_reader_of(cella_view_of(flow->in.data + used, flow->in.size - used));
        uint32_t size = 0;
        (void) !cella_read_u32(&reader, &size);
        if (size > RECORD_MAX) {
            note_failure(server, CELLA_BAD_FRAME);
            return;
        }
        if (reader.rest.size < size) {
            break;
        }
        cella_status status = add_record(server, cella_view_of(reader.rest.data, size));
        if (status == CELLA_LEDGER_TAKEN) {
            commit(server); /* those before it are good */
        }
        if (status != CELLA_OK) {
            fail_append(server, status);
        }
        used += 4 + (size_t) size;
        if (server->added_bytes >= COMMIT_BYTES) {
            commit(server);
        }
    }
    cella_bytes_consume(&flow->in, used);
}

/* ---- READ, GET ---- */

static cella_status fill(struct flow *flow)
{
    struct server *server = flow->server;
    const struct cella_ledger_store_class *class = server->store->class;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes piece = { 0 };
    flow->out.size = 0;
    flow->out_sent = 0;
    if (flow->kind == CELLA_STREAM_GET) {
        CELLA_TRY(class->file_read(server->store, flow->name, flow->next++, &piece));
        return cella_bytes_append(&flow->out, cella_bytes_view(&piece));
    }
    while (flow->next < flow->size && flow->out.size < CELLA_FRAME_MAX) {
        cella_status status = class->read(server->store, flow->next++, &piece);
        if (status == CELLA_OBJECT_MISSING) {
            piece.size = 0; /* a gap: told as it is, the executor judges */
            continue;
        }
        CELLA_TRY(status);
        CELLA_TRY(cella_write_field(&flow->out, cella_bytes_view(&piece)));
    }
    return CELLA_OK;
}

static void send_out(struct flow *flow)
{
    struct server *server = flow->server;
    while (!flow->over) {
        if (flow->out_sent == flow->out.size) {
            cella_status status = fill(flow);
            if (status != CELLA_OK) {
                cella_log_write(server->log, CELLA_LOG_ERROR, "ledger: %s", cella_status_text(status));
                note_failure(server, status);
                return;
            }
        }
        if (flow->out.size == 0) {
            flow->over = true;
            note_failure(server, cella_link_end(server->link, flow->stream));
            return;
        }
        size_t accepted;
        cella_status status = cella_link_send(
            server->link, flow->stream,
            cella_view_of(flow->out.data + flow->out_sent, flow->out.size - flow->out_sent), &accepted);
        note_failure(server, status);
        flow->out_sent += accepted;
        if (status != CELLA_OK || flow->out_sent < flow->out.size) {
            return;
        }
    }
}

static void start_sending(struct flow *flow)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes head = { 0 };
    if (cella_write_u32(&head, CELLA_OK) != CELLA_OK || cella_write_u64(&head, flow->size) != CELLA_OK) {
        note_failure(flow->server, CELLA_NO_MEMORY);
        return;
    }
    answer(flow, cella_bytes_view(&head));
    send_out(flow);
}

/* ---- PUT ---- */

static cella_status write_parts(struct flow *flow, bool last)
{
    struct server *server = flow->server;
    size_t used = 0;
    while (flow->in.size - used >= CELLA_LEDGER_PART_MAX || (last && flow->in.size > used)) {
        size_t size = flow->in.size - used < CELLA_LEDGER_PART_MAX ? flow->in.size - used : CELLA_LEDGER_PART_MAX;
        CELLA_TRY(server->store->class->file_write(server->store, flow->next++,
                                                   cella_view_of(flow->in.data + used, size)));
        flow->size += size;
        used += size;
    }
    cella_bytes_consume(&flow->in, used);
    return flow->size + flow->in.size > flow->limit ? CELLA_TOO_LARGE : CELLA_OK;
}

static void end_put(struct flow *flow)
{
    struct server *server = flow->server;
    commit(server);
    cella_status status = write_parts(flow, true);
    status = status == CELLA_OK ? server->store->class->file_publish(server->store, flow->size) : status;
    answer_status(flow, status);
}

/* ---- events of the link ---- */

static void on_hello(void *context, enum cella_link_role role)
{
    if (role != CELLA_LINK_LEDGER) {
        note_failure(context, CELLA_BAD_FRAME);
    }
}

static void on_note(void *context, enum cella_note_kind kind, struct cella_view payload)
{
    (void) kind;
    (void) payload;
    note_failure(context, CELLA_BAD_FRAME);
}

static cella_status read_arguments(struct flow *flow, struct cella_view arguments)
{
    struct cella_reader reader = cella_reader_of(arguments);
    struct cella_view name;
    if (flow->kind == CELLA_STREAM_APPEND || flow->kind == CELLA_STREAM_READ) {
        CELLA_TRY(cella_read_u64(&reader, &flow->next));
        return cella_reader_end(&reader);
    }
    CELLA_TRY(cella_read_field(&reader, CELLA_LEDGER_NAME_MAX, &name));
    if (name.size == 0 || memchr(name.data, 0, name.size) != NULL) {
        return CELLA_BAD_FORMAT;
    }
    memcpy(flow->name, name.data, name.size);
    if (flow->kind == CELLA_STREAM_PUT) {
        CELLA_TRY(cella_read_u64(&reader, &flow->limit));
    }
    return flow->limit > FILE_MAX ? CELLA_TOO_LARGE : cella_reader_end(&reader);
}

static void start_flow(struct flow *flow)
{
    struct server *server = flow->server;
    cella_status status = CELLA_OK;
    switch ((int) flow->kind) {
    case CELLA_STREAM_APPEND:
        server->append = flow;
        acknowledge(server, CELLA_OK);
        return;
    case CELLA_STREAM_READ:
        flow->size = server->size;
        start_sending(flow);
        return;
    case CELLA_STREAM_GET:
        status = server->store->class->file_size(server->store, flow->name, &flow->size);
        if (status == CELLA_OK) {
            start_sending(flow);
            return;
        }
        break;
    default:
        status = server->store->class->file_begin(server->store, flow->name);
        if (status == CELLA_OK) {
            return;
        }
        break;
    }
    answer_status(flow, status);
}

static void on_opened(void *context, struct cella_stream *stream, enum cella_stream_kind kind,
                      struct cella_view arguments)
{
    struct server *server = context;
    bool known = kind == CELLA_STREAM_APPEND || kind == CELLA_STREAM_READ || kind == CELLA_STREAM_GET ||
                 kind == CELLA_STREAM_PUT;
    bool second = kind == CELLA_STREAM_APPEND && server->append != NULL;
    struct flow *flow = known && !second && server->flows < STREAMS_MAX ? calloc(1, sizeof(*flow)) : NULL;
    if (flow == NULL) {
        note_failure(server, cella_link_reset(server->link, stream, CELLA_BAD_FRAME));
        return;
    }
    *flow = (struct flow){ .server = server, .stream = stream, .kind = kind };
    server->flows++;
    if (read_arguments(flow, arguments) != CELLA_OK) {
        note_failure(server, cella_link_reset(server->link, stream, CELLA_BAD_FRAME));
        free_flow(flow);
        return;
    }
    cella_stream_set_user(stream, flow);
    start_flow(flow);
}

static void on_data(void *context, struct cella_stream *stream, struct cella_view bytes)
{
    struct server *server = context;
    struct flow *flow = cella_stream_user(stream);
    bool wanted = flow->kind == CELLA_STREAM_APPEND || flow->kind == CELLA_STREAM_PUT;
    note_failure(server, wanted ? cella_link_consumed(server->link, stream, bytes.size) : CELLA_BAD_FRAME);
    if (flow->over || !wanted) {
        return;
    }
    if (cella_bytes_append(&flow->in, bytes) != CELLA_OK) {
        note_failure(server, CELLA_NO_MEMORY);
        return;
    }
    if (flow->kind == CELLA_STREAM_APPEND) {
        take_records(flow);
        return;
    }
    if (flow->in.size >= CELLA_LEDGER_PART_MAX) {
        commit(server);
        cella_status status = write_parts(flow, false);
        if (status != CELLA_OK) {
            answer_status(flow, status);
        }
    }
}

static void on_ended(void *context, struct cella_stream *stream)
{
    struct flow *flow = cella_stream_user(stream);
    (void) context;
    if (flow->kind == CELLA_STREAM_PUT && !flow->over) {
        end_put(flow);
    }
}

static void on_closed(void *context, struct cella_stream *stream, cella_status status)
{
    (void) context;
    (void) status;
    struct flow *flow = cella_stream_user(stream);
    if (flow != NULL) {
        free_flow(flow);
    }
}

static void on_writable(void *context, struct cella_stream *stream)
{
    struct flow *flow = cella_stream_user(stream);
    (void) context;
    if (flow->kind == CELLA_STREAM_READ || flow->kind == CELLA_STREAM_GET) {
        send_out(flow);
    }
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

/* ---- the loop ---- */

static void drop_link(struct server *server)
{
    if (server->descriptor >= 0) {
        commit(server); /* whole records that arrived are good, whoever hears of it */
        cella_link_free(server->link);
        close(server->descriptor);
        server->link = NULL;
        server->descriptor = -1;
        server->broken = CELLA_OK;
    }
}

/* False when the host has closed the control socket. */
static bool take_control(struct server *server)
{
    uint8_t message[8];
    struct cella_packet packet;
    cella_status status = cella_packet_receive(server->control, message, sizeof(message), &packet);
    if (status != CELLA_OK) {
        return false;
    }
    if (packet.descriptor_count != 1) {
        cella_packet_close(&packet);
        return true;
    }
    drop_link(server);
    server->descriptor = packet.descriptors[0];
    server->link = cella_link_new(CELLA_LINK_HOST, CELLA_LINK_LEDGER, &link_events, server);
    if (server->link == NULL || fcntl(server->descriptor, F_SETFL, O_NONBLOCK) != 0) {
        drop_link(server);
    }
    return true;
}

static bool is_readable(int descriptor)
{
    struct pollfd one = { .fd = descriptor, .events = POLLIN };
    return poll(&one, 1, 0) == 1;
}

/* Everything that is there belongs into one commit. */
static void take_link(struct server *server)
{
    do {
        note_failure(server, cella_link_read_from(server->link, server->descriptor));
    } while (server->broken == CELLA_OK && server->added_bytes < COMMIT_BYTES && is_readable(server->descriptor));
}

static void serve_link(struct server *server, short events)
{
    if ((events & (POLLIN | POLLHUP | POLLERR)) != 0) {
        take_link(server);
    }
    commit(server);
    if (server->broken == CELLA_OK) {
        note_failure(server, cella_link_write_to(server->link, server->descriptor));
    }
    if (server->broken != CELLA_OK) {
        drop_link(server);
    }
}

static cella_status find_end(struct server *server)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes last = { 0 };
    CELLA_TRY(server->store->class->size(server->store, &server->size));
    if (server->size == 0) {
        return CELLA_OK;
    }
    CELLA_TRY(server->store->class->read(server->store, server->size - 1, &last));
    if (last.size < TAG_SIZE) {
        return CELLA_OK; /* whatever it is: the executor judges */
    }
    memcpy(server->tag, last.data + last.size - TAG_SIZE, TAG_SIZE);
    return CELLA_OK;
}

void cella_ledger_serve(struct cella_ledger_store *store, int control, struct cella_log *log)
{
    struct server server = { .store = store, .log = log, .control = control, .descriptor = -1 };
    cella_status status = find_end(&server);
    if (status != CELLA_OK) {
        cella_log_write(log, CELLA_LOG_ERROR, "ledger: %s", cella_status_text(status));
        return;
    }
    for (;;) {
        bool pending = server.link != NULL && cella_link_pending(server.link).size > 0;
        struct pollfd both[] = { { .fd = control, .events = POLLIN },
                                 { .fd = server.descriptor, .events = (short) (POLLIN | (pending ? POLLOUT : 0)) } };
        if (poll(both, 2, -1) < 0 && errno != EINTR) {
            break;
        }
        if (both[1].revents != 0 && server.descriptor >= 0) {
            serve_link(&server, both[1].revents);
        }
        if (both[0].revents != 0 && !take_control(&server)) {
            break;
        }
    }
    drop_link(&server);
}
