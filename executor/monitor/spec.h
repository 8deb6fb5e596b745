/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A function's package (docs/protocol.md section 4): what its owner declares about it, read strictly.
 */

#include "cell/message.h"
#include "trust/json.h"

#define CELLA_PACKAGE_MAX (1024U * 1024U + 65536U) /* bytes */
#define CELLA_SPEC_ARGUMENTS_MAX 64U
#define CELLA_SPEC_MAX 65536U /* bytes of a package without its source */
#define CELLA_SPEC_RULES_MAX 16U /* release rules */
#define CELLA_SPEC_TEXT_MAX 1024U /* characters of a description */

enum cella_argument_type {
    CELLA_ARGUMENT_ANY,
    CELLA_ARGUMENT_STRING,
    CELLA_ARGUMENT_INTEGER,
    CELLA_ARGUMENT_NUMBER,
    CELLA_ARGUMENT_BOOLEAN,
};

/* Strings and JSON values borrow from the spec's json. */
struct cella_spec_argument {
    const char *name;
    enum cella_argument_type type;
    const json_t *default_value; /* NULL: required */
    bool locked;
};

struct cella_spec_file {
    const char *name;
    bool optional;
    bool stream; /* of an input: read once, forward, while it is being decrypted */
};

/* What a contract may ask of a cell beyond the ordinary box. */
struct cella_isolation {
    bool coarse_clock; /* no fine clock, hence no threads */
    bool own_zygote;   /* cells of a zygote that serves this function's owner only */
    bool padded;       /* outputs, result and messages are padded to size classes */
};

/* What a run spends of its inputs' privacy, as the owner declares (monitor/privacy.h). */
struct cella_spec_privacy {
    const char *epsilon;  /* argument that says how much; NULL: nothing is declared */
    const char *delta;    /* the same; NULL: 0 */
    const json_t *inputs; /* array of names: those that are protected; NULL: all */
};

struct cella_spec {
    json_t *json; /* the package without its source */
    const char *name;
    enum cella_task_kind kind;
    bool is_public;
    const char *profile;
    const char *entry;
    struct cella_spec_file inputs[CELLA_TASK_FILES_MAX];
    size_t input_count;
    struct cella_spec_file outputs[CELLA_TASK_FILES_MAX];
    size_t output_count;
    struct cella_spec_argument arguments[CELLA_SPEC_ARGUMENTS_MAX];
    size_t argument_count;
    const json_t *limits; /* object or NULL */
    struct cella_spec_privacy privacy;
    const json_t *release; /* rules that the function promises to keep: name -> integer; NULL: none */
    struct cella_isolation isolation;
};

/* Limits of an executor whose charter does not say otherwise. */
extern const struct cella_task_limits cella_limits_default;

/*
 * The most that a charter may allow. Result and log are bounded by one answer's size (CELLA_ANSWER_MESSAGE_MAX), in
 * which both travel sealed, escaped and in base64; the others by what a machine could have.
 */
extern const struct cella_task_limits cella_limits_most;

/*
 * Read a package.
 *
 * package:  JSON, at most CELLA_PACKAGE_MAX bytes. Untrusted.
 * most:     the executor's limits, above which the package may not ask. Trusted.
 * out:      cleared by the caller with cella_spec_clear; empty unless CELLA_OK
 * CELLA_BAD_JSON, CELLA_TOO_LARGE, CELLA_MISSING_FIELD, CELLA_BAD_FIELD, CELLA_UNKNOWN_FIELD (error->field names
 * it)
 */
CELLA_MUST_USE cella_status cella_spec_parse(struct cella_view package, const struct cella_task_limits *most,
                                             struct cella_json_error *error, struct cella_spec *out);

/* The same for a spec that has no source any more, as the state keeps it: its limits were judged when it came. */
CELLA_MUST_USE cella_status cella_spec_read(struct cella_view text, struct cella_spec *out);

void cella_spec_clear(struct cella_spec *spec);

/* The script inside a package that cella_spec_parse has accepted. Appended to out. */
CELLA_MUST_USE cella_status cella_spec_source(struct cella_view package, struct cella_bytes *out);

/* True for a Python identifier of ASCII letters, at most CELLA_FILE_NAME_MAX characters. */
bool cella_spec_is_identifier(const char *text);

/*
 * Complete arguments: check names and types against the declaration, fill in defaults.
 * CELLA_BAD_ARGUMENT  unknown, missing, locked or of the wrong type; error->field names it
 * CELLA_TOO_LARGE     more than CELLA_TASK_ARGUMENTS_MAX bytes of JSON
 */
CELLA_MUST_USE cella_status cella_spec_arguments(const struct cella_spec *spec, const json_t *given,
                                                 struct cella_json_error *error, json_t **out);

/*
 * Lower limits: each member of lower (object or NULL) must be between its least value (1; memory_bytes 1 MiB;
 * threads 0) and the present one. CELLA_BAD_FIELD, CELLA_UNKNOWN_FIELD; then limits are unchanged
 */
CELLA_MUST_USE cella_status cella_spec_lower_limits(const json_t *lower, struct cella_json_error *error,
                                                    struct cella_task_limits *limits);
/*
 * The executor's limits by its charter: cella_limits_default, and in their place each member of chosen (object or
 * NULL), between its least value and that of cella_limits_most. CELLA_BAD_FIELD, CELLA_UNKNOWN_FIELD
 */
CELLA_MUST_USE cella_status cella_spec_choose_limits(const json_t *chosen, struct cella_json_error *error,
                                                     struct cella_task_limits *out);
/* The seven limits as JSON. NULL without memory. */
json_t *cella_spec_limits_json(const struct cella_task_limits *limits);

/*
 * Make isolation as strict as asked says: {"clock"?: "fine" | "coarse", "zygote"?: "shared" | "owner", "sizes"?:
 * "exact" | "padded"}, or NULL. What is strict already stays so: of several who ask, the strictest wins, member by
 * member. CELLA_BAD_FIELD, CELLA_UNKNOWN_FIELD; then isolation is unchanged
 */
CELLA_MUST_USE cella_status cella_spec_isolate(const json_t *asked, struct cella_json_error *error,
                                               struct cella_isolation *isolation);
/* All three members as JSON. NULL without memory. */
json_t *cella_spec_isolation_json(const struct cella_isolation *isolation);
