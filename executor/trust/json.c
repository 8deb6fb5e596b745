/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/json.h"

#include <stdio.h>
#include <string.h>

/* Members that can be marked as taken. No object of Cella's has as many; what lies beyond is never taken. */
#define MEMBERS_MAX (8 * sizeof(size_t))

/*
 * Deepest nesting of brackets outside strings. Runs over bytes that may be no JSON at all: it need only never say
 * less than what a recursive parser would reach.
 */
static size_t nesting(struct cella_view text)
{
    size_t depth = 0;
    size_t deepest = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t character = text.data[i];
        if (in_string) {
            if (character == '\\') {
                i++;
            } else if (character == '"') {
                in_string = false;
            }
        } else if (character == '"') {
            in_string = true;
        } else if (character == '[' || character == '{') {
            depth++;
            deepest = depth > deepest ? depth : deepest;
        } else if ((character == ']' || character == '}') && depth > 0) {
            depth--;
        }
    }
    return deepest;
}

cella_status cella_json_parse(struct cella_view text, size_t max_size, json_t **out)
{
    if (text.size > max_size) {
        return CELLA_TOO_LARGE;
    }
    if (text.size == 0 || nesting(text) > CELLA_JSON_DEPTH_MAX) {
        return CELLA_BAD_JSON;
    }
    json_error_t ignored;
    json_t *json = json_loadb((const char *) text.data, text.size, JSON_REJECT_DUPLICATES, &ignored);
    if (json == NULL) {
        return json_error_code(&ignored) == json_error_out_of_memory ? CELLA_NO_MEMORY : CELLA_BAD_JSON;
    }
    if (!json_is_object(json)) {
        json_decref(json);
        return CELLA_BAD_JSON;
    }
    *out = json;
    return CELLA_OK;
}

void cella_json_cleanup(json_t **json)
{
    json_decref(*json);
    *json = NULL;
}

/* Names in input may hold anything; in a log or a terminal they must be harmless. */
static void make_printable(char *text)
{
    for (; *text != '\0'; text++) {
        if (*text < ' ' || *text > '~') {
            *text = '?';
        }
    }
}

void cella_json_name_field(struct cella_json_error *error, const char *path, const char *key)
{
    const char *dot = path[0] != '\0' && key[0] != '\0' ? "." : "";
    (void) snprintf(error->field, sizeof(error->field), "%s%s%s", path, dot, key);
    make_printable(error->field);
}

static cella_status fail(const struct cella_json_object *object, const char *key, cella_status status)
{
    if (object->error != NULL) {
        cella_json_name_field(object->error, object->path, key);
    }
    return status;
}

cella_status cella_json_begin(const json_t *json, const char *path, struct cella_json_error *error,
                              struct cella_json_object *out)
{
    *out = (struct cella_json_object){ json, path, error, 0 };
    return json_is_object(json) ? CELLA_OK : fail(out, "", CELLA_BAD_FIELD);
}

/* The member, now marked as taken, or NULL. */
static json_t *take(struct cella_json_object *object, const char *key)
{
    /* jansson iterates in the order of the text, so a member's number stays the same. Iterators are not const. */
    json_t *json = (json_t *) (uintptr_t) object->json;
    void *member = json_object_iter(json);
    for (size_t i = 0; member != NULL && i < MEMBERS_MAX; i++) {
        if (strcmp(json_object_iter_key(member), key) == 0) {
            object->taken |= (size_t) 1 << i;
            return json_object_iter_value(member);
        }
        member = json_object_iter_next(json, member);
    }
    return json_object_get(json, key);
}

/* The member, or CELLA_MISSING_FIELD. */
static cella_status take_required(struct cella_json_object *object, const char *key, json_t **out)
{
    *out = take(object, key);
    return *out == NULL ? fail(object, key, CELLA_MISSING_FIELD) : CELLA_OK;
}

static cella_status string_of(struct cella_json_object *object, const char *key, const json_t *value,
                              size_t max_size, const char **out)
{
    if (!json_is_string(value) || json_string_length(value) > max_size) {
        return fail(object, key, CELLA_BAD_FIELD);
    }
    *out = json_string_value(value);
    return CELLA_OK;
}

cella_status cella_json_string(struct cella_json_object *object, const char *key, size_t max_size, const char **out)
{
    json_t *value;
    CELLA_TRY(take_required(object, key, &value));
    return string_of(object, key, value, max_size, out);
}

cella_status cella_json_string_optional(struct cella_json_object *object, const char *key, size_t max_size,
                                        const char **out)
{
    const json_t *value = take(object, key);
    return value == NULL ? CELLA_OK : string_of(object, key, value, max_size, out);
}

