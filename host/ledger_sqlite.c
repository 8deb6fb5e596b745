/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/ledger_store.h"

#define SCHEMA 1
#define APPLICATION_ID 0x43454c4c /* "CELL" */
#define PAGE_BYTES 4096U
#define PATIENCE_MS 5000 /* for the process of a host that is ending to let go of the file */

enum statement {
    STATEMENT_BEGIN,
    STATEMENT_COMMIT,
    STATEMENT_ROLLBACK,
    STATEMENT_SIZE,
    STATEMENT_APPEND,
    STATEMENT_READ,
    STATEMENT_FILE_NEXT,
    STATEMENT_FILE_WRITE,
    STATEMENT_FILE_PUBLISH,
    STATEMENT_FILE_DROP,
    STATEMENT_FILE_SIZE,
    STATEMENT_FILE_READ,
    STATEMENT_COUNT,
};

static const char *const texts[STATEMENT_COUNT] = {
    [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
    [STATEMENT_COMMIT] = "COMMIT",
    [STATEMENT_ROLLBACK] = "ROLLBACK",
    [STATEMENT_SIZE] = "SELECT coalesce(max(sequence) + 1, 0) FROM records",
    [STATEMENT_APPEND] = "INSERT INTO records (sequence, record) VALUES (?1, ?2)",
    [STATEMENT_READ] = "SELECT record FROM records WHERE sequence = ?1",
    [STATEMENT_FILE_NEXT] = "SELECT coalesce(max(version) + 1, 0) FROM parts WHERE name = ?1",
    [STATEMENT_FILE_WRITE] = "INSERT OR REPLACE INTO parts (name, version, part, bytes) VALUES (?1, ?2, ?3, ?4)",
    [STATEMENT_FILE_PUBLISH] = "INSERT OR REPLACE INTO files (name, version, size) VALUES (?1, ?2, ?3)",
    [STATEMENT_FILE_DROP] = "DELETE FROM parts WHERE (name, version) NOT IN (SELECT name, version FROM files)",
    [STATEMENT_FILE_SIZE] = "SELECT size FROM files WHERE name = ?1",
    [STATEMENT_FILE_READ] = "SELECT bytes FROM parts NATURAL JOIN files WHERE name = ?1 AND part = ?2",
};

static const char schema[] = "BEGIN IMMEDIATE;"
                             "PRAGMA application_id = 1128614988;"
                             "PRAGMA user_version = 1;"
                             "CREATE TABLE records (sequence INTEGER PRIMARY KEY, record BLOB NOT NULL);"
                             "CREATE TABLE files (name TEXT PRIMARY KEY, version INTEGER NOT NULL, size INTEGER NOT NULL);"
                             "CREATE TABLE parts (name TEXT, version INTEGER, part INTEGER, bytes BLOB NOT NULL,"
                             " PRIMARY KEY (name, version, part)) WITHOUT ROWID;"
                             "COMMIT;";
_Static_assert(APPLICATION_ID == 1128614988, "the schema's text says the same");

struct sqlite_store {
    struct cella_ledger_store base;
    sqlite3 *database;
    sqlite3_stmt *statements[STATEMENT_COUNT];
    char file[CELLA_LEDGER_NAME_MAX + 1]; /* that is being written */
    int64_t version;                      /* of it */
};

static cella_status status_of(int result)
{
    switch (result & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return CELLA_OK;
    case SQLITE_FULL:
    case SQLITE_TOOBIG:
        return CELLA_LEDGER_FULL;
    case SQLITE_NOMEM:
        return CELLA_NO_MEMORY;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return CELLA_EXISTS;
    case SQLITE_NOTADB:
        return CELLA_BAD_FORMAT;
    case SQLITE_IOERR:
        return errno == ENOSPC || errno == EFBIG || errno == EDQUOT ? CELLA_LEDGER_FULL : CELLA_LEDGER_FAILED;
    default:
        return CELLA_LEDGER_FAILED;
    }
}

/* Run a statement that gives no row. */
static cella_status run(struct sqlite_store *store, enum statement which)
{
    errno = 0;
    cella_status status = status_of(sqlite3_step(store->statements[which]));
    (void) sqlite3_reset(store->statements[which]);
    (void) sqlite3_clear_bindings(store->statements[which]);
    return status;
}

/* Run a statement that gives one number. CELLA_OBJECT_MISSING  or none */
static cella_status ask(struct sqlite_store *store, enum statement which, int64_t *out)
{
    errno = 0;
    int result = sqlite3_step(store->statements[which]);
    *out = result == SQLITE_ROW ? sqlite3_column_int64(store->statements[which], 0) : 0;
    (void) sqlite3_reset(store->statements[which]);
    return result == SQLITE_DONE ? CELLA_OBJECT_MISSING : status_of(result);
}

/* Run a statement that gives one range of bytes. CELLA_OBJECT_MISSING  or none */
static cella_status fetch(struct sqlite_store *store, enum statement which, struct cella_bytes *out)
{
    sqlite3_stmt *statement = store->statements[which];
    errno = 0;
    int result = sqlite3_step(statement);
    cella_status status = result == SQLITE_DONE ? CELLA_OBJECT_MISSING : status_of(result);
    if (result == SQLITE_ROW) {
        const void *bytes = sqlite3_column_blob(statement, 0);
        status = cella_bytes_set(out, cella_view_of(bytes, (size_t) sqlite3_column_bytes(statement, 0)));
    }
    (void) sqlite3_reset(statement);
    return status;
}

static cella_status bind_number(struct sqlite_store *store, enum statement which, int place, uint64_t value)
{
    return status_of(sqlite3_bind_int64(store->statements[which], place, (int64_t) value));
}

static cella_status bind_name(struct sqlite_store *store, enum statement which, const char *name)
{
    return status_of(sqlite3_bind_text(store->statements[which], 1, name, -1, SQLITE_TRANSIENT));
}

/* An empty range is bound as one, not as NULL. */
static cella_status bind_bytes(struct sqlite_store *store, enum statement which, int place, struct cella_view bytes)
{
    const void *data = bytes.size == 0 ? "" : (const void *) bytes.data;
    return status_of(sqlite3_bind_blob64(store->statements[which], place, data, bytes.size, SQLITE_STATIC));
}

/* ---- records ---- */

static cella_status count_records(struct cella_ledger_store *base, uint64_t *out)
{
    int64_t count;
    CELLA_TRY(ask((struct sqlite_store *) base, STATEMENT_SIZE, &count));
    *out = (uint64_t) count;
    return CELLA_OK;
}

/* A failure may have ended the transaction already. */
static cella_status roll_back(struct sqlite_store *store, cella_status status)
{
    if (status != CELLA_OK && sqlite3_get_autocommit(store->database) == 0) {
        (void) !run(store, STATEMENT_ROLLBACK);
    }
    return status;
}

static cella_status begin(struct cella_ledger_store *base)
{
    return run((struct sqlite_store *) base, STATEMENT_BEGIN);
}

static cella_status append(struct cella_ledger_store *base, uint64_t sequence, struct cella_view record)
{
    struct sqlite_store *store = (struct sqlite_store *) base;
    cella_status status = bind_number(store, STATEMENT_APPEND, 1, sequence);
    status = status == CELLA_OK ? bind_bytes(store, STATEMENT_APPEND, 2, record) : status;
    return roll_back(store, status == CELLA_OK ? run(store, STATEMENT_APPEND) : status);
}

static cella_status commit(struct cella_ledger_store *base)
{
    struct sqlite_store *store = (struct sqlite_store *) base;
    return roll_back(store, run(store, STATEMENT_COMMIT));
}

static cella_status read_record(struct cella_ledger_store *base, uint64_t sequence, struct cella_bytes *out)
{
    struct sqlite_store *store = (struct sqlite_store *) base;
    CELLA_TRY(bind_number(store, STATEMENT_READ, 1, sequence));
    return fetch(store, STATEMENT_READ, out);
}

/* ---- files ---- */

static cella_status file_begin(struct cella_ledger_store *base, const char *name)
{
    struct sqlite_store *store = (struct sqlite_store *) base;
    if (strlen(name) > CELLA_LEDGER_NAME_MAX) {
        return CELLA_TOO_LARGE;
    }
    CELLA_TRY(run(store, STATEMENT_FILE_DROP)); /* of one whose writing was given up */
    CELLA_TRY(bind_name(store, STATEMENT_FILE_NEXT, name));
    memcpy(store->file, name, strlen(name) + 1);
    return ask(store, STATEMENT_FILE_NEXT, &store->version);
}

static cella_status file_write(struct cella_ledger_store *base, uint64_t part, struct cella_view bytes)
{
    struct sqlite_store *store = (struct sqlite_store *) base;
    CELLA_TRY(bind_name(store, STATEMENT_FILE_WRITE, store->file));
    CELLA_TRY(bind_number(store, STATEMENT_FILE_WRITE, 2, (uint64_t) store->version));
    CELLA_TRY(bind_number(store, STATEMENT_FILE_WRITE, 3, part));
    CELLA_TRY(bind_bytes(store, STATEMENT_FILE_WRITE, 4, bytes));
    cella_status status = run(store, STATEMENT_FILE_WRITE);
    if (status != CELLA_OK) {
        (void) !run(store, STATEMENT_FILE_DROP); /* what there was room for is room for records again */
    }
    return status;
}

static cella_status publish(struct sqlite_store *store, uint64_t size)
{
    CELLA_TRY(bind_name(store, STATEMENT_FILE_PUBLISH, store->file));
    CELLA_TRY(bind_number(store, STATEMENT_FILE_PUBLISH, 2, (uint64_t) store->version));
    CELLA_TRY(bind_number(store, STATEMENT_FILE_PUBLISH, 3, size));
    CELLA_TRY(run(store, STATEMENT_FILE_PUBLISH));
    CELLA_TRY(run(store, STATEMENT_FILE_DROP));
    return run(store, STATEMENT_COMMIT);
}

static cella_status file_publish(struct cella_ledger_store *base, uint64_t size)
{
    struct sqlite_store *store = (struct sqlite_store *) base;
    CELLA_TRY(run(store, STATEMENT_BEGIN));
    return roll_back(store, publish(store, size));
}

static cella_status file_size(struct cella_ledger_store *base, const char *name, uint64_t *out)
{
    struct sqlite_store *store = (struct sqlite_store *) base;
    int64_t size;
    CELLA_TRY(bind_name(store, STATEMENT_FILE_SIZE, name));
    CELLA_TRY(ask(store, STATEMENT_FILE_SIZE, &size));
    *out = (uint64_t) size;
    return CELLA_OK;
}

static cella_status file_read(struct cella_ledger_store *base, const char *name, uint64_t part, struct cella_bytes *out)
{
    struct sqlite_store *store = (struct sqlite_store *) base;
    CELLA_TRY(bind_name(store, STATEMENT_FILE_READ, name));
    CELLA_TRY(bind_number(store, STATEMENT_FILE_READ, 2, part));
    cella_status status = fetch(store, STATEMENT_FILE_READ, out);
    if (status == CELLA_OBJECT_MISSING) {
        out->size = 0;
        return CELLA_OK;
    }
    return status;
}

/* ---- life ---- */

/* SQLite would take the log into the file itself when it closes that, but does not say whether it could. */
static cella_status close_store(struct cella_ledger_store *base)
{
    struct sqlite_store *store = (struct sqlite_store *) base;
    for (size_t i = 0; i < STATEMENT_COUNT; i++) {
        (void) sqlite3_finalize(store->statements[i]);
    }
    errno = 0;
    int result = store->database == NULL
                     ? SQLITE_NOMEM
                     : sqlite3_wal_checkpoint_v2(store->database, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    cella_status status = status_of(result);
    (void) sqlite3_close(store->database);
    free(store);
    return status;
}

static const struct cella_ledger_store_class sqlite_class = {
    .close = close_store,
    .size = count_records,
    .begin = begin,
    .append = append,
    .commit = commit,
    .read = read_record,
    .file_begin = file_begin,
    .file_write = file_write,
    .file_publish = file_publish,
    .file_size = file_size,
    .file_read = file_read,
};

static cella_status execute(struct sqlite_store *store, const char *text)
{
    errno = 0;
    return status_of(sqlite3_exec(store->database, text, NULL, NULL, NULL));
}

static cella_status pragma(struct sqlite_store *store, const char *text, int64_t *out)
{
    sqlite3_stmt *statement = NULL;
    errno = 0;
    CELLA_TRY(status_of(sqlite3_prepare_v2(store->database, text, -1, &statement, NULL)));
    int result = sqlite3_step(statement);
    *out = result == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : -1;
    (void) sqlite3_finalize(statement);
    return status_of(result);
}

/* Exclusive: a second host on this file waits, and is refused then. */
static cella_status set_up(struct sqlite_store *store, uint64_t max_bytes)
{
    char text[96];
    (void) sqlite3_busy_timeout(store->database, PATIENCE_MS);
    CELLA_TRY(execute(store, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA page_size = 4096; PRAGMA trusted_schema = OFF;"
                             "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"));
    (void) snprintf(text, sizeof(text), "PRAGMA max_page_count = %llu;", (unsigned long long) (max_bytes / PAGE_BYTES));
    return execute(store, text);
}

static cella_status check_schema(struct sqlite_store *store)
{
    int64_t application;
    int64_t version;
    int64_t tables;
    CELLA_TRY(pragma(store, "PRAGMA application_id", &application));
    CELLA_TRY(pragma(store, "PRAGMA user_version", &version));
    CELLA_TRY(pragma(store, "SELECT count(*) FROM sqlite_master", &tables));
    if (tables == 0 && application == 0 && version == 0) {
        return execute(store, schema);
    }
    if (application != APPLICATION_ID || version < 1) {
        return CELLA_BAD_FORMAT;
    }
    return version > SCHEMA ? CELLA_BAD_VERSION : CELLA_OK;
}

static cella_status prepare(struct sqlite_store *store)
{
    for (size_t i = 0; i < STATEMENT_COUNT; i++) {
        CELLA_TRY(status_of(sqlite3_prepare_v3(store->database, texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                                               &store->statements[i], NULL)));
    }
    return run(store, STATEMENT_FILE_DROP); /* of a file whose writing was cut off */
}

static const char *explain(cella_status status, sqlite3 *database)
{
    switch ((int) status) {
    case CELLA_EXISTS:
        return "another process has it open";
    case CELLA_BAD_FORMAT:
        return "this is no ledger of Cella";
    case CELLA_BAD_VERSION:
        return "it was made by a newer Cella; install that one";
    default:
        return database == NULL ? "no memory" : sqlite3_errmsg(database);
    }
}

cella_status cella_ledger_sqlite_open(const char *path, uint64_t max_bytes, struct cella_ledger_store **out,
                                      char blame[CELLA_LEDGER_BLAME_MAX])
{
    struct sqlite_store *store = calloc(1, sizeof(*store));
    if (store == NULL) {
        return CELLA_NO_MEMORY;
    }
    store->base.class = &sqlite_class;
    errno = 0;
    cella_status status = status_of(
        sqlite3_open_v2(path, &store->database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL));
    status = status == CELLA_OK ? set_up(store, max_bytes) : status;
    status = status == CELLA_OK ? check_schema(store) : status;
    status = status == CELLA_OK ? prepare(store) : status;
    if (status != CELLA_OK) {
        (void) snprintf(blame, CELLA_LEDGER_BLAME_MAX, "ledger %.120s: %s", path, explain(status, store->database));
        (void) close_store(&store->base);
        return status;
    }
    *out = &store->base;
    return CELLA_OK;
}
