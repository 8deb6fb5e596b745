/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/link.h"

/* ---- one side of a link and what it saw ---- */

#define STREAMS_MAX 64

struct seen_stream {
    struct cella_stream *stream;
    uint32_t id;
    size_t received;
    size_t sent;
    size_t to_send;  /* bytes that this side still wants to send */
    size_t held;     /* bytes received and not given back */
    bool end_sent;
    bool ended;
    bool closed;
    cella_status status;
    uint32_t sum; /* of received bytes, order included */
    uint32_t sent_sum;
};

struct side {
    struct cella_link *link;
    struct seen_stream streams[STREAMS_MAX];
    size_t count;
    int hellos;
    int notes;
    bool refuse;
    bool keep;          /* give no credit back */
    size_t asks;        /* writable asks for that much room instead of sending */
    int woken;
    cella_status first; /* first status of a callback's own call */
};

static void note_status(struct side *side, cella_status status)
{
    if (side->first == CELLA_OK) {
        side->first = status;
    }
}

static void on_hello(void *context, enum cella_link_role role)
{
    struct side *side = context;
    (void) role;
    side->hellos++;
}

static void on_note(void *context, enum cella_note_kind kind, struct cella_view payload)
{
    struct side *side = context;
    (void) kind;
    (void) payload;
    side->notes++;
}

static struct seen_stream *add(struct side *side, struct cella_stream *stream)
{
    struct seen_stream *seen = &side->streams[side->count++];
    *seen = (struct seen_stream){ .stream = stream, .id = cella_stream_id(stream) };
    cella_stream_set_user(stream, seen);
    return seen;
}

static void on_opened(void *context, struct cella_stream *stream, enum cella_stream_kind kind,
                      struct cella_view arguments)
{
    struct side *side = context;
    (void) kind;
    (void) arguments;
    if (side->refuse || side->count == STREAMS_MAX) {
        note_status(side, cella_link_reset(side->link, stream, CELLA_BUSY));
        return;
    }
    add(side, stream);
}

static void on_data(void *context, struct cella_stream *stream, struct cella_view bytes)
{
    struct side *side = context;
    struct seen_stream *seen = cella_stream_user(stream);
    for (size_t i = 0; i < bytes.size; i++) {
        seen->sum = seen->sum * 31 + bytes.data[i];
    }
    seen->received += bytes.size;
    seen->held += bytes.size;
    if (!side->keep) {
        note_status(side, cella_link_consumed(side->link, stream, seen->held));
        seen->held = 0;
    }
}

static void on_ended(void *context, struct cella_stream *stream)
{
    struct seen_stream *seen = cella_stream_user(stream);
    (void) context;
    seen->ended = true;
}

static void on_closed(void *context, struct cella_stream *stream, cella_status status)
{
    struct seen_stream *seen = cella_stream_user(stream);
    (void) context;
    if (seen != NULL) {
        seen->closed = true;
        seen->status = status;
        seen->stream = NULL;
    }
}

static void push(struct side *side, struct seen_stream *seen)
{
    uint8_t bytes[9000];
    while (seen->stream != NULL && !seen->end_sent && seen->to_send > 0) {
        size_t size = seen->to_send < sizeof(bytes) ? seen->to_send : sizeof(bytes);
        for (size_t i = 0; i < size; i++) {
            bytes[i] = (uint8_t) (seen->sent + i);
        }
        size_t accepted;
        note_status(side, cella_link_send(side->link, seen->stream, cella_view_of(bytes, size), &accepted));
        for (size_t i = 0; i < accepted; i++) {
            seen->sent_sum = seen->sent_sum * 31 + bytes[i];
        }
        seen->sent += accepted;
        seen->to_send -= accepted;
        if (accepted < size) {
            return;
        }
    }
}

static void on_writable(void *context, struct cella_stream *stream)
{
    struct side *side = context;
    if (++side->woken > 1000) {
        fail_msg("a sender is woken in a loop");
    }
    if (side->asks > 0 && stream == side->streams[0].stream) {
        (void) cella_link_room(side->link, stream, side->asks);
        return;
    }
    push(side, cella_stream_user(stream));
}

