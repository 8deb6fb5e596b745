/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a builtin function is: a plain C function with typed parameters, described by one table.
 *
 * The table of a builtin is a list macro (see echo.c). It makes both the C parameters and the description that
 * arguments are checked against, so that the two can not disagree. Arguments come first, then inputs, then outputs.
 * The function is called through libffi with values that fit the table; it runs in a cell and may be killed at any
 * instruction.
 *
 *   #define REPEAT(TEXT, INTEGER, REAL, FLAG, INPUT, OUTPUT)
 *       TEXT(word, 0, 80, NULL, "what to repeat")
 *       INTEGER(times, 1, 100, "1", "how often")
 *       OUTPUT(pages, "where to")
 *   CELLA_BUILTIN(repeat, "repeat", "builtin-repeat", "1", REPEAT, "Repeat a word.", "the number of letters written")
 *   {
 *       ... uses call, word, times, pages; returns a cella_status ...
 *   }
 *
 * default: text of the value, or NULL when the caller must give one.
 */

#include "base/bytes.h"

#define CELLA_BUILTIN_PARAMETERS_MAX 16U

/* Kinds of parameter, and what the C function receives. */
enum cella_builtin_kind {
    CELLA_BUILTIN_TEXT,    /* UTF-8: const struct cella_view * */
    CELLA_BUILTIN_INTEGER, /* int64_t */
    CELLA_BUILTIN_REAL,    /* double, never NaN or infinite */
    CELLA_BUILTIN_FLAG,    /* bool */
    CELLA_BUILTIN_INPUT,   /* all bytes of an input: const struct cella_view * */
    CELLA_BUILTIN_OUTPUT,  /* struct cella_builtin_output * */
};

struct cella_builtin_parameter {
    const char *name;
    enum cella_builtin_kind kind;
    double minimum; /* INTEGER, REAL: the value; TEXT: bytes */
    double maximum;
    const char *default_text; /* NULL: required */
    const char *documentation;
};

/* Where an output's bytes go. write keeps all or fails: CELLA_LIMIT_OUTPUT, CELLA_NO_MEMORY, CELLA_SYSTEM_FAILED. */
struct cella_builtin_output {
    cella_status (*write)(void *context, struct cella_view bytes);
    void *context;
};

#define CELLA_BUILTIN_MESSAGE_MAX 256U

/* One call. A function that refuses its input returns CELLA_BUILTIN_FAILED and says why in message. */
struct cella_builtin_call {
    struct cella_bytes result; /* UTF-8 text; becomes the task's result */
    char message[CELLA_BUILTIN_MESSAGE_MAX];
};

struct cella_builtin {
    const char *name;
    const char *alias; /* Teaclave's spelling */
    const char *version;
    const char *documentation;
    const char *returns;
    const struct cella_builtin_parameter *parameters;
    size_t parameter_count;
    void (*function)(void); /* cella_status (struct cella_builtin_call *, parameters...) */
};

/* Leave a message for the caller and return CELLA_BUILTIN_FAILED. */
CELLA_MUST_USE cella_status cella_builtin_refuse(struct cella_builtin_call *call, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* From here on: how the list macro becomes parameters and table rows. */
#define CELLA_BUILTIN_P_TEXT(name, minimum, maximum, otherwise, text) , const struct cella_view *name
#define CELLA_BUILTIN_P_INTEGER(name, minimum, maximum, otherwise, text) , int64_t name
#define CELLA_BUILTIN_P_REAL(name, minimum, maximum, otherwise, text) , double name
#define CELLA_BUILTIN_P_FLAG(name, otherwise, text) , bool name
#define CELLA_BUILTIN_P_INPUT(name, text) , const struct cella_view *name
#define CELLA_BUILTIN_P_OUTPUT(name, text) , struct cella_builtin_output *name

#define CELLA_BUILTIN_R_TEXT(name, minimum, maximum, otherwise, text)                                                \
    { #name, CELLA_BUILTIN_TEXT, (minimum), (maximum), otherwise, text },
#define CELLA_BUILTIN_R_INTEGER(name, minimum, maximum, otherwise, text)                                             \
    { #name, CELLA_BUILTIN_INTEGER, (minimum), (maximum), otherwise, text },
#define CELLA_BUILTIN_R_REAL(name, minimum, maximum, otherwise, text)                                                \
    { #name, CELLA_BUILTIN_REAL, (minimum), (maximum), otherwise, text },
#define CELLA_BUILTIN_R_FLAG(name, otherwise, text) { #name, CELLA_BUILTIN_FLAG, 0, 1, otherwise, text },
#define CELLA_BUILTIN_R_INPUT(name, text) { #name, CELLA_BUILTIN_INPUT, 0, 0, NULL, text },
#define CELLA_BUILTIN_R_OUTPUT(name, text) { #name, CELLA_BUILTIN_OUTPUT, 0, 0, NULL, text },

#define CELLA_BUILTIN_LIST(list, prefix)                                                                             \
    list(CELLA_BUILTIN_##prefix##_TEXT, CELLA_BUILTIN_##prefix##_INTEGER, CELLA_BUILTIN_##prefix##_REAL,             \
         CELLA_BUILTIN_##prefix##_FLAG, CELLA_BUILTIN_##prefix##_INPUT, CELLA_BUILTIN_##prefix##_OUTPUT)

#define CELLA_BUILTIN(function_name, name_text, alias_text, version_text, list, about, result)                       \
    static cella_status function_name(struct cella_builtin_call *call CELLA_BUILTIN_LIST(list, P));                  \
    static const struct cella_builtin_parameter function_name##_parameters[] = { CELLA_BUILTIN_LIST(list, R) };      \
    const struct cella_builtin cella_builtin_##function_name = {                                                     \
        .name = name_text,                                                                                           \
        .alias = alias_text,                                                                                         \
        .version = version_text,                                                                                     \
        .documentation = about,                                                                                      \
        .returns = result,                                                                                           \
        .parameters = function_name##_parameters,                                                                    \
        .parameter_count = sizeof(function_name##_parameters) / sizeof(function_name##_parameters[0]),               \
        .function = (void (*)(void)) function_name,                                                                  \
    };                                                                                                               \
    static cella_status function_name(struct cella_builtin_call *call CELLA_BUILTIN_LIST(list, P))
