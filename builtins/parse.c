/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/parse.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "builtins/number.h"

static uint8_t next(const struct cella_parse *json)
{
    return json->at < json->text.size ? json->text.data[json->at] : 0;
}

static void skip_blanks(struct cella_parse *json)
{
    for (uint8_t one = next(json); one == ' ' || one == '\n' || one == '\r' || one == '\t'; one = next(json)) {
        json->at++;
    }
}

cella_status cella_parse_refuse(struct cella_parse *json, const char *format, ...)
{
    char what[160];
    va_list arguments;
    va_start(arguments, format);
    (void) vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    return cella_builtin_refuse(json->call, "%s, byte %zu: %s", json->input, json->at, what);
}

static cella_status expected(struct cella_parse *json, const char *what)
{
    return cella_parse_refuse(json, json->at < json->text.size ? "%s expected" : "%s expected, and the text ends", what);
}

cella_status cella_parse_begin(struct cella_parse *json, struct cella_builtin_call *call,
                              struct cella_builtin_input *input)
{
    *json = (struct cella_parse){ .call = call, .input = input->name, .first = true };
    return cella_builtin_input_all(input, &json->text);
}

static cella_status open_with(struct cella_parse *json, uint8_t bracket)
{
    skip_blanks(json);
    if (next(json) != bracket) {
        return expected(json, bracket == '{' ? "an object" : "an array");
    }
    if (json->depth == CELLA_PARSE_DEPTH_MAX) {
        return cella_parse_refuse(json, "nested more than %u deep", CELLA_PARSE_DEPTH_MAX);
    }
    json->at++;
    json->opened[json->depth++] = bracket;
    json->first = true;
    return CELLA_OK;
}

cella_status cella_parse_object(struct cella_parse *json)
{
    return open_with(json, '{');
}

cella_status cella_parse_array(struct cella_parse *json)
{
    return open_with(json, '[');
}

/* Go past a comma, or the bracket that ends the innermost object or array. */
static cella_status go_on(struct cella_parse *json, uint8_t bracket, bool *there)
{
    skip_blanks(json);
    bool first = json->first;
    json->first = false;
    *there = next(json) != bracket;
    if (!*there) {
        json->at++;
        json->depth--;
        return CELLA_OK;
    }
    if (!first) {
        if (next(json) != ',') {
            return expected(json, bracket == '}' ? "a comma or }" : "a comma or ]");
        }
        json->at++;
        skip_blanks(json);
    }
    return CELLA_OK;
}

static bool is_hexadecimal(uint8_t one)
{
    return (one >= '0' && one <= '9') || (one >= 'a' && one <= 'f') || (one >= 'A' && one <= 'F');
}

/* Past a backslash and what belongs to it. */
static bool skip_escape(struct cella_parse *json)
{
    json->at++;
    uint8_t kind = next(json);
    if (kind != 'u') {
        json->at++;
        return kind != 0 && strchr("\"\\/bfnrt", kind) != NULL;
    }
    for (int i = 0; i < 4; i++) {
        json->at++;
        if (!is_hexadecimal(next(json))) {
            return false;
        }
    }
    json->at++;
    return true;
}

cella_status cella_parse_text(struct cella_parse *json, struct cella_view *out)
{
    skip_blanks(json);
    if (next(json) != '"') {
        return expected(json, "a string");
    }
    size_t start = ++json->at;
    while (next(json) != '"') {
        if (json->at >= json->text.size) {
            return expected(json, "the end of a string");
        }
        if (next(json) < 0x20 || (next(json) == '\\' && !skip_escape(json))) {
            return cella_parse_refuse(json, "a character that no string may have");
        }
        json->at += next(json) != '"' && next(json) != '\\' && next(json) >= 0x20;
    }
    *out = cella_view_of(json->text.data + start, json->at - start);
    json->at++;
    return CELLA_OK;
}

cella_status cella_parse_member(struct cella_parse *json, struct cella_view *name, bool *there)
{
    CELLA_TRY(go_on(json, '}', there));
    if (!*there) {
        return CELLA_OK;
    }
    CELLA_TRY(cella_parse_text(json, name));
    skip_blanks(json);
    if (next(json) != ':') {
        return expected(json, "a colon");
    }
    json->at++;
    return CELLA_OK;
}