static const struct cella_link_events events = {
    .hello = on_hello,
    .note = on_note,
    .opened = on_opened,
    .data = on_data,
    .ended = on_ended,
    .closed = on_closed,
    .writable = on_writable,
};

static struct side make_side(enum cella_link_side which)
{
    struct side side = { 0 };
    side.first = CELLA_OK;
    (void) which;
    return side;
}

static void open_side(struct side *side, enum cella_link_side which)
{
    *side = make_side(which);
    side->link = cella_link_new(which, CELLA_LINK_FRONT, &events, side);
    assert_non_null(side->link);
}

/* Move up to max pending bytes from one side to the other. */
static cella_status move_bytes(struct side *from, struct side *to, size_t max)
{
    struct cella_view pending = cella_link_pending(from->link);
    size_t size = pending.size < max ? pending.size : max;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes copy = { 0 };
    assert_int_equal(cella_bytes_set(&copy, cella_view_of(pending.data, size)), CELLA_OK);
    cella_link_sent(from->link, size);
    return cella_link_receive(to->link, cella_bytes_view(&copy));
}

static void settle(struct side *a, struct side *b)
{
    while (cella_link_pending(a->link).size > 0 || cella_link_pending(b->link).size > 0) {
        assert_int_equal(move_bytes(a, b, SIZE_MAX), CELLA_OK);
        assert_int_equal(move_bytes(b, a, SIZE_MAX), CELLA_OK);
    }
}

static void open_pair(struct side *host, struct side *enclave)
{
    open_side(host, CELLA_LINK_HOST);
    open_side(enclave, CELLA_LINK_ENCLAVE);
    settle(host, enclave);
    assert_int_equal(host->hellos, 1);
}

static void close_pair(struct side *host, struct side *enclave)
{
    assert_int_equal(host->first, CELLA_OK);
    assert_int_equal(enclave->first, CELLA_OK);
    cella_link_free(host->link);
    cella_link_free(enclave->link);
}

static struct seen_stream *open_stream(struct side *side, enum cella_stream_kind kind)
{
    struct cella_stream *stream;
    assert_int_equal(cella_link_open(side->link, kind, (struct cella_view){ 0 }, NULL, &stream), CELLA_OK);
    return add(side, stream);
}

/* ---- frames by hand ---- */

enum { HELLO = 1, NOTE, OPEN, DATA, CREDIT, END, RESET };

static void put_frame(struct cella_bytes *out, uint32_t stream, uint8_t type, uint8_t reserved, uint32_t size,
                      const void *payload, size_t payload_size)
{
    assert_int_equal(cella_write_u32(out, stream), CELLA_OK);
    assert_int_equal(cella_write_u8(out, type), CELLA_OK);
    assert_int_equal(cella_write_u8(out, reserved), CELLA_OK);
    assert_int_equal(cella_write_u32(out, size), CELLA_OK);
    assert_int_equal(cella_bytes_append(out, cella_view_of(payload, payload_size)), CELLA_OK);
}

static cella_status receive_frame(struct side *side, uint32_t stream, uint8_t type, const void *payload, size_t size)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    put_frame(&text, stream, type, 0, (uint32_t) size, payload, size);
    return cella_link_receive(side->link, cella_bytes_view(&text));
}

static const uint8_t hello[] = "cella link\0\1F";
#define HELLO_SIZE 13U

static void greet(struct side *host)
{
    open_side(host, CELLA_LINK_HOST);
    assert_int_equal(receive_frame(host, 0, HELLO, hello, HELLO_SIZE), CELLA_OK);
}

static void expect_broken(struct side *side, uint32_t stream, uint8_t type, const void *payload, size_t size)
{
    assert_int_equal(receive_frame(side, stream, type, payload, size), CELLA_BAD_FRAME);
    /* It stays broken. */
    assert_int_equal(cella_link_receive(side->link, (struct cella_view){ 0 }), CELLA_BAD_FRAME);
    assert_int_not_equal(cella_link_note(side->link, CELLA_NOTE_LOG, (struct cella_view){ 0 }), CELLA_OK);
    cella_link_free(side->link);
}

