/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The link to the host's ledger (host/ledger.h): a pipe of its own, so that waiting for the disk and relaying clients do not
 * disturb each other. It is asked for at the door when the first stream is opened, and again after it was lost: that the
 * host's ledger died must not end the executor.
 */

#include "monitor/monitor.h"

struct cella_ledger_link;

/* One stream; the first member of its owner's object. */
struct cella_ledger_stream {
    const struct cella_ledger_stream_class *class; /* set by the owner */
    struct cella_stream *stream;                   /* NULL: not open */
};

struct cella_ledger_stream_class {
    void (*data)(struct cella_ledger_stream *stream, struct cella_view bytes); /* credit is given back afterwards */
    void (*ended)(struct cella_ledger_stream *stream);
    void (*closed)(struct cella_ledger_stream *stream, cella_status status); /* must not open a stream */
    void (*writable)(struct cella_ledger_stream *stream);
};

CELLA_MUST_USE cella_status cella_ledger_link_new(struct cella_monitor *monitor, struct cella_ledger_link **out);
/* Streams are closed with CELLA_CLOSED. Accepts NULL. */
void cella_ledger_link_free(struct cella_ledger_link *link);

/* Open a stream, and the link if there is none. Those of cella_child_link and cella_link_open */
CELLA_MUST_USE cella_status cella_ledger_link_open(struct cella_ledger_link *link, enum cella_stream_kind kind,
                                                   struct cella_view arguments, struct cella_ledger_stream *stream);

/* As cella_link_send and cella_link_end; a failure of the link closes it at the next flush. */
size_t cella_ledger_link_send(struct cella_ledger_link *link, struct cella_ledger_stream *stream, struct cella_view bytes);
void cella_ledger_link_end(struct cella_ledger_link *link, struct cella_ledger_stream *stream);
/* Give a stream up; accepts one that is not open. */
void cella_ledger_link_reset(struct cella_ledger_link *link, struct cella_ledger_stream *stream);

/* Write what is pending, and tidy up a link that broke. Called after every round of the event loop. */
void cella_ledger_link_flush(struct cella_ledger_link *link);
