/* SPDX-License-Identifier: Apache-2.0 */
#include "host/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory_file.h"
#include "host/launch_view.h"

#define NOBODY 65534U
#define FAR_FD 64 /* above every descriptor that has a fixed number in the child */

/* Ends of pipes and sockets on both sides. -1: not open. */
struct ends {
    int inside[CELLA_LAUNCH_FD_COUNT]; /* in the order of the fixed numbers */
    int output;                        /* the child's standard error */
    int gate_inside;                   /* a byte comes when the child may go on */
    int gate_outside;
    int report_inside; /* struct report, or closed by exec */
    int report_outside;
};

/* Why the child could not start the monitor. */
struct report {
    char step[64];
    int error;
};

static void close_one(int *descriptor)
{
    if (*descriptor >= 0) {
        close(*descriptor);
        *descriptor = -1;
    }
}

static void close_ends(struct ends *ends)
{
    for (size_t i = 0; i < CELLA_LAUNCH_FD_COUNT; i++) {
        close_one(&ends->inside[i]);
    }
    close_one(&ends->output);
    close_one(&ends->gate_inside);
    close_one(&ends->gate_outside);
    close_one(&ends->report_inside);
    close_one(&ends->report_outside);
}

/* A sealed file in memory, which the executor can read and nobody can change. */
static int make_memory_file(const char *name, struct cella_view content)
{
    int file = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (file < 0) {
        return -1;
    }
    if (write(file, content.data, content.size) != (ssize_t) content.size || lseek(file, 0, SEEK_SET) != 0 ||
        cella_memory_file_seal(file) != CELLA_OK) {
        close(file);
        return -1;
    }
    return file;
}

static cella_status make_sockets(struct cella_executor *executor, struct ends *ends)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    executor->link = pair[0];
    ends->inside[0] = pair[1];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    executor->door = pair[0];
    ends->inside[1] = pair[1];
    if (pipe2(pair, O_CLOEXEC) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    executor->voice = pair[0];
    ends->output = pair[1];
    const int outside[] = { executor->link, executor->door, executor->voice };
    for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
        if (fcntl(outside[i], F_SETFL, O_NONBLOCK) != 0) {
            return CELLA_SYSTEM_FAILED;
        }
    }
    return CELLA_OK;
}

static cella_status make_ends(const struct cella_launch *launch, struct cella_executor *executor, struct ends *ends)
{
    int pair[2];
    CELLA_TRY(make_sockets(executor, ends));
    ends->inside[2] = make_memory_file("seed", launch->seed);
    ends->inside[3] = make_memory_file("charter", launch->charter);
    ends->inside[4] = make_memory_file("configuration", launch->configuration);
    if (ends->inside[2] < 0 || ends->inside[3] < 0 || ends->inside[4] < 0 || pipe2(pair, O_CLOEXEC) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    ends->gate_inside = pair[0];
    ends->gate_outside = pair[1];
    if (pipe2(pair, O_CLOEXEC) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    ends->report_inside = pair[0];
    ends->report_outside = pair[1];
    return CELLA_OK;
}

/* ---- in the child ---- */

/* The system calls themselves: after a bare clone the C library would wait for threads that stayed in the host. */
static cella_status become_nobody(void)
{
    /* Refused where the map was written by a user without rights over groups: then there are none to drop either.
     */
    (void) syscall(SYS_setgroups, 0, NULL);
    bool done = syscall(SYS_setresgid, NOBODY, NOBODY, NOBODY) == 0 &&
                syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY) == 0;
    return done ? CELLA_OK : CELLA_SYSTEM_FAILED;
}

/* Give the descriptors their numbers and close all others except the report. */
static cella_status arrange_descriptors(const struct cella_launch *launch, struct ends *ends)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int out = fcntl(launch->standard_out >= 0 ? launch->standard_out : ends->output, F_DUPFD_CLOEXEC, FAR_FD);
    int voice = fcntl(ends->output, F_DUPFD_CLOEXEC, FAR_FD);
    int report = fcntl(ends->report_outside, F_DUPFD_CLOEXEC, FAR_FD);
    int inside[CELLA_LAUNCH_FD_COUNT];
    for (size_t i = 0; i < CELLA_LAUNCH_FD_COUNT; i++) {
        inside[i] = fcntl(ends->inside[i], F_DUPFD_CLOEXEC, FAR_FD);
        if (inside[i] < 0) {
            return CELLA_SYSTEM_FAILED;
        }
    }
    if (null < 0 || out < 0 || voice < 0 || report < 0 || dup2(null, 0) != 0 || dup2(out, 1) != 1 ||
        dup2(voice, 2) != 2) {
        return CELLA_SYSTEM_FAILED;
    }
    for (int i = 0; i < CELLA_LAUNCH_FD_COUNT; i++) {
        if (dup2(inside[i], CELLA_LAUNCH_LINK_FD + i) < 0) {
            return CELLA_SYSTEM_FAILED;
        }
    }
    int report_place = CELLA_LAUNCH_LINK_FD + CELLA_LAUNCH_FD_COUNT;
    ends->report_outside = dup3(report, report_place, O_CLOEXEC);
    return ends->report_outside == report_place &&
                   syscall(SYS_close_range, (unsigned int) report_place + 1, ~0U, 0) == 0
               ? CELLA_OK
               : CELLA_SYSTEM_FAILED;
}