/* ---- tests ---- */

static void test_hello(void **state)
{
    (void) state;
    static const char *const wrong[] = { "cella link\0\2F", "cella link\0\1X", "cella linc\0\1F" };
    struct side host;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        open_side(&host, CELLA_LINK_HOST);
        expect_broken(&host, 0, HELLO, wrong[i], HELLO_SIZE);
    }
    open_side(&host, CELLA_LINK_HOST);
    expect_broken(&host, 0, HELLO, hello, HELLO_SIZE - 1);
    open_side(&host, CELLA_LINK_HOST);
    expect_broken(&host, 0, HELLO, "cella link\0\1FF", HELLO_SIZE + 1);
    open_side(&host, CELLA_LINK_HOST);
    expect_broken(&host, 1, HELLO, hello, HELLO_SIZE);
    greet(&host);
    expect_broken(&host, 0, HELLO, hello, HELLO_SIZE); /* twice */
    open_side(&host, CELLA_LINK_ENCLAVE);
    expect_broken(&host, 0, HELLO, hello, HELLO_SIZE); /* the host does not greet */
    open_side(&host, CELLA_LINK_HOST);
    expect_broken(&host, 0, NOTE, "\1x", 2); /* before the greeting */
}

static void test_host_is_silent_before_hello(void **state)
{
    (void) state;
    struct side host;
    struct cella_stream *stream;
    open_side(&host, CELLA_LINK_HOST);
    assert_int_equal(cella_link_pending(host.link).size, 0);
    assert_int_equal(cella_link_note(host.link, CELLA_NOTE_DRAIN, (struct cella_view){ 0 }), CELLA_BAD_STATE);
    assert_int_equal(
        cella_link_open(host.link, CELLA_STREAM_CONNECTION, (struct cella_view){ 0 }, NULL, &stream),
        CELLA_BAD_STATE);
    cella_link_free(host.link);
}

static void test_malformed_headers(void **state)
{
    (void) state;
    static const struct {
        uint32_t stream;
        uint8_t type;
        uint8_t reserved;
        uint32_t size;
    } wrong[] = {
        { 1, OPEN, 1, 1 },                    /* reserved byte */
        { 1, OPEN, 0, CELLA_FRAME_MAX + 1 },  /* too large */
        { 1, OPEN, 0, UINT32_MAX },
        { 1, 0, 0, 0 },                       /* no such type */
        { 1, RESET + 1, 0, 0 },
        { 1, 255, 0, 0 },
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct side host;
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
        greet(&host);
        put_frame(&text, wrong[i].stream, wrong[i].type, wrong[i].reserved, wrong[i].size, NULL, 0);
        assert_int_equal(cella_link_receive(host.link, cella_bytes_view(&text)), CELLA_BAD_FRAME);
        cella_link_free(host.link);
    }
}

static void test_malformed_frames(void **state)
{
    (void) state;
    static const struct {
        uint32_t stream;
        uint8_t type;
        const char *payload;
        size_t size;
    } wrong[] = {
        { 0, OPEN, "\2", 1 },      { 0, DATA, "x", 1 },            { 0, END, "", 0 },
        { 0, CREDIT, "\0\0\0\1", 4 }, { 0, RESET, "\0\0\0\1", 4 }, { 0, NOTE, "", 0 },
        { 1, NOTE, "\1", 1 },      { 1, OPEN, "", 0 },             { 2, OPEN, "\2", 1 },
        { 1, DATA, "x", 1 },       { 1, END, "", 0 },              { 1, CREDIT, "\0\0\0\1", 4 },
        { 2, DATA, "x", 1 },       { 2, RESET, "\0\0\0\1", 4 },
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct side host;
        greet(&host);
        expect_broken(&host, wrong[i].stream, wrong[i].type, wrong[i].payload, wrong[i].size);
    }
}

