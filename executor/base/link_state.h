/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a link is made of. For the link_*.c files only; everybody else uses link.h.
 */

#include "base/link.h"

enum cella_frame_type {
    CELLA_FRAME_HELLO = 1,
    CELLA_FRAME_NOTE = 2,
    CELLA_FRAME_OPEN = 3,
    CELLA_FRAME_DATA = 4,
    CELLA_FRAME_CREDIT = 5,
    CELLA_FRAME_END = 6,
    CELLA_FRAME_RESET = 7,
};

#define CELLA_LINK_HELLO_TEXT "cella link"
#define CELLA_LINK_BUCKETS 256U

struct cella_stream {
    uint32_t id;
    uint32_t send_credit;    /* bytes that we may still send */
    uint32_t receive_credit; /* bytes that the peer may still send */
    uint32_t consumed;       /* bytes dealt with since the last CREDIT frame */
    bool ended_here;
    bool ended_there;
    uint32_t wanted; /* bytes of credit that the owner waits for (writable); 0 when it does not wait */
    void *user;
    struct cella_stream *next;
};

struct cella_link {
    enum cella_link_side side;
    const struct cella_link_events *events;
    void *context;
    bool greeted; /* HELLO sent (enclave) or received (host) */
    bool crowded; /* a send was cut short for want of room in out, not of credit */
    cella_status broken;
    uint32_t next_id;
    uint32_t last_peer_id;
    uint32_t last_woken_id; /* waiting senders are woken in turn */
    size_t stream_count;
    struct cella_stream *buckets[CELLA_LINK_BUCKETS];
    struct cella_bytes in;
    struct cella_bytes out;
    size_t out_sent; /* bytes of out that were written already */
};

struct cella_stream *cella_link_find(struct cella_link *link, uint32_t id);

/* CELLA_TOO_MANY, CELLA_NO_MEMORY */
CELLA_MUST_USE cella_status cella_link_add(struct cella_link *link, uint32_t id, void *user,
                                           struct cella_stream **out);

/* Forget a stream; with close the owner is told first. */
void cella_link_remove(struct cella_link *link, struct cella_stream *stream);
void cella_link_close(struct cella_link *link, struct cella_stream *stream, cella_status status);

/* Append a frame to out; the payload is head, then payload. Breaks the link above CELLA_LINK_BACKLOG_MAX. */
CELLA_MUST_USE cella_status cella_link_write_frame(struct cella_link *link, uint32_t stream,
                                                   enum cella_frame_type type, struct cella_view head,
                                                   struct cella_view payload);
