/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/apply.h"

#include <stdlib.h>
#include <string.h>

static cella_status function_of(const struct cella_state *state, const json_t *body, struct cella_function **out)
{
    *out = cella_state_function(state, cella_apply_text(body, "function"));
    return *out == NULL ? CELLA_INTERNAL : CELLA_OK;
}

void cella_apply_free_function(struct cella_entry *entry)
{
    struct cella_function *function = (struct cella_function *) entry;
    cella_bytes_clear(&function->package);
    cella_spec_clear(&function->spec);
    json_decref(function->allow);
    json_decref(function->reviewers);
    json_decref(function->audits);
    free(function);
}

/* Members that an owner may change later, too. One that is absent stays as it is. */
static cella_status set_terms(const json_t *body, struct cella_function *function)
{
    if (json_object_get(body, "allow") != NULL) {
        json_t *allow;
        CELLA_TRY(cella_apply_copy_json(body, "allow", &allow));
        json_decref(function->allow);
        function->allow = allow;
    }
    if (json_object_get(body, "quota") != NULL) {
        function->quota = (int64_t) cella_apply_number(body, "quota");
    }
    if (json_object_get(body, "quota_of_successes") != NULL) {
        function->quota_of_successes = cella_apply_flag(body, "quota_of_successes");
    }
    if (json_object_get(body, "disabled") != NULL) {
        function->disabled = cella_apply_flag(body, "disabled");
        function->disabled_by_administrator = cella_apply_flag(body, "disabled_by_administrator");
    }
    return CELLA_OK;
}

static cella_status fill_function(const struct cella_state *state, const json_t *body,
                                  struct cella_function *function)
{
    function->quota = -1;
    function->version = (uint32_t) cella_apply_number(body, "version");
    CELLA_TRY(cella_apply_copy_text(body, "function", function->entry.id, sizeof(function->entry.id)));
    CELLA_TRY(cella_apply_copy_fixed(body, "sha256", function->sha256, sizeof(function->sha256)));
    CELLA_TRY(cella_apply_copy_bytes(body, "package", &function->package));
    CELLA_TRY(set_terms(body, function));
    function->sealed = cella_apply_flag(body, "sealed");
    CELLA_TRY(cella_apply_party(state, body, "owner", &function->owner));
    return cella_spec_read(cella_view_of_string(cella_apply_text(body, "spec")), &function->spec);
}

/* {function, owner, version, sha256, sealed, package, spec, allow? (array or null), quota?, quota_of_successes?} */
cella_status cella_apply_function_registered(struct cella_state *state, const json_t *body)
{
    struct cella_function *function = calloc(1, sizeof(*function));
    if (function == NULL) {
        return CELLA_NO_MEMORY;
    }
    cella_status status = fill_function(state, body, function);
    status = status == CELLA_OK ? cella_table_add(&state->functions, &function->entry) : status;
    if (status != CELLA_OK) {
        cella_apply_free_function(&function->entry);
        return status;
    }
    state->bytes += sizeof(*function) + function->package.size +
                    CELLA_JSON_COST * json_string_length(json_object_get(body, "spec"));
    return CELLA_OK;
}

/* {function, by, allow? (array or null), quota?, quota_of_successes?, disabled?, disabled_by_administrator?} */
cella_status cella_apply_function_changed(struct cella_state *state, const json_t *body)
{
    struct cella_function *function;
    CELLA_TRY(function_of(state, body, &function));
    return set_terms(body, function);
}

/* {function, by}: its source goes, what tasks say about it stays */
cella_status cella_apply_function_deleted(struct cella_state *state, const json_t *body)
{
    struct cella_function *function;
    CELLA_TRY(function_of(state, body, &function));
    state->bytes -= function->package.size;
    cella_bytes_clear(&function->package);
    function->deleted = true;
    return CELLA_OK;
}

/* {function, auditor, by} */
cella_status cella_apply_function_shown(struct cella_state *state, const json_t *body)
{
    struct cella_function *function;
    CELLA_TRY(function_of(state, body, &function));
    if (function->reviewers == NULL) {
        function->reviewers = json_array();
    }
    const char *auditor = cella_apply_text(body, "auditor");
    for (size_t i = 0; i < json_array_size(function->reviewers); i++) {
        if (strcmp(json_string_value(json_array_get(function->reviewers, i)), auditor) == 0) {
            return CELLA_OK;
        }
    }
    return json_array_append_new(function->reviewers, json_string(auditor)) == 0 ? CELLA_OK : CELLA_NO_MEMORY;
}

/* {function, auditor, accepted, statement, time}: the auditor's last word counts */
cella_status cella_apply_function_audited(struct cella_state *state, const json_t *body)
{
    struct cella_function *function;
    CELLA_TRY(function_of(state, body, &function));
    if (function->audits == NULL) {
        function->audits = json_object();
    }
    const char *statement = cella_apply_text(body, "statement");
    json_t *audit = json_pack("{s:s, s:b, s:I}", "statement", statement, "accepted",
                              (int) cella_apply_flag(body, "accepted"), "time",
                              (json_int_t) cella_apply_number(body, "time"));
    if (json_object_set_new(function->audits, cella_apply_text(body, "auditor"), audit) != 0) {
        return CELLA_NO_MEMORY;
    }
    state->bytes += strlen(statement);
    return CELLA_OK;
}
