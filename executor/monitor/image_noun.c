/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/image_noun.h"

#include "monitor/apply.h"

#define SPEC_MAX CELLA_PACKAGE_MAX

CELLA_IMAGE_KNOWS(struct cella_kept_evidence, 160);
CELLA_IMAGE_KNOWS(struct cella_organisation, 160);
CELLA_IMAGE_KNOWS(struct cella_party, 2320);
CELLA_IMAGE_KNOWS(struct cella_function, 3416);
CELLA_IMAGE_KNOWS(struct cella_function_usage, 32);
CELLA_IMAGE_KNOWS(struct cella_data, 464);

static void evidence_fields(struct cella_image *image, struct cella_entry *entry)
{
    struct cella_kept_evidence *evidence = (struct cella_kept_evidence *) entry;
    cella_image_bytes(image, &evidence->file);
    CELLA_IMAGE_TEXT(image, evidence->type);
    cella_image_bytes(image, &evidence->measurement);
}

static void organisation_fields(struct cella_image *image, struct cella_entry *entry)
{
    struct cella_organisation *organisation = (struct cella_organisation *) entry;
    CELLA_IMAGE_TEXT(image, organisation->name);
    CELLA_IMAGE_NUMBER(image, organisation->member_count);
    CELLA_IMAGE_NUMBER(image, organisation->removed);
}

static void invitation_fields(struct cella_image *image, struct cella_entry *entry)
{
    (void) image; /* its id says it all */
    (void) entry;
}

static void party_fields(struct cella_image *image, struct cella_entry *entry)
{
    struct cella_party *party = (struct cella_party *) entry;
    CELLA_IMAGE_FIXED(image, party->first);
    CELLA_IMAGE_FIXED(image, party->sign);
    CELLA_IMAGE_FIXED(image, party->seal);
    CELLA_IMAGE_TEXT(image, party->name);
    CELLA_IMAGE_NUMBER(image, party->roles);
    CELLA_IMAGE_REFERENCE(image, CELLA_IMAGE_ORGANISATION, struct cella_organisation, party->organisation);
    CELLA_IMAGE_NUMBER(image, party->manages);
    CELLA_IMAGE_NUMBER(image, party->removed);
    cella_image_json(image, &party->rotations);
    CELLA_IMAGE_NUMBER(image, party->seen_count);
    cella_image_note(image, party->seen_count > CELLA_SEEN_MAX ? CELLA_BAD_FORMAT : CELLA_OK);
    for (size_t i = 0; i < party->seen_count && image->status == CELLA_OK; i++) {
        CELLA_IMAGE_NUMBER(image, party->seen[i]);
    }
}

/* The package without its source, as it is kept with every function. */
static void spec_fields(struct cella_image *image, struct cella_spec *spec)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes written = { 0 };
    if (!cella_image_is_reading(image)) {
        cella_image_note(image, cella_json_write(spec->json, &written));
    }
    struct cella_view view = cella_bytes_view(&written);
    cella_image_field(image, &view, SPEC_MAX);
    if (cella_image_is_reading(image) && image->status == CELLA_OK) {
        cella_image_note(image, cella_spec_read(view, spec));
    }
}

static void function_fields(struct cella_image *image, struct cella_entry *entry)
{
    struct cella_function *function = (struct cella_function *) entry;
    CELLA_IMAGE_OWNER(image, CELLA_IMAGE_PARTY, struct cella_party, function->owner);
    CELLA_IMAGE_NUMBER(image, function->version);
    CELLA_IMAGE_FIXED(image, function->sha256);
    CELLA_IMAGE_NUMBER(image, function->sealed);
    cella_image_bytes(image, &function->package);
    spec_fields(image, &function->spec);
    cella_image_json(image, &function->allow);
    CELLA_IMAGE_NUMBER(image, function->quota);
    CELLA_IMAGE_NUMBER(image, function->quota_of_successes);
    CELLA_IMAGE_NUMBER(image, function->used);
    CELLA_IMAGE_NUMBER(image, function->usage.finished);
    CELLA_IMAGE_NUMBER(image, function->usage.failed);
    CELLA_IMAGE_NUMBER(image, function->usage.cancelled);
    CELLA_IMAGE_NUMBER(image, function->usage.cpu_us);
    CELLA_IMAGE_NUMBER(image, function->disabled);
    CELLA_IMAGE_NUMBER(image, function->disabled_by_administrator);
    CELLA_IMAGE_NUMBER(image, function->deleted);
    cella_image_json(image, &function->reviewers);
    cella_image_json(image, &function->audits);
}

