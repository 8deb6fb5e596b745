/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/hash_index.h"

#include <stdlib.h>

#define CAPACITY_FIRST 64U

/* Where the hash is, or the free place where it belongs. */
static struct cella_hash_entry *place(const struct cella_hash_index *index, uint64_t low, uint32_t high)
{
    size_t mask = index->capacity - 1;
    size_t at = (size_t) low & mask;
    while (index->entries[at].number != 0 && (index->entries[at].low != low || index->entries[at].high != high)) {
        at = (at + 1) & mask;
    }
    return &index->entries[at];
}

bool cella_hash_index_find(const struct cella_hash_index *index, struct cella_hash hash, size_t *number)
{
    if (index->count == 0) {
        return false;
    }
    const struct cella_hash_entry *entry = place(index, hash.low, (uint32_t) hash.high);
    *number = (size_t) entry->number - 1;
    return entry->number != 0;
}

static cella_status grow(struct cella_hash_index *index)
{
    struct cella_hash_index larger = { .capacity = index->capacity == 0 ? CAPACITY_FIRST : index->capacity * 2 };
    larger.entries = calloc(larger.capacity, sizeof(*larger.entries));
    if (larger.entries == NULL) {
        return CELLA_NO_MEMORY;
    }
    for (size_t i = 0; i < index->capacity; i++) {
        if (index->entries[i].number != 0) {
            *place(&larger, index->entries[i].low, index->entries[i].high) = index->entries[i];
        }
    }
    larger.count = index->count;
    free(index->entries);
    *index = larger;
    return CELLA_OK;
}

cella_status cella_hash_index_put(struct cella_hash_index *index, struct cella_hash hash, size_t *number,
                                  bool *is_new)
{
    if (index->count == CELLA_HASH_INDEX_MAX) {
        return CELLA_NO_MEMORY;
    }
    if (index->count * 3 >= index->capacity * 2) {
        CELLA_TRY(grow(index));
    }
    struct cella_hash_entry *entry = place(index, hash.low, (uint32_t) hash.high);
    *is_new = entry->number == 0;
    if (*is_new) {
        *entry = (struct cella_hash_entry){ hash.low, (uint32_t) hash.high, (uint32_t) ++index->count };
    }
    *number = (size_t) entry->number - 1;
    return CELLA_OK;
}

void cella_hash_index_clear(struct cella_hash_index *index)
{
    free(index->entries);
    *index = (struct cella_hash_index){ 0 };
}
