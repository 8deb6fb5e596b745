/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/data.h"

#include <string.h>

#include "courier/message.h"
#include "monitor/disposal.h"
#include "monitor/location.h"
#include "monitor/policy.h"
#include "monitor/source.h"
#include "monitor/statement.h"
#include "trust/data_format.h"

static const char default_associated_data[] = "cella input v1";

/* As one of its owners sees it: with his own policy. */
static json_t *data_json(const struct cella_data *data, const struct cella_party *reader)
{
    json_t *owners = json_array();
    for (size_t i = 0; i < data->owner_count; i++) {
        (void) json_array_append_new(owners, json_string(data->owners[i]->entry.id));
    }
    json_t *json = json_pack("{s:s, s:s, s:o, s:o, s:I, s:s, s:b, s:b, s:I}", "data", data->entry.id, "name", data->name,
                             "owners", owners, "sha256",
                             cella_json_hex(cella_view_of(data->sha256, sizeof(data->sha256))), "size",
                             (json_int_t) data->size, "format", cella_data_format_name(data->format), "stored", (int) data->stored, "deleted", (int) data->deleted,
                             "used", (json_int_t) data->used);
    if (json != NULL && data->url != NULL) {
        (void) json_object_set_new(json, "url", json_string(data->url));
    }
    int owner = cella_data_owner_index(data, reader);
    if (json != NULL && owner >= 0 && data->policies[owner] != NULL) {
        (void) json_object_set(json, "policy", data->policies[owner]);
    }
    return json;
}

/* What runs have spent of their privacy, and what is left of it by all budgets that bind. */
static void add_budget(const struct cella_data *data, json_t *json)
{
    struct cella_privacy left;
    bool bound = cella_policy_budget_left(data, &left);
    if (bound || data->spent.epsilon > 0) {
        (void) json_object_set_new(json, "spent", cella_privacy_json(data->spent));
    }
    if (bound) {
        (void) json_object_set_new(json, "left", cella_privacy_json(left));
    }
}

cella_status cella_data_answer(struct cella_call *call, const struct cella_data *data)
{
    call->reply = data_json(data, call->party);
    if (call->reply != NULL) {
        add_budget(data, call->reply);
    }
    json_t *bounds = cella_policy_bounds(data, call->party);
    if (bounds == NULL) {
        return call->reply == NULL ? CELLA_NO_MEMORY : CELLA_OK;
    }
    return json_object_set_new(call->reply, "bound_by", bounds) == 0 ? CELLA_OK : CELLA_NO_MEMORY;
}

cella_status cella_data_find(struct cella_monitor *monitor, struct cella_call *call, const char *id,
                             struct cella_data **out)
{
    *out = cella_state_data(&monitor->state, id);
    return *out == NULL ? CELLA_NOT_FOUND : cella_operation_may(call, cella_right_to_data(call->party, *out));
}

struct registration {
    const char *name;
    uint8_t sha256[CELLA_SHA256_SIZE];
    int64_t size;
    enum cella_data_format format;
    uint32_t segment_size; /* of a sealed file, else 0 */
    struct cella_bytes sealed_key;
    struct cella_bytes associated_data;
    json_t *policy;  /* borrowed; NULL: none */
    const char *url; /* borrowed; NULL: they will be uploaded */
};

static void clear_registration(struct registration *registration)
{
    cella_bytes_clear(&registration->sealed_key);
    cella_bytes_clear(&registration->associated_data);
}

/* What only a sealed file has: the size of its segments, and associated data of its owner's choice. */
static cella_status read_sealed_file(struct cella_call *call, struct cella_json_object *object, struct registration *out)
{
    const char *segment;
    CELLA_TRY(cella_json_string(object, "segment", 3, &segment));
    if (json_object_get(call->args, "associated_data") != NULL) {
        CELLA_TRY(cella_json_bytes(object, "associated_data", CELLA_ASSOCIATED_DATA_MAX, &out->associated_data));
    } else {
        CELLA_TRY(cella_bytes_set(&out->associated_data, cella_view_of_string(default_associated_data)));
    }
    bool large = strcmp(segment, "1MB") == 0;
    if (!large && strcmp(segment, "4KB") != 0) {
        return cella_operation_blame(call, "segment", CELLA_BAD_FIELD);
    }
    out->segment_size = large ? CELLA_SEALED_SEGMENT_1MB : CELLA_SEALED_SEGMENT_4KB;
    return CELLA_OK;
}