static void test_malformed_on_open_stream(void **state)
{
    (void) state;
    static const struct {
        uint8_t type;
        const char *payload;
        size_t size;
    } wrong[] = {
        { DATA, "", 0 },              /* empty */
        { END, "x", 1 },
        { CREDIT, "\0\0\0\1", 4 },    /* above the window */
        { CREDIT, "\0\0\0\0", 4 },    /* nothing */
        { CREDIT, "\0\0\1", 3 },
        { CREDIT, "\0\0\0\1\0", 5 },
        { RESET, "\0\0\1", 3 },
        { OPEN, "\2", 1 },            /* the same id again */
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct side host;
        greet(&host);
        assert_int_equal(receive_frame(&host, 5, OPEN, "\2", 1), CELLA_OK);
        expect_broken(&host, 5, wrong[i].type, wrong[i].payload, wrong[i].size);
    }
}

static void test_ids_grow(void **state)
{
    (void) state;
    struct side host;
    greet(&host);
    assert_int_equal(receive_frame(&host, 5, OPEN, "\2", 1), CELLA_OK);
    assert_int_equal(receive_frame(&host, 9, OPEN, "\2", 1), CELLA_OK);
    expect_broken(&host, 7, OPEN, "\2", 1);
}

static void test_data_after_end(void **state)
{
    (void) state;
    struct side host;
    greet(&host);
    assert_int_equal(receive_frame(&host, 1, OPEN, "\2", 1), CELLA_OK);
    assert_int_equal(receive_frame(&host, 1, END, "", 0), CELLA_OK);
    assert_true(host.streams[0].ended);
    expect_broken(&host, 1, DATA, "x", 1);
    greet(&host);
    assert_int_equal(receive_frame(&host, 1, OPEN, "\2", 1), CELLA_OK);
    assert_int_equal(receive_frame(&host, 1, END, "", 0), CELLA_OK);
    expect_broken(&host, 1, END, "", 0);
}

static void test_credit_is_held(void **state)
{
    (void) state;
    struct side host;
    static uint8_t bytes[CELLA_FRAME_MAX];
    greet(&host);
    host.keep = true;
    assert_int_equal(receive_frame(&host, 1, OPEN, "\2", 1), CELLA_OK);
    for (size_t i = 0; i < CELLA_LINK_WINDOW / CELLA_FRAME_MAX; i++) {
        assert_int_equal(receive_frame(&host, 1, DATA, bytes, sizeof(bytes)), CELLA_OK);
    }
    expect_broken(&host, 1, DATA, "x", 1);
}

static void test_forgotten_streams_are_ignored(void **state)
{
    (void) state;
    struct side host;
    greet(&host);
    host.refuse = true;
    assert_int_equal(receive_frame(&host, 3, OPEN, "\2", 1), CELLA_OK);
    assert_int_equal(receive_frame(&host, 3, DATA, "x", 1), CELLA_OK);
    assert_int_equal(receive_frame(&host, 3, END, "", 0), CELLA_OK);
    assert_int_equal(receive_frame(&host, 1, DATA, "x", 1), CELLA_OK); /* below the highest: may have been */
    expect_broken(&host, 5, DATA, "x", 1);
}

static void test_streams_limit(void **state)
{
    (void) state;
    struct side host;
    greet(&host);
    host.count = STREAMS_MAX; /* keep none of them in the table */
    host.refuse = false;
    struct cella_stream *stream;
    for (size_t i = 0; i < CELLA_LINK_STREAMS_MAX; i++) {
        assert_int_equal(cella_link_open(host.link, CELLA_STREAM_CONNECTION, (struct cella_view){ 0 }, NULL, &stream),
                         CELLA_OK);
    }
    assert_int_equal(cella_link_stream_count(host.link), CELLA_LINK_STREAMS_MAX);
    assert_int_equal(cella_link_open(host.link, CELLA_STREAM_CONNECTION, (struct cella_view){ 0 }, NULL, &stream),
                     CELLA_TOO_MANY);
    assert_int_equal(receive_frame(&host, 1, OPEN, "\2", 1), CELLA_TOO_MANY);
    cella_link_free(host.link);
}

