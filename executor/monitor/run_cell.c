/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/run.h"

#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/packet.h"

#define CLASS_MAX 120U /* bytes of an exception's class name */
#define READ_BATCH 64
#define FIRST_ROOM 4096U
#define CANCEL_GRACE_MS 2000U
#define MESSAGE_ROOM 4096U /* bytes of an exception's text, however small the log */
#define CPU_CHECK_MIN_MS 2U

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

/* Log text beyond the limit is dropped, and the log says so: a chatty script is not a failed one. */
static cella_status receive_log(struct cella_run *run, struct cella_view text)
{
    size_t room = run->task->limits.log_bytes - run->log_size;
    struct cella_view kept = cella_view_of(text.data, text.size < room ? text.size : room);
    run->log_cut = run->log_cut || kept.size < text.size;
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

/* What our code in a cell says of a script. Everything else about its end is the monitor's to find out. */
static bool may_come_from_cell(cella_status status)
{
    static const cella_status sayings[] = {
        CELLA_BAD_SCRIPT,   CELLA_BAD_ARGUMENT, CELLA_LIMIT_MEMORY,   CELLA_LIMIT_OUTPUT,   CELLA_LIMIT_RESULT,
        CELLA_SCRIPT_FAILED, CELLA_BAD_RESULT,  CELLA_OUTPUT_MISSING, CELLA_BUILTIN_FAILED, CELLA_CANCELLED,
    };
    for (size_t i = 0; i < sizeof(sayings) / sizeof(sayings[0]); i++) {
        if (sayings[i] == status) {
            return true;
        }
    }
    return false;
}

/* A cell keeps its texts within the limit of the log, and so must one that is not ours any more. */
static struct cella_view cut(struct cella_view text, size_t room)
{
    return cella_view_of(text.data, text.size < room ? text.size : room);
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
    if (cella_read_field(reader, CELLA_CELL_MESSAGE_MAX, &class_name) != CELLA_OK ||
        cella_read_field(reader, CELLA_CELL_MESSAGE_MAX, &message) != CELLA_OK ||
        cella_read_field(reader, CELLA_CELL_MESSAGE_MAX, &traceback) != CELLA_OK ||
        cella_reader_end(reader) != CELLA_OK) {
        return CELLA_BAD_FORMAT;
    }
    run->error = cella_status_from_number(number);
    if (!may_come_from_cell(run->error)) {
        return CELLA_BAD_FORMAT;
    }
    /* Only the monitor cancels: a script that says it was cancelled has raised an exception like any other. */
    run->error = run->error == CELLA_CANCELLED ? CELLA_SCRIPT_FAILED : run->error;
    CELLA_TRY(set_class(run, class_name));
    size_t room = run->task->limits.log_bytes;
    CELLA_TRY(cella_secret_set(&run->error_message, cut(message, room < MESSAGE_ROOM ? MESSAGE_ROOM : room)));
    CELLA_TRY(cella_secret_set(&run->traceback, cut(traceback, room)));
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
        CELLA_TRY(cella_reader_end(&reader));
        run->done = true;
        return CELLA_OK;
    default:
        return CELLA_BAD_FORMAT;
    }
}

static void signal_cell(const struct cella_run *run, int number)
{
    (void) syscall(SYS_pidfd_send_signal, run->cell.pidfd, number, NULL, 0U);
}

/* After its last word a cell is measured and killed: once it has ended, its outputs are final. */
static void judge_message(struct cella_run *run, cella_status status)
{
    if (status == CELLA_TOO_LARGE) {
        char detail[CELLA_DETAIL_MAX];
        (void) snprintf(detail, sizeof(detail), "limit result_bytes %u; the result has more",
                        run->task->limits.result_bytes);
        run->broken = true;
        cella_run_kill_cell(run, CELLA_LIMIT_RESULT, detail);
    } else if (status != CELLA_OK) {
        run->broken = true;
        cella_run_kill_cell(run, CELLA_CELL_DIED, "its messages made no sense");
    } else if (cella_run_has_spoken(run) && !run->exited) {
        (void) cella_run_measure(run);
        signal_cell(run, SIGKILL);
    }
}

