/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Numbers for hashes, from 0 in the order in which they come: an open table over builtins/hash.h, whose 128 bits stand for
 * the text. 48 bytes of memory for each on average.
 */

#include "builtins/hash.h"

struct cella_hash_entry {
    struct cella_hash hash;
    uint64_t number; /* plus 1; 0: nothing is here */
};

/* A zeroed one is empty. */
struct cella_hash_index {
    struct cella_hash_entry *entries;
    size_t capacity; /* 0 or a power of two */
    size_t count;
};

/* False: the hash has no number. */
bool cella_hash_index_find(const struct cella_hash_index *index, struct cella_hash hash, size_t *number);

/* Find it, or give it the next number. *is_new says which. CELLA_NO_MEMORY */
CELLA_MUST_USE cella_status cella_hash_index_put(struct cella_hash_index *index, struct cella_hash hash,
                                                 size_t *number, bool *is_new);

void cella_hash_index_clear(struct cella_hash_index *index);
