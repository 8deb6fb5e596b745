/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests only: counts what a program writes, and at call number N kills the program or lets the call fail; and lies to it
 * about the time of day. Linked into
 * copies of cella-host, cella-ledger and cella-monitor (tests/CMakeLists.txt), whose calls, and those of the libraries that
 * they load, find these functions in front of the C library's.
 *
 * What to do is in a file beside the program, PROGRAM.fault, which tests/system/faulty.py makes before the program starts and
 * changes while it runs: the monitor has neither an environment nor a folder to write to, but it sees this file. Without the
 * file nothing happens. What is said goes to standard error, and so to the host's log.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define OFFERED __attribute__((visibility("default")))

/* The same numbers are in tests/system/faulty.py. */
enum action {
    ACTION_NONE,
    ACTION_COUNT,
    ACTION_TELL, /* the same, and every call is told */
    ACTION_KILL_BEFORE,
    ACTION_KILL_WITHIN, /* half of what is written is written */
    ACTION_KILL_AFTER,
    ACTION_FAIL_WRITE, /* of files, renaming included: the first of them writes half, the others nothing */
    ACTION_FAIL_SYNC,
};

/* The file's content. Another generation: counting begins anew. */
struct plan {
    _Atomic uint32_t generation;
    uint32_t action;
    uint32_t first; /* 1 is the first call */
    uint32_t last;  /* of those that fail */
    uint32_t error; /* errno of those */
    uint32_t unused;
    int64_t clock_s; /* what the program takes for the time of day is so much later; in force at once */
};

static volatile struct plan *plan;
static bool can_disarm;
static pid_t owner;
static _Atomic uint32_t generation;
static _Atomic uint32_t calls;

__attribute__((constructor)) static void look_for_plan(void)
{
    char path[1024];
    ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - 8);
    if (size <= 0) {
        return;
    }
    (void) snprintf(path + size, 8, ".fault");
    int file = open(path, O_RDWR | O_CLOEXEC);
    can_disarm = file >= 0;
    file = file < 0 ? open(path, O_RDONLY | O_CLOEXEC) : file;
    if (file < 0) {
        return;
    }
    void *content = mmap(NULL, sizeof(*plan), can_disarm ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, file, 0);
    close(file);
    owner = getpid();
    plan = content == MAP_FAILED ? NULL : content;
}

static void say(const char *what, uint32_t number, const char *call)
{
    char line[128];
    int size = snprintf(line, sizeof(line), "fault: %s %u %s\n", what, number, call);
    (void) syscall(SYS_write, STDERR_FILENO, line, (size_t) size);
}

static _Noreturn void die(const char *when, uint32_t number, const char *call)
{
    say(when, number, call);
    if (can_disarm) {
        plan->action = ACTION_NONE; /* the next process of this program lives */
    }
    for (;;) {
        (void) syscall(SYS_kill, owner, SIGKILL);
        (void) syscall(SYS_tgkill, owner, owner, SIGKILL);
        _exit(137); /* process 1 of a namespace can not kill itself */
    }
}

enum kind {
    KIND_WRITE,
    KIND_SYNC,
    KIND_RENAME,
    KIND_UNLINK, /* needs no room */
};

/* A call's number and what becomes of it. */
struct fate {
    uint32_t action; /* ACTION_NONE: goes on as if nothing was */
    uint32_t number;
    bool half;
};

static bool is_file(int descriptor)
{
    struct stat facts;
    return fstat(descriptor, &facts) == 0 && (S_ISREG(facts.st_mode) || S_ISDIR(facts.st_mode));
}

static struct fate fate_of(enum kind kind, int descriptor, const char *call)
{
    struct fate none = { ACTION_NONE, 0, false };
    int error = errno;
    uint32_t action = plan == NULL || descriptor == STDERR_FILENO ? (uint32_t) ACTION_NONE : plan->action;
    bool fails = action == ACTION_FAIL_WRITE || action == ACTION_FAIL_SYNC;
    if (action == ACTION_NONE || getpid() != owner || (fails && (action == ACTION_FAIL_SYNC) != (kind == KIND_SYNC)) ||
        (fails && kind == KIND_UNLINK) ||
        (fails && kind != KIND_RENAME && !is_file(descriptor))) {
        errno = error;
        return none;
    }
    errno = error;
    uint32_t now = plan->generation;
    if (atomic_exchange(&generation, now) != now) {
        atomic_store(&calls, 0);
    }
    uint32_t number = atomic_fetch_add(&calls, 1) + 1;
    if (action == ACTION_TELL) {
        say("counted", number, call);
        return none;
    }
    if (action == ACTION_COUNT || number < plan->first || number > plan->last) {
        return none;
    }
    return (struct fate){ action, number, number == plan->first };
}

static void before(struct fate fate, const char *call)
{
    if (fate.action == ACTION_KILL_BEFORE) {
        die("killed before", fate.number, call);
    }
}

static void after(struct fate fate, const char *call)
{
    if (fate.action == ACTION_KILL_AFTER || fate.action == ACTION_KILL_WITHIN) {
        die(fate.action == ACTION_KILL_AFTER ? "killed after" : "killed within", fate.number, call);
    }
}

/* True: the call fails, and errno says why. */
static bool fails(struct fate fate, const char *call)
{
    if (fate.action != ACTION_FAIL_WRITE && fate.action != ACTION_FAIL_SYNC) {
        return false;
    }
    if (fate.half) {
        say("failing from", fate.number, call);
    }
    errno = (int) plan->error;
    return true;
}

