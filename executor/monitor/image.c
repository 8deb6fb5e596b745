/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/image.h"

#include <stdlib.h>
#include <string.h>

#include "base/wire.h"
#include "monitor/apply.h"

#define JOURNAL_PIECE 4096U /* entries of one item */
#define BYTES_MAX 0xffffffffU
#define JSON_MAX ((size_t) 1 << 28)

/* An item that is being written (out) or read (in). The first failure stays; what is read after it is zero. */
struct image {
    struct cella_state *state; /* of a writer: not changed */
    struct cella_bytes *out;   /* NULL: reading */
    struct cella_reader in;
    const struct cella_bytes *places; /* reading: per noun, its entries in their order */
    cella_status status;
};

static bool is_reading(const struct image *image)
{
    return image->out == NULL;
}

static void note(struct image *image, cella_status status)
{
    image->status = image->status == CELLA_OK ? status : image->status;
}

/* ---- fields: each function is given what is there, and replaces it when reading ---- */

static uint64_t number(struct image *image, uint64_t value)
{
    uint64_t read = value;
    note(image, is_reading(image) ? cella_read_u64(&image->in, &read) : cella_write_u64(image->out, value));
    return read;
}

/* An integer, flag or enumeration of any type. A writer does not touch it. */
#define NUMBER(image, field)                                                                                           \
    do {                                                                                                               \
        uint64_t number_ = number((image), (uint64_t) (field));                                                        \
        if (is_reading(image)) {                                                                                       \
            (field) = (__typeof__(field)) number_;                                                                     \
        }                                                                                                              \
    } while (0)

static void field(struct image *image, struct cella_view *view, size_t max)
{
    note(image, is_reading(image) ? cella_read_field(&image->in, max, view) : cella_write_field(image->out, *view));
    if (is_reading(image) && image->status != CELLA_OK) {
        *view = cella_view_of(NULL, 0);
    }
}

static void text(struct image *image, char *characters, size_t size)
{
    struct cella_view view = cella_view_of(characters, is_reading(image) ? 0 : strlen(characters));
    field(image, &view, size - 1);
    if (is_reading(image) && view.size > 0) {
        memcpy(characters, view.data, view.size);
    }
}
#define TEXT(image, field) text((image), (field), sizeof(field))

static void fixed(struct image *image, uint8_t *bytes, size_t size)
{
    note(image, is_reading(image) ? cella_read_fixed(&image->in, bytes, size)
                                  : cella_bytes_append(image->out, cella_view_of(bytes, size)));
}
#define FIXED(image, field) fixed((image), (field), sizeof(field))

static void bytes(struct image *image, struct cella_bytes *content)
{
    struct cella_view view = cella_bytes_view(content);
    field(image, &view, BYTES_MAX);
    if (is_reading(image)) {
        note(image, cella_bytes_set(content, view));
    }
}

/* A JSON value or NULL. Texts have an object at the top, so the value is its one member. */
static void json(struct image *image, json_t **value)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes written = { 0 };
    CELLA_CLEANUP(cella_json_cleanup) json_t *object = NULL;
    if (!is_reading(image) && *value != NULL) {
        object = json_pack("{s:O}", "", *value);
        note(image, object == NULL ? CELLA_NO_MEMORY : cella_json_write(object, &written));
    }
    struct cella_view view = cella_bytes_view(&written);
    field(image, &view, BYTES_MAX);
    if (is_reading(image) && view.size > 0) {
        note(image, cella_json_parse(view, JSON_MAX, &object));
        *value = json_incref(json_object_get(object, ""));
    }
}

/* ---- references ---- */

enum noun { ORGANISATION, INVITATION, PARTY, FUNCTION, DATA, TASK, NOUN_COUNT };

static const size_t tables[NOUN_COUNT] = {
    [ORGANISATION] = offsetof(struct cella_state, organisations),
    [INVITATION] = offsetof(struct cella_state, invitations),
    [PARTY] = offsetof(struct cella_state, parties),
    [FUNCTION] = offsetof(struct cella_state, functions),
    [DATA] = offsetof(struct cella_state, data),
    [TASK] = offsetof(struct cella_state, tasks),
};