static void test_peer_that_never_listens(void **state)
{
    (void) state;
    struct side host;
    greet(&host);
    host.refuse = true;
    /* Each refused stream costs an answer; nothing of it is taken. */
    cella_status status = CELLA_OK;
    uint32_t id = 1;
    for (; status == CELLA_OK && id < 2000000; id += 2) {
        status = receive_frame(&host, id, OPEN, "\2", 1);
        status = host.first != CELLA_OK ? host.first : status;
    }
    assert_int_equal(status, CELLA_TOO_MANY);
    assert_true(cella_link_pending(host.link).size <= CELLA_LINK_BACKLOG_MAX + 64);
    cella_link_free(host.link);
}

static void test_half_close_and_reset(void **state)
{
    (void) state;
    struct side host;
    struct side enclave;
    open_pair(&host, &enclave);
    struct seen_stream *put = open_stream(&enclave, CELLA_STREAM_PUT);
    put->to_send = 100000;
    push(&enclave, put);
    assert_int_equal(cella_link_end(enclave.link, put->stream), CELLA_OK);
    assert_int_equal(cella_link_end(enclave.link, put->stream), CELLA_BAD_STATE);
    settle(&host, &enclave);
    assert_int_equal(host.streams[0].received, 100000);
    assert_int_equal(host.streams[0].sum, put->sent_sum);
    assert_true(host.streams[0].ended && !host.streams[0].closed);
    assert_int_equal(cella_link_end(host.link, host.streams[0].stream), CELLA_OK);
    assert_true(host.streams[0].closed);
    settle(&host, &enclave);
    assert_true(put->closed && put->status == CELLA_OK);

    struct seen_stream *get = open_stream(&enclave, CELLA_STREAM_GET);
    settle(&host, &enclave);
    assert_int_equal(cella_link_reset(host.link, host.streams[1].stream, CELLA_OBJECT_MISSING), CELLA_OK);
    settle(&host, &enclave);
    assert_true(get->closed && get->status == CELLA_OBJECT_MISSING);
    assert_int_equal(cella_link_stream_count(host.link), 0);
    assert_int_equal(cella_link_stream_count(enclave.link), 0);
    close_pair(&host, &enclave);
}

static void test_notes(void **state)
{
    (void) state;
    struct side host;
    struct side enclave;
    static uint8_t bytes[CELLA_NOTE_MAX];
    open_pair(&host, &enclave);
    assert_int_equal(cella_link_note(enclave.link, CELLA_NOTE_LOG, cella_view_of(bytes, CELLA_NOTE_MAX - 1)),
                     CELLA_OK);
    assert_int_equal(cella_link_note(enclave.link, CELLA_NOTE_LOG, cella_view_of(bytes, CELLA_NOTE_MAX)),
                     CELLA_TOO_LARGE);
    assert_int_equal(cella_link_note(host.link, CELLA_NOTE_DRAIN, (struct cella_view){ 0 }), CELLA_OK);
    settle(&host, &enclave);
    assert_int_equal(host.notes, 1);
    assert_int_equal(enclave.notes, 1);
    close_pair(&host, &enclave);
}

static void test_free_closes_streams(void **state)
{
    (void) state;
    struct side host;
    struct side enclave;
    open_pair(&host, &enclave);
    for (int i = 0; i < 20; i++) {
        open_stream(&host, CELLA_STREAM_CONNECTION);
    }
    cella_link_free(host.link);
    for (int i = 0; i < 20; i++) {
        assert_true(host.streams[i].closed && host.streams[i].status == CELLA_CLOSED);
    }
    cella_link_free(enclave.link);
    cella_link_free(NULL);
}

/* Senders that wait for room, not for credit, are woken in turn, even when one of them has nothing more to say. */
static void test_crowded_senders_all_go_on(void **state)
{
    (void) state;
    struct side host;
    struct side enclave;
    open_pair(&host, &enclave);
    for (int i = 0; i < 16; i++) {
        struct seen_stream *seen = open_stream(&host, CELLA_STREAM_CONNECTION);
        seen->to_send = 3000000;
        push(&host, seen);
    }
    host.streams[0].to_send = 0; /* the first that is woken stays silent */
    settle(&host, &enclave);
    for (int i = 1; i < 16; i++) {
        assert_int_equal(host.streams[i].to_send, 0);
        assert_int_equal(enclave.streams[i].received, 3000000);
        assert_int_equal(enclave.streams[i].sum, host.streams[i].sent_sum);
    }
    close_pair(&host, &enclave);
}

