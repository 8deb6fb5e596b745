/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/policy.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#define DESCRIPTOR_BITS 0xffffffffU
#define ALLOW(call) CELLA_FILTER_ALLOW_CALL(call)
#define FAIL(call, error) CELLA_FILTER_ERRNO_CALL(call, error)

/*
 * Only the runtime's sendto goes through the socket to the monitor; to the script it looks closed. The kernel drops
 * the upper half of a descriptor argument, so the rule looks at one bit that no other open descriptor has.
 */
#define NOT_CONTROL(call)                                                                                            \
    CELLA_FILTER_ALLOW_EQUAL(call, 0, CELLA_CELL_CONTROL_FD, 0),                                                     \
        CELLA_FILTER_ERRNO_EQUAL(call, EBADF, 0, CELLA_CELL_CONTROL_FD, CELLA_CELL_CONTROL_FD)

/* No page is ever writable and executable, nor becomes executable: there is no native code but what was loaded. */
#define NOT_EXECUTABLE(call)                                                                                         \
    CELLA_FILTER_ALLOW_EQUAL(call, 2, PROT_EXEC, 0), CELLA_FILTER_ERRNO_EQUAL(call, EACCES, 2, PROT_EXEC, PROT_EXEC)

/* clone: CLONE_VM and CLONE_THREAD set, no CLONE_NEW* flag: threads, and nothing else. Source: clone(2). */
#define CLONE_THREAD_FLAG 0x00010000U
#define CLONE_THREAD_AND_VM 0x00010100U
#define CLONE_NEW_ANY 0x7e020000U