static cella_status read_registration(struct cella_call *call, struct registration *out)
{
    struct cella_json_object object;
    const char *sha256;
    const char *format = NULL;
    CELLA_TRY(cella_json_begin(call->args, "args", &call->error, &object));
    CELLA_TRY(cella_json_string(&object, "name", CELLA_PARTY_NAME_MAX, &out->name));
    CELLA_TRY(cella_json_string(&object, "sha256", 2 * CELLA_SHA256_SIZE, &sha256));
    CELLA_TRY(cella_json_integer(&object, "size", 1, (int64_t) CELLA_SEALED_FILE_MAX, &out->size));
    CELLA_TRY(cella_json_string_optional(&object, "format", CELLA_DATA_FORMAT_NAME_MAX, &format));
    if (format != NULL && cella_data_format_of_name(format, &out->format) != CELLA_OK) {
        return cella_operation_blame(call, "format", CELLA_BAD_FIELD);
    }
    CELLA_TRY(cella_json_bytes(&object, "sealed_key", CELLA_DATA_KEY_MAX + CELLA_HPKE_OVERHEAD, &out->sealed_key));
    CELLA_TRY(out->format == CELLA_DATA_SEALED_FILE ? read_sealed_file(call, &object, out) : CELLA_OK);
    CELLA_TRY(cella_json_member_optional(&object, "policy", JSON_OBJECT, &out->policy));
    CELLA_TRY(cella_json_string_optional(&object, "url", CELLA_URL_MAX, &out->url));
    CELLA_TRY(cella_json_end(&object));
    cella_status place = out->url == NULL ? CELLA_OK : cella_location_check(out->url);
    CELLA_TRY(place == CELLA_OK ? CELLA_OK : cella_operation_blame(call, "url", place));
    CELLA_TRY(out->policy == NULL ? CELLA_OK : cella_policy_check_form(out->policy, &call->error));
    if (strspn(sha256, "0123456789abcdef") != 2 * CELLA_SHA256_SIZE ||
        cella_hex_decode(cella_view_of_string(sha256), out->sha256, sizeof(out->sha256)) != CELLA_OK) {
        return cella_operation_blame(call, "sha256", CELLA_BAD_FIELD);
    }
    return CELLA_OK;
}

/* A file that could never be opened is refused now, not when everybody has approved. */
static cella_status check_registration(const struct cella_monitor *monitor, struct cella_call *call,
                                       const struct registration *registration)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = { 0 };
    const struct cella_data_file file = { registration->format, (uint64_t) registration->size,
                                          registration->segment_size };
    if (cella_data_file_check(&file) != CELLA_OK) {
        return cella_operation_blame(call, "size", CELLA_BAD_FIELD);
    }
    cella_status status = cella_keyring_open_data_key(
        monitor->keyring, call->party->entry.id, registration->sha256, cella_bytes_view(&registration->sealed_key),
        cella_data_format_key_size(registration->format), &key);
    return status == CELLA_OK ? CELLA_OK : cella_operation_blame(call, "sealed_key", status);
}

cella_status cella_operation_data_register(struct cella_monitor *monitor, struct cella_call *call)
{
    CELLA_CLEANUP(clear_registration) struct registration registration = { 0 };
    char id[CELLA_ID_SIZE];
    char object[CELLA_ID_SIZE];
    CELLA_TRY(cella_state_has_room(&monitor->state, &monitor->state.data, CELLA_DATA_MAX));
    CELLA_TRY(read_registration(call, &registration));
    CELLA_TRY(check_registration(monitor, call, &registration));
    CELLA_TRY(cella_monitor_new_id("data-", id));
    CELLA_TRY(cella_monitor_new_id("", object));
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *event = json_pack("{s:s, s:s, s:s, s:s, s:o, s:I, s:I, s:o, s:o}", "data", id, "owner",
                              call->party->entry.id, "name", registration.name, "object", object, "sha256",
                              cella_json_base64url(cella_view_of(registration.sha256, CELLA_SHA256_SIZE)), "size",
                              (json_int_t) registration.size, "segment", (json_int_t) registration.segment_size,
                              "sealed_key", cella_json_base64url(cella_bytes_view(&registration.sealed_key)),
                              "associated_data",
                              cella_json_base64url(cella_bytes_view(&registration.associated_data)));
    if (event == NULL ||
        (registration.url != NULL && json_object_set_new(event, "url", json_string(registration.url)) != 0) ||
        (registration.policy != NULL && json_object_set(event, "policy", registration.policy) != 0) ||
        (registration.format != CELLA_DATA_SEALED_FILE &&
         json_object_set_new(event, "format", json_string(cella_data_format_name(registration.format))) != 0)) {
        return CELLA_NO_MEMORY;
    }
    CELLA_TRY(cella_monitor_commit(monitor, CELLA_EVENT_DATA_REGISTERED, event));
    cella_monitor_log(monitor, "data registered %s", id);
    call->reply = json_pack("{s:s}", "data", id);
    return CELLA_OK;
}

cella_status cella_operation_data_get(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_data *data;
    const char *id;
    CELLA_TRY(cella_operation_only(call, "data", &id));
    CELLA_TRY(cella_data_find(monitor, call, id, &data));
    return cella_data_answer(call, data);
}