static struct cella_table *table_of(struct cella_state *state, enum noun noun)
{
    return (struct cella_table *) (void *) ((char *) state + tables[noun]);
}

static enum noun noun_of(struct cella_state *state, const struct cella_table *table)
{
    enum noun noun = ORGANISATION;
    while (noun < NOUN_COUNT && table_of(state, noun) != table) {
        noun = (enum noun) (noun + 1);
    }
    return noun;
}

/* Another record, or NULL, of a noun whose records have all come before. NOUN_COUNT: always NULL */
static struct cella_entry *reference(struct image *image, enum noun noun, const struct cella_entry *entry)
{
    uint32_t place = entry == NULL ? 0 : entry->number + 1;
    struct cella_entry *found = NULL;
    if (!is_reading(image)) {
        note(image, cella_write_u32(image->out, place));
        return NULL;
    }
    note(image, cella_read_u32(&image->in, &place));
    if (place == 0) {
        return NULL;
    }
    if (noun == NOUN_COUNT || place > image->places[noun].size / sizeof(found)) {
        note(image, CELLA_BAD_FORMAT);
        return NULL;
    }
    memcpy(&found, image->places[noun].data + (place - 1) * sizeof(found), sizeof(found));
    return found;
}

#define REFERENCE(image, noun, type, field)                                                                            \
    do {                                                                                                               \
        struct cella_entry *found_ = reference((image), (noun), (field) == NULL ? NULL : &(field)->entry);             \
        if (is_reading(image)) {                                                                                       \
            (field) = (type *) (void *) found_;                                                                        \
        }                                                                                                              \
    } while (0)

/* One that has to be there. */
#define OWNER(image, noun, type, field)                                                                                \
    do {                                                                                                               \
        REFERENCE(image, noun, type, field);                                                                           \
        note((image), (field) == NULL ? CELLA_BAD_FORMAT : CELLA_OK);                                                  \
    } while (0)

/* Room for a count that was read; NULL and a noted failure when there is none. At least one, so that NULL is no room. */
static void *make_room(struct image *image, size_t count, size_t size)
{
    void *room = image->status == CELLA_OK ? calloc(count + 1, size) : NULL;
    note(image, room == NULL ? CELLA_NO_MEMORY : CELLA_OK);
    return room;
}

/* ---- nouns: every field of state.h that is part of the fold ---- */

static void organisation_fields(struct image *image, struct cella_entry *entry)
{
    struct cella_organisation *organisation = (struct cella_organisation *) entry;
    TEXT(image, organisation->name);
    NUMBER(image, organisation->member_count);
    NUMBER(image, organisation->removed);
}

static void invitation_fields(struct image *image, struct cella_entry *entry)
{
    (void) image; /* its id says it all */
    (void) entry;
}

static void party_fields(struct image *image, struct cella_entry *entry)
{
    struct cella_party *party = (struct cella_party *) entry;
    FIXED(image, party->sign);
    FIXED(image, party->seal);
    TEXT(image, party->name);
    NUMBER(image, party->roles);
    REFERENCE(image, ORGANISATION, struct cella_organisation, party->organisation);
    NUMBER(image, party->manages);
    NUMBER(image, party->removed);
    json(image, &party->rotations);
    NUMBER(image, party->seen_count);
    note(image, party->seen_count > CELLA_SEEN_MAX ? CELLA_BAD_FORMAT : CELLA_OK);
    for (size_t i = 0; i < party->seen_count && image->status == CELLA_OK; i++) {
        NUMBER(image, party->seen[i]);
    }
}

/* The package without its source, as it is kept with every function. */
static void spec_fields(struct image *image, struct cella_spec *spec)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes written = { 0 };
    if (!is_reading(image)) {
        note(image, cella_json_write(spec->json, &written));
    }
    struct cella_view view = cella_bytes_view(&written);
    field(image, &view, BYTES_MAX);
    if (is_reading(image) && image->status == CELLA_OK) {
        note(image, cella_spec_read(view, spec));
    }
}