static const struct cella_filter_rule rules[] = {
    /* Computing on memory and on the descriptors that were handed in. */
    ALLOW(fstat), ALLOW(lseek), ALLOW(munmap), ALLOW(mremap), ALLOW(madvise), ALLOW(brk),
    ALLOW(getrandom), ALLOW(getrusage), ALLOW(clock_gettime), ALLOW(rt_sigreturn), ALLOW(exit),
    ALLOW(exit_group), ALLOW(set_robust_list), ALLOW(rseq), ALLOW(rt_sigprocmask), ALLOW(gettid), ALLOW(getpid),
    ALLOW(sched_yield), ALLOW(sched_getaffinity), ALLOW(clock_nanosleep), ALLOW(poll), ALLOW(getuid),
    ALLOW(geteuid), ALLOW(getgid), ALLOW(getegid), ALLOW(rt_sigaction), ALLOW(sigaltstack), ALLOW(getrlimit),
    ALLOW(times), ALLOW(clock_getres), ALLOW(nanosleep), ALLOW(restart_syscall), ALLOW(gettimeofday),
    ALLOW(time), ALLOW(select), ALLOW(pselect6), ALLOW(ppoll), ALLOW(fsync), ALLOW(fdatasync), ALLOW(msync),
    ALLOW(fadvise64), ALLOW(getppid), ALLOW(getpgrp), ALLOW(getpgid), ALLOW(getsid), ALLOW(getgroups),
    ALLOW(getresuid), ALLOW(getresgid), ALLOW(umask), ALLOW(getpriority), ALLOW(sched_getparam),
    ALLOW(sched_getscheduler), ALLOW(sched_get_priority_max), ALLOW(sched_get_priority_min), ALLOW(getcpu),
    ALLOW(getitimer),

    NOT_CONTROL(read), NOT_CONTROL(readv), NOT_CONTROL(pread64), NOT_CONTROL(preadv), NOT_CONTROL(write),
    NOT_CONTROL(writev), NOT_CONTROL(pwrite64), NOT_CONTROL(pwritev), NOT_CONTROL(close),
    CELLA_FILTER_ALLOW_EQUAL(sendto, 0, DESCRIPTOR_BITS, CELLA_CELL_CONTROL_FD),

    NOT_EXECUTABLE(mmap), NOT_EXECUTABLE(mprotect),

    CELLA_FILTER_ALLOW_EQUAL(clone, 0, CLONE_NEW_ANY | CLONE_THREAD_AND_VM, CLONE_THREAD_AND_VM),
    CELLA_FILTER_ERRNO_EQUAL(clone, EPERM, 0, CLONE_THREAD_FLAG, 0),

    /*
     * Other futexes are known by file and offset: on a page of a library that all cells have mapped, cells could talk.
     * pthread_join waits on such a one, and looks again after EAGAIN.
     */
    CELLA_FILTER_ALLOW_EQUAL(futex, 1, FUTEX_PRIVATE_FLAG, FUTEX_PRIVATE_FLAG),
    CELLA_FILTER_ERRNO_EQUAL(futex, EAGAIN, 1, FUTEX_PRIVATE_FLAG, 0),

    /* Starting an output anew; any other length would make holes. */
    CELLA_FILTER_ALLOW_EQUAL(ftruncate, 1, CELLA_FILTER_MASK_ALL, 0),
    CELLA_FILTER_ERRNO_DIFFERENT(ftruncate, EPERM, 1, 0),

    /* Reads as "no such file", so that an import that misses says so. */
    FAIL(newfstatat, ENOENT), FAIL(getcwd, ENOENT),

    /* Files, sockets, programs: none of them exists in here. */
    FAIL(openat, EACCES), FAIL(open, EACCES), FAIL(openat2, EACCES), FAIL(access, EACCES),
    FAIL(faccessat, EACCES), FAIL(faccessat2, EACCES), FAIL(stat, EACCES), FAIL(lstat, EACCES),
    FAIL(statx, EACCES), FAIL(readlink, EACCES), FAIL(readlinkat, EACCES), FAIL(getdents64, EACCES),
    FAIL(socket, EACCES), FAIL(socketpair, EACCES), FAIL(execve, EACCES), FAIL(execveat, EACCES),
    FAIL(unlink, EACCES), FAIL(unlinkat, EACCES), FAIL(mkdir, EACCES), FAIL(mkdirat, EACCES),
    FAIL(rename, EACCES), FAIL(statfs, EACCES), FAIL(creat, EACCES), FAIL(chdir, EACCES), FAIL(fchdir, EACCES),
    FAIL(chmod, EACCES), FAIL(fchmod, EACCES), FAIL(fchmodat, EACCES), FAIL(chown, EACCES), FAIL(fchown, EACCES),
    FAIL(lchown, EACCES), FAIL(fchownat, EACCES), FAIL(truncate, EACCES), FAIL(link, EACCES),
    FAIL(linkat, EACCES), FAIL(symlink, EACCES), FAIL(symlinkat, EACCES), FAIL(rmdir, EACCES),
    FAIL(renameat, EACCES), FAIL(renameat2, EACCES), FAIL(mknod, EACCES), FAIL(mknodat, EACCES),
    FAIL(utime, EACCES), FAIL(utimes, EACCES), FAIL(futimesat, EACCES), FAIL(utimensat, EACCES),
    FAIL(getdents, EACCES), FAIL(fstatfs, EACCES), FAIL(getxattr, EACCES), FAIL(lgetxattr, EACCES),
    FAIL(fgetxattr, EACCES), FAIL(setxattr, EACCES), FAIL(lsetxattr, EACCES), FAIL(fsetxattr, EACCES),
    FAIL(listxattr, EACCES), FAIL(llistxattr, EACCES), FAIL(flistxattr, EACCES), FAIL(removexattr, EACCES),
    FAIL(lremovexattr, EACCES), FAIL(fremovexattr, EACCES),

    /* More kernel objects, processes, signals, identities: not allowed. */
    FAIL(mbind, EPERM), FAIL(uname, EPERM), FAIL(pipe, EPERM), FAIL(pipe2, EPERM), FAIL(dup, EPERM),
    FAIL(dup2, EPERM), FAIL(dup3, EPERM), FAIL(fcntl, EPERM), FAIL(vfork, EPERM), FAIL(fork, EPERM),
    FAIL(kill, EPERM), FAIL(tgkill, EPERM), FAIL(prctl, EPERM), FAIL(sysinfo, EPERM),
    FAIL(sched_setaffinity, EPERM), FAIL(setpriority, EPERM), FAIL(prlimit64, EPERM), FAIL(memfd_create, EPERM),
    FAIL(epoll_create1, EPERM), FAIL(eventfd2, EPERM), FAIL(shmget, EPERM), FAIL(set_mempolicy, EPERM),
    FAIL(get_mempolicy, EPERM), FAIL(alarm, EPERM), FAIL(setitimer, EPERM), FAIL(pause, EPERM),
    FAIL(setuid, EPERM), FAIL(setgid, EPERM), FAIL(setreuid, EPERM), FAIL(setregid, EPERM),
    FAIL(setresuid, EPERM), FAIL(setresgid, EPERM), FAIL(setgroups, EPERM), FAIL(setsid, EPERM),
    FAIL(setpgid, EPERM), FAIL(setfsuid, EPERM), FAIL(setfsgid, EPERM), FAIL(setrlimit, EPERM),
    FAIL(chroot, EPERM), FAIL(sendfile, EPERM), FAIL(copy_file_range, EPERM), FAIL(splice, EPERM),
    FAIL(tee, EPERM), FAIL(vmsplice, EPERM), FAIL(flock, EPERM), FAIL(sync, EPERM), FAIL(syncfs, EPERM),
    FAIL(fallocate, EPERM), FAIL(tkill, EPERM), FAIL(rt_sigtimedwait, EPERM), FAIL(rt_sigpending, EPERM),
    FAIL(inotify_init, EPERM), FAIL(inotify_init1, EPERM), FAIL(signalfd, EPERM), FAIL(signalfd4, EPERM),
    FAIL(timerfd_create, EPERM), FAIL(timer_create, EPERM), FAIL(epoll_create, EPERM), FAIL(eventfd, EPERM),
    FAIL(semget, EPERM), FAIL(msgget, EPERM), FAIL(mq_open, EPERM), FAIL(mlock, EPERM), FAIL(mlock2, EPERM),
    FAIL(mlockall, EPERM), FAIL(munlock, EPERM), FAIL(munlockall, EPERM), FAIL(sched_setscheduler, EPERM),
    FAIL(sched_setparam, EPERM), FAIL(ioprio_set, EPERM), FAIL(ioprio_get, EPERM), FAIL(sethostname, EPERM),
    FAIL(clock_settime, EPERM), FAIL(settimeofday, EPERM),

    /* glibc then falls back to clone, whose flags a filter can see. */
    FAIL(clone3, ENOSYS),

    /* File objects ask whether they are a terminal. */
    FAIL(ioctl, ENOTTY),

    /* There are no children. */
    FAIL(wait4, ECHILD), FAIL(waitid, ECHILD),
};

