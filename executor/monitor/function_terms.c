/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/function.h"

#include <string.h>

#define QUOTA_MAX ((int64_t) 1 << 40)

void cella_function_terms_clear(struct cella_function_terms *terms)
{
    json_decref(terms->json);
    terms->json = NULL;
}

/* "party:<id>" or "organisation:<id>", of somebody who is here. */
static cella_status check_entry(const struct cella_monitor *monitor, const char *entry)
{
    static const char party[] = "party:";
    static const char organisation[] = "organisation:";
    if (strncmp(entry, party, sizeof(party) - 1) == 0) {
        return cella_state_party(&monitor->state, entry + sizeof(party) - 1) == NULL ? CELLA_NOT_FOUND : CELLA_OK;
    }
    if (strncmp(entry, organisation, sizeof(organisation) - 1) == 0) {
        const struct cella_organisation *found =
            cella_state_organisation(&monitor->state, entry + sizeof(organisation) - 1);
        return found == NULL || found->removed ? CELLA_NOT_FOUND : CELLA_OK;
    }
    return CELLA_BAD_FIELD;
}

/* ["anybody"] becomes null: no list. An empty list is one: nobody but the owner. */
static cella_status read_allow(const struct cella_monitor *monitor, struct cella_call *call, json_t *given,
                               json_t *terms)
{
    size_t count = json_array_size(given);
    const char *first = json_string_value(json_array_get(given, 0));
    if (count > CELLA_ALLOWED_MAX) {
        return cella_operation_blame(call, "allow", CELLA_TOO_LARGE);
    }
    if (count == 1 && first != NULL && strcmp(first, "anybody") == 0) {
        return json_object_set_new(terms, "allow", json_null()) == 0 ? CELLA_OK : CELLA_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        const char *entry = json_string_value(json_array_get(given, i));
        cella_status status = entry == NULL ? CELLA_BAD_FIELD : check_entry(monitor, entry);
        if (status != CELLA_OK) {
            return cella_operation_blame(call, "allow", status);
        }
    }
    return json_object_set(terms, "allow", given) == 0 ? CELLA_OK : CELLA_NO_MEMORY;
}

cella_status cella_function_terms_read(const struct cella_monitor *monitor, struct cella_call *call,
                                       struct cella_json_object *object, struct cella_function_terms *out)
{
    json_t *allow = NULL;
    int64_t quota = -2;
    const char *quota_of = NULL;
    CELLA_TRY(cella_json_member_optional(object, "allow", JSON_ARRAY, &allow));
    CELLA_TRY(cella_json_integer_optional(object, "quota", -1, QUOTA_MAX, &quota));
    CELLA_TRY(cella_json_string_optional(object, "quota_of", 16, &quota_of));
    out->json = json_object();
    if (out->json == NULL) {
        return CELLA_NO_MEMORY;
    }
    CELLA_TRY(allow == NULL ? CELLA_OK : read_allow(monitor, call, allow, out->json));
    if (quota != -2 && json_object_set_new(out->json, "quota", json_integer((json_int_t) quota)) != 0) {
        return CELLA_NO_MEMORY;
    }
    if (quota_of == NULL) {
        return CELLA_OK;
    }
    bool successes = strcmp(quota_of, "successes") == 0;
    if (!successes && strcmp(quota_of, "runs") != 0) {
        return cella_operation_blame(call, "quota_of", CELLA_BAD_FIELD);
    }
    return json_object_set_new(out->json, "quota_of_successes", json_boolean(successes)) == 0 ? CELLA_OK
                                                                                              : CELLA_NO_MEMORY;
}

/* {function, by} and members of another object, as one event */
static cella_status commit_change(struct cella_monitor *monitor, struct cella_call *call,
                                  const struct cella_function *function, json_t *members)
{
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *event = json_pack("{s:s, s:s}", "function", function->entry.id, "by", call->party->entry.id);
    if (event == NULL || members == NULL || json_object_update(event, members) != 0) {
        return CELLA_NO_MEMORY;
    }
    CELLA_TRY(cella_monitor_commit(monitor, CELLA_EVENT_FUNCTION_CHANGED, event));
    call->reply = json_pack("{s:s, s:b}", "function", function->entry.id, "disabled", (int) function->disabled);
    return CELLA_OK;
}

cella_status cella_operation_function_change(struct cella_monitor *monitor, struct cella_call *call)
{
    CELLA_CLEANUP(cella_function_terms_clear) struct cella_function_terms terms = { 0 };
    struct cella_json_object object;
    struct cella_function *function;
    const char *id;
    CELLA_TRY(cella_json_begin(call->args, "args", &call->error, &object));
    CELLA_TRY(cella_json_string(&object, "function", CELLA_ID_SIZE - 1, &id));
    CELLA_TRY(cella_function_terms_read(monitor, call, &object, &terms));
    CELLA_TRY(cella_json_end(&object));
    CELLA_TRY(cella_function_find(monitor, call, id, &function));
    return function->deleted ? CELLA_DELETED : commit_change(monitor, call, function, terms.json);
}

static cella_status set_disabled(struct cella_monitor *monitor, struct cella_call *call, bool disabled)
{
    struct cella_function *function;
    const char *id;
    CELLA_TRY(cella_operation_only(call, "function", &id));
    CELLA_TRY(cella_function_find(monitor, call, id, &function));
    bool administers = cella_party_is(call->party, CELLA_PARTY_ADMINISTRATOR);
    if (function->deleted) {
        return CELLA_DELETED;
    }
    if (!administers && function->disabled_by_administrator) {
        return CELLA_DENIED; /* what an administrator has disabled only an administrator enables, and it stays his */
    }
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *members = json_pack("{s:b, s:b}", "disabled", (int) disabled, "disabled_by_administrator",
                                (int) (disabled && administers && function->owner != call->party));
    return commit_change(monitor, call, function, members);
}

cella_status cella_operation_function_disable(struct cella_monitor *monitor, struct cella_call *call)
{
    return set_disabled(monitor, call, true);
}

cella_status cella_operation_function_enable(struct cella_monitor *monitor, struct cella_call *call)
{
    return set_disabled(monitor, call, false);
}

cella_status cella_operation_function_delete(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_function *function;
    const char *id;
    CELLA_TRY(cella_operation_only(call, "function", &id));
    CELLA_TRY(cella_function_find(monitor, call, id, &function));
    if (!function->deleted) {
        CELLA_CLEANUP(cella_json_cleanup)
        json_t *event = json_pack("{s:s, s:s}", "function", id, "by", call->party->entry.id);
        CELLA_TRY(cella_monitor_commit(monitor, CELLA_EVENT_FUNCTION_DELETED, event));
        cella_monitor_log(monitor, "function deleted %s", function->entry.id);
    }
    call->reply = json_pack("{s:s}", "function", function->entry.id);
    return CELLA_OK;
}

cella_status cella_operation_function_usage(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_function *function;
    const char *id;
    CELLA_TRY(cella_operation_only(call, "function", &id));
    CELLA_TRY(cella_function_find(monitor, call, id, &function));
    const struct cella_function_usage *usage = &function->usage;
    call->reply = json_pack("{s:s, s:I, s:s, s:I, s:I, s:I, s:I, s:I}", "function", id, "quota",
                            (json_int_t) function->quota, "quota_of",
                            function->quota_of_successes ? "successes" : "runs", "used", (json_int_t) function->used,
                            "finished", (json_int_t) usage->finished, "failed", (json_int_t) usage->failed,
                            "cancelled", (json_int_t) usage->cancelled, "cpu_us", (json_int_t) usage->cpu_us);
    return CELLA_OK;
}
