/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/ledger_link.h"

#include <fcntl.h>
#include <stdlib.h>

#include "monitor/child.h"

struct cella_ledger_link {
    struct cella_monitor *monitor;
    struct cella_link *link; /* NULL: not connected */
    int descriptor;
    struct cella_watcher watcher;
    cella_status broken;
};

static void note_failure(struct cella_ledger_link *link, cella_status status)
{
    link->broken = link->broken == CELLA_OK ? status : link->broken;
}

/* ---- what happens on it ---- */

static void on_note(void *context, enum cella_note_kind kind, struct cella_view payload)
{
    (void) context;
    (void) kind;
    (void) payload;
}

static void on_opened(void *context, struct cella_stream *stream, enum cella_stream_kind kind,
                      struct cella_view arguments)
{
    struct cella_ledger_link *link = context;
    (void) kind;
    (void) arguments;
    note_failure(link, cella_link_reset(link->link, stream, CELLA_UNKNOWN_OPERATION));
}

static void on_data(void *context, struct cella_stream *stream, struct cella_view bytes)
{
    struct cella_ledger_link *link = context;
    struct cella_ledger_stream *owner = cella_stream_user(stream);
    uint32_t id = cella_stream_id(stream);
    owner->class->data(owner, bytes);
    if (cella_link_knows(link->link, id)) {
        note_failure(link, cella_link_consumed(link->link, stream, bytes.size));
    }
}

static void on_ended(void *context, struct cella_stream *stream)
{
    struct cella_ledger_stream *owner = cella_stream_user(stream);
    (void) context;
    owner->class->ended(owner);
}

static void on_closed(void *context, struct cella_stream *stream, cella_status status)
{
    struct cella_ledger_stream *owner = cella_stream_user(stream);
    (void) context;
    if (owner != NULL) {
        owner->stream = NULL;
        owner->class->closed(owner, status);
    }
}

static void on_writable(void *context, struct cella_stream *stream)
{
    struct cella_ledger_stream *owner = cella_stream_user(stream);
    (void) context;
    owner->class->writable(owner);
}

static const struct cella_link_events events = {
    .note = on_note,
    .opened = on_opened,
    .data = on_data,
    .ended = on_ended,
    .closed = on_closed,
    .writable = on_writable,
};

static void on_ready(void *context, uint32_t what)
{
    struct cella_ledger_link *link = context;
    (void) what;
    note_failure(link, cella_link_read_from(link->link, link->descriptor));
}

/* ---- life ---- */

static void disconnect(struct cella_ledger_link *link)
{
    struct cella_link *gone = link->link;
    cella_loop_unwatch(link->monitor->loop, &link->watcher);
    cella_child_close(&link->descriptor);
    link->link = NULL;
    link->broken = CELLA_OK;
    cella_link_free(gone);
}

static cella_status start(struct cella_ledger_link *link)
{
    if (fcntl(link->descriptor, F_SETFL, O_NONBLOCK) != 0 || fcntl(link->descriptor, F_SETFD, FD_CLOEXEC) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    link->link = cella_link_new(CELLA_LINK_ENCLAVE, CELLA_LINK_LEDGER, &events, link);
    if (link->link == NULL) {
        return CELLA_NO_MEMORY;
    }
    return cella_loop_watch(link->monitor->loop, &link->watcher, link->descriptor, EPOLLIN);
}

static cella_status connect_host(struct cella_ledger_link *link)
{
    if (link->link != NULL) {
        return CELLA_OK;
    }
    CELLA_TRY(cella_child_link(link->monitor, CELLA_LINK_LEDGER, &link->descriptor));
    cella_status status = start(link);
    if (status != CELLA_OK) {
        disconnect(link);
    }
    return status;
}

cella_status cella_ledger_link_new(struct cella_monitor *monitor, struct cella_ledger_link **out)
{
    struct cella_ledger_link *link = calloc(1, sizeof(*link));
    if (link == NULL) {
        return CELLA_NO_MEMORY;
    }
    link->monitor = monitor;
    link->descriptor = -1;
    link->watcher.ready = on_ready;
    link->watcher.context = link;
    *out = link;
    return CELLA_OK;
}

void cella_ledger_link_free(struct cella_ledger_link *link)
{
    if (link != NULL) {
        disconnect(link);
        free(link);
    }
}

/* ---- streams ---- */

cella_status cella_ledger_link_open(struct cella_ledger_link *link, enum cella_stream_kind kind,
                                    struct cella_view arguments, struct cella_ledger_stream *stream)
{
    CELLA_TRY(link->broken);
    CELLA_TRY(connect_host(link));
    return cella_link_open(link->link, kind, arguments, stream, &stream->stream);
}

size_t cella_ledger_link_send(struct cella_ledger_link *link, struct cella_ledger_stream *stream, struct cella_view bytes)
{
    size_t accepted = 0;
    if (stream->stream != NULL) {
        note_failure(link, cella_link_send(link->link, stream->stream, bytes, &accepted));
    }
    return accepted;
}

void cella_ledger_link_end(struct cella_ledger_link *link, struct cella_ledger_stream *stream)
{
    if (stream->stream != NULL) {
        note_failure(link, cella_link_end(link->link, stream->stream));
    }
}

void cella_ledger_link_reset(struct cella_ledger_link *link, struct cella_ledger_stream *stream)
{
    if (stream->stream != NULL) {
        note_failure(link, cella_link_reset(link->link, stream->stream, CELLA_CLOSED));
        stream->stream = NULL;
    }
}

void cella_ledger_link_flush(struct cella_ledger_link *link)
{
    if (link->link == NULL) {
        return;
    }
    if (link->broken == CELLA_OK) {
        note_failure(link, cella_link_write_to(link->link, link->descriptor));
    }
    if (link->broken == CELLA_OK) {
        uint32_t more = cella_link_pending(link->link).size > 0 ? (uint32_t) EPOLLOUT : 0U;
        note_failure(link, cella_loop_change(link->monitor->loop, &link->watcher, EPOLLIN | more));
    }
    if (link->broken != CELLA_OK) {
        disconnect(link);
    }
}
