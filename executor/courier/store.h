/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Storing one memory file with the host, sealed: one segment of memory, whatever its size. The file is used up: its
 * pages are given back as they go, so that a large output is not in the machine's memory twice.
 */

#include "courier/errand.h"
#include "trust/sealed_file.h"

struct cella_store_output {
    struct cella_view object;
    struct cella_view associated_data;
    struct cella_secret key;
    uint64_t most; /* bytes of plaintext, without padding */
    bool padded;   /* append zero bytes up to the size class (base/padding.h) */
};

/* What is now with the host. */
struct cella_stored {
    uint8_t sha256[CELLA_SHA256_SIZE];
    uint64_t sealed_size;
    uint64_t plain_size; /* without padding */
};

/*
 * Seal a memory file into the host's store. Nobody else may write to the file meanwhile.
 *
 * CELLA_LIMIT_OUTPUT  the file is larger than allowed; CELLA_STORE_FULL, CELLA_STORE_FAILED
 * CELLA_CLOSED        host or monitor went away; nothing stays with the host, unless it had all and its answer is
 *                     missing: delete it then
 */
CELLA_MUST_USE cella_status cella_store_output(struct cella_line *line, const struct cella_store_output *output,
                                               int file, struct cella_stored *out);

/* Delete an object from the host's store, as far as the host obeys: for outputs of a task that failed after all. */
void cella_store_delete(struct cella_line *line, struct cella_view object);
