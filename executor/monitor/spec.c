/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/spec.h"

#include <stdio.h>
#include <string.h>

const struct cella_task_limits cella_limits_default = {
    .cpu_s = 60,
    .wall_s = 120,
    .memory_bytes = (uint64_t) 1 << 30,
    .output_bytes = (uint64_t) 4 << 30,
    .result_bytes = 1 << 20,
    .log_bytes = 1 << 16,
    .threads = 8,
};

#define MONTH_S (30U * 24 * 3600)

const struct cella_task_limits cella_limits_most = {
    .cpu_s = MONTH_S,
    .wall_s = MONTH_S,
    .memory_bytes = (uint64_t) 1 << 44,
    .output_bytes = (uint64_t) 1 << 44,
    .result_bytes = 2 << 20,
    .log_bytes = 1 << 18,
    .threads = 1024,
};

bool cella_spec_is_identifier(const char *text)
{
    size_t size = strlen(text);
    if (size == 0 || size > CELLA_FILE_NAME_MAX || (text[0] >= '0' && text[0] <= '9')) {
        return false;
    }
    return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == size;
}

static bool is_name(const char *text)
{
    size_t size = strlen(text);
    return size > 0 && size <= 64 &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") == size;
}

/* ---- inputs, outputs, arguments ---- */

static cella_status blame(struct cella_json_error *error, const char *path, const char *name, cella_status status)
{
    (void) snprintf(error->field, sizeof(error->field), "%s.%.40s", path, name);
    return status;
}

static cella_status parse_file(const json_t *json, const char *path, bool is_input, struct cella_json_error *error,
                               struct cella_spec_file *out)
{
    struct cella_json_object object;
    const char *description = "";
    CELLA_TRY(cella_json_begin(json, path, error, &object));
    CELLA_TRY(cella_json_string(&object, "name", CELLA_FILE_NAME_MAX, &out->name));
    CELLA_TRY(cella_json_boolean_optional(&object, "optional", &out->optional));
    if (is_input) {
        CELLA_TRY(cella_json_boolean_optional(&object, "stream", &out->stream));
    }
    CELLA_TRY(cella_json_string_optional(&object, "description", CELLA_SPEC_TEXT_MAX, &description));
    CELLA_TRY(cella_json_end(&object));
    return cella_spec_is_identifier(out->name) ? CELLA_OK : blame(error, path, "name", CELLA_BAD_FIELD);
}

static cella_status parse_files(const json_t *array, bool is_input, struct cella_json_error *error,
                                struct cella_spec_file *out, size_t *count)
{
    const char *path = is_input ? "inputs" : "outputs";
    size_t size = json_array_size(array);
    if (size > CELLA_TASK_FILES_MAX) {
        return blame(error, path, "size", CELLA_TOO_LARGE);
    }
    for (size_t i = 0; i < size; i++) {
        CELLA_TRY(parse_file(json_array_get(array, i), path, is_input, error, &out[i]));
        for (size_t k = 0; k < i; k++) {
            if (strcmp(out[k].name, out[i].name) == 0) {
                return blame(error, path, out[i].name, CELLA_BAD_FIELD);
            }
        }
    }
    *count = size;
    return CELLA_OK;
}

static const struct {
    const char *name;
    enum cella_argument_type type;
} argument_types[] = {
    { "any", CELLA_ARGUMENT_ANY },       { "string", CELLA_ARGUMENT_STRING },   { "integer", CELLA_ARGUMENT_INTEGER },
    { "number", CELLA_ARGUMENT_NUMBER }, { "boolean", CELLA_ARGUMENT_BOOLEAN },
};

static bool has_type(const json_t *value, enum cella_argument_type type)
{
    switch (type) {
    case CELLA_ARGUMENT_ANY:
        return true;
    case CELLA_ARGUMENT_STRING:
        return json_is_string(value);
    case CELLA_ARGUMENT_INTEGER:
        return json_is_integer(value);
    case CELLA_ARGUMENT_NUMBER:
        return json_is_number(value);
    case CELLA_ARGUMENT_BOOLEAN:
        return json_is_boolean(value);
    }
    return false;
}