/* Wait until the parent has written the maps. The parent's death closes the gate. */
static cella_status pass_gate(struct ends *ends)
{
    char go;
    close_one(&ends->gate_outside);
    return read(ends->gate_inside, &go, 1) == 1 ? CELLA_OK : CELLA_CLOSED;
}

/* PDEATHSIG is set late, because changing the user resets it; a parent that died before has closed the report. */
static cella_status bind_to_parent(const struct ends *ends)
{
    char none;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        fcntl(ends->gate_inside, F_SETFL, O_NONBLOCK) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    ssize_t count = read(ends->gate_inside, &none, 1);
    return count < 0 && errno == EAGAIN ? CELLA_OK : CELLA_CLOSED;
}

static cella_status confine_child(const struct cella_launch *launch, struct ends *ends, const char **step)
{
    const struct rlimit no_core = { 0, 0 };
    *step = "waiting for the host";
    CELLA_TRY(pass_gate(ends));
    /* Only now: the namespace begins at the group that the host has put this process into. */
    *step = "a namespace of control groups";
    if (unshare(CLONE_NEWCGROUP) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    CELLA_TRY(cella_view_enter(launch->programs, launch->groups, launch->devices, become_nobody, step));
    *step = "binding to the host's life";
    CELLA_TRY(bind_to_parent(ends));
    *step = "arranging descriptors";
    CELLA_TRY(arrange_descriptors(launch, ends));
    *step = "setting limits";
    return setrlimit(RLIMIT_CORE, &no_core) == 0 && setsid() >= 0 ? CELLA_OK : CELLA_SYSTEM_FAILED;
}

static _Noreturn void run_child(const struct cella_launch *launch, struct ends *ends)
{
    struct report report = { 0 };
    const char *step = "";
    char *const no_environment[] = { NULL };
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    if (confine_child(launch, ends, &step) == CELLA_OK) {
        step = "starting " CELLA_VIEW_PROGRAMS "/cella-monitor";
        execve(CELLA_VIEW_PROGRAMS "/cella-monitor", (char *const *) launch->argv, no_environment);
    }
    report.error = errno;
    snprintf(report.step, sizeof(report.step), "%s", step);
    (void) !write(ends->report_outside, &report, sizeof(report));
    _exit(127);
}

/* ---- in the host ---- */

static cella_status write_file(pid_t process, const char *name, const char *text)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int) process, name);
    CELLA_CLEANUP(close_one) int file = open(path, O_WRONLY | O_CLOEXEC);
    size_t size = strlen(text);
    return file >= 0 && write(file, text, size) == (ssize_t) size ? CELLA_OK : CELLA_SYSTEM_FAILED;
}

