/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/signed_json.h"

#include <string.h>

#define DEPTH_MAX 32U

/* ---- scanner ---- */

struct scanner {
    struct cella_view text;
    size_t place;
};

static void skip_blanks(struct scanner *scanner)
{
    while (scanner->place < scanner->text.size && strchr(" \t\r\n", scanner->text.data[scanner->place]) != NULL &&
           scanner->text.data[scanner->place] != '\0') {
        scanner->place++;
    }
}

static bool take(struct scanner *scanner, char c)
{
    skip_blanks(scanner);
    if (scanner->place == scanner->text.size || scanner->text.data[scanner->place] != (uint8_t) c) {
        return false;
    }
    scanner->place++;
    return true;
}

/* A string without escapes: the envelope has no other ones. */
static bool take_string(struct scanner *scanner, struct cella_view *out)
{
    if (!take(scanner, '"')) {
        return false;
    }
    size_t start = scanner->place;
    while (scanner->place < scanner->text.size && scanner->text.data[scanner->place] != '"') {
        if (scanner->text.data[scanner->place] == '\\') {
            return false;
        }
        scanner->place++;
    }
    *out = cella_view_of(scanner->text.data + start, scanner->place - start);
    return take(scanner, '"');
}

/* Behind a string's opening quote: go behind its closing one. */
static bool skip_string(struct scanner *scanner)
{
    while (scanner->place < scanner->text.size) {
        uint8_t c = scanner->text.data[scanner->place++];
        if (c == '"') {
            return true;
        }
        if (c == '\\') {
            scanner->place++;
        }
    }
    return false;
}

/* An object as it stands there, braces included. */
static bool take_object(struct scanner *scanner, struct cella_view *out)
{
    size_t depth = 0;
    skip_blanks(scanner);
    size_t start = scanner->place;
    while (scanner->place < scanner->text.size) {
        uint8_t c = scanner->text.data[scanner->place++];
        if (c == '"' && !skip_string(scanner)) {
            return false;
        }
        depth += c == '{' || c == '[' ? 1 : 0;
        if (depth == 0 || depth > DEPTH_MAX) {
            return false;
        }
        depth -= c == '}' || c == ']' ? 1 : 0;
        if (depth == 0) {
            *out = cella_view_of(scanner->text.data + start, scanner->place - start);
            return out->data[0] == '{' && c == '}';
        }
    }
    return false;
}

cella_status cella_signed_json_split(struct cella_view text, const char *name, struct cella_view *inner,
                                     uint8_t signature[64])
{
    struct scanner scanner = { text, 0 };
    struct cella_view digits = { 0 };
    *inner = (struct cella_view){ 0 };
    if (text.size > CELLA_SIGNED_JSON_MAX) {
        return CELLA_TOO_LARGE;
    }
    bool good = take(&scanner, '{');
    for (int i = 0; good && i < 2; i++) {
        struct cella_view key;
        good = (i == 0 || take(&scanner, ',')) && take_string(&scanner, &key) && take(&scanner, ':');
        if (good && cella_view_is(key, name) && inner->size == 0) {
            good = take_object(&scanner, inner);
        } else if (good && cella_view_is(key, "signature") && digits.data == NULL) {
            good = take_string(&scanner, &digits);
        } else {
            good = false;
        }
    }
    good = good && take(&scanner, '}');
    skip_blanks(&scanner);
    if (!good || scanner.place != text.size) {
        return CELLA_BAD_FORMAT;
    }
    return cella_hex_decode(digits, signature, 64);
}

/* ---- time ---- */

static bool digits_at(const char *text, size_t place, size_t count, unsigned int *out)
{
    *out = 0;
    for (size_t i = place; i < place + count; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        *out = *out * 10 + (unsigned int) (text[i] - '0');
    }
    return true;
}

/* Days since 1970-01-01 of a date of the Gregorian calendar: years are counted from March, so that leap days come last. */
static uint64_t days_of(unsigned int year, unsigned int month, unsigned int day)
{
    unsigned int y = month <= 2 ? year - 1 : year;
    unsigned int m = month <= 2 ? month + 9 : month - 3;
    uint64_t before = 365ULL * y + y / 4 - y / 100 + y / 400 + (153ULL * m + 2) / 5 + day - 1;
    return before - 719468;
}

cella_status cella_time_of_text(const char *text, uint64_t *out)
{
    static const unsigned int month_days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    unsigned int year;
    unsigned int month;
    unsigned int day;
    unsigned int hour;
    unsigned int minute;
    unsigned int second;
    if (strlen(text) != 20 || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' ||
        text[16] != ':' || text[19] != 'Z') {
        return CELLA_BAD_FORMAT;
    }
    if (!digits_at(text, 0, 4, &year) || !digits_at(text, 5, 2, &month) || !digits_at(text, 8, 2, &day) ||
        !digits_at(text, 11, 2, &hour) || !digits_at(text, 14, 2, &minute) || !digits_at(text, 17, 2, &second)) {
        return CELLA_BAD_FORMAT;
    }
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > month_days[month - 1] ||
        (month == 2 && day == 29 && !leap) || hour > 23 || minute > 59 || second > 60) {
        return CELLA_BAD_FORMAT;
    }
    *out = ((days_of(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    return CELLA_OK;
}