/* Bytes that are written at all. */
static size_t cut(struct fate fate, size_t size)
{
    bool half = fate.action == ACTION_KILL_WITHIN || (fate.action == ACTION_FAIL_WRITE && fate.half);
    return half && size > 1 ? size / 2 : size;
}

/* Half of it was written, and that is what is said: the next one fails. */
static bool is_short(struct fate fate, size_t size)
{
    return fate.action == ACTION_FAIL_WRITE && fate.half && size > 1;
}

OFFERED ssize_t write(int descriptor, const void *bytes, size_t size)
{
    struct fate fate = fate_of(KIND_WRITE, descriptor, "write");
    before(fate, "write");
    if (fails(fate, "write") && !is_short(fate, size)) {
        return -1;
    }
    ssize_t result = syscall(SYS_write, descriptor, bytes, cut(fate, size));
    after(fate, "write");
    return result;
}

static ssize_t write_at(int descriptor, const void *bytes, size_t size, off_t place)
{
    struct fate fate = fate_of(KIND_WRITE, descriptor, "pwrite");
    before(fate, "pwrite");
    if (fails(fate, "pwrite") && !is_short(fate, size)) {
        return -1;
    }
    ssize_t result = syscall(SYS_pwrite64, descriptor, bytes, cut(fate, size), place);
    after(fate, "pwrite");
    return result;
}

OFFERED ssize_t pwrite(int descriptor, const void *bytes, size_t size, off_t place)
{
    return write_at(descriptor, bytes, size, place);
}

OFFERED ssize_t pwrite64(int descriptor, const void *bytes, size_t size, off64_t place)
{
    return write_at(descriptor, bytes, size, place);
}

OFFERED ssize_t send(int descriptor, const void *bytes, size_t size, int flags)
{
    struct fate fate = fate_of(KIND_WRITE, descriptor, "send");
    before(fate, "send");
    if (fails(fate, "send")) {
        return -1;
    }
    ssize_t result = syscall(SYS_sendto, descriptor, bytes, cut(fate, size), flags, NULL, 0);
    after(fate, "send");
    return result;
}

OFFERED ssize_t writev(int descriptor, const struct iovec *pieces, int count)
{
    struct fate fate = fate_of(KIND_WRITE, descriptor, "writev");
    before(fate, "writev");
    if (fails(fate, "writev")) {
        return -1;
    }
    ssize_t result = syscall(SYS_writev, descriptor, pieces, fate.action == ACTION_KILL_WITHIN ? (count + 1) / 2 : count);
    after(fate, "writev");
    return result;
}

OFFERED ssize_t sendmsg(int descriptor, const struct msghdr *message, int flags)
{
    struct fate fate = fate_of(KIND_WRITE, descriptor, "sendmsg");
    before(fate, "sendmsg");
    if (fails(fate, "sendmsg")) {
        return -1;
    }
    ssize_t result = syscall(SYS_sendmsg, descriptor, message, flags);
    after(fate, "sendmsg");
    return result;
}

static int sync_file(int descriptor, long number, const char *call)
{
    struct fate fate = fate_of(KIND_SYNC, descriptor, call);
    before(fate, call);
    if (fails(fate, call)) {
        return -1;
    }
    int result = (int) syscall(number, descriptor);
    after(fate, call);
    return result;
}

OFFERED int fsync(int descriptor)
{
    return sync_file(descriptor, SYS_fsync, "fsync");
}

OFFERED int fdatasync(int descriptor)
{
    return sync_file(descriptor, SYS_fdatasync, "fdatasync");
}

static int cut_file(int descriptor, off_t size)
{
    struct fate fate = fate_of(KIND_WRITE, descriptor, "ftruncate");
    before(fate, "ftruncate");
    if (fails(fate, "ftruncate")) {
        return -1;
    }
    int result = (int) syscall(SYS_ftruncate, descriptor, size);
    after(fate, "ftruncate");
    return result;
}

OFFERED int ftruncate(int descriptor, off_t size)
{
    return cut_file(descriptor, size);
}

OFFERED int ftruncate64(int descriptor, off64_t size)
{
    return cut_file(descriptor, size);
}

OFFERED int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    struct fate fate = fate_of(KIND_RENAME, -1, "rename");
    before(fate, "rename");
    if (fails(fate, "rename")) {
        return -1;
    }
    int result = (int) syscall(SYS_renameat2, from_folder, from, to_folder, to, 0);
    after(fate, "rename");
    return result;
}

OFFERED int rename(const char *from, const char *to)
{
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

OFFERED int unlinkat(int folder, const char *name, int flags)
{
    struct fate fate = fate_of(KIND_UNLINK, -1, "unlink");
    before(fate, "unlink");
    int result = (int) syscall(SYS_unlinkat, folder, name, flags);
    after(fate, "unlink");
    return result;
}

OFFERED int unlink(const char *name)
{
    return unlinkat(AT_FDCWD, name, 0);
}

OFFERED int clock_gettime(clockid_t which, struct timespec *out)
{
    int result = (int) syscall(SYS_clock_gettime, which, out);
    if (result == 0 && which == CLOCK_REALTIME && plan != NULL) {
        out->tv_sec += plan->clock_s;
    }
    return result;
}

OFFERED time_t time(time_t *out)
{
    struct timespec now;
    (void) clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL) {
        *out = now.tv_sec;
    }
    return now.tv_sec;
}
