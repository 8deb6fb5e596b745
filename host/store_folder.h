/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The store's files: names, temporary files, the sum of their sizes. No streams here.
 */

#include "base/bytes.h"

#define CELLA_STORE_ID_SIZE 32U /* lower-case hexadecimal digits */

struct cella_store_folder {
    int folder;    /* of store/ */
    uint64_t used; /* bytes of complete objects and of reservations */
    uint64_t max_bytes;
    uint64_t temporary; /* number of the next temporary file */
};

/* Open store/ below the state folder; temporary files are removed, sizes added up. CELLA_SYSTEM_FAILED */
CELLA_MUST_USE cella_status cella_store_folder_open(int state, uint64_t max_bytes, struct cella_store_folder *out);
void cella_store_folder_close(struct cella_store_folder *folder);

/* Exactly CELLA_STORE_ID_SIZE lower-case hexadecimal digits. */
bool cella_store_id_valid(struct cella_view id);

/* A new temporary file. *number names it. CELLA_STORE_FAILED, CELLA_STORE_FULL */
CELLA_MUST_USE cella_status cella_store_folder_create(struct cella_store_folder *folder, uint64_t *number,
                                                      int *file);

/* Account for bytes about to be written to a temporary file. CELLA_STORE_FULL */
CELLA_MUST_USE cella_status cella_store_folder_reserve(struct cella_store_folder *folder, uint64_t size);

/*
 * Put a temporary file under its name, on disk. An older object of that name is replaced. The file stays open. Waits for
 * the disk; may be called by another thread than everything else here, because it changes nothing in folder.
 *
 * replaced:  bytes of the older object, for cella_store_folder_release
 *
 * CELLA_STORE_FAILED, CELLA_STORE_FULL: there is nothing under the name; discard the file
 */
CELLA_MUST_USE cella_status cella_store_folder_publish(const struct cella_store_folder *folder, uint64_t number,
                                                       int file, struct cella_view id, uint64_t *replaced);

/* These bytes are not there any more. */
void cella_store_folder_release(struct cella_store_folder *folder, uint64_t size);

/* Give up a temporary file for which size bytes were reserved. */
void cella_store_folder_discard(struct cella_store_folder *folder, uint64_t number, int file, uint64_t size);

/* Open an object. CELLA_OBJECT_MISSING, CELLA_STORE_FAILED */
CELLA_MUST_USE cella_status cella_store_folder_find(const struct cella_store_folder *folder, struct cella_view id,
                                                    int *file, uint64_t *size);

/* Delete an object. CELLA_OBJECT_MISSING, CELLA_STORE_FAILED */
CELLA_MUST_USE cella_status cella_store_folder_delete(struct cella_store_folder *folder, struct cella_view id);
