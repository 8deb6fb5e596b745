/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A table from keyed hashes to numbers. Texts with the same 128 bits of hash count as the same: see hash.h on how likely
 * that is for others. Takes about 50 to 100 bytes for each entry.
 */

#include "builtins/hash.h"

struct cella_hash_slot {
    struct cella_hash hash;
    uint64_t value; /* 0: nothing here */
};

/* A zeroed one is empty. */
struct cella_hash_table {
    struct cella_hash_slot *slots;
    size_t slot_count; /* 0 or a power of two */
    size_t count;
};

/*
 * The value of a hash, which is added if it is not there: *value is then 0, and the caller sets it to another number before
 * the next call. The address is valid until the next call.
 * CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_hash_table_add(struct cella_hash_table *table, struct cella_hash hash,
                                                 uint64_t **value);

/* The value of a hash; 0 if it is not there. */
uint64_t cella_hash_table_find(const struct cella_hash_table *table, struct cella_hash hash);

/* Before many of the two above: have what the hash needs in the processor's cache. */
static inline void cella_hash_table_prefetch(const struct cella_hash_table *table, struct cella_hash hash)
{
    if (table->slot_count > 0) {
        __builtin_prefetch(&table->slots[hash.low & (table->slot_count - 1)]);
    }
}

void cella_hash_table_release(struct cella_hash_table *table);
