/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The host's ends of the links to the executor's programs, and the door through which the monitor asks for more.
 * A link whose program misbehaves is closed; what went over it ends with it, the others do not notice.
 */

#include <event2/event.h>

#include "base/link.h"

#define CELLA_LINKS_MAX 80U /* open at a time; the monitor's own included */

struct cella_links;

/* One program's link. */
struct cella_peer {
    struct cella_links *links;
    struct cella_link *link;
    enum cella_link_role role; /* asked for; the greeting has to agree */
    bool greeted;
    int descriptor;
    struct event *readable;
    struct event *writable;
    cella_status broken; /* set within callbacks; the peer is freed outside of them */
    struct cella_peer *next;
};

/* Who deals with a stream: the first member of the object that cella_stream_user points to. */
struct cella_owner {
    const struct cella_owner_class *class;
    struct cella_peer *peer;
    struct cella_stream *stream;
};

struct cella_owner_class {
    void (*data)(struct cella_owner *owner, struct cella_view bytes);
    void (*ended)(struct cella_owner *owner);
    void (*closed)(struct cella_owner *owner, cella_status status); /* stream is gone afterwards */
    void (*writable)(struct cella_owner *owner);
};

struct cella_links_events {
    void (*greeted)(void *context, struct cella_peer *peer);
    /* The enclave opened a stream: claim it with cella_owner_claim, or it is reset. arguments are untrusted. */
    void (*opened)(void *context, struct cella_peer *peer, struct cella_stream *stream, enum cella_stream_kind kind,
                   struct cella_view arguments);
    void (*note)(void *context, struct cella_peer *peer, enum cella_note_kind kind, struct cella_view payload);
    /* The monitor asks for a link to the ledger: end is the host's end of it, given away. False: it can not have one. */
    bool (*ledger)(void *context, int end);
    /* The peer is about to go; its streams were closed already. */
    void (*lost)(void *context, struct cella_peer *peer, cella_status status);
};

/* events: static. NULL without memory. */
struct cella_links *cella_links_new(struct event_base *base, const struct cella_links_events *events,
                                    void *context);
void cella_links_free(struct cella_links *links);

/* Take over a socket (closed in any case) as the link of a program. CELLA_TOO_MANY, CELLA_NO_MEMORY */
CELLA_MUST_USE cella_status cella_links_add(struct cella_links *links, enum cella_link_role role, int descriptor);

/* Answer requests on the monitor's door from now on. The descriptor stays the caller's. CELLA_NO_MEMORY */
CELLA_MUST_USE cella_status cella_links_watch_door(struct cella_links *links, int door);

/* Close every link and stop watching the door: the executor has ended. */
void cella_links_close_all(struct cella_links *links);

/* Write what is pending everywhere and free what broke. Call it after every round of the event loop. */
void cella_links_flush(struct cella_links *links);

/* The peer is to be lost for this reason, unless it is for another one already. CELLA_OK changes nothing. */
void cella_peer_break(struct cella_peer *peer, cella_status status);

/* A status as the whole answer of a stream that an enclave program opened. Errors of the link. */
CELLA_MUST_USE cella_status cella_peer_answer(struct cella_peer *peer, struct cella_stream *stream, cella_status status);

/* Make owner the one who deals with a stream of peer. */
void cella_owner_claim(struct cella_owner *owner, const struct cella_owner_class *class, struct cella_peer *peer,
                       struct cella_stream *stream);
