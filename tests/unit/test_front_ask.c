/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "monitor/ask.h"

struct waiter {
    int answers;
    int objects;
    cella_status status;
    char body[64];
    uint64_t size;
};

static void on_answered(void *user, cella_status status, struct cella_view body)
{
    struct waiter *waiter = user;
    waiter->answers++;
    waiter->status = status;
    snprintf(waiter->body, sizeof(waiter->body), "%.*s", (int) body.size, (const char *) body.data);
}

static void on_object(void *user, struct cella_view id, uint64_t size, struct cella_view digest)
{
    struct waiter *waiter = user;
    (void) digest;
    waiter->objects++;
    waiter->size = size;
    snprintf(waiter->body, sizeof(waiter->body), "%.*s", (int) id.size, (const char *) id.data);
}

struct certificate {
    int count;
    size_t cmw;
    size_t tcg;
};
static struct certificate certificate;

static void on_certificate(void *context, struct cella_view cmw, struct cella_view tcg)
{
    struct certificate *seen = context;
    *seen = (struct certificate){ seen->count + 1, cmw.size, tcg.size };
}

static const struct cella_ask_events events = { on_answered, on_object, on_certificate };
static const uint8_t zeros[64];
#define OBJECT_NAME "0123456789abcdef0123456789abcdef"

static struct cella_ask *make(void)
{
    struct cella_ask *ask = cella_ask_new(&events, &certificate, zeros);
    assert_non_null(ask);
    cella_ask_sent(ask, cella_ask_pending(ask).size);
    return ask;
}

/* Kind and id of the only pending message, which is then taken. */
static uint8_t take_message(struct cella_ask *ask, uint32_t *id, struct cella_bytes *payload)
{
    struct cella_view pending = cella_ask_pending(ask);
    struct cella_reader reader = cella_reader_of(pending);
    uint32_t size;
    uint8_t kind;
    assert_int_equal(cella_read_u32(&reader, &size), CELLA_OK);
    assert_int_equal(cella_read_u32(&reader, id), CELLA_OK);
    assert_int_equal(cella_read_u8(&reader, &kind), CELLA_OK);
    assert_int_equal(size, pending.size - 4);
    assert_int_equal(cella_bytes_set(payload, reader.rest), CELLA_OK);
    cella_ask_sent(ask, pending.size);
    return kind;
}

static cella_status tell(struct cella_ask *ask, uint32_t id, uint8_t kind, struct cella_view payload)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    assert_int_equal(cella_write_u32(&text, 5 + (uint32_t) payload.size), CELLA_OK);
    assert_int_equal(cella_write_u32(&text, id), CELLA_OK);
    assert_int_equal(cella_write_u8(&text, kind), CELLA_OK);
    assert_int_equal(cella_bytes_append(&text, payload), CELLA_OK);
    /* In two pieces, as a socket may deliver them. */
    size_t half = text.size / 2;
    CELLA_TRY(cella_ask_receive(ask, cella_view_of(text.data, half)));
    return cella_ask_receive(ask, cella_view_of(text.data + half, text.size - half));
}

static cella_status tell_object(struct cella_ask *ask, uint32_t id, const char *name, size_t digest_size)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes payload = { 0 };
    assert_int_equal(cella_write_field(&payload, cella_view_of_string(name)), CELLA_OK);
    assert_int_equal(cella_write_u64(&payload, 77), CELLA_OK);
    assert_int_equal(cella_write_field(&payload, cella_view_of(zeros, digest_size)), CELLA_OK);
    return tell(ask, id, CELLA_REQUEST_OBJECT, cella_bytes_view(&payload));
}

static void test_hello_and_answer(void **state)
{
    (void) state;
    struct waiter waiter = { 0 };
    uint32_t id;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes payload = { 0 };
    struct cella_ask *ask = cella_ask_new(&events, &certificate, zeros);
    assert_int_equal(take_message(ask, &id, &payload), CELLA_REQUEST_HELLO);
    assert_int_equal(payload.size, 32);
    uint32_t question;
    assert_int_equal(cella_ask_session(ask, true, zeros, zeros, &waiter, &question), CELLA_OK);
    assert_int_equal(take_message(ask, &id, &payload), CELLA_REQUEST_SESSION);
    assert_int_equal(payload.size, 1 + 36 + 36);
    assert_int_equal(id, question);
    assert_int_equal(tell(ask, id, CELLA_REQUEST_ANSWER, cella_view_of("\0\0\0\0{}", 6)), CELLA_OK);
    assert_true(waiter.answers == 1 && waiter.status == CELLA_OK && strcmp(waiter.body, "{}") == 0);
    /* A second answer finds nobody. */
    assert_int_equal(tell(ask, id, CELLA_REQUEST_ANSWER, cella_view_of("\0\0\0\0{}", 6)), CELLA_OK);
    assert_int_equal(waiter.answers, 1);
    cella_ask_free(ask);
}