static cella_status parse_argument(const json_t *json, struct cella_json_error *error,
                                   struct cella_spec_argument *out)
{
    struct cella_json_object object;
    const char *type = "any";
    const char *description = "";
    json_t *default_value = NULL;
    CELLA_TRY(cella_json_begin(json, "arguments", error, &object));
    CELLA_TRY(cella_json_string(&object, "name", CELLA_FILE_NAME_MAX, &out->name));
    CELLA_TRY(cella_json_string_optional(&object, "type", CELLA_FILE_NAME_MAX, &type));
    CELLA_TRY(cella_json_value_optional(&object, "default", &default_value));
    CELLA_TRY(cella_json_boolean_optional(&object, "locked", &out->locked));
    CELLA_TRY(cella_json_string_optional(&object, "description", CELLA_SPEC_TEXT_MAX, &description));
    CELLA_TRY(cella_json_end(&object));
    out->default_value = default_value;
    bool known = false;
    for (size_t i = 0; i < sizeof(argument_types) / sizeof(argument_types[0]); i++) {
        if (strcmp(type, argument_types[i].name) == 0) {
            out->type = argument_types[i].type;
            known = true;
        }
    }
    /* A locked argument has its default and nothing else, so it needs one. */
    if (!known || !cella_spec_is_identifier(out->name) || (out->locked && default_value == NULL) ||
        (default_value != NULL && !has_type(default_value, out->type))) {
        return blame(error, "arguments", out->name, CELLA_BAD_FIELD);
    }
    return CELLA_OK;
}

static cella_status parse_arguments(const json_t *array, struct cella_json_error *error, struct cella_spec *out)
{
    size_t size = json_array_size(array);
    if (size > CELLA_SPEC_ARGUMENTS_MAX) {
        return blame(error, "arguments", "size", CELLA_TOO_LARGE);
    }
    for (size_t i = 0; i < size; i++) {
        CELLA_TRY(parse_argument(json_array_get(array, i), error, &out->arguments[i]));
        for (size_t k = 0; k < i; k++) {
            if (strcmp(out->arguments[k].name, out->arguments[i].name) == 0) {
                return blame(error, "arguments", out->arguments[i].name, CELLA_BAD_FIELD);
            }
        }
    }
    out->argument_count = size;
    return CELLA_OK;
}

/* ---- the package ---- */

static cella_status parse_kind(const char *executor, bool has_source, bool complete, struct cella_json_error *error,
                               struct cella_spec *out)
{
    if (strcmp(executor, "python") == 0) {
        out->kind = CELLA_TASK_PYTHON;
        return has_source == complete ? CELLA_OK : blame(error, "package", "source", CELLA_MISSING_FIELD);
    }
    if (strcmp(executor, "builtin") == 0) {
        out->kind = CELLA_TASK_BUILTIN;
        return has_source ? blame(error, "package", "source", CELLA_UNKNOWN_FIELD) : CELLA_OK;
    }
    return blame(error, "package", "executor", CELLA_BAD_FIELD);
}

/* Rules that a function declares about what it releases, such as the smallest group: names and positive numbers. */
static cella_status check_release(const json_t *release, struct cella_json_error *error)
{
    const char *name;
    json_t *value;
    if (json_object_size(release) > CELLA_SPEC_RULES_MAX) {
        return blame(error, "release", "size", CELLA_TOO_LARGE);
    }
    json_object_foreach((json_t *) release, name, value)
    {
        if (!cella_spec_is_identifier(name) || !json_is_integer(value) || json_integer_value(value) < 1) {
            return blame(error, "release", name, CELLA_BAD_FIELD);
        }
    }
    return CELLA_OK;
}

static const struct cella_spec_argument *find_argument(const struct cella_spec *spec, const char *name)
{
    for (size_t i = 0; i < spec->argument_count; i++) {
        if (strcmp(spec->arguments[i].name, name) == 0) {
            return &spec->arguments[i];
        }
    }
    return NULL;
}

/* An argument that can be a number. */
static bool is_amount(const struct cella_spec *spec, const char *name)
{
    const struct cella_spec_argument *argument = find_argument(spec, name);
    return argument != NULL && (argument->type == CELLA_ARGUMENT_ANY || argument->type == CELLA_ARGUMENT_NUMBER ||
                                argument->type == CELLA_ARGUMENT_INTEGER);
}

static bool are_inputs(const struct cella_spec *spec, const json_t *names)
{
    uint64_t seen = 0;
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        size_t at = 0;
        while (name != NULL && at < spec->input_count && strcmp(spec->inputs[at].name, name) != 0) {
            at++;
        }
        if (name == NULL || at == spec->input_count || (seen >> at & 1) != 0) {
            return false;
        }
        seen |= (uint64_t) 1 << at;
    }
    return seen != 0;
}

