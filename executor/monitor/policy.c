/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/policy.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "monitor/audit_rule.h"

#define USES_MAX ((int64_t) 1 << 40)
#define FUNCTIONS_MAX 256U

static cella_status blame(struct cella_json_error *error, const char *member)
{
    (void) snprintf(error->field, sizeof(error->field), "args.policy.%.30s", member);
    return CELLA_BAD_FIELD;
}

static cella_status check_functions(const json_t *functions, struct cella_json_error *error)
{
    if (json_array_size(functions) == 0 || json_array_size(functions) > FUNCTIONS_MAX) {
        return blame(error, "functions");
    }
    for (size_t i = 0; i < json_array_size(functions); i++) {
        const char *sha256 = json_string_value(json_array_get(functions, i));
        if (sha256 == NULL || strlen(sha256) != 2 * CELLA_SHA256_SIZE ||
            strspn(sha256, "0123456789abcdef") != 2 * CELLA_SHA256_SIZE) {
            return blame(error, "functions");
        }
    }
    return CELLA_OK;
}

static cella_status check_release(const json_t *release, struct cella_json_error *error)
{
    const char *name;
    json_t *value;
    if (json_object_size(release) == 0 || json_object_size(release) > CELLA_SPEC_RULES_MAX) {
        return blame(error, "release");
    }
    json_object_foreach((json_t *) release, name, value)
    {
        if (!cella_spec_is_identifier(name) || !json_is_integer(value) || json_integer_value(value) < 1) {
            return blame(error, "release");
        }
    }
    return CELLA_OK;
}

cella_status cella_policy_check_form(const json_t *policy, struct cella_json_error *error)
{
    struct cella_json_object object;
    json_t *functions = NULL;
    json_t *auditors = NULL;
    json_t *release = NULL;
    int64_t number = 0;
    CELLA_TRY(cella_json_begin(policy, "args.policy", error, &object));
    CELLA_TRY(cella_json_member_optional(&object, "functions", JSON_ARRAY, &functions));
    CELLA_TRY(cella_json_member_optional(&object, "auditors", JSON_OBJECT, &auditors));
    CELLA_TRY(cella_json_member_optional(&object, "release", JSON_OBJECT, &release));
    CELLA_TRY(cella_json_integer_optional(&object, "uses", 0, USES_MAX, &number));
    CELLA_TRY(cella_json_integer_optional(&object, "until", 1, (int64_t) 1 << 53, &number));
    CELLA_TRY(cella_json_end(&object));
    CELLA_TRY(functions == NULL ? CELLA_OK : check_functions(functions, error));
    CELLA_TRY(release == NULL ? CELLA_OK : check_release(release, error));
    return auditors == NULL ? CELLA_OK : cella_audit_rule_check(auditors, "args.policy.auditors", error);
}

static cella_status refuse(const struct cella_data *data, char *detail, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static cella_status refuse(const struct cella_data *data, char *detail, const char *format, ...)
{
    va_list arguments;
    size_t used = (size_t) snprintf(detail, CELLA_DETAIL_MAX, "%s: ", data->entry.id);
    va_start(arguments, format);
    (void) vsnprintf(detail + used, CELLA_DETAIL_MAX - used, format, arguments);
    va_end(arguments);
    return CELLA_DATA_POLICY;
}

/* One of the functions that are named by their hash, or one that enough of the auditors have signed for. */
static bool is_function_allowed(const struct cella_state *state, const json_t *policy,
                                const struct cella_function *function)
{
    const json_t *functions = json_object_get(policy, "functions");
    const json_t *auditors = json_object_get(policy, "auditors");
    char sha256[2 * CELLA_SHA256_SIZE + 1];
    cella_hex_encode(cella_view_of(function->sha256, CELLA_SHA256_SIZE), sha256);
    for (size_t i = 0; i < json_array_size(functions); i++) {
        if (strcmp(json_string_value(json_array_get(functions, i)), sha256) == 0) {
            return true;
        }
    }
    if (auditors != NULL) {
        return cella_audit_rule_is_met(state, auditors, function);
    }
    return functions == NULL;
}

static const char *why_not(const json_t *policy)
{
    if (json_object_get(policy, "auditors") == NULL) {
        return "functions do not include";
    }
    return json_object_get(policy, "functions") == NULL ? "too few of its auditors have signed for"
                                                        : "functions do not include, and too few auditors have signed for,";
}

cella_status cella_policy_allows(const struct cella_state *state, const struct cella_data *data,
                                 const struct cella_function *function, int64_t now_s, char *detail)
{
    const json_t *policy = data->policy;
    const json_t *until = json_object_get(policy, "until");
    const json_t *release = json_object_get(policy, "release");
    const char *name;
    json_t *value;
    if (data->deleted) {
        (void) snprintf(detail, CELLA_DETAIL_MAX, "%s", data->entry.id);
        return CELLA_DELETED;
    }
    if (until != NULL && now_s >= json_integer_value(until)) {
        return refuse(data, detail, "until %lld", (long long) json_integer_value(until));
    }
    if (!is_function_allowed(state, policy, function)) {
        return refuse(data, detail, "%s %s", why_not(policy), function->entry.id);
    }
    json_object_foreach((json_t *) release, name, value)
    {
        json_int_t declared = json_integer_value(json_object_get(function->spec.release, name));
        if (declared < json_integer_value(value)) {
            return refuse(data, detail, "release %.40s %lld; the function declares %lld", name,
                          (long long) json_integer_value(value), (long long) declared);
        }
    }
    return CELLA_OK;
}

cella_status cella_policy_has_use(const struct cella_data *data, char *detail)
{
    const json_t *uses = json_object_get(data->policy, "uses");
    if (uses == NULL || data->used < (uint64_t) json_integer_value(uses)) {
        return CELLA_OK;
    }
    (void) snprintf(detail, CELLA_DETAIL_MAX, "%s: uses %lld", data->entry.id, (long long) json_integer_value(uses));
    return CELLA_USES_USED_UP;
}
