/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/csv_reader.h"

#include <string.h>

#define BLOCK 64U

#ifdef __SSE2__

#include <emmintrin.h>

static void look(struct csv_reader *reader, const uint8_t *bytes)
{
    const __m128i comma = _mm_set1_epi8(',');
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i lf = _mm_set1_epi8('\n');
    const __m128i cr = _mm_set1_epi8('\r');
    uint64_t marks = 0;
    uint64_t high = 0;
    for (unsigned int i = 0; i < BLOCK; i += 16) {
        __m128i part = _mm_loadu_si128((const __m128i *) (const void *) (bytes + i));
        __m128i found = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(part, comma), _mm_cmpeq_epi8(part, quote)),
                                     _mm_or_si128(_mm_cmpeq_epi8(part, lf), _mm_cmpeq_epi8(part, cr)));
        marks |= (uint64_t) (uint32_t) _mm_movemask_epi8(found) << i;
        high |= (uint64_t) (uint32_t) _mm_movemask_epi8(part) << i;
    }
    reader->marks = marks;
    reader->high = high;
}

#else

static void look(struct csv_reader *reader, const uint8_t *bytes)
{
    reader->marks = 0;
    reader->high = 0;
    for (unsigned int i = 0; i < BLOCK; i++) {
        uint8_t byte = bytes[i];
        bool found = byte == ',' || byte == '"' || byte == '\n' || byte == '\r';
        reader->marks |= (uint64_t) found << i;
        reader->high |= (uint64_t) (byte >> 7) << i;
    }
}

#endif

/* Masks of the block that begins at from; what lies behind the end of memory is not touched. */
static void enter(struct csv_reader *reader, const uint8_t *from)
{
    uint8_t last[BLOCK] = { 0 };
    const uint8_t *bytes = from;
    size_t left = (size_t) (reader->end - from);
    if (left < BLOCK) {
        memcpy(last, from, left);
        bytes = last;
    }
    look(reader, bytes);
    reader->block = from;
    reader->beyond_ascii = reader->beyond_ascii || reader->high != 0;
}

/* Go on at a place that was found in another way than by the masks. */
static void enter_at(struct csv_reader *reader, const uint8_t *at)
{
    size_t offset = (size_t) (at - reader->block);
    if (offset >= BLOCK) {
        reader->beyond_ascii = true; /* what was passed over was not looked at */
        enter(reader, at);
        return;
    }
    reader->marks &= ~(uint64_t) 0 << offset;
}

/* The next mark, or NULL when there is none in memory. */
static inline const uint8_t *next_mark(struct csv_reader *reader)
{
    while (reader->marks == 0) {
        if ((size_t) (reader->end - reader->block) <= BLOCK) {
            return NULL;
        }
        enter(reader, reader->block + BLOCK);
    }
    const uint8_t *mark = reader->block + __builtin_ctzll(reader->marks);
    reader->marks &= reader->marks - 1;
    return mark;
}

static const uint8_t *fail(struct csv_reader *reader, enum csv_fault fault)
{
    reader->fault = fault;
    return NULL;
}

static inline void keep(struct csv_reader *reader, struct cella_view *fields, bool *quoted, const uint8_t *from,
                        const uint8_t *to, bool is_quoted)
{
    if (reader->count < reader->capacity) {
        fields[reader->count] = cella_view_of(from, (size_t) (to - from));
        quoted[reader->count] = is_quoted;
    }
    reader->count++;
}

/* The closing quote of a field whose text begins at from, or NULL when it is not in memory. */
static const uint8_t *closing(struct csv_reader *reader, const uint8_t *from, bool *doubled)
{
    for (;;) {
        const uint8_t *quote = memchr(from, '"', (size_t) (reader->end - from));
        if (quote == NULL || (quote + 1 == reader->end && !reader->ended)) {
            return NULL;
        }
        if (quote + 1 == reader->end || quote[1] != '"') {
            return quote;
        }
        *doubled = true;
        from = quote + 2;
    }
}

/*
 * A field in quotes; text is behind the opening one. Returns the character behind the closing one, or NULL. A field with
 * "" stays as it is until the record is complete: its text is made then.
 */
