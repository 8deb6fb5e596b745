/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What keeps the ledger's records, within cella-ledger: the interface that a store implements. SQLite does
 * (ledger_sqlite.c); another one in this program needs a table of these functions and a line where the store is opened
 * (ledger_main.c), and one that is a program of its own keeps to ledger_program.h instead. A store knows records by their
 * number and nothing of what is in them.
 *
 * Used by one thread. Every function may wait for the disk. Statuses of all of them: CELLA_LEDGER_FULL  no room, on the
 * disk or by the store's own limit; CELLA_LEDGER_FAILED  anything else that is wrong with the disk; CELLA_NO_MEMORY
 */

#include "base/bytes.h"
#include "host/ledger_program.h"

#define CELLA_LEDGER_PART_MAX (1024U * 1024U) /* bytes of one part of a file */
#define CELLA_LEDGER_NAME_MAX 64U

struct cella_ledger_store {
    const struct cella_ledger_store_class *class;
};

struct cella_ledger_store_class {
    /* Gone afterwards in any case. Other than CELLA_OK: not everything is in the one file that a backup copies; it is not lost. */
    cella_status (*close)(struct cella_ledger_store *store);

    /* Number of records. */
    cella_status (*size)(struct cella_ledger_store *store, uint64_t *out);

    /*
     * Add records: begin once, append any number, then commit, which returns CELLA_OK when all of them are on disk, together.
     * After a failure of append or commit none of them is there.
     */
    cella_status (*begin)(struct cella_ledger_store *store);
    cella_status (*append)(struct cella_ledger_store *store, uint64_t sequence, struct cella_view record);
    cella_status (*commit)(struct cella_ledger_store *store);

    /* A record, replacing what is in out. CELLA_OBJECT_MISSING  there is none of this number */
    cella_status (*read)(struct cella_ledger_store *store, uint64_t sequence, struct cella_bytes *out);

    /*
     * Files beside the records, by name: written in parts from number 0 on, each at most CELLA_LEDGER_PART_MAX bytes. What
     * was there under the name is replaced when file_publish returns CELLA_OK, and not before. One file is written at a time.
     */
    cella_status (*file_begin)(struct cella_ledger_store *store, const char *name);
    cella_status (*file_write)(struct cella_ledger_store *store, uint64_t part, struct cella_view bytes);
    cella_status (*file_publish)(struct cella_ledger_store *store, uint64_t size);

    /* Size of a file; a part of it, empty past its end. CELLA_OBJECT_MISSING  there is none of this name */
    cella_status (*file_size)(struct cella_ledger_store *store, const char *name, uint64_t *out);
    cella_status (*file_read)(struct cella_ledger_store *store, const char *name, uint64_t part, struct cella_bytes *out);
};

/*
 * The SQLite store: one file, write-ahead log, every commit flushed to the disk.
 *
 * path:      of the file; made where absent
 * max_bytes: of the file
 * blame:     on failure, a sentence about what is wrong
 * CELLA_EXISTS       another process has it open
 * CELLA_BAD_VERSION  made by a newer Cella; CELLA_BAD_FORMAT  it is no ledger of Cella; and those above
 */
CELLA_MUST_USE cella_status cella_ledger_sqlite_open(const char *path, uint64_t max_bytes,
                                                     struct cella_ledger_store **out,
                                                     char blame[CELLA_LEDGER_BLAME_MAX]);
