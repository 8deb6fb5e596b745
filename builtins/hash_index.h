/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Numbers for hashes, from 0 in the order in which they come: an open table over builtins/hash.h. 96 bits of a hash stand for
 * the text: two of n texts are taken for one with a chance below n^2 / 2^97. 24 to 48 bytes of memory for each.
 */

#include "builtins/hash.h"

#define CELLA_HASH_INDEX_MAX 4294967294U

struct cella_hash_entry {
    uint64_t low;
    uint32_t high;
    uint32_t number; /* plus 1; 0: nothing is here */
};

/* A zeroed one is empty. */
struct cella_hash_index {
    struct cella_hash_entry *entries;
    size_t capacity; /* 0 or a power of two */
    size_t count;
};

/* False: the hash has no number. */
bool cella_hash_index_find(const struct cella_hash_index *index, struct cella_hash hash, size_t *number);

/* Find it, or give it the next number. *is_new says which. CELLA_NO_MEMORY: also beyond CELLA_HASH_INDEX_MAX */
CELLA_MUST_USE cella_status cella_hash_index_put(struct cella_hash_index *index, struct cella_hash hash,
                                                 size_t *number, bool *is_new);

void cella_hash_index_clear(struct cella_hash_index *index);
