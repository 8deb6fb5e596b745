/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/journal.h"

#include <stdlib.h>
#include <string.h>

#include "monitor/state.h"

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

void cella_journal_log(struct cella_journal *journal, size_t number, uint64_t leaf,
                       const uint8_t rest[CELLA_SHA256_SIZE])
{
    struct cella_journal_entry *entry = &journal->entries[number - 1];
    entry->logged = true;
    entry->leaf = leaf;
    memcpy(entry->rest, rest, sizeof(entry->rest));
}

static bool add_id(json_t *json, const char *key, const struct cella_entry *entry)
{
    return entry == NULL || json_object_set_new(json, key, json_string(entry->id)) == 0;
}

json_t *cella_journal_json(const struct cella_journal *journal, size_t number)
{
    const struct cella_journal_entry *entry = &journal->entries[number - 1];
    json_t *json = json_pack("{s:I, s:I, s:s}", "number", (json_int_t) number, "time", (json_int_t) entry->time_s,
                             "event", cella_event_name((enum cella_event) entry->event));
    bool whole = json != NULL && add_id(json, "by", entry->by) && add_id(json, "subject", entry->subject) &&
                 add_id(json, "other", entry->other);
    if (whole && entry->detail != 0) {
        whole = json_object_set_new(json, "code", json_string(cella_status_name((cella_status) entry->detail))) == 0;
    }
    if (!whole) {
        json_decref(json);
        json = NULL;
    }
    return json;
}

cella_status cella_journal_line(const struct cella_journal *journal, size_t number, struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_json_cleanup) json_t *json = cella_journal_json(journal, number);
    return json == NULL ? CELLA_NO_MEMORY : cella_json_write(json, out);
}

void cella_journal_clear(struct cella_journal *journal)
{
    free(journal->entries);
    *journal = (struct cella_journal){ 0 };
}
