/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/run.h"

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/packet.h"
#include "monitor/child.h"

#define CLASS_MAX 120U /* bytes of an exception's class name */
#define READ_BATCH 64
#define FIRST_ROOM 4096U
#define CPU_SLACK_MS 250U

/* ---- what the cell says ---- */

/* Append to a secret that grows by doubling; what does not fit under max gives CELLA_TOO_LARGE. */
static cella_status append(struct cella_secret *secret, size_t *used, struct cella_view more, size_t max)
{
    if (more.size > max - *used) {
        return CELLA_TOO_LARGE;
    }
    if (*used + more.size > secret->size) {
        CELLA_CLEANUP(cella_secret_clear) struct cella_secret grown = { 0 };
        size_t room = secret->size == 0 ? FIRST_ROOM : 2 * secret->size;
        while (room < *used + more.size) {
            room *= 2;
        }
        CELLA_TRY(cella_secret_resize(&grown, room));
        if (*used > 0) {
            memcpy(grown.data, secret->data, *used);
        }
        cella_secret_take(secret, &grown);
    }
    if (more.size > 0) {
        memcpy(secret->data + *used, more.data, more.size);
    }
    *used += more.size;
    return CELLA_OK;
}

/* Log text beyond the limit is dropped: a chatty script is not a failed one. */
static cella_status receive_log(struct cella_run *run, struct cella_view text)
{
    size_t room = run->task->limits.log_bytes - run->log_size;
    struct cella_view kept = cella_view_of(text.data, text.size < room ? text.size : room);
    return append(&run->log, &run->log_size, kept, run->task->limits.log_bytes);
}

static cella_status receive_progress(struct cella_run *run, struct cella_reader *reader)
{
    uint16_t fraction;
    CELLA_TRY(cella_read_u16(reader, &fraction));
    if (fraction > 10000 || reader->rest.size > CELLA_PROGRESS_TEXT_MAX) {
        return CELLA_BAD_FORMAT;
    }
    run->task->progress = fraction;
    CELLA_TRY(cella_bytes_set(&run->task->progress_text, reader->rest));
    run->task->version++;
    return CELLA_OK;
}

static bool may_come_from_cell(cella_status status)
{
    return status == CELLA_BAD_SCRIPT || status == CELLA_BAD_ARGUMENT || status == CELLA_LIMIT_MEMORY ||
           status == CELLA_LIMIT_OUTPUT || status == CELLA_LIMIT_RESULT || status == CELLA_LIMIT_CPU ||
           cella_status_row(status)->category == CELLA_CATEGORY_TASK;
}

