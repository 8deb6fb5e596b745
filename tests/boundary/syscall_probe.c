/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Tries system calls under exactly the filters of a running cell, each in a process of its own, and prints what
 * the policy says beside what happened, one line per try, separated by tabs:
 *
 *   name  number  arguments' label  expected  happened
 *
 * with "allow", "kill" or an error number in the last two. "allow" as outcome means: not killed, and the kernel's own
 * answer. With --policy it prints the policy instead: name, number, action ("allow", "kill", error number), and
 * "always" or "sometimes".
 */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cell/policy.h"

#define LAST_NUMBER 470
#define X32_BIT 0x40000000L

struct trial {
    long number;
    const char *label;
    uint64_t arguments[6];
};

/* What the child leaves for its parent. */
struct trace {
    volatile int returned;
    volatile long value;
};

/* What a cell has that runs a task of one kind. */
struct filters {
    const char *prefix; /* of the label */
    const struct cella_filter_table *special;
    struct cella_bytes preparing;
    struct cella_bytes running;
};

static const char path[] = "/etc/passwd";
static const char fresh_path[] = "/tmp/cella-syscall-probe";
static char scratch[65536];

#define POINTER(object) ((uint64_t) (uintptr_t) (object))
#define HIGH 0x100000000ULL

static long call(long number, const uint64_t a[6])
{
    register uint64_t r10 __asm__("r10") = a[3];
    register uint64_t r8 __asm__("r8") = a[4];
    register uint64_t r9 __asm__("r9") = a[5];
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

/* Calls that an allowed try does not come back from. */
static int returns(const struct trial *trial)
{
    return trial->number != SYS_rt_sigreturn && trial->number != SYS_exit && trial->number != SYS_exit_group;
}

static void child(const struct filters *filters, const struct trial *trial, struct trace *trace)
{
    int ends[2];
    alarm(1); /* some wait for ever when allowed */
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) != 0 || dup2(ends[0], CELLA_CELL_CONTROL_FD) < 0 ||
        dup2(memfd_create("output", 0), 3) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        cella_filter_install(cella_bytes_view(&filters->preparing)) != CELLA_OK ||
        cella_filter_install(cella_bytes_view(&filters->running)) != CELLA_OK) {
        _exit(99);
    }
    long value = call(trial->number, trial->arguments);
    if (trial->number == SYS_clone && value == 0) {
        for (;;) { /* the new thread; ends with its process */
        }
    }
    trace->value = value;
    trace->returned = 1;
    _exit(0);
}

static void describe(enum cella_filter_action action, int error, char *out, size_t size)
{
    if (action == CELLA_FILTER_ERRNO) {
        snprintf(out, size, "%d", error);
    } else {
        snprintf(out, size, "%s", action == CELLA_FILTER_ALLOW ? "allow" : "kill");
    }
}

static enum cella_filter_action answer(const struct filters *filters, const struct trial *trial, int *error)
{
    enum cella_filter_action action = CELLA_FILTER_ALLOW;
    if (trial->number >= X32_BIT) {
        return CELLA_FILTER_KILL;
    }
    if (filters->special != NULL) {
        action = cella_filter_answer(filters->special, (int) trial->number, trial->arguments, error);
    }
    return action != CELLA_FILTER_ALLOW
               ? action
               : cella_filter_answer(&cella_policy_cell, (int) trial->number, trial->arguments, error);
}

static void try_one(const struct filters *filters, const struct trial *trial)
{
    struct trace *trace = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char expected[16];
    char happened[32] = "nothing";
    int error;
    int status = 0;
    enum cella_filter_action action = answer(filters, trial, &error);
    describe(action, trial->number >= X32_BIT ? 0 : error, expected, sizeof(expected));
    pid_t process = fork();
    if (process == 0) {
        child(filters, trial, trace);
    }
    waitpid(process, &status, 0);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) {
        snprintf(happened, sizeof(happened), "kill");
    } else if (trace->returned == 1 && action == CELLA_FILTER_ERRNO) {
        snprintf(happened, sizeof(happened), "%ld", -trace->value);
    } else if (trace->returned == 1 || !returns(trial) || WTERMSIG(status) == SIGALRM) {
        snprintf(happened, sizeof(happened), "allow");
    } else {
        snprintf(happened, sizeof(happened), "status %d", status);
    }
    char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, (int) (trial->number & ~X32_BIT));
    printf("%s\t%ld\t%s%s\t%s\t%s\n", name == NULL ? "-" : name, trial->number, filters->prefix, trial->label, expected,
           happened);
    free(name);
    munmap(trace, 4096);
}

