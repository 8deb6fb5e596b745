/* SPDX-License-Identifier: Apache-2.0 */
#include "base/link_state.h"

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

cella_status cella_link_write_frame(struct cella_link *link, uint32_t stream, enum cella_frame_type type,
                                    struct cella_view head, struct cella_view payload)
{
    if (link->broken != CELLA_OK) {
        return link->broken;
    }
    compact_out(link);
    if (link->out.size - link->out_sent > CELLA_LINK_BACKLOG_MAX) {
        link->broken = CELLA_TOO_MANY;
        return link->broken;
    }
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

static cella_status write_number(struct cella_link *link, uint32_t stream, enum cella_frame_type type,
                                 uint32_t number)
{
    const uint8_t text[4] = { (uint8_t) (number >> 24), (uint8_t) (number >> 16), (uint8_t) (number >> 8),
                              (uint8_t) number };
    return cella_link_write_frame(link, stream, type, cella_view_of(text, sizeof(text)), (struct cella_view){ 0 });
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
    CELLA_TRY(cella_link_add(link, link->next_id, user, &stream));
    const uint8_t head = (uint8_t) kind;
    cella_status status =
        cella_link_write_frame(link, stream->id, CELLA_FRAME_OPEN, cella_view_of(&head, 1), arguments);
    if (status != CELLA_OK) {
        cella_link_remove(link, stream);
        return status;
    }
    link->next_id += 2;
    *out = stream;
    return CELLA_OK;
}

static size_t room_of(struct cella_link *link, struct cella_stream *stream)
{
    if (stream->ended_here) {
        return 0;
    }
    if (link->out.size - link->out_sent > CELLA_LINK_OUT_MAX) {
        link->crowded = true;
        return 0;
    }
    return stream->send_credit;
}

bool cella_link_room(struct cella_link *link, struct cella_stream *stream, size_t size)
{
    if (room_of(link, stream) >= size) {
        return true;
    }
    stream->wanted = (uint32_t) size;
    return false;
}

cella_status cella_link_send(struct cella_link *link, struct cella_stream *stream, struct cella_view bytes,
                             size_t *accepted)
{
    *accepted = 0;
    if (stream->ended_here) {
        return CELLA_BAD_STATE;
    }
    while (bytes.size > 0) {
        size_t room = room_of(link, stream);
        size_t size = bytes.size < CELLA_FRAME_MAX ? bytes.size : CELLA_FRAME_MAX;
        size = size < room ? size : room;
        if (size == 0) {
            stream->wanted = 1;
            return CELLA_OK;
        }
        CELLA_TRY(cella_link_write_frame(link, stream->id, CELLA_FRAME_DATA, (struct cella_view){ 0 },
                                         cella_view_of(bytes.data, size)));
        stream->send_credit -= (uint32_t) size;
        bytes = cella_view_of(bytes.data + size, bytes.size - size);
        *accepted += size;
    }
    return CELLA_OK;
}

cella_status cella_link_answer(struct cella_link *link, struct cella_stream *stream, struct cella_view bytes)
{
    if (stream->ended_here || bytes.size == 0 || bytes.size > CELLA_LINK_ANSWER_MAX) {
        return CELLA_BAD_STATE;
    }
    if (bytes.size > stream->send_credit) {
        return CELLA_TOO_MANY;
    }
    CELLA_TRY(cella_link_write_frame(link, stream->id, CELLA_FRAME_DATA, (struct cella_view){ 0 }, bytes));
    stream->send_credit -= (uint32_t) bytes.size;
    return CELLA_OK;
}

cella_status cella_link_end(struct cella_link *link, struct cella_stream *stream)
{
    if (stream->ended_here) {
        return CELLA_BAD_STATE;
    }
    CELLA_TRY(cella_link_write_frame(link, stream->id, CELLA_FRAME_END, (struct cella_view){ 0 },
                                     (struct cella_view){ 0 }));
    stream->ended_here = true;
    if (stream->ended_there) {
        cella_link_close(link, stream, CELLA_OK);
    }
    return CELLA_OK;
}

cella_status cella_link_reset(struct cella_link *link, struct cella_stream *stream, cella_status reason)
{
    cella_status status = write_number(link, stream->id, CELLA_FRAME_RESET, (uint32_t) reason);
    cella_link_remove(link, stream);
    return status;
}

cella_status cella_link_consumed(struct cella_link *link, struct cella_stream *stream, size_t count)
{
    stream->consumed += (uint32_t) count;
    /* One CREDIT per half window: few frames, and the sender never runs dry while the receiver keeps up. */
    if (stream->consumed < CELLA_LINK_WINDOW / 2 || stream->ended_there) {
        return CELLA_OK;
    }
    CELLA_TRY(write_number(link, stream->id, CELLA_FRAME_CREDIT, stream->consumed));
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
    return cella_link_write_frame(link, 0, CELLA_FRAME_NOTE, cella_view_of(&head, 1), payload);
}

struct cella_view cella_link_pending(const struct cella_link *link)
{
    if (link->out_sent == link->out.size) {
        return (struct cella_view){ 0 };
    }
    return cella_view_of(link->out.data + link->out_sent, link->out.size - link->out_sent);
}

/* The waiting stream with the credit that it waits for whose id comes next after the one woken last, or NULL. */
static struct cella_stream *next_waiting(const struct cella_link *link)
{
    struct cella_stream *next = NULL;
    for (size_t i = 0; i < CELLA_LINK_BUCKETS; i++) {
        for (struct cella_stream *stream = link->buckets[i]; stream != NULL; stream = stream->next) {
            /* Distances wrap around, so the lowest id follows the highest. */
            uint32_t distance = stream->id - link->last_woken_id - 1;
            if (stream->wanted > 0 && stream->send_credit >= stream->wanted && !stream->ended_here &&
                (next == NULL || distance < next->id - link->last_woken_id - 1)) {
                next = stream;
            }
        }
    }
    return next;
}

/* Those cut short for want of room, one after the other, until there is no room again. */
static void wake_senders(struct cella_link *link)
{
    while (link->crowded && link->out.size - link->out_sent <= CELLA_LINK_OUT_MAX / 2) {
        struct cella_stream *stream = next_waiting(link);
        if (stream == NULL) {
            link->crowded = false;
            return;
        }
        stream->wanted = 0;
        link->last_woken_id = stream->id;
        link->events->writable(link->context, stream);
    }
}

void cella_link_sent(struct cella_link *link, size_t count)
{
    link->out_sent += count;
    compact_out(link);
    wake_senders(link);
}
