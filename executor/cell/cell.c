/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/cell.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cell/interpreter.h"
#include "cell/policy.h"
#include "cell/report.h"

/* Address space that warming maps: part of the cell's own, not of the script's. */
#define WARMING_BYTES 4194304U

void cella_cell_log(struct cella_cell *cell, struct cella_view text)
{
    static const char note[] = "\n[the log's limit is reached: what follows is dropped]\n";
    if (!cell->talking || cell->log_cut) {
        return;
    }
    bool fits = text.size <= cell->log_left;
    struct cella_view shown = fits ? text : cella_view_of(text.data, (size_t) cell->log_left);
    cell->log_left -= shown.size;
    cell->log_cut = !fits;
    cella_status status = cella_report_log(CELLA_CELL_CONTROL_FD, shown);
    if (status == CELLA_OK && !fits) {
        status = cella_report_log(CELLA_CELL_CONTROL_FD, cella_view_of_string(note));
    }
    if (status != CELLA_OK) {
        _exit(1); /* nobody listens any more */
    }
}

/*
 * After the last word, until the monitor has looked at what this process used, and kills it. Other threads of the script
 * get nowhere: this one holds the interpreter.
 */
__attribute__((noreturn)) static void wait_for_the_end(void)
{
    struct pollfd socket = { .fd = CELLA_CELL_CONTROL_FD };
    while (poll(&socket, 1, -1) < 0) {
    }
    _exit(1); /* nobody listens any more */
}

__attribute__((noreturn)) static void fail(cella_status status, const char *message)
{
    struct cella_report_error error = { .status = status, .message = cella_view_of_string(message) };
    if (cella_report_failure(CELLA_CELL_CONTROL_FD, &error) != CELLA_OK) {
        _exit(1);
    }
    wait_for_the_end();
}

/* The script's own writing can not pass FSIZE; this holds even if it did. */
static cella_status check_outputs(const struct cella_received *received, char *message, size_t size)
{
    const struct cella_task *task = &received->task;
    for (size_t i = 0; i < task->output_count; i++) {
        struct stat facts;
        if (fstat(CELLA_CELL_OUTPUT_FD + (int) i, &facts) != 0) {
            snprintf(message, size, "output '%.*s' was closed by the script", (int) task->outputs[i].size,
                     (const char *) task->outputs[i].data);
            return CELLA_OUTPUT_MISSING;
        }
        if ((uint64_t) facts.st_size > task->limits.output_bytes) {
            snprintf(message, size, "output '%.*s' has %lld bytes; its limit is %llu",
                     (int) task->outputs[i].size, (const char *) task->outputs[i].data,
                     (long long) facts.st_size, (unsigned long long) task->limits.output_bytes);
            return CELLA_LIMIT_OUTPUT;
        }
    }
    return CELLA_OK;
}

/* DONE is sent here and nowhere else: after the function returned and everything it leaves behind was checked. */
static cella_status finish(struct cella_cell *cell, const struct cella_outcome *outcome)
{
    char message[256];
    if (outcome->status != CELLA_OK) {
        struct cella_report_error error = {
            .status = outcome->status,
            .line = outcome->line,
            .exception = cella_bytes_view(&outcome->exception),
            .message = cella_bytes_view(&outcome->message),
            .traceback = cella_bytes_view(&outcome->traceback),
        };
        if (error.traceback.size > cell->log_left) {
            error.traceback.size = (size_t) cell->log_left;
        }
        return cella_report_failure(CELLA_CELL_CONTROL_FD, &error);
    }
    uint32_t limit = cell->received.task.limits.result_bytes;
    if (outcome->result.size > limit) {
        snprintf(message, sizeof(message), "the result has %zu bytes; its limit is %u", outcome->result.size, limit);
        fail(CELLA_LIMIT_RESULT, message);
    }
    cella_status status = check_outputs(&cell->received, message, sizeof(message));
    if (status != CELLA_OK) {
        fail(status, message);
    }
    CELLA_TRY(cella_report_result(CELLA_CELL_CONTROL_FD, cella_bytes_view(&outcome->result)));
    return cella_report_done(CELLA_CELL_CONTROL_FD);
}

static void put_u32(uint8_t *place, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        place[i] = (uint8_t) (value >> (24 - 8 * i));
    }
}

/* Each page that a new process has of its own came by a fault. */
static cella_status tell_here(uint32_t layers)
{
    struct rusage used;
    uint8_t packet[9] = { CELLA_CELL_HERE };
    if (getrusage(RUSAGE_SELF, &used) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    put_u32(packet + 1, layers);
    put_u32(packet + 5, (uint32_t) (used.ru_minflt * sysconf(_SC_PAGESIZE) / 1024));
    ssize_t sent = sendto(CELLA_CELL_CONTROL_FD, packet, sizeof(packet), MSG_NOSIGNAL, NULL, 0);
    return sent == (ssize_t) sizeof(packet) ? CELLA_OK : CELLA_CLOSED;
}

void cella_cell_live(struct cella_cell *cell, int control, bool warm)
{
    uint32_t layers = 0;
    if (cella_box_cell(&cell->box, control, &layers) != CELLA_OK || cella_interpreter_begin(cell, warm) != CELLA_OK ||
        tell_here(layers) != CELLA_OK) {
        _exit(1);
    }
    cella_status status = cella_receive_task(CELLA_CELL_CONTROL_FD, &cell->received);
    if (status == CELLA_CLOSED) {
        _exit(0);
    }
    if (status != CELLA_OK) {
        fail(status, "the task's message or an input's descriptor is not acceptable");
    }
    const struct cella_task_limits *limits = &cell->received.task.limits;
    uint64_t address_space = cell->baseline + WARMING_BYTES + cell->received.inputs_bytes + limits->memory_bytes;
    if (cella_box_run(&cell->box, &cell->received.task, address_space) != CELLA_OK) {
        fail(CELLA_SYSTEM_FAILED, "the limits or the last layer of the box could not be set");
    }
    cell->log_left = limits->log_bytes;
    cell->talking = true;
    cell->guarded = true;
    struct cella_outcome outcome = { .status = CELLA_INTERNAL };
    status = cella_interpreter_run(cell, &outcome);
    if (status != CELLA_OK) {
        fail(status, "the runtime failed to report the function's outcome");
    }
    if (finish(cell, &outcome) != CELLA_OK) {
        _exit(1);
    }
    wait_for_the_end();
}
