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
    json_t *budget = NULL;
    struct cella_privacy amount;
    int64_t number = 0;
    CELLA_TRY(cella_json_begin(policy, "args.policy", error, &object));
    CELLA_TRY(cella_json_member_optional(&object, "functions", JSON_ARRAY, &functions));
    CELLA_TRY(cella_json_member_optional(&object, "auditors", JSON_OBJECT, &auditors));
    CELLA_TRY(cella_json_member_optional(&object, "release", JSON_OBJECT, &release));
    CELLA_TRY(cella_json_member_optional(&object, "budget", JSON_OBJECT, &budget));
    CELLA_TRY(cella_json_integer_optional(&object, "uses", 0, USES_MAX, &number));
    CELLA_TRY(cella_json_integer_optional(&object, "until", 1, (int64_t) 1 << 53, &number));
    CELLA_TRY(cella_json_end(&object));
    CELLA_TRY(functions == NULL ? CELLA_OK : check_functions(functions, error));
    CELLA_TRY(release == NULL ? CELLA_OK : check_release(release, error));
    CELLA_TRY(budget == NULL ? CELLA_OK : cella_privacy_read_budget(budget, "args.policy.budget", error, &amount));
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

static bool comes_from(const struct cella_data *made, const struct cella_data *data)
{
    for (size_t i = 0; i < made->source_count; i++) {
        if (made->sources[i] == data) {
            return true;
        }
    }
    return made == data;
}

/*
 * Data with a budget: the function says what it spends of this input, the arguments say how much, and no other input has the same
 * data, of which what is declared for each input by itself says nothing.
 */
static cella_status check_budget(const struct cella_data *data, const struct cella_policy_use *use, char *detail)
{
    const char *argument;
    struct cella_privacy cost;
    const struct cella_spec *spec = &use->function->spec;
    if (spec->privacy.epsilon == NULL) {
        return refuse(data, detail, "budget; %s declares no privacy", use->function->entry.id);
    }
    if (!cella_privacy_protects(spec, use->input)) {
        return refuse(data, detail, "budget; %s does not protect the privacy of input %s", use->function->entry.id,
                      use->input);
    }
    for (size_t i = 0; i < use->other_count; i++) {
        if (comes_from(use->others[i], data)) {
            return refuse(data, detail, "budget; they come in by two inputs, %s is one of them", use->input);
        }
    }
    if (cella_privacy_cost(spec, use->arguments, &argument, &cost) != CELLA_OK) {
        (void) snprintf(detail, CELLA_DETAIL_MAX, "%s: budget; argument %s must be a number %s %d", data->entry.id, argument,
                        argument == spec->privacy.epsilon ? "above 0 and at most" : "from 0 to",
                        argument == spec->privacy.epsilon ? CELLA_PRIVACY_EPSILON_MAX : CELLA_PRIVACY_DELTA_MAX);
        return CELLA_BAD_ARGUMENT;
    }
    return CELLA_OK;
}

static cella_status check_policy(const struct cella_state *state, const struct cella_data *data, const json_t *policy,
                                 const struct cella_policy_use *use, int64_t now_s, char *detail)
{
    const struct cella_function *function = use->function;
    const json_t *until = json_object_get(policy, "until");
    const json_t *release = json_object_get(policy, "release");
    const char *name;
    json_t *value;
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
    return json_object_get(policy, "budget") == NULL ? CELLA_OK : check_budget(data, use, detail);
}

static cella_status check_owners(const struct cella_state *state, const struct cella_data *data,
                                 const struct cella_policy_use *use, int64_t now_s, char *detail)
{
    for (size_t i = 0; i < data->owner_count; i++) {
        CELLA_TRY(check_policy(state, data, data->policies[i], use, now_s, detail));
    }
    return CELLA_OK;
}

cella_status cella_policy_allows(const struct cella_state *state, const struct cella_data *data,
                                 const struct cella_policy_use *use, int64_t now_s, char *detail)
{
    if (data->deleted) {
        (void) snprintf(detail, CELLA_DETAIL_MAX, "%s", data->entry.id);
        return CELLA_DELETED;
    }
    CELLA_TRY(check_owners(state, data, use, now_s, detail));
    for (size_t i = 0; i < data->source_count; i++) {
        CELLA_TRY(check_owners(state, data->sources[i], use, now_s, detail));
    }
    return CELLA_OK;
}

