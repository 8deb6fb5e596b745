/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "front/http.h"

/* Gate and parser together, fed in pieces of a given size. Gives the HTTP status of the refusal, 0 when accepted. */
static unsigned int judge(const char *text, size_t size, size_t piece, struct cella_http_head *out)
{
    size_t scanned = 0;
    size_t head = 0;
    for (size_t have = 0; have < size && head == 0;) {
        have = size - have < piece ? size : have + piece;
        cella_status status = cella_http_gate(cella_view_of(text, have), &scanned, &head);
        if (status != CELLA_OK) {
            return status == CELLA_TOO_LARGE ? 413 : 400;
        }
    }
    if (head == 0) {
        return 1; /* incomplete */
    }
    cella_status status = cella_http_parse(cella_view_of(text, head), out);
    assert_int_equal(status == CELLA_OK, out->refusal == 0);
    return out->refusal;
}

struct text {
    const char *text;
    size_t size;
    unsigned int refusal;
};
#define TEXT(text, refusal) { (text), sizeof(text) - 1, (refusal) }

static void check_all(const struct text *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t piece = 1; piece <= texts[i].size; piece = piece < 4 ? piece + 1 : texts[i].size + 1) {
            struct cella_http_head head;
            unsigned int refusal = judge(texts[i].text, texts[i].size, piece, &head);
            if (refusal != texts[i].refusal) {
                print_error("%s\n", texts[i].text);
            }
            assert_int_equal(refusal, texts[i].refusal);
        }
        struct cella_http_head head;
        assert_int_equal(judge(texts[i].text, texts[i].size, texts[i].size, &head), texts[i].refusal);
    }
}

#define R "\r\n"
#define POST "POST / HTTP/1.1" R "Host: a" R
#define GET "GET / HTTP/1.1" R "Host: a" R

/* Forms behind published request smuggling bugs. */
static void test_smuggling(void **state)
{
    (void) state;
    static const struct text texts[] = {
        TEXT(POST "Content-Length: 4" R "Transfer-Encoding: chunked" R R "0" R R, 411),
        TEXT(POST "Transfer-Encoding: chunked" R "Content-Length: 4" R R "0" R R, 411),
        TEXT(POST "Transfer-Encoding: chunked" R R "0" R R, 411),
        TEXT(GET "Transfer-Encoding: chunked" R R "0" R R, 411),
        TEXT(POST "Content-Length: 4" R "Content-Length: 5" R R "abcd", 400),
        TEXT(POST "Content-Length: 4" R "Content-Length: 4" R R "abcd", 400),
        TEXT(GET "X: a" R " b" R R, 400),
        TEXT(GET "X: a" R "\tb" R R, 400),
        TEXT(POST "X-Abc: \rxTransfer-Encoding: chunked" R R "0" R R, 400),
        TEXT(POST " Content-Length: 4" R R "abcd", 400),
        TEXT(GET "\rX: y" R R, 400),
        TEXT(GET "X: y" R "\rX: z" R R, 400),
        TEXT("GET / HTTP/1.1\nHost: a\n\n", 400),
        TEXT("GET / HTTP/1.1" R "Host: a\n" R, 400),
        TEXT(GET "Connection: upgrade" R "Upgrade: h2c" R R, 400),
        TEXT(GET "Connection: Upgrade" R R, 400),
        TEXT(GET "Connection: keep-alive , upgrade" R R, 400),
        TEXT(GET "Upgrade: websocket" R R, 400),
        TEXT("CONNECT / HTTP/1.1" R "Host: a" R R, 400),
        TEXT("CONNECT a:1 HTTP/1.1" R "Host: a" R R, 400),
    };
    check_all(texts, sizeof(texts) / sizeof(texts[0]));
}