/* The class name goes to every participant, so it may not carry text: letters, digits, dots, underscores. */
static cella_status set_class(struct cella_run *run, struct cella_view text)
{
    for (size_t i = 0; i < text.size && i < CLASS_MAX; i++) {
        uint8_t c = text.data[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                     c == '.';
        CELLA_TRY(cella_write_u8(&run->error_class, plain ? c : '?'));
    }
    return CELLA_OK;
}

static cella_status receive_error(struct cella_run *run, struct cella_reader *reader)
{
    uint32_t number;
    struct cella_view class_name;
    struct cella_view message;
    struct cella_view traceback;
    CELLA_TRY(cella_read_u32(reader, &number));
    CELLA_TRY(cella_read_u32(reader, &run->error_line));
    CELLA_TRY(cella_read_field(reader, CELLA_CELL_MESSAGE_MAX, &class_name));
    CELLA_TRY(cella_read_field(reader, CELLA_CELL_MESSAGE_MAX, &message));
    CELLA_TRY(cella_read_field(reader, CELLA_CELL_MESSAGE_MAX, &traceback));
    CELLA_TRY(cella_reader_end(reader));
    run->error = cella_status_from_number(number);
    if (!may_come_from_cell(run->error)) {
        return CELLA_BAD_FORMAT;
    }
    CELLA_TRY(set_class(run, class_name));
    CELLA_TRY(cella_secret_set(&run->error_message, message));
    CELLA_TRY(cella_secret_set(&run->traceback, traceback));
    run->refused = true;
    return CELLA_OK;
}

static cella_status receive_message(struct cella_run *run, struct cella_view message)
{
    struct cella_reader reader = cella_reader_of(message);
    uint8_t kind;
    CELLA_TRY(cella_read_u8(&reader, &kind));
    switch (kind) {
    case CELLA_CELL_LOG:
        return receive_log(run, reader.rest);
    case CELLA_CELL_PROGRESS:
        return receive_progress(run, &reader);
    case CELLA_CELL_RESULT:
        return append(&run->result, &run->result_size, reader.rest, run->task->limits.result_bytes);
    case CELLA_CELL_ERROR:
        return receive_error(run, &reader);
    case CELLA_CELL_DONE:
        run->done = true;
        return cella_reader_end(&reader);
    default:
        return CELLA_BAD_FORMAT;
    }
}

/* After its last word a cell is killed: whatever it still wants to do, its outputs are final. */
static void judge_message(struct cella_run *run, cella_status status)
{
    if (status == CELLA_TOO_LARGE) {
        char detail[CELLA_DETAIL_MAX];
        (void) snprintf(detail, sizeof(detail), "limit result_bytes %u", run->task->limits.result_bytes);
        cella_run_kill_cell(run, CELLA_LIMIT_RESULT, detail);
    } else if (status != CELLA_OK) {
        cella_run_kill_cell(run, CELLA_CELL_DIED, "its messages made no sense");
    } else if (run->done || run->refused) {
        (void) syscall(SYS_pidfd_send_signal, run->cell.pidfd, SIGKILL, NULL, 0U);
    }
}

/* Read what the cell has said; stops at its last word. */
static void read_messages(struct cella_run *run, int most)
{
    uint8_t buffer[CELLA_CELL_MESSAGE_MAX];
    int64_t version = run->task->version;
    for (int i = 0; i < most && !run->done && !run->refused && run->failure == CELLA_OK; i++) {
        struct cella_packet packet;
        cella_status status = cella_packet_receive(run->cell.socket, buffer, sizeof(buffer), &packet);
        if (status == CELLA_BUSY) {
            break;
        }
        if (status == CELLA_CLOSED || status == CELLA_SYSTEM_FAILED) {
            run->watcher.context = NULL; /* nothing more will come */
            break;
        }
        status = status == CELLA_OK ? receive_message(run, packet.message) : CELLA_BAD_FORMAT;
        cella_packet_close(&packet); /* a cell has no business sending descriptors */
        judge_message(run, status);
    }
    if (run->task->version != version) {
        cella_monitor_task_changed(cella_runner_monitor(run->runner), run->task);
    }
}

static void cell_readable(void *context, uint32_t events)
{
    struct cella_run *run = context;
    (void) events;
    read_messages(run, READ_BATCH);
    if (run->watcher.context == NULL || run->done || run->refused || run->failure != CELLA_OK) {
        cella_loop_unwatch(cella_runner_monitor(run->runner)->loop, &run->watcher);
    }
}

void cella_run_kill_cell(struct cella_run *run, cella_status reason, const char *detail)
{
    if (run->cell.pidfd < 0 || run->exited) {
        return;
    }
    if (run->failure == CELLA_OK && !run->done && !run->refused) {
        run->failure = reason;
        (void) snprintf(run->detail, sizeof(run->detail), "%s", detail);
    }
    (void) syscall(SYS_pidfd_send_signal, run->cell.pidfd, SIGKILL, NULL, 0U);
}

/* ---- starting ---- */

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

static void add_files(const struct cella_task_record *record, struct cella_task *out)
{
    const struct cella_spec *spec = &record->function->spec;
    for (size_t i = 0; i < spec->input_count; i++) {
        out->inputs[out->input_count++] = (struct cella_cell_input){
            .name = cella_view_of_string(spec->inputs[i].name),
            .form = record->inputs[i].data == NULL ? CELLA_INPUT_ABSENT : CELLA_INPUT_MEMORY,
        };
    }
    for (size_t i = 0; i < spec->output_count; i++) {
        if (record->outputs[i].receivers != 0) {
            out->outputs[out->output_count++] = cella_view_of_string(spec->outputs[i].name);
        }
    }
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
    };
    add_files(record, &task);
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
    cella_status status = cella_packet_send(run->cell.socket, cella_view_of(&kind, 1), descriptors, count);
    CELLA_TRY(status);
    /* The plaintext inputs now belong to the cell alone. */
    for (size_t i = 0; i < run->input_count; i++) {
        cella_child_close(&run->inputs[i]);
    }
    run->watcher.ready = cell_readable;
    run->watcher.context = run;
    return cella_loop_watch(monitor->loop, &run->watcher, run->cell.socket, EPOLLIN);
}

/* ---- the verdict ---- */

static cella_status judge_signal(struct cella_run *run, int signal_number)
{
    uint64_t cpu_ms = (run->exit.user_us + run->exit.system_us) / 1000;
    if (signal_number == SIGSYS) {
        return CELLA_SANDBOX_VIOLATION;
    }
    /* The kernel counts in ticks and ends a little early. */
    if (signal_number == SIGXCPU ||
        (signal_number == SIGKILL && cpu_ms + CPU_SLACK_MS >= run->task->limits.cpu_s * 1000ULL)) {
        (void) snprintf(run->detail, sizeof(run->detail), "limit cpu_s %u; used %.1f s", run->task->limits.cpu_s,
                        (double) cpu_ms / 1000.0);
        return CELLA_LIMIT_CPU;
    }
    (void) snprintf(run->detail, sizeof(run->detail), "signal %d", signal_number);
    return CELLA_CELL_DIED;
}

cella_status cella_run_verdict(struct cella_run *run)
{
    if (run->cell.socket >= 0 && run->failure == CELLA_OK) {
        read_messages(run, INT32_MAX); /* its last words may still be in the socket */
    }
    if (run->failure != CELLA_OK) {
        return run->failure;
    }
    if (run->done) {
        return CELLA_OK;
    }
    if (run->refused) {
        return run->error;
    }
    if (run->exit.zygote_died) {
        return CELLA_ZYGOTE_DIED;
    }
    if (WIFSIGNALED(run->exit.wait_status)) {
        return judge_signal(run, WTERMSIG(run->exit.wait_status));
    }
    (void) snprintf(run->detail, sizeof(run->detail), "it left with status %d", WEXITSTATUS(run->exit.wait_status));
    return CELLA_CELL_DIED;
}
