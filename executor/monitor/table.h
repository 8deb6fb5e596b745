/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Records by their id. A record begins with a struct cella_entry; the table borrows it. Walks go in the order of
 * insertion, so that lists are stable.
 *
 * Ids are made by the executor at random or are thumbprints, so nobody can choose them to collide.
 */

#include "base/bytes.h"

#define CELLA_ID_SIZE 48 /* longest id with its NUL: "function-" and 32 digits, or a thumbprint */

struct cella_entry {
    char id[CELLA_ID_SIZE];
    struct cella_entry *next_in_bucket;
    struct cella_entry *next;
    uint32_t number; /* place in the order of insertion, from 0 */
};

struct cella_table {
    struct cella_entry **buckets;
    size_t bucket_count;
    size_t count;
    struct cella_entry *first;
    struct cella_entry *last;
};

/* Entry with an id, or NULL. */
struct cella_entry *cella_table_find(const struct cella_table *table, const char *id);

/* The caller has checked that the id is new. CELLA_NO_MEMORY */
CELLA_MUST_USE cella_status cella_table_add(struct cella_table *table, struct cella_entry *entry);

/* Free the table, and each entry with free_entry. */
void cella_table_clear(struct cella_table *table, void (*free_entry)(struct cella_entry *entry));
