/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The link: one byte pipe between the host and one enclave program, cut into frames and shared by many streams.
 *
 * This module is a state machine without I/O: bytes in, callbacks and bytes out. Both sides use it and both treat
 * what arrives as hostile: the first malformed frame breaks the link for good (CELLA_BAD_FRAME). Memory is bounded:
 * a peer may send a stream only as many bytes as it was given credit for.
 *
 * Frame, 10 bytes of header, big-endian: u32 stream, u8 type, u8 0, u32 size (at most CELLA_FRAME_MAX), payload.
 *
 *   HELLO   stream 0, first frame of the enclave: "cella link" u16 version u8 role. The host is silent until then.
 *   NOTE    stream 0: u8 kind, then at most CELLA_NOTE_MAX - 1 bytes; one-way, no answer
 *   OPEN    new stream: u8 kind, then arguments. Ids never repeat: the enclave's are odd and grow, the host's even.
 *   DATA    at least one byte, within the credit
 *   CREDIT  u32: the peer may send that many more bytes on this stream
 *   END     no more data from this side (half close)
 *   RESET   u32 status number: the stream is over in both directions
 *
 * Frames for a stream that this side has already forgotten are ignored: they were under way when it ended.
 *
 * Source: docs/protocol.md, "The link".
 */

#include "base/wire.h"

#define CELLA_LINK_VERSION 1
#define CELLA_FRAME_HEADER_SIZE 10U
#define CELLA_FRAME_MAX 65536U           /* payload of one frame */
#define CELLA_NOTE_MAX 4096U             /* payload of a note */
#define CELLA_LINK_WINDOW (512U * 1024U) /* credit of a new stream, each way */
#define CELLA_LINK_STREAMS_MAX 1024U     /* open at a time */
#define CELLA_LINK_OUT_MAX (1024U * 1024U) /* unsent bytes above which cella_link_send accepts nothing */
#define CELLA_LINK_BACKLOG_MAX (4U * CELLA_LINK_OUT_MAX) /* unsent bytes above which the link breaks: such a peer
                                                            makes us answer and never listens */

enum cella_link_side {
    CELLA_LINK_HOST,
    CELLA_LINK_ENCLAVE,
};

/* Which program is at the enclave's end. */
enum cella_link_role {
    CELLA_LINK_MONITOR = 'M',
    CELLA_LINK_FRONT = 'F',
    CELLA_LINK_COURIER = 'C',
    CELLA_LINK_LEDGER = 'L', /* the monitor, to the host's ledger (host/ledger.h) */
};

/* What a stream is for. */
enum cella_stream_kind {
    CELLA_STREAM_CONNECTION = 1, /* host -> front: a client's TCP connection; no arguments */
    CELLA_STREAM_PUT = 2,    /* enclave -> host: field id, u64 size; bytes, END; answer u32 status, END */
    CELLA_STREAM_GET = 3,    /* enclave -> host: field id; answer u32 status, u64 size, bytes, END */
    CELLA_STREAM_DELETE = 4, /* enclave -> host: field id; answer u32 status, END */
    CELLA_STREAM_COLLATERAL = 5, /* monitor -> host: field request, END; answer u32 status, u64 size, bytes, END */
    /* enclave -> host, ledger: u64 size that it knows of. Host: u32 status, u64 size, the last record's last 16 bytes, at
     * once and after each commit. Enclave: field(record) ... */
    CELLA_STREAM_APPEND = 6,
    /* courier -> host: field URL, u64 size; END; answer as of GET */
    CELLA_STREAM_FETCH = 8,
    CELLA_STREAM_READ = 7, /* enclave -> host, ledger: u64 first; answer u32 status, u64 size, field(record) ..., END */
};

/* One-way notes. */
enum cella_note_kind {
    CELLA_NOTE_LOG = 1,   /* monitor -> host: one line of printable ASCII; codes and ids only */
    CELLA_NOTE_READY = 2, /* monitor -> host: what a relying party needs to pin this executor, JSON */
    CELLA_NOTE_DRAIN = 3, /* host -> monitor: take no new tasks; the monitor exits when the last one is over */
    CELLA_NOTE_DIED = 4,  /* monitor -> host: one line: which program died and what becomes of it */
    CELLA_NOTE_FAILED = 5, /* monitor -> host: one line: why nothing is served, and what administrators can do */
};

struct cella_link;
struct cella_stream;

/*
 * What happens on a link. Every callback may send, open, end and reset, but not free the link; context is the one
 * given to new.
 */
