/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "trust/secret.h"

static bool is_zero(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (data[i] != 0) {
            return false;
        }
    }
    return true;
}

static void test_resize(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret secret = { 0 };
    assert_int_equal(cella_secret_resize(&secret, 100), CELLA_OK);
    assert_int_equal(secret.size, 100);
    assert_true(is_zero(secret.data, 100));
    memset(secret.data, 7, 100);
    /* Within the same pages: the old content must not come back. */
    assert_int_equal(cella_secret_resize(&secret, 10), CELLA_OK);
    assert_true(is_zero(secret.data, 100));
    memset(secret.data, 7, 10);
    assert_int_equal(cella_secret_resize(&secret, 200), CELLA_OK);
    assert_true(is_zero(secret.data, 200));
    assert_int_equal(cella_secret_resize(&secret, 100000), CELLA_OK);
    assert_true(is_zero(secret.data, 100000));
    assert_int_equal(cella_secret_resize(&secret, 0), CELLA_OK);
    assert_null(secret.data);
    assert_int_equal(secret.mapped, 0);
}

static void test_no_memory_leaves_empty(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret secret = { 0 };
    assert_int_equal(cella_secret_set(&secret, cella_view_of_string("abc")), CELLA_OK);
    assert_int_equal(cella_secret_resize(&secret, SIZE_MAX), CELLA_NO_MEMORY);
    assert_null(secret.data);
    assert_int_equal(cella_secret_resize(&secret, SIZE_MAX / 4), CELLA_NO_MEMORY);
    assert_int_equal(secret.size, 0);
}

static void test_set_from_itself(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret secret = { 0 };
    assert_int_equal(cella_secret_set(&secret, cella_view_of_string("abcdef")), CELLA_OK);
    assert_int_equal(cella_secret_set(&secret, cella_view_of(secret.data + 2, 3)), CELLA_OK);
    assert_true(cella_view_is(cella_secret_view(&secret), "cde"));
    assert_int_equal(cella_secret_set(&secret, (struct cella_view){ 0 }), CELLA_OK);
    assert_int_equal(secret.size, 0);
}

static void test_random(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret a = { 0 };
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret b = { 0 };
    assert_int_equal(cella_secret_random(&a, 32), CELLA_OK);
    assert_int_equal(cella_secret_random(&b, 32), CELLA_OK);
    assert_false(cella_view_equal(cella_secret_view(&a), cella_secret_view(&b)));
    assert_false(is_zero(a.data, 32));
    assert_int_equal(cella_secret_random(&a, 0), CELLA_OK);
}

static void test_take(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret to = { 0 };
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret from = { 0 };
    assert_int_equal(cella_secret_set(&to, cella_view_of_string("old")), CELLA_OK);
    assert_int_equal(cella_secret_set(&from, cella_view_of_string("new")), CELLA_OK);
    cella_secret_take(&to, &from);
    cella_secret_take(&to, &to);
    assert_true(cella_view_is(cella_secret_view(&to), "new"));
    assert_null(from.data);
    cella_secret_clear(&from);
}

static void test_wiped_in_child(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret secret = { 0 };
    assert_int_equal(cella_secret_resize(&secret, 32), CELLA_OK);
    memset(secret.data, 0x5a, 32);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        _exit(is_zero(secret.data, 32) ? 0 : 1);
    }
    int code = -1;
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_int_equal(code, 0);
    assert_int_equal(secret.data[31], 0x5a);
}

/* VmFlags of the mapping at an address, from /proc/self/smaps: "dd" is no dump, "wf" is wipe on fork. */
static void read_flags(const void *address, char flags[256])
{
    char line[512];
    char start[32];
    bool inside = false;
    FILE *file = fopen("/proc/self/smaps", "r");
    flags[0] = '\0';
    (void) snprintf(start, sizeof(start), "%lx-", (unsigned long) (uintptr_t) address);
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        inside = inside || strncmp(line, start, strlen(start)) == 0;
        if (inside && strncmp(line, "VmFlags:", 8) == 0) {
            (void) snprintf(flags, 256, "%.255s", line + 8);
            break;
        }
    }
    if (file != NULL) {
        (void) fclose(file);
    }
}

static void test_not_dumped(void **state)
{
    (void) state;
    char flags[256];
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret secret = { 0 };
    assert_int_equal(cella_secret_resize(&secret, 3 * 4096), CELLA_OK);
    read_flags(secret.data, flags);
    if (flags[0] == '\0') {
        (void) fprintf(stderr, "SKIPPED: /proc/self/smaps has no VmFlags here\n");
        skip();
    }
    assert_non_null(strstr(flags, " dd"));
    assert_non_null(strstr(flags, " wf"));
}

static void test_wipe(void **state)
{
    (void) state;
    uint8_t text[3] = { 1, 2, 3 };
    cella_wipe(NULL, 0);
    cella_wipe(text, 2);
    assert_memory_equal(text, "\0\0\3", 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resize),
        cmocka_unit_test(test_no_memory_leaves_empty),
        cmocka_unit_test(test_set_from_itself),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_take),
        cmocka_unit_test(test_wiped_in_child),
        cmocka_unit_test(test_not_dumped),
        cmocka_unit_test(test_wipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
