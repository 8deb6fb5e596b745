/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/oblivious_sort.h"
#include "builtins/psi.h"
#include "builtins/text_order.h"

#include <string.h>

struct collection {
    const struct cella_psi_party *party;
    struct cella_bytes text; /* flagged ids one after the other */
    struct cella_bytes sizes; /* their sizes, size_t each */
    struct cella_text_entry *entries;
    size_t longest;  /* oblivious: of all ids */
    uint64_t *rows;  /* oblivious: 0 if flagged, the id in words, its size */
    size_t width;
};

static void release(struct collection *collection)
{
    cella_bytes_clear(&collection->text);
    cella_bytes_clear(&collection->sizes);
    free(collection->entries);
    free(collection->rows);
}

/* Big-endian, padded with zeros: orders as the bytes do. */
static uint64_t word_of(const uint8_t *data, size_t size)
{
    uint64_t word = 0;
    memcpy(&word, data, size < 8 ? size : 8);
    return __builtin_bswap64(word);
}

/* Read the first party's input from its beginning, which is in memory. */
static cella_status read_again(struct cella_psi *psi, struct collection *collection, cella_psi_take *take)
{
    struct cella_builtin_input again = *psi->parties[0].input;
    struct cella_psi_party party = psi->parties[0];
    again.position = 0;
    party.input = &again;
    return cella_psi_read(psi, &party, take, collection);
}

static cella_status collect(void *context, const struct cella_ids *ids, const struct cella_hash *hashes)
{
    (void) hashes;
    struct collection *collection = context;
    for (size_t i = 0; i < ids->count; i++) {
        if (collection->party->flags[ids->before + i] == '1') {
            CELLA_TRY(cella_bytes_append(&collection->text, ids->ids[i]));
            CELLA_TRY(cella_bytes_append(&collection->sizes, cella_view_of(&ids->ids[i].size, sizeof(size_t))));
        }
    }
    return CELLA_OK;
}

static cella_status write_id(struct cella_psi *psi, struct cella_builtin_outputs *outputs, struct cella_view id)
{
    for (size_t i = 0; i < outputs->count; i++) {
        if (psi->form == CELLA_IDS_LINES) {
            CELLA_TRY(cella_builtin_output_write(&outputs->items[i], id));
        } else {
            CELLA_TRY(cella_csv_write(&outputs->items[i], id, true));
        }
        CELLA_TRY(cella_builtin_output_write(&outputs->items[i], cella_view_of("\n", 1)));
    }
    return CELLA_OK;
}

static cella_status write_fast(struct cella_psi *psi, struct collection *collection,
                               struct cella_builtin_outputs *outputs)
{
    CELLA_TRY(read_again(psi, collection, collect));
    size_t count = collection->sizes.size / sizeof(size_t);
    collection->entries = calloc(count + 1, sizeof(*collection->entries));
    if (collection->entries == NULL) {
        return CELLA_NO_MEMORY;
    }
    const uint8_t *data = collection->text.data;
    for (size_t i = 0; i < count; i++) {
        struct cella_text_entry *entry = &collection->entries[i];
        memcpy(&entry->size, collection->sizes.data + i * sizeof(size_t), sizeof(size_t));
        entry->data = data;
        data += entry->size;
    }
    CELLA_TRY(cella_text_sort(collection->entries, count));
    for (size_t i = 0; i < count; i++) {
        CELLA_TRY(write_id(psi, outputs, cella_view_of(collection->entries[i].data, collection->entries[i].size)));
    }
    return CELLA_OK;
}

static cella_status measure(void *context, const struct cella_ids *ids, const struct cella_hash *hashes)
{
    (void) hashes;
    struct collection *collection = context;
    for (size_t i = 0; i < ids->count; i++) {
        if (ids->ids[i].size > collection->longest) {
            collection->longest = ids->ids[i].size;
        }
    }
    return CELLA_OK;
}

static cella_status pad(void *context, const struct cella_ids *ids, const struct cella_hash *hashes)
{
    (void) hashes;
    struct collection *collection = context;
    for (size_t i = 0; i < ids->count; i++) {
        uint64_t *row = collection->rows + (ids->before + i) * collection->width;
        struct cella_view id = ids->ids[i];
        row[0] = (uint64_t) '1' - collection->party->flags[ids->before + i];
        for (size_t word = 1; word < collection->width - 1; word++) {
            size_t at = (word - 1) * 8;
            row[word] = at < id.size ? word_of(id.data + at, id.size - at) : 0;
        }
        row[collection->width - 1] = id.size;
    }
    return CELLA_OK;
}

/* Flagged rows are the first ones after sorting. Only their number and sizes are told by what is written. */
static cella_status write_oblivious(struct cella_psi *psi, struct collection *collection,
                                    struct cella_builtin_outputs *outputs)
{
    CELLA_TRY(read_again(psi, collection, measure));
    if (collection->longest > CELLA_PSI_PADDED_MAX) {
        return cella_builtin_refuse(psi->call, "%s: has an id of %zu bytes; for reveal='ids' in oblivious mode the longest "
                                    "may have %u", collection->party->input->name, collection->longest,
                                    CELLA_PSI_PADDED_MAX);
    }
    collection->width = (collection->longest + 7) / 8 + 2;
    collection->rows = calloc(collection->party->count + 1, collection->width * sizeof(uint64_t));
    if (collection->rows == NULL) {
        return CELLA_NO_MEMORY;
    }
    CELLA_TRY(read_again(psi, collection, pad));
    CELLA_TRY(cella_oblivious_sort_rows(psi->call, collection->rows, collection->width, collection->party->count));
    for (uint64_t i = 0; i < psi->common; i++) {
        uint64_t *row = collection->rows + i * collection->width;
        for (size_t word = 1; word < collection->width - 1; word++) {
            row[word] = __builtin_bswap64(row[word]);
        }
        CELLA_TRY(write_id(psi, outputs, cella_view_of(row + 1, row[collection->width - 1])));
    }
    return CELLA_OK;
}

cella_status cella_psi_write_ids(struct cella_psi *psi, bool oblivious, struct cella_builtin_outputs *outputs)
{
    CELLA_CLEANUP(release) struct collection collection = { .party = &psi->parties[0] };
    return oblivious ? write_oblivious(psi, &collection, outputs) : write_fast(psi, &collection, outputs);
}
