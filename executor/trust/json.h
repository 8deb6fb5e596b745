/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Strict JSON over jansson: the only file that includes <jansson.h> in this folder.
 *
 * Strict means: size and nesting bounded before parsing, no duplicate keys, no trailing text, no NaN, UTF-8 only;
 * members are taken by name and what nobody took is an error, so that a misspelt field is never ignored.
 */

#include <jansson.h>

#include "base/bytes.h"

#define CELLA_JSON_DEPTH_MAX 32

/* Where reading failed, for the error reply. Fixed text, no allocation. */
struct cella_json_error {
    char field[64]; /* path of the field, e.g. "inputs[2].name"; empty when unknown */
};

/*
 * Parse one JSON object of at most max_size bytes. The caller owns *out (json_decref).
 * CELLA_TOO_LARGE; CELLA_BAD_JSON  not strict JSON, not an object, nested deeper than CELLA_JSON_DEPTH_MAX
 */
CELLA_MUST_USE cella_status cella_json_parse(struct cella_view text, size_t max_size, json_t **out);

/* Cleanup for CELLA_CLEANUP on json_t *. */
void cella_json_cleanup(json_t **json);

/*
 * Take members of one object one by one; cella_json_end refuses what was not taken.
 * Getters borrow. Each sets error->field and gives CELLA_MISSING_FIELD or CELLA_BAD_FIELD (wrong type or range).
 * The _optional forms leave *out unchanged when the member is absent. null is never accepted as absent.
 */
struct cella_json_object {
    const json_t *json;
    const char *path; /* prefix for error fields, "" at the top */
    struct cella_json_error *error;
    size_t taken; /* bit i: the member with number i in the text was taken */
};
CELLA_MUST_USE cella_status cella_json_begin(const json_t *json, const char *path, struct cella_json_error *error,
                                             struct cella_json_object *out);
CELLA_MUST_USE cella_status cella_json_string(struct cella_json_object *object, const char *key, size_t max_size,
                                              const char **out);
CELLA_MUST_USE cella_status cella_json_string_optional(struct cella_json_object *object, const char *key,
                                                       size_t max_size, const char **out);
CELLA_MUST_USE cella_status cella_json_integer(struct cella_json_object *object, const char *key, int64_t min,
                                               int64_t max, int64_t *out);
CELLA_MUST_USE cella_status cella_json_integer_optional(struct cella_json_object *object, const char *key,
                                                        int64_t min, int64_t max, int64_t *out);
CELLA_MUST_USE cella_status cella_json_boolean_optional(struct cella_json_object *object, const char *key, bool *out);
/* type: JSON_OBJECT or JSON_ARRAY */
CELLA_MUST_USE cella_status cella_json_member(struct cella_json_object *object, const char *key, json_type type,
                                              json_t **out);
CELLA_MUST_USE cella_status cella_json_member_optional(struct cella_json_object *object, const char *key,
                                                       json_type type, json_t **out);
/* Any JSON value. */
CELLA_MUST_USE cella_status cella_json_value_optional(struct cella_json_object *object, const char *key, json_t **out);
/* Base64url member of exactly size bytes / of at most max_size bytes (decoded, appended to out). */
CELLA_MUST_USE cella_status cella_json_fixed(struct cella_json_object *object, const char *key, uint8_t *out,
                                             size_t size);
CELLA_MUST_USE cella_status cella_json_bytes(struct cella_json_object *object, const char *key, size_t max_size,
                                             struct cella_bytes *out);
/* CELLA_UNKNOWN_FIELD  a member that nobody took; its name is in error->field */
CELLA_MUST_USE cella_status cella_json_end(const struct cella_json_object *object);

/* Name a field: "path.key", or one of them where the other is empty. Both may hold anything; what is kept is printable ASCII. */
void cella_json_name_field(struct cella_json_error *error, const char *path, const char *key);

/* Compact text with sorted keys, appended to out. */
CELLA_MUST_USE cella_status cella_json_write(const json_t *json, struct cella_bytes *out);

/* Values for messages: base64url and lower-case hexadecimal of bytes. NULL without memory. */
json_t *cella_json_base64url(struct cella_view bytes);
json_t *cella_json_hex(struct cella_view bytes);