static void test_room(void **state)
{
    (void) state;
    struct side host;
    struct side enclave;
    open_pair(&host, &enclave);
    struct seen_stream *seen = open_stream(&host, CELLA_STREAM_CONNECTION);
    settle(&host, &enclave);
    enclave.keep = true;
    assert_true(cella_link_room(host.link, seen->stream, CELLA_LINK_WINDOW / 2));
    seen->to_send = CELLA_LINK_WINDOW - 10;
    push(&host, seen);
    settle(&host, &enclave);
    assert_true(cella_link_room(host.link, seen->stream, 10));
    assert_false(cella_link_room(host.link, seen->stream, 11));
    seen->to_send = 100;
    struct seen_stream *there = &enclave.streams[0];
    assert_int_equal(cella_link_consumed(enclave.link, there->stream, there->held), CELLA_OK);
    settle(&host, &enclave); /* writable pushes */
    assert_int_equal(seen->to_send, 0);
    close_pair(&host, &enclave);
}

/* A sender that wants more credit than it has is not woken for the little that is left, whatever room there is. */
static void test_no_wake_for_too_little_credit(void **state)
{
    (void) state;
    struct side host;
    struct side enclave;
    open_pair(&host, &enclave);
    struct seen_stream *picky = open_stream(&host, CELLA_STREAM_CONNECTION);
    enclave.keep = true;
    picky->to_send = CELLA_LINK_WINDOW - 10;
    push(&host, picky);
    settle(&host, &enclave);
    host.asks = 11;
    assert_false(cella_link_room(host.link, picky->stream, host.asks));
    for (int i = 0; i < 4; i++) {
        struct seen_stream *seen = open_stream(&host, CELLA_STREAM_CONNECTION);
        seen->to_send = CELLA_LINK_WINDOW;
        push(&host, seen);
    }
    settle(&host, &enclave);
    for (int i = 1; i < 5; i++) {
        assert_int_equal(host.streams[i].to_send, 0);
    }
    host.asks = 0;
    assert_int_equal(cella_link_consumed(enclave.link, enclave.streams[0].stream, enclave.streams[0].held), CELLA_OK);
    picky->to_send = 11;
    settle(&host, &enclave);
    assert_int_equal(picky->to_send, 0);
    close_pair(&host, &enclave);
}

/* An answer goes out whole even when bulk data has to wait. */
static void test_answers_do_not_wait_for_room(void **state)
{
    (void) state;
    static const uint8_t answer[CELLA_LINK_ANSWER_MAX + 1] = { 1 };
    struct side host;
    struct side enclave;
    size_t accepted;
    open_pair(&host, &enclave);
    for (int i = 0; i < 4; i++) {
        struct seen_stream *seen = open_stream(&host, CELLA_STREAM_CONNECTION);
        seen->to_send = CELLA_LINK_WINDOW;
        push(&host, seen);
    }
    struct seen_stream *late = open_stream(&host, CELLA_STREAM_CONNECTION);
    assert_int_equal(cella_link_send(host.link, late->stream, cella_view_of(answer, 4), &accepted), CELLA_OK);
    assert_int_equal(accepted, 0);
    assert_int_equal(cella_link_answer(host.link, late->stream, cella_view_of(answer, 4)), CELLA_OK);
    assert_int_equal(cella_link_answer(host.link, late->stream, cella_view_of(answer, sizeof(answer))),
                     CELLA_BAD_STATE);
    settle(&host, &enclave);
    assert_int_equal(enclave.streams[4].received, 4);
    close_pair(&host, &enclave);
}

/* ---- random interleavings ---- */

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525U + 1013904223U;
    return *seed >> 8;
}

