/* SPDX-License-Identifier: Apache-2.0 */
#include "confine/program.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/layers.h"
#include "confine/capabilities.h"
#include "confine/descriptors.h"
#include "confine/landlock.h"
#include "confine/limits.h"
#include "confine/process.h"

/* fstat(fd) of glibc is newfstatat with an empty path; a path there still meets Landlock's denial when opened. */
#define AT_EMPTY_PATH_ONLY 0x1000U

/* Threads, without a namespace flag; nothing else that clone can start. Source: clone(2). */
#define CLONE_THREAD_BIT 0x00010000U
#define CLONE_THREAD_ONLY 0x00010100U
#define CLONE_THREAD_BITS 0x7e030100U

/* What every program that serves descriptors needs. open, stat and the like fail softly: libraries try them. */
#define SERVING_CALLS                                                                                                \
    CELLA_FILTER_ALLOW_CALL(read), CELLA_FILTER_ALLOW_CALL(readv), CELLA_FILTER_ALLOW_CALL(write),                   \
        CELLA_FILTER_ALLOW_CALL(writev), CELLA_FILTER_ALLOW_CALL(close), CELLA_FILTER_ALLOW_CALL(shutdown),          \
        CELLA_FILTER_ALLOW_CALL(poll), CELLA_FILTER_ALLOW_CALL(ppoll), CELLA_FILTER_ALLOW_CALL(select),              \
        CELLA_FILTER_ALLOW_CALL(pselect6), CELLA_FILTER_ALLOW_CALL(epoll_create1),                                   \
        CELLA_FILTER_ALLOW_CALL(epoll_ctl), CELLA_FILTER_ALLOW_CALL(epoll_wait),                                     \
        CELLA_FILTER_ALLOW_CALL(epoll_pwait), CELLA_FILTER_ALLOW_CALL(epoll_pwait2),                                 \
        CELLA_FILTER_ALLOW_CALL(eventfd2), CELLA_FILTER_ALLOW_CALL(pipe2), CELLA_FILTER_ALLOW_CALL(timerfd_create),  \
        CELLA_FILTER_ALLOW_CALL(timerfd_settime), CELLA_FILTER_ALLOW_CALL(recvmsg),                                  \
        CELLA_FILTER_ALLOW_CALL(sendmsg), CELLA_FILTER_ALLOW_CALL(recvfrom), CELLA_FILTER_ALLOW_CALL(sendto),        \
        CELLA_FILTER_ALLOW_CALL(getsockopt), CELLA_FILTER_ALLOW_CALL(getsockname), CELLA_FILTER_ALLOW_CALL(getrandom),\
        CELLA_FILTER_ALLOW_CALL(munmap), CELLA_FILTER_ALLOW_CALL(mremap), CELLA_FILTER_ALLOW_CALL(brk),              \
        CELLA_FILTER_ALLOW_CALL(madvise), CELLA_FILTER_ALLOW_CALL(mlock), CELLA_FILTER_ALLOW_CALL(mlock2),           \
        CELLA_FILTER_ALLOW_CALL(munlock), CELLA_FILTER_ALLOW_CALL(futex), CELLA_FILTER_ALLOW_CALL(clock_gettime),    \
        CELLA_FILTER_ALLOW_CALL(clock_getres), CELLA_FILTER_ALLOW_CALL(gettimeofday), CELLA_FILTER_ALLOW_CALL(time), \
        CELLA_FILTER_ALLOW_CALL(clock_nanosleep), CELLA_FILTER_ALLOW_CALL(nanosleep),                                \
        CELLA_FILTER_ALLOW_CALL(restart_syscall), CELLA_FILTER_ALLOW_CALL(getpid), CELLA_FILTER_ALLOW_CALL(gettid),  \
        CELLA_FILTER_ALLOW_CALL(getppid), CELLA_FILTER_ALLOW_CALL(getuid), CELLA_FILTER_ALLOW_CALL(geteuid),         \
        CELLA_FILTER_ALLOW_CALL(getgid), CELLA_FILTER_ALLOW_CALL(getegid), CELLA_FILTER_ALLOW_CALL(getrusage),       \
        CELLA_FILTER_ALLOW_CALL(rt_sigaction), CELLA_FILTER_ALLOW_CALL(rt_sigprocmask),                              \
        CELLA_FILTER_ALLOW_CALL(rt_sigreturn), CELLA_FILTER_ALLOW_CALL(sigaltstack), CELLA_FILTER_ALLOW_CALL(fstat), \
        CELLA_FILTER_ALLOW_CALL(lseek), CELLA_FILTER_ALLOW_CALL(fcntl), CELLA_FILTER_ALLOW_CALL(dup),                \
        CELLA_FILTER_ALLOW_CALL(exit), CELLA_FILTER_ALLOW_CALL(exit_group), CELLA_FILTER_ALLOW_CALL(sched_yield),    \
        CELLA_FILTER_ALLOW_CALL(sched_getaffinity), CELLA_FILTER_ALLOW_CALL(set_robust_list),                        \
        CELLA_FILTER_ALLOW_CALL(rseq), CELLA_FILTER_ALLOW_CALL(tgkill), CELLA_FILTER_ALLOW_CALL(sysinfo),            \
        CELLA_FILTER_ALLOW_CALL(getcpu), CELLA_FILTER_ALLOW_CALL(prlimit64), CELLA_FILTER_ERRNO_CALL(uname, EPERM),   \
        CELLA_FILTER_ERRNO_CALL(clone3, ENOSYS), CELLA_FILTER_ERRNO_CALL(ioctl, ENOTTY),                             \
        CELLA_FILTER_ERRNO_CALL(open, EACCES), CELLA_FILTER_ERRNO_CALL(openat, EACCES),                              \
        CELLA_FILTER_ERRNO_CALL(stat, EACCES), CELLA_FILTER_ERRNO_CALL(lstat, EACCES),                               \
        CELLA_FILTER_ERRNO_CALL(statx, EACCES), CELLA_FILTER_ERRNO_CALL(access, EACCES),                             \
        CELLA_FILTER_ERRNO_CALL(readlink, EACCES), CELLA_FILTER_ERRNO_CALL(socket, EACCES),                          \
        CELLA_FILTER_ALLOW_EQUAL(newfstatat, 3, AT_EMPTY_PATH_ONLY, AT_EMPTY_PATH_ONLY),                             \
        CELLA_FILTER_ERRNO_EQUAL(newfstatat, EACCES, 3, AT_EMPTY_PATH_ONLY, 0),                                      \
        CELLA_FILTER_ALLOW_EQUAL(mmap, 2, PROT_EXEC, 0),                                                             \
        CELLA_FILTER_ERRNO_EQUAL(mmap, EACCES, 2, PROT_EXEC, PROT_EXEC),                                             \
        CELLA_FILTER_ALLOW_EQUAL(mprotect, 2, PROT_EXEC, 0),                                                         \
        CELLA_FILTER_ERRNO_EQUAL(mprotect, EACCES, 2, PROT_EXEC, PROT_EXEC),                                         \
        CELLA_FILTER_ALLOW_EQUAL(clone, 0, CLONE_THREAD_BITS, CLONE_THREAD_ONLY),                                    \
        CELLA_FILTER_ERRNO_EQUAL(clone, EPERM, 0, CLONE_THREAD_BIT, 0)

