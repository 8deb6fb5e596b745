/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/data.h"

#include <string.h>

/* Objects: what the front may move for a party. */

cella_status cella_operation_object_upload(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_json_object object;
    const char *id;
    struct cella_data *data;
    CELLA_TRY(cella_json_begin(call->args, "args", &call->error, &object));
    CELLA_TRY(cella_json_string(&object, "data", CELLA_ID_SIZE - 1, &id));
    CELLA_TRY(cella_json_end(&object));
    CELLA_TRY(cella_data_find(monitor, call, id, &data));
    if (data->deleted) {
        return CELLA_DELETED;
    }
    if (data->stored) {
        return CELLA_EXISTS;
    }
    memcpy(call->object, data->object, sizeof(call->object));
    call->object_size = data->size;
    call->object_digest = cella_view_of(data->sha256, sizeof(data->sha256));
    call->uploading = data;
    return CELLA_OK;
}

cella_status cella_object_find_output(struct cella_monitor *monitor, struct cella_call *call, const char *id,
                                      const char *name, const struct cella_task_output **out)
{
    struct cella_task_record *task = cella_state_task(&monitor->state, id);
    if (task == NULL || cella_task_participant_index(task, call->party) < 0) {
        return CELLA_NOT_FOUND;
    }
    for (size_t i = 0; i < task->function->spec.output_count; i++) {
        const struct cella_task_output *output = &task->outputs[i];
        if (strcmp(output->file->name, name) != 0) {
            continue;
        }
        CELLA_TRY(cella_operation_may(call, cella_right_to_output(call->party, task, output)));
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
        CELLA_TRY(cella_data_find(monitor, call, data_id, &data));
        memcpy(call->object, data->object, sizeof(call->object));
        call->object_size = data->size;
        if (data->kept) {
            return CELLA_DENIED; /* its owners have what they received; of a fusion output nobody has the key */
        }
        return data->stored ? CELLA_OK : CELLA_BAD_STATE;
    }
    const struct cella_task_output *output;
    CELLA_TRY(cella_object_find_output(monitor, call, task_id, name, &output));
    if (output->fusion) {
        return CELLA_DENIED;
    }
    memcpy(call->object, output->object, sizeof(call->object));
    call->object_size = output->size;
    return CELLA_OK;
}