const struct cella_filter_table cella_policy_cell = { rules, sizeof(rules) / sizeof(rules[0]), CELLA_FILTER_KILL };

/*
 * What the zygote, and a cell before its script, do beyond a script: fork cells, hand out their sockets, put them into
 * their box, receive a task. A rule of clone stands here as well because only that call keeps its own allowance.
 */
static const struct cella_filter_rule preparing[] = {
    ALLOW(recvmsg), ALLOW(sendmsg), ALLOW(socketpair), ALLOW(setsockopt), ALLOW(pidfd_open), ALLOW(wait4),
    ALLOW(signalfd4), ALLOW(unshare), ALLOW(setns), ALLOW(close), ALLOW(read), ALLOW(write), ALLOW(pread64),
    ALLOW(fcntl), ALLOW(dup2), ALLOW(prlimit64), ALLOW(close_range), ALLOW(setrlimit), ALLOW(prctl), ALLOW(capset),
    ALLOW(seccomp), ALLOW(landlock_create_ruleset), ALLOW(landlock_restrict_self),
    CELLA_FILTER_ALLOW_EQUAL(clone, 0, CLONE_NEW_ANY | CLONE_THREAD_AND_VM, CLONE_THREAD_AND_VM),
    CELLA_FILTER_ALLOW_EQUAL(clone, 0, CLONE_THREAD_FLAG, 0),
};

