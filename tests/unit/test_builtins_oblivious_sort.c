/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Included, for its kernels: this processor would choose one kind only. */
#include "builtins/oblivious_sort.c"

struct pair {
    uint64_t high;
    uint64_t low;
};

static void free_words(uint64_t **held)
{
    free(*held);
}

static void free_pairs(struct pair **held)
{
    free(*held);
}

static uint64_t *room_for(size_t count)
{
    uint64_t *room = aligned_alloc(64, (count + 8) / 8 * 64);
    assert_non_null(room);
    return room;
}

/* Marsaglia's xorshift: any numbers do. */
static uint64_t next_number(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static int compare(const void *one, const void *other)
{
    const struct pair *a = one;
    const struct pair *b = other;
    if (a->high != b->high) {
        return a->high < b->high ? -1 : 1;
    }
    return (a->low > b->low) - (a->low < b->low);
}

/* bits: how many of each word vary; few make many equal ones, 64 let the highest bit be set. */
static void check_sort(const struct kernels *kernels, bool pair, size_t count, unsigned int bits)
{
    size_t room = cella_oblivious_room(count);
    CELLA_CLEANUP(free_words) uint64_t *high = room_for(room);
    CELLA_CLEANUP(free_words) uint64_t *low = room_for(room);
    CELLA_CLEANUP(free_pairs) struct pair *expected = calloc(count + 1, sizeof(*expected));
    uint64_t state = 88172645463325252U + count;
    for (size_t i = 0; i < count; i++) {
        expected[i].high = high[i] = next_number(&state) >> (64 - bits);
        low[i] = next_number(&state) >> (64 - bits);
        expected[i].low = pair ? low[i] : 0;
    }
    qsort(expected, count, sizeof(*expected), compare);
    memset(high + count, 0xff, (room - count) * sizeof(uint64_t));
    memset(low + count, 0xff, (room - count) * sizeof(uint64_t));
    struct cella_builtin_call call = { .threads = 1 };
    struct array array = { high, pair ? low : NULL };
    struct sort sort = { .call = &call, .kernels = kernels, .array = array };
    if (room > 0) {
        assert_int_equal(sort_part(&sort, array, room, false), CELLA_OK);
    }
    for (size_t i = 0; i < count; i++) {
        assert_true(high[i] == expected[i].high);
        assert_true(!pair || low[i] == expected[i].low);
    }
}

static void check_kernels(const struct kernels *pairs, const struct kernels *single)
{
    static const size_t counts[] = { 0, 1, 2, 63, 64, 65, 128, 192, 200, 256, 320, 1000, 1024, 4096, 5000, 70000 };
    static const unsigned int bits[] = { 1, 5, 64 };
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        for (size_t j = 0; j < sizeof(bits) / sizeof(bits[0]); j++) {
            check_sort(pairs, true, counts[i], bits[j]);
            check_sort(single, false, counts[i], bits[j]);
        }
    }
}

static void test_plain(void **state)
{
    (void) state;
    check_kernels(&kernels_plain_pairs, &kernels_plain);
}

static void test_avx2(void **state)
{
    (void) state;
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2")) {
        check_kernels(&kernels_avx2_pairs, &kernels_avx2);
        return;
    }
#endif
    skip();
}

static void test_avx512(void **state)
{
    (void) state;
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
        check_kernels(&kernels_avx512_pairs, &kernels_avx512);
        return;
    }
#endif
    skip();
}

/* The 0-1 principle: a network that sorts all sequences of zeros and ones sorts everything; here, all with one step. */
static void test_steps(void **state)
{
    (void) state;
    struct cella_builtin_call call = { .threads = 1 };
    for (size_t count = 1; count <= 400; count++) {
        CELLA_CLEANUP(free_words) uint64_t *numbers = room_for(cella_oblivious_room(count));
        for (size_t ones = 0; ones <= count; ones += 7) {
            for (size_t i = 0; i < count; i++) {
                numbers[i] = i < ones;
            }
            assert_int_equal(cella_oblivious_sort(&call, numbers, count, 0, 1), CELLA_OK);
            for (size_t i = 0; i < count; i++) {
                assert_int_equal(numbers[i], i >= count - ones);
            }
        }
    }
}

static void test_rows(void **state)
{
    (void) state;
    struct cella_builtin_call call = { .threads = 1 };
    for (size_t count = 0; count < 130; count++) {
        CELLA_CLEANUP(free_words) uint64_t *rows = room_for(3 * count);
        uint64_t random = 1 + count;
        for (size_t i = 0; i < count; i++) {
            rows[3 * i] = next_number(&random) % 3;
            rows[3 * i + 1] = next_number(&random) % 3 - 1; /* the largest number, too */
            rows[3 * i + 2] = rows[3 * i] * 10 + rows[3 * i + 1];
        }
        assert_int_equal(cella_oblivious_sort_rows(&call, rows, 3, count), CELLA_OK);
        for (size_t i = 0; i < count; i++) {
            assert_true(rows[3 * i + 2] == rows[3 * i] * 10 + rows[3 * i + 1]);
            bool ordered = i == 0 || rows[3 * i - 3] < rows[3 * i] ||
                           (rows[3 * i - 3] == rows[3 * i] && rows[3 * i - 2] <= rows[3 * i + 1]);
            assert_true(ordered);
        }
    }
}

static cella_status cancel(void *context, double fraction)
{
    assert_true(fraction >= 0 && fraction <= 1);
    return ++*(int *) context == 2 ? CELLA_CANCELLED : CELLA_OK;
}

static void test_cancelled(void **state)
{
    (void) state;
    size_t count = 600000;
    int calls = 0;
    struct cella_builtin_call call = { .threads = 1, .progress = cancel, .context = &calls };
    CELLA_CLEANUP(free_words) uint64_t *numbers = room_for(cella_oblivious_room(count));
    memset(numbers, 0, count * sizeof(*numbers));
    assert_int_equal(cella_oblivious_sort(&call, numbers, count, 0.25, 0.5), CELLA_CANCELLED);
    assert_int_equal(calls, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain), cmocka_unit_test(test_avx2), cmocka_unit_test(test_avx512),
        cmocka_unit_test(test_steps), cmocka_unit_test(test_rows), cmocka_unit_test(test_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
