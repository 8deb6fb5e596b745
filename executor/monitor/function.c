/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/function.h"

#include <string.h>

/* Who has signed for it, in what words. */
static json_t *audits_json(const struct cella_function *function)
{
    json_t *list = json_array();
    const char *auditor;
    json_t *audit;
    json_object_foreach(function->audits, auditor, audit)
    {
        (void) json_array_append_new(
            list, json_pack("{s:s, s:O, s:O, s:O}", "auditor", auditor, "accepted", json_object_get(audit, "accepted"),
                            "time", json_object_get(audit, "time"), "statement", json_object_get(audit, "statement")));
    }
    return list;
}

static json_t *function_json(const struct cella_function *function, const struct cella_party *reader)
{
    json_t *json = json_pack("{s:s, s:s, s:I, s:o, s:b, s:b, s:b, s:O, s:o}", "function", function->entry.id, "owner",
                             function->owner->entry.id, "version", (json_int_t) function->version, "sha256",
                             cella_json_hex(cella_view_of(function->sha256, sizeof(function->sha256))), "public",
                             (int) function->spec.is_public, "disabled", (int) function->disabled, "deleted",
                             (int) function->deleted, "spec", function->spec.json, "audits", audits_json(function));
    if (json != NULL && function->owner == reader && function->allow != NULL) {
        (void) json_object_set(json, "allow", function->allow);
    }
    if (json != NULL && function->owner == reader && function->reviewers != NULL) {
        (void) json_object_set(json, "reviewers", function->reviewers);
    }
    return json;
}

/* The package's plaintext, however it came. */
static cella_status open_package(struct cella_monitor *monitor, struct cella_call *call, struct cella_bytes *plain,
                                 struct cella_bytes *sealed, struct cella_secret *opened,
                                 struct cella_function_terms *terms)
{
    struct cella_json_object object;
    json_t *public_form = json_object_get(call->args, "package");
    CELLA_TRY(cella_json_begin(call->args, "args", &call->error, &object));
    if (public_form != NULL) {
        CELLA_TRY(cella_json_bytes(&object, "package", CELLA_PACKAGE_MAX, plain));
    } else {
        CELLA_TRY(cella_json_bytes(&object, "sealed_package", CELLA_PACKAGE_MAX + CELLA_HPKE_OVERHEAD, sealed));
    }
    CELLA_TRY(cella_function_terms_read(monitor, call, &object, terms));
    CELLA_TRY(cella_json_end(&object));
    if (public_form != NULL) {
        return CELLA_OK;
    }
    return cella_keyring_open(monitor->keyring, "package", cella_view_of_string(call->party->entry.id),
                              cella_bytes_view(sealed), opened);
}

/* Versions count what an owner has registered under one name; the deleted ones, too, so that none is used twice. */
static uint32_t next_version(const struct cella_monitor *monitor, const struct cella_party *owner, const char *name)
{
    uint32_t version = 0;
    for (const struct cella_entry *entry = monitor->state.functions.first; entry != NULL; entry = entry->next) {
        const struct cella_function *function = (const struct cella_function *) entry;
        if (function->owner == owner && strcmp(function->spec.name, name) == 0 && function->version > version) {
            version = function->version;
        }
    }
    return version + 1;
}

static cella_status commit_function(struct cella_monitor *monitor, struct cella_call *call,
                                    const struct cella_spec *spec, struct cella_view package, bool is_sealed,
                                    const uint8_t sha256[CELLA_SHA256_SIZE], json_t *terms)
{
    char id[CELLA_ID_SIZE];
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes spec_text = { 0 };
    CELLA_TRY(cella_monitor_new_id("function-", id));
    CELLA_TRY(cella_json_write(spec->json, &spec_text));
    if (spec_text.size > CELLA_SPEC_MAX) {
        return CELLA_TOO_LARGE; /* everybody who lists functions would pay for it */
    }
    struct cella_view digest = cella_view_of(sha256, CELLA_SHA256_SIZE);
    json_int_t version = (json_int_t) next_version(monitor, call->party, spec->name);
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *event = json_pack("{s:s, s:s, s:I, s:o, s:b, s:o, s:s%}", "function", id, "owner", call->party->entry.id,
                              "version", version, "sha256", cella_json_base64url(digest), "sealed", (int) is_sealed, "package",
                              cella_json_base64url(package), "spec", (const char *) spec_text.data, spec_text.size);
    if (event == NULL || json_object_update(event, terms) != 0) {
        return CELLA_NO_MEMORY;
    }
    CELLA_TRY(cella_monitor_commit(monitor, CELLA_EVENT_FUNCTION_REGISTERED, event));
    cella_monitor_log(monitor, "function registered %s", id);
    call->reply = json_pack("{s:s, s:I, s:o}", "function", id, "version", version, "sha256", cella_json_hex(digest));
    return CELLA_OK;
}