/* Arguments with which the unfiltered call would do something, where zeros would fail anyway. */
static void try_plausible(const struct filters *filters)
{
    int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
    const uint64_t at = (uint64_t) (int64_t) AT_FDCWD;
    const uint64_t private_map = MAP_PRIVATE | MAP_ANONYMOUS;
    const uint64_t none = (uint64_t) -1;
    const uint64_t stack = POINTER(scratch) + sizeof(scratch) - 64;
    const struct trial trials[] = {
        { SYS_open, "path", { POINTER(path) } },
        { SYS_openat, "path", { at, POINTER(path) } },
        { SYS_stat, "path", { POINTER(path), POINTER(scratch) } },
        { SYS_newfstatat, "path", { at, POINTER(path), POINTER(scratch) } },
        { SYS_newfstatat, "empty path", { 3, POINTER(""), POINTER(scratch), AT_EMPTY_PATH } },
        { SYS_statx, "path", { at, POINTER(path), 0, 0xfff, POINTER(scratch) } },
        { SYS_access, "path", { POINTER(path) } },
        { SYS_readlink, "path", { POINTER("/proc/self/exe"), POINTER(scratch), 4096 } },
        { SYS_mkdir, "path", { POINTER(fresh_path), 0700 } },
        { SYS_symlink, "path", { POINTER(path), POINTER(fresh_path) } },
        { SYS_execve, "path", { POINTER("/bin/true") } },
        { SYS_chdir, "path", { POINTER("/") } },
        { SYS_socket, "unix", { AF_UNIX, SOCK_STREAM } },
        { SYS_socket, "inet", { AF_INET, SOCK_STREAM } },
        { SYS_socketpair, "unix", { AF_UNIX, SOCK_STREAM, 0, POINTER(scratch) } },
        { SYS_pipe2, "plain", { POINTER(scratch) } },
        { SYS_memfd_create, "plain", { POINTER("x") } },
        { SYS_kill, "self", { (uint64_t) getpid(), 0 } },
        { SYS_prctl, "name", { PR_SET_NAME, POINTER("x") } },
        { SYS_ptrace, "traceme", { 0 } },
        { SYS_unshare, "user", { CLONE_NEWUSER } },
        { SYS_io_uring_setup, "plain", { 4, POINTER(scratch) } },
        { SYS_userfaultfd, "user", { 1 } },
        { SYS_process_vm_readv, "self", { (uint64_t) getpid(), POINTER(scratch), 0, POINTER(scratch) } },
        { SYS_recvmsg, "control", { CELLA_CELL_CONTROL_FD, POINTER(scratch), MSG_DONTWAIT } },
        { SYS_sendmsg, "control", { CELLA_CELL_CONTROL_FD, POINTER(scratch), MSG_DONTWAIT } },
        { SYS_sendto, "control", { CELLA_CELL_CONTROL_FD, POINTER("x"), 1, MSG_DONTWAIT } },
        { SYS_sendto, "output", { 3, POINTER("x"), 1, MSG_DONTWAIT } },
        { SYS_write, "output", { 3, POINTER("x"), 1 } },
        { SYS_write, "control", { CELLA_CELL_CONTROL_FD, POINTER("x"), 1 } },
        { SYS_write, "control, high bits", { CELLA_CELL_CONTROL_FD | HIGH, POINTER("x"), 1 } },
        { SYS_writev, "control", { CELLA_CELL_CONTROL_FD, POINTER(scratch), 0 } },
        { SYS_read, "control, high bits", { CELLA_CELL_CONTROL_FD | HIGH, POINTER(scratch), 1 } },
        { SYS_close, "control", { CELLA_CELL_CONTROL_FD } },
        { SYS_close, "control, high bits", { CELLA_CELL_CONTROL_FD | HIGH } },
        { SYS_close, "output", { 3 } },
        { SYS_dup2, "control", { CELLA_CELL_CONTROL_FD, 5 } },
        { SYS_fcntl, "dup control", { CELLA_CELL_CONTROL_FD, F_DUPFD, 5 } },
        { SYS_ftruncate, "to nothing", { 3, 0 } },
        { SYS_ftruncate, "to a hole", { 3, 4096 } },
        { SYS_mmap, "data", { 0, 4096, PROT_READ | PROT_WRITE, private_map, none } },
        { SYS_mmap, "code", { 0, 4096, PROT_READ | PROT_EXEC, private_map, none } },
        { SYS_mmap, "code, high bits", { 0, 4096, PROT_EXEC | HIGH, private_map, none } },
        { SYS_mprotect, "data", { POINTER(scratch) & ~4095ULL, 4096, PROT_READ | PROT_WRITE } },
        { SYS_mprotect, "code", { POINTER(scratch) & ~4095ULL, 4096, PROT_READ | PROT_EXEC } },
        { SYS_pkey_mprotect, "code", { POINTER(scratch) & ~4095ULL, 4096, PROT_READ | PROT_EXEC, none } },
        { SYS_clone, "thread", { (uint64_t) flags, stack } },
        { SYS_clone, "thread in a namespace", { (uint64_t) (flags | CLONE_NEWUSER), stack } },
        { SYS_clone, "process", { SIGCHLD } },
        { SYS_clone, "process in a namespace", { CLONE_NEWUSER | SIGCHLD } },
        { SYS_clone, "nothing shared", { CLONE_THREAD, stack } },
        { SYS_clock_gettime, "real time", { CLOCK_REALTIME, POINTER(scratch) } },
        { SYS_clock_gettime, "monotonic", { CLOCK_MONOTONIC, POINTER(scratch) } },
        { SYS_clock_gettime, "processor time", { CLOCK_PROCESS_CPUTIME_ID, POINTER(scratch) } },
        { SYS_clock_gettime, "coarse", { CLOCK_MONOTONIC_COARSE, POINTER(scratch) } },
        { SYS_clock_gettime, "coarse, high bits", { CLOCK_MONOTONIC_COARSE | HIGH, POINTER(scratch) } },
        { SYS_clock_gettime, "another process", { ~(uint64_t) 1 << 3 | 2, POINTER(scratch) } },
        { SYS_gettimeofday, "plain", { POINTER(scratch) } },
        { SYS_getrusage, "plain", { 0, POINTER(scratch) } },
        { SYS_getpid | X32_BIT, "x32", { 0 } },
        { SYS_read | X32_BIT, "x32", { 0 } },
    };
    for (size_t i = 0; i < sizeof(trials) / sizeof(trials[0]); i++) {
        try_one(filters, &trials[i]);
    }
}

