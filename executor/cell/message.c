/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/message.h"

#define TASK_VERSION 2

static cella_status write_inputs(const struct cella_task *task, struct cella_bytes *out)
{
    CELLA_TRY(cella_write_u16(out, (uint16_t) task->input_count));
    for (size_t i = 0; i < task->input_count; i++) {
        CELLA_TRY(cella_write_field(out, task->inputs[i].name));
        CELLA_TRY(cella_write_u8(out, (uint8_t) task->inputs[i].form));
        CELLA_TRY(cella_write_u64(out, task->inputs[i].size));
    }
    return CELLA_OK;
}

static cella_status write_outputs(const struct cella_task *task, struct cella_bytes *out)
{
    CELLA_TRY(cella_write_u16(out, (uint16_t) task->output_count));
    for (size_t i = 0; i < task->output_count; i++) {
        CELLA_TRY(cella_write_field(out, task->outputs[i]));
    }
    return CELLA_OK;
}

cella_status cella_task_write(const struct cella_task *task, struct cella_bytes *out)
{
    const struct cella_task_limits *limits = &task->limits;
    if (task->input_count > CELLA_TASK_FILES_MAX || task->output_count > CELLA_TASK_FILES_MAX) {
        return CELLA_TOO_LARGE;
    }
    CELLA_TRY(cella_write_u32(out, TASK_VERSION));
    CELLA_TRY(cella_write_u8(out, (uint8_t) task->kind));
    CELLA_TRY(cella_write_field(out, task->entry));
    CELLA_TRY(cella_write_field(out, task->source));
    CELLA_TRY(cella_write_field(out, task->arguments));
    CELLA_TRY(cella_write_u32(out, limits->cpu_s));
    CELLA_TRY(cella_write_u32(out, limits->wall_s));
    CELLA_TRY(cella_write_u64(out, limits->memory_bytes));
    CELLA_TRY(cella_write_u64(out, limits->output_bytes));
    CELLA_TRY(cella_write_u32(out, limits->result_bytes));
    CELLA_TRY(cella_write_u32(out, limits->log_bytes));
    CELLA_TRY(cella_write_u32(out, limits->threads));
    CELLA_TRY(cella_write_u8(out, (uint8_t) task->clock));
    CELLA_TRY(write_inputs(task, out));
    return write_outputs(task, out);
}

static cella_status read_count(struct cella_reader *reader, size_t *out)
{
    uint16_t count;
    CELLA_TRY(cella_read_u16(reader, &count));
    *out = count;
    return count <= CELLA_TASK_FILES_MAX ? CELLA_OK : CELLA_TOO_LARGE;
}

static cella_status read_inputs(struct cella_reader *reader, struct cella_task *out)
{
    CELLA_TRY(read_count(reader, &out->input_count));
    for (size_t i = 0; i < out->input_count; i++) {
        uint8_t form;
        CELLA_TRY(cella_read_field(reader, CELLA_FILE_NAME_MAX, &out->inputs[i].name));
        CELLA_TRY(cella_read_u8(reader, &form));
        CELLA_TRY(cella_read_u64(reader, &out->inputs[i].size));
        if (form > CELLA_INPUT_STREAM) {
            return CELLA_BAD_FORMAT;
        }
        out->inputs[i].form = (enum cella_input_form) form;
    }
    return CELLA_OK;
}

static cella_status read_outputs(struct cella_reader *reader, struct cella_task *out)
{
    CELLA_TRY(read_count(reader, &out->output_count));
    for (size_t i = 0; i < out->output_count; i++) {
        CELLA_TRY(cella_read_field(reader, CELLA_FILE_NAME_MAX, &out->outputs[i]));
    }
    return CELLA_OK;
}

cella_status cella_task_read(struct cella_view text, struct cella_task *out)
{
    struct cella_reader reader = cella_reader_of(text);
    struct cella_task task = { 0 };
    uint32_t version;
    uint8_t kind;
    uint8_t clock;
    CELLA_TRY(cella_read_u32(&reader, &version));
    CELLA_TRY(cella_read_u8(&reader, &kind));
    if (version != TASK_VERSION || (kind != CELLA_TASK_PYTHON && kind != CELLA_TASK_BUILTIN)) {
        return CELLA_BAD_FORMAT;
    }
    task.kind = (enum cella_task_kind) kind;
    CELLA_TRY(cella_read_field(&reader, CELLA_FILE_NAME_MAX, &task.entry));
    CELLA_TRY(cella_read_field(&reader, CELLA_TASK_SOURCE_MAX, &task.source));
    CELLA_TRY(cella_read_field(&reader, CELLA_TASK_ARGUMENTS_MAX, &task.arguments));
    CELLA_TRY(cella_read_u32(&reader, &task.limits.cpu_s));
    CELLA_TRY(cella_read_u32(&reader, &task.limits.wall_s));
    CELLA_TRY(cella_read_u64(&reader, &task.limits.memory_bytes));
    CELLA_TRY(cella_read_u64(&reader, &task.limits.output_bytes));
    CELLA_TRY(cella_read_u32(&reader, &task.limits.result_bytes));
    CELLA_TRY(cella_read_u32(&reader, &task.limits.log_bytes));
    CELLA_TRY(cella_read_u32(&reader, &task.limits.threads));
    CELLA_TRY(cella_read_u8(&reader, &clock));
    if (clock > CELLA_CLOCK_COARSE) {
        return CELLA_BAD_FORMAT;
    }
    task.clock = (enum cella_task_clock) clock;
    CELLA_TRY(read_inputs(&reader, &task));
    CELLA_TRY(read_outputs(&reader, &task));
    CELLA_TRY(cella_reader_end(&reader));
    *out = task;
    return CELLA_OK;
}