/* The task that made them comes after all data: when reading, its place is kept until it is there. */
static void maker_field(struct cella_image *image, struct cella_data *data)
{
    uint32_t place = data->made_by == NULL ? 0 : data->made_by->entry.number + 1;
    if (!cella_image_is_reading(image)) {
        cella_image_note(image, cella_write_u32(image->out, place));
        return;
    }
    cella_image_note(image, cella_read_u32(&image->in, &place));
    cella_image_note(image, cella_bytes_append(image->makers, cella_view_of(&place, sizeof(place))));
}

/* Owners, each with his policy. */
static void owner_fields(struct cella_image *image, struct cella_data *data)
{
    uint64_t count = cella_image_number(image, data->owner_count);
    if (cella_image_is_reading(image)) {
        cella_image_note(image, count == 0 || count > CELLA_PARTICIPANTS_MAX ? CELLA_BAD_FORMAT : CELLA_OK);
        data->owners = cella_image_room(image, count, sizeof(data->owners[0]));
        data->policies = cella_image_room(image, count, sizeof(data->policies[0]));
        data->owner_count = data->policies == NULL ? 0 : count;
    }
    for (size_t i = 0; i < data->owner_count; i++) {
        CELLA_IMAGE_OWNER(image, CELLA_IMAGE_PARTY, struct cella_party, data->owners[i]);
        cella_image_json(image, &data->policies[i]);
    }
}

/* Data can only be made of data that are there: sources come before what was made of them. Uploaded data have none. */
static void source_fields(struct cella_image *image, struct cella_data *data)
{
    uint64_t count = cella_image_number(image, data->source_count);
    if (cella_image_is_reading(image) && count > 0) {
        cella_image_note(image, count > CELLA_SOURCES_MAX ? CELLA_BAD_FORMAT : CELLA_OK);
        data->sources = cella_image_room(image, count, sizeof(data->sources[0]));
        data->source_count = data->sources == NULL ? 0 : count;
    }
    for (size_t i = 0; i < data->source_count; i++) {
        CELLA_IMAGE_OWNER(image, CELLA_IMAGE_DATA, struct cella_data, data->sources[i]);
    }
}

static void data_fields(struct cella_image *image, struct cella_entry *entry)
{
    struct cella_data *data = (struct cella_data *) entry;
    owner_fields(image, data);
    source_fields(image, data);
    CELLA_IMAGE_NUMBER(image, data->kept);
    CELLA_IMAGE_TEXT(image, data->name);
    CELLA_IMAGE_TEXT(image, data->object);
    CELLA_IMAGE_FIXED(image, data->sha256);
    CELLA_IMAGE_NUMBER(image, data->size);
    CELLA_IMAGE_NUMBER(image, data->format);
    CELLA_IMAGE_NUMBER(image, data->segment_size);
    cella_image_bytes(image, &data->sealed_key);
    cella_image_bytes(image, &data->associated_data);
    CELLA_IMAGE_NUMBER(image, data->stored);
    cella_image_string(image, &data->url);
    CELLA_IMAGE_NUMBER(image, data->deleted);
    CELLA_IMAGE_NUMBER(image, data->used);
    CELLA_IMAGE_NUMBER(image, data->spent.epsilon);
    CELLA_IMAGE_NUMBER(image, data->spent.delta);
    maker_field(image, data);
    cella_image_logged(image, &data->deletion);
    cella_image_request(image, &data->deletion_request);
}

#define NOUN(table, type, fields, free)                                                                                \
    {                                                                                                                  \
        offsetof(struct cella_state, table), sizeof(type), fields, free                                                \
    }

const struct cella_image_noun cella_image_nouns[CELLA_IMAGE_NOUN_COUNT] = {
    [CELLA_IMAGE_EVIDENCE] = NOUN(evidence, struct cella_kept_evidence, evidence_fields, cella_apply_free_evidence),
    [CELLA_IMAGE_ORGANISATION] =
        NOUN(organisations, struct cella_organisation, organisation_fields, cella_apply_free_plain),
    [CELLA_IMAGE_INVITATION] = NOUN(invitations, struct cella_entry, invitation_fields, cella_apply_free_plain),
    [CELLA_IMAGE_PARTY] = NOUN(parties, struct cella_party, party_fields, cella_apply_free_party),
    [CELLA_IMAGE_FUNCTION] = NOUN(functions, struct cella_function, function_fields, cella_apply_free_function),
    [CELLA_IMAGE_DATA] = NOUN(data, struct cella_data, data_fields, cella_apply_free_data),
    [CELLA_IMAGE_TASK] = NOUN(tasks, struct cella_task_record, cella_image_task_fields, cella_apply_free_task),
};