cella_status cella_operation_function_register(struct cella_monitor *monitor, struct cella_call *call)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes plain = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes sealed = { 0 };
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret opened = { 0 };
    CELLA_CLEANUP(cella_spec_clear) struct cella_spec spec = { 0 };
    uint8_t sha256[CELLA_SHA256_SIZE];
    CELLA_TRY(cella_state_has_room(&monitor->state, &monitor->state.functions, CELLA_FUNCTIONS_MAX));
    CELLA_CLEANUP(cella_function_terms_clear) struct cella_function_terms terms = { 0 };
    CELLA_TRY(open_package(monitor, call, &plain, &sealed, &opened, &terms));
    bool is_sealed = sealed.size > 0;
    struct cella_view package = is_sealed ? cella_secret_view(&opened) : cella_bytes_view(&plain);
    CELLA_TRY(cella_spec_parse(package, &monitor->charter.limits, &call->error, &spec));
    if (spec.is_public == is_sealed) {
        /* A private function's source would have been readable by the front, or a public one's is not by anybody. */
        memcpy(call->error.field, "public", sizeof("public"));
        return CELLA_BAD_FIELD;
    }
    CELLA_TRY(cella_sha256(package, sha256));
    return commit_function(monitor, call, &spec, is_sealed ? cella_bytes_view(&sealed) : package, is_sealed, sha256,
                           terms.json);
}

/* The source of a public function; that of a private one goes out only sealed, so not through here. */
static cella_status add_source(const struct cella_function *function, json_t *reply)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes source = { 0 };
    if (function->sealed || function->spec.kind != CELLA_TASK_PYTHON) {
        return CELLA_OK;
    }
    CELLA_TRY(cella_spec_source(cella_bytes_view(&function->package), &source));
    json_t *text = json_stringn((const char *) source.data, source.size);
    return json_object_set_new(reply, "source", text) == 0 ? CELLA_OK : CELLA_NO_MEMORY;
}

cella_status cella_function_find(struct cella_monitor *monitor, struct cella_call *call, const char *id,
                                 struct cella_function **out)
{
    *out = cella_state_function(&monitor->state, id);
    return *out == NULL ? CELLA_NOT_FOUND : cella_operation_may(call, cella_right_to_function(call->party, *out));
}

cella_status cella_operation_function_get(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_function *function;
    const char *id;
    CELLA_TRY(cella_operation_only(call, "function", &id));
    CELLA_TRY(cella_function_find(monitor, call, id, &function));
    call->reply = function_json(function, call->party);
    if (call->reply == NULL) {
        return CELLA_NO_MEMORY;
    }
    return function->spec.is_public && !function->deleted ? add_source(function, call->reply) : CELLA_OK;
}

/* What a list is to contain; empty texts mean all. */
struct filter {
    const char *name;
    const char *owner;
    const char *search;
};

static bool contains_text(const char *text, const char *part)
{
    return text != NULL && strcasestr(text, part) != NULL;
}

static bool passes(const struct filter *filter, const struct cella_function *function)
{
    const char *description = json_string_value(json_object_get(function->spec.json, "description"));
    return !function->deleted &&
           (filter->name[0] == '\0' || strcmp(filter->name, function->spec.name) == 0) &&
           (filter->owner[0] == '\0' || strcmp(filter->owner, function->owner->entry.id) == 0) &&
           (filter->search[0] == '\0' || contains_text(function->spec.name, filter->search) ||
            contains_text(description, filter->search));
}

static bool shows_function(const struct cella_call *call, const struct cella_entry *entry, const void *context)
{
    const struct cella_function *function = (const struct cella_function *) entry;
    return passes(context, function) &&
           cella_operation_may(call, cella_right_to_function(call->party, function)) == CELLA_OK;
}

static json_t *listed_function(const struct cella_call *call, const struct cella_entry *entry)
{
    return function_json((const struct cella_function *) entry, call->party);
}

cella_status cella_operation_function_list(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_json_object object;
    struct filter filter = { "", "", "" };
    const struct cella_listing listing = { "functions", shows_function, listed_function, &filter };
    const char *after = NULL;
    CELLA_TRY(cella_json_begin(call->args, "args", &call->error, &object));
    CELLA_TRY(cella_json_string_optional(&object, "after", CELLA_ID_SIZE - 1, &after));
    CELLA_TRY(cella_json_string_optional(&object, "name", 64, &filter.name));
    CELLA_TRY(cella_json_string_optional(&object, "owner", CELLA_THUMBPRINT_SIZE, &filter.owner));
    CELLA_TRY(cella_json_string_optional(&object, "search", 64, &filter.search));
    CELLA_TRY(cella_json_end(&object));
    return cella_operation_list_after(&monitor->state.functions, after, &listing, call);
}
