/* SPDX-License-Identifier: Apache-2.0 */
#include "base/link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum frame_type {
    FRAME_HELLO = 1,
    FRAME_NOTE = 2,
    FRAME_OPEN = 3,
    FRAME_DATA = 4,
    FRAME_CREDIT = 5,
    FRAME_END = 6,
    FRAME_RESET = 7,
};

#define BUCKET_COUNT 256U
static const char hello_text[] = "cella link";

struct cella_stream {
    uint32_t id;
    uint32_t send_credit;    /* bytes that we may still send */
    uint32_t receive_credit; /* bytes that the peer may still send */
    uint32_t consumed;       /* bytes dealt with since the last CREDIT frame */
    bool ended_here;
    bool ended_there;
    bool wants_credit; /* a send was cut short */
    void *user;
    struct cella_stream *next;
};

struct cella_link {
    enum cella_link_side side;
    const struct cella_link_events *events;
    void *context;
    bool greeted; /* HELLO sent (enclave) or received (host) */
    cella_status broken;
    uint32_t next_id;
    uint32_t last_peer_id;
    size_t stream_count;
    struct cella_stream *buckets[BUCKET_COUNT];
    struct cella_bytes in;
    struct cella_bytes out;
    size_t out_sent; /* bytes of out that were written already */
};

/* ---- streams ---- */

static struct cella_stream **bucket_of(struct cella_link *link, uint32_t id)
{
    return &link->buckets[(id >> 1) % BUCKET_COUNT];
}

static struct cella_stream *find_stream(struct cella_link *link, uint32_t id)
{
    struct cella_stream *stream = *bucket_of(link, id);
    while (stream != NULL && stream->id != id) {
        stream = stream->next;
    }
    return stream;
}

static cella_status add_stream(struct cella_link *link, uint32_t id, void *user, struct cella_stream **out)
{
    if (link->stream_count >= CELLA_LINK_STREAMS_MAX) {
        return CELLA_TOO_MANY;
    }
    struct cella_stream *stream = calloc(1, sizeof(*stream));
    if (stream == NULL) {
        return CELLA_NO_MEMORY;
    }
    stream->id = id;
    stream->send_credit = CELLA_LINK_WINDOW;
    stream->receive_credit = CELLA_LINK_WINDOW;
    stream->user = user;
    stream->next = *bucket_of(link, id);
    *bucket_of(link, id) = stream;
    link->stream_count++;
    *out = stream;
    return CELLA_OK;
}

static void remove_stream(struct cella_link *link, struct cella_stream *stream)
{
    struct cella_stream **place = bucket_of(link, stream->id);
    while (*place != stream) {
        place = &(*place)->next;
    }
    *place = stream->next;
    link->stream_count--;
    free(stream);
}

static void close_stream(struct cella_link *link, struct cella_stream *stream, cella_status status)
{
    link->events->closed(link->context, stream, status);
    remove_stream(link, stream);
}

void *cella_stream_user(const struct cella_stream *stream)
{
    return stream->user;
}

void cella_stream_set_user(struct cella_stream *stream, void *user)
{
    stream->user = user;
}

uint32_t cella_stream_id(const struct cella_stream *stream)
{
    return stream->id;
}

size_t cella_link_stream_count(const struct cella_link *link)
{
    return link->stream_count;
}

/* ---- sending ---- */

/* Move what is unsent to the front when the sent part has grown large, so that out does not grow for ever. */
static void compact_out(struct cella_link *link)
{
    if (link->out_sent == link->out.size) {
        link->out.size = 0;
        link->out_sent = 0;
    } else if (link->out_sent >= CELLA_LINK_OUT_MAX) {
        cella_bytes_consume(&link->out, link->out_sent);
        link->out_sent = 0;
    }
}

