/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/run.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "monitor/cgroups.h"

#define STATUS_MAX 4096U /* of /proc/<pid>/status: the memory figures stand in its first kilobyte */

/* ---- usage ---- */

bool cella_run_cpu_us(const struct cella_run *run, uint64_t *out)
{
    clockid_t clock;
    struct timespec used;
    if (run->cell.pid <= 0 || clock_getcpuclockid(run->cell.pid, &clock) != 0 || clock_gettime(clock, &used) != 0) {
        return false;
    }
    *out = (uint64_t) used.tv_sec * 1000000 + (uint64_t) used.tv_nsec / 1000;
    return true;
}

/* The most memory that the process has had resident. A process that is ending has no such line any more. */
static bool read_peak(pid_t pid, uint64_t *out)
{
    char path[64];
    char text[STATUS_MAX + 1];
    (void) snprintf(path, sizeof(path), "/proc/%d/status", (int) pid);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return false;
    }
    ssize_t size = read(file, text, STATUS_MAX);
    (void) close(file);
    text[size < 0 ? 0 : size] = '\0';
    const char *line = strstr(text, "\nVmHWM:");
    if (line == NULL) {
        return false;
    }
    *out = strtoull(line + 7, NULL, 10);
    return *out > 0;
}

/* A control group knows better than the process: what the task took, without what the zygote had. */
static bool ask_group(struct cella_run *run, uint64_t *out_peak_kib)
{
    uint64_t cpu_us;
    uint64_t peak_bytes = 0;
    const struct cella_monitor *monitor = cella_runner_monitor(run->runner);
    cella_status status = cella_cgroups_usage(monitor->cgroups, run->cell.slot, &cpu_us, &peak_bytes, &run->oom);
    *out_peak_kib = peak_bytes / 1024;
    return status == CELLA_OK && peak_bytes > 0;
}

static uint64_t without_warming(const struct cella_run *run, uint64_t cpu_us)
{
    return cpu_us > run->cpu_before_us ? cpu_us - run->cpu_before_us : 0;
}

bool cella_run_measure(struct cella_run *run)
{
    uint64_t cpu_us;
    uint64_t peak_kib;
    if (!cella_run_cpu_us(run, &cpu_us) ||
        (!ask_group(run, &peak_kib) && !read_peak(run->cell.pid, &peak_kib))) {
        return false;
    }
    /* The number was the cell's all the time if the cell is not reaped even now. */
    if (syscall(SYS_pidfd_send_signal, run->cell.pidfd, 0, NULL, 0U) != 0) {
        return false;
    }
    run->cpu_us = without_warming(run, cpu_us);
    run->peak_kib = peak_kib;
    run->measured = true;
    return true;
}

static void measure_by_exit(struct cella_run *run)
{
    run->cpu_us = without_warming(run, run->exit.user_us + run->exit.system_us);
    if (!ask_group(run, &run->peak_kib)) {
        run->peak_kib = run->exit.peak_kib;
    }
    run->measured = true;
}

/* ---- words about limits: name, value, what was used. Every participant reads them: none is a text of the script ---- */

static const char *output_name(const struct cella_run *run, size_t index)
{
    const struct cella_task_record *task = run->task;
    for (size_t i = 0; i < task->function->spec.output_count; i++) {
        if (task->outputs[i].receivers != 0 && index-- == 0) {
            return task->outputs[i].file->name;
        }
    }
    return "";
}

