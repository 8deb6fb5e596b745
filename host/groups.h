/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The executor's control groups. The host makes one for each executor that it starts, below its own group, gives it to
 * the executor's user, and puts the monitor into it; the monitor makes groups for cells below that. Where this user
 * may make no groups there are none, and the executor says so.
 *
 * What was made is written down in the state folder before it is made. So whatever ends in whatever way, the groups
 * are removed: after the executor's end, or when the next host starts on the same state folder.
 *
 * Version 2 lets no group have both processes and limited children. So a host that sits alone in its group moves into
 * "cella-host" below it. Where systemd runs, only a group that it has delegated is used (docs/operations.md).
 */

#include <sys/types.h>

#include "base/control_group.h"
#include "host/state_folder.h"

#define CELLA_GROUPS_MAX 2U
#define CELLA_GROUPS_NAME_SIZE 23U /* "cella-", 16 hexadecimal digits, NUL */
#define CELLA_GROUPS_RECORD "groups" /* in the state folder: absolute paths, one a line */

struct cella_groups {
    const struct cella_state_folder *folder; /* borrowed */
    int version;                             /* 2, 1, or 0: none can be made */
    size_t count;                            /* hierarchies: 1 of version 2, 2 of version 1 */
    char bases[CELLA_GROUPS_MAX][CELLA_CONTROL_GROUP_PATH_MAX];
    char name[CELLA_GROUPS_NAME_SIZE]; /* of the present executor's; empty: none is made */
};

/*
 * Find where groups can be made.
 *
 * folder:         open for as long as the object is used
 * mounts, groups: base/control_group.h. The machine's word, or a test's
 * out:            version 0 when nothing fits
 */
void cella_groups_open(const struct cella_state_folder *folder, struct cella_view mounts, struct cella_view groups,
                       struct cella_groups *out);

/* Make groups for an executor. Where it fails none is left, and name stays empty. */
void cella_groups_make(struct cella_groups *groups);

/* Put a process into them: the executor's first, before it has started others. */
void cella_groups_enter(const struct cella_groups *groups, pid_t process);

/* Folder of group index of the present executor. False past the end, or when none is made. */
bool cella_groups_path(const struct cella_groups *groups, size_t index, char out[CELLA_CONTROL_GROUP_PATH_MAX]);

/*
 * Remove every group that the state folder names. Their executor must have ended, or be ending: it is waited for, at
 * most patience_ms. What can not be removed stays written down.
 *
 * Returns whether nothing is left.
 */
bool cella_groups_remove(struct cella_groups *groups, unsigned int patience_ms);