static cella_status write_frame(struct cella_link *link, uint32_t stream, enum frame_type type,
                                struct cella_view head, struct cella_view payload)
{
    if (link->broken != CELLA_OK) {
        return link->broken;
    }
    compact_out(link);
    size_t size = head.size + payload.size;
    CELLA_TRY(cella_bytes_reserve(&link->out, CELLA_FRAME_HEADER_SIZE + size));
    /* Room is reserved, so none of these can fail half way. */
    CELLA_TRY(cella_write_u32(&link->out, stream));
    CELLA_TRY(cella_write_u8(&link->out, (uint8_t) type));
    CELLA_TRY(cella_write_u8(&link->out, 0));
    CELLA_TRY(cella_write_u32(&link->out, (uint32_t) size));
    CELLA_TRY(cella_bytes_append(&link->out, head));
    return cella_bytes_append(&link->out, payload);
}

static cella_status write_number(struct cella_link *link, uint32_t stream, enum frame_type type, uint32_t number)
{
    const uint8_t text[4] = { (uint8_t) (number >> 24), (uint8_t) (number >> 16), (uint8_t) (number >> 8),
                              (uint8_t) number };
    return write_frame(link, stream, type, cella_view_of(text, sizeof(text)), (struct cella_view){ 0 });
}

cella_status cella_link_open(struct cella_link *link, enum cella_stream_kind kind, struct cella_view arguments,
                             void *user, struct cella_stream **out)
{
    if (arguments.size > CELLA_FRAME_MAX - 1) {
        return CELLA_TOO_LARGE;
    }
    if (!link->greeted || link->next_id >= UINT32_MAX - 2) {
        return CELLA_BAD_STATE;
    }
    struct cella_stream *stream;
    CELLA_TRY(add_stream(link, link->next_id, user, &stream));
    const uint8_t head = (uint8_t) kind;
    cella_status status = write_frame(link, stream->id, FRAME_OPEN, cella_view_of(&head, 1), arguments);
    if (status != CELLA_OK) {
        remove_stream(link, stream);
        return status;
    }
    link->next_id += 2;
    *out = stream;
    return CELLA_OK;
}

cella_status cella_link_send(struct cella_link *link, struct cella_stream *stream, struct cella_view bytes,
                             size_t *accepted)
{
    *accepted = 0;
    if (stream->ended_here) {
        return CELLA_BAD_STATE;
    }
    while (bytes.size > 0) {
        size_t size = bytes.size < CELLA_FRAME_MAX ? bytes.size : CELLA_FRAME_MAX;
        size = size < stream->send_credit ? size : stream->send_credit;
        if (size == 0 || link->out.size - link->out_sent > CELLA_LINK_OUT_MAX) {
            stream->wants_credit = true;
            return CELLA_OK;
        }
        CELLA_TRY(write_frame(link, stream->id, FRAME_DATA, (struct cella_view){ 0 },
                              cella_view_of(bytes.data, size)));
        stream->send_credit -= (uint32_t) size;
        bytes = cella_view_of(bytes.data + size, bytes.size - size);
        *accepted += size;
    }
    return CELLA_OK;
}

cella_status cella_link_end(struct cella_link *link, struct cella_stream *stream)
{
    if (stream->ended_here) {
        return CELLA_BAD_STATE;
    }
    CELLA_TRY(write_frame(link, stream->id, FRAME_END, (struct cella_view){ 0 }, (struct cella_view){ 0 }));
    stream->ended_here = true;
    if (stream->ended_there) {
        close_stream(link, stream, CELLA_OK);
    }
    return CELLA_OK;
}

cella_status cella_link_reset(struct cella_link *link, struct cella_stream *stream, cella_status reason)
{
    cella_status status = write_number(link, stream->id, FRAME_RESET, (uint32_t) reason);
    remove_stream(link, stream);
    return status;
}

cella_status cella_link_consumed(struct cella_link *link, struct cella_stream *stream, size_t count)
{
    stream->consumed += (uint32_t) count;
    /* One CREDIT per half window: few frames, and the sender never runs dry while the receiver keeps up. */
    if (stream->consumed < CELLA_LINK_WINDOW / 2 || stream->ended_there) {
        return CELLA_OK;
    }
    CELLA_TRY(write_number(link, stream->id, FRAME_CREDIT, stream->consumed));
    stream->receive_credit += stream->consumed;
    stream->consumed = 0;
    return CELLA_OK;
}

