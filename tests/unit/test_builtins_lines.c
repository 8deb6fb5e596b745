/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "builtin_input.h"
#include "builtins/lines.h"

/* Lines of an input, each followed by |. */
static cella_status joined(struct cella_builtin_call *call, struct cella_builtin_input *input, struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_lines_release) struct cella_lines lines = { 0 };
    cella_lines_begin(&lines, input);
    for (bool there = true; there;) {
        CELLA_TRY(cella_lines_next(call, &lines, &there));
        if (there) {
            CELLA_TRY(cella_bytes_append(out, lines.line));
            CELLA_TRY(cella_bytes_append(out, cella_view_of("|", 1)));
        }
    }
    return CELLA_OK;
}

static void expect(struct cella_view text, const char *expected)
{
    for (size_t piece = 0; piece < 4; piece++) {
        struct piecewise from = { text, piece };
        struct cella_builtin_input input = piece == 0 ? input_of(text) : input_stream(&from);
        struct cella_builtin_call call = { .threads = 1 };
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
        assert_int_equal(joined(&call, &input, &out), CELLA_OK);
        assert_true(cella_view_is(cella_bytes_view(&out), expected));
    }
}

static void test_lines(void **state)
{
    (void) state;
    expect(cella_view_of(NULL, 0), "");
    expect(cella_view_of_string("a"), "a|");
    expect(cella_view_of_string("a\n"), "a|");
    expect(cella_view_of_string("\n"), "|");
    expect(cella_view_of_string("a\r\nb\n\nc"), "a|b||c|");
    expect(cella_view_of_string("a\rb\r\n\r"), "a\rb|\r|");
    expect(cella_view_of_string("\xef\xbb\xbf"), "");
    expect(cella_view_of_string("\xef\xbb\xbf" "a\n\xef\xbb\xbf" "b"), "a|\xef\xbb\xbf" "b|");
}

static void test_trim(void **state)
{
    (void) state;
    assert_true(cella_view_is(cella_lines_trim(cella_view_of_string(" \t a b\r ")), "a b"));
    assert_true(cella_view_is(cella_lines_trim(cella_view_of_string(" \t\r")), ""));
}

/* Longer than the window: it moves and grows. */
static void test_long_stream(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    for (size_t i = 0; i < 3000; i++) {
        size_t at = text.size;
        assert_int_equal(cella_bytes_resize(&text, at + i * 7919 % (i % 500 == 0 ? 700000 : 900) + 1), CELLA_OK);
        memset(text.data + at, 'a' + (int) (i % 26), text.size - at);
        text.data[text.size - 1] = '\n';
    }
    struct cella_builtin_input whole = input_of(cella_bytes_view(&text));
    struct piecewise from = { cella_bytes_view(&text), 5000 };
    struct cella_builtin_input stream = input_stream(&from);
    struct cella_builtin_call call = { .threads = 1 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes one = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes two = { 0 };
    assert_int_equal(joined(&call, &whole, &one), CELLA_OK);
    assert_int_equal(joined(&call, &stream, &two), CELLA_OK);
    assert_int_equal(one.size, text.size);
    assert_true(cella_view_equal(cella_bytes_view(&one), cella_bytes_view(&two)));
}

static cella_status endless(void *context, uint8_t *to, size_t size, size_t *got)
{
    (void) context;
    memset(to, 'x', size);
    *got = size;
    return CELLA_OK;
}

static void test_endless_line(void **state)
{
    (void) state;
    struct cella_builtin_input input = { .name = "data", .read = endless };
    struct cella_builtin_call call = { .threads = 1 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
    assert_int_equal(joined(&call, &input, &out), CELLA_BUILTIN_FAILED);
    assert_string_equal(call.message, "data, line 1: is longer than 16777216 bytes");
}

static cella_status broken(void *context, uint8_t *to, size_t size, size_t *got)
{
    (void) context;
    (void) to;
    (void) size;
    (void) got;
    return CELLA_SYSTEM_FAILED;
}

static void test_broken_stream(void **state)
{
    (void) state;
    struct cella_builtin_input input = { .name = "data", .read = broken };
    struct cella_builtin_call call = { .threads = 1 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
    assert_int_equal(joined(&call, &input, &out), CELLA_SYSTEM_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),        cmocka_unit_test(test_trim),          cmocka_unit_test(test_long_stream),
        cmocka_unit_test(test_endless_line), cmocka_unit_test(test_broken_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
