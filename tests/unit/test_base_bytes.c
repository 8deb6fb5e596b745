/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bytes.h"

static void test_views(void **state)
{
    (void) state;
    struct cella_view empty = { 0 };
    assert_true(cella_view_equal(empty, cella_view_of("", 0)));
    assert_true(cella_view_is(cella_view_of_string("abc"), "abc"));
    assert_false(cella_view_is(cella_view_of_string("abc"), "abcd"));
    assert_false(cella_view_is(cella_view_of_string("abc"), "abd"));
    assert_true(cella_view_is(empty, ""));
}

static void test_append_grow_consume(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes bytes = { 0 };
    for (unsigned int i = 0; i < 1000; i++) {
        uint8_t byte = (uint8_t) i;
        assert_int_equal(cella_bytes_append(&bytes, cella_view_of(&byte, 1)), CELLA_OK);
    }
    assert_int_equal(bytes.size, 1000);
    assert_int_equal(bytes.data[999], 999 & 255);
    cella_bytes_consume(&bytes, 990);
    assert_int_equal(bytes.size, 10);
    assert_int_equal(bytes.data[0], 990 & 255);
    cella_bytes_consume(&bytes, 11);
    assert_int_equal(bytes.size, 0);
    cella_bytes_consume(&bytes, 1);
    assert_int_equal(bytes.size, 0);
}

static void test_resize_zeroes(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes bytes = { 0 };
    assert_int_equal(cella_bytes_set(&bytes, cella_view_of_string("secret")), CELLA_OK);
    assert_int_equal(cella_bytes_resize(&bytes, 2), CELLA_OK);
    assert_int_equal(cella_bytes_resize(&bytes, 6), CELLA_OK);
    assert_memory_equal(bytes.data, "se\0\0\0\0", 6);
}

static void test_set_from_itself(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes bytes = { 0 };
    assert_int_equal(cella_bytes_set(&bytes, cella_view_of_string("abcdef")), CELLA_OK);
    assert_int_equal(cella_bytes_set(&bytes, cella_view_of(bytes.data + 2, 3)), CELLA_OK);
    assert_true(cella_view_is(cella_bytes_view(&bytes), "cde"));
}

static void test_no_memory_leaves_content(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes bytes = { 0 };
    assert_int_equal(cella_bytes_set(&bytes, cella_view_of_string("abc")), CELLA_OK);
    assert_int_equal(cella_bytes_reserve(&bytes, SIZE_MAX), CELLA_NO_MEMORY);
    assert_int_equal(cella_bytes_resize(&bytes, SIZE_MAX / 2 + 1), CELLA_NO_MEMORY);
    assert_true(cella_view_is(cella_bytes_view(&bytes), "abc"));
}

static void test_take(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes to = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes from = { 0 };
    assert_int_equal(cella_bytes_set(&to, cella_view_of_string("old")), CELLA_OK);
    assert_int_equal(cella_bytes_set(&from, cella_view_of_string("new")), CELLA_OK);
    cella_bytes_take(&to, &from);
    assert_true(cella_view_is(cella_bytes_view(&to), "new"));
    assert_null(from.data);
    cella_bytes_take(&to, &to);
    assert_true(cella_view_is(cella_bytes_view(&to), "new"));
    cella_bytes_clear(&from);
}

static void test_hex(void **state)
{
    (void) state;
    char text[7];
    uint8_t out[3] = { 9, 9, 9 };
    cella_hex_encode(cella_view_of("\x00\xaf\x10", 3), text);
    assert_string_equal(text, "00af10");
    assert_int_equal(cella_hex_decode(cella_view_of_string("00AF1g"), out, 3), CELLA_BAD_FORMAT);
    assert_int_equal(cella_hex_decode(cella_view_of_string("00af1"), out, 3), CELLA_BAD_FORMAT);
    assert_int_equal(cella_hex_decode(cella_view_of_string("00af"), out, 3), CELLA_BAD_FORMAT);
    assert_int_equal(cella_hex_decode(cella_view_of_string("00af1000"), out, 3), CELLA_BAD_FORMAT);
    assert_memory_equal(out, "\x09\x09\x09", 3);
    assert_int_equal(cella_hex_decode(cella_view_of_string("00AF10"), out, 3), CELLA_OK);
    assert_memory_equal(out, "\x00\xaf\x10", 3);
}

/* RFC 4648 section 10, without padding. */
static void test_base64url_known(void **state)
{
    (void) state;
    static const char *const rows[][2] = {
        { "", "" },           { "f", "Zg" },          { "fo", "Zm8" },          { "foo", "Zm9v" },
        { "foob", "Zm9vYg" }, { "fooba", "Zm9vYmE" }, { "foobar", "Zm9vYmFy" }, { "\xfb\xff\xfe", "-__-" }
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes back = { 0 };
        assert_int_equal(cella_base64url_encode(cella_view_of_string(rows[i][0]), &text), CELLA_OK);
        assert_true(cella_view_is(cella_bytes_view(&text), rows[i][1]));
        assert_int_equal(cella_base64url_decode(cella_bytes_view(&text), &back), CELLA_OK);
        assert_true(cella_view_is(cella_bytes_view(&back), rows[i][0]));
    }
}

static void test_base64url_strict(void **state)
{
    (void) state;
    static const char *const bad[] = {
        "A", "Zg==", "Zh", "Zm9", "Zm 9", "Zm9v\n", "+_-A", "/_-A", "Zm9vA", "Zm8="
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
        assert_int_equal(cella_bytes_set(&out, cella_view_of_string("x")), CELLA_OK);
        assert_int_equal(cella_base64url_decode(cella_view_of_string(bad[i]), &out), CELLA_BAD_FORMAT);
        assert_true(cella_view_is(cella_bytes_view(&out), "x"));
    }
}

static void test_base64url_exact(void **state)
{
    (void) state;
    uint8_t out[3] = { 9, 9, 9 };
    assert_int_equal(cella_base64url_decode_exact(cella_view_of_string("Zm8"), out, 3), CELLA_BAD_FORMAT);
    assert_int_equal(cella_base64url_decode_exact(cella_view_of_string("Zm9vYg"), out, 3), CELLA_BAD_FORMAT);
    assert_memory_equal(out, "\x09\x09\x09", 3);
    assert_int_equal(cella_base64url_decode_exact(cella_view_of_string("Zm9v"), out, 3), CELLA_OK);
    assert_memory_equal(out, "foo", 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_append_grow_consume),
        cmocka_unit_test(test_resize_zeroes),
        cmocka_unit_test(test_set_from_itself),
        cmocka_unit_test(test_no_memory_leaves_content),
        cmocka_unit_test(test_take),
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_base64url_known),
        cmocka_unit_test(test_base64url_strict),
        cmocka_unit_test(test_base64url_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
