/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Control groups for tests: a plain folder with the files of version 2, in which what is written can be read; and a
 * group of the test's own in the machine's hierarchies, where it may make one.
 */

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/control_group.h"

__attribute__((format(printf, 2, 3))) static inline void tree_put(const char *content, const char *format, ...)
{
    char path[512];
    va_list arguments;
    va_start(arguments, format);
    (void) vsnprintf(path, sizeof(path), format, arguments);
    va_end(arguments);
    int file = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    assert_int_equal(write(file, content, strlen(content)), strlen(content));
    assert_int_equal(close(file), 0);
}

/* Content of a file without its last newline; one text at a time. */
__attribute__((format(printf, 3, 4))) static inline const char *tree_get(char *out, size_t size, const char *format,
                                                                         ...)
{
    char path[512];
    va_list arguments;
    va_start(arguments, format);
    (void) vsnprintf(path, sizeof(path), format, arguments);
    va_end(arguments);
    assert_int_equal(cella_control_group_read(AT_FDCWD, path, out, size), CELLA_OK);
    return out;
}

/* The kernel would make these files when the group is made. */
static inline void tree_add_group(const char *root, const char *name)
{
    char path[256];
    (void) snprintf(path, sizeof(path), "%s/%s", root, name);
    assert_int_equal(mkdir(path, 0700), 0);
    static const char *const empty[] = { "cgroup.procs", "memory.max", "memory.swap.max", "memory.oom.group",
                                         "pids.max" };
    for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
        tree_put("", "%s/%s", path, empty[i]);
    }
    tree_put("0\n", "%s/pids.current", path);
    tree_put("4096\n", "%s/memory.current", path);
    tree_put("8192\n", "%s/memory.peak", path);
    tree_put("low 0\nhigh 0\nmax 7\noom 0\noom_kill 0\noom_group_kill 0\n", "%s/memory.events", path);
    tree_put("usage_usec 0\nuser_usec 0\n", "%s/cpu.stat", path);
}

/* A home of version 2 with one process in it, and the groups that opening it needs. */
static inline void tree_make(char root[32])
{
    (void) snprintf(root, 32, "/tmp/cella-XXXXXX");
    assert_non_null(mkdtemp(root));
    tree_put("cpu io memory pids\n", "%s/cgroup.controllers", root);
    tree_put("domain\n", "%s/cgroup.type", root);
    tree_put("", "%s/cgroup.subtree_control", root);
    tree_put("41\n", "%s/cgroup.procs", root);
    tree_add_group(root, "executor");
    tree_add_group(root, "probe");
}

static inline void tree_remove(const char *root)
{
    pid_t child = fork();
    if (child == 0) {
        (void) execl("/bin/rm", "rm", "-rf", root, (char *) NULL);
        _exit(127);
    }
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/*
 * Make a group of version 1 for the test, below its own, in the memory and the pids hierarchy. False, with a loud line,
 * where it may not.
 */
static inline bool tree_real(char memory[CELLA_CONTROL_GROUP_PATH_MAX], char pids[CELLA_CONTROL_GROUP_PATH_MAX])
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes mounts = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes groups = { 0 };
    static const char *const controllers[] = { "memory", "pids" };
    char *out[] = { memory, pids };
    assert_int_equal(cella_control_group_read_own(&mounts, &groups), CELLA_OK);
    for (size_t i = 0; i < 2; i++) {
        char own[CELLA_CONTROL_GROUP_PATH_MAX];
        bool found = cella_control_group_find(cella_bytes_view(&mounts), cella_bytes_view(&groups), controllers[i],
                                              own) == CELLA_OK;
        int size = snprintf(out[i], CELLA_CONTROL_GROUP_PATH_MAX, "%s/cella-test-%d", own, (int) getpid());
        if (!found || size >= (int) CELLA_CONTROL_GROUP_PATH_MAX || mkdir(out[i], 0755) != 0) {
            print_message("NO CONTROL GROUPS of version 1 to be made here: skipped\n");
            if (i == 1) {
                (void) rmdir(memory);
            }
            return false;
        }
    }
    return true;
}

static inline void tree_real_remove(const char *memory, const char *pids)
{
    assert_int_equal(rmdir(memory), 0);
    assert_int_equal(rmdir(pids), 0);
}