/* What llhttp refuses by itself: that it still does is part of the bargain. */
static void test_parser_refuses(void **state)
{
    (void) state;
    static const struct text texts[] = {
        TEXT(POST "Content-Length : 4" R R, 400),
        TEXT(POST "Content-Length\t: 4" R R, 400),
        TEXT(POST "Content-Length: +4" R R, 400),
        TEXT(POST "Content-Length: -4" R R, 400),
        TEXT(POST "Content-Length: 4, 4" R R, 400),
        TEXT(POST "Content-Length: 4 4" R R, 400),
        TEXT(POST "Content-Length: 0x4" R R, 400),
        TEXT(POST "Content-Length:" R R, 400),
        TEXT(POST "Content-Length: " R R, 400),
        TEXT(POST "Content-Length: 99999999999999999999999" R R, 400),
        TEXT(POST "Content-Length: 4\t" R R, 400),
        TEXT(POST "Transfer-Encoding: identity" R R, 411),
        TEXT(POST "Transfer-Encoding: xchunked" R R, 411),
        TEXT(POST "Transfer-Encoding: \x0b" "chunked" R R, 400),
        TEXT(GET "X: a\0b" R R, 400),
        TEXT(GET "NoColon" R R, 400),
        TEXT(GET "Bad Name: x" R R, 400),
        TEXT(GET "Bad(Name: x" R R, 400),
        TEXT("FOO / HTTP/1.1" R "Host: a" R R, 400),
        TEXT("get / HTTP/1.1" R "Host: a" R R, 400),
        TEXT("GET / HTTP/1.2" R "Host: a" R R, 400),
        TEXT("GET /\tHTTP/1.1" R "Host: a" R R, 400),
        TEXT("GET / HTTP/1.1\r\r\nHost: a" R R, 400),
        TEXT("PRI * HTTP/2.0" R R "SM" R R, 400),
        TEXT("GET / HTTP/1.1" R " Host: a" R R, 400),
    };
    check_all(texts, sizeof(texts) / sizeof(texts[0]));
}

/* What both gate and llhttp would let through. */
static void test_own_checks(void **state)
{
    (void) state;
    static const struct text texts[] = {
        TEXT(R GET R, 400),
        TEXT(R R GET R, 400),
        TEXT(" " GET R, 400),
        TEXT(POST "Content-Length: 18446744073709551615" R R, 413),
        TEXT(POST "Content-Length: 9999999999999999999" R R, 413),
        TEXT(POST "Content-Length: 004" R R "abcd", 400),
        TEXT(POST "Content-Length: 00" R R, 400),
        TEXT("GET / HTTP/1.1" R R, 400),
        TEXT("GET / HTTP/1.1" R "X: y" R R, 400),
        TEXT(GET "Host: b" R R, 400),
        TEXT(GET "Host: a" R R, 400),
        TEXT("GET / HTTP/1.0" R "Host: a" R R, 400),
        TEXT("GET / HTTP/2.0" R "Host: a" R R, 400),
        TEXT("GET / HTTP/0.9" R "Host: a" R R, 400),
        TEXT("GET /" R R, 400),
        TEXT("GET http://b/ HTTP/1.1" R "Host: a" R R, 400),
        TEXT("GET * HTTP/1.1" R "Host: a" R R, 400),
        TEXT("OPTIONS * HTTP/1.1" R "Host: a" R R, 400),
        TEXT("GET /#x HTTP/1.1" R "Host: a" R R, 400),
        TEXT("GET /\xc3\xa4 HTTP/1.1" R "Host: a" R R, 400),
        TEXT(GET "X: \xc3\xa4" R R, 400),
        TEXT(GET "X: \x7f" R R, 400),
        TEXT(GET "X: \x01" R R, 400),
        TEXT("GET  / HTTP/1.1" R "Host: a" R R, 400),
        TEXT("GET /  HTTP/1.1" R "Host: a" R R, 400),
        TEXT("GET / HTTP/1.1 " R "Host: a" R R, 400),
        TEXT(GET ": x" R R, 400),
        TEXT(POST "Content-Length: 4" R "Transfer_Encoding: chunked" R R, 400),
        TEXT(GET "X_Y: z" R R, 400),
        TEXT(GET "Content-Length: 4" R R "abcd", 400),
        TEXT("POST / HTTP/1.1" R "Host: a" R R, 411),
        TEXT("PUT / HTTP/1.1" R "Host: a" R R, 411),
        TEXT(POST "Content-Length: 4" R "Expect: something" R R, 417),
        TEXT(GET "Cella-Request: a" R "Cella-Request: b" R R, 400),
    };
    check_all(texts, sizeof(texts) / sizeof(texts[0]));
}

