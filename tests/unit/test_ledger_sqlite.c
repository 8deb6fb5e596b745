/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sqlite3.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/ledger_store.h"

#define ROOM ((uint64_t) 1 << 30)

struct place {
    char folder[64];
    char path[96];
};

static void open_place(struct place *place)
{
    (void) snprintf(place->folder, sizeof(place->folder), "/tmp/cella-test-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    (void) snprintf(place->path, sizeof(place->path), "%s/ledger.db", place->folder);
}

static struct cella_ledger_store *open_store(const struct place *place, uint64_t room)
{
    char blame[CELLA_LEDGER_BLAME_MAX] = "";
    struct cella_ledger_store *store = NULL;
    assert_int_equal(cella_ledger_sqlite_open(place->path, room, &store, blame), CELLA_OK);
    return store;
}

static uint64_t size_of(struct cella_ledger_store *store)
{
    uint64_t size;
    assert_int_equal(store->class->size(store, &size), CELLA_OK);
    return size;
}

static cella_status add(struct cella_ledger_store *store, uint64_t from, uint64_t count, struct cella_view record)
{
    CELLA_TRY(store->class->begin(store));
    for (uint64_t i = 0; i < count; i++) {
        CELLA_TRY(store->class->append(store, from + i, record));
    }
    return store->class->commit(store);
}

static void records_stay(void **unused)
{
    struct place place;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes found = { 0 };
    (void) unused;
    open_place(&place);
    struct cella_ledger_store *store = open_store(&place, ROOM);
    assert_int_equal(size_of(store), 0);
    assert_int_equal(add(store, 0, 3, cella_view_of_string("one")), CELLA_OK);
    assert_int_equal(add(store, 3, 1, cella_view_of("a\0b", 3)), CELLA_OK);
    store->class->close(store);
    store = open_store(&place, ROOM);
    assert_int_equal(size_of(store), 4);
    assert_int_equal(store->class->read(store, 3, &found), CELLA_OK);
    assert_true(cella_view_equal(cella_bytes_view(&found), cella_view_of("a\0b", 3)));
    assert_int_equal(store->class->read(store, 4, &found), CELLA_OBJECT_MISSING);
    store->class->close(store);
}

/* A number that is there already: the whole transaction is undone, and the next one is good. */
static void a_transaction_is_whole(void **unused)
{
    struct place place;
    (void) unused;
    open_place(&place);
    struct cella_ledger_store *store = open_store(&place, ROOM);
    assert_int_equal(add(store, 0, 2, cella_view_of_string("one")), CELLA_OK);
    assert_int_equal(store->class->begin(store), CELLA_OK);
    assert_int_equal(store->class->append(store, 2, cella_view_of_string("two")), CELLA_OK);
    assert_int_equal(store->class->append(store, 1, cella_view_of_string("again")), CELLA_LEDGER_FAILED);
    assert_int_equal(size_of(store), 2);
    assert_int_equal(add(store, 2, 1, cella_view_of_string("three")), CELLA_OK);
    assert_int_equal(size_of(store), 3);
    store->class->close(store);
}

/* What a process had not committed when it was killed is not there; what it had is. */
static void a_process_is_killed(void **unused)
{
    struct place place;
    (void) unused;
    open_place(&place);
    pid_t child = fork();
    if (child == 0) {
        struct cella_ledger_store *store = open_store(&place, ROOM);
        assert_int_equal(add(store, 0, 5, cella_view_of_string("kept")), CELLA_OK);
        assert_int_equal(store->class->begin(store), CELLA_OK);
        assert_int_equal(store->class->append(store, 5, cella_view_of_string("lost")), CELLA_OK);
        (void) raise(SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    struct cella_ledger_store *store = open_store(&place, ROOM);
    assert_int_equal(size_of(store), 5);
    store->class->close(store);
}

static void it_is_full(void **unused)
{
    struct place place;
    static const uint8_t large[65536];
    uint64_t count = 0;
    (void) unused;
    open_place(&place);
    struct cella_ledger_store *store = open_store(&place, 1U << 20);
    cella_status status = CELLA_OK;
    while (count < 100 && (status = add(store, count, 1, cella_view_of(large, sizeof(large)))) == CELLA_OK) {
        count++;
    }
    assert_int_equal(status, CELLA_LEDGER_FULL);
    assert_true(count > 5 && count < 16);
    assert_int_equal(size_of(store), count);
    store->class->close(store);
    store = open_store(&place, ROOM); /* with more room it goes on */
    assert_int_equal(add(store, count, 1, cella_view_of(large, sizeof(large))), CELLA_OK);
    store->class->close(store);
}

static void one_at_a_time(void **unused)
{
    struct place place;
    char blame[CELLA_LEDGER_BLAME_MAX] = "";
    struct cella_ledger_store *second = NULL;
    (void) unused;
    open_place(&place);
    struct cella_ledger_store *store = open_store(&place, ROOM);
    assert_int_equal(add(store, 0, 1, cella_view_of_string("one")), CELLA_OK);
    assert_int_equal(cella_ledger_sqlite_open(place.path, ROOM, &second, blame), CELLA_EXISTS);
    assert_non_null(strstr(blame, "another process"));
    store->class->close(store);
}

static void execute(const char *path, const char *text)
{
    sqlite3 *database;
    assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, text, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

static void other_files_are_refused(void **unused)
{
    struct place place;
    char blame[CELLA_LEDGER_BLAME_MAX] = "";
    struct cella_ledger_store *store = NULL;
    (void) unused;
    open_place(&place);
    execute(place.path, "CREATE TABLE other (x)");
    assert_int_equal(cella_ledger_sqlite_open(place.path, ROOM, &store, blame), CELLA_BAD_FORMAT);
    open_place(&place);
    store = open_store(&place, ROOM);
    store->class->close(store);
    execute(place.path, "PRAGMA user_version = 2");
    assert_int_equal(cella_ledger_sqlite_open(place.path, ROOM, &store, blame), CELLA_BAD_VERSION);
    assert_non_null(strstr(blame, "newer"));
    open_place(&place);
    FILE *file = fopen(place.path, "w");
    assert_true(fputs("This is text, and long enough to be taken for a header of a database file, or is it not.\n", file) >= 0);
    for (int i = 0; i < 100; i++) {
        assert_true(fputs("More text, so that there is a page of it.\n", file) >= 0);
    }
    assert_int_equal(fclose(file), 0);
    assert_int_equal(cella_ledger_sqlite_open(place.path, ROOM, &store, blame), CELLA_BAD_FORMAT);
}

static void put(struct cella_ledger_store *store, const char *name, const char *first, const char *second)
{
    assert_int_equal(store->class->file_begin(store, name), CELLA_OK);
    assert_int_equal(store->class->file_write(store, 0, cella_view_of_string(first)), CELLA_OK);
    if (second != NULL) {
        assert_int_equal(store->class->file_write(store, 1, cella_view_of_string(second)), CELLA_OK);
    }
}

static void files(void **unused)
{
    struct place place;
    uint64_t size;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes found = { 0 };
    (void) unused;
    open_place(&place);
    struct cella_ledger_store *store = open_store(&place, ROOM);
    assert_int_equal(store->class->file_size(store, "keyring", &size), CELLA_OBJECT_MISSING);
    put(store, "keyring", "old", NULL);
    assert_int_equal(store->class->file_size(store, "keyring", &size), CELLA_OBJECT_MISSING);
    assert_int_equal(store->class->file_publish(store, 3), CELLA_OK);
    put(store, "keyring", "new ", "one"); /* not published: the old one stays */
    store->class->close(store);
    store = open_store(&place, ROOM);
    assert_int_equal(store->class->file_size(store, "keyring", &size), CELLA_OK);
    assert_int_equal(size, 3);
    assert_int_equal(store->class->file_read(store, "keyring", 0, &found), CELLA_OK);
    assert_true(cella_view_is(cella_bytes_view(&found), "old"));
    put(store, "keyring", "new ", "one");
    assert_int_equal(store->class->file_publish(store, 7), CELLA_OK);
    assert_int_equal(store->class->file_read(store, "keyring", 1, &found), CELLA_OK);
    assert_true(cella_view_is(cella_bytes_view(&found), "one"));
    assert_int_equal(store->class->file_read(store, "keyring", 2, &found), CELLA_OK);
    assert_int_equal(found.size, 0);
    store->class->close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_stay),     cmocka_unit_test(a_transaction_is_whole),
        cmocka_unit_test(a_process_is_killed), cmocka_unit_test(it_is_full),
        cmocka_unit_test(one_at_a_time),    cmocka_unit_test(other_files_are_refused),
        cmocka_unit_test(files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
