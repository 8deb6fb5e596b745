/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Where a ledger stands: how many records, the hash of the last one, and the Merkle tree over all of them. The tree's
 * nodes stay in memory, 64 bytes for each record, so that any two sizes can be shown to belong together at once.
 */

#include "monitor/record.h"

struct cella_chain {
    uint64_t size;                   /* records; the next one's sequence number */
    uint8_t head[CELLA_SHA256_SIZE]; /* hash of the last one; zeros when there is none */
    struct cella_merkle_tree tree;
    struct cella_bytes nodes;        /* hashes of complete subtrees, in the order of cella_merkle_place */
};

void cella_chain_clear(struct cella_chain *chain);

/* The next record. CELLA_NO_MEMORY, CELLA_CRYPTO_FAILED; then nothing has changed. */
CELLA_MUST_USE cella_status cella_chain_add(struct cella_chain *chain, const struct cella_record_mark *mark);

/* The leaf of record `index`. CELLA_BAD_FIELD  there is none of this number */
CELLA_MUST_USE cella_status cella_chain_leaf(const struct cella_chain *chain, uint64_t index,
                                             struct cella_merkle_hash *out);

/*
 * The proof that this ledger continues the one of old_size records, from the leaf upwards; empty when the sizes are equal.
 * CELLA_BAD_FIELD  old_size is 0 or above the size
 */
CELLA_MUST_USE cella_status cella_chain_prove(const struct cella_chain *chain, uint64_t old_size,
                                              struct cella_merkle_path *out);

/*
 * The proof that record `index` was in the ledger when it had `size` records, from the leaf upwards. It stays the same
 * however the ledger grows.
 * leaf: set to the record's
 * CELLA_BAD_FIELD  index is not below size, or size is above the present one
 */
CELLA_MUST_USE cella_status cella_chain_prove_inclusion(const struct cella_chain *chain, uint64_t index, uint64_t size,
                                                        struct cella_merkle_hash *leaf, struct cella_merkle_path *out);