static void test_upload(void **state)
{
    (void) state;
    struct waiter waiter = { 0 };
    uint32_t question;
    uint32_t id;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes payload = { 0 };
    struct cella_ask *ask = make();
    assert_int_equal(cella_ask_request(ask, CELLA_REQUEST_UPLOAD, cella_view_of_string("a.b.c"), &waiter, &question),
                     CELLA_OK);
    assert_int_equal(take_message(ask, &id, &payload), CELLA_REQUEST_UPLOAD);
    assert_int_equal(cella_ask_uploaded(ask, question, CELLA_OK), CELLA_INTERNAL); /* too early */
    assert_int_equal(tell_object(ask, question, OBJECT_NAME, 32), CELLA_OK);
    assert_true(waiter.objects == 1 && waiter.size == 77 && strcmp(waiter.body, OBJECT_NAME) == 0);
    assert_int_equal(cella_ask_uploaded(ask, question, CELLA_STORE_FULL), CELLA_OK);
    assert_int_equal(take_message(ask, &id, &payload), CELLA_REQUEST_UPLOADED);
    assert_true(id == question && payload.size == 40 && payload.data[39] == (CELLA_STORE_FULL & 255));
    assert_int_equal(tell(ask, id, CELLA_REQUEST_ANSWER, cella_view_of("\0\0\2\136{}", 6)), CELLA_OK);
    assert_true(waiter.answers == 1 && waiter.status == CELLA_STORE_FULL);
    cella_ask_free(ask);
}

static void test_gone(void **state)
{
    (void) state;
    struct waiter waiter = { 0 };
    uint32_t question;
    uint32_t id;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes payload = { 0 };
    struct cella_ask *ask = make();
    assert_int_equal(cella_ask_request(ask, CELLA_REQUEST_REQUEST, cella_view_of_string("a"), &waiter, &question),
                     CELLA_OK);
    assert_int_equal(take_message(ask, &id, &payload), CELLA_REQUEST_REQUEST);
    assert_int_equal(cella_ask_gone(ask, question), CELLA_OK);
    assert_int_equal(take_message(ask, &id, &payload), CELLA_REQUEST_GONE);
    assert_int_equal(tell(ask, question, CELLA_REQUEST_ANSWER, cella_view_of(zeros, 4)), CELLA_OK);
    /* An upload that is allowed after its client has gone is given back. */
    assert_int_equal(cella_ask_request(ask, CELLA_REQUEST_UPLOAD, cella_view_of_string("a"), &waiter, &question),
                     CELLA_OK);
    assert_int_equal(take_message(ask, &id, &payload), CELLA_REQUEST_UPLOAD);
    assert_int_equal(cella_ask_gone(ask, question), CELLA_OK);
    assert_int_equal(cella_ask_pending(ask).size, 0);
    assert_int_equal(tell_object(ask, question, OBJECT_NAME, 32), CELLA_OK);
    assert_int_equal(take_message(ask, &id, &payload), CELLA_REQUEST_UPLOADED);
    assert_int_equal(tell(ask, question, CELLA_REQUEST_ANSWER, cella_view_of(zeros, 4)), CELLA_OK);
    /* One that had begun is given up. */
    assert_int_equal(cella_ask_request(ask, CELLA_REQUEST_UPLOAD, cella_view_of_string("a"), &waiter, &question),
                     CELLA_OK);
    assert_int_equal(take_message(ask, &id, &payload), CELLA_REQUEST_UPLOAD);
    assert_int_equal(tell_object(ask, question, OBJECT_NAME, 32), CELLA_OK);
    assert_int_equal(cella_ask_gone(ask, question), CELLA_OK);
    assert_int_equal(take_message(ask, &id, &payload), CELLA_REQUEST_UPLOADED);
    assert_int_equal(cella_ask_gone(ask, question), CELLA_OK); /* twice does no harm */
    assert_true(waiter.answers == 0 && waiter.objects == 1);
    cella_ask_free(ask);
}

