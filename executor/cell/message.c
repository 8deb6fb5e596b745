/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/message.h"

#define TASK_VERSION 1

static cella_status write_files(const struct cella_task_file *files, size_t count, bool with_present,
                                struct cella_bytes *out)
{
    if (count > CELLA_TASK_FILES_MAX) {
        return CELLA_TOO_LARGE;
    }
    CELLA_TRY(cella_write_u16(out, (uint16_t) count));
    for (size_t i = 0; i < count; i++) {
        CELLA_TRY(cella_write_field(out, files[i].name));
        if (with_present) {
            CELLA_TRY(cella_write_u8(out, files[i].present ? 1 : 0));
        }
    }
    return CELLA_OK;
}

cella_status cella_task_write(const struct cella_task *task, struct cella_bytes *out)
{
    const struct cella_task_limits *limits = &task->limits;
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
    CELLA_TRY(write_files(task->inputs, task->input_count, true, out));
    return write_files(task->outputs, task->output_count, false, out);
}

static cella_status read_files(struct cella_reader *reader, bool with_present, struct cella_task_file *files,
                               size_t *count)
{
    uint16_t number;
    CELLA_TRY(cella_read_u16(reader, &number));
    if (number > CELLA_TASK_FILES_MAX) {
        return CELLA_TOO_LARGE;
    }
    for (size_t i = 0; i < number; i++) {
        uint8_t present = 1;
        CELLA_TRY(cella_read_field(reader, CELLA_FILE_NAME_MAX, &files[i].name));
        if (with_present) {
            CELLA_TRY(cella_read_u8(reader, &present));
        }
        if (present > 1) {
            return CELLA_BAD_FORMAT;
        }
        files[i].present = present == 1;
    }
    *count = number;
    return CELLA_OK;
}

cella_status cella_task_read(struct cella_view text, struct cella_task *out)
{
    struct cella_reader reader = cella_reader_of(text);
    struct cella_task task = { 0 };
    uint32_t version;
    uint8_t kind;
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
    CELLA_TRY(read_files(&reader, true, task.inputs, &task.input_count));
    CELLA_TRY(read_files(&reader, false, task.outputs, &task.output_count));
    CELLA_TRY(cella_reader_end(&reader));
    *out = task;
    return CELLA_OK;
}
