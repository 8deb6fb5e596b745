/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/image.h"

#include <stdlib.h>
#include <string.h>

#include "monitor/image_noun.h"

#define JOURNAL_PIECE 4096U /* entries of one item */

CELLA_IMAGE_KNOWS(struct cella_state, 376);
CELLA_IMAGE_KNOWS(struct cella_journal_entry, 88);
CELLA_IMAGE_KNOWS(struct cella_entry, 72);

static struct cella_table *table_of(struct cella_state *state, size_t noun)
{
    return (struct cella_table *) (void *) ((char *) state + cella_image_nouns[noun].table);
}

static enum cella_image_noun_kind noun_of(struct cella_state *state, const struct cella_table *table)
{
    size_t noun = 0;
    while (noun < CELLA_IMAGE_NOUN_COUNT && table_of(state, noun) != table) {
        noun++;
    }
    return (enum cella_image_noun_kind) noun;
}

static void record_fields(struct cella_image *image, size_t noun, struct cella_entry *entry)
{
    CELLA_IMAGE_TEXT(image, entry->id);
    cella_image_nouns[noun].fields(image, entry);
}

/* ---- the journal: 64 bytes for each entry ---- */

static void journal_fields(struct cella_image *image, struct cella_journal_entry *entry)
{
    uint16_t event = (uint16_t) entry->event;
    uint16_t detail = (uint16_t) entry->detail;
    uint64_t time_s = cella_image_number(image, (uint64_t) entry->time_s);
    bool reading = cella_image_is_reading(image);
    cella_image_note(image, reading ? cella_read_u16(&image->in, &event) : cella_write_u16(image->out, event));
    cella_image_note(image, reading ? cella_read_u16(&image->in, &detail) : cella_write_u16(image->out, detail));
    if (image->status != CELLA_OK || event >= CELLA_EVENT_COUNT) {
        cella_image_note(image, CELLA_BAD_FORMAT);
        return;
    }
    const struct cella_table *others = cella_state_others(image->state, (enum cella_event) event);
    const struct cella_table *subjects = cella_state_subjects(image->state, (enum cella_event) event);
    enum cella_image_noun_kind subject = noun_of(image->state, subjects);
    enum cella_image_noun_kind other = others == NULL ? CELLA_IMAGE_NOUN_COUNT : noun_of(image->state, others);
    uint64_t leaf = cella_image_number(image, entry->logged ? entry->leaf : 0); /* leaf 0 is the ledger's beginning, no event's */
    const struct cella_journal_entry read = {
        .time_s = (int64_t) time_s,
        .event = event,
        .detail = detail,
        .by = cella_image_reference(image, CELLA_IMAGE_PARTY, entry->by),
        .subject = cella_image_reference(image, subject, entry->subject),
        .other = cella_image_reference(image, other, entry->other),
        .logged = leaf != 0,
        .leaf = leaf,
    };
    if (reading) {
        *entry = read;
    }
    CELLA_IMAGE_FIXED(image, entry->rest);
}

/* ---- what comes first ---- */

struct counts {
    uint64_t records[CELLA_IMAGE_NOUN_COUNT];
    uint64_t journal;
};

static void state_fields(struct cella_image *image, struct counts *counts)
{
    struct cella_state *state = image->state;
    CELLA_IMAGE_NUMBER(image, state->bytes);
    CELLA_IMAGE_NUMBER(image, state->time_s);
    CELLA_IMAGE_NUMBER(image, state->administrators);
    CELLA_IMAGE_NUMBER(image, state->has_statement);
    CELLA_IMAGE_FIXED(image, state->last_statement);
    for (size_t i = 0; i < CELLA_IMAGE_NOUN_COUNT; i++) {
        CELLA_IMAGE_NUMBER(image, counts->records[i]);
    }
    CELLA_IMAGE_NUMBER(image, counts->journal);
}

/* ---- writing ---- */

struct writer {
    struct cella_image image;
    struct cella_bytes item;
    cella_image_sink sink;
    void *context;
};

static cella_status hand_out(struct writer *writer)
{
    CELLA_TRY(writer->image.status);
    cella_status status = writer->sink(writer->context, cella_bytes_view(&writer->item));
    writer->item.size = 0;
    return status;
}

static cella_status write_journal(struct writer *writer)
{
    const struct cella_journal *journal = &writer->image.state->journal;
    for (size_t i = 0; i < journal->count; i++) {
        journal_fields(&writer->image, &journal->entries[i]);
        if ((i + 1) % JOURNAL_PIECE == 0 || i + 1 == journal->count) {
            CELLA_TRY(hand_out(writer));
        }
    }
    return CELLA_OK;
}

static cella_status write_all(struct writer *writer)
{
    struct cella_state *state = writer->image.state;
    struct counts counts = { .journal = state->journal.count };
    for (size_t noun = 0; noun < CELLA_IMAGE_NOUN_COUNT; noun++) {
        counts.records[noun] = table_of(state, noun)->count;
    }
    state_fields(&writer->image, &counts);
    CELLA_TRY(hand_out(writer));
    for (size_t noun = 0; noun < CELLA_IMAGE_NOUN_COUNT; noun++) {
        for (struct cella_entry *entry = table_of(state, noun)->first; entry != NULL; entry = entry->next) {
            record_fields(&writer->image, noun, entry);
            CELLA_TRY(hand_out(writer));
        }
    }
    return write_journal(writer);
}