cella_status cella_parse_element(struct cella_parse *json, bool *there)
{
    return go_on(json, ']', there);
}

static size_t skip_digits(struct cella_parse *json)
{
    size_t start = json->at;
    while (next(json) >= '0' && next(json) <= '9') {
        json->at++;
    }
    return json->at - start;
}

/* A number as the grammar has it: no leading zeros, no "nan", no bare point. */
static cella_status number_text(struct cella_parse *json, struct cella_view *out, bool *whole)
{
    skip_blanks(json);
    size_t start = json->at;
    json->at += next(json) == '-';
    bool zero = next(json) == '0';
    size_t digits = skip_digits(json);
    bool good = digits > 0 && (!zero || digits == 1);
    *whole = true;
    if (good && next(json) == '.') {
        *whole = false;
        json->at++;
        good = skip_digits(json) > 0;
    }
    if (good && (next(json) == 'e' || next(json) == 'E')) {
        *whole = false;
        json->at++;
        json->at += next(json) == '-' || next(json) == '+';
        good = skip_digits(json) > 0;
    }
    *out = cella_view_of(json->text.data + start, json->at - start);
    return good ? CELLA_OK : expected(json, "a number");
}

cella_status cella_parse_number(struct cella_parse *json, double *out)
{
    struct cella_view text;
    bool whole;
    CELLA_TRY(number_text(json, &text, &whole));
    return cella_number_parse(text, out) == CELLA_OK ? CELLA_OK : expected(json, "a number");
}

cella_status cella_parse_integer(struct cella_parse *json, int64_t least, int64_t most, int64_t *out)
{
    struct cella_view text;
    bool whole;
    CELLA_TRY(number_text(json, &text, &whole));
    int64_t value = 0;
    if (!whole || cella_number_parse_integer(text, &value) != CELLA_OK || value < least || value > most) {
        return cella_parse_refuse(json, "a whole number from %lld to %lld expected", (long long) least,
                                 (long long) most);
    }
    *out = value;
    return CELLA_OK;
}

static bool take_word(struct cella_parse *json, const char *word)
{
    size_t size = strlen(word);
    if (json->text.size - json->at < size || memcmp(json->text.data + json->at, word, size) != 0) {
        return false;
    }
    json->at += size;
    return true;
}

cella_status cella_parse_flag(struct cella_parse *json, bool *out)
{
    skip_blanks(json);
    *out = take_word(json, "true");
    return *out || take_word(json, "false") ? CELLA_OK : expected(json, "true or false");
}

char cella_parse_peek(struct cella_parse *json)
{
    skip_blanks(json);
    char one = (char) next(json);
    return one == '-' || (one >= '1' && one <= '9') ? '0' : one;
}

static cella_status skip_scalar(struct cella_parse *json)
{
    struct cella_view ignored;
    bool whole;
    switch (cella_parse_peek(json)) {
    case '"':
        return cella_parse_text(json, &ignored);
    case '0':
        return number_text(json, &ignored, &whole);
    case 't':
    case 'f':
        return cella_parse_flag(json, &whole);
    default:
        return take_word(json, "null") ? CELLA_OK : expected(json, "a value");
    }
}

/* Without recursion: the stack is json->opened. */
cella_status cella_parse_skip(struct cella_parse *json)
{
    size_t outside = json->depth;
    for (;;) {
        char one = cella_parse_peek(json);
        CELLA_TRY(one == '{' || one == '[' ? open_with(json, (uint8_t) one) : skip_scalar(json));
        bool there = false;
        while (!there && json->depth > outside) {
            struct cella_view name;
            CELLA_TRY(json->opened[json->depth - 1] == '{' ? cella_parse_member(json, &name, &there)
                                                           : cella_parse_element(json, &there));
        }
        if (!there) {
            return CELLA_OK;
        }
    }
}

cella_status cella_parse_end(struct cella_parse *json)
{
    skip_blanks(json);
    return json->at == json->text.size ? CELLA_OK : cella_parse_refuse(json, "something follows the value");
}
