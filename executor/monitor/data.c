/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/operation.h"

#include <string.h>

#include "trust/sealed_file.h"

static const char default_associated_data[] = "cella input v1";

static json_t *data_json(const struct cella_data *data)
{
    return json_pack("{s:s, s:s, s:[s], s:o, s:I, s:b}", "data", data->entry.id, "name", data->name, "owners",
                     data->owner->entry.id, "sha256",
                     cella_json_hex(cella_view_of(data->sha256, sizeof(data->sha256))), "size",
                     (json_int_t) data->size, "stored", (int) data->stored);
}

/* Data of this party, or NOT_FOUND: who owns nothing of it learns nothing of it. */
static cella_status find_own(struct cella_monitor *monitor, struct cella_call *call, const char *id,
                             struct cella_data **out)
{
    struct cella_data *data = cella_state_data(&monitor->state, id);
    if (data == NULL || data->owner != call->party) {
        return CELLA_NOT_FOUND;
    }
    *out = data;
    return CELLA_OK;
}

struct registration {
    const char *name;
    uint8_t sha256[CELLA_SHA256_SIZE];
    int64_t size;
    uint32_t segment_size;
    struct cella_bytes sealed_key;
    struct cella_bytes associated_data;
};

static void clear_registration(struct registration *registration)
{
    cella_bytes_clear(&registration->sealed_key);
    cella_bytes_clear(&registration->associated_data);
}

static cella_status blame(struct cella_call *call, const char *field, cella_status status)
{
    (void) snprintf(call->error.field, sizeof(call->error.field), "args.%s", field);
    return status;
}

static cella_status read_registration(struct cella_call *call, struct registration *out)
{
    struct cella_json_object object;
    const char *sha256;
    const char *segment;
    CELLA_TRY(cella_json_begin(call->args, "args", &call->error, &object));
    CELLA_TRY(cella_json_string(&object, "name", CELLA_PARTY_NAME_MAX, &out->name));
    CELLA_TRY(cella_json_string(&object, "sha256", 2 * CELLA_SHA256_SIZE, &sha256));
    CELLA_TRY(cella_json_integer(&object, "size", 1, (int64_t) CELLA_SEALED_FILE_MAX, &out->size));
    CELLA_TRY(cella_json_string(&object, "segment", 3, &segment));
    CELLA_TRY(cella_json_bytes(&object, "sealed_key", CELLA_SEALED_KEY_SIZE + CELLA_HPKE_OVERHEAD,
                               &out->sealed_key));
    if (json_object_get(call->args, "associated_data") != NULL) {
        CELLA_TRY(cella_json_bytes(&object, "associated_data", CELLA_ASSOCIATED_DATA_MAX, &out->associated_data));
    } else {
        CELLA_TRY(cella_bytes_set(&out->associated_data, cella_view_of_string(default_associated_data)));
    }
    CELLA_TRY(cella_json_end(&object));
    if (strspn(sha256, "0123456789abcdef") != 2 * CELLA_SHA256_SIZE ||
        cella_hex_decode(cella_view_of_string(sha256), out->sha256, sizeof(out->sha256)) != CELLA_OK) {
        return blame(call, "sha256", CELLA_BAD_FIELD);
    }
    bool large = strcmp(segment, "1MB") == 0;
    if (!large && strcmp(segment, "4KB") != 0) {
        return blame(call, "segment", CELLA_BAD_FIELD);
    }
    out->segment_size = large ? CELLA_SEALED_SEGMENT_1MB : CELLA_SEALED_SEGMENT_4KB;
    return CELLA_OK;
}

/* A file that could never be opened is refused now, not when everybody has approved. */
static cella_status check_registration(const struct cella_monitor *monitor, struct cella_call *call,
                                       const struct registration *registration)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = { 0 };
    struct cella_sealed_layout layout;
    const struct cella_sealed_parameters *parameters =
        registration->segment_size == CELLA_SEALED_SEGMENT_1MB ? &cella_sealed_1mb : &cella_sealed_4kb;
    if (cella_sealed_layout_of_sealed(parameters, (uint64_t) registration->size, &layout) != CELLA_OK) {
        return blame(call, "size", CELLA_BAD_FIELD);
    }
    cella_status status =
        cella_keyring_open_data_key(monitor->keyring, call->party->entry.id, registration->sha256,
                                    cella_bytes_view(&registration->sealed_key), &key);
    return status == CELLA_OK ? CELLA_OK : blame(call, "sealed_key", status);
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
    CELLA_TRY(cella_monitor_commit(monitor, CELLA_EVENT_DATA_REGISTERED, event));
    cella_monitor_log(monitor, "data registered %s", id);
    call->reply = json_pack("{s:s}", "data", id);
    return CELLA_OK;
}

