/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Moving one object between the host's store and a memory file: ciphertext on the link's side, plaintext on the other.
 * One after the other, one segment of memory each, so the courier stays as small for 2 GiB as for 2 KiB.
 */

#include "base/link.h"
#include "trust/sealed_file.h"

struct cella_transfer;

/*
 * link_descriptor: the courier's end of its link, taken over
 * monitor:         watched for its end while waiting: without the monitor there is nothing to do
 */
CELLA_MUST_USE cella_status cella_transfer_new(int link_descriptor, int monitor, struct cella_transfer **out);
void cella_transfer_free(struct cella_transfer *transfer);

struct cella_transfer_input {
    struct cella_view object;
    uint64_t sealed_size;
    uint32_t segment_size;
    struct cella_view sha256; /* CELLA_SHA256_SIZE bytes */
    struct cella_view associated_data;
    struct cella_secret key;
};

/*
 * Fetch, check and open one object completely into a new memory file, then seal the file against any change.
 *
 * CELLA_OBJECT_MISSING  the host does not deliver it
 * CELLA_BAD_DIGEST      what it delivers is not what was registered, in size or content
 * CELLA_BAD_TAG, CELLA_TRUNCATED, CELLA_BAD_FORMAT  it is what was registered, but the key does not open it
 * CELLA_LIMIT_INPUT     no memory for it; CELLA_CLOSED  host or monitor went away
 */
CELLA_MUST_USE cella_status cella_transfer_fetch(struct cella_transfer *transfer,
                                                 const struct cella_transfer_input *input, int *out);

struct cella_transfer_output {
    struct cella_view object;
    struct cella_view associated_data;
    uint64_t most; /* bytes of plaintext */
    struct cella_secret key;
};

/*
 * Seal a memory file into the host's store.
 *
 * CELLA_LIMIT_OUTPUT  the file is larger than allowed; CELLA_STORE_FULL, CELLA_STORE_FAILED, CELLA_CLOSED
 */
CELLA_MUST_USE cella_status cella_transfer_store(struct cella_transfer *transfer,
                                                 const struct cella_transfer_output *output, int descriptor,
                                                 uint8_t sha256[CELLA_SHA256_SIZE], uint64_t *sealed_size,
                                                 uint64_t *plain_size);

/* Delete an object from the host's store, as far as the host obeys: for outputs of a task that failed after all. */
void cella_transfer_delete(struct cella_transfer *transfer, struct cella_view object);
