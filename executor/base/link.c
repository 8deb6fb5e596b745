/* SPDX-License-Identifier: Apache-2.0 */
#include "base/link_state.h"

#include <stdlib.h>

static struct cella_stream **bucket_of(struct cella_link *link, uint32_t id)
{
    return &link->buckets[(id >> 1) % CELLA_LINK_BUCKETS];
}

struct cella_stream *cella_link_find(struct cella_link *link, uint32_t id)
{
    struct cella_stream *stream = *bucket_of(link, id);
    while (stream != NULL && stream->id != id) {
        stream = stream->next;
    }
    return stream;
}

cella_status cella_link_add(struct cella_link *link, uint32_t id, void *user, struct cella_stream **out)
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

void cella_link_remove(struct cella_link *link, struct cella_stream *stream)
{
    struct cella_stream **place = bucket_of(link, stream->id);
    while (*place != stream) {
        place = &(*place)->next;
    }
    *place = stream->next;
    link->stream_count--;
    free(stream);
}

void cella_link_close(struct cella_link *link, struct cella_stream *stream, cella_status status)
{
    link->events->closed(link->context, stream, status);
    cella_link_remove(link, stream);
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

bool cella_link_knows(struct cella_link *link, uint32_t id)
{
    return cella_link_find(link, id) != NULL;
}

size_t cella_link_stream_count(const struct cella_link *link)
{
    return link->stream_count;
}

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
        cella_status status =
            cella_link_write_frame(link, 0, CELLA_FRAME_HELLO, cella_view_of_string(CELLA_LINK_HELLO_TEXT),
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
    for (size_t i = 0; i < CELLA_LINK_BUCKETS; i++) {
        while (link->buckets[i] != NULL) {
            cella_link_close(link, link->buckets[i], CELLA_CLOSED);
        }
    }
    cella_bytes_clear(&link->in);
    cella_bytes_clear(&link->out);
    free(link);
}
