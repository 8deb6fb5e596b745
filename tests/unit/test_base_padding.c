/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/padding.h"

/* Computed by hand from the definition: exponent, bits that are kept, bits that are rounded away. */
static void test_known_classes(void **state)
{
    (void) state;
    static const struct {
        uint64_t size;
        uint64_t class;
    } known[] = {
        { 257, 272 },                                /* 8, 4, 4: multiples of 16 */
        { 272, 272 },
        { 511, 512 },
        { 1000, 1024 },                              /* 9, 4, 5: multiples of 32 */
        { 1025, 1088 },                              /* 10, 4, 6: multiples of 64 */
        { 65536, 65536 },
        { 65537, 67584 },                            /* 16, 5, 11: multiples of 2048 */
        { 1000000, 1015808 },                        /* 19, 5, 14: multiples of 16384 */
        { 1073741825, 1107296256 },                  /* 30, 5, 25: multiples of 32 MiB */
        { (uint64_t) 1 << 63, (uint64_t) 1 << 63 },
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        assert_true(cella_padded_size(known[i].size) == known[i].class);
    }
}

static void test_small_sizes_share_one_class(void **state)
{
    (void) state;
    for (uint64_t size = 0; size <= CELLA_PADDED_MIN; size++) {
        assert_int_equal(cella_padded_size(size), CELLA_PADDED_MIN);
    }
}

static void test_a_class_is_its_own_and_costs_little(void **state)
{
    (void) state;
    uint64_t before = 0;
    for (uint64_t size = CELLA_PADDED_MIN; size < (uint64_t) 1 << 62; size += size / 97 + 1) {
        uint64_t class = cella_padded_size(size);
        assert_true(class >= size);
        assert_true(class - size <= size / 100 * 12 + 12);
        assert_true(cella_padded_size(class) == class);
        assert_true(class >= before);
        before = class;
    }
}

static void test_sizes_without_a_class_stay(void **state)
{
    (void) state;
    assert_true(cella_padded_size(((uint64_t) 1 << 63) + 1) == ((uint64_t) 1 << 63) + 1);
    assert_true(cella_padded_size(UINT64_MAX) == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_classes),
        cmocka_unit_test(test_small_sizes_share_one_class),
        cmocka_unit_test(test_a_class_is_its_own_and_costs_little),
        cmocka_unit_test(test_sizes_without_a_class_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