#define PREPARING_COUNT (sizeof(preparing) / sizeof(preparing[0]))
#define RULES_MAX (sizeof(rules) / sizeof(rules[0]) + PREPARING_COUNT)

static size_t copy_rules(int number, struct cella_filter_rule *out)
{
    size_t count = 0;
    for (size_t i = 0; i < cella_policy_cell.count; i++) {
        if (rules[i].number == number) {
            out[count++] = rules[i];
        }
    }
    return count;
}

static bool is_preparing(int number, size_t before)
{
    for (size_t i = 0; i < before; i++) {
        if (preparing[i].number == number) {
            return true;
        }
    }
    return false;
}

cella_status cella_policy_preparing(struct cella_bytes *out)
{
    struct cella_filter_rule wider[RULES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < cella_policy_cell.count; i++) {
        if (!is_preparing(rules[i].number, PREPARING_COUNT)) {
            wider[count++] = rules[i];
        }
    }
    for (size_t i = 0; i < PREPARING_COUNT; i++) {
        wider[count++] = preparing[i];
    }
    return cella_filter_build(&(struct cella_filter_table){ wider, count, CELLA_FILTER_KILL }, out);
}

#define NO_THREADS                                                                                                   \
    CELLA_FILTER_ERRNO_EQUAL(clone, EPERM, 0, CLONE_NEW_ANY | CLONE_THREAD_AND_VM, CLONE_THREAD_AND_VM),              \
        CELLA_FILTER_ERRNO_EQUAL(clone, EPERM, 0, CLONE_THREAD_FLAG, 0)

static const struct cella_filter_rule alone[] = { NO_THREADS };

/*
 * Only CLOCK_REALTIME_COARSE (5) and CLOCK_MONOTONIC_COARSE (6) are left, and what counts in ticks. A descriptor-like
 * upper half of the number is above 6, so it is refused too.
 */
static const struct cella_filter_rule coarse[] = {
    NO_THREADS,
    CELLA_FILTER_ERRNO_BELOW(clock_gettime, EPERM, 0, CLOCK_REALTIME_COARSE),
    CELLA_FILTER_ERRNO_ABOVE(clock_gettime, EPERM, 0, CLOCK_MONOTONIC_COARSE),
    FAIL(gettimeofday, EPERM),
    FAIL(getrusage, EPERM),
};

const struct cella_filter_table cella_policy_alone = { alone, sizeof(alone) / sizeof(alone[0]), CELLA_FILTER_ALLOW };
const struct cella_filter_table cella_policy_coarse = { coarse, sizeof(coarse) / sizeof(coarse[0]), CELLA_FILTER_ALLOW };

static bool is_among(int number, const struct cella_filter_table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        if (table->rules[i].number == number) {
            return true;
        }
    }
    return false;
}

cella_status cella_policy_running(enum cella_policy_running kind, struct cella_bytes *out)
{
    static const struct cella_filter_table plain = { NULL, 0, CELLA_FILTER_ALLOW };
    const struct cella_filter_table *const special[CELLA_RUNNING_KINDS] = {
        [CELLA_RUNNING_PLAIN] = &plain,
        [CELLA_RUNNING_ALONE] = &cella_policy_alone,
        [CELLA_RUNNING_COARSE] = &cella_policy_coarse,
    };
    struct cella_filter_rule narrower[RULES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < special[kind]->count; i++) {
        narrower[count++] = special[kind]->rules[i];
    }
    /* For each call that preparing allowed beyond the final policy, exactly the final policy's answer. */
    for (size_t i = 0; i < PREPARING_COUNT; i++) {
        if (is_preparing(preparing[i].number, i) || is_among(preparing[i].number, special[kind])) {
            continue;
        }
        size_t found = copy_rules(preparing[i].number, narrower + count);
        if (found == 0) {
            narrower[count] = (struct cella_filter_rule){ .number = preparing[i].number, .action = CELLA_FILTER_KILL };
        }
        count += found == 0 ? 1 : found;
    }
    return cella_filter_build(&(struct cella_filter_table){ narrower, count, CELLA_FILTER_ALLOW }, out);
}