/* After inputs and arguments, which it names. */
static cella_status parse_privacy(const json_t *json, struct cella_json_error *error, struct cella_spec *out)
{
    struct cella_json_object object;
    struct cella_spec_privacy privacy = { 0 };
    json_t *inputs = NULL;
    CELLA_TRY(cella_json_begin(json, "privacy", error, &object));
    CELLA_TRY(cella_json_string(&object, "epsilon", CELLA_FILE_NAME_MAX, &privacy.epsilon));
    CELLA_TRY(cella_json_string_optional(&object, "delta", CELLA_FILE_NAME_MAX, &privacy.delta));
    CELLA_TRY(cella_json_member_optional(&object, "inputs", JSON_ARRAY, &inputs));
    CELLA_TRY(cella_json_end(&object));
    if (!is_amount(out, privacy.epsilon)) {
        return blame(error, "privacy", "epsilon", CELLA_BAD_FIELD);
    }
    if (privacy.delta != NULL && (!is_amount(out, privacy.delta) || strcmp(privacy.delta, privacy.epsilon) == 0)) {
        return blame(error, "privacy", "delta", CELLA_BAD_FIELD);
    }
    if (inputs != NULL && !are_inputs(out, inputs)) {
        return blame(error, "privacy", "inputs", CELLA_BAD_FIELD);
    }
    privacy.inputs = inputs;
    out->privacy = privacy;
    return CELLA_OK;
}

static cella_status parse_members(json_t *json, bool complete, const struct cella_task_limits *most,
                                  struct cella_json_error *error, struct cella_spec *out)
{
    struct cella_json_object object;
    int64_t version;
    const char *executor;
    const char *source = NULL;
    json_t *inputs = NULL;
    json_t *outputs = NULL;
    json_t *arguments = NULL;
    json_t *limits = NULL;
    json_t *isolation = NULL;
    json_t *release = NULL;
    json_t *privacy = NULL;
    const char *description = NULL;
    out->profile = "python";
    CELLA_TRY(cella_json_begin(json, "package", error, &object));
    CELLA_TRY(cella_json_integer(&object, "version", 1, 1, &version));
    CELLA_TRY(cella_json_string(&object, "name", 64, &out->name));
    CELLA_TRY(cella_json_string(&object, "executor", 16, &executor));
    CELLA_TRY(cella_json_boolean_optional(&object, "public", &out->is_public));
    CELLA_TRY(cella_json_string_optional(&object, "profile", 32, &out->profile));
    CELLA_TRY(cella_json_string(&object, "entry", CELLA_FILE_NAME_MAX, &out->entry));
    CELLA_TRY(cella_json_string_optional(&object, "source", CELLA_TASK_SOURCE_MAX, &source));
    CELLA_TRY(cella_json_member_optional(&object, "inputs", JSON_ARRAY, &inputs));
    CELLA_TRY(cella_json_member_optional(&object, "outputs", JSON_ARRAY, &outputs));
    CELLA_TRY(cella_json_member_optional(&object, "arguments", JSON_ARRAY, &arguments));
    CELLA_TRY(cella_json_member_optional(&object, "limits", JSON_OBJECT, &limits));
    CELLA_TRY(cella_json_member_optional(&object, "isolation", JSON_OBJECT, &isolation));
    CELLA_TRY(cella_json_member_optional(&object, "release", JSON_OBJECT, &release));
    CELLA_TRY(cella_json_member_optional(&object, "privacy", JSON_OBJECT, &privacy));
    CELLA_TRY(cella_json_string_optional(&object, "description", CELLA_SPEC_TEXT_MAX, &description));
    CELLA_TRY(cella_json_end(&object));
    CELLA_TRY(check_release(release, error));
    out->limits = limits;
    out->release = release;
    if (!is_name(out->name)) {
        return blame(error, "package", "name", CELLA_BAD_FIELD);
    }
    if (json_object_get(json, "public") == NULL) {
        return blame(error, "package", "public", CELLA_MISSING_FIELD);
    }
    CELLA_TRY(parse_kind(executor, source != NULL, complete, error, out));
    if (!is_name(out->entry) || !is_name(out->profile)) {
        return blame(error, "package", is_name(out->entry) ? "profile" : "entry", CELLA_BAD_FIELD);
    }
    CELLA_TRY(parse_files(inputs, true, error, out->inputs, &out->input_count));
    CELLA_TRY(parse_files(outputs, false, error, out->outputs, &out->output_count));
    CELLA_TRY(parse_arguments(arguments, error, out));
    CELLA_TRY(privacy == NULL ? CELLA_OK : parse_privacy(privacy, error, out));
    CELLA_TRY(cella_spec_isolate(isolation, error, &out->isolation));
    struct cella_task_limits lowered = *most;
    return cella_spec_lower_limits(limits, error, &lowered);
}

