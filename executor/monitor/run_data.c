/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/run.h"

#include <stdio.h>

#include "trust/data_format.h"

/* The message holds keys, so the room for it is taken once and wiped: nothing is left in freed memory. */
struct message {
    struct cella_bytes bytes;
};

static void clear_message(struct message *message)
{
    if (message->bytes.data != NULL) {
        cella_wipe(message->bytes.data, message->bytes.capacity);
    }
    cella_bytes_clear(&message->bytes);
}

static cella_status begin_message(struct message *message, enum cella_courier_kind kind, size_t count)
{
    CELLA_TRY(cella_bytes_reserve(&message->bytes, CELLA_COURIER_MESSAGE_MAX));
    CELLA_TRY(cella_write_u8(&message->bytes, (uint8_t) kind));
    return cella_write_u16(&message->bytes, (uint16_t) count);
}

static cella_status end_message(struct message *message, struct cella_secret *out)
{
    if (message->bytes.size > CELLA_COURIER_MESSAGE_MAX) {
        return CELLA_TOO_LARGE;
    }
    return cella_secret_set(out, cella_bytes_view(&message->bytes));
}

static cella_status write_input(const struct cella_monitor *monitor, const struct cella_task_input *input,
                                struct cella_bytes *out)
{
    const struct cella_data *data = input->data;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = { 0 };
    CELLA_TRY(cella_keyring_open_data_key(monitor->keyring, cella_data_key_owner(data), data->sha256,
                                          cella_bytes_view(&data->sealed_key), cella_data_format_key_size(data->format),
                                          &key));
    CELLA_TRY(cella_write_u8(out, data->url != NULL ? CELLA_COURIER_URL : CELLA_COURIER_OBJECT));
    CELLA_TRY(cella_write_field(out, cella_view_of_string(data->url != NULL ? data->url : data->object)));
    CELLA_TRY(cella_write_u64(out, data->size));
    CELLA_TRY(cella_write_u8(out, (uint8_t) data->format));
    CELLA_TRY(cella_write_u32(out, data->segment_size));
    CELLA_TRY(cella_bytes_append(out, cella_view_of(data->sha256, sizeof(data->sha256))));
    CELLA_TRY(cella_write_field(out, cella_secret_view(&key)));
    CELLA_TRY(cella_write_field(out, cella_bytes_view(&data->associated_data)));
    return cella_write_u8(out, input->file->stream ? CELLA_COURIER_STREAM : CELLA_COURIER_MEMORY);
}

cella_status cella_run_write_fetch(const struct cella_monitor *monitor, const struct cella_run *run,
                                   struct cella_secret *out)
{
    CELLA_CLEANUP(clear_message) struct message message = { 0 };
    const struct cella_task_record *task = run->task;
    CELLA_TRY(begin_message(&message, CELLA_COURIER_FETCH, cella_task_data_count(task)));
    for (size_t i = 0; i < task->function->spec.input_count; i++) {
        if (task->inputs[i].data != NULL) {
            CELLA_TRY(write_input(monitor, &task->inputs[i], &message.bytes));
        }
    }
    return end_message(&message, out);
}

cella_status cella_run_write_store(struct cella_run *run, struct cella_secret *out)
{
    CELLA_CLEANUP(clear_message) struct message message = { 0 };
    struct cella_task_record *task = run->task;
    CELLA_TRY(begin_message(&message, CELLA_COURIER_STORE, run->output_count));
    size_t place = 0;
    for (size_t i = 0; i < task->function->spec.output_count; i++) {
        char label[160];
        if (task->outputs[i].receivers == 0) {
            continue;
        }
        struct cella_secret *key = &run->output_keys[place++];
        CELLA_TRY(cella_keyring_output_object(cella_runner_monitor(run->runner)->keyring, task->entry.id, task->attempt,
                                              task->outputs[i].file->name, task->outputs[i].object));
        CELLA_TRY(cella_secret_random(key, CELLA_AES_KEY_SIZE));
        (void) snprintf(label, sizeof(label), "cella output v1/%s/%s", task->entry.id, task->outputs[i].file->name);
        CELLA_TRY(cella_write_field(&message.bytes, cella_view_of_string(task->outputs[i].object)));
        CELLA_TRY(cella_write_field(&message.bytes, cella_secret_view(key)));
        CELLA_TRY(cella_write_field(&message.bytes, cella_view_of_string(label)));
        CELLA_TRY(cella_write_u64(&message.bytes, task->limits.output_bytes));
        CELLA_TRY(cella_write_u8(&message.bytes, task->isolation.padded ? 1 : 0));
    }
    return end_message(&message, out);
}

uint64_t cella_run_bytes_in(const struct cella_run *run)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < run->task->function->spec.input_count; i++) {
        sum += run->task->inputs[i].data != NULL ? run->task->inputs[i].data->size : 0;
    }
    return sum;
}

bool cella_run_has_streams(const struct cella_run *run)
{
    for (size_t i = 0; i < run->task->function->spec.input_count; i++) {
        if (run->task->inputs[i].data != NULL && run->task->inputs[i].file->stream) {
            return true;
        }
    }
    return false;
}

bool cella_run_reads(const struct cella_run *run, const struct cella_data *data)
{
    for (size_t i = 0; i < run->task->function->spec.input_count; i++) {
        if (run->task->inputs[i].data == data) {
            return true;
        }
    }
    return false;
}

cella_status cella_run_plain_size(const struct cella_data *data, uint64_t *out)
{
    struct cella_sealed_layout layout;
    const struct cella_sealed_parameters *parameters =
        data->segment_size == CELLA_SEALED_SEGMENT_4KB ? &cella_sealed_4kb : &cella_sealed_1mb;
    CELLA_TRY(cella_sealed_layout_of_sealed(parameters, data->size, &layout));
    *out = layout.plain_size;
    return CELLA_OK;
}