static void test_accepted(void **state)
{
    (void) state;
    static const struct text texts[] = {
        TEXT(GET R, 0),
        TEXT(GET R GET R, 0), /* the second request is the next head */
        TEXT(GET "Content-Length: 0" R R, 0),
        TEXT(POST "Content-Length: 4" R R "abcd", 0),
        TEXT(POST "content-LENGTH: 4" R R "abcd", 0),
        TEXT(GET "X:" R R, 0),
        TEXT(GET "X:\ta\tb" R R, 0),
        TEXT(GET "Connection: keep-alive" R R, 0),
        TEXT("DELETE / HTTP/1.1" R "Host: a" R R, 0),
        TEXT("GET /?a=b&c=%20 HTTP/1.1" R "Host: a:1" R R, 0),
    };
    check_all(texts, sizeof(texts) / sizeof(texts[0]));
}

static void test_incomplete(void **state)
{
    (void) state;
    static const struct text texts[] = { TEXT("GET / HTTP/1.1" R "Host: a" R, 1), TEXT("G", 1), TEXT(GET "\r", 1) };
    check_all(texts, sizeof(texts) / sizeof(texts[0]));
}

static void test_fields(void **state)
{
    (void) state;
    struct cella_http_head head;
    static const char text[] = "PUT /v1/objects HTTP/1.1" R "Host: a" R "Content-Length: 123456789012345" R
                               "Expect: 100-Continue" R "cella-request:  a.b.c " R "Connection: x, Close" R R;
    assert_int_equal(judge(text, sizeof(text) - 1, sizeof(text), &head), 0);
    assert_int_equal(head.method, CELLA_HTTP_PUT);
    assert_string_equal(head.path, "/v1/objects");
    assert_true(head.has_length && head.length == 123456789012345U);
    assert_true(head.expects_continue && head.closes);
    assert_true(head.request.size >= 5 && memcmp(head.request.data, "a.b.c", 5) == 0);
    static const char plain[] = GET R;
    assert_int_equal(judge(plain, sizeof(plain) - 1, sizeof(plain), &head), 0);
    assert_true(head.method == CELLA_HTTP_GET && !head.has_length && !head.expects_continue && !head.closes);
    assert_int_equal(head.request.size, 0);
}

static void test_long_path_is_no_route(void **state)
{
    (void) state;
    struct cella_http_head head;
    char text[512];
    char path[200];
    memset(path, 'a', sizeof(path));
    path[0] = '/';
    int size = snprintf(text, sizeof(text), "GET %.200s HTTP/1.1" R "Host: a" R R, path);
    assert_int_equal(judge(text, (size_t) size, (size_t) size, &head), 0);
    assert_string_equal(head.path, "");
}

static void test_head_limit(void **state)
{
    (void) state;
    static char text[CELLA_HTTP_HEAD_MAX + 64];
    static const char start[] = GET "X: ";
    struct cella_http_head head;
    memset(text, 'x', sizeof(text));
    memcpy(text, start, sizeof(start) - 1);
    assert_int_equal(judge(text, sizeof(text), 1000, &head), 413);
    memcpy(text + CELLA_HTTP_HEAD_MAX - 4, R R, 4);
    assert_int_equal(judge(text, sizeof(text), 1000, &head), 0);
    memset(text + CELLA_HTTP_HEAD_MAX - 4, 'x', 4);
    memcpy(text + CELLA_HTTP_HEAD_MAX - 3, R R, 4);
    assert_int_equal(judge(text, sizeof(text), 1000, &head), 413);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smuggling),   cmocka_unit_test(test_parser_refuses),
        cmocka_unit_test(test_own_checks),  cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_incomplete),  cmocka_unit_test(test_fields),
        cmocka_unit_test(test_head_limit),  cmocka_unit_test(test_long_path_is_no_route),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
