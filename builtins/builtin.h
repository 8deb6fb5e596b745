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
 *   #define REPEAT(X)
 *       X(TEXT, word, 0, 80, NULL, "what to repeat")
 *       X(INTEGER, times, 1, 100, "1", "how often")
 *       X(OUTPUT, pages, "lines", "where to")
 *   CELLA_BUILTIN(repeat, "repeat", REPEAT,
 *       .version = "1", .documentation = "Repeat a word.", .returns = "the number of letters written")
 *   {
 *       ... uses call, word, times, pages; returns a cella_status ...
 *   }
 *
 * Kinds of parameter, what stands in the row after the name, and what the C function receives:
 *
 *   TEXT(name, least bytes, most bytes, default, text)      const struct cella_view *, UTF-8
 *   CHOICE(name, "one|two|three", default, text)            int64_t: which of the choices, from 0
 *   INTEGER(name, least, most, default, text)               int64_t
 *   REAL(name, least, most, default, text)                  double, never NaN or infinite
 *   FLAG(name, default, text)                               bool
 *   INPUT(name, format, text)                               struct cella_builtin_input *
 *   OPTIONAL_INPUT(name, format, text)                      the same, or NULL
 *   INPUTS(name, least, most, format, text)                 struct cella_builtin_inputs *: name0, name1, ... without a gap
 *   OUTPUT(name, format, text)                              struct cella_builtin_output *
 *   OPTIONAL_OUTPUT(name, format, text)                     the same, or NULL
 *   OUTPUTS(name, least, most, format, text)                struct cella_builtin_outputs *: name0, name1, ...
 *
 * default: text of the value, or NULL when the caller must give one. format: what the documentation calls the form of
 * the data: "CSV", "CSV or .npy", "lines", "JSON", "ONNX", "bytes".
 */

#include "builtins/input.h"
#include "builtins/output.h"

#define CELLA_BUILTIN_PARAMETERS_MAX 24U
#define CELLA_BUILTIN_GROUP_MAX 64U /* members of INPUTS or OUTPUTS */

enum cella_builtin_kind {
    CELLA_BUILTIN_TEXT,
    CELLA_BUILTIN_CHOICE,
    CELLA_BUILTIN_INTEGER,
    CELLA_BUILTIN_REAL,
    CELLA_BUILTIN_FLAG,
    CELLA_BUILTIN_INPUT,
    CELLA_BUILTIN_INPUTS,
    CELLA_BUILTIN_OUTPUT,
    CELLA_BUILTIN_OUTPUTS,
};

struct cella_builtin_parameter {
    const char *name;
    enum cella_builtin_kind kind;
    bool optional;            /* INPUT, OUTPUT: need not be there */
    double minimum;           /* INTEGER, REAL: the value; TEXT: bytes; INPUTS, OUTPUTS: how many */
    double maximum;
    const char *default_text; /* arguments; NULL: required */
    const char *choices;      /* CHOICE: names, separated by | */
    const char *format;       /* inputs and outputs */
    const char *documentation;
};

/* What the function's result is. */
enum cella_builtin_result {
    CELLA_BUILTIN_RESULT_TEXT, /* call->result is UTF-8 text */
    CELLA_BUILTIN_RESULT_JSON, /* call->result is one JSON value */
};

/*
 * What one run spends of the privacy of the persons in its inputs: arguments that say it. The builtin must keep it for each of these
 * inputs by itself, whatever the others hold: an executor adds it up against budgets of the inputs' owners.
 */
struct cella_builtin_privacy {
    const char *inputs;  /* parameters whose privacy is protected, separated by |; NULL: the builtin protects none */
    const char *epsilon; /* REAL argument; 0: the run protects nothing */
    const char *delta;   /* the same */
};

struct cella_builtin {
    const char *name;
    const char *alias;   /* Teaclave's name, "builtin-...", or NULL: see registry.h */
    const char *version; /* rises when the same input can give another output */
    enum cella_builtin_result result;
    const char *documentation; /* sentences; the first one is the summary */
    const char *returns;
    const char *determinism; /* NULL: the same inputs and arguments give the same bytes on every machine */
    const char *limits;      /* what bounds it beside the task's limits: sizes, memory for each row; NULL: nothing */
    const char *example;     /* lines of Python that a script could be, tested by tests/python/test_builtins_table.py */
    struct cella_builtin_privacy privacy;
    const struct cella_builtin_parameter *parameters;
    size_t parameter_count;
    void (*function)(void); /* cella_status (struct cella_builtin_call *, parameters...) */
};

/* What a shared library with builtins exports, as cella_builtin_module. */
struct cella_builtin_module {
    size_t description_size; /* sizeof(struct cella_builtin): the library was built with this header */
    const struct cella_builtin *const *all; /* up to NULL */
};

