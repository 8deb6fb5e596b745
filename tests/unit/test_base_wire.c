/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/layers.h"
#include "base/wire.h"

static void test_round_trip(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
    assert_int_equal(cella_write_u8(&out, 0xfe), CELLA_OK);
    assert_int_equal(cella_write_u16(&out, 0x0102), CELLA_OK);
    assert_int_equal(cella_write_u32(&out, 0x03040506), CELLA_OK);
    assert_int_equal(cella_write_u64(&out, 0x0708090a0b0c0d0eU), CELLA_OK);
    assert_int_equal(cella_write_field(&out, cella_view_of_string("abc")), CELLA_OK);
    assert_int_equal(cella_write_field(&out, cella_view_of(NULL, 0)), CELLA_OK);
    assert_int_equal(out.size, 1 + 2 + 4 + 8 + 7 + 4);
    assert_memory_equal(out.data, "\xfe\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\0\0\0\3abc\0\0\0\0",
                        26);

    struct cella_reader reader = cella_reader_of(cella_bytes_view(&out));
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    struct cella_view field;
    assert_int_equal(cella_read_u8(&reader, &u8), CELLA_OK);
    assert_int_equal(cella_read_u16(&reader, &u16), CELLA_OK);
    assert_int_equal(cella_read_u32(&reader, &u32), CELLA_OK);
    assert_int_equal(cella_read_u64(&reader, &u64), CELLA_OK);
    assert_int_equal(cella_read_field(&reader, 3, &field), CELLA_OK);
    assert_true(cella_view_is(field, "abc"));
    assert_int_equal(cella_reader_end(&reader), CELLA_BAD_FORMAT);
    assert_int_equal(cella_read_field(&reader, 0, &field), CELLA_OK);
    assert_int_equal(field.size, 0);
    assert_int_equal(cella_reader_end(&reader), CELLA_OK);
    assert_int_equal(u8, 0xfe);
    assert_int_equal(u16, 0x0102);
    assert_int_equal(u32, 0x03040506);
    assert_true(u64 == 0x0708090a0b0c0d0eU);
}

static void test_failure_stays(void **state)
{
    (void) state;
    struct cella_reader reader = cella_reader_of(cella_view_of("\1\2\3", 3));
    uint32_t u32 = 7;
    uint8_t u8 = 7;
    assert_int_equal(cella_read_u32(&reader, &u32), CELLA_BAD_FORMAT);
    assert_int_equal(u32, 0);
    /* One byte would be there, but the message is already known to be malformed. */
    assert_int_equal(cella_read_u8(&reader, &u8), CELLA_BAD_FORMAT);
    assert_int_equal(u8, 0);
    assert_int_equal(cella_reader_end(&reader), CELLA_BAD_FORMAT);
}

static void test_field_limits(void **state)
{
    (void) state;
    struct cella_view field;
    struct cella_reader large = cella_reader_of(cella_view_of("\0\0\0\4abcd", 8));
    assert_int_equal(cella_read_field(&large, 3, &field), CELLA_TOO_LARGE);
    assert_int_equal(field.size, 0);
    assert_int_equal(cella_reader_end(&large), CELLA_BAD_FORMAT);
    struct cella_reader cut = cella_reader_of(cella_view_of("\0\0\0\4abc", 7));
    assert_int_equal(cella_read_field(&cut, 4, &field), CELLA_BAD_FORMAT);
    struct cella_reader huge = cella_reader_of(cella_view_of("\xff\xff\xff\xff", 4));
    assert_int_equal(cella_read_field(&huge, SIZE_MAX, &field), CELLA_BAD_FORMAT);
    assert_int_equal(cella_reader_end(&huge), CELLA_BAD_FORMAT);
}

static void test_fixed(void **state)
{
    (void) state;
    uint8_t out[4] = { 9, 9, 9, 9 };
    struct cella_reader reader = cella_reader_of(cella_view_of("abc", 3));
    assert_int_equal(cella_read_fixed(&reader, out, 4), CELLA_BAD_FORMAT);
    assert_memory_equal(out, "\x09\x09\x09\x09", 4);
    reader = cella_reader_of(cella_view_of("abc", 3));
    assert_int_equal(cella_read_fixed(&reader, out, 3), CELLA_OK);
    assert_memory_equal(out, "abc\x09", 4);
}

static void test_write_too_large(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
    struct cella_view view = cella_view_of("x", (size_t) UINT32_MAX + 1);
    assert_int_equal(cella_write_field(&out, view), CELLA_TOO_LARGE);
    assert_int_equal(out.size, 0);
}

static void test_layers(void **state)
{
    (void) state;
    uint32_t all = 0;
    for (unsigned int bit = 0; cella_layer_name(bit) != NULL; bit++) {
        assert_int_equal(cella_layer_bit(cella_view_of_string(cella_layer_name(bit))), 1 << bit);
        all |= (uint32_t) 1 << bit;
    }
    assert_int_equal(CELLA_LAYERS_REQUIRED & ~all, 0);
    assert_int_equal(cella_layer_bit(cella_view_of_string("firewall")), 0);
    assert_null(cella_layer_name(31));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),      cmocka_unit_test(test_failure_stays),
        cmocka_unit_test(test_field_limits),    cmocka_unit_test(test_fixed),
        cmocka_unit_test(test_write_too_large), cmocka_unit_test(test_layers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
