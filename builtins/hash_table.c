/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/hash_table.h"

#define SLOTS_FIRST 64U

static struct cella_hash_slot *find(const struct cella_hash_table *table, struct cella_hash hash)
{
    size_t mask = table->slot_count - 1;
    size_t at = hash.low & mask;
    while (table->slots[at].value != 0 && !cella_hash_equal(table->slots[at].hash, hash)) {
        at = (at + 1) & mask;
    }
    return &table->slots[at];
}

static cella_status grow(struct cella_hash_table *table)
{
    struct cella_hash_table larger = { .count = table->count };
    larger.slot_count = table->slot_count == 0 ? SLOTS_FIRST : 2 * table->slot_count;
    larger.slots = calloc(larger.slot_count, sizeof(*larger.slots));
    if (larger.slots == NULL) {
        return CELLA_NO_MEMORY;
    }
    for (size_t i = 0; i < table->slot_count; i++) {
        if (table->slots[i].value != 0) {
            *find(&larger, table->slots[i].hash) = table->slots[i];
        }
    }
    free(table->slots);
    *table = larger;
    return CELLA_OK;
}

cella_status cella_hash_table_add(struct cella_hash_table *table, struct cella_hash hash, uint64_t **value)
{
    if (2 * table->count >= table->slot_count) {
        CELLA_TRY(grow(table));
    }
    struct cella_hash_slot *slot = find(table, hash);
    if (slot->value == 0) {
        slot->hash = hash;
        table->count++;
    }
    *value = &slot->value;
    return CELLA_OK;
}

uint64_t cella_hash_table_find(const struct cella_hash_table *table, struct cella_hash hash)
{
    return table->slot_count == 0 ? 0 : find(table, hash)->value;
}

void cella_hash_table_release(struct cella_hash_table *table)
{
    free(table->slots);
    *table = (struct cella_hash_table){ 0 };
}
