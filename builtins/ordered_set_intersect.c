/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/builtin.h"
#include "builtins/lines.h"

#define INTERSECT(X)                                                                                                 \
    X(CHOICE, order, "ascending|descending|desending", NULL,                                                         \
      "how both inputs are sorted; desending is the spelling of Teaclave")                                           \
    X(INPUT, input_data1, "lines", "hexadecimal strings, one per line, sorted")                                      \
    X(INPUT, input_data2, "lines", "the same, by the other owner")                                                   \
    X(OUTPUT, output_result1, "text", "one character 0 or 1 per line of input_data1: is it in the other input?")     \
    X(OUTPUT, output_result2, "text", "the same for input_data2")

#define LINES_BETWEEN_PROGRESS (1U << 20)

/* Reads lines in order, checks them, and writes one digit for each. */
struct side {
    struct cella_lines lines;
    struct cella_view line;
    struct cella_view before;  /* the line before it */
    struct cella_bytes copies[2]; /* of a stream, whose lines do not stay: before, and the line that both sides have */
    bool at_end;
    int direction; /* 1 ascending, -1 descending */
    struct cella_builtin_output *output;
};

static void release(struct side *side)
{
    cella_lines_release(&side->lines);
    cella_bytes_clear(&side->copies[0]);
    cella_bytes_clear(&side->copies[1]);
}

/* The present line, such that it stays when the side moves on. */
static cella_status keep(struct side *side, size_t where, struct cella_view *out)
{
    *out = side->line;
    if (side->lines.input->read != NULL) {
        CELLA_TRY(cella_bytes_set(&side->copies[where], side->line));
        *out = cella_bytes_view(&side->copies[where]);
    }
    return CELLA_OK;
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
    bool there = false;
    CELLA_TRY(keep(side, 0, &side->before));
    CELLA_TRY(cella_lines_next(call, &side->lines, &there));
    if (!there) {
        side->at_end = true;
        return CELLA_OK;
    }
    const char *name = side->lines.input->name;
    size_t number = side->lines.number;
    side->line = cella_lines_trim(side->lines.line);
    if (side->line.size == 0) {
        return cella_builtin_refuse(call, "%s, line %zu: is empty", name, number);
    }
    for (size_t i = 0; i < side->line.size; i++) {
        if (digit(side->line.data[i]) < 0) {
            return cella_builtin_refuse(call, "%s, line %zu: character %zu is not a hexadecimal digit", name, number,
                                        i + 1);
        }
    }
    if (number > 1 && compare(side->before, side->line) * side->direction > 0) {
        return cella_builtin_refuse(call, "%s, line %zu: is not in %s order", name, number,
                                    side->direction > 0 ? "ascending" : "descending");
    }
    return number % LINES_BETWEEN_PROGRESS == 0 ? cella_builtin_progress(call, 0.5) : CELLA_OK;
}

/* Answer for the present line, then go to the next one. */
static cella_status answer(struct cella_builtin_call *call, struct side *side, bool found)
{
    CELLA_TRY(cella_builtin_output_write(side->output, cella_view_of(found ? "1" : "0", 1)));
    return next(call, side);
}

/*
 * Answer for all lines that equal the present lines of both sides. Lines of one side that equal each other are all in the
 * other set, and count once.
 */
static cella_status answer_equal(struct cella_builtin_call *call, struct side *a, struct side *b)
{
    struct cella_view match;
    CELLA_TRY(keep(a, 1, &match));
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
              .documentation =
                  "Which lines of two sorted lists of hexadecimal strings are in both, without showing either list to the "
                  "other's owner. Upper and lower case digits are the same, blanks around a line do not count; a string "
                  "stands before those that it begins. A line that stands several times counts once, and is answered each "
                  "time. An empty line, another character or a line out of order is refused. The function psi needs no order.",
              .returns = "\"N common items\"",
              .limits = "None: both inputs are read as streams, with memory for one line.",
              .example = ">>> both = cella.builtins.ordered_set_intersect(b\"01\\n03\\n\", b\"03\\n04\\n\", order=\"ascending\")\n"
                         ">>> both.returned, both.output_result1, both.output_result2\n"
                         "('1 common items', b'01', b'10')\n")
{
    int direction = order == 0 ? 1 : -1;
    CELLA_CLEANUP(release) struct side a = { .direction = direction, .output = output_result1 };
    CELLA_CLEANUP(release) struct side b = { .direction = direction, .output = output_result2 };
    cella_lines_begin(&a.lines, input_data1);
    cella_lines_begin(&b.lines, input_data2);
    size_t common = 0;
    CELLA_TRY(merge(call, &a, &b, &common));
    return cella_builtin_result(call, "%zu common items", common);
}