/* Where the cell's message has this name in quotation marks; SIZE_MAX where it has not. */
static size_t find_quoted(struct cella_view message, const char *name)
{
    size_t size = strlen(name);
    for (size_t i = 0; i + size + 2 <= message.size; i++) {
        const uint8_t *at = message.data + i;
        if (at[0] == '\'' && at[size + 1] == '\'' && memcmp(at + 1, name, size) == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

/*
 * Which output reached its limit: the first that the cell's message quotes, else the largest. What the script may have
 * put there chooses among declared names at most.
 */
static size_t find_output(const struct cella_run *run)
{
    size_t found = 0;
    size_t first = SIZE_MAX;
    off_t most = -1;
    for (size_t i = 0; i < run->output_count; i++) {
        struct stat facts;
        size_t place = find_quoted(cella_secret_view(&run->error_message), output_name(run, i));
        bool larger = first == SIZE_MAX && fstat(run->outputs[i], &facts) == 0 && facts.st_size > most;
        if (place < first) {
            first = place;
            found = i;
        } else if (larger) {
            most = facts.st_size;
            found = i;
        }
    }
    return found;
}

static void name_output(struct cella_run *run)
{
    size_t index = find_output(run);
    unsigned long long limit = run->task->limits.output_bytes;
    struct stat facts;
    if (run->task->isolation.padded || fstat(run->outputs[index], &facts) != 0) {
        /* Exact sizes are what the contract keeps to itself. */
        (void) snprintf(run->detail, sizeof(run->detail), "limit output_bytes %llu; output %s was to have more", limit,
                        output_name(run, index));
    } else {
        (void) snprintf(run->detail, sizeof(run->detail),
                        "limit output_bytes %llu; output %s has %lld and was to have more", limit,
                        output_name(run, index), (long long) facts.st_size);
    }
}

static void name_cpu(struct cella_run *run)
{
    (void) snprintf(run->detail, sizeof(run->detail), "limit cpu_s %u; used %.1f s", run->task->limits.cpu_s,
                    (double) run->cpu_us / 1e6);
}

static void name_memory(struct cella_run *run)
{
    (void) snprintf(run->detail, sizeof(run->detail), "limit memory_bytes %llu; used at most %llu KiB",
                    (unsigned long long) run->task->limits.memory_bytes, (unsigned long long) run->peak_kib);
}

static bool could_not_start_thread(const struct cella_run *run)
{
    return cella_view_is(cella_bytes_view(&run->error_class), "RuntimeError") &&
           cella_view_is(cella_secret_view(&run->error_message), "can't start new thread");
}

static void name_limit(struct cella_run *run)
{
    if (run->error == CELLA_LIMIT_OUTPUT) {
        name_output(run);
    } else if (run->error == CELLA_LIMIT_MEMORY) {
        name_memory(run);
    } else if (run->error == CELLA_LIMIT_CPU) {
        name_cpu(run);
    } else if (run->error == CELLA_LIMIT_RESULT) {
        (void) snprintf(run->detail, sizeof(run->detail), "limit result_bytes %u; the result has more",
                        run->task->limits.result_bytes);
    } else if (run->error == CELLA_SCRIPT_FAILED && could_not_start_thread(run)) {
        (void) snprintf(run->detail, sizeof(run->detail), "limit threads %u",
                        run->task->isolation.coarse_clock ? 0 : run->task->limits.threads);
    }
}

/* ---- the verdict ---- */

static cella_status judge_signal(struct cella_run *run, int signal_number)
{
    uint64_t cpu_ms = (run->exit.user_us + run->exit.system_us) / 1000;
    if (signal_number == SIGSYS) {
        return CELLA_SANDBOX_VIOLATION;
    }
    if (signal_number == SIGKILL && run->oom) {
        name_memory(run);
        return CELLA_LIMIT_MEMORY;
    }
    /* The kernel's own limit, which stands behind the one that is watched. */
    if (signal_number == SIGXCPU || (signal_number == SIGKILL && cpu_ms >= run->task->limits.cpu_s * 1000ULL)) {
        name_cpu(run);
        return CELLA_LIMIT_CPU;
    }
    (void) snprintf(run->detail, sizeof(run->detail), "signal %d%s", signal_number,
                    signal_number == SIGKILL ? ", not from the executor: the machine may be out of memory" : "");
    return CELLA_CELL_DIED;
}

cella_status cella_run_verdict(struct cella_run *run)
{
    cella_run_read_rest(run); /* its last words may still be in the socket */
    if (!run->measured) {
        measure_by_exit(run);
    }
    if (run->failure != CELLA_OK) {
        return run->failure;
    }
    if (run->done) {
        return CELLA_OK;
    }
    if (run->refused) {
        name_limit(run);
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
