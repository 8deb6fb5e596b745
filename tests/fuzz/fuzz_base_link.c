/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A link that receives anything. The first byte chooses the side and what the owner does with streams; the host's
 * side is greeted properly, because nothing happens before.
 */

#include "base/link.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct owner {
    struct cella_link *link;
    uint8_t manner;
};

static void on_hello(void *context, enum cella_link_role role)
{
    (void) context;
    (void) role;
}

static void on_note(void *context, enum cella_note_kind kind, struct cella_view payload)
{
    (void) context;
    (void) kind;
    (void) payload;
}

static void ignore(cella_status status)
{
    (void) status;
}

static void on_opened(void *context, struct cella_stream *stream, enum cella_stream_kind kind,
                      struct cella_view arguments)
{
    struct owner *owner = context;
    (void) kind;
    if ((owner->manner & 2) != 0 && arguments.size > 4) {
        ignore(cella_link_reset(owner->link, stream, CELLA_BUSY));
        return;
    }
    size_t accepted;
    ignore(cella_link_send(owner->link, stream, arguments, &accepted));
    if ((owner->manner & 4) != 0) {
        ignore(cella_link_end(owner->link, stream));
    }
}

static void on_data(void *context, struct cella_stream *stream, struct cella_view bytes)
{
    struct owner *owner = context;
    ignore(cella_link_consumed(owner->link, stream, bytes.size));
    if ((owner->manner & 8) != 0 && bytes.size > 3) {
        ignore(cella_link_reset(owner->link, stream, CELLA_CLOSED));
    }
}

static void on_ended(void *context, struct cella_stream *stream)
{
    struct owner *owner = context;
    if ((owner->manner & 16) != 0) {
        ignore(cella_link_end(owner->link, stream));
    }
}

static void on_closed(void *context, struct cella_stream *stream, cella_status status)
{
    (void) context;
    (void) stream;
    (void) status;
}

static void on_writable(void *context, struct cella_stream *stream)
{
    struct owner *owner = context;
    size_t accepted;
    ignore(cella_link_send(owner->link, stream, cella_view_of("x", 1), &accepted));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct cella_link_events events = { on_hello, on_note,   on_opened,  on_data,
                                                     on_ended, on_closed, on_writable };
    static const uint8_t hello[] = "\0\0\0\0\1\0\0\0\0\x0d"
                                   "cella link\0\1F";
    if (size == 0) {
        return 0;
    }
    struct owner owner = { NULL, data[0] };
    bool host = (data[0] & 1) != 0;
    owner.link = cella_link_new(host ? CELLA_LINK_HOST : CELLA_LINK_ENCLAVE, CELLA_LINK_FRONT, &events, &owner);
    if (owner.link == NULL) {
        return 0;
    }
    if (host) {
        ignore(cella_link_receive(owner.link, cella_view_of(hello, sizeof(hello) - 1)));
    }
    struct cella_stream *stream;
    if ((data[0] & 32) != 0) {
        ignore(cella_link_open(owner.link, CELLA_STREAM_GET, (struct cella_view){ 0 }, NULL, &stream));
    }
    size_t half = (data[0] & 64) != 0 ? (size - 1) / 2 : 0;
    ignore(cella_link_receive(owner.link, cella_view_of(data + 1, half)));
    cella_link_sent(owner.link, cella_link_pending(owner.link).size);
    ignore(cella_link_receive(owner.link, cella_view_of(data + 1 + half, size - 1 - half)));
    cella_link_free(owner.link);
    return 0;
}
