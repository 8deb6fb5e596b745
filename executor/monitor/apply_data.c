/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/apply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "monitor/source.h"

static cella_status data_of(const struct cella_state *state, const json_t *body, struct cella_data **out)
{
    *out = cella_state_data(state, cella_apply_text(body, "data"));
    return *out == NULL ? CELLA_INTERNAL : CELLA_OK;
}

void cella_apply_free_data(struct cella_entry *entry)
{
    struct cella_data *data = (struct cella_data *) entry;
    cella_bytes_clear(&data->sealed_key);
    cella_bytes_clear(&data->associated_data);
    cella_bytes_clear(&data->deletion.statement);
    cella_bytes_clear(&data->deletion_request.text);
    for (size_t i = 0; data->policies != NULL && i < data->owner_count; i++) {
        json_decref(data->policies[i]);
    }
    free(data->policies);
    free(data->url);
    free(data->sources);
    free(data->owners);
    free(data);
}

static cella_status make_owners(struct cella_data *data, size_t count)
{
    data->owners = calloc(count, sizeof(data->owners[0]));
    data->policies = calloc(count, sizeof(data->policies[0]));
    return data->owners == NULL || data->policies == NULL ? CELLA_NO_MEMORY : CELLA_OK;
}

/* The URL of a body, NULL where it has none. */
static cella_status copy_url(const json_t *body, char **out)
{
    const char *url = cella_apply_text(body, "url");
    *out = url[0] == '\0' ? NULL : strdup(url);
    return url[0] != '\0' && *out == NULL ? CELLA_NO_MEMORY : CELLA_OK;
}

static cella_status fill_data(const struct cella_state *state, const json_t *body, struct cella_data *data)
{
    CELLA_TRY(cella_apply_copy_text(body, "data", data->entry.id, sizeof(data->entry.id)));
    CELLA_TRY(cella_apply_copy_text(body, "name", data->name, sizeof(data->name)));
    CELLA_TRY(cella_apply_copy_text(body, "object", data->object, sizeof(data->object)));
    CELLA_TRY(cella_apply_copy_fixed(body, "sha256", data->sha256, sizeof(data->sha256)));
    CELLA_TRY(cella_apply_copy_bytes(body, "sealed_key", &data->sealed_key));
    CELLA_TRY(cella_apply_copy_bytes(body, "associated_data", &data->associated_data));
    data->size = cella_apply_number(body, "size");
    const char *format = cella_apply_text(body, "format");
    if (format[0] != '\0') {
        CELLA_TRY(cella_data_format_of_name(format, &data->format));
    }
    data->segment_size = (uint32_t) cella_apply_number(body, "segment");
    CELLA_TRY(copy_url(body, &data->url));
    CELLA_TRY(make_owners(data, 1));
    data->owner_count = 1;
    CELLA_TRY(cella_apply_copy_json(body, "policy", &data->policies[0]));
    return cella_apply_party(state, body, "owner", &data->owners[0]);
}

static cella_status add_data(struct cella_state *state, struct cella_data *data, cella_status status)
{
    status = status == CELLA_OK ? cella_table_add(&state->data, &data->entry) : status;
    if (status != CELLA_OK) {
        cella_apply_free_data(&data->entry);
    }
    return status;
}

/* {data, owner, name, object, sha256, size, format? (absent: the sealed file), segment, sealed_key, associated_data, policy?, url?} */
cella_status cella_apply_data_registered(struct cella_state *state, const json_t *body)
{
    struct cella_data *data = calloc(1, sizeof(*data));
    if (data == NULL) {
        return CELLA_NO_MEMORY;
    }
    CELLA_TRY(add_data(state, data, fill_data(state, body, data)));
    state->bytes += data->url == NULL ? 0 : strlen(data->url);
    return CELLA_OK;
}

/* {data} */
cella_status cella_apply_data_stored(struct cella_state *state, const json_t *body)
{
    struct cella_data *data;
    CELLA_TRY(data_of(state, body, &data));
    data->stored = true;
    return CELLA_OK;
}

/* {data, by, url?}: the same bytes at another place; without a URL in the store */
cella_status cella_apply_data_moved(struct cella_state *state, const json_t *body)
{
    struct cella_data *data;
    char *url;
    CELLA_TRY(data_of(state, body, &data));
    CELLA_TRY(copy_url(body, &url));
    state->bytes += url == NULL ? 0 : strlen(url);
    state->bytes -= data->url == NULL ? 0 : strlen(data->url);
    free(data->url);
    data->url = url;
    return CELLA_OK;
}

