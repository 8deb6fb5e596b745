/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/operation.h"

#include <string.h>

/* Who may read a function: everybody a public one and whoever was told its id a private one, but not its source. */
static bool may_read_source(const struct cella_function *function, const struct cella_party *party)
{
    return function->spec.is_public || function->owner == party;
}

static json_t *function_json(const struct cella_function *function)
{
    return json_pack("{s:s, s:s, s:o, s:b, s:O}", "function", function->entry.id, "owner",
                     function->owner->entry.id, "sha256",
                     cella_json_hex(cella_view_of(function->sha256, sizeof(function->sha256))), "public",
                     (int) function->spec.is_public, "spec", function->spec.json);
}

/* The package's plaintext, however it came. */
static cella_status open_package(struct cella_monitor *monitor, struct cella_call *call, struct cella_bytes *plain,
                                 struct cella_bytes *sealed, struct cella_secret *opened)
{
    struct cella_json_object object;
    json_t *public_form = json_object_get(call->args, "package");
    CELLA_TRY(cella_json_begin(call->args, "args", &call->error, &object));
    if (public_form != NULL) {
        CELLA_TRY(cella_json_bytes(&object, "package", CELLA_PACKAGE_MAX, plain));
        return cella_json_end(&object);
    }
    CELLA_TRY(cella_json_bytes(&object, "sealed_package", CELLA_PACKAGE_MAX + CELLA_HPKE_OVERHEAD, sealed));
    CELLA_TRY(cella_json_end(&object));
    return cella_keyring_open(monitor->keyring, "package", cella_view_of_string(call->party->entry.id),
                              cella_bytes_view(sealed), opened);
}

static cella_status commit_function(struct cella_monitor *monitor, struct cella_call *call,
                                    const struct cella_spec *spec, struct cella_view package, bool is_sealed,
                                    const uint8_t sha256[CELLA_SHA256_SIZE])
{
    char id[CELLA_ID_SIZE];
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes spec_text = { 0 };
    CELLA_TRY(cella_monitor_new_id("function-", id));
    CELLA_TRY(cella_json_write(spec->json, &spec_text));
    if (spec_text.size > CELLA_SPEC_MAX) {
        return CELLA_TOO_LARGE; /* everybody who lists functions would pay for it */
    }
    struct cella_view digest = cella_view_of(sha256, CELLA_SHA256_SIZE);
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *event = json_pack("{s:s, s:s, s:o, s:b, s:o, s:s%}", "function", id, "owner", call->party->entry.id,
                              "sha256", cella_json_base64url(digest), "sealed", (int) is_sealed, "package",
                              cella_json_base64url(package), "spec", (const char *) spec_text.data, spec_text.size);
    CELLA_TRY(cella_monitor_commit(monitor, CELLA_EVENT_FUNCTION_REGISTERED, event));
    cella_monitor_log(monitor, "function registered %s", id);
    call->reply = json_pack("{s:s, s:o}", "function", id, "sha256", cella_json_hex(digest));
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
    CELLA_TRY(open_package(monitor, call, &plain, &sealed, &opened));
    bool is_sealed = sealed.size > 0;
    struct cella_view package = is_sealed ? cella_secret_view(&opened) : cella_bytes_view(&plain);
    CELLA_TRY(cella_spec_parse(package, &monitor->charter.limits, &call->error, &spec));
    if (spec.is_public == is_sealed) {
        /* A private function's source would have been readable by the front, or a public one's is not by anybody. */
        memcpy(call->error.field, "public", sizeof("public"));
        return CELLA_BAD_FIELD;
    }
    CELLA_TRY(cella_sha256(package, sha256));
    return commit_function(monitor, call, &spec, is_sealed ? cella_bytes_view(&sealed) : package, is_sealed, sha256);
}

/* The source for one who may read it; a private function's goes to its owner only sealed, so not through here. */
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

cella_status cella_operation_function_get(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_json_object object;
    const char *id;
    CELLA_TRY(cella_json_begin(call->args, "args", &call->error, &object));
    CELLA_TRY(cella_json_string(&object, "function", CELLA_ID_SIZE - 1, &id));
    CELLA_TRY(cella_json_end(&object));
    const struct cella_function *function = cella_state_function(&monitor->state, id);
    if (function == NULL) {
        return CELLA_NOT_FOUND;
    }
    call->reply = function_json(function);
    if (call->reply == NULL) {
        return CELLA_NO_MEMORY;
    }
    return may_read_source(function, call->party) ? add_source(function, call->reply) : CELLA_OK;
}

cella_status cella_operation_function_list(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_page page;
    CELLA_TRY(cella_operation_page(&monitor->state.functions, call, &page));
    json_t *list = json_array();
    for (; page.next != NULL && page.room > 0; page.next = page.next->next) {
        const struct cella_function *function = (const struct cella_function *) page.next;
        if (may_read_source(function, call->party)) {
            (void) json_array_append_new(list, function_json(function));
            page.room--;
        }
    }
    return cella_operation_page_end(&page, call, "functions", list);
}