static bool shows_data(const struct cella_call *call, const struct cella_entry *entry, const void *context)
{
    const struct cella_data *data = (const struct cella_data *) entry;
    (void) context;
    return !data->deleted && cella_operation_may(call, cella_right_to_data(call->party, data)) == CELLA_OK;
}

static json_t *listed_data(const struct cella_call *call, const struct cella_entry *entry)
{
    return data_json((const struct cella_data *) entry, call->party);
}

cella_status cella_operation_data_list(struct cella_monitor *monitor, struct cella_call *call)
{
    static const struct cella_listing listing = { "data", shows_data, listed_data, NULL };
    return cella_operation_list(&monitor->state.data, &listing, call);
}

/*
 * {data, policy?}: the caller's own policy from now on; absent: none. Of several owners each has his own, and all of them hold.
 * What has been queued goes on, what has not started is checked again.
 */
cella_status cella_operation_data_change(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_json_object object;
    struct cella_data *data;
    const char *id;
    json_t *policy = NULL;
    CELLA_TRY(cella_json_begin(call->args, "args", &call->error, &object));
    CELLA_TRY(cella_json_string(&object, "data", CELLA_ID_SIZE - 1, &id));
    CELLA_TRY(cella_json_member_optional(&object, "policy", JSON_OBJECT, &policy));
    CELLA_TRY(cella_json_end(&object));
    CELLA_TRY(policy == NULL ? CELLA_OK : cella_policy_check_form(policy, &call->error));
    CELLA_TRY(cella_data_find(monitor, call, id, &data));
    if (data->deleted) {
        return CELLA_DELETED;
    }
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *event = json_pack("{s:s, s:s, s:o}", "data", id, "by", call->party->entry.id, "policy",
                              policy == NULL ? json_null() : json_incref(policy));
    CELLA_TRY(cella_monitor_commit(monitor, CELLA_EVENT_DATA_CHANGED, event));
    return cella_data_answer(call, data);
}

/* {data}: the key goes, so that nobody opens the object again, and then the object; each owner may do that to all. */
cella_status cella_operation_data_delete(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_data *data;
    const char *id;
    CELLA_TRY(cella_operation_only(call, "data", &id));
    CELLA_TRY(cella_data_find(monitor, call, id, &data));
    if (!data->deleted) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes statement = { 0 };
        CELLA_CLEANUP(cella_json_cleanup)
        json_t *event = json_pack("{s:s, s:s}", "data", id, "by", call->party->entry.id);
        CELLA_TRY(event == NULL ? CELLA_NO_MEMORY : cella_operation_keep_request(monitor, event));
        CELLA_TRY(cella_statement_of_deletion(monitor, data, &statement));
        CELLA_TRY(cella_monitor_commit_statement(monitor, CELLA_EVENT_DATA_DELETED, event, cella_bytes_view(&statement)));
        cella_disposal_add(monitor->disposal, data);
        cella_monitor_log(monitor, "data deleted %s", data->entry.id);
    }
    return cella_data_answer(call, data);
}

/* {task, output}: an output as an input of the next task, owned by all its receivers; nothing leaves the executor. */
cella_status cella_operation_data_derive(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_json_object object;
    const struct cella_task_output *output;
    const char *task;
    const char *name;
    char id[CELLA_ID_SIZE];
    CELLA_TRY(cella_json_begin(call->args, "args", &call->error, &object));
    CELLA_TRY(cella_json_string(&object, "task", CELLA_ID_SIZE - 1, &task));
    CELLA_TRY(cella_json_string(&object, "output", CELLA_FILE_NAME_MAX, &name));
    CELLA_TRY(cella_json_end(&object));
    CELLA_TRY(cella_state_has_room(&monitor->state, &monitor->state.data, CELLA_DATA_MAX));
    CELLA_TRY(cella_object_find_output(monitor, call, task, name, &output));
    if (output->kept_key.size == 0) {
        return cella_operation_blame(call, "output", CELLA_BAD_STATE); /* padded: its size is not its own */
    }
    const struct cella_task_record *made_by = cella_state_task(&monitor->state, task);
    if (cella_sources_visit(&monitor->state, made_by, NULL, NULL) > CELLA_SOURCES_MAX) {
        return cella_operation_blame(call, "output", CELLA_TOO_MANY);
    }
    CELLA_TRY(cella_monitor_new_id("data-", id));
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *event = json_pack("{s:s, s:s, s:s, s:s}", "data", id, "task", task, "output", name, "by",
                              call->party->entry.id);
    CELLA_TRY(cella_monitor_commit(monitor, CELLA_EVENT_DATA_DERIVED, event));
    cella_monitor_log(monitor, "data derived %s", id);
    return cella_data_answer(call, cella_state_data(&monitor->state, id));
}