/* {data, by, policy (object or null)}: the policy of this owner */
cella_status cella_apply_data_changed(struct cella_state *state, const json_t *body)
{
    struct cella_data *data;
    struct cella_party *by;
    json_t *policy;
    CELLA_TRY(data_of(state, body, &data));
    CELLA_TRY(cella_apply_party(state, body, "by", &by));
    int owner = cella_data_owner_index(data, by);
    if (owner < 0) {
        return CELLA_INTERNAL;
    }
    CELLA_TRY(cella_apply_copy_json(body, "policy", &policy));
    json_decref(data->policies[owner]);
    data->policies[owner] = policy;
    return CELLA_OK;
}

static struct cella_task_output *output_of(const struct cella_task_record *task, const char *name)
{
    for (size_t i = 0; i < task->function->spec.output_count; i++) {
        if (strcmp(task->outputs[i].file->name, name) == 0) {
            return &task->outputs[i];
        }
    }
    return NULL;
}

static struct cella_task_output *origin_of(const struct cella_data *data)
{
    return data->made_by == NULL ? NULL : output_of(data->made_by, data->name);
}

const struct cella_task_output *cella_data_origin(const struct cella_data *data)
{
    return origin_of(data);
}

/*
 * {data, by, request}: without its key the object can not be opened any more, wherever the host still has it; derived data are
 * not derived again
 */
cella_status cella_apply_data_deleted(struct cella_state *state, const json_t *body)
{
    struct cella_data *data;
    struct cella_party *by;
    CELLA_TRY(data_of(state, body, &data));
    CELLA_TRY(cella_apply_party(state, body, "by", &by));
    CELLA_TRY(cella_apply_request(state, body, by, &data->deletion_request));
    CELLA_TRY(cella_apply_logged(state, body, &data->deletion));
    struct cella_task_output *origin = origin_of(data);
    if (origin != NULL) {
        cella_bytes_clear(&origin->kept_key);
    }
    cella_bytes_clear(&data->sealed_key);
    state->bytes -= data->url == NULL ? 0 : strlen(data->url);
    free(data->url);
    data->url = NULL;
    data->deleted = true;
    data->stored = false;
    return CELLA_OK;
}

static cella_status fill_derived(struct cella_state *state, const struct cella_task_record *task, const struct cella_task_output *output,
                                 const json_t *body, struct cella_data *data)
{
    char label[CELLA_ASSOCIATED_DATA_MAX];
    CELLA_TRY(cella_apply_copy_text(body, "data", data->entry.id, sizeof(data->entry.id)));
    memcpy(data->name, output->file->name, strlen(output->file->name) + 1);
    memcpy(data->object, output->object, sizeof(data->object));
    memcpy(data->sha256, output->sha256, sizeof(data->sha256));
    data->size = output->size;
    data->segment_size = CELLA_SEALED_SEGMENT_1MB;
    data->kept = true;
    data->made_by = task;
    data->stored = true;
    (void) snprintf(label, sizeof(label), "cella output v1/%s/%s", task->entry.id, output->file->name);
    CELLA_TRY(cella_bytes_set(&data->associated_data, cella_view_of_string(label)));
    CELLA_TRY(cella_bytes_set(&data->sealed_key, cella_bytes_view(&output->kept_key)));
    CELLA_TRY(make_owners(data, task->participant_count));
    for (size_t i = 0; i < task->participant_count; i++) {
        if ((output->receivers >> i & 1) != 0) {
            data->owners[data->owner_count++] = task->participants[i].party;
        }
    }
    CELLA_TRY(cella_sources_fill(state, task, data));
    state->bytes += data->source_count * sizeof(struct cella_data *);
    return CELLA_OK;
}

/*
 * {data, task, output, by}: an output as data of all its receivers together; nothing is moved. What went into the task goes on
 * binding by its owners' policies as they are at any time.
 */
cella_status cella_apply_data_derived(struct cella_state *state, const json_t *body)
{
    const struct cella_task_record *task = cella_state_task(state, cella_apply_text(body, "task"));
    const struct cella_task_output *output =
        task == NULL ? NULL : output_of(task, cella_apply_text(body, "output"));
    if (output == NULL || output->kept_key.size == 0) {
        return CELLA_INTERNAL;
    }
    struct cella_data *data = calloc(1, sizeof(*data));
    if (data == NULL) {
        return CELLA_NO_MEMORY;
    }
    return add_data(state, data, fill_derived(state, task, output, body, data));
}