/* Read what the cell has said; stops at its last word. */
static void read_messages(struct cella_run *run, int most)
{
    uint8_t buffer[CELLA_CELL_MESSAGE_MAX];
    int64_t version = run->task->version;
    for (int i = 0; i < most && !cella_run_has_spoken(run) && !run->broken; i++) {
        struct cella_packet packet;
        cella_status status = cella_packet_receive(run->cell.socket, buffer, sizeof(buffer), &packet);
        if (status == CELLA_BUSY) {
            break;
        }
        if (status == CELLA_CLOSED || status == CELLA_SYSTEM_FAILED) {
            run->silent = true;
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

void cella_run_read_rest(struct cella_run *run)
{
    if (run->cell.socket >= 0) {
        read_messages(run, INT32_MAX);
    }
}

static void cell_readable(void *context, uint32_t events)
{
    struct cella_run *run = context;
    (void) events;
    read_messages(run, READ_BATCH);
    if (run->silent || run->broken || cella_run_has_spoken(run)) {
        cella_loop_unwatch(cella_runner_monitor(run->runner)->loop, &run->watcher);
        cella_run_settle(run);
    }
}

/* ---- its processor time ---- */

/*
 * The kernel's own limit counts in ticks, which a script can work around, and which are far off on a busy machine. So the
 * clock of the process is read when the limit could be reached at the earliest, and again when it was not.
 */
static void look_later(struct cella_run *run, uint64_t left_us)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t most = (uint64_t) run->task->limits.threads + 1;
    uint64_t at_once = processors > 0 && (uint64_t) processors < most ? (uint64_t) processors : most;
    uint64_t wait_ms = left_us / 1000 / at_once;
    cella_loop_set_timer(cella_runner_monitor(run->runner)->loop, &run->cpu_check,
                         wait_ms < CPU_CHECK_MIN_MS ? CPU_CHECK_MIN_MS : wait_ms);
}

static void look_at_cpu(void *context)
{
    struct cella_run *run = context;
    uint64_t limit_us = (uint64_t) run->task->limits.cpu_s * 1000000;
    uint64_t used_us = 0;
    if (!cella_run_awaits_cell(run) || !cella_run_cpu_us(run, &used_us)) {
        return;
    }
    used_us = used_us > run->cpu_before_us ? used_us - run->cpu_before_us : 0;
    if (used_us >= limit_us) {
        char detail[CELLA_DETAIL_MAX];
        (void) cella_run_measure(run);
        (void) snprintf(detail, sizeof(detail), "limit cpu_s %u; used %.1f s", run->task->limits.cpu_s,
                        (double) used_us / 1e6);
        cella_run_kill_cell(run, CELLA_LIMIT_CPU, detail);
        return;
    }
    look_later(run, limit_us - used_us);
}

/* ---- listening ---- */

cella_status cella_run_listen(struct cella_monitor *monitor, struct cella_run *run)
{
    run->watcher.ready = cell_readable;
    run->watcher.context = run;
    run->cpu_check.expired = look_at_cpu;
    run->cpu_check.context = run;
    look_later(run, (uint64_t) run->task->limits.cpu_s * 1000000);
    return cella_loop_watch(monitor->loop, &run->watcher, run->cell.socket, EPOLLIN);
}

bool cella_run_has_spoken(const struct cella_run *run)
{
    return run->done || run->refused;
}

bool cella_run_awaits_cell(const struct cella_run *run)
{
    return run->stage == CELLA_RUN_CELL && !run->exited && !(cella_run_has_spoken(run) && run->measured);
}

/* ---- its end ---- */

void cella_run_kill_cell(struct cella_run *run, cella_status reason, const char *detail)
{
    if (run->cell.pidfd < 0 || run->exited) {
        return;
    }
    if (run->failure == CELLA_OK && !cella_run_has_spoken(run)) {
        run->failure = reason;
        (void) snprintf(run->detail, sizeof(run->detail), "%s", detail);
    }
    signal_cell(run, SIGKILL);
}

static void grace_passed(void *context)
{
    const struct cella_run *run = context;
    signal_cell(run, SIGKILL);
}

void cella_run_cancel_cell(struct cella_run *run)
{
    if (run->cancelled) {
        signal_cell(run, SIGKILL);
        return;
    }
    run->cancelled = true;
    run->grace.expired = grace_passed;
    run->grace.context = run;
    cella_loop_set_timer(cella_runner_monitor(run->runner)->loop, &run->grace, CANCEL_GRACE_MS);
    signal_cell(run, SIGTERM);
}
