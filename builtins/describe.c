/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/describe.h"

#include <stdio.h>
#include <string.h>

static cella_status put(struct cella_bytes *out, const char *text)
{
    return cella_bytes_append(out, cella_view_of_string(text));
}

/* A text of the table: ASCII or UTF-8 without control characters but line feeds. */
static cella_status put_text(struct cella_bytes *out, struct cella_view text)
{
    CELLA_TRY(put(out, "\""));
    for (size_t i = 0; i < text.size; i++) {
        uint8_t character = text.data[i];
        if (character == '\n') {
            CELLA_TRY(put(out, "\\n"));
            continue;
        }
        if (character == '"' || character == '\\') {
            CELLA_TRY(put(out, "\\"));
        }
        CELLA_TRY(cella_bytes_append(out, cella_view_of(&character, 1)));
    }
    return put(out, "\"");
}

static cella_status put_member(struct cella_bytes *out, const char *name, const char *value)
{
    CELLA_TRY(put(out, ", \""));
    CELLA_TRY(put(out, name));
    CELLA_TRY(put(out, "\": "));
    return value == NULL ? put(out, "null") : put_text(out, cella_view_of_string(value));
}

/* "one|two" as a list. */
static cella_status put_names(struct cella_bytes *out, const char *names)
{
    CELLA_TRY(put(out, "["));
    for (const char *end; names != NULL; names = end == NULL ? NULL : end + 1) {
        end = strchr(names, '|');
        CELLA_TRY(put_text(out, cella_view_of(names, end == NULL ? strlen(names) : (size_t) (end - names))));
        CELLA_TRY(put(out, end == NULL ? "]" : ", "));
    }
    return CELLA_OK;
}

static cella_status put_choices(struct cella_bytes *out, const char *choices)
{
    CELLA_TRY(put(out, ", \"choices\": "));
    return choices == NULL ? put(out, "null") : put_names(out, choices);
}

/* Only where there is something to say. */
static cella_status put_privacy(struct cella_bytes *out, const struct cella_builtin_privacy *privacy)
{
    if (privacy->inputs == NULL) {
        return CELLA_OK;
    }
    CELLA_TRY(put(out, ", \"privacy\": {\"inputs\": "));
    CELLA_TRY(put_names(out, privacy->inputs));
    CELLA_TRY(put_member(out, "epsilon", privacy->epsilon));
    CELLA_TRY(put_member(out, "delta", privacy->delta));
    return put(out, "}");
}

static cella_status put_parameter(struct cella_bytes *out, const struct cella_builtin_parameter *parameter)
{
    static const char *const kinds[] = {
        [CELLA_BUILTIN_TEXT] = "text",     [CELLA_BUILTIN_CHOICE] = "choice", [CELLA_BUILTIN_INTEGER] = "integer",
        [CELLA_BUILTIN_REAL] = "real",     [CELLA_BUILTIN_FLAG] = "flag",     [CELLA_BUILTIN_INPUT] = "input",
        [CELLA_BUILTIN_INPUTS] = "inputs", [CELLA_BUILTIN_OUTPUT] = "output", [CELLA_BUILTIN_OUTPUTS] = "outputs",
    };
    char range[128];
    CELLA_TRY(put(out, "{\"name\": "));
    CELLA_TRY(put_text(out, cella_view_of_string(parameter->name)));
    CELLA_TRY(put_member(out, "kind", kinds[parameter->kind]));
    (void) snprintf(range, sizeof(range), ", \"optional\": %s, \"minimum\": %.17g, \"maximum\": %.17g",
                    parameter->optional ? "true" : "false", parameter->minimum, parameter->maximum);
    CELLA_TRY(put(out, range));
    CELLA_TRY(put_member(out, "default", parameter->default_text));
    CELLA_TRY(put_choices(out, parameter->choices));
    CELLA_TRY(put_member(out, "format", parameter->format));
    CELLA_TRY(put_member(out, "documentation", parameter->documentation));
    return put(out, "}");
}

cella_status cella_builtin_describe(const struct cella_builtin *builtin, struct cella_bytes *out)
{
    CELLA_TRY(put(out, "{\"name\": "));
    CELLA_TRY(put_text(out, cella_view_of_string(builtin->name)));
    CELLA_TRY(put_member(out, "alias", builtin->alias));
    CELLA_TRY(put_member(out, "version", builtin->version));
    CELLA_TRY(put_member(out, "result", builtin->result == CELLA_BUILTIN_RESULT_JSON ? "json" : "text"));
    CELLA_TRY(put_member(out, "documentation", builtin->documentation));
    CELLA_TRY(put_member(out, "returns", builtin->returns));
    CELLA_TRY(put_member(out, "determinism", builtin->determinism));
    CELLA_TRY(put_member(out, "limits", builtin->limits));
    CELLA_TRY(put_member(out, "example", builtin->example));
    CELLA_TRY(put_privacy(out, &builtin->privacy));
    CELLA_TRY(put(out, ", \"parameters\": ["));
    for (size_t i = 0; i < builtin->parameter_count; i++) {
        CELLA_TRY(put(out, i == 0 ? "" : ", "));
        CELLA_TRY(put_parameter(out, &builtin->parameters[i]));
    }
    return put(out, "]}");
}