struct cella_link_events {
    /* The enclave's greeting (host side only). */
    void (*hello)(void *context, enum cella_link_role role);
    void (*note)(void *context, enum cella_note_kind kind, struct cella_view payload);
    /* A stream that the peer opened. Refuse it with cella_link_reset. */
    void (*opened)(void *context, struct cella_stream *stream, enum cella_stream_kind kind,
                   struct cella_view arguments);
    /* Bytes arrived. The receiver gives credit back with cella_link_consumed when it has dealt with them. */
    void (*data)(void *context, struct cella_stream *stream, struct cella_view bytes);
    void (*ended)(void *context, struct cella_stream *stream);
    /* Last event of a stream: it was reset by the peer, or both sides ended. Afterwards stream is gone. */
    void (*closed)(void *context, struct cella_stream *stream, cella_status status);
    /* There is room for a stream whose last send was cut short, or for which cella_link_room said false. */
    void (*writable)(void *context, struct cella_stream *stream);
};

/* events: static. role: the enclave's own; ignored for the host. NULL without memory. */
struct cella_link *cella_link_new(enum cella_link_side side, enum cella_link_role role,
                                  const struct cella_link_events *events, void *context);
/* Every open stream gets closed(CELLA_CLOSED) first. Accepts NULL. */
void cella_link_free(struct cella_link *link);

/*
 * Take bytes that arrived from the peer.
 * CELLA_BAD_FRAME, CELLA_TOO_MANY, CELLA_NO_MEMORY  the link is broken: close the pipe and free the link
 */
CELLA_MUST_USE cella_status cella_link_receive(struct cella_link *link, struct cella_view bytes);

/* Bytes to be written to the pipe, and how many of them were. */
struct cella_view cella_link_pending(const struct cella_link *link);
void cella_link_sent(struct cella_link *link, size_t count);

/* Open a stream. user is kept for cella_stream_user. CELLA_TOO_MANY, CELLA_TOO_LARGE, CELLA_NO_MEMORY */
CELLA_MUST_USE cella_status cella_link_open(struct cella_link *link, enum cella_stream_kind kind,
                                            struct cella_view arguments, void *user, struct cella_stream **out);

/* Send as many bytes as credit and the out buffer allow; *accepted says how many. CELLA_NO_MEMORY */
CELLA_MUST_USE cella_status cella_link_send(struct cella_link *link, struct cella_stream *stream,
                                            struct cella_view bytes, size_t *accepted);

/* Whether a send of size bytes, at most CELLA_LINK_WINDOW / 2, would be accepted whole. If not, writable follows. */
bool cella_link_room(struct cella_link *link, struct cella_stream *stream, size_t size);

/*
 * Send a short answer whole, however full the out buffer is: bulk data waits, answers do not.
 *
 * bytes:  1 to CELLA_LINK_ANSWER_MAX
 * CELLA_TOO_MANY  no credit for it: the stream has sent much already; CELLA_BAD_STATE; CELLA_NO_MEMORY
 */
#define CELLA_LINK_ANSWER_MAX 64U
CELLA_MUST_USE cella_status cella_link_answer(struct cella_link *link, struct cella_stream *stream,
                                              struct cella_view bytes);

/* No more data from this side. stream may be gone afterwards. */
CELLA_MUST_USE cella_status cella_link_end(struct cella_link *link, struct cella_stream *stream);

/* End a stream in both directions. closed is not called for it; stream is gone afterwards. */
CELLA_MUST_USE cella_status cella_link_reset(struct cella_link *link, struct cella_stream *stream,
                                             cella_status reason);

/* Give credit for count bytes that were dealt with. */
CELLA_MUST_USE cella_status cella_link_consumed(struct cella_link *link, struct cella_stream *stream, size_t count);

/* CELLA_TOO_LARGE above CELLA_NOTE_MAX - 1 bytes. */
CELLA_MUST_USE cella_status cella_link_note(struct cella_link *link, enum cella_note_kind kind,
                                            struct cella_view payload);

/* The owner's pointer of a stream: given to open, or set in opened. NULL at first. */
void *cella_stream_user(const struct cella_stream *stream);
void cella_stream_set_user(struct cella_stream *stream, void *user);
uint32_t cella_stream_id(const struct cella_stream *stream);

/* Whether the stream with this id is still there: for owners that keep an id over calls that may end it. */
bool cella_link_knows(struct cella_link *link, uint32_t id);

/* Number of open streams. */
size_t cella_link_stream_count(const struct cella_link *link);

/*
 * Move bytes between a non-blocking descriptor and the link, as many as there are at once.
 * CELLA_CLOSED  the peer closed its end; CELLA_SYSTEM_FAILED; and those of cella_link_receive
 */
CELLA_MUST_USE cella_status cella_link_read_from(struct cella_link *link, int descriptor);
CELLA_MUST_USE cella_status cella_link_write_to(struct cella_link *link, int descriptor);
