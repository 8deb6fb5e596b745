/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/journal.h"

#include <stdlib.h>

cella_status cella_journal_reserve(struct cella_journal *journal)
{
    if (journal->count < journal->capacity) {
        return CELLA_OK;
    }
    size_t capacity = journal->capacity == 0 ? 256 : journal->capacity * 2;
    struct cella_journal_entry *entries = realloc(journal->entries, capacity * sizeof(entries[0]));
    if (entries == NULL) {
        return CELLA_NO_MEMORY;
    }
    journal->entries = entries;
    journal->capacity = capacity;
    return CELLA_OK;
}

void cella_journal_add(struct cella_journal *journal, const struct cella_journal_entry *entry)
{
    journal->entries[journal->count++] = *entry;
}

void cella_journal_clear(struct cella_journal *journal)
{
    free(journal->entries);
    *journal = (struct cella_journal){ 0 };
}
