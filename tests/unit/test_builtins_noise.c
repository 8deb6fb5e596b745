/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "builtins/noise.h"

/* Distributions are tested through aggregate (tests/python/test_builtin_aggregate.py); here what it can not ask for. */

#define DRAWS 200000

/* Mean and mean square of draws against the exact ones, each within 6.2 of its own standard errors: chance below 1e-9. */
static void expect_moments(const double *drawn, double square)
{
    double sum = 0;
    double squares = 0;
    double fourths = 0;
    for (size_t i = 0; i < DRAWS; i++) {
        double one = drawn[i] * drawn[i];
        sum += drawn[i];
        squares += one;
        fourths += one * one;
    }
    double deviation = sqrt(fourths / DRAWS - (squares / DRAWS) * (squares / DRAWS));
    assert_true(fabs(sum / DRAWS) < 6.2 * sqrt(square / DRAWS));
    assert_true(fabs(squares / DRAWS - square) < 6.2 * deviation / sqrt(DRAWS));
}

static void expect_laplace(cella_noise_uint numerator, cella_noise_uint denominator)
{
    static double drawn[DRAWS];
    CELLA_CLEANUP(cella_noise_clear) struct cella_noise noise = { .left = 0 };
    const struct cella_noise_laplace scale = { numerator, denominator };
    double decay = exp(-(double) denominator / (double) numerator);
    for (size_t i = 0; i < DRAWS; i++) {
        cella_noise_int one = 0;
        assert_int_equal(cella_noise_draw_laplace(&noise, &scale, &one), CELLA_OK);
        drawn[i] = (double) one;
    }
    expect_moments(drawn, 2 * decay / ((1 - decay) * (1 - decay)));
}

static void test_laplace(void **state)
{
    (void) state;
    expect_laplace(1, 2);
    expect_laplace(1, 1);
    expect_laplace(7, 3);
    expect_laplace(1000, 1);
    expect_laplace((cella_noise_uint) 12345678901234U << 30, 987654321);
}

static double gaussian_square(double variance)
{
    double sum = 0;
    double squares = 0;
    for (int i = -4000; i <= 4000; i++) {
        double share = exp(-(double) i * i / (2 * variance));
        sum += share;
        squares += share * i * i;
    }
    return squares / sum;
}

static void expect_gaussian(uint64_t numerator, unsigned int shift, double square)
{
    static double drawn[DRAWS];
    CELLA_CLEANUP(cella_noise_clear) struct cella_noise noise = { .left = 0 };
    const struct cella_noise_gaussian variance = { numerator, shift };
    for (size_t i = 0; i < DRAWS; i++) {
        cella_noise_int one = 0;
        assert_int_equal(cella_noise_draw_gaussian(&noise, &variance, &one), CELLA_OK);
        drawn[i] = (double) one;
    }
    expect_moments(drawn, square);
}

static void test_gaussian(void **state)
{
    (void) state;
    expect_gaussian(1U << 19, 20, gaussian_square(0.5));
    expect_gaussian(3U << 20, 20, gaussian_square(3));
    expect_gaussian(10000, 0, gaussian_square(10000));
    expect_gaussian((1ULL << 50) - 1, 20, 1073741824); /* the widest of this shift, and the widest of all */
    expect_gaussian(1ULL << 54, 0, 18014398509481984.0);
}

static void test_below(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_noise_clear) struct cella_noise noise = { .left = 0 };
    size_t counts[5] = { 0 };
    cella_noise_uint drawn = 9;
    assert_int_equal(cella_noise_draw_below(&noise, 1, &drawn), CELLA_OK);
    assert_true(drawn == 0);
    for (size_t i = 0; i < 50000; i++) {
        assert_int_equal(cella_noise_draw_below(&noise, 5, &drawn), CELLA_OK);
        assert_true(drawn < 5);
        counts[(size_t) drawn]++;
    }
    for (size_t i = 0; i < 5; i++) {
        assert_in_range(counts[i], 10000 - 600, 10000 + 600); /* 6.7 standard deviations */
    }
    cella_noise_uint wide = (cella_noise_uint) 1 << 127;
    bool high = false;
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(cella_noise_draw_below(&noise, wide, &drawn), CELLA_OK);
        assert_true(drawn < wide);
        high = high || drawn >> 120 > 0;
    }
    assert_true(high);
}

static void test_parameters_out_of_range(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_noise_clear) struct cella_noise noise = { .left = 0 };
    const struct cella_noise_laplace scales[] = {
        { 0, 1 }, { 1, 0 }, { (cella_noise_uint) 1 << 100, 1 }, { 1, (cella_noise_uint) 1 << 64 }
    };
    const struct cella_noise_gaussian variances[] = { { 0, 0 }, { (1ULL << 54) + 1, 0 }, { 1, 3 }, { 1ULL << 50, 20 } };
    cella_noise_int drawn = 0;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(cella_noise_draw_laplace(&noise, &scales[i], &drawn), CELLA_INTERNAL);
        assert_int_equal(cella_noise_draw_gaussian(&noise, &variances[i], &drawn), CELLA_INTERNAL);
    }
}

ssize_t __wrap_getrandom(void *to, size_t size, unsigned int flags);
ssize_t __real_getrandom(void *to, size_t size, unsigned int flags);

/* -1 when the test below wants it to fail. */
static bool *refusing(void)
{
    static bool refuse;
    return &refuse;
}

ssize_t __wrap_getrandom(void *to, size_t size, unsigned int flags)
{
    return *refusing() ? -1 : __real_getrandom(to, size, flags);
}

static void test_no_randomness(void **state)
{
    (void) state;
    struct cella_noise noise = { .left = 0 };
    const struct cella_noise_laplace scale = { 3, 1 };
    cella_noise_int drawn = 0;
    *refusing() = true;
    assert_int_equal(cella_noise_draw_laplace(&noise, &scale, &drawn), CELLA_RANDOM_FAILED);
    *refusing() = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_laplace),
        cmocka_unit_test(test_gaussian),
        cmocka_unit_test(test_below),
        cmocka_unit_test(test_parameters_out_of_range),
        cmocka_unit_test(test_no_randomness),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