static cella_status integer_of(struct cella_json_object *object, const char *key, const json_t *value, int64_t min,
                               int64_t max, int64_t *out)
{
    if (!json_is_integer(value)) {
        return fail(object, key, CELLA_BAD_FIELD);
    }
    int64_t number = json_integer_value(value);
    if (number < min || number > max) {
        return fail(object, key, CELLA_BAD_FIELD);
    }
    *out = number;
    return CELLA_OK;
}

cella_status cella_json_integer(struct cella_json_object *object, const char *key, int64_t min, int64_t max,
                                int64_t *out)
{
    json_t *value;
    CELLA_TRY(take_required(object, key, &value));
    return integer_of(object, key, value, min, max, out);
}

cella_status cella_json_integer_optional(struct cella_json_object *object, const char *key, int64_t min,
                                         int64_t max, int64_t *out)
{
    const json_t *value = take(object, key);
    return value == NULL ? CELLA_OK : integer_of(object, key, value, min, max, out);
}

cella_status cella_json_boolean_optional(struct cella_json_object *object, const char *key, bool *out)
{
    const json_t *value = take(object, key);
    if (value == NULL) {
        return CELLA_OK;
    }
    if (!json_is_boolean(value)) {
        return fail(object, key, CELLA_BAD_FIELD);
    }
    *out = json_is_true(value);
    return CELLA_OK;
}

static cella_status member_of(struct cella_json_object *object, const char *key, json_type type, json_t *value,
                              json_t **out)
{
    if (json_typeof(value) != type) {
        return fail(object, key, CELLA_BAD_FIELD);
    }
    *out = value;
    return CELLA_OK;
}

cella_status cella_json_member(struct cella_json_object *object, const char *key, json_type type, json_t **out)
{
    json_t *value;
    CELLA_TRY(take_required(object, key, &value));
    return member_of(object, key, type, value, out);
}

cella_status cella_json_member_optional(struct cella_json_object *object, const char *key, json_type type,
                                        json_t **out)
{
    json_t *value = take(object, key);
    return value == NULL ? CELLA_OK : member_of(object, key, type, value, out);
}

cella_status cella_json_value_optional(struct cella_json_object *object, const char *key, json_t **out)
{
    json_t *value = take(object, key);
    if (value != NULL) {
        *out = value;
    }
    return CELLA_OK;
}

cella_status cella_json_fixed(struct cella_json_object *object, const char *key, uint8_t *out, size_t size)
{
    const char *text = NULL;
    CELLA_TRY(cella_json_string(object, key, size * 2 + 4, &text));
    cella_status status = cella_base64url_decode_exact(cella_view_of_string(text), out, size);
    return status == CELLA_BAD_FORMAT ? fail(object, key, CELLA_BAD_FIELD) : status;
}

cella_status cella_json_bytes(struct cella_json_object *object, const char *key, size_t max_size,
                              struct cella_bytes *out)
{
    const char *text = NULL;
    CELLA_TRY(cella_json_string(object, key, SIZE_MAX / 4, &text));
    struct cella_view view = cella_view_of_string(text);
    if (view.size * 3 / 4 > max_size) {
        return fail(object, key, CELLA_BAD_FIELD);
    }
    cella_status status = cella_base64url_decode(view, out);
    return status == CELLA_BAD_FORMAT ? fail(object, key, CELLA_BAD_FIELD) : status;
}

cella_status cella_json_end(const struct cella_json_object *object)
{
    json_t *json = (json_t *) (uintptr_t) object->json;
    void *member = json_object_iter(json);
    for (size_t i = 0; member != NULL; i++) {
        if (i >= MEMBERS_MAX || (object->taken >> i & 1) == 0) {
            return fail(object, json_object_iter_key(member), CELLA_UNKNOWN_FIELD);
        }
        member = json_object_iter_next(json, member);
    }
    return CELLA_OK;
}

static int append_piece(const char *piece, size_t size, void *context)
{
    return cella_bytes_append(context, cella_view_of(piece, size)) == CELLA_OK ? 0 : -1;
}

cella_status cella_json_write(const json_t *json, struct cella_bytes *out)
{
    size_t start = out->size;
    if (json_dump_callback(json, append_piece, out, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY) != 0) {
        out->size = start;
        return CELLA_NO_MEMORY;
    }
    return CELLA_OK;
}

json_t *cella_json_base64url(struct cella_view bytes)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    if (cella_base64url_encode(bytes, &text) != CELLA_OK) {
        return NULL;
    }
    return json_stringn(text.data == NULL ? "" : (const char *) text.data, text.size);
}

json_t *cella_json_hex(struct cella_view bytes)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    if (cella_bytes_resize(&text, 2 * bytes.size + 1) != CELLA_OK) {
        return NULL;
    }
    cella_hex_encode(bytes, (char *) text.data);
    return json_string((const char *) text.data);
}