static const uint8_t *take_quoted(struct csv_reader *reader, struct cella_view *fields, bool *quoted,
                                  const uint8_t *text)
{
    bool doubled = false;
    const uint8_t *quote = closing(reader, text, &doubled);
    if (quote == NULL) {
        return reader->ended ? fail(reader, CSV_QUOTE_OPEN) : NULL;
    }
    const uint8_t *behind = quote + 1;
    if (behind < reader->end && *behind != ',' && *behind != '\n' && *behind != '\r') {
        return fail(reader, CSV_TEXT_AFTER_QUOTE);
    }
    reader->has_quotes = true;
    reader->unescape = reader->unescape || doubled;
    keep(reader, fields, quoted, text, quote, true);
    enter_at(reader, behind);
    return behind;
}

/*
 * From the character behind a closing quote on: the comma or the line end that must stand there. next: where the next
 * field or record begins. False: not in memory, or a fault.
 */
static bool separator(struct csv_reader *reader, const uint8_t *at, const uint8_t **next, bool *is_end)
{
    *is_end = true;
    *next = at;
    if (at == reader->end) {
        return reader->ended;
    }
    (void) next_mark(reader); /* it is at */
    *next = at + 1;
    if (*at == ',') {
        *is_end = false;
        return true;
    }
    if (*at == '\n') {
        return true;
    }
    if (at + 1 == reader->end && !reader->ended) {
        return false;
    }
    if (at + 1 == reader->end || at[1] != '\n') {
        reader->fault = CSV_LONE_CR;
        return false;
    }
    (void) next_mark(reader);
    *next = at + 2;
    return true;
}

/* Fields without quotes from from on. Returns where the record ends, NULL, or (*opening) a field's opening quote. */
static const uint8_t *take_plain(struct csv_reader *reader, struct cella_view *fields, bool *quoted,
                                 const uint8_t *from, const uint8_t **opening)
{
    for (;;) {
        const uint8_t *mark = next_mark(reader);
        if (mark == NULL) {
            if (!reader->ended) {
                return NULL;
            }
            keep(reader, fields, quoted, from, reader->end, false);
            return reader->end;
        }
        if (*mark == ',') {
            keep(reader, fields, quoted, from, mark, false);
            from = mark + 1;
        } else if (*mark == '\n') {
            keep(reader, fields, quoted, from, mark > from && mark[-1] == '\r' ? mark - 1 : mark, false);
            return mark + 1;
        } else if (*mark == '"') {
            if (mark != from) {
                return fail(reader, CSV_QUOTE_INSIDE);
            }
            *opening = mark;
            return NULL;
        } else if (mark + 1 == reader->end ? reader->ended : mark[1] != '\n') {
            return fail(reader, CSV_LONE_CR);
        }
    }
}

const uint8_t *csv_scan(struct csv_reader *reader, struct cella_view *fields, bool *quoted)
{
    const uint8_t *from = reader->at;
    reader->count = 0;
    reader->fault = CSV_NO_FAULT;
    reader->unescape = false;
    reader->has_quotes = false;
    reader->beyond_ascii = false;
    if (reader->block == NULL || (size_t) (from - reader->block) >= BLOCK) {
        enter(reader, from);
    } else {
        reader->marks &= ~(uint64_t) 0 << (from - reader->block);
        reader->beyond_ascii = reader->high != 0;
    }
    for (;;) {
        const uint8_t *opening = NULL;
        const uint8_t *end = take_plain(reader, fields, quoted, from, &opening);
        if (opening == NULL) {
            return end;
        }
        bool is_end = false;
        const uint8_t *behind = take_quoted(reader, fields, quoted, opening + 1);
        if (behind == NULL || !separator(reader, behind, &from, &is_end)) {
            return NULL;
        }
        if (is_end) {
            return from;
        }
    }
}

/* Length of the character that begins here, 0 if it is none. */
static size_t character(const uint8_t *at, size_t left)
{
    uint8_t first = at[0];
    size_t size = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
    if (size > left) {
        return 0;
    }
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    if ((first == 0xe0 && at[1] < 0xa0) || (first == 0xed && at[1] > 0x9f) || (first == 0xf0 && at[1] < 0x90) ||
        (first == 0xf4 && at[1] > 0x8f)) {
        return 0;
    }
    return size;
}

bool csv_is_utf8(const uint8_t *at, const uint8_t *end)
{
    while (at < end) {
        uint64_t eight;
        if (end - at >= 8 && (memcpy(&eight, at, 8), (eight & 0x8080808080808080U) == 0)) {
            at += 8;
            continue;
        }
        size_t size = character(at, (size_t) (end - at));
        if (size == 0) {
            return false;
        }
        at += size;
    }
    return true;
}
