/* SPDX-License-Identifier: Apache-2.0 */
#include "vectors.h"

#include "trust/der.h"

/* One element that fills the text: CELLA_OK, its tag and its content's size. */
static cella_status read_one(const char *hex, uint8_t *tag, size_t *size)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = bytes_of_hex(hex);
    struct cella_reader reader = cella_reader_of(cella_bytes_view(&text));
    struct cella_view content = { 0 };
    cella_status status = cella_der_next(&reader, tag, &content);
    *size = content.size;
    return status == CELLA_OK ? cella_reader_end(&reader) : status;
}

static void test_elements(void **state)
{
    char long_text[2 * 300 + 1];
    uint8_t tag;
    size_t size;
    (void) state;
    assert_int_equal(read_one("0400", &tag, &size), CELLA_OK);
    assert_int_equal(size, 0);
    assert_int_equal(read_one("3003020105", &tag, &size), CELLA_OK);
    assert_int_equal(tag, CELLA_DER_SEQUENCE);
    assert_int_equal(size, 3);
    memset(long_text, '0', sizeof(long_text));
    memcpy(long_text, "048180", 6);
    long_text[2 * (3 + 128)] = '\0';
    assert_int_equal(read_one(long_text, &tag, &size), CELLA_OK);
    assert_int_equal(size, 128);
}

static void test_malformed_elements(void **state)
{
    static const char *const wrong[] = {
        "",         "04",         "0401",       "048000",         "04810100", /* too short, or not the shortest form */
        "04817f00", "0482007f00", "0484000000", "0485ffffffffff", "1f0100",   /* long tag */
        "04820000", "0483ffffff",
    };
    uint8_t tag;
    size_t size;
    (void) state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (read_one(wrong[i], &tag, &size) == CELLA_OK) {
            fail_msg("%s was read", wrong[i]);
        }
    }
}

static void test_expected_tag(void **state)
{
    static const uint8_t text[] = { 0x02, 0x01, 0x05 };
    struct cella_reader reader = cella_reader_of(cella_view_of(text, sizeof(text)));
    struct cella_view content;
    (void) state;
    assert_int_equal(cella_der_expect(&reader, CELLA_DER_OCTETS, &content), CELLA_BAD_FORMAT);
    reader = cella_reader_of(cella_view_of(text, sizeof(text)));
    assert_int_equal(cella_der_expect(&reader, CELLA_DER_INTEGER, &content), CELLA_OK);
}

static void test_numbers(void **state)
{
    static const struct {
        const char *hex;
        cella_status status;
        uint32_t value;
    } rows[] = {
        { "00", CELLA_OK, 0 },
        { "7f", CELLA_OK, 127 },
        { "00d9", CELLA_OK, 0xd9 },
        { "00ffffffff", CELLA_OK, UINT32_MAX },
        { "7fffffff", CELLA_OK, 0x7fffffff },
        { "80", CELLA_BAD_FORMAT, 0 },         /* negative */
        { "0001", CELLA_BAD_FORMAT, 0 },       /* a zero too much */
        { "0100000000", CELLA_BAD_FORMAT, 0 }, /* above 32 bits */
        { "000000000001", CELLA_BAD_FORMAT, 0 },
    };
    (void) state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes content = bytes_of_hex(rows[i].hex);
        uint32_t value = 0;
        assert_int_equal(cella_der_number(cella_bytes_view(&content), &value), rows[i].status);
        assert_true(rows[i].status != CELLA_OK || value == rows[i].value);
    }
    uint32_t none = 1;
    assert_int_equal(cella_der_number((struct cella_view){ 0 }, &none), CELLA_BAD_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_elements),
        cmocka_unit_test(test_malformed_elements),
        cmocka_unit_test(test_expected_tag),
        cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
