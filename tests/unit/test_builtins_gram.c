/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "builtins/cholesky.h"
#include "builtins/gram.h"

struct table {
    const struct cella_gram *gram;
    double *values;
    size_t columns;
};

static void clear_table(struct table *table)
{
    free(table->values);
}

/* Numbers between -1 and 1 that are the same each time. */
static double next(uint64_t *state)
{
    *state = *state * 6364136223846793005U + 1442695040888963407U;
    return (double) (int64_t) *state / 9223372036854775808.0;
}

static struct table make(size_t rows, size_t columns)
{
    struct table table = { .values = malloc(rows * columns * sizeof(double)), .columns = columns };
    uint64_t state = rows * 31 + columns;
    assert_non_null(table.values);
    for (size_t i = 0; i < rows * columns; i++) {
        table.values[i] = next(&state);
    }
    return table;
}

/* left is 2 and right 1 times the row. */
static void fill(void *context, size_t strip, size_t first, size_t count, double *left, double *right)
{
    const struct table *table = context;
    assert_true(strip < table->gram->strips && count <= CELLA_GRAM_BLOCK && first + count <= table->gram->rows);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < table->columns; j++) {
            right[i * table->gram->padded + j] = table->values[(first + i) * table->columns + j];
            left[i * table->gram->padded + j] = 2 * right[i * table->gram->padded + j];
        }
    }
}

static void check_sums(size_t rows, size_t columns)
{
    CELLA_CLEANUP(clear_table) struct table table = make(rows, columns);
    CELLA_CLEANUP(cella_gram_release) struct cella_gram one = { 0 };
    CELLA_CLEANUP(cella_gram_release) struct cella_gram three = { 0 };
    const struct cella_builtin_call alone = { .threads = 1 };
    const struct cella_builtin_call together = { .threads = 3 };
    assert_int_equal(cella_gram_begin(&one, rows, columns), CELLA_OK);
    assert_int_equal(cella_gram_begin(&three, rows, columns), CELLA_OK);
    table.gram = &one;
    cella_gram_run(&alone, &one, fill, &table);
    cella_gram_run(&alone, &one, fill, &table); /* again: nothing is left of the first time */
    cella_gram_run(&together, &three, fill, &table);
    assert_memory_equal(one.out, three.out, one.padded * one.padded * sizeof(double));
    for (size_t i = 0; i < columns; i++) {
        for (size_t j = 0; j < columns; j++) {
            double sum = 0;
            for (size_t row = 0; row < rows; row++) {
                sum += 2 * table.values[row * columns + i] * table.values[row * columns + j];
            }
            assert_true(fabs(one.out[i * one.padded + j] - sum) < 1e-13 * (double) rows + 1e-15);
        }
    }
}

static void test_sums_of_products(void **state)
{
    (void) state;
    static const size_t rows[] = { 1, 31, 32, 33, 2047, 2048, 5000, 40000 };
    static const size_t columns[] = { 1, 4, 7, 8, 9, 23 };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t j = 0; j < sizeof(columns) / sizeof(columns[0]); j++) {
            check_sums(rows[i], columns[j]);
        }
    }
}

static void test_dot(void **state)
{
    (void) state;
    double a[24];
    double b[24];
    double sum = 0;
    uint64_t random = 5;
    for (size_t i = 0; i < 24; i++) {
        a[i] = next(&random);
        b[i] = next(&random);
    }
    for (size_t count = 0; count <= 24; count += 4) {
        assert_true(fabs(cella_gram_dot(a, b, count) - sum) < 1e-14);
        for (size_t i = count; i < count + 4 && i < 24; i++) {
            sum += a[i] * b[i];
        }
    }
}

/* A' A + 1 has a factor; what it solves fits. */
static void test_cholesky(void **state)
{
    (void) state;
    enum { SIZE = 37, STRIDE = 40 };
    static double matrix[SIZE * STRIDE];
    static double factor[SIZE * STRIDE];
    double x[SIZE];
    CELLA_CLEANUP(clear_table) struct table table = make(SIZE, SIZE);
    for (size_t i = 0; i < SIZE; i++) {
        for (size_t j = 0; j < SIZE; j++) {
            double sum = i == j;
            for (size_t k = 0; k < SIZE; k++) {
                sum += table.values[k * SIZE + i] * table.values[k * SIZE + j];
            }
            matrix[i * STRIDE + j] = sum;
        }
        x[i] = (double) i - 3;
    }
    memcpy(factor, matrix, sizeof(matrix));
    assert_true(cella_cholesky_factor(factor, SIZE, STRIDE));
    cella_cholesky_solve(factor, SIZE, STRIDE, x);
    for (size_t i = 0; i < SIZE; i++) {
        double sum = 0;
        for (size_t j = 0; j < SIZE; j++) {
            sum += matrix[i * STRIDE + j] * x[j];
        }
        assert_true(fabs(sum - ((double) i - 3)) < 1e-9);
    }
}

static void test_no_cholesky(void **state)
{
    (void) state;
    double same[] = { 1, 0, 1, 1 };
    double negative[] = { 4, 0, 3, 1 };
    double none[] = { NAN, 0, 0, 1 };
    double large[] = { INFINITY, 0, 0, 1 };
    double zero[] = { 0 };
    assert_false(cella_cholesky_factor(same, 2, 2));
    assert_false(cella_cholesky_factor(negative, 2, 2));
    assert_false(cella_cholesky_factor(none, 2, 2));
    assert_false(cella_cholesky_factor(large, 2, 2));
    assert_false(cella_cholesky_factor(zero, 1, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums_of_products),
        cmocka_unit_test(test_dot),
        cmocka_unit_test(test_cholesky),
        cmocka_unit_test(test_no_cholesky),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
