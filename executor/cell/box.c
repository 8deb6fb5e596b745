/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/box.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/layers.h"
#include "cell/clock.h"
#include "confine/capabilities.h"
#include "confine/descriptors.h"
#include "confine/filter.h"
#include "confine/landlock.h"
#include "confine/limits.h"
#include "confine/namespaces.h"
#include "confine/process.h"
#include "confine/program.h"

#define MEBIBYTE 1048576U

static const struct cella_filter_rule guard_rules[] = {
    CELLA_FILTER_ALLOW_CALL(wait4),      CELLA_FILTER_ALLOW_CALL(restart_syscall),
    CELLA_FILTER_ALLOW_CALL(exit_group), CELLA_FILTER_ALLOW_CALL(rt_sigreturn),
    CELLA_FILTER_ALLOW_CALL(munmap),     CELLA_FILTER_ALLOW_CALL(brk),
};

/* The starter's child: nothing but the wait. It holds no descriptor, so the zygote's end is seen at once. */
static void guard(pid_t zygote)
{
    static const struct cella_confine_program program = {
        .calls = { guard_rules, sizeof(guard_rules) / sizeof(guard_rules[0]), CELLA_FILTER_KILL },
        .keep_signals = true, /* the zygote dies with its guard */
    };
    uint32_t layers;
    int status = 0;
    if (cella_descriptors_close(0, -1) != CELLA_OK || cella_confine_program(&program, &layers) != CELLA_OK) {
        _exit(1);
    }
    while (waitpid(zygote, &status, 0) != zygote) {
    }
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

/* When the machine runs out of memory, cells go first. Not a layer, so a machine that refuses it is no problem. */
static void volunteer_for_memory(void)
{
    CELLA_CLEANUP(cella_descriptors_release) int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (file >= 0 && write(file, "1000", 4) != 4) {
        return;
    }
}

cella_status cella_box_enter(struct cella_box *box)
{
    pid_t starter = getppid();
    volunteer_for_memory();
    box->own_pid = -1;
    box->memory_figures = -1;
    box->null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (box->null < 0) {
        return CELLA_SYSTEM_FAILED;
    }
    bool entered = cella_namespaces_enter() == CELLA_OK;
    CELLA_TRY(cella_process_die_with_parent(starter));
    if (!entered) {
        return CELLA_OK;
    }
    pid_t zygote = fork();
    if (zygote < 0) {
        return CELLA_SYSTEM_FAILED;
    }
    if (zygote > 0) {
        guard(zygote);
    }
    CELLA_TRY(cella_process_die_with_parent(0));
    box->own_pid = cella_namespaces_own_pid();
    return box->own_pid < 0 ? CELLA_SYSTEM_FAILED : CELLA_OK;
}

cella_status cella_box_close(struct cella_box *box)
{
    static const struct cella_limit limits[] = { { RLIMIT_CORE, 0 }, { RLIMIT_MEMLOCK, 0 }, { RLIMIT_MSGQUEUE, 0 } };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes filter = { 0 };
    box->memory_figures = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (box->memory_figures < 0) {
        return CELLA_SYSTEM_FAILED;
    }
    CELLA_TRY(cella_policy_preparing(&filter));
    for (int kind = 0; kind < CELLA_RUNNING_KINDS; kind++) {
        CELLA_TRY(cella_policy_running((enum cella_policy_running) kind, &box->running[kind]));
    }
    if (box->own_pid >= 0 && cella_namespaces_empty_root() == CELLA_OK) {
        box->layers |= CELLA_LAYER_NAMESPACES;
    }
    CELLA_TRY(cella_limits_set(limits, sizeof(limits) / sizeof(limits[0])));
    box->layers |= CELLA_LAYER_RLIMITS;
    CELLA_TRY(cella_process_no_new_privileges());
    CELLA_TRY(cella_process_undumpable());
    box->layers |= CELLA_LAYER_UNDUMPABLE;
    if (cella_landlock_deny_all(false) == CELLA_OK) {
        box->layers |= CELLA_LAYER_LANDLOCK;
    }
    uint64_t kept = box->own_pid < 0 ? CELLA_CAPABILITIES_NONE : CELLA_CAPABILITIES_NAMESPACES;
    CELLA_TRY(cella_capabilities_keep(kept));
    box->layers |= CELLA_LAYER_CAPABILITIES;
    if (cella_filter_install(cella_bytes_view(&filter)) == CELLA_OK) {
        box->layers |= CELLA_LAYER_SECCOMP;
    }
    return CELLA_OK;
}

static cella_status read_baseline(const struct cella_box *box, uint64_t *out)
{
    char text[128] = { 0 };
    if (pread(box->memory_figures, text, sizeof(text) - 1, 0) <= 0) {
        return CELLA_SYSTEM_FAILED;
    }
    *out = strtoull(text, NULL, 10) * (uint64_t) sysconf(_SC_PAGESIZE);
    return CELLA_OK;
}

cella_status cella_box_fork(const struct cella_box *box, pid_t *child, uint64_t *baseline)
{
    CELLA_TRY(read_baseline(box, baseline));
    if (box->own_pid >= 0) {
        CELLA_TRY(cella_namespaces_next_child_new_pid());
    }
    *child = fork();
    if (*child < 0) {
        return CELLA_SYSTEM_FAILED;
    }
    if (*child > 0 && box->own_pid >= 0) {
        return cella_namespaces_next_child_own_pid(box->own_pid);
    }
    return CELLA_OK;
}

/* 0 to 2 are /dev/null, the socket is at its place, nothing else is open. */
static cella_status arrange_descriptors(const struct cella_box *box, int control)
{
    for (int i = 0; i < 3; i++) {
        if (dup2(box->null, i) < 0) {
            return CELLA_SYSTEM_FAILED;
        }
    }
    CELLA_TRY(cella_descriptors_place(&control, 1, CELLA_CELL_CONTROL_FD));
    CELLA_TRY(cella_descriptors_close(3, CELLA_CELL_CONTROL_FD - 1));
    return cella_descriptors_close(CELLA_CELL_CONTROL_FD + 1, -1);
}

cella_status cella_box_cell(const struct cella_box *box, int control, uint32_t *out_layers)
{
    pid_t parent = getppid();
    uint32_t layers = box->layers;
    CELLA_TRY(arrange_descriptors(box, control));
    if (box->own_pid >= 0 && (getpid() != 1 || cella_namespaces_nest() != CELLA_OK)) {
        layers &= ~(uint32_t) CELLA_LAYER_NAMESPACES;
    }
    CELLA_TRY(cella_capabilities_keep(CELLA_CAPABILITIES_NONE));
    CELLA_TRY(cella_process_undumpable());
    CELLA_TRY(cella_process_die_with_parent(parent));
    /* Once more, so that cells of one zygote are outside of each other's signal scope. */
    if (cella_landlock_deny_all(false) != CELLA_OK) {
        layers &= ~(uint32_t) CELLA_LAYER_LANDLOCK;
    }
    *out_layers = layers;
    return CELLA_OK;
}

/* What the last filter takes away depends on the task: threads, and clocks. */
static const struct cella_bytes *last_filter(const struct cella_box *box, const struct cella_task *task)
{
    if (task->clock == CELLA_CLOCK_COARSE) {
        return &box->running[CELLA_RUNNING_COARSE];
    }
    return &box->running[task->limits.threads == 0 ? CELLA_RUNNING_ALONE : CELLA_RUNNING_PLAIN];
}

cella_status cella_box_run(const struct cella_box *box, const struct cella_task *task, uint64_t address_space)
{
    struct rusage used;
    bool coarse = task->clock == CELLA_CLOCK_COARSE;
    if (getrusage(RUSAGE_SELF, &used) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    /*
     * The kernel counts in ticks, far from exactly: the monitor reads the clock of the process, and this limit stands
     * behind it. What warming took is not the script's.
     */
    uint64_t used_s = (uint64_t) (used.ru_utime.tv_sec + used.ru_stime.tv_sec);
    const struct cella_limit all[] = {
        { RLIMIT_CPU, used_s + 4 * (uint64_t) task->limits.cpu_s + 4 },
        { RLIMIT_FSIZE, task->limits.output_bytes },
        { RLIMIT_NOFILE, CELLA_CELL_CONTROL_FD },
        { RLIMIT_NPROC, coarse ? 1 : (uint64_t) task->limits.threads + 1 },
        { RLIMIT_STACK, (uint64_t) 8 * MEBIBYTE },
        { RLIMIT_AS, address_space },
    };
    CELLA_TRY(cella_limits_set(all, sizeof(all) / sizeof(all[0])));
    if (coarse) {
        CELLA_TRY(cella_clock_coarsen());
    }
    if ((box->layers & CELLA_LAYER_SECCOMP) == 0) {
        return coarse ? CELLA_UNSAFE : CELLA_OK;
    }
    return cella_filter_install(cella_bytes_view(last_filter(box, task)));
}
