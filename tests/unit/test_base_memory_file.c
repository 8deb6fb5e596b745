/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#define SIZE 8192U

static int make(void)
{
    static const char content[SIZE] = "content";
    int file = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_true(file >= 0);
    assert_int_equal(write(file, content, SIZE), SIZE);
    return file;
}

static void test_nothing_changes_any_more(void **state)
{
    (void) state;
    int file = make();
    assert_int_equal(cella_memory_file_seal(file), CELLA_OK);
    assert_true(pwrite(file, "x", 1, 0) < 0 && errno == EPERM);
    assert_true(ftruncate(file, 1) < 0 && ftruncate(file, 2L * SIZE) < 0);
    assert_ptr_equal(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0), MAP_FAILED);
    assert_int_equal(cella_memory_file_seal(file), CELLA_SYSTEM_FAILED); /* the seals are sealed, too */
    close(file);
}

static void test_a_writable_mapping_is_in_the_way(void **state)
{
    (void) state;
    int file = make();
    void *place = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    assert_true(place != MAP_FAILED);
    assert_int_equal(cella_memory_file_seal(file), CELLA_SYSTEM_FAILED);
    assert_int_equal(errno, EBUSY);
    assert_int_equal(munmap(place, SIZE), 0);
    assert_int_equal(cella_memory_file_seal(file), CELLA_OK);
    close(file);
}

static void *let_go(void *context)
{
    char pages[SIZE];
    usleep(400000); /* longer than the kernel waits */
    assert_int_equal(read(*(int *) context, pages, SIZE), SIZE);
    return NULL;
}

/* A pipe that got the pages without a copy holds them until they are read. */
static void test_pages_that_somebody_holds_for_a_moment(void **state)
{
    (void) state;
    int file = make();
    int ends[2];
    pthread_t other;
    void *place = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, file, 0);
    struct iovec pages = { place, SIZE };
    assert_true(place != MAP_FAILED && pipe2(ends, O_CLOEXEC) == 0);
    assert_int_equal(vmsplice(ends[1], &pages, 1, 0), SIZE);
    assert_int_equal(munmap(place, SIZE), 0);
    assert_true(fcntl(file, F_ADD_SEALS, F_SEAL_WRITE) < 0 && errno == EBUSY);
    assert_int_equal(pthread_create(&other, NULL, let_go, &ends[0]), 0);
    assert_int_equal(cella_memory_file_seal(file), CELLA_OK);
    assert_int_equal(pthread_join(other, NULL), 0);
    close(ends[0]);
    close(ends[1]);
    close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_changes_any_more),
        cmocka_unit_test(test_a_writable_mapping_is_in_the_way),
        cmocka_unit_test(test_pages_that_somebody_holds_for_a_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
