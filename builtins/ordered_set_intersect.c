/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/builtin.h"

#include <string.h>

#define INTERSECT(X)                                                                                                 \
    X(CHOICE, order, "ascending|descending|desending", NULL,                                                         \
      "how both inputs are sorted; desending is the spelling of Teaclave")                                           \
    X(INPUT, input_data1, "lines", "hexadecimal strings, one per line, sorted")                                      \
    X(INPUT, input_data2, "lines", "the same, by the other owner")                                                   \
    X(OUTPUT, output_result1, "text", "one character 0 or 1 per line of input_data1: is it in the other input?")     \
    X(OUTPUT, output_result2, "text", "the same for input_data2")

/* Reads lines in order, checks them, and writes one digit for each. */
struct side {
    const char *name;
    struct cella_view rest;
    struct cella_view line;
    size_t number; /* of the line, from 1 */
    bool at_end;
    int direction; /* 1 ascending, -1 descending */
    struct cella_builtin_output *output;
};

static bool is_blank(uint8_t character)
{
    return character == ' ' || character == '\t' || character == '\r';
}

static struct cella_view trim(struct cella_view line)
{
    while (line.size > 0 && is_blank(line.data[line.size - 1])) {
        line.size--;
    }
    while (line.size > 0 && is_blank(line.data[0])) {
        line.data++;
        line.size--;
    }
    return line;
}

/* Lower case, so that A and a are the same digit; -1 for anything else. */
static int digit(uint8_t character)
{
    if (character >= '0' && character <= '9') {
        return character;
    }
    if (character >= 'A' && character <= 'F') {
        return character - 'A' + 'a';
    }
    return character >= 'a' && character <= 'f' ? character : -1;
}

/* Order of texts: by characters, a prefix before what it begins. */
static int compare(struct cella_view a, struct cella_view b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    for (size_t i = 0; i < size; i++) {
        int difference = digit(a.data[i]) - digit(b.data[i]);
        if (difference != 0) {
            return difference;
        }
    }
    return a.size == b.size ? 0 : a.size < b.size ? -1 : 1;
}

static cella_status next(struct cella_builtin_call *call, struct side *side)
{
    if (side->rest.size == 0) {
        side->at_end = true;
        return CELLA_OK;
    }
    struct cella_view before = side->line;
    const uint8_t *end = memchr(side->rest.data, '\n', side->rest.size);
    size_t size = end == NULL ? side->rest.size : (size_t) (end - side->rest.data);
    side->line = trim(cella_view_of(side->rest.data, size));
    size_t used = end == NULL ? size : size + 1;
    side->rest = cella_view_of(side->rest.data + used, side->rest.size - used);
    side->number++;
    if (side->line.size == 0) {
        return cella_builtin_refuse(call, "%s, line %zu: is empty", side->name, side->number);
    }
    for (size_t i = 0; i < side->line.size; i++) {
        if (digit(side->line.data[i]) < 0) {
            return cella_builtin_refuse(call, "%s, line %zu: character %zu is not a hexadecimal digit", side->name,
                                        side->number, i + 1);
        }
    }
    if (side->number > 1 && compare(before, side->line) * side->direction > 0) {
        return cella_builtin_refuse(call, "%s, line %zu: is not in %s order", side->name, side->number,
                                    side->direction > 0 ? "ascending" : "descending");
    }
    return CELLA_OK;
}

/* Answer for the present line, then go to the next one. */
static cella_status answer(struct cella_builtin_call *call, struct side *side, bool found)
{
    CELLA_TRY(cella_builtin_output_write(side->output, cella_view_of(found ? "1" : "0", 1)));
    return next(call, side);
}

/*
 * Answer for all lines that equal the present lines of both sides. The match is kept as a view because the sides
 * move on; lines of one side that equal each other are all in the other set, and count once.
 */
static cella_status answer_equal(struct cella_builtin_call *call, struct side *a, struct side *b)
{
    struct cella_view match = a->line;
    while (!a->at_end && compare(a->line, match) == 0) {
        CELLA_TRY(answer(call, a, true));
    }
    while (!b->at_end && compare(b->line, match) == 0) {
        CELLA_TRY(answer(call, b, true));
    }
    return CELLA_OK;
}

static cella_status merge(struct cella_builtin_call *call, struct side *a, struct side *b, size_t *common)
{
    CELLA_TRY(next(call, a));
    CELLA_TRY(next(call, b));
    while (!a->at_end && !b->at_end) {
        int difference = compare(a->line, b->line) * a->direction;
        if (difference == 0) {
            (*common)++;
            CELLA_TRY(answer_equal(call, a, b));
        } else {
            CELLA_TRY(answer(call, difference < 0 ? a : b, false));
        }
    }
    while (!a->at_end) {
        CELLA_TRY(answer(call, a, false));
    }
    while (!b->at_end) {
        CELLA_TRY(answer(call, b, false));
    }
    return CELLA_OK;
}

CELLA_BUILTIN(ordered_set_intersect, "ordered_set_intersect", INTERSECT,
              .alias = "builtin-ordered-set-intersect", .version = "1",
              .documentation = "Compare two sorted lists of hexadecimal strings without showing either to the other's owner.",
              .returns = "\"N common items\"",
              .example = ">>> both = cella.builtins.ordered_set_intersect(b\"01\\n03\\n\", b\"03\\n04\\n\", order=\"ascending\")\n"
                         ">>> both.returned, both.output_result1, both.output_result2\n"
                         "('1 common items', b'01', b'10')\n")
{
    int direction = order == 0 ? 1 : -1;
    struct cella_view one;
    struct cella_view two;
    CELLA_TRY(cella_builtin_input_all(input_data1, &one));
    CELLA_TRY(cella_builtin_input_all(input_data2, &two));
    struct side a = { .name = "input_data1", .rest = one, .direction = direction, .output = output_result1 };
    struct side b = { .name = "input_data2", .rest = two, .direction = direction, .output = output_result2 };
    size_t common = 0;
    CELLA_TRY(merge(call, &a, &b, &common));
    return cella_builtin_result(call, "%zu common items", common);
}