static void function_fields(struct image *image, struct cella_entry *entry)
{
    struct cella_function *function = (struct cella_function *) entry;
    OWNER(image, PARTY, struct cella_party, function->owner);
    NUMBER(image, function->version);
    FIXED(image, function->sha256);
    NUMBER(image, function->sealed);
    bytes(image, &function->package);
    spec_fields(image, &function->spec);
    json(image, &function->allow);
    NUMBER(image, function->quota);
    NUMBER(image, function->quota_of_successes);
    NUMBER(image, function->used);
    NUMBER(image, function->usage.finished);
    NUMBER(image, function->usage.failed);
    NUMBER(image, function->usage.cancelled);
    NUMBER(image, function->usage.cpu_us);
    NUMBER(image, function->disabled);
    NUMBER(image, function->disabled_by_administrator);
    NUMBER(image, function->deleted);
    json(image, &function->reviewers);
    json(image, &function->audits);
}

static void data_fields(struct image *image, struct cella_entry *entry)
{
    struct cella_data *data = (struct cella_data *) entry;
    uint64_t owners = number(image, data->owner_count);
    if (is_reading(image)) {
        note(image, owners == 0 || owners > CELLA_PARTICIPANTS_MAX ? CELLA_BAD_FORMAT : CELLA_OK);
        data->owners = make_room(image, owners, sizeof(data->owners[0]));
        data->owner_count = data->owners == NULL ? 0 : owners;
    }
    for (size_t i = 0; i < data->owner_count; i++) {
        OWNER(image, PARTY, struct cella_party, data->owners[i]);
    }
    NUMBER(image, data->kept);
    TEXT(image, data->name);
    TEXT(image, data->object);
    FIXED(image, data->sha256);
    NUMBER(image, data->size);
    NUMBER(image, data->segment_size);
    bytes(image, &data->sealed_key);
    bytes(image, &data->associated_data);
    NUMBER(image, data->stored);
    NUMBER(image, data->deleted);
    json(image, &data->policy);
    NUMBER(image, data->used);
}

static void participant_fields(struct image *image, struct cella_task_record *task)
{
    uint64_t count = number(image, task->participant_count);
    if (is_reading(image)) {
        note(image, count == 0 || count > CELLA_PARTICIPANTS_MAX ? CELLA_BAD_FORMAT : CELLA_OK);
        task->participants = make_room(image, count, sizeof(task->participants[0]));
        task->participant_count = task->participants == NULL ? 0 : count;
    }
    for (size_t i = 0; i < task->participant_count; i++) {
        struct cella_participant *participant = &task->participants[i];
        OWNER(image, PARTY, struct cella_party, participant->party);
        NUMBER(image, participant->approved);
        NUMBER(image, participant->reads_result);
        NUMBER(image, participant->reads_messages);
        bytes(image, &participant->result);
        bytes(image, &participant->messages);
    }
}

static void output_fields(struct image *image, const struct cella_task_record *task, struct cella_task_output *output)
{
    NUMBER(image, output->receivers);
    NUMBER(image, output->fusion);
    bytes(image, &output->kept_key);
    TEXT(image, output->object);
    FIXED(image, output->sha256);
    NUMBER(image, output->size);
    bool stored = number(image, output->keys != NULL) != 0;
    if (is_reading(image) && stored) {
        output->keys = make_room(image, task->participant_count, sizeof(output->keys[0]));
    }
    for (size_t i = 0; output->keys != NULL && i < task->participant_count; i++) {
        bytes(image, &output->keys[i]);
    }
}

