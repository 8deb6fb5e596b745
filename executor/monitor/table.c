/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/table.h"

#include <stdlib.h>
#include <string.h>

static size_t bucket_of(const struct cella_table *table, const char *id)
{
    uint64_t hash = 1469598103934665603U; /* FNV-1a */
    for (const char *at = id; *at != '\0'; at++) {
        hash = (hash ^ (uint8_t) *at) * 1099511628211U;
    }
    return (size_t) (hash % table->bucket_count);
}

struct cella_entry *cella_table_find(const struct cella_table *table, const char *id)
{
    if (table->bucket_count == 0) {
        return NULL;
    }
    struct cella_entry *entry = table->buckets[bucket_of(table, id)];
    while (entry != NULL && strcmp(entry->id, id) != 0) {
        entry = entry->next_in_bucket;
    }
    return entry;
}

static cella_status grow(struct cella_table *table)
{
    size_t bucket_count = table->bucket_count == 0 ? 64 : table->bucket_count * 4;
    struct cella_entry **buckets = calloc(bucket_count, sizeof(struct cella_entry *));
    if (buckets == NULL) {
        return CELLA_NO_MEMORY;
    }
    free(table->buckets);
    table->buckets = buckets;
    table->bucket_count = bucket_count;
    for (struct cella_entry *entry = table->first; entry != NULL; entry = entry->next) {
        struct cella_entry **bucket = &buckets[bucket_of(table, entry->id)];
        entry->next_in_bucket = *bucket;
        *bucket = entry;
    }
    return CELLA_OK;
}

cella_status cella_table_add(struct cella_table *table, struct cella_entry *entry)
{
    if (table->count >= table->bucket_count) {
        CELLA_TRY(grow(table));
    }
    struct cella_entry **bucket = &table->buckets[bucket_of(table, entry->id)];
    entry->next_in_bucket = *bucket;
    *bucket = entry;
    entry->next = NULL;
    entry->number = (uint32_t) table->count;
    if (table->last == NULL) {
        table->first = entry;
    } else {
        table->last->next = entry;
    }
    table->last = entry;
    table->count++;
    return CELLA_OK;
}

void cella_table_clear(struct cella_table *table, void (*free_entry)(struct cella_entry *entry))
{
    struct cella_entry *entry = table->first;
    while (entry != NULL) {
        struct cella_entry *next = entry->next;
        free_entry(entry);
        entry = next;
    }
    free(table->buckets);
    *table = (struct cella_table){ 0 };
}
