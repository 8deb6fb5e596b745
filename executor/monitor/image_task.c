/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/image_noun.h"

#include <string.h>

CELLA_IMAGE_KNOWS(struct cella_logged, 32);
CELLA_IMAGE_KNOWS(struct cella_signed_request, 56);
CELLA_IMAGE_KNOWS(struct cella_participant, 128);
CELLA_IMAGE_KNOWS(struct cella_task_input, 24);
CELLA_IMAGE_KNOWS(struct cella_task_output, 136);
CELLA_IMAGE_KNOWS(struct cella_task_limits, 40);
CELLA_IMAGE_KNOWS(struct cella_isolation, 3);
CELLA_IMAGE_KNOWS(struct cella_usage, 40);
CELLA_IMAGE_KNOWS(struct cella_task_record, 1024);

static void participant_fields(struct cella_image *image, struct cella_task_record *task)
{
    uint64_t count = cella_image_number(image, task->participant_count);
    if (cella_image_is_reading(image)) {
        cella_image_note(image, count == 0 || count > CELLA_PARTICIPANTS_MAX ? CELLA_BAD_FORMAT : CELLA_OK);
        task->participants = cella_image_room(image, count, sizeof(task->participants[0]));
        task->participant_count = task->participants == NULL ? 0 : count;
    }
    for (size_t i = 0; i < task->participant_count; i++) {
        struct cella_participant *participant = &task->participants[i];
        CELLA_IMAGE_OWNER(image, CELLA_IMAGE_PARTY, struct cella_party, participant->party);
        CELLA_IMAGE_NUMBER(image, participant->approved);
        cella_image_request(image, &participant->approval);
        CELLA_IMAGE_NUMBER(image, participant->reads_result);
        CELLA_IMAGE_NUMBER(image, participant->reads_messages);
        cella_image_bytes(image, &participant->result);
        cella_image_bytes(image, &participant->messages);
    }
}

static void output_fields(struct cella_image *image, const struct cella_task_record *task, struct cella_task_output *output)
{
    CELLA_IMAGE_NUMBER(image, output->receivers);
    CELLA_IMAGE_NUMBER(image, output->fusion);
    cella_image_bytes(image, &output->kept_key);
    CELLA_IMAGE_TEXT(image, output->object);
    CELLA_IMAGE_FIXED(image, output->sha256);
    CELLA_IMAGE_NUMBER(image, output->size);
    bool stored = cella_image_number(image, output->keys != NULL) != 0;
    if (cella_image_is_reading(image) && stored) {
        output->keys = cella_image_room(image, task->participant_count, sizeof(output->keys[0]));
    }
    for (size_t i = 0; output->keys != NULL && i < task->participant_count; i++) {
        cella_image_bytes(image, &output->keys[i]);
    }
}

static void file_fields(struct cella_image *image, struct cella_task_record *task)
{
    const struct cella_spec *spec = &task->function->spec;
    if (cella_image_is_reading(image)) {
        task->inputs = cella_image_room(image, spec->input_count, sizeof(task->inputs[0]));
        task->outputs = cella_image_room(image, spec->output_count, sizeof(task->outputs[0]));
    }
    for (size_t i = 0; task->inputs != NULL && i < spec->input_count; i++) {
        if (cella_image_is_reading(image)) {
            task->inputs[i].file = &spec->inputs[i];
        }
        CELLA_IMAGE_NUMBER(image, task->inputs[i].owners);
        CELLA_IMAGE_REFERENCE(image, CELLA_IMAGE_DATA, struct cella_data, task->inputs[i].data);
    }
    for (size_t i = 0; task->outputs != NULL && i < spec->output_count; i++) {
        if (cella_image_is_reading(image)) {
            task->outputs[i].file = &spec->outputs[i];
        }
        output_fields(image, task, &task->outputs[i]);
    }
}

static void contract_fields(struct cella_image *image, struct cella_task_record *task)
{
    CELLA_IMAGE_NUMBER(image, task->limits.cpu_s);
    CELLA_IMAGE_NUMBER(image, task->limits.wall_s);
    CELLA_IMAGE_NUMBER(image, task->limits.memory_bytes);
    CELLA_IMAGE_NUMBER(image, task->limits.output_bytes);
    CELLA_IMAGE_NUMBER(image, task->limits.result_bytes);
    CELLA_IMAGE_NUMBER(image, task->limits.log_bytes);
    CELLA_IMAGE_NUMBER(image, task->limits.threads);
    CELLA_IMAGE_NUMBER(image, task->isolation.coarse_clock);
    CELLA_IMAGE_NUMBER(image, task->isolation.own_zygote);
    CELLA_IMAGE_NUMBER(image, task->isolation.padded);
    cella_image_bytes(image, &task->contract);
    CELLA_IMAGE_FIXED(image, task->contract_sha256);
    cella_image_json(image, &task->auditors);
    CELLA_IMAGE_NUMBER(image, task->priority);
    CELLA_IMAGE_NUMBER(image, task->attempts);
    CELLA_IMAGE_NUMBER(image, task->attempt);
    CELLA_IMAGE_NUMBER(image, task->discarded);
    CELLA_IMAGE_NUMBER(image, task->expires_s);
}

/* The last run: when it began, whose nonce it has, what was said about it. */
static void run_fields(struct cella_image *image, struct cella_task_record *task)
{
    struct cella_view nonce = cella_view_of(task->nonce, task->nonce_size);
    CELLA_IMAGE_NUMBER(image, task->started_s);
    cella_image_field(image, &nonce, sizeof(task->nonce));
    if (cella_image_is_reading(image) && nonce.size > 0) {
        memcpy(task->nonce, nonce.data, nonce.size);
        task->nonce_size = nonce.size;
    }
    cella_image_logged(image, &task->run_logged);
}

void cella_image_task_fields(struct cella_image *image, struct cella_entry *entry)
{
    struct cella_task_record *task = (struct cella_task_record *) entry;
    CELLA_IMAGE_OWNER(image, CELLA_IMAGE_PARTY, struct cella_party, task->creator);
    CELLA_IMAGE_OWNER(image, CELLA_IMAGE_FUNCTION, struct cella_function, task->function);
    CELLA_IMAGE_NUMBER(image, task->state);
    cella_image_note(image, task->state > CELLA_TASK_CANCELLED ? CELLA_BAD_FORMAT : CELLA_OK);
    CELLA_IMAGE_NUMBER(image, task->version);
    cella_image_json(image, &task->arguments);
    participant_fields(image, task);
    if (image->status != CELLA_OK) {
        return; /* perhaps without a function, whose files the next ones are */
    }
    file_fields(image, task);
    contract_fields(image, task);
    CELLA_IMAGE_NUMBER(image, task->error);
    CELLA_IMAGE_TEXT(image, task->error_detail);
    CELLA_IMAGE_TEXT(image, task->error_class);
    CELLA_IMAGE_NUMBER(image, task->error_line);
    CELLA_IMAGE_NUMBER(image, task->usage.cpu_us);
    CELLA_IMAGE_NUMBER(image, task->usage.wall_us);
    CELLA_IMAGE_NUMBER(image, task->usage.peak_kib);
    CELLA_IMAGE_NUMBER(image, task->usage.bytes_in);
    CELLA_IMAGE_NUMBER(image, task->usage.bytes_out);
    CELLA_IMAGE_NUMBER(image, task->has_usage);
    run_fields(image, task);
}