static void print_policy(void)
{
    const struct cella_filter_table *table = &cella_policy_cell;
    for (size_t i = 0; i < table->count; i++) {
        char action[16];
        const struct cella_filter_rule *rule = &table->rules[i];
        char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, rule->number);
        describe(rule->action, rule->error, action, sizeof(action));
        printf("%s\t%d\t%s\t%s\n", name, rule->number, action,
               rule->match == CELLA_FILTER_ALWAYS ? "always" : "sometimes");
        free(name);
    }
}

static int build(struct filters *filters, enum cella_policy_running kind)
{
    return cella_policy_preparing(&filters->preparing) == CELLA_OK &&
           cella_policy_running(kind, &filters->running) == CELLA_OK;
}

int main(int argc, char **argv)
{
    struct filters plain = { .prefix = "" };
    struct filters alone = { .prefix = "alone: ", .special = &cella_policy_alone };
    struct filters coarse = { .prefix = "coarse: ", .special = &cella_policy_coarse };
    if (argc > 1 && strcmp(argv[1], "--policy") == 0) {
        print_policy();
        return 0;
    }
    if (!build(&plain, CELLA_RUNNING_PLAIN) || !build(&alone, CELLA_RUNNING_ALONE) ||
        !build(&coarse, CELLA_RUNNING_COARSE)) {
        return 1;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (long number = 0; number <= LAST_NUMBER; number++) {
        try_one(&plain, &(struct trial){ .number = number, .label = "zeros" });
    }
    try_plausible(&plain);
    try_plausible(&alone);
    try_plausible(&coarse);
    return 0;
}
