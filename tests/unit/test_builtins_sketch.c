/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "builtins/hash_index.h"
#include "builtins/sketch.h"

static int ascending(const void *a, const void *b)
{
    double x = *(const double *) a;
    double y = *(const double *) b;
    return x < y ? -1 : x > y;
}

/* Each rank's bucket holds the number of that rank, and is narrow. */
static void test_ranks(void **state)
{
    (void) state;
    enum { COUNT = 20000 };
    CELLA_CLEANUP(cella_sketch_clear) struct cella_sketch sketch = { .count = 0 };
    double *values = calloc(COUNT, sizeof(*values));
    uint64_t random = 99;
    assert_non_null(values);
    for (size_t i = 0; i < COUNT;) {
        random = random * 6364136223846793005U + 1442695040888963407U;
        uint64_t bits = random ^ random >> 29;
        memcpy(&values[i], &bits, sizeof(bits));
        values[i] = i % 10 == 0 ? 0 : i % 3 == 0 ? fmod(values[i], 100) : values[i];
        if (isfinite(values[i])) {
            assert_int_equal(cella_sketch_add(&sketch, values[i++]), CELLA_OK);
        }
    }
    qsort(values, COUNT, sizeof(*values), ascending);
    assert_int_equal(sketch.count, COUNT);
    for (size_t i = 0; i < COUNT; i += 7) {
        double low = 0;
        double high = 0;
        cella_sketch_rank(&sketch, i + 1, &low, &high);
        assert_true(low <= values[i] && values[i] <= high);
        assert_true(fabs(values[i]) < DBL_MIN || high - low <= fabs(values[i]) / 31);
    }
    free(values);
}

static void test_ends(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_sketch_clear) struct cella_sketch sketch = { .count = 0 };
    const double values[] = { DBL_MAX, -DBL_MAX, 0.0, -0.0, 0x1p-1074 };
    double low = 1;
    double high = 1;
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(cella_sketch_add(&sketch, values[i]), CELLA_OK);
    }
    cella_sketch_rank(&sketch, 1, &low, &high);
    assert_true(low == -DBL_MAX && high > -DBL_MAX);
    cella_sketch_rank(&sketch, 2, &low, &high);
    assert_true(low == 0 && high == 0);
    cella_sketch_rank(&sketch, 4, &low, &high);
    assert_true(low == 0 && high > 0);
    cella_sketch_rank(&sketch, 5, &low, &high);
    assert_true(high == DBL_MAX);
}

static void test_index(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_hash_index_clear) struct cella_hash_index index = { .count = 0 };
    size_t number = 0;
    bool is_new = false;
    assert_false(cella_hash_index_find(&index, (struct cella_hash){ 1, 1 }, &number));
    for (uint64_t i = 0; i < 10000; i++) {
        /* All in one place, or spread. */
        struct cella_hash hash = { i % 2 == 0 ? 7 : i, i };
        assert_int_equal(cella_hash_index_put(&index, hash, &number, &is_new), CELLA_OK);
        assert_true(is_new && number == i);
    }
    for (uint64_t i = 0; i < 10000; i++) {
        struct cella_hash hash = { i % 2 == 0 ? 7 : i, i };
        assert_true(cella_hash_index_find(&index, hash, &number) && number == i);
        assert_int_equal(cella_hash_index_put(&index, hash, &number, &is_new), CELLA_OK);
        assert_true(!is_new && number == i);
    }
    assert_false(cella_hash_index_find(&index, (struct cella_hash){ 7, 10001 }, &number));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranks),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