static cella_status parse_spec(struct cella_view package, bool complete, const struct cella_task_limits *most,
                               struct cella_json_error *error, struct cella_spec *out)
{
    struct cella_spec spec = { 0 };
    CELLA_TRY(cella_json_parse(package, CELLA_PACKAGE_MAX, &spec.json));
    cella_status status = parse_members(spec.json, complete, most, error, &spec);
    if (status != CELLA_OK) {
        cella_spec_clear(&spec);
        return status;
    }
    (void) json_object_del(spec.json, "source");
    *out = spec;
    return CELLA_OK;
}

cella_status cella_spec_parse(struct cella_view package, const struct cella_task_limits *most,
                              struct cella_json_error *error, struct cella_spec *out)
{
    return parse_spec(package, true, most, error, out);
}

cella_status cella_spec_read(struct cella_view text, struct cella_spec *out)
{
    struct cella_json_error ignored = { 0 };
    return parse_spec(text, false, &cella_limits_most, &ignored, out);
}

void cella_spec_clear(struct cella_spec *spec)
{
    json_decref(spec->json);
    *spec = (struct cella_spec){ 0 };
}

cella_status cella_spec_source(struct cella_view package, struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_json_cleanup) json_t *json = NULL;
    CELLA_TRY(cella_json_parse(package, CELLA_PACKAGE_MAX, &json));
    const json_t *source = json_object_get(json, "source");
    return cella_bytes_append(out, cella_view_of(json_string_value(source), json_string_length(source)));
}

/* ---- arguments, limits and isolation of a task ---- */

cella_status cella_spec_arguments(const struct cella_spec *spec, const json_t *given, struct cella_json_error *error,
                                  json_t **out)
{
    CELLA_CLEANUP(cella_json_cleanup) json_t *complete = json_object();
    if (complete == NULL) {
        return CELLA_NO_MEMORY;
    }
    const char *name;
    json_t *value;
    json_object_foreach((json_t *) given, name, value)
    {
        const struct cella_spec_argument *argument = find_argument(spec, name);
        if (argument == NULL || argument->locked || !has_type(value, argument->type)) {
            return blame(error, "arguments", name, CELLA_BAD_ARGUMENT);
        }
        if (json_object_set(complete, name, value) != 0) {
            return CELLA_NO_MEMORY;
        }
    }
    for (size_t i = 0; i < spec->argument_count; i++) {
        const struct cella_spec_argument *argument = &spec->arguments[i];
        if (json_object_get(complete, argument->name) != NULL) {
            continue;
        }
        if (argument->default_value == NULL) {
            return blame(error, "arguments", argument->name, CELLA_BAD_ARGUMENT);
        }
        if (json_object_set(complete, argument->name, (json_t *) argument->default_value) != 0) {
            return CELLA_NO_MEMORY;
        }
    }
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    CELLA_TRY(cella_json_write(complete, &text));
    if (text.size > CELLA_TASK_ARGUMENTS_MAX) {
        return blame(error, "arguments", "size", CELLA_TOO_LARGE);
    }
    *out = complete;
    complete = NULL;
    return CELLA_OK;
}