cella_status cella_link_note(struct cella_link *link, enum cella_note_kind kind, struct cella_view payload)
{
    if (payload.size > CELLA_NOTE_MAX - 1) {
        return CELLA_TOO_LARGE;
    }
    if (!link->greeted) {
        return CELLA_BAD_STATE;
    }
    const uint8_t head = (uint8_t) kind;
    return write_frame(link, 0, FRAME_NOTE, cella_view_of(&head, 1), payload);
}

/* ---- receiving ---- */

static cella_status receive_hello(struct cella_link *link, struct cella_view payload)
{
    struct cella_reader reader = cella_reader_of(payload);
    struct cella_view text;
    uint16_t version;
    uint8_t role;
    CELLA_TRY(cella_read_view(&reader, sizeof(hello_text) - 1, &text));
    CELLA_TRY(cella_read_u16(&reader, &version));
    CELLA_TRY(cella_read_u8(&reader, &role));
    CELLA_TRY(cella_reader_end(&reader));
    if (link->side != CELLA_LINK_HOST || link->greeted || !cella_view_is(text, hello_text) ||
        version != CELLA_LINK_VERSION ||
        (role != CELLA_LINK_MONITOR && role != CELLA_LINK_FRONT && role != CELLA_LINK_COURIER)) {
        return CELLA_BAD_FRAME;
    }
    link->greeted = true;
    link->events->hello(link->context, (enum cella_link_role) role);
    return CELLA_OK;
}

static cella_status receive_open(struct cella_link *link, uint32_t id, struct cella_view payload)
{
    uint32_t own_parity = link->side == CELLA_LINK_ENCLAVE ? 1 : 0;
    if (payload.size == 0 || (id & 1) == own_parity || id <= link->last_peer_id) {
        return CELLA_BAD_FRAME;
    }
    link->last_peer_id = id;
    struct cella_stream *stream;
    CELLA_TRY(add_stream(link, id, NULL, &stream));
    link->events->opened(link->context, stream, (enum cella_stream_kind) payload.data[0],
                         cella_view_of(payload.data + 1, payload.size - 1));
    return CELLA_OK;
}

static cella_status receive_data(struct cella_link *link, struct cella_stream *stream, struct cella_view payload)
{
    if (payload.size == 0 || stream->ended_there || payload.size > stream->receive_credit) {
        return CELLA_BAD_FRAME;
    }
    stream->receive_credit -= (uint32_t) payload.size;
    link->events->data(link->context, stream, payload);
    return CELLA_OK;
}

static cella_status receive_number(struct cella_view payload, uint32_t *out)
{
    struct cella_reader reader = cella_reader_of(payload);
    CELLA_TRY(cella_read_u32(&reader, out));
    return cella_reader_end(&reader);
}

static cella_status receive_credit(struct cella_link *link, struct cella_stream *stream, struct cella_view payload)
{
    uint32_t count;
    CELLA_TRY(receive_number(payload, &count));
    if (count == 0 || count > CELLA_LINK_WINDOW - stream->send_credit) {
        return CELLA_BAD_FRAME;
    }
    stream->send_credit += count;
    if (stream->wants_credit && !stream->ended_here) {
        stream->wants_credit = false;
        link->events->writable(link->context, stream);
    }
    return CELLA_OK;
}

static cella_status receive_end(struct cella_link *link, struct cella_stream *stream, struct cella_view payload)
{
    if (payload.size != 0 || stream->ended_there) {
        return CELLA_BAD_FRAME;
    }
    uint32_t id = stream->id;
    stream->ended_there = true;
    link->events->ended(link->context, stream);
    stream = find_stream(link, id); /* the callback may have ended or reset it */
    if (stream != NULL && stream->ended_here) {
        close_stream(link, stream, CELLA_OK);
    }
    return CELLA_OK;
}

