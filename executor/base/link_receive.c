/* SPDX-License-Identifier: Apache-2.0 */
#include "base/link_state.h"

static cella_status receive_hello(struct cella_link *link, struct cella_view payload)
{
    struct cella_reader reader = cella_reader_of(payload);
    struct cella_view text;
    uint16_t version;
    uint8_t role;
    CELLA_TRY(cella_read_view(&reader, sizeof(CELLA_LINK_HELLO_TEXT) - 1, &text));
    CELLA_TRY(cella_read_u16(&reader, &version));
    CELLA_TRY(cella_read_u8(&reader, &role));
    CELLA_TRY(cella_reader_end(&reader));
    if (link->side != CELLA_LINK_HOST || link->greeted || !cella_view_is(text, CELLA_LINK_HELLO_TEXT) ||
        version != CELLA_LINK_VERSION ||
        (role != CELLA_LINK_MONITOR && role != CELLA_LINK_FRONT && role != CELLA_LINK_COURIER &&
         role != CELLA_LINK_LEDGER)) {
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
    CELLA_TRY(cella_link_add(link, id, NULL, &stream));
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
    if (stream->wanted > 0 && stream->send_credit >= stream->wanted && !stream->ended_here) {
        stream->wanted = 0;
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
    stream = cella_link_find(link, id); /* the callback may have ended or reset it */
    if (stream != NULL && stream->ended_here) {
        cella_link_close(link, stream, CELLA_OK);
    }
    return CELLA_OK;
}

static cella_status receive_reset(struct cella_link *link, struct cella_stream *stream, struct cella_view payload)
{
    uint32_t number;
    CELLA_TRY(receive_number(payload, &number));
    cella_status reason = cella_status_from_number(number);
    cella_link_close(link, stream, reason == CELLA_OK ? CELLA_CLOSED : reason);
    return CELLA_OK;
}

static cella_status receive_on_stream(struct cella_link *link, uint32_t id, enum cella_frame_type type,
                                      struct cella_view payload)
{
    struct cella_stream *stream = cella_link_find(link, id);
    if (stream == NULL) {
        uint32_t peer_parity = link->side == CELLA_LINK_ENCLAVE ? 0 : 1;
        bool existed = (id & 1) == peer_parity ? id <= link->last_peer_id : id < link->next_id;
        return existed ? CELLA_OK : CELLA_BAD_FRAME;
    }
    switch (type) {
    case CELLA_FRAME_DATA:
        return receive_data(link, stream, payload);
    case CELLA_FRAME_CREDIT:
        return receive_credit(link, stream, payload);
    case CELLA_FRAME_END:
        return receive_end(link, stream, payload);
    case CELLA_FRAME_RESET:
        return receive_reset(link, stream, payload);
    case CELLA_FRAME_HELLO:
    case CELLA_FRAME_NOTE:
    case CELLA_FRAME_OPEN:
        break;
    }
    return CELLA_BAD_FRAME;
}

static cella_status receive_frame(struct cella_link *link, uint32_t id, uint8_t type, struct cella_view payload)
{
    if (type == CELLA_FRAME_HELLO && id == 0) {
        return receive_hello(link, payload);
    }
    if (!link->greeted) {
        return CELLA_BAD_FRAME;
    }
    if (type == CELLA_FRAME_NOTE && id == 0) {
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
    if (type == CELLA_FRAME_OPEN) {
        return receive_open(link, id, payload);
    }
    return type >= CELLA_FRAME_DATA && type <= CELLA_FRAME_RESET
               ? receive_on_stream(link, id, (enum cella_frame_type) type, payload)
               : CELLA_BAD_FRAME;
}

/* Handle whole frames at the start of text; *used says how many bytes they were. */
static cella_status receive_frames(struct cella_link *link, struct cella_view text, size_t *used)
{
    *used = 0;
    while (text.size - *used >= CELLA_FRAME_HEADER_SIZE) {
        struct cella_reader reader = cella_reader_of(cella_view_of(text.data + *used, text.size - *used));
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
    if (used == bytes.size) {
        return CELLA_OK;
    }
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