cella_status cella_operation_data_get(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_json_object object;
    const char *id;
    struct cella_data *data;
    CELLA_TRY(cella_json_begin(call->args, "args", &call->error, &object));
    CELLA_TRY(cella_json_string(&object, "data", CELLA_ID_SIZE - 1, &id));
    CELLA_TRY(cella_json_end(&object));
    CELLA_TRY(find_own(monitor, call, id, &data));
    call->reply = data_json(data);
    return CELLA_OK;
}

cella_status cella_operation_data_list(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_page page;
    CELLA_TRY(cella_operation_page(&monitor->state.data, call, &page));
    json_t *list = json_array();
    for (; page.next != NULL && page.room > 0; page.next = page.next->next) {
        const struct cella_data *data = (const struct cella_data *) page.next;
        if (data->owner == call->party) {
            (void) json_array_append_new(list, data_json(data));
            page.room--;
        }
    }
    return cella_operation_page_end(&page, call, "data", list);
}

/* ---- objects: what the front may move for this party ---- */

cella_status cella_operation_object_upload(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_json_object object;
    const char *id;
    struct cella_data *data;
    CELLA_TRY(cella_json_begin(call->args, "args", &call->error, &object));
    CELLA_TRY(cella_json_string(&object, "data", CELLA_ID_SIZE - 1, &id));
    CELLA_TRY(cella_json_end(&object));
    CELLA_TRY(find_own(monitor, call, id, &data));
    if (data->stored) {
        return CELLA_EXISTS;
    }
    memcpy(call->object, data->object, sizeof(call->object));
    call->object_size = data->size;
    call->object_digest = cella_view_of(data->sha256, sizeof(data->sha256));
    call->uploading = data;
    return CELLA_OK;
}

static cella_status find_output(struct cella_monitor *monitor, struct cella_call *call, const char *id,
                                const char *name, const struct cella_task_output **out)
{
    struct cella_task_record *task = cella_state_task(&monitor->state, id);
    int index = task == NULL ? -1 : cella_task_participant_index(task, call->party);
    if (index < 0) {
        return CELLA_NOT_FOUND;
    }
    for (size_t i = 0; i < task->function->spec.output_count; i++) {
        const struct cella_task_output *output = &task->outputs[i];
        if (strcmp(output->file->name, name) != 0) {
            continue;
        }
        if ((output->receivers >> index & 1) == 0) {
            return CELLA_DENIED;
        }
        *out = output;
        return task->state == CELLA_TASK_FINISHED ? CELLA_OK : CELLA_BAD_STATE;
    }
    return CELLA_NOT_FOUND;
}

cella_status cella_operation_object_download(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_json_object object;
    const char *data_id = NULL;
    const char *task_id = NULL;
    const char *name = NULL;
    CELLA_TRY(cella_json_begin(call->args, "args", &call->error, &object));
    CELLA_TRY(cella_json_string_optional(&object, "data", CELLA_ID_SIZE - 1, &data_id));
    if (data_id == NULL) {
        CELLA_TRY(cella_json_string(&object, "task", CELLA_ID_SIZE - 1, &task_id));
        CELLA_TRY(cella_json_string(&object, "output", CELLA_FILE_NAME_MAX, &name));
    }
    CELLA_TRY(cella_json_end(&object));
    if (data_id != NULL) {
        struct cella_data *data;
        CELLA_TRY(find_own(monitor, call, data_id, &data));
        memcpy(call->object, data->object, sizeof(call->object));
        call->object_size = data->size;
        return data->stored ? CELLA_OK : CELLA_BAD_STATE;
    }
    const struct cella_task_output *output;
    CELLA_TRY(find_output(monitor, call, task_id, name, &output));
    memcpy(call->object, output->object, sizeof(call->object));
    call->object_size = output->size;
    return CELLA_OK;
}
