/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Control groups, as far as host and monitor both need them: where a process' own group is mounted, and the short
 * texts that a group's files hold. What limits a cell is confine/cgroup.h; what the host makes is host/groups.h.
 *
 * Source: cgroups(7), proc_pid_mountinfo(5), the kernel's admin-guide/cgroup-v2 and cgroup-v1/memory.
 */

#include "base/bytes.h"

#define CELLA_CONTROL_GROUP_PATH_MAX 1024U /* bytes with the NUL; deeper groups are not used */

/* The name of the one hierarchy of version 2, where a controller of version 1 is asked for. */
#define CELLA_CONTROL_GROUP_UNIFIED ""

/*
 * What the kernel says about this process: its mounts and its groups. The caller clears both.
 *
 * mounts:  content of /proc/self/mountinfo, at most 4 MiB
 * groups:  content of /proc/self/cgroup
 * CELLA_SYSTEM_FAILED; CELLA_TOO_LARGE; CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_control_group_read_own(struct cella_bytes *mounts, struct cella_bytes *groups);

/*
 * Find the folder of the process' own group in the hierarchy of a controller.
 *
 * mounts, groups:  texts as read above, or of a test. Lines that do not have the expected form are passed over.
 * controller:      "memory", "pids", ... of version 1, or CELLA_CONTROL_GROUP_UNIFIED for version 2
 * out:             absolute path, NUL-terminated; empty unless CELLA_OK
 *
 * CELLA_NOT_FOUND  no such mount, or none that shows the process' group
 */
CELLA_MUST_USE cella_status cella_control_group_find(struct cella_view mounts, struct cella_view groups,
                                                     const char *controller, char out[CELLA_CONTROL_GROUP_PATH_MAX]);

/*
 * Write a short text into a file that is there, in one write.
 *
 * folder:  descriptor of a folder, or AT_FDCWD
 * file:    path below it
 * CELLA_SYSTEM_FAILED  errno says why
 */
CELLA_MUST_USE cella_status cella_control_group_write(int folder, const char *file, const char *text);

/*
 * Read a file's beginning.
 *
 * out:   text, NUL-terminated, without the last newline; what does not fit is left out
 * size:  of out in bytes, at least 1
 * CELLA_SYSTEM_FAILED  errno says why
 */
CELLA_MUST_USE cella_status cella_control_group_read(int folder, const char *file, char *out, size_t size);

/* Is a word among those of a file that lists words, like cgroup.controllers? False when it can not be read. */
bool cella_control_group_lists(int folder, const char *file, const char *word);
