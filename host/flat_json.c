/* SPDX-License-Identifier: Apache-2.0 */
#include "host/flat_json.h"

struct cursor {
    const uint8_t *at;
    const uint8_t *end;
};

static void skip_blanks(struct cursor *cursor)
{
    while (cursor->at < cursor->end &&
           (*cursor->at == ' ' || *cursor->at == '\t' || *cursor->at == '\n' || *cursor->at == '\r')) {
        cursor->at++;
    }
}

/* Take one character after blanks, if it is the next. */
static bool take(struct cursor *cursor, char character)
{
    skip_blanks(cursor);
    if (cursor->at < cursor->end && *cursor->at == (uint8_t) character) {
        cursor->at++;
        return true;
    }
    return false;
}

static cella_status read_code_point(struct cursor *cursor, char *out)
{
    uint8_t code[2];
    if (cursor->end - cursor->at < 4 ||
        cella_hex_decode(cella_view_of(cursor->at, 4), code, sizeof(code)) != CELLA_OK) {
        return CELLA_BAD_JSON;
    }
    cursor->at += 4;
    if (code[0] != 0 || code[1] < 0x20 || code[1] > 0x7e) {
        return CELLA_BAD_JSON;
    }
    *out = (char) code[1];
    return CELLA_OK;
}

static cella_status read_escape(struct cursor *cursor, char *out)
{
    static const char names[] = "\"\\/bfnrt";
    static const char values[] = "\"\\/\b\f\n\r\t";
    if (cursor->at == cursor->end) {
        return CELLA_BAD_JSON;
    }
    char name = (char) *cursor->at++;
    if (name == 'u') {
        return read_code_point(cursor, out);
    }
    const char *found = name == '\0' ? NULL : strchr(names, name);
    if (found == NULL) {
        return CELLA_BAD_JSON;
    }
    *out = values[found - names];
    return CELLA_OK;
}

/* A string of at most size - 1 bytes into out, with a NUL. */
static cella_status read_text(struct cursor *cursor, char *out, size_t size)
{
    size_t used = 0;
    if (!take(cursor, '"')) {
        return CELLA_BAD_FIELD;
    }
    while (cursor->at < cursor->end && *cursor->at != '"') {
        char character = (char) *cursor->at++;
        if ((uint8_t) character < 0x20) {
            return CELLA_BAD_JSON;
        }
        if (character == '\\') {
            CELLA_TRY(read_escape(cursor, &character));
        }
        if (used + 1 >= size) {
            return CELLA_BAD_FIELD;
        }
        out[used++] = character;
    }
    out[used] = '\0';
    return take(cursor, '"') ? CELLA_OK : CELLA_BAD_JSON;
}

static bool is_digit(const struct cursor *cursor)
{
    return cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9';
}

static cella_status read_integer(struct cursor *cursor, const struct cella_flat_json_member *member)
{
    skip_blanks(cursor);
    bool negative = cursor->at < cursor->end && *cursor->at == '-';
    cursor->at += negative ? 1 : 0;
    bool zero = is_digit(cursor) && *cursor->at == '0';
    int64_t value = 0;
    size_t digits = 0;
    for (; is_digit(cursor); cursor->at++, digits++) {
        if (value > (INT64_MAX - 9) / 10) {
            return CELLA_BAD_FIELD;
        }
        value = value * 10 + (*cursor->at - '0');
    }
    value = negative ? -value : value;
    bool more = cursor->at < cursor->end && strchr(".eE", *cursor->at) != NULL && *cursor->at != '\0';
    if (digits == 0 || (zero && digits > 1) || more || value < member->min || value > member->max) {
        return CELLA_BAD_FIELD;
    }
    *(int64_t *) member->out = value;
    return CELLA_OK;
}

static bool take_word(struct cursor *cursor, const char *word)
{
    size_t size = strlen(word);
    skip_blanks(cursor);
    if ((size_t) (cursor->end - cursor->at) < size || memcmp(cursor->at, word, size) != 0) {
        return false;
    }
    cursor->at += size;
    return true;
}

