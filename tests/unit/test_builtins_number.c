/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "builtins/number.h"

/* xorshift: the same numbers in every run. */
static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static bool same(double a, double b)
{
    return memcmp(&a, &b, sizeof(a)) == 0;
}

static void expect_strtod(const char *text)
{
    double value = 0;
    if (cella_number_parse(cella_view_of_string(text), &value) != CELLA_OK || !same(value, strtod(text, NULL))) {
        fail_msg("%s gives %a, not %a", text, value, strtod(text, NULL));
    }
}

static void test_texts(void **state)
{
    (void) state;
    static const char *const texts[] = {
        "0", "-0", "0.0", "+1", "1.", ".5", "-.5e1", "1E5", "1e+5", "1e-5", "00012", "123456789012345678901234567890",
        "1e22", "1e23", "9007199254740993", "9007199254740992.999999999999999999999", "9007199254740993e-3",
        "2.2250738585072011e-308", "2.2250738585072014e-308", "4.9e-324", "2.4703282292062327e-324",
        "2.4703282292062328e-324", "1.7976931348623157e308", "1.7976931348623159e308", "1e400", "-1e400", "1e-400",
        "0e999999999999999999999", "1e99999999999999999999", "1e-99999999999999999999", "0.000000000000000000000001",
        "179769313486231580793728971405301e276", "8.5e-1", "6.02214076e23", "0.1", "0.30000000000000004",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        expect_strtod(texts[i]);
    }
}

static void test_random_texts(void **state)
{
    (void) state;
    uint64_t random = 88172645463325252U;
    for (int i = 0; i < 200000; i++) {
        char text[80];
        size_t digits = 1 + next(&random) % 25;
        size_t point = next(&random) % (digits + 1);
        size_t size = 0;
        for (size_t d = 0; d < digits; d++) {
            if (d == point) {
                text[size++] = '.';
            }
            text[size++] = (char) ('0' + next(&random) % 10);
        }
        int exponent = (int) (next(&random) % (i % 4 == 0 ? 660 : 60)) - (i % 4 == 0 ? 340 : 30);
        snprintf(text + size, sizeof(text) - size, "e%d", exponent);
        expect_strtod(text);
    }
}

/* Texts exactly between two doubles, and next to it: the place where a shortcut goes wrong. */
static void test_halves(void **state)
{
    (void) state;
    uint64_t random = 1234567;
    for (int i = 0; i < 50000; i++) {
        uint64_t odd = (next(&random) >> 10) | (1ULL << 53) | 1; /* 54 bits, the last one set */
        char text[400];
        snprintf(text, sizeof(text), "%llu", (unsigned long long) odd);
        expect_strtod(text);
        snprintf(text, sizeof(text), "%llu.0000000000000000000000001", (unsigned long long) odd);
        expect_strtod(text);
        double shift = ldexp(1, (int) (next(&random) % 60) - 50);
        snprintf(text, sizeof(text), "%.*Le", 18, (long double) odd * (long double) shift);
        expect_strtod(text);
        snprintf(text, sizeof(text), "%.*Lf", 60, (long double) odd * (long double) shift);
        expect_strtod(text);
    }
}

static void test_many_digits(void **state)
{
    (void) state;
    enum { SIZE = 9000 };
    char *text = malloc(SIZE);
    assert_non_null(text);
    memset(text, '0', SIZE);
    memcpy(text + SIZE - 3, "7.5", 3);
    double value = 0;
    assert_int_equal(cella_number_parse(cella_view_of(text, SIZE), &value), CELLA_OK);
    assert_true(value == 7.5);
    /* 1 + 2^-53 is between two doubles; a digit very far behind it decides. */
    int size = snprintf(text, SIZE, "1.00000000000000011102230246251565404236316680908203125");
    memset(text + size, '0', (size_t) (SIZE - size));
    assert_int_equal(cella_number_parse(cella_view_of(text, SIZE), &value), CELLA_OK);
    assert_true(value == 1);
    text[SIZE - 1] = '1';
    assert_int_equal(cella_number_parse(cella_view_of(text, SIZE), &value), CELLA_OK);
    assert_true(value == 1 + DBL_EPSILON);
    free(text);
}

static void test_words_and_blanks(void **state)
{
    (void) state;
    double value = 0;
    assert_int_equal(cella_number_parse(cella_view_of_string(" \t-2.5 \r"), &value), CELLA_OK);
    assert_true(value == -2.5);
    assert_int_equal(cella_number_parse(cella_view_of_string("NaN"), &value), CELLA_OK);
    assert_true(isnan(value));
    assert_int_equal(cella_number_parse(cella_view_of_string("-Infinity"), &value), CELLA_OK);
    assert_true(isinf(value) && value < 0);
    assert_int_equal(cella_number_parse(cella_view_of_string("+inf"), &value), CELLA_OK);
    assert_true(isinf(value) && value > 0);
}

static void test_not_numbers(void **state)
{
    (void) state;
    static const char *const texts[] = { "",     " ",    ".",   "-",   "+",    "e5",  "1e",  "1e+", "0x10",   "1_0", "1,5",
                                         "nanx", "info", "--1", "1 2", "1.2.3", "1e5.", "1d5", "TRUE", "\xd9\xa1" };
    double value = 0;
    int64_t whole = 0;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(cella_number_parse(cella_view_of_string(texts[i]), &value), CELLA_BAD_FORMAT);
        assert_int_equal(cella_number_parse_integer(cella_view_of_string(texts[i]), &whole), CELLA_BAD_FORMAT);
    }
    assert_int_equal(cella_number_parse(cella_view_of("1\0", 2), &value), CELLA_BAD_FORMAT);
    assert_int_equal(cella_number_parse_integer(cella_view_of_string("1.0"), &whole), CELLA_BAD_FORMAT);
}

