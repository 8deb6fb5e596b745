/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/state_folder.h"
#include "host/store_folder.h"

static const char id_text[] = "abcdef0123456789abcdef0123456789";

static struct cella_view id(void)
{
    return cella_view_of(id_text, CELLA_STORE_ID_SIZE);
}

struct place {
    char path[64];
    int folder;
};

static void open_place(struct place *place)
{
    snprintf(place->path, sizeof(place->path), "/tmp/cella-test-XXXXXX");
    assert_non_null(mkdtemp(place->path));
    place->folder = open(place->path, O_RDONLY | O_DIRECTORY);
    assert_true(place->folder >= 0);
}

static cella_status put(struct cella_store_folder *folder, size_t size)
{
    uint64_t number;
    int file;
    static const uint8_t bytes[1000];
    CELLA_TRY(cella_store_folder_create(folder, &number, &file));
    cella_status status = cella_store_folder_reserve(folder, size);
    if (status != CELLA_OK) {
        cella_store_folder_discard(folder, number, file, 0);
        return status;
    }
    assert_int_equal(write(file, bytes, size), (ssize_t) size);
    uint64_t replaced;
    CELLA_TRY(cella_store_folder_publish(folder, number, file, id(), &replaced));
    cella_store_folder_release(folder, replaced);
    return close(file) == 0 ? CELLA_OK : CELLA_SYSTEM_FAILED;
}

static void test_ids(void **state)
{
    (void) state;
    static const char *const wrong[] = {
        "",
        "abcdef0123456789abcdef012345678",
        "abcdef0123456789abcdef01234567890",
        "ABCDEF0123456789abcdef0123456789",
        "../../../../../../../../etc/pass",
        "abcdef0123456789abcdef012345678/",
        "abcdef0123456789abcdef012345678g",
    };
    assert_true(cella_store_id_valid(id()));
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(cella_store_id_valid(cella_view_of_string(wrong[i])));
    }
}

static void test_life_of_an_object(void **state)
{
    (void) state;
    struct place place;
    struct cella_store_folder folder;
    int file;
    uint64_t size;
    open_place(&place);
    assert_int_equal(cella_store_folder_open(place.folder, 1500, &folder), CELLA_OK);
    assert_int_equal(cella_store_folder_find(&folder, id(), &file, &size), CELLA_OBJECT_MISSING);
    assert_int_equal(cella_store_folder_delete(&folder, id()), CELLA_OBJECT_MISSING);
    assert_int_equal(put(&folder, 1000), CELLA_OK);
    assert_int_equal(folder.used, 1000);
    assert_int_equal(put(&folder, 501), CELLA_STORE_FULL);
    assert_int_equal(folder.used, 1000);
    assert_int_equal(put(&folder, 500), CELLA_OK); /* replaces */
    assert_int_equal(folder.used, 500);
    assert_int_equal(cella_store_folder_find(&folder, id(), &file, &size), CELLA_OK);
    assert_int_equal(size, 500);
    close(file);
    cella_store_folder_close(&folder);
    assert_int_equal(cella_store_folder_open(place.folder, 1500, &folder), CELLA_OK);
    assert_int_equal(folder.used, 500); /* counted anew */
    assert_int_equal(cella_store_folder_delete(&folder, id()), CELLA_OK);
    assert_int_equal(folder.used, 0);
    cella_store_folder_close(&folder);
    close(place.folder);
}

static void test_left_overs_go(void **state)
{
    (void) state;
    struct place place;
    struct cella_store_folder folder;
    uint64_t number;
    int file;
    open_place(&place);
    assert_int_equal(cella_store_folder_open(place.folder, 1500, &folder), CELLA_OK);
    assert_int_equal(cella_store_folder_create(&folder, &number, &file), CELLA_OK);
    assert_int_equal(write(file, "x", 1), 1);
    close(file);
    cella_store_folder_close(&folder); /* cut off here */
    assert_int_equal(cella_store_folder_open(place.folder, 1500, &folder), CELLA_OK);
    assert_int_not_equal(faccessat(folder.folder, "incoming-0", F_OK, 0), 0);
    assert_int_equal(folder.used, 0);
    cella_store_folder_close(&folder);
    close(place.folder);
}

static void test_state_folder(void **state)
{
    (void) state;
    struct place place;
    struct cella_state_folder folder;
    struct cella_state_folder second;
    char blame[CELLA_HOST_BLAME_MAX];
    struct stat facts;
    open_place(&place);
    assert_int_equal(chmod(place.path, 0755), 0);
    assert_int_equal(cella_state_folder_open(place.path, &folder, blame), CELLA_OK);
    assert_int_equal(fstat(folder.folder, &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0700);
    assert_int_equal(fstatat(folder.folder, "soft_root.key", &facts, 0), 0);
    assert_true((facts.st_mode & 0777) == 0600 && facts.st_size == 32);
    assert_true(cella_view_is(cella_bytes_view(&folder.charter), CELLA_STATE_DEFAULT_CHARTER));
    uint8_t seed[CELLA_STATE_SEED_SIZE];
    memcpy(seed, folder.seed, sizeof(seed));
    assert_int_equal(cella_state_folder_open(place.path, &second, blame), CELLA_EXISTS);
    cella_state_folder_close(&second);
    cella_state_folder_close(&folder);
    assert_int_equal(cella_state_folder_open(place.path, &folder, blame), CELLA_OK);
    assert_memory_equal(seed, folder.seed, sizeof(seed)); /* kept */
    assert_int_equal(
        cella_state_folder_write(&folder, "soft_root.key", cella_view_of_string("too short")), CELLA_OK);
    cella_state_folder_close(&folder);
    assert_int_equal(cella_state_folder_open(place.path, &folder, blame), CELLA_BAD_SIZE);
    assert_non_null(strstr(blame, "soft_root.key"));
    cella_state_folder_close(&folder);
    close(place.folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_life_of_an_object),
        cmocka_unit_test(test_left_overs_go),
        cmocka_unit_test(test_state_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
