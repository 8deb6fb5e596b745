/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * JSON as RFC 8259 says, read in order and without building anything: for models, which are large and come from other
 * parties. All of it is untrusted. The caller asks for what must come next; anything else is refused with the input's
 * name and the place.
 *
 *   CELLA_TRY(cella_parse_object(json));
 *   for (;;) {
 *       CELLA_TRY(cella_parse_member(json, &name, &there));
 *       if (!there) { break; }
 *       if (cella_view_is(name, "bias")) { CELLA_TRY(cella_parse_number(json, &bias)); }
 *       else { CELLA_TRY(cella_parse_skip(json)); }
 *   }
 *   CELLA_TRY(cella_parse_end(json));
 */

#include "builtins/input.h"

#define CELLA_PARSE_DEPTH_MAX 64U

struct cella_parse {
    struct cella_builtin_call *call;
    const char *input; /* name, for messages */
    struct cella_view text;
    size_t at;
    size_t depth;
    uint8_t opened[CELLA_PARSE_DEPTH_MAX]; /* '{' or '[' */
    bool first;                           /* nothing was read yet in the innermost object or array */
};

/* Begin to read. All bytes of the input are kept in memory. CELLA_NO_MEMORY, CELLA_SYSTEM_FAILED, CELLA_CANCELLED. */
CELLA_MUST_USE cella_status cella_parse_begin(struct cella_parse *json, struct cella_builtin_call *call,
                                             struct cella_builtin_input *input);

/* Errors of all that follow: CELLA_BUILTIN_FAILED, with "INPUT, byte N: what" as message. */
CELLA_MUST_USE cella_status cella_parse_object(struct cella_parse *json);
CELLA_MUST_USE cella_status cella_parse_array(struct cella_parse *json);

/* The next member's name, without escapes undone; its value comes next. *there is false at the object's end. */
CELLA_MUST_USE cella_status cella_parse_member(struct cella_parse *json, struct cella_view *name, bool *there);

/* Whether another element of the array comes next; at its end it is closed. */
CELLA_MUST_USE cella_status cella_parse_element(struct cella_parse *json, bool *there);

/* Scalars. An integer is one without fraction and exponent, from least to most. */
CELLA_MUST_USE cella_status cella_parse_number(struct cella_parse *json, double *out);
CELLA_MUST_USE cella_status cella_parse_integer(struct cella_parse *json, int64_t least, int64_t most, int64_t *out);
CELLA_MUST_USE cella_status cella_parse_flag(struct cella_parse *json, bool *out);

/* A string, as it stands between its quotes: escapes are checked and not undone. */
CELLA_MUST_USE cella_status cella_parse_text(struct cella_parse *json, struct cella_view *out);

/* Any value, at most CELLA_PARSE_DEPTH_MAX deep. */
CELLA_MUST_USE cella_status cella_parse_skip(struct cella_parse *json);

/* Nothing but blanks may follow. */
CELLA_MUST_USE cella_status cella_parse_end(struct cella_parse *json);

/* What comes next, without reading it: { [ " 0 (a number) t f n, or 0 at the end. */
char cella_parse_peek(struct cella_parse *json);

/* Refuse what was read last. */
CELLA_MUST_USE cella_status cella_parse_refuse(struct cella_parse *json, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