static void test_integers(void **state)
{
    (void) state;
    int64_t value = 0;
    assert_int_equal(cella_number_parse_integer(cella_view_of_string(" +0042 "), &value), CELLA_OK);
    assert_true(value == 42);
    assert_int_equal(cella_number_parse_integer(cella_view_of_string("9223372036854775807"), &value), CELLA_OK);
    assert_true(value == INT64_MAX);
    assert_int_equal(cella_number_parse_integer(cella_view_of_string("-9223372036854775808"), &value), CELLA_OK);
    assert_true(value == INT64_MIN);
    assert_int_equal(cella_number_parse_integer(cella_view_of_string("9223372036854775808"), &value), CELLA_TOO_LARGE);
    assert_int_equal(cella_number_parse_integer(cella_view_of_string("-9223372036854775809"), &value),
                     CELLA_TOO_LARGE);
    assert_int_equal(cella_number_parse_integer(cella_view_of_string("99999999999999999999999x"), &value),
                     CELLA_BAD_FORMAT);
}

static void expect_text(double value, const char *expected)
{
    char text[CELLA_NUMBER_TEXT_MAX];
    assert_int_equal(cella_number_format(value, text), strlen(expected));
    assert_string_equal(text, expected);
}

/* As Python 3.11's repr writes them. */
static void test_format(void **state)
{
    (void) state;
    expect_text(0, "0.0");
    expect_text(-0.0, "-0.0");
    expect_text(1, "1.0");
    expect_text(-123456, "-123456.0");
    expect_text(0.1, "0.1");
    expect_text(1.0 / 3, "0.3333333333333333");
    expect_text(0.1 + 0.2, "0.30000000000000004");
    expect_text(1e-4, "0.0001");
    expect_text(1e-5, "1e-05");
    expect_text(1.5e-7, "1.5e-07");
    expect_text(9999999999999998.0, "9999999999999998.0");
    expect_text(1e16, "1e+16");
    expect_text(1.2345e22, "1.2345e+22");
    expect_text(1e100, "1e+100");
    expect_text(0x1p-44, "5.684341886080802e-14"); /* the nearest 16 digits, ...801, read back as another double */
    expect_text(9007199254740993e3, "9.007199254740993e+18");
    expect_text(DBL_MAX, "1.7976931348623157e+308");
    expect_text(DBL_MIN, "2.2250738585072014e-308");
    expect_text(0x1p-1074, "5e-324");
    expect_text((double) NAN, "nan");
    expect_text(-(double) INFINITY, "-inf");
}

static void test_what_is_written_reads_back(void **state)
{
    (void) state;
    uint64_t random = 424242;
    for (int i = 0; i < 100000; i++) {
        uint64_t bits = next(&random);
        double value;
        memcpy(&value, &bits, sizeof(value));
        if (isnan(value)) {
            continue;
        }
        char text[CELLA_NUMBER_TEXT_MAX];
        double back = 0;
        size_t size = cella_number_format(value, text);
        assert_int_equal(cella_number_parse(cella_view_of(text, size), &back), CELLA_OK);
        assert_true(same(value, back));
        float narrow = (float) value;
        cella_number_format_float(narrow, text);
        assert_true(strtof(text, NULL) == narrow);
        assert_true(strlen(text) < CELLA_NUMBER_TEXT_MAX);
    }
}

/* Numbers as they are in tables: no text with fewer digits reads back, and of those with as many it is the nearest. */
static void test_ordinary_numbers(void **state)
{
    (void) state;
    uint64_t random = 31415926;
    for (int i = 0; i < 200000; i++) {
        double whole = (double) (next(&random) >> 11);
        double value = i % 3 == 0   ? ldexp(whole, (int) (next(&random) % 100) - 90)
                       : i % 3 == 1 ? floor(whole * 0x1p-53 * 1e7) / 1000
                                    : nextafter((double) (next(&random) % 1000000) / 128, 1e9);
        char text[CELLA_NUMBER_TEXT_MAX];
        char least[CELLA_NUMBER_TEXT_MAX];
        char said[CELLA_NUMBER_TEXT_MAX];
        int digits = 0;
        do {
            (void) snprintf(least, sizeof(least), "%.*e", digits++, value);
        } while (strtod(least, NULL) != value);
        (void) cella_number_format(value, text);
        assert_true(strtod(text, NULL) == value);
        (void) snprintf(said, sizeof(said), "%.*Le", digits - 1, strtold(text, NULL));
        assert_true(frexp(value, &(int){ 0 }) == 0.5 || strcmp(said, least) == 0);
    }
}

static void test_floats(void **state)
{
    (void) state;
    char text[CELLA_NUMBER_TEXT_MAX];
    assert_int_equal(cella_number_format_float(0.1F, text), 3);
    assert_string_equal(text, "0.1");
    assert_int_equal(cella_number_format_float(16777216.0F, text), 10);
    assert_string_equal(text, "16777216.0");
    assert_int_equal(cella_number_format_float(FLT_MAX, text), 13);
    assert_string_equal(text, "3.4028235e+38");
    assert_int_equal(cella_number_format_float(0x1p-149F, text), 5);
    assert_string_equal(text, "1e-45");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_random_texts),
        cmocka_unit_test(test_halves),
        cmocka_unit_test(test_many_digits),
        cmocka_unit_test(test_words_and_blanks),
        cmocka_unit_test(test_not_numbers),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_what_is_written_reads_back),
        cmocka_unit_test(test_ordinary_numbers), cmocka_unit_test(test_floats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
