/* SPDX-License-Identifier: Apache-2.0 */
#include "vectors.h"

#include "trust/signed_json.h"

#define ZEROS "00000000000000000000000000000000"
#define SIGNATURE "\"signature\":\"" ZEROS ZEROS ZEROS ZEROS "\""

static cella_status split(const char *text, struct cella_view *inner)
{
    uint8_t signature[64];
    return cella_signed_json_split(cella_view_of_string(text), "tcbInfo", inner, signature);
}

/* The inner object comes out byte for byte, whatever is in it. */
static void test_inner_bytes(void **state)
{
    static const struct {
        const char *text;
        const char *inner;
    } rows[] = {
        { "{\"tcbInfo\":{}," SIGNATURE "}", "{}" },
        { " { " SIGNATURE " , \"tcbInfo\" : { \"a\" : 1.50 }\n}\r\n", "{ \"a\" : 1.50 }" },
        { "{\"tcbInfo\":{\"a\":\"}\"}," SIGNATURE "}", "{\"a\":\"}\"}" },
        { "{\"tcbInfo\":{\"a\":\"\\\"}\"}," SIGNATURE "}", "{\"a\":\"\\\"}\"}" },
        { "{\"tcbInfo\":{\"a\":{\"b\":[{}]}}," SIGNATURE "}", "{\"a\":{\"b\":[{}]}}" },
    };
    (void) state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cella_view inner = { 0 };
        assert_int_equal(split(rows[i].text, &inner), CELLA_OK);
        assert_true(cella_view_is(inner, rows[i].inner));
    }
}

static void test_envelopes_that_are_refused(void **state)
{
    static const char *const rows[] = {
        "", "{}", "[]", "{\"tcbInfo\":{}}", "{" SIGNATURE "}",
        "{\"tcbInfo\":{},\"tcbInfo\":{}," SIGNATURE "}",
        "{\"tcbInfo\":{}," SIGNATURE "," SIGNATURE "}",
        "{\"tcbInfo\":{}," SIGNATURE ",\"more\":1}",
        "{\"enclaveIdentity\":{}," SIGNATURE "}",
        "{\"tcbInfo\":[]," SIGNATURE "}",
        "{\"tcbInfo\":\"{}\"," SIGNATURE "}",
        "{\"tcbInfo\":{," SIGNATURE "}",
        "{\"tcbInfo\":{}},{}," SIGNATURE "}",
        "{\"tcbInfo\":{}," SIGNATURE "}x",
        "{\"tcbInfo\":{},\"signature\":\"00\"}",
        "{\"tcbInfo\":{},\"signature\":\"\"}",
        "{\"tcbInfo\":{\"a\":\"\\" , /* ends inside of an escape */
        "{\"tcb\\u0049nfo\":{}," SIGNATURE "}",
    };
    (void) state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cella_view inner = { 0 };
        if (split(rows[i], &inner) == CELLA_OK) {
            fail_msg("%s was taken", rows[i]);
        }
    }
}

static void test_large_text(void **state)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    struct cella_view inner;
    uint8_t signature[64];
    (void) state;
    assert_int_equal(cella_bytes_resize(&text, CELLA_SIGNED_JSON_MAX + 1), CELLA_OK);
    memset(text.data, '{', text.size);
    assert_int_equal(cella_signed_json_split(cella_bytes_view(&text), "tcbInfo", &inner, signature), CELLA_TOO_LARGE);
    assert_int_equal(cella_bytes_resize(&text, CELLA_SIGNED_JSON_MAX), CELLA_OK);
    assert_int_equal(cella_signed_json_split(cella_bytes_view(&text), "tcbInfo", &inner, signature), CELLA_BAD_FORMAT);
}

static void test_times(void **state)
{
    static const struct {
        const char *text;
        uint64_t value;
    } good[] = {
        { "1970-01-01T00:00:00Z", 0 },
        { "2000-02-29T23:59:59Z", 951868799 },
        { "2025-06-19T10:32:51Z", 1750329171 },
        { "2100-03-01T00:00:00Z", 4107542400 },
        { "9999-12-31T23:59:59Z", 253402300799 },
    };
    static const char *const bad[] = {
        "", "2025-06-19", "2025-06-19T10:32:51", "2025-06-19 10:32:51Z", "2025-13-01T00:00:00Z", "2025-00-01T00:00:00Z",
        "2025-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2025-04-31T00:00:00Z", "2025-01-01T24:00:00Z",
        "2025-01-01T00:60:00Z", "2025-01-01T00:00:61Z", "1969-12-31T23:59:59Z", "2025-1-01T00:00:000Z", "+025-01-01T00:00:00Z",
    };
    (void) state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        uint64_t value = 1;
        assert_int_equal(cella_time_of_text(good[i].text, &value), CELLA_OK);
        assert_true(value == good[i].value);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t value;
        if (cella_time_of_text(bad[i], &value) == CELLA_OK) {
            fail_msg("%s is a time", bad[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inner_bytes),
        cmocka_unit_test(test_envelopes_that_are_refused),
        cmocka_unit_test(test_large_text),
        cmocka_unit_test(test_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
