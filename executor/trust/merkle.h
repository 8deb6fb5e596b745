/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The Merkle tree of RFC 9162 section 2.1 over SHA-256: hashes, a tree that grows entry by entry in the memory of its
 * peaks, proofs of inclusion and consistency, and their verification.
 *
 * What a log stores is the hash of every *complete* subtree, each written once, when its last leaf comes, and never
 * changed: cella_merkle_append hands them out, cella_merkle_place numbers them without gaps, two per leaf in the end
 * (64 bytes: 64 MiB for a million entries). Any proof is then made of at most 2 * 64 reads. A log that keeps the leaf
 * hashes only answers higher levels by hashing, 2^level - 1 times.
 *
 * Sizes and indices are 64-bit, so that no path has more than CELLA_MERKLE_PATH_MAX nodes. Pure; nothing is allocated.
 *
 * Source: RFC 9162 sections 2.1.1 to 2.1.4; RFC 6962 has the same tree.
 */

#include "trust/crypto.h"

#define CELLA_MERKLE_PATH_MAX 64U

struct cella_merkle_hash {
    uint8_t bytes[CELLA_SHA256_SIZE];
};

/* A proof: from the leaf's sibling upwards. About 2 KiB, for the stack. */
struct cella_merkle_path {
    struct cella_merkle_hash nodes[CELLA_MERKLE_PATH_MAX];
    size_t count;
};

/* SHA-256(0x00 || parts): the entry in pieces, so that nobody needs a copy of it. CELLA_CRYPTO_FAILED, CELLA_NO_MEMORY */
CELLA_MUST_USE cella_status cella_merkle_leaf(const struct cella_view *parts, size_t part_count,
                                              struct cella_merkle_hash *out);

/* SHA-256(0x01 || left || right). out may be one of them. CELLA_CRYPTO_FAILED */
CELLA_MUST_USE cella_status cella_merkle_node(const struct cella_merkle_hash *left,
                                              const struct cella_merkle_hash *right, struct cella_merkle_hash *out);

/* The hash of an empty tree: SHA-256 of nothing. */
void cella_merkle_empty(struct cella_merkle_hash *out);

/* ---- a growing tree ---- */

/* peaks[level] is the complete subtree of 2^level leaves that belongs to bit `level` of size. Zeroed: empty. */
struct cella_merkle_tree {
    uint64_t size;
    struct cella_merkle_hash peaks[CELLA_MERKLE_PATH_MAX];
};

/*
 * Keeps the hash of a complete subtree: level 0 is a leaf; index counts subtrees of that level from the left.
 * May fail with any status, which the caller of append gets.
 */
typedef cella_status (*cella_merkle_keep)(void *context, unsigned int level, uint64_t index,
                                          const struct cella_merkle_hash *hash);

/*
 * Add one leaf; O(1) hashes on average, 64 at most.
 *
 * keep: gets the leaf, then every subtree that it completes, in the order of cella_merkle_place; NULL: nobody wants them
 * CELLA_TOO_MANY  2^64 - 1 leaves; or the status of keep. The tree is as before unless CELLA_OK
 */
CELLA_MUST_USE cella_status cella_merkle_append(struct cella_merkle_tree *tree, const struct cella_merkle_hash *leaf,
                                                cella_merkle_keep keep, void *context);

/* The root. At most 63 hashes. */
CELLA_MUST_USE cella_status cella_merkle_root(const struct cella_merkle_tree *tree, struct cella_merkle_hash *out);

/* ---- a stored tree ---- */

/* How many complete subtrees a tree of size leaves has: records that its store holds. size: at most 2^63. */
uint64_t cella_merkle_stored(uint64_t size);

/* Where among the records a subtree is, from 0: by when it became complete. Wraps silently beyond 2^63 leaves. */
uint64_t cella_merkle_place(unsigned int level, uint64_t index);

/*
 * Gives the hash of a complete subtree, level and index as above. Only ever asked for subtrees within the size that the
 * proof is about. What it gives is believed: a log whose store is not trusted compares the root with the one it sealed.
 * May fail with any status, which the caller gets.
 */
typedef cella_status (*cella_merkle_read)(void *context, unsigned int level, uint64_t index,
                                          struct cella_merkle_hash *out);

/* The growing tree at a size, out of the store; at most 64 reads. out is empty unless CELLA_OK. */
CELLA_MUST_USE cella_status cella_merkle_restore(uint64_t size, cella_merkle_read read, void *context,
                                                 struct cella_merkle_tree *out);

/*
 * The proof that leaf `index` is in the tree of `size`: at most 127 reads and 63 hashes.
 * CELLA_BAD_FIELD  index is not below size. out is empty unless CELLA_OK
 */
CELLA_MUST_USE cella_status cella_merkle_prove_inclusion(uint64_t index, uint64_t size, cella_merkle_read read,
                                                         void *context, struct cella_merkle_path *out);

/*
 * The proof that the tree of `size` begins with the tree of `old_size`: same cost. Empty when they are equal.
 * CELLA_BAD_FIELD  old_size is 0 or above size. out is empty unless CELLA_OK
 */
CELLA_MUST_USE cella_status cella_merkle_prove_consistency(uint64_t old_size, uint64_t size, cella_merkle_read read,
                                                           void *context, struct cella_merkle_path *out);

/* ---- verification: everything is untrusted ---- */

/*
 * The root that a proof leads to; the caller compares it with one that somebody signed.
 *
 * Several pairs of index and size lead to the same root, so neither is proved by it: they are evidence of order or age only
 * where they are signed themselves (docs/receipts.md).
 * CELLA_BAD_PROOF  index is not below size, or the path is too short, too long or above CELLA_MERKLE_PATH_MAX
 */
CELLA_MUST_USE cella_status cella_merkle_root_of_inclusion(const struct cella_merkle_hash *leaf, uint64_t index,
                                                           uint64_t size, const struct cella_merkle_path *path,
                                                           struct cella_merkle_hash *out);

/*
 * Does the tree of size and root begin with the tree of old_size and old_root?
 * CELLA_BAD_PROOF  no, or not proved by this path; also: old_size is 0 or above size
 */
CELLA_MUST_USE cella_status cella_merkle_check_consistency(uint64_t old_size, uint64_t size,
                                                           const struct cella_merkle_hash *old_root,
                                                           const struct cella_merkle_hash *root,
                                                           const struct cella_merkle_path *path);

/* Equal hashes. Not constant time: none of them is secret. */
bool cella_merkle_equal(const struct cella_merkle_hash *a, const struct cella_merkle_hash *b);