/* From here on: how the list macro becomes parameters and table rows. */
#define CELLA_BUILTIN_P(kind, ...) CELLA_BUILTIN_P_##kind(__VA_ARGS__)
#define CELLA_BUILTIN_P_TEXT(name, least, most, otherwise, text) , const struct cella_view *name
#define CELLA_BUILTIN_P_CHOICE(name, names, otherwise, text) , int64_t name
#define CELLA_BUILTIN_P_INTEGER(name, least, most, otherwise, text) , int64_t name
#define CELLA_BUILTIN_P_REAL(name, least, most, otherwise, text) , double name
#define CELLA_BUILTIN_P_FLAG(name, otherwise, text) , bool name
#define CELLA_BUILTIN_P_INPUT(name, form, text) , struct cella_builtin_input *name
#define CELLA_BUILTIN_P_OPTIONAL_INPUT(name, form, text) , struct cella_builtin_input *name
#define CELLA_BUILTIN_P_INPUTS(name, least, most, form, text) , struct cella_builtin_inputs *name
#define CELLA_BUILTIN_P_OUTPUT(name, form, text) , struct cella_builtin_output *name
#define CELLA_BUILTIN_P_OPTIONAL_OUTPUT(name, form, text) , struct cella_builtin_output *name
#define CELLA_BUILTIN_P_OUTPUTS(name, least, most, form, text) , struct cella_builtin_outputs *name

#define CELLA_BUILTIN_R(kind, ...) CELLA_BUILTIN_R_##kind(__VA_ARGS__)
#define CELLA_BUILTIN_R_TEXT(name, least, most, otherwise, text)                                                     \
    { #name, CELLA_BUILTIN_TEXT, false, (least), (most), otherwise, NULL, NULL, text },
#define CELLA_BUILTIN_R_CHOICE(name, names, otherwise, text)                                                         \
    { #name, CELLA_BUILTIN_CHOICE, false, 0, 0, otherwise, names, NULL, text },
#define CELLA_BUILTIN_R_INTEGER(name, least, most, otherwise, text)                                                  \
    { #name, CELLA_BUILTIN_INTEGER, false, (least), (most), otherwise, NULL, NULL, text },
#define CELLA_BUILTIN_R_REAL(name, least, most, otherwise, text)                                                     \
    { #name, CELLA_BUILTIN_REAL, false, (least), (most), otherwise, NULL, NULL, text },
#define CELLA_BUILTIN_R_FLAG(name, otherwise, text)                                                                  \
    { #name, CELLA_BUILTIN_FLAG, false, 0, 1, otherwise, NULL, NULL, text },
#define CELLA_BUILTIN_R_INPUT(name, form, text) { #name, CELLA_BUILTIN_INPUT, false, 1, 1, NULL, NULL, form, text },
#define CELLA_BUILTIN_R_OPTIONAL_INPUT(name, form, text)                                                             \
    { #name, CELLA_BUILTIN_INPUT, true, 0, 1, NULL, NULL, form, text },
#define CELLA_BUILTIN_R_INPUTS(name, least, most, form, text)                                                        \
    { #name, CELLA_BUILTIN_INPUTS, false, (least), (most), NULL, NULL, form, text },
#define CELLA_BUILTIN_R_OUTPUT(name, form, text) { #name, CELLA_BUILTIN_OUTPUT, false, 1, 1, NULL, NULL, form, text },
#define CELLA_BUILTIN_R_OPTIONAL_OUTPUT(name, form, text)                                                            \
    { #name, CELLA_BUILTIN_OUTPUT, true, 0, 1, NULL, NULL, form, text },
#define CELLA_BUILTIN_R_OUTPUTS(name, least, most, form, text)                                                       \
    { #name, CELLA_BUILTIN_OUTPUTS, false, (least), (most), NULL, NULL, form, text },

/* CELLA_BUILTIN(C name, "name", list macro, further members of struct cella_builtin) followed by the function's body. */
#define CELLA_BUILTIN(function_name, name_text, list, ...)                                                           \
    static cella_status function_name(struct cella_builtin_call *call list(CELLA_BUILTIN_P));                        \
    static const struct cella_builtin_parameter function_name##_parameters[] = { list(CELLA_BUILTIN_R) };            \
    const struct cella_builtin cella_builtin_##function_name = {                                                     \
        .name = name_text,                                                                                           \
        __VA_ARGS__,                                                                                                 \
        .parameters = function_name##_parameters,                                                                    \
        .parameter_count = sizeof(function_name##_parameters) / sizeof(function_name##_parameters[0]),               \
        .function = (void (*)(void)) function_name,                                                                  \
    };                                                                                                               \
    static cella_status function_name(struct cella_builtin_call *call list(CELLA_BUILTIN_P))