static void file_fields(struct image *image, struct cella_task_record *task)
{
    const struct cella_spec *spec = &task->function->spec;
    if (is_reading(image)) {
        task->inputs = make_room(image, spec->input_count, sizeof(task->inputs[0]));
        task->outputs = make_room(image, spec->output_count, sizeof(task->outputs[0]));
    }
    for (size_t i = 0; task->inputs != NULL && i < spec->input_count; i++) {
        if (is_reading(image)) {
            task->inputs[i].file = &spec->inputs[i];
        }
        NUMBER(image, task->inputs[i].owners);
        REFERENCE(image, DATA, struct cella_data, task->inputs[i].data);
    }
    for (size_t i = 0; task->outputs != NULL && i < spec->output_count; i++) {
        if (is_reading(image)) {
            task->outputs[i].file = &spec->outputs[i];
        }
        output_fields(image, task, &task->outputs[i]);
    }
}

static void contract_fields(struct image *image, struct cella_task_record *task)
{
    NUMBER(image, task->limits.cpu_s);
    NUMBER(image, task->limits.wall_s);
    NUMBER(image, task->limits.memory_bytes);
    NUMBER(image, task->limits.output_bytes);
    NUMBER(image, task->limits.result_bytes);
    NUMBER(image, task->limits.log_bytes);
    NUMBER(image, task->limits.threads);
    NUMBER(image, task->isolation.coarse_clock);
    NUMBER(image, task->isolation.own_zygote);
    NUMBER(image, task->isolation.padded);
    bytes(image, &task->contract);
    FIXED(image, task->contract_sha256);
    json(image, &task->auditors);
    NUMBER(image, task->priority);
    NUMBER(image, task->attempts);
    NUMBER(image, task->attempt);
    NUMBER(image, task->expires_s);
}

static void task_fields(struct image *image, struct cella_entry *entry)
{
    struct cella_task_record *task = (struct cella_task_record *) entry;
    OWNER(image, PARTY, struct cella_party, task->creator);
    OWNER(image, FUNCTION, struct cella_function, task->function);
    NUMBER(image, task->state);
    note(image, task->state > CELLA_TASK_CANCELLED ? CELLA_BAD_FORMAT : CELLA_OK);
    NUMBER(image, task->version);
    json(image, &task->arguments);
    participant_fields(image, task);
    if (image->status != CELLA_OK) {
        return; /* perhaps without a function, whose files the next ones are */
    }
    file_fields(image, task);
    contract_fields(image, task);
    NUMBER(image, task->error);
    TEXT(image, task->error_detail);
    TEXT(image, task->error_class);
    NUMBER(image, task->error_line);
    NUMBER(image, task->usage.cpu_us);
    NUMBER(image, task->usage.wall_us);
    NUMBER(image, task->usage.peak_kib);
    NUMBER(image, task->usage.bytes_in);
    NUMBER(image, task->usage.bytes_out);
    NUMBER(image, task->has_usage);
}

static const struct {
    size_t size;
    void (*fields)(struct image *image, struct cella_entry *entry);
    void (*free)(struct cella_entry *entry);
} nouns[NOUN_COUNT] = {
    [ORGANISATION] = { sizeof(struct cella_organisation), organisation_fields, cella_apply_free_plain },
    [INVITATION] = { sizeof(struct cella_entry), invitation_fields, cella_apply_free_plain },
    [PARTY] = { sizeof(struct cella_party), party_fields, cella_apply_free_party },
    [FUNCTION] = { sizeof(struct cella_function), function_fields, cella_apply_free_function },
    [DATA] = { sizeof(struct cella_data), data_fields, cella_apply_free_data },
    [TASK] = { sizeof(struct cella_task_record), task_fields, cella_apply_free_task },
};

static void record_fields(struct image *image, enum noun noun, struct cella_entry *entry)
{
    TEXT(image, entry->id);
    nouns[noun].fields(image, entry);
}

/* ---- the journal: 24 bytes for each entry ---- */