static cella_status read_boolean(struct cursor *cursor, bool *out)
{
    bool yes = take_word(cursor, "true");
    if (!yes && !take_word(cursor, "false")) {
        return CELLA_BAD_FIELD;
    }
    *out = yes;
    return CELLA_OK;
}

static cella_status read_list(struct cursor *cursor, struct cella_flat_json_list *out)
{
    out->count = 0;
    if (!take(cursor, '[')) {
        return CELLA_BAD_FIELD;
    }
    if (take(cursor, ']')) {
        return CELLA_OK;
    }
    do {
        if (out->count == CELLA_FLAT_JSON_ITEMS_MAX) {
            return CELLA_BAD_FIELD;
        }
        CELLA_TRY(read_text(cursor, out->items[out->count], CELLA_FLAT_JSON_ITEM_MAX));
        out->count++;
    } while (take(cursor, ','));
    return take(cursor, ']') ? CELLA_OK : CELLA_BAD_JSON;
}

static cella_status read_value(struct cursor *cursor, const struct cella_flat_json_member *member)
{
    switch (member->kind) {
    case CELLA_FLAT_JSON_TEXT:
        return read_text(cursor, member->out, member->size);
    case CELLA_FLAT_JSON_INTEGER:
        return read_integer(cursor, member);
    case CELLA_FLAT_JSON_BOOLEAN:
        return read_boolean(cursor, member->out);
    case CELLA_FLAT_JSON_LIST:
        return read_list(cursor, member->out);
    }
    return CELLA_INTERNAL;
}

static struct cella_flat_json_member *find_member(struct cella_flat_json_member *members, size_t count,
                                                  const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(members[i].name, name) == 0) {
            return &members[i];
        }
    }
    return NULL;
}

static cella_status read_member(struct cursor *cursor, struct cella_flat_json_member *members, size_t count,
                                char blame[CELLA_FLAT_JSON_ITEM_MAX])
{
    blame[0] = '\0';
    if (read_text(cursor, blame, CELLA_FLAT_JSON_ITEM_MAX) != CELLA_OK) {
        blame[0] = '\0';
        return CELLA_BAD_JSON;
    }
    struct cella_flat_json_member *member = find_member(members, count, blame);
    if (member == NULL) {
        return CELLA_UNKNOWN_FIELD;
    }
    if (member->seen) {
        return CELLA_BAD_FIELD;
    }
    member->seen = true;
    if (!take(cursor, ':')) {
        return CELLA_BAD_JSON;
    }
    return read_value(cursor, member);
}

cella_status cella_flat_json_read(struct cella_view text, struct cella_flat_json_member *members, size_t count,
                                  char blame[CELLA_FLAT_JSON_ITEM_MAX])
{
    struct cursor cursor = { text.data, text.data + text.size };
    blame[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        members[i].seen = false;
    }
    if (!take(&cursor, '{')) {
        return CELLA_BAD_JSON;
    }
    if (!take(&cursor, '}')) {
        do {
            CELLA_TRY(read_member(&cursor, members, count, blame));
        } while (take(&cursor, ','));
        blame[0] = '\0';
        if (!take(&cursor, '}')) {
            return CELLA_BAD_JSON;
        }
    }
    skip_blanks(&cursor);
    if (cursor.at != cursor.end) {
        return CELLA_BAD_JSON;
    }
    for (size_t i = 0; i < count; i++) {
        if (members[i].required && !members[i].seen) {
            snprintf(blame, CELLA_FLAT_JSON_ITEM_MAX, "%s", members[i].name);
            return CELLA_MISSING_FIELD;
        }
    }
    return CELLA_OK;
}

cella_status cella_flat_json_write_text(struct cella_bytes *out, const char *text)
{
    CELLA_TRY(cella_write_u8(out, '"'));
    for (; *text != '\0'; text++) {
        if ((uint8_t) *text < 0x20) {
            return CELLA_BAD_FORMAT;
        }
        if (*text == '"' || *text == '\\') {
            CELLA_TRY(cella_write_u8(out, '\\'));
        }
        CELLA_TRY(cella_write_u8(out, (uint8_t) *text));
    }
    return cella_write_u8(out, '"');
}