cella_status cella_image_write(const struct cella_state *state, cella_image_sink sink, void *context)
{
    struct writer writer = { .sink = sink, .context = context };
    writer.image.state = (struct cella_state *) (uintptr_t) state; /* one list of fields for both: a writer changes none */
    writer.image.out = &writer.item;
    cella_status status = write_all(&writer);
    cella_bytes_clear(&writer.item);
    return status;
}

/* ---- reading ---- */

struct cella_image_reader {
    struct cella_state *state;
    bool counted;
    struct counts counts;
    size_t noun;                                       /* whose records come */
    struct cella_bytes places[CELLA_IMAGE_NOUN_COUNT]; /* as in image_field.h, like makers */
    struct cella_bytes makers;
};

cella_status cella_image_reader_new(struct cella_state *state, struct cella_image_reader **out)
{
    struct cella_image_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL) {
        return CELLA_NO_MEMORY;
    }
    reader->state = state;
    *out = reader;
    return CELLA_OK;
}

void cella_image_reader_free(struct cella_image_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    for (size_t i = 0; i < CELLA_IMAGE_NOUN_COUNT; i++) {
        cella_bytes_clear(&reader->places[i]);
    }
    cella_bytes_clear(&reader->makers);
    free(reader);
}

static cella_status take_record(struct cella_image_reader *reader, struct cella_image *image)
{
    struct cella_entry *entry = calloc(1, cella_image_nouns[reader->noun].size);
    if (entry == NULL) {
        return CELLA_NO_MEMORY;
    }
    record_fields(image, reader->noun, entry);
    cella_image_note(image, cella_reader_end(&image->in));
    cella_image_note(image, cella_bytes_reserve(&reader->places[reader->noun], sizeof(entry)));
    if (image->status == CELLA_OK) {
        cella_image_note(image, cella_table_add(table_of(reader->state, reader->noun), entry));
    }
    if (image->status != CELLA_OK) {
        cella_image_nouns[reader->noun].free(entry);
        return image->status;
    }
    return cella_bytes_append(&reader->places[reader->noun], cella_view_of(&entry, sizeof(entry)));
}

static cella_status take_journal(struct cella_image_reader *reader, struct cella_image *image)
{
    struct cella_journal *journal = &reader->state->journal;
    while (image->in.rest.size > 0) {
        struct cella_journal_entry entry = { 0 };
        if (journal->count == reader->counts.journal) {
            return CELLA_BAD_FORMAT;
        }
        journal_fields(image, &entry);
        CELLA_TRY(image->status);
        CELLA_TRY(cella_journal_reserve(journal));
        cella_journal_add(journal, &entry);
    }
    return CELLA_OK;
}

/* All tasks are there: say which of them made which data. */
static cella_status set_makers(const struct cella_image_reader *reader)
{
    const struct cella_bytes *tasks = &reader->places[CELLA_IMAGE_TASK];
    const uint8_t *at = reader->makers.data;
    for (struct cella_entry *entry = reader->state->data.first; entry != NULL; entry = entry->next) {
        uint32_t place;
        memcpy(&place, at, sizeof(place));
        at += sizeof(place);
        if (place > tasks->size / sizeof(entry)) {
            return CELLA_BAD_FORMAT;
        }
        if (place > 0) {
            struct cella_data *data = (struct cella_data *) entry;
            memcpy(&data->made_by, tasks->data + (place - 1) * sizeof(entry), sizeof(entry));
        }
    }
    return CELLA_OK;
}

/* Go on to the noun that still misses records. */
static cella_status skip_nouns(struct cella_image_reader *reader)
{
    if (reader->noun == CELLA_IMAGE_NOUN_COUNT) {
        return CELLA_OK;
    }
    while (reader->noun < CELLA_IMAGE_NOUN_COUNT &&
           table_of(reader->state, reader->noun)->count == reader->counts.records[reader->noun]) {
        reader->noun++;
    }
    return reader->noun == CELLA_IMAGE_NOUN_COUNT ? set_makers(reader) : CELLA_OK;
}

cella_status cella_image_take(struct cella_image_reader *reader, struct cella_view item)
{
    struct cella_image image = {
        .state = reader->state, .in = cella_reader_of(item), .places = reader->places, .makers = &reader->makers
    };
    if (!reader->counted) {
        reader->counted = true;
        state_fields(&image, &reader->counts);
        CELLA_TRY(image.status);
        CELLA_TRY(cella_reader_end(&image.in));
    } else if (reader->noun < CELLA_IMAGE_NOUN_COUNT) {
        CELLA_TRY(take_record(reader, &image));
    } else {
        CELLA_TRY(take_journal(reader, &image));
    }
    return skip_nouns(reader);
}

bool cella_image_is_whole(const struct cella_image_reader *reader)
{
    return reader->counted && reader->noun == CELLA_IMAGE_NOUN_COUNT &&
           reader->state->journal.count == reader->counts.journal;
}
