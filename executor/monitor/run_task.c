/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/run.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/packet.h"
#include "monitor/cgroups.h"
#include "monitor/child.h"

/* A private function's package is opened for this run only, and must still have its hash. */
static cella_status open_source(const struct cella_monitor *monitor, const struct cella_function *function,
                                struct cella_secret *out)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret package = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes source = { 0 };
    uint8_t sha256[CELLA_SHA256_SIZE];
    if (function->spec.kind == CELLA_TASK_BUILTIN) {
        return CELLA_OK;
    }
    if (function->sealed) {
        CELLA_TRY(cella_keyring_open(monitor->keyring, "package",
                                     cella_view_of_string(function->owner->entry.id),
                                     cella_bytes_view(&function->package), &package));
    } else {
        CELLA_TRY(cella_secret_set(&package, cella_bytes_view(&function->package)));
    }
    CELLA_TRY(cella_sha256(cella_secret_view(&package), sha256));
    if (memcmp(sha256, function->sha256, sizeof(sha256)) != 0) {
        return CELLA_BAD_DIGEST;
    }
    CELLA_TRY(cella_spec_source(cella_secret_view(&package), &source));
    cella_status status = cella_secret_set(out, cella_bytes_view(&source));
    cella_wipe(source.data, source.size);
    return status;
}

static cella_status add_input(const struct cella_task_input *input, struct cella_cell_input *out)
{
    *out = (struct cella_cell_input){ .name = cella_view_of_string(input->file->name), .form = CELLA_INPUT_ABSENT };
    if (input->data == NULL) {
        return CELLA_OK;
    }
    out->form = input->file->stream ? CELLA_INPUT_STREAM : CELLA_INPUT_MEMORY;
    return input->file->stream ? cella_run_plain_size(input->data, &out->size) : CELLA_OK;
}

static cella_status add_files(const struct cella_task_record *record, struct cella_task *out)
{
    const struct cella_spec *spec = &record->function->spec;
    for (size_t i = 0; i < spec->input_count; i++) {
        CELLA_TRY(add_input(&record->inputs[i], &out->inputs[out->input_count++]));
    }
    for (size_t i = 0; i < spec->output_count; i++) {
        if (record->outputs[i].receivers != 0) {
            out->outputs[out->output_count++] = cella_view_of_string(spec->outputs[i].name);
        }
    }
    return CELLA_OK;
}

static cella_status write_task(const struct cella_monitor *monitor, const struct cella_run *run,
                               struct cella_bytes *out)
{
    const struct cella_task_record *record = run->task;
    const struct cella_spec *spec = &record->function->spec;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret source = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes arguments = { 0 };
    CELLA_TRY(open_source(monitor, record->function, &source));
    CELLA_TRY(cella_json_write(record->arguments, &arguments));
    struct cella_task task = {
        .kind = spec->kind,
        .entry = cella_view_of_string(spec->entry),
        .source = cella_secret_view(&source),
        .arguments = cella_bytes_view(&arguments),
        .limits = record->limits,
        .clock = record->isolation.coarse_clock ? CELLA_CLOCK_COARSE : CELLA_CLOCK_FINE,
    };
    if (task.clock == CELLA_CLOCK_COARSE) {
        task.limits.threads = 0; /* a thread that counts is a fine clock */
    }
    CELLA_TRY(add_files(record, &task));
    CELLA_TRY(cella_bytes_reserve(out, source.size + arguments.size + 8192));
    return cella_task_write(&task, out);
}

static cella_status make_task_file(const struct cella_monitor *monitor, const struct cella_run *run, int *out)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    CELLA_TRY(write_task(monitor, run, &text));
    *out = memfd_create("task", MFD_CLOEXEC);
    ssize_t written = *out < 0 ? -1 : write(*out, text.data, text.size);
    bool whole = written >= 0 && (size_t) written == text.size;
    cella_wipe(text.data, text.size);
    return whole && lseek(*out, 0, SEEK_SET) == 0 ? CELLA_OK : CELLA_SYSTEM_FAILED;
}

static cella_status make_outputs(struct cella_run *run)
{
    if (run->output_count > 0) {
        return CELLA_OK; /* an earlier cell was dead before it could touch them */
    }
    for (size_t i = 0; i < run->task->function->spec.output_count; i++) {
        if (run->task->outputs[i].receivers == 0) {
            continue;
        }
        int descriptor = memfd_create("output", MFD_CLOEXEC);
        if (descriptor < 0) {
            return CELLA_SYSTEM_FAILED;
        }
        run->outputs[run->output_count++] = descriptor;
    }
    return CELLA_OK;
}

/* Outputs are memory files that the cell fills, so they count; each has a limit of its own. */
static cella_status limit_group(const struct cella_monitor *monitor, const struct cella_run *run)
{
    const struct cella_task_limits *limits = &run->task->limits;
    uint32_t threads = run->task->isolation.coarse_clock ? 0 : limits->threads;
    return cella_cgroups_limit(monitor->cgroups, run->cell.slot,
                               limits->memory_bytes + run->output_count * limits->output_bytes, threads);
}

cella_status cella_run_start_cell(struct cella_monitor *monitor, struct cella_run *run)
{
    int descriptors[1 + 2 * CELLA_TASK_FILES_MAX];
    size_t count = 1;
    CELLA_TRY(make_outputs(run));
    CELLA_CLEANUP(cella_child_close) int task_file = -1;
    CELLA_TRY(make_task_file(monitor, run, &task_file));
    descriptors[0] = task_file;
    for (size_t i = 0; i < run->input_count; i++) {
        descriptors[count++] = run->inputs[i];
    }
    for (size_t i = 0; i < run->output_count; i++) {
        descriptors[count++] = run->outputs[i];
    }
    const uint8_t kind = CELLA_CELL_TASK;
    CELLA_TRY(limit_group(monitor, run));
    /* Warming up is not the task's. */
    run->cpu_before_us = 0;
    (void) cella_run_cpu_us(run, &run->cpu_before_us);
    CELLA_TRY(cella_packet_send(run->cell.socket, cella_view_of(&kind, 1), descriptors, count));
    /* The plaintext inputs now belong to the cell alone. */
    for (size_t i = 0; i < run->input_count; i++) {
        cella_child_close(&run->inputs[i]);
    }
    return cella_run_listen(monitor, run);
}