/* Each member that is given, between its least value and that of most. */
static cella_status read_limits(const json_t *given, const struct cella_task_limits *most,
                                struct cella_json_error *error, struct cella_task_limits *limits)
{
    struct cella_json_object object;
    int64_t cpu_s = limits->cpu_s;
    int64_t wall_s = limits->wall_s;
    int64_t memory_bytes = (int64_t) limits->memory_bytes;
    int64_t output_bytes = (int64_t) limits->output_bytes;
    int64_t result_bytes = limits->result_bytes;
    int64_t log_bytes = limits->log_bytes;
    int64_t threads = limits->threads;
    if (given == NULL) {
        return CELLA_OK;
    }
    CELLA_TRY(cella_json_begin(given, "limits", error, &object));
    CELLA_TRY(cella_json_integer_optional(&object, "cpu_s", 1, most->cpu_s, &cpu_s));
    CELLA_TRY(cella_json_integer_optional(&object, "wall_s", 1, most->wall_s, &wall_s));
    CELLA_TRY(
        cella_json_integer_optional(&object, "memory_bytes", 1 << 20, (int64_t) most->memory_bytes, &memory_bytes));
    CELLA_TRY(cella_json_integer_optional(&object, "output_bytes", 1, (int64_t) most->output_bytes, &output_bytes));
    CELLA_TRY(cella_json_integer_optional(&object, "result_bytes", 1, most->result_bytes, &result_bytes));
    CELLA_TRY(cella_json_integer_optional(&object, "log_bytes", 1, most->log_bytes, &log_bytes));
    CELLA_TRY(cella_json_integer_optional(&object, "threads", 0, most->threads, &threads));
    CELLA_TRY(cella_json_end(&object));
    *limits = (struct cella_task_limits){
        .cpu_s = (uint32_t) cpu_s,
        .wall_s = (uint32_t) wall_s,
        .memory_bytes = (uint64_t) memory_bytes,
        .output_bytes = (uint64_t) output_bytes,
        .result_bytes = (uint32_t) result_bytes,
        .log_bytes = (uint32_t) log_bytes,
        .threads = (uint32_t) threads,
    };
    return CELLA_OK;
}

cella_status cella_spec_lower_limits(const json_t *lower, struct cella_json_error *error,
                                     struct cella_task_limits *limits)
{
    const struct cella_task_limits most = *limits;
    return read_limits(lower, &most, error, limits);
}

cella_status cella_spec_choose_limits(const json_t *chosen, struct cella_json_error *error,
                                      struct cella_task_limits *out)
{
    struct cella_task_limits limits = cella_limits_default;
    CELLA_TRY(read_limits(chosen, &cella_limits_most, error, &limits));
    *out = limits;
    return CELLA_OK;
}

json_t *cella_spec_limits_json(const struct cella_task_limits *limits)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "cpu_s", (json_int_t) limits->cpu_s, "wall_s",
                     (json_int_t) limits->wall_s, "memory_bytes", (json_int_t) limits->memory_bytes, "output_bytes",
                     (json_int_t) limits->output_bytes, "result_bytes", (json_int_t) limits->result_bytes,
                     "log_bytes", (json_int_t) limits->log_bytes, "threads", (json_int_t) limits->threads);
}

/* One member of isolation: its ordinary word changes nothing. */
static cella_status read_isolation(struct cella_json_object *object, const char *key, const char *ordinary,
                                   const char *strict, bool *out)
{
    const char *word = ordinary;
    CELLA_TRY(cella_json_string_optional(object, key, 16, &word));
    if (strcmp(word, strict) == 0) {
        *out = true;
        return CELLA_OK;
    }
    return strcmp(word, ordinary) == 0 ? CELLA_OK : blame(object->error, object->path, key, CELLA_BAD_FIELD);
}

cella_status cella_spec_isolate(const json_t *asked, struct cella_json_error *error,
                                struct cella_isolation *isolation)
{
    struct cella_json_object object;
    struct cella_isolation stricter = *isolation;
    if (asked == NULL) {
        return CELLA_OK;
    }
    CELLA_TRY(cella_json_begin(asked, "isolation", error, &object));
    CELLA_TRY(read_isolation(&object, "clock", "fine", "coarse", &stricter.coarse_clock));
    CELLA_TRY(read_isolation(&object, "zygote", "shared", "owner", &stricter.own_zygote));
    CELLA_TRY(read_isolation(&object, "sizes", "exact", "padded", &stricter.padded));
    CELLA_TRY(cella_json_end(&object));
    *isolation = stricter;
    return CELLA_OK;
}

json_t *cella_spec_isolation_json(const struct cella_isolation *isolation)
{
    return json_pack("{s:s, s:s, s:s}", "clock", isolation->coarse_clock ? "coarse" : "fine", "zygote",
                     isolation->own_zygote ? "owner" : "shared", "sizes", isolation->padded ? "padded" : "exact");
}
