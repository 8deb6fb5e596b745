/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Fields of an image (image.h): each function is given what is there, writes it, or replaces it by what it reads. So one
 * list of fields serves both directions. For image.c, image_noun.c and image_task.c only.
 *
 * A writer changes nothing. The first failure stays in the image, and what is read after it is zero: CELLA_BAD_FORMAT for
 * bytes that no writer made, CELLA_NO_MEMORY.
 */

#include "base/wire.h"
#include "monitor/state.h"

/* In the order of an image: a record names only records that come before it, but for cella_data.made_by. */
enum cella_image_noun_kind {
    CELLA_IMAGE_EVIDENCE,
    CELLA_IMAGE_ORGANISATION,
    CELLA_IMAGE_INVITATION,
    CELLA_IMAGE_PARTY,
    CELLA_IMAGE_FUNCTION,
    CELLA_IMAGE_DATA,
    CELLA_IMAGE_TASK,
    CELLA_IMAGE_NOUN_COUNT,
};

/* An item that is being written (out) or read (in). */
struct cella_image {
    struct cella_state *state; /* of a writer: not changed */
    struct cella_bytes *out;   /* NULL: reading */
    struct cella_reader in;
    const struct cella_bytes *places; /* reading: per noun, its entries (struct cella_entry *) in their order */
    struct cella_bytes *makers; /* reading: per data, as uint32_t, the place of the task that made it, from 1; 0: none */
    cella_status status;
};

bool cella_image_is_reading(const struct cella_image *image);

/* Keep the first failure. */
void cella_image_note(struct cella_image *image, cella_status status);

/* Returns what was read, or value. */
uint64_t cella_image_number(struct cella_image *image, uint64_t value);

/* An integer, flag or enumeration of any type. A writer does not touch it. */
#define CELLA_IMAGE_NUMBER(image, field)                                                                               \
    do {                                                                                                               \
        uint64_t number_ = cella_image_number((image), (uint64_t) (field));                                            \
        if (cella_image_is_reading(image)) {                                                                           \
            (field) = (__typeof__(field)) number_;                                                                     \
        }                                                                                                              \
    } while (0)

/* Bytes with their number, at most max. When reading they are borrowed from the item. */
void cella_image_field(struct cella_image *image, struct cella_view *view, size_t max);

/* Characters up to a NUL in an array of size. */
void cella_image_text(struct cella_image *image, char *characters, size_t size);
#define CELLA_IMAGE_TEXT(image, field) cella_image_text((image), (field), sizeof(field))

/* Characters on the heap that are never empty, or NULL. */
void cella_image_string(struct cella_image *image, char **text);

/* All bytes of an array. */
void cella_image_fixed(struct cella_image *image, uint8_t *bytes, size_t size);
#define CELLA_IMAGE_FIXED(image, field) cella_image_fixed((image), (field), sizeof(field))

void cella_image_bytes(struct cella_image *image, struct cella_bytes *content);

/* A JSON value or NULL. */
void cella_image_json(struct cella_image *image, json_t **value);

/* Another record that has come before, or NULL. CELLA_IMAGE_NOUN_COUNT: always NULL */
struct cella_entry *cella_image_reference(struct cella_image *image, enum cella_image_noun_kind noun,
                                          const struct cella_entry *entry);
#define CELLA_IMAGE_REFERENCE(image, noun, type, field)                                                                \
    do {                                                                                                               \
        struct cella_entry *found_ =                                                                                   \
            cella_image_reference((image), (noun), (field) == NULL ? NULL : &(field)->entry);                          \
        if (cella_image_is_reading(image)) {                                                                           \
            (field) = (type *) (void *) found_;                                                                        \
        }                                                                                                              \
    } while (0)

/* One that has to be there. */
#define CELLA_IMAGE_OWNER(image, noun, type, field)                                                                    \
    do {                                                                                                               \
        CELLA_IMAGE_REFERENCE(image, noun, type, field);                                                               \
        cella_image_note((image), (field) == NULL ? CELLA_BAD_FORMAT : CELLA_OK);                                      \
    } while (0)

/* A statement that was logged, a request that was signed. */
void cella_image_logged(struct cella_image *image, struct cella_logged *logged);
void cella_image_request(struct cella_image *image, struct cella_signed_request *request);

/*
 * Room for a count that was read, zeroed, the caller's to free; NULL and a noted failure when there is none. At least one,
 * so that NULL is no room.
 */
void *cella_image_room(struct cella_image *image, size_t count, size_t size);