/* Root's executor is the machine's nobody; another user's is that user. Inside both are called nobody. */
static cella_status write_maps(pid_t process)
{
    char line[64];
    bool root = geteuid() == 0;
    if (!root) {
        CELLA_TRY(write_file(process, "setgroups", "deny"));
    }
    snprintf(line, sizeof(line), "%u %u 1\n", NOBODY, root ? NOBODY : geteuid());
    CELLA_TRY(write_file(process, "uid_map", line));
    snprintf(line, sizeof(line), "%u %u 1\n", NOBODY, root ? NOBODY : getegid());
    return write_file(process, "gid_map", line);
}

/* Let the child go on and wait until it has become the monitor. */
static cella_status follow_child(const struct cella_launch *launch, pid_t process, struct ends *ends,
                                 char blame[CELLA_HOST_BLAME_MAX])
{
    struct report report;
    close_one(&ends->report_outside);
    close_one(&ends->gate_inside);
    if (write_maps(process) != CELLA_OK) {
        snprintf(blame, CELLA_HOST_BLAME_MAX, "mapping users: %s", strerror(errno));
        return CELLA_SYSTEM_FAILED;
    }
    if (launch->groups != NULL) {
        cella_groups_enter(launch->groups, process);
    }
    if (write(ends->gate_outside, "g", 1) != 1) {
        return CELLA_SYSTEM_FAILED;
    }
    ssize_t count = read(ends->report_inside, &report, sizeof(report));
    if (count == 0) {
        return CELLA_OK;
    }
    if (count == (ssize_t) sizeof(report)) {
        report.step[sizeof(report.step) - 1] = '\0';
        snprintf(blame, CELLA_HOST_BLAME_MAX, "%s: %s%s", report.step, strerror(report.error),
                 report.error == EACCES ? "; the programs and their folder must be readable by everybody" : "");
    }
    return CELLA_SYSTEM_FAILED;
}

cella_status cella_launch(const struct cella_launch *launch, struct cella_executor *out,
                          char blame[CELLA_HOST_BLAME_MAX])
{
    *out = (struct cella_executor){ 0, -1, -1, -1 };
    CELLA_CLEANUP(close_ends) struct ends ends = { { -1, -1, -1, -1, -1 }, -1, -1, -1, -1, -1 };
    CELLA_CLEANUP(cella_executor_clear) struct cella_executor executor = { 0, -1, -1, -1 };
    snprintf(blame, CELLA_HOST_BLAME_MAX, "descriptors: %s", strerror(errno));
    CELLA_TRY(make_ends(launch, &executor, &ends));
    unsigned long namespaces =
        CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
    long process = syscall(SYS_clone, namespaces | SIGCHLD, NULL, NULL, NULL, 0UL);
    if (process < 0) {
        snprintf(blame, CELLA_HOST_BLAME_MAX, "new namespaces: %s; this machine must let %s make user namespaces",
                 strerror(errno), geteuid() == 0 ? "root" : "this user");
        return CELLA_SYSTEM_FAILED;
    }
    if (process == 0) {
        run_child(launch, &ends);
    }
    executor.process = (pid_t) process;
    CELLA_TRY(follow_child(launch, executor.process, &ends, blame));
    *out = executor;
    executor = (struct cella_executor){ 0, -1, -1, -1 };
    return CELLA_OK;
}

void cella_executor_clear(struct cella_executor *executor)
{
    if (executor->process > 0) {
        kill(executor->process, SIGKILL);
        while (waitpid(executor->process, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    close_one(&executor->link);
    close_one(&executor->door);
    close_one(&executor->voice);
    executor->process = 0;
}
