/* SPDX-License-Identifier: Apache-2.0 */
#include "confine/namespaces.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "confine/descriptors.h"

#define NOBODY 65534U

static cella_status write_file(pid_t process, const char *name, const char *text)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int) process, name);
    CELLA_CLEANUP(cella_descriptors_release) int file = open(path, O_WRONLY | O_CLOEXEC);
    size_t size = strlen(text);
    if (file < 0 || write(file, text, size) != (ssize_t) size) {
        return CELLA_SYSTEM_FAILED;
    }
    return CELLA_OK;
}

static cella_status write_maps(pid_t process, unsigned int user, unsigned int group)
{
    char line[64];
    CELLA_TRY(write_file(process, "setgroups", "deny"));
    snprintf(line, sizeof(line), "%u %u 1\n", NOBODY, user);
    CELLA_TRY(write_file(process, "uid_map", line));
    snprintf(line, sizeof(line), "%u %u 1\n", NOBODY, group);
    return write_file(process, "gid_map", line);
}

/* Another user than one's own can only be mapped from outside: by a helper that stays behind as root. */
static cella_status enter_as_nobody(void)
{
    int gate[2];
    pid_t process = getpid();
    if (setgroups(0, NULL) != 0 || pipe2(gate, O_CLOEXEC) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    CELLA_CLEANUP(cella_descriptors_release) int wait_here = gate[0];
    CELLA_CLEANUP(cella_descriptors_release) int open_gate = gate[1];
    pid_t helper = fork();
    if (helper == 0) {
        char go;
        cella_descriptors_release(&open_gate);
        bool told = read(wait_here, &go, 1) == 1;
        _exit(told && write_maps(process, NOBODY, NOBODY) == CELLA_OK ? 0 : 1);
    }
    if (helper < 0) {
        return CELLA_SYSTEM_FAILED;
    }
    bool entered = unshare(CLONE_NEWUSER) == 0 && write(open_gate, "g", 1) == 1;
    cella_descriptors_release(&open_gate);
    int status = 1;
    if (waitpid(helper, &status, 0) != helper || status != 0 || !entered) {
        return CELLA_SYSTEM_FAILED;
    }
    if (setresgid(NOBODY, NOBODY, NOBODY) != 0 || setresuid(NOBODY, NOBODY, NOBODY) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    return CELLA_OK;
}

static cella_status enter_as_oneself(void)
{
    unsigned int user = geteuid();
    unsigned int group = getegid();
    if (unshare(CLONE_NEWUSER) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    return write_maps(getpid(), user, group);
}

cella_status cella_namespaces_enter(void)
{
    CELLA_TRY(geteuid() == 0 ? enter_as_nobody() : enter_as_oneself());
    int rest = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_NEWPID;
    return unshare(rest) == 0 ? CELLA_OK : CELLA_SYSTEM_FAILED;
}

cella_status cella_namespaces_empty_root(void)
{
    /* Any directory serves as mount point; /tmp may be absent from a small image, /proc is not. */
    static const char place[] = "/proc";
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("cella", place, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, "size=4k,mode=0555") != 0 ||
        chdir(place) != 0 || syscall(SYS_pivot_root, ".", ".") != 0 || umount2(".", MNT_DETACH) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    return chdir("/") == 0 ? CELLA_OK : CELLA_SYSTEM_FAILED;
}

int cella_namespaces_own_pid(void)
{
    return open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
}

cella_status cella_namespaces_next_child_new_pid(void)
{
    return unshare(CLONE_NEWPID) == 0 ? CELLA_OK : CELLA_SYSTEM_FAILED;
}

cella_status cella_namespaces_next_child_own_pid(int own)
{
    return setns(own, CLONE_NEWPID) == 0 ? CELLA_OK : CELLA_SYSTEM_FAILED;
}

cella_status cella_namespaces_nest(void)
{
    return unshare(CLONE_NEWUSER) == 0 ? CELLA_OK : CELLA_SYSTEM_FAILED;
}