static cella_status receive_reset(struct cella_link *link, struct cella_stream *stream, struct cella_view payload)
{
    uint32_t number;
    CELLA_TRY(receive_number(payload, &number));
    cella_status reason = cella_status_from_number(number);
    close_stream(link, stream, reason == CELLA_OK ? CELLA_CLOSED : reason);
    return CELLA_OK;
}

static cella_status receive_on_stream(struct cella_link *link, uint32_t id, enum frame_type type,
                                      struct cella_view payload)
{
    struct cella_stream *stream = find_stream(link, id);
    if (stream == NULL) {
        uint32_t peer_parity = link->side == CELLA_LINK_ENCLAVE ? 0 : 1;
        bool existed = (id & 1) == peer_parity ? id <= link->last_peer_id : id < link->next_id;
        return existed ? CELLA_OK : CELLA_BAD_FRAME;
    }
    switch (type) {
    case FRAME_DATA:
        return receive_data(link, stream, payload);
    case FRAME_CREDIT:
        return receive_credit(link, stream, payload);
    case FRAME_END:
        return receive_end(link, stream, payload);
    case FRAME_RESET:
        return receive_reset(link, stream, payload);
    case FRAME_HELLO:
    case FRAME_NOTE:
    case FRAME_OPEN:
        break;
    }
    return CELLA_BAD_FRAME;
}

static cella_status receive_frame(struct cella_link *link, uint32_t id, uint8_t type, struct cella_view payload)
{
    if (type == FRAME_HELLO && id == 0) {
        return receive_hello(link, payload);
    }
    if (!link->greeted) {
        return CELLA_BAD_FRAME;
    }
    if (type == FRAME_NOTE && id == 0) {
        if (payload.size == 0 || payload.size > CELLA_NOTE_MAX) {
            return CELLA_BAD_FRAME;
        }
        link->events->note(link->context, (enum cella_note_kind) payload.data[0],
                           cella_view_of(payload.data + 1, payload.size - 1));
        return CELLA_OK;
    }
    if (id == 0) {
        return CELLA_BAD_FRAME;
    }
    if (type == FRAME_OPEN) {
        return receive_open(link, id, payload);
    }
    return type >= FRAME_DATA && type <= FRAME_RESET
               ? receive_on_stream(link, id, (enum frame_type) type, payload)
               : CELLA_BAD_FRAME;
}

/* Handle whole frames at the start of text; *used says how many bytes they were. */
static cella_status receive_frames(struct cella_link *link, struct cella_view text, size_t *used)
{
    *used = 0;
    while (text.size - *used >= CELLA_FRAME_HEADER_SIZE) {
        struct cella_reader reader =
            cella_reader_of(cella_view_of(text.data + *used, text.size - *used));
        uint32_t id;
        uint8_t type;
        uint8_t reserved;
        uint32_t size;
        CELLA_TRY(cella_read_u32(&reader, &id));
        CELLA_TRY(cella_read_u8(&reader, &type));
        CELLA_TRY(cella_read_u8(&reader, &reserved));
        CELLA_TRY(cella_read_u32(&reader, &size));
        if (reserved != 0 || size > CELLA_FRAME_MAX) {
            return CELLA_BAD_FRAME;
        }
        if (reader.rest.size < size) {
            return CELLA_OK;
        }
        CELLA_TRY(receive_frame(link, id, type, cella_view_of(reader.rest.data, size)));
        *used += CELLA_FRAME_HEADER_SIZE + size;
    }
    return CELLA_OK;
}

/* What arrived is a whole number of frames most of the time; only a remainder is copied. */
static cella_status receive_bytes(struct cella_link *link, struct cella_view bytes)
{
    size_t used = 0;
    if (link->in.size > 0) {
        CELLA_TRY(cella_bytes_append(&link->in, bytes));
        CELLA_TRY(receive_frames(link, cella_bytes_view(&link->in), &used));
        cella_bytes_consume(&link->in, used);
        return CELLA_OK;
    }
    CELLA_TRY(receive_frames(link, bytes, &used));
    return cella_bytes_append(&link->in, cella_view_of(bytes.data + used, bytes.size - used));
}

