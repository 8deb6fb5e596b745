/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#else
#define VALGRIND_MAKE_MEM_UNDEFINED(address, size) ((void) (address), (void) (size))
#define VALGRIND_MAKE_MEM_DEFINED(address, size) ((void) (address), (void) (size))
#endif

#include "builtins/builtin.h"
#include "builtins/oblivious_sort.h"
#include "builtins/psi.h"

/*
 * What depends on ids is marked as undefined: hashes when they were made, padded ids before they are sorted. Valgrind then
 * reports every branch and every address that depends on them, in the machine code that runs; what is allowed to be
 * known is marked as defined again at the end. tests/boundary/test_oblivious.py runs this program so; by itself it compares
 * results only. With the argument "fast" it takes the way that is not oblivious, in which valgrind must find something.
 */

void __wrap_cella_hash_many(const struct cella_hash_key *key, const struct cella_view *texts, size_t count, struct cella_hash *out);
void __real_cella_hash_many(const struct cella_hash_key *key, const struct cella_view *texts, size_t count,
                            struct cella_hash *out);

void __wrap_cella_hash_many(const struct cella_hash_key *key, const struct cella_view *texts, size_t count,
                            struct cella_hash *out)
{
    __real_cella_hash_many(key, texts, count, out);
    VALGRIND_MAKE_MEM_UNDEFINED(out, count * sizeof(*out));
}

cella_status __wrap_cella_oblivious_sort_rows(struct cella_builtin_call *call, uint64_t *rows, size_t width, size_t count);
cella_status __real_cella_oblivious_sort_rows(struct cella_builtin_call *call, uint64_t *rows, size_t width,
                                              size_t count);

cella_status __wrap_cella_oblivious_sort_rows(struct cella_builtin_call *call, uint64_t *rows, size_t width, size_t count)
{
    VALGRIND_MAKE_MEM_UNDEFINED(rows, width * count * sizeof(*rows));
    cella_status status = __real_cella_oblivious_sort_rows(call, rows, width, count);
    VALGRIND_MAKE_MEM_DEFINED(rows, width * count * sizeof(*rows));
    return status;
}

static bool fast_way;

static cella_status collect(void *context, struct cella_view bytes)
{
    return cella_bytes_append(context, bytes);
}

/* Three parties with count ids each, of which the middle third is common, and two empty lines. */
static void fill(struct cella_bytes *text, unsigned int party, unsigned int count)
{
    for (unsigned int i = 0; i < count; i++) {
        char line[32];
        bool common = i >= count / 3 && i < count / 3 * 2;
        int size = snprintf(line, sizeof(line), "%s%04u-%04u\n", i % 100 == 50 ? "\n" : "", common ? 0 : party + 1,
                            (i * 7919 + party) % count);
        if (common) {
            size = snprintf(line, sizeof(line), "%s0000-%04u\n", i % 100 == 50 ? "\n" : "", i);
        }
        assert_int_equal(cella_bytes_append(text, cella_view_of(line, (size_t) size)), CELLA_OK);
    }
}

static void intersect(bool once)
{
    enum { COUNT = 900, PARTIES = 3 };
    struct cella_bytes texts[PARTIES] = { 0 };
    struct cella_builtin_input inputs[PARTIES] = { 0 };
    struct cella_psi_party parties[PARTIES] = { 0 };
    struct cella_builtin_call call = { .threads = 1 };
    struct cella_psi psi = { .call = &call, .party_count = PARTIES, .parties = parties };
    for (unsigned int i = 0; i < PARTIES; i++) {
        fill(&texts[i], i, COUNT);
        inputs[i].bytes = cella_bytes_view(&texts[i]);
        parties[i].input = &inputs[i];
        parties[i].wanted = once ? i == 0 : true;
    }
    parties[0].once = once;
    assert_int_equal(cella_hash_key_make(&psi.key), CELLA_OK);
    assert_int_equal(fast_way ? cella_psi_fast(&psi) : cella_psi_oblivious(&psi), CELLA_OK);
    VALGRIND_MAKE_MEM_DEFINED(&psi.common, sizeof(psi.common)); /* the size of the intersection is what is told */
    assert_int_equal(psi.common, COUNT / 3);
    if (once) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes ids = { 0 };
        struct cella_builtin_output output = { .write = collect, .context = &ids };
        struct cella_builtin_outputs outputs = { 1, &output };
        assert_int_equal(cella_psi_write_ids(&psi, !fast_way, &outputs), CELLA_OK);
        assert_int_equal(cella_builtin_output_flush(&output), CELLA_OK);
        assert_int_equal(ids.size, COUNT / 3 * 10);
        assert_memory_equal(ids.data, "0000-0300\n0000-0301\n", 20);
        cella_bytes_clear(&output.pending);
    }
    for (size_t i = 0; i < PARTIES; i++) {
        size_t ones = 0;
        for (uint64_t j = 0; parties[i].wanted && j < parties[i].count; j++) {
            VALGRIND_MAKE_MEM_DEFINED(&parties[i].flags[j], 1); /* so are the party's own flags */
            ones += parties[i].flags[j] == '1';
        }
        assert_int_equal(ones, parties[i].wanted ? COUNT / 3 : 0);
        free(parties[i].flags);
        cella_bytes_clear(&texts[i]);
    }
}

static void test_flags(void **state)
{
    (void) state;
    intersect(false);
}

static void test_ids(void **state)
{
    (void) state;
    intersect(true);
}

int main(int argc, char **argv)
{
    fast_way = argc > 1 && strcmp(argv[1], "fast") == 0;
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_flags), cmocka_unit_test(test_ids) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
