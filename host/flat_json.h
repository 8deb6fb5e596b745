/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A strict reader for one flat JSON object: strings, integers, booleans and lists of strings. Enough for the host's
 * configuration and for what an executor reports, and small enough to read in one sitting: the host links no
 * parser.
 *
 * Refused: members that are not in the table, the same member twice, nesting, null, fractions, control characters,
 * escapes for anything but ASCII, text after the object.
 */

#include "base/wire.h"

#define CELLA_FLAT_JSON_TEXT_MAX 1024U /* bytes of the longest string, with its NUL */
#define CELLA_FLAT_JSON_ITEM_MAX 64U   /* bytes of a list's string, with its NUL */
#define CELLA_FLAT_JSON_ITEMS_MAX 16U

enum cella_flat_json_kind {
    CELLA_FLAT_JSON_TEXT,    /* char[size] */
    CELLA_FLAT_JSON_INTEGER, /* int64_t, min to max */
    CELLA_FLAT_JSON_BOOLEAN, /* bool */
    CELLA_FLAT_JSON_LIST,    /* struct cella_flat_json_list */
};

struct cella_flat_json_list {
    char items[CELLA_FLAT_JSON_ITEMS_MAX][CELLA_FLAT_JSON_ITEM_MAX];
    size_t count;
};

/* One member that may or must appear, and where its value goes. */
struct cella_flat_json_member {
    const char *name;
    enum cella_flat_json_kind kind;
    void *out;
    size_t size; /* of a TEXT's buffer, with its NUL */
    int64_t min;
    int64_t max;
    bool required;
    bool seen; /* set by the reader */
};

/*
 * Read text into the members' places.
 *
 * text:   untrusted
 * blame:  receives the member's name to blame, "" when the text as a whole is; CELLA_FLAT_JSON_ITEM_MAX characters
 *
 * CELLA_BAD_JSON  not one flat strict object; CELLA_UNKNOWN_FIELD, CELLA_MISSING_FIELD
 * CELLA_BAD_FIELD  wrong type, out of range, too long, or there twice
 * On failure some places may have been written.
 */
CELLA_MUST_USE cella_status cella_flat_json_read(struct cella_view text, struct cella_flat_json_member *members,
                                                 size_t count, char blame[CELLA_FLAT_JSON_ITEM_MAX]);

/* Append text as a JSON string with its quotes. CELLA_NO_MEMORY; CELLA_BAD_FORMAT for control characters */
CELLA_MUST_USE cella_status cella_flat_json_write_text(struct cella_bytes *out, const char *text);
