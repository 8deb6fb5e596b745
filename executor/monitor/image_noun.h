/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The nouns of the state in an image (image.h): which fields each has. For image.c, image_noun.c and image_task.c only.
 *
 * Who adds a field to the state adds it here, or says in state.h that it is not part of the fold: sizes that do not match end
 * the build, and tests/boundary/test_image.py names fields that are missing.
 */

#include "monitor/image_field.h"

struct cella_image_noun {
    size_t table; /* offset of its table in struct cella_state */
    size_t size;  /* of a record */
    /* Everything of a record but its id. entry: the record; zeroed but for its id when reading */
    void (*fields)(struct cella_image *image, struct cella_entry *entry);
    void (*free)(struct cella_entry *entry); /* accepts a record that is not complete */
};

extern const struct cella_image_noun cella_image_nouns[CELLA_IMAGE_NOUN_COUNT];

/* The fields of a task (image_task.c). */
void cella_image_task_fields(struct cella_image *image, struct cella_entry *entry);

/* The build ends where a structure is not the one whose fields were listed. Sizes are those of 64-bit machines. */
#define CELLA_IMAGE_KNOWS(type, bytes)                                                                                 \
    _Static_assert(sizeof(type) == (bytes) || sizeof(void *) != 8,                                                     \
                   "struct of the state has changed: add the field to image_noun.c or image_task.c and to the history "  \
                   "of tests/unit/test_monitor_image.c, then write the new size here")
