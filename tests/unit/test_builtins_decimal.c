/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "builtins/decimal.h"

static void check(double value, unsigned int places)
{
    char mine[CELLA_DECIMAL_TEXT_MAX + 1];
    char other[400];
    mine[cella_decimal_format(value, places, mine)] = '\0';
    (void) snprintf(other, sizeof(other), "%.*f", (int) places, value);
    assert_string_equal(mine, other);
}

static void test_as_printf_writes_it(void **state)
{
    (void) state;
    static const double values[] = { 0, -0.0, 0.5, 1.5, 2.5, 0.00048828125, 0.0001220703125, 1e-320, 5e-11, 4.9e-11,
                                     1 - 1e-16, 0.1, -0.25, 999999.99995, 9.9e24, -1e24, 1.0 / 3, 123456789.125, 1e-30 };
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        for (unsigned int places = 1; places <= CELLA_DECIMAL_PLACES_MAX; places++) {
            check(values[i], places);
        }
    }
    uint64_t random = 88172645463325252U;
    for (int i = 0; i < 300000; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        double value = ldexp((double) (int64_t) random, (int) (random >> 8 & 127) - 120);
        if (fabs(value) < 1e25) {
            check(value, i % 2 == 0 ? 4 : 10);
            check((double) (float) value, 10);
        }
    }
}

static void test_beyond(void **state)
{
    (void) state;
    char text[CELLA_DECIMAL_TEXT_MAX];
    assert_int_equal(cella_decimal_format(1e30, 10, text), 5);
    assert_memory_equal(text, "1e+30", 5);
    assert_int_equal(cella_decimal_format(-INFINITY, 10, text), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_as_printf_writes_it), cmocka_unit_test(test_beyond) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
