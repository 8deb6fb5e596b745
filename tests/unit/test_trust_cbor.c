/* SPDX-License-Identifier: Apache-2.0 */
#include "vectors.h"

#include "trust/cbor.h"

/* Skip one item that must fill the text. */
static cella_status skip_all(const char *hex)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = bytes_of_hex(hex);
    struct cella_reader reader = cella_reader_of(cella_bytes_view(&text));
    cella_status status = cella_cbor_skip(&reader);
    return status == CELLA_OK ? cella_reader_end(&reader) : status;
}

/* RFC 8949, appendix A: what this reader takes of it. */
static void test_items(void **state)
{
    static const char *const good[] = {
        "00", "17", "1818", "1903e8", "1a000f4240", "1b000000e8d4a51000", "20", "3903e7", "40", "4401020304", "60",
        "6449455446", "80", "83010203", "a0", "a201020304", "c11a514b67b0", "f4", "f5", "f6", "f7",
        "9fff", "9f018202039f0405ffff", "bf61610161629f0203ffff",
    };
    (void) state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        if (skip_all(good[i]) != CELLA_OK) {
            fail_msg("%s was refused", good[i]);
        }
    }
}

static void test_what_is_refused(void **state)
{
    static const char *const bad[] = {
        "",           "1817",       "190018",   "1a00000100", "1b0000000000000001", /* not the shortest */
        "1c",         "1f",         "f97e00",   "fb3ff199999999999a", "f8ff", "e0", /* reserved, floats, simple values */
        "5f42010243030405ff", "7f657374726561646d696e67ff",                         /* indefinite strings */
        "42ff",       "5bffffffffffffffff", "9bffffffffffffffff", "bbffffffffffffffff", "9f", "9f01", "bf01ff",
        "a101",       "ff",         "df",
    };
    (void) state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (skip_all(bad[i]) == CELLA_OK) {
            fail_msg("%s was taken", bad[i]);
        }
    }
}

static void test_depth(void **state)
{
    (void) state;
    assert_int_equal(skip_all("818181818181818100"), CELLA_BAD_FORMAT);
    assert_int_equal(skip_all("8181818181818100"), CELLA_OK);
    assert_int_equal(skip_all("c1c1c1c1c1c1c1c100"), CELLA_BAD_FORMAT);
}

static void test_expected_kind(void **state)
{
    static const uint8_t text[] = { 0x61, 'a' };
    struct cella_reader reader = cella_reader_of(cella_view_of(text, sizeof(text)));
    struct cella_cbor_item item;
    (void) state;
    assert_int_equal(cella_cbor_expect(&reader, CELLA_CBOR_BYTES, &item), CELLA_BAD_FORMAT);
    reader = cella_reader_of(cella_view_of(text, sizeof(text)));
    assert_int_equal(cella_cbor_expect(&reader, CELLA_CBOR_TEXT, &item), CELLA_OK);
    assert_true(cella_view_is(item.content, "a"));
}

/* Written heads are the shortest, so that reading them back is all there is to prove. */
static void test_writing(void **state)
{
    static const uint64_t values[] = { 0, 23, 24, 255, 256, 65535, 65536, UINT32_MAX, (uint64_t) UINT32_MAX + 1, UINT64_MAX };
    (void) state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
        struct cella_cbor_item item;
        assert_int_equal(cella_cbor_write_head(&text, CELLA_CBOR_UNSIGNED, values[i]), CELLA_OK);
        struct cella_reader reader = cella_reader_of(cella_bytes_view(&text));
        assert_int_equal(cella_cbor_next(&reader, &item), CELLA_OK);
        assert_true(item.kind == CELLA_CBOR_UNSIGNED && item.value == values[i]);
        assert_int_equal(cella_reader_end(&reader), CELLA_OK);
    }
}

static cella_status check(const char *hex, enum cella_cbor_profile profile)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = bytes_of_hex(hex);
    return cella_cbor_check(cella_bytes_view(&text), profile);
}

/* RFC 8949 section 4.2.1, and what no profile of ours has. */
static void test_profiles(void **state)
{
    static const char *const both[] = { "00", "a0", "a201000200", "a3010020006100" "00", "d280", "f6", "62c3a9", "818181818181810" "0" };
    static const char *const foreign_only[] = { "a202000100", "a2200000" "00", "a2616100" "0000" };
    static const char *const neither[] = {
        "", "0000", "9fff", "bfff", "a201000100", "a1", "61ff", "62c080", "63eda080", "64f4908080", "d2d280", "81d280", "f7",
        "8181818181818181" "00", "1800", "a101", "61c3", "a20100" "1801" "00",
    };
    (void) state;
    for (size_t i = 0; i < sizeof(both) / sizeof(both[0]); i++) {
        if (check(both[i], CELLA_CBOR_STRICT) != CELLA_OK || check(both[i], CELLA_CBOR_FOREIGN) != CELLA_OK) {
            fail_msg("%s was refused", both[i]);
        }
    }
    for (size_t i = 0; i < sizeof(foreign_only) / sizeof(foreign_only[0]); i++) {
        if (check(foreign_only[i], CELLA_CBOR_STRICT) == CELLA_OK || check(foreign_only[i], CELLA_CBOR_FOREIGN) != CELLA_OK) {
            fail_msg("%s is for foreign maps only", foreign_only[i]);
        }
    }
    for (size_t i = 0; i < sizeof(neither) / sizeof(neither[0]); i++) {
        if (check(neither[i], CELLA_CBOR_STRICT) == CELLA_OK || check(neither[i], CELLA_CBOR_FOREIGN) == CELLA_OK) {
            fail_msg("%s was taken", neither[i]);
        }
    }
}

static void test_numbers(void **state)
{
    static const int64_t values[] = { 0, -1, 23, -24, -25, 256, -257, INT64_MAX, INT64_MIN };
    (void) state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
        int64_t back;
        assert_int_equal(cella_cbor_write_number(&text, values[i]), CELLA_OK);
        struct cella_reader reader = cella_reader_of(cella_bytes_view(&text));
        assert_int_equal(cella_cbor_number(&reader, &back), CELLA_OK);
        assert_true(back == values[i]);
    }
    static const uint8_t large[] = { 0x1b, 0x80, 0, 0, 0, 0, 0, 0, 0 };
    struct cella_reader reader = cella_reader_of(cella_view_of(large, sizeof(large)));
    int64_t value;
    assert_int_equal(cella_cbor_number(&reader, &value), CELLA_BAD_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_items),         cmocka_unit_test(test_what_is_refused), cmocka_unit_test(test_depth),
        cmocka_unit_test(test_expected_kind), cmocka_unit_test(test_writing),
        cmocka_unit_test(test_profiles),      cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