static void test_breaches(void **state)
{
    (void) state;
    static const struct {
        uint32_t id;
        uint8_t kind;
        const char *payload;
        size_t size;
    } wrong[] = {
        { 0, CELLA_REQUEST_ANSWER, "\0\0\0\0", 4 }, { 2, CELLA_REQUEST_ANSWER, "\0\0\0\0", 4 },
        { 1, CELLA_REQUEST_ANSWER, "\0\0\0", 3 },   { 1, CELLA_REQUEST_HELLO, "", 0 },
        { 1, CELLA_REQUEST_OBJECT, "", 0 },         { 1, 99, "", 0 },
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct waiter waiter = { 0 };
        uint32_t question;
        struct cella_ask *ask = make();
        assert_int_equal(cella_ask_request(ask, CELLA_REQUEST_REQUEST, cella_view_of_string("a"), &waiter, &question),
                         CELLA_OK);
        assert_int_equal(question, 1);
        assert_int_equal(tell(ask, wrong[i].id, wrong[i].kind, cella_view_of(wrong[i].payload, wrong[i].size)),
                         CELLA_BAD_FRAME);
        cella_ask_free(ask);
    }
    static const uint8_t sizes[][9] = { { 0, 0, 0, 4, 0, 0, 0, 1, 16 }, { 255, 0, 0, 4, 0, 0, 0, 1, 16 } };
    for (size_t i = 0; i < 2; i++) {
        struct cella_ask *ask = make();
        assert_int_equal(cella_ask_receive(ask, cella_view_of(sizes[i], 9)), CELLA_BAD_FRAME);
        cella_ask_free(ask);
    }
}

static void test_objects_that_do_not_fit(void **state)
{
    (void) state;
    static const struct {
        enum cella_request_kind kind;
        const char *name;
        size_t digest;
    } wrong[] = {
        { CELLA_REQUEST_REQUEST, OBJECT_NAME, 0 },   { CELLA_REQUEST_UPLOAD, OBJECT_NAME, 0 },
        { CELLA_REQUEST_UPLOAD, OBJECT_NAME, 31 },   { CELLA_REQUEST_DOWNLOAD, OBJECT_NAME, 32 },
        { CELLA_REQUEST_DOWNLOAD, "short", 0 },
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct waiter waiter = { 0 };
        uint32_t question;
        struct cella_ask *ask = make();
        assert_int_equal(cella_ask_request(ask, wrong[i].kind, cella_view_of_string("a"), &waiter, &question),
                         CELLA_OK);
        assert_int_equal(tell_object(ask, question, wrong[i].name, wrong[i].digest), CELLA_BAD_FRAME);
        cella_ask_free(ask);
    }
}

static void test_certificate(void **state)
{
    (void) state;
    static const uint8_t fields[] = { 0, 0, 0, 2, 'a', 'b', 0, 0, 0, 1, 'c' };
    static const uint8_t empty[8] = { 0 };
    static const uint8_t large[] = { 0, 0, 0xff, 0xff, 0, 0, 0, 0 };
    struct cella_ask *ask = make();
    certificate = (struct certificate){ 0 };
    assert_int_equal(tell(ask, 0, CELLA_REQUEST_CERTIFICATE, cella_view_of(fields, sizeof(fields))), CELLA_OK);
    assert_true(certificate.count == 1 && certificate.cmw == 2 && certificate.tcg == 1);
    assert_int_equal(tell(ask, 0, CELLA_REQUEST_CERTIFICATE, cella_view_of(empty, sizeof(empty))), CELLA_OK);
    assert_true(certificate.count == 2 && certificate.cmw == 0 && certificate.tcg == 0);
    for (size_t size = 0; size < sizeof(fields); size++) {
        struct cella_ask *other = make();
        assert_int_equal(tell(other, 0, CELLA_REQUEST_CERTIFICATE, cella_view_of(fields, size)), CELLA_BAD_FRAME);
        cella_ask_free(other);
    }
    assert_int_equal(tell(ask, 0, CELLA_REQUEST_CERTIFICATE, cella_view_of(large, sizeof(large))), CELLA_BAD_FRAME);
    cella_ask_free(ask);
    ask = make();
    assert_int_equal(tell(ask, 1, CELLA_REQUEST_CERTIFICATE, cella_view_of(fields, sizeof(fields))), CELLA_BAD_FRAME);
    assert_int_equal(certificate.count, 2);
    cella_ask_free(ask);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hello_and_answer), cmocka_unit_test(test_upload),
        cmocka_unit_test(test_gone),             cmocka_unit_test(test_breaches),
        cmocka_unit_test(test_objects_that_do_not_fit), cmocka_unit_test(test_certificate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