cella_status cella_link_receive(struct cella_link *link, struct cella_view bytes)
{
    if (link->broken != CELLA_OK) {
        return link->broken;
    }
    cella_status status = receive_bytes(link, bytes);
    if (status != CELLA_OK) {
        link->broken = status == CELLA_BAD_FORMAT || status == CELLA_TOO_LARGE ? CELLA_BAD_FRAME : status;
    }
    return link->broken;
}

/* ---- life ---- */

struct cella_link *cella_link_new(enum cella_link_side side, enum cella_link_role role,
                                  const struct cella_link_events *events, void *context)
{
    struct cella_link *link = calloc(1, sizeof(*link));
    if (link == NULL) {
        return NULL;
    }
    link->side = side;
    link->events = events;
    link->context = context;
    link->next_id = side == CELLA_LINK_ENCLAVE ? 1 : 2;
    if (side == CELLA_LINK_ENCLAVE) {
        const uint8_t rest[3] = { 0, CELLA_LINK_VERSION, (uint8_t) role };
        cella_status status = write_frame(link, 0, FRAME_HELLO, cella_view_of_string(hello_text),
                                          cella_view_of(rest, sizeof(rest)));
        if (status != CELLA_OK) {
            cella_link_free(link);
            return NULL;
        }
        link->greeted = true;
    }
    return link;
}

void cella_link_free(struct cella_link *link)
{
    if (link == NULL) {
        return;
    }
    link->broken = CELLA_CLOSED;
    for (size_t i = 0; i < BUCKET_COUNT; i++) {
        while (link->buckets[i] != NULL) {
            close_stream(link, link->buckets[i], CELLA_CLOSED);
        }
    }
    cella_bytes_clear(&link->in);
    cella_bytes_clear(&link->out);
    free(link);
}

struct cella_view cella_link_pending(const struct cella_link *link)
{
    return cella_view_of(link->out.data + link->out_sent, link->out.size - link->out_sent);
}

/* A cut-short sender that had credit was waiting for room in out, not for a CREDIT frame. */
static void wake_senders(struct cella_link *link)
{
    for (size_t i = 0; i < BUCKET_COUNT; i++) {
        struct cella_stream *stream = link->buckets[i];
        while (stream != NULL) {
            struct cella_stream *next = stream->next;
            if (stream->wants_credit && stream->send_credit > 0 && !stream->ended_here) {
                stream->wants_credit = false;
                link->events->writable(link->context, stream);
                return; /* the list may have changed; the others are woken by the next call */
            }
            stream = next;
        }
    }
}

void cella_link_sent(struct cella_link *link, size_t count)
{
    link->out_sent += count;
    compact_out(link);
    if (link->out.size - link->out_sent <= CELLA_LINK_OUT_MAX / 2) {
        wake_senders(link);
    }
}

cella_status cella_link_read_from(struct cella_link *link, int descriptor)
{
    uint8_t buffer[4 * CELLA_FRAME_MAX];
    ssize_t count = read(descriptor, buffer, sizeof(buffer));
    if (count < 0) {
        return errno == EAGAIN || errno == EINTR ? CELLA_OK : CELLA_SYSTEM_FAILED;
    }
    if (count == 0) {
        return CELLA_CLOSED;
    }
    return cella_link_receive(link, cella_view_of(buffer, (size_t) count));
}

cella_status cella_link_write_to(struct cella_link *link, int descriptor)
{
    struct cella_view pending = cella_link_pending(link);
    while (pending.size > 0) {
        ssize_t count = write(descriptor, pending.data, pending.size);
        if (count < 0) {
            if (errno == EINTR) {
                continue;
            }
            return errno == EAGAIN ? CELLA_OK : errno == EPIPE ? CELLA_CLOSED : CELLA_SYSTEM_FAILED;
        }
        cella_link_sent(link, (size_t) count);
        pending = cella_link_pending(link);
    }
    return CELLA_OK;
}