static const struct cella_filter_rule front_rules[] = {
    SERVING_CALLS,
    CELLA_FILTER_ALLOW_CALL(accept4),
    CELLA_FILTER_ALLOW_CALL(setsockopt),
    CELLA_FILTER_ERRNO_CALL(prctl, EPERM),
};

static const struct cella_filter_rule courier_rules[] = {
    SERVING_CALLS,
    CELLA_FILTER_ALLOW_CALL(memfd_create),
    CELLA_FILTER_ALLOW_CALL(ftruncate),
    CELLA_FILTER_ALLOW_CALL(fallocate),
    CELLA_FILTER_ALLOW_CALL(pread64),
    CELLA_FILTER_ALLOW_CALL(pwrite64),
    CELLA_FILTER_ERRNO_CALL(prctl, EPERM),
};

#define TABLE(rules) { (rules), sizeof(rules) / sizeof((rules)[0]), CELLA_FILTER_KILL }

const struct cella_confine_program cella_confine_front = { TABLE(front_rules), 0, false, false };
const struct cella_confine_program cella_confine_courier = { TABLE(courier_rules), 0, false, false };

cella_status cella_confine_main(const struct cella_confine_program *program, int argc, char **argv)
{
    const uint32_t required = CELLA_LAYER_SECCOMP | (program->keep_files ? 0U : (uint32_t) CELLA_LAYER_LANDLOCK);
    uint32_t layers;
    bool allowed = argc == 2 && strcmp(argv[1], CELLA_CONFINE_ALLOW_MISSING) == 0;
    if (argc != 1 && !allowed) {
        return CELLA_BAD_ARGUMENT;
    }
    CELLA_TRY(cella_confine_program(program, &layers));
    return allowed || (layers & required) == required ? CELLA_OK : CELLA_UNSAFE;
}

cella_status cella_confine_program(const struct cella_confine_program *program, uint32_t *layers)
{
    static const struct cella_limit no_core[] = { { RLIMIT_CORE, 0 } };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes filter = { 0 };
    uint32_t in_force = 0;
    if (program->descriptors > 0) {
        CELLA_TRY(cella_descriptors_close(program->descriptors, -1));
    }
    CELLA_TRY(cella_filter_build(&program->calls, &filter));
    CELLA_TRY(cella_limits_set(no_core, 1));
    CELLA_TRY(cella_capabilities_keep(CELLA_CAPABILITIES_NONE));
    CELLA_TRY(cella_process_no_new_privileges());
    CELLA_TRY(cella_process_undumpable());
    in_force |= CELLA_LAYER_CAPABILITIES | CELLA_LAYER_UNDUMPABLE;
    if (!program->keep_files && cella_landlock_deny_all(program->keep_signals) == CELLA_OK) {
        in_force |= CELLA_LAYER_LANDLOCK;
    }
    if (cella_filter_install(cella_bytes_view(&filter)) == CELLA_OK) {
        in_force |= CELLA_LAYER_SECCOMP;
    }
    if (layers != NULL) {
        *layers = in_force;
    }
    return CELLA_OK;
}