static void act(struct side *side, uint32_t *seed)
{
    uint32_t choice = next_random(seed) % 8;
    struct seen_stream *seen = side->count > 0 ? &side->streams[next_random(seed) % side->count] : NULL;
    if (choice == 0 && side->count < STREAMS_MAX / 2) {
        open_stream(side, side->hellos > 0 ? CELLA_STREAM_CONNECTION : CELLA_STREAM_PUT);
    } else if (seen == NULL || seen->stream == NULL) {
        return;
    } else if (choice == 1 && !seen->end_sent && seen->to_send == 0) {
        seen->end_sent = true;
        note_status(side, cella_link_end(side->link, seen->stream));
    } else if (choice == 2 && next_random(seed) % 16 == 0) {
        note_status(side, cella_link_reset(side->link, seen->stream, CELLA_CANCELLED));
        seen->stream = NULL;
        seen->closed = true;
        seen->status = CELLA_CANCELLED;
    } else if (choice == 3 && seen->held > 0) {
        size_t size = 1 + next_random(seed) % seen->held;
        note_status(side, cella_link_consumed(side->link, seen->stream, size));
        seen->held -= size;
    } else if (!seen->end_sent) {
        seen->to_send += next_random(seed) % 200000;
        push(side, seen);
    }
}

static const struct seen_stream *find(const struct side *side, uint32_t id)
{
    for (size_t i = 0; i < side->count; i++) {
        if (side->streams[i].id == id) {
            return &side->streams[i];
        }
    }
    return NULL;
}

static void compare(const struct side *from, const struct side *to)
{
    for (size_t i = 0; i < from->count; i++) {
        const struct seen_stream *here = &from->streams[i];
        const struct seen_stream *there = find(to, here->id);
        if (there != NULL && (!here->closed || here->status == CELLA_OK)) {
            assert_int_equal(here->sent, there->received);
            assert_int_equal(here->sent_sum, there->sum);
        }
    }
}

static void release_all(struct side *side)
{
    side->keep = false;
    for (size_t i = 0; i < side->count; i++) {
        struct seen_stream *seen = &side->streams[i];
        if (seen->stream != NULL && seen->held > 0) {
            note_status(side, cella_link_consumed(side->link, seen->stream, seen->held));
            seen->held = 0;
        }
    }
}

static void test_random_interleavings(void **state)
{
    (void) state;
    for (uint32_t round = 0; round < 60; round++) {
        uint32_t seed = round * 7919U + 1;
        struct side host;
        struct side enclave;
        open_pair(&host, &enclave);
        host.keep = round % 3 == 0;
        enclave.keep = round % 5 == 0;
        for (int i = 0; i < 400; i++) {
            act(next_random(&seed) % 2 == 0 ? &host : &enclave, &seed);
            assert_int_equal(move_bytes(&host, &enclave, next_random(&seed) % 300000), CELLA_OK);
            assert_int_equal(move_bytes(&enclave, &host, next_random(&seed) % 300000), CELLA_OK);
        }
        release_all(&host);
        release_all(&enclave);
        settle(&host, &enclave);
        compare(&host, &enclave);
        compare(&enclave, &host);
        for (size_t i = 0; i < host.count; i++) {
            assert_true(host.streams[i].closed || host.streams[i].to_send == 0);
        }
        assert_int_equal(cella_link_stream_count(host.link), cella_link_stream_count(enclave.link));
        close_pair(&host, &enclave);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hello),
        cmocka_unit_test(test_host_is_silent_before_hello),
        cmocka_unit_test(test_malformed_headers),
        cmocka_unit_test(test_malformed_frames),
        cmocka_unit_test(test_malformed_on_open_stream),
        cmocka_unit_test(test_ids_grow),
        cmocka_unit_test(test_data_after_end),
        cmocka_unit_test(test_credit_is_held),
        cmocka_unit_test(test_forgotten_streams_are_ignored),
        cmocka_unit_test(test_streams_limit),
        cmocka_unit_test(test_peer_that_never_listens),
        cmocka_unit_test(test_half_close_and_reset),
        cmocka_unit_test(test_notes),
        cmocka_unit_test(test_free_closes_streams),
        cmocka_unit_test(test_crowded_senders_all_go_on),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_no_wake_for_too_little_credit),
        cmocka_unit_test(test_answers_do_not_wait_for_room),
        cmocka_unit_test(test_random_interleavings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