static cella_status check_uses(const struct cella_data *data, char *detail)
{
    for (size_t i = 0; i < data->owner_count; i++) {
        const json_t *uses = json_object_get(data->policies[i], "uses");
        if (uses != NULL && data->used >= (uint64_t) json_integer_value(uses)) {
            (void) snprintf(detail, CELLA_DETAIL_MAX, "%s: uses %lld", data->entry.id,
                            (long long) json_integer_value(uses));
            return CELLA_USES_USED_UP;
        }
    }
    return CELLA_OK;
}

static uint64_t left_of(uint64_t budget, uint64_t spent)
{
    return budget > spent ? budget - spent : 0; /* a budget may have been lowered */
}

static cella_status check_spent(const struct cella_data *data, struct cella_privacy cost, char *detail)
{
    struct cella_privacy budget;
    char texts[3][CELLA_PRIVACY_TEXT_SIZE];
    for (size_t i = 0; i < data->owner_count; i++) {
        if (!cella_privacy_budget_of(data->policies[i], &budget) ||
            (cost.epsilon <= left_of(budget.epsilon, data->spent.epsilon) &&
             cost.delta <= left_of(budget.delta, data->spent.delta))) {
            continue;
        }
        cella_privacy_text(budget, texts[0]);
        cella_privacy_text(data->spent, texts[1]);
        cella_privacy_text(cost, texts[2]);
        (void) snprintf(detail, CELLA_DETAIL_MAX, "%s: budget %s; spent %s; this run %s", data->entry.id, texts[0], texts[1],
                        texts[2]);
        return CELLA_BUDGET_SPENT;
    }
    return CELLA_OK;
}

static cella_status check_costs(const struct cella_data *data, struct cella_privacy cost, char *detail)
{
    CELLA_TRY(check_uses(data, detail));
    return check_spent(data, cost, detail);
}

cella_status cella_policy_can_pay(const struct cella_data *data, struct cella_privacy cost, char *detail)
{
    CELLA_TRY(check_costs(data, cost, detail));
    for (size_t i = 0; i < data->source_count; i++) {
        CELLA_TRY(check_costs(data->sources[i], cost, detail));
    }
    return CELLA_OK;
}

static bool take_least(const struct cella_data *data, struct cella_privacy *least)
{
    bool any = false;
    struct cella_privacy budget;
    for (size_t i = 0; i < data->owner_count; i++) {
        if (cella_privacy_budget_of(data->policies[i], &budget)) {
            uint64_t epsilon = left_of(budget.epsilon, data->spent.epsilon);
            uint64_t delta = left_of(budget.delta, data->spent.delta);
            least->epsilon = epsilon < least->epsilon ? epsilon : least->epsilon;
            least->delta = delta < least->delta ? delta : least->delta;
            any = true;
        }
    }
    return any;
}

bool cella_policy_budget_left(const struct cella_data *data, struct cella_privacy *out)
{
    struct cella_privacy least = { UINT64_MAX, UINT64_MAX };
    bool any = take_least(data, &least);
    for (size_t i = 0; i < data->source_count; i++) {
        any = take_least(data->sources[i], &least) || any;
    }
    *out = any ? least : (struct cella_privacy){ 0 };
    return any;
}

/* ---- what binds, shown ---- */

static void add_bounds(json_t *bounds, const struct cella_data *data, const struct cella_party *without)
{
    for (size_t i = 0; i < data->owner_count; i++) {
        if (data->policies[i] != NULL && data->owners[i] != without) {
            (void) json_array_append_new(bounds, json_pack("{s:s, s:s, s:O}", "data", data->entry.id, "owner",
                                                           data->owners[i]->entry.id, "policy", data->policies[i]));
        }
    }
}

json_t *cella_policy_bounds(const struct cella_data *data, const struct cella_party *reader)
{
    json_t *bounds = json_array();
    add_bounds(bounds, data, reader == NULL && data->owner_count == 1 ? data->owners[0] : reader);
    for (size_t i = 0; i < data->source_count; i++) {
        add_bounds(bounds, data->sources[i], NULL);
    }
    if (json_array_size(bounds) == 0) {
        json_decref(bounds);
        return NULL;
    }
    return bounds;
}

cella_status cella_policy_check_bounds(const struct cella_data *data, char *detail)
{
    CELLA_CLEANUP(cella_json_cleanup) json_t *bounds = cella_policy_bounds(data, NULL);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    CELLA_TRY(bounds == NULL ? CELLA_OK : cella_json_write(bounds, &text));
    if (text.size > CELLA_BOUNDS_MAX) {
        (void) snprintf(detail, CELLA_DETAIL_MAX, "%s: policies of what they were made of, %zu bytes; at most %u",
                        data->entry.id, text.size, CELLA_BOUNDS_MAX);
        return CELLA_TOO_LARGE;
    }
    return CELLA_OK;
}