static void journal_fields(struct image *image, struct cella_journal_entry *entry)
{
    uint16_t event = (uint16_t) entry->event;
    uint16_t detail = (uint16_t) entry->detail;
    uint64_t time_s = number(image, (uint64_t) entry->time_s);
    note(image, is_reading(image) ? cella_read_u16(&image->in, &event) : cella_write_u16(image->out, event));
    note(image, is_reading(image) ? cella_read_u16(&image->in, &detail) : cella_write_u16(image->out, detail));
    if (image->status != CELLA_OK || event >= CELLA_EVENT_COUNT) {
        note(image, CELLA_BAD_FORMAT);
        return;
    }
    const struct cella_table *others = cella_state_others(image->state, (enum cella_event) event);
    enum noun subject = noun_of(image->state, cella_state_subjects(image->state, (enum cella_event) event));
    enum noun other = others == NULL ? NOUN_COUNT : noun_of(image->state, others);
    const struct cella_journal_entry read = {
        .time_s = (int64_t) time_s,
        .event = event,
        .detail = detail,
        .by = reference(image, PARTY, entry->by),
        .subject = reference(image, subject, entry->subject),
        .other = reference(image, other, entry->other),
    };
    if (is_reading(image)) {
        *entry = read;
    }
}

/* ---- what comes first ---- */

struct counts {
    uint64_t records[NOUN_COUNT];
    uint64_t journal;
};

static void state_fields(struct image *image, struct counts *counts)
{
    struct cella_state *state = image->state;
    NUMBER(image, state->bytes);
    NUMBER(image, state->time_s);
    NUMBER(image, state->administrators);
    for (size_t i = 0; i < NOUN_COUNT; i++) {
        NUMBER(image, counts->records[i]);
    }
    NUMBER(image, counts->journal);
}

/* ---- writing ---- */

struct writer {
    struct image image;
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
    for (enum noun noun = ORGANISATION; noun < NOUN_COUNT; noun = (enum noun) (noun + 1)) {
        counts.records[noun] = table_of(state, noun)->count;
    }
    state_fields(&writer->image, &counts);
    CELLA_TRY(hand_out(writer));
    for (enum noun noun = ORGANISATION; noun < NOUN_COUNT; noun = (enum noun) (noun + 1)) {
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
    enum noun noun;                        /* whose records come */
    struct cella_bytes places[NOUN_COUNT]; /* struct cella_entry * */
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
    for (size_t i = 0; i < NOUN_COUNT; i++) {
        cella_bytes_clear(&reader->places[i]);
    }
    free(reader);
}

static cella_status take_record(struct cella_image_reader *reader, struct image *image)
{
    struct cella_entry *entry = calloc(1, nouns[reader->noun].size);
    if (entry == NULL) {
        return CELLA_NO_MEMORY;
    }
    record_fields(image, reader->noun, entry);
    note(image, cella_reader_end(&image->in));
    note(image, cella_bytes_reserve(&reader->places[reader->noun], sizeof(entry)));
    if (image->status == CELLA_OK) {
        note(image, cella_table_add(table_of(reader->state, reader->noun), entry));
    }
    if (image->status != CELLA_OK) {
        nouns[reader->noun].free(entry);
        return image->status;
    }
    return cella_bytes_append(&reader->places[reader->noun], cella_view_of(&entry, sizeof(entry)));
}

static cella_status take_journal(struct cella_image_reader *reader, struct image *image)
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

/* Go on to the noun that still misses records. */
static void skip_nouns(struct cella_image_reader *reader)
{
    while (reader->noun < NOUN_COUNT &&
           table_of(reader->state, reader->noun)->count == reader->counts.records[reader->noun]) {
        reader->noun = (enum noun) (reader->noun + 1);
    }
}

cella_status cella_image_take(struct cella_image_reader *reader, struct cella_view item)
{
    struct image image = { .state = reader->state, .in = cella_reader_of(item), .places = reader->places };
    if (!reader->counted) {
        reader->counted = true;
        state_fields(&image, &reader->counts);
        skip_nouns(reader);
        CELLA_TRY(image.status);
        return cella_reader_end(&image.in);
    }
    cella_status status =
        reader->noun < NOUN_COUNT ? take_record(reader, &image) : take_journal(reader, &image);
    skip_nouns(reader);
    return status;
}

bool cella_image_is_whole(const struct cella_image_reader *reader)
{
    return reader->counted && reader->noun == NOUN_COUNT && reader->state->journal.count == reader->counts.journal;
}
