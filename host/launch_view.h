/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The file system that an executor on the `process` platform sees: libraries and Python below /usr, the loader's
 * cache, a few devices, its own processes below /proc and its programs in CELLA_VIEW_PROGRAMS; all read-only. No
 * homes, no state folder, no sockets, no place to write; but its own control groups, below /sys/fs/cgroup, can be
 * written to where it was given some. Besides, what it makes evidence with (host/devices.h).
 */

#include "host/devices.h"
#include "host/groups.h"

#define CELLA_VIEW_PROGRAMS "/cella"

/*
 * Build it and make it the root of the calling process.
 *
 * Call it in new user, mount and pid namespaces, after user and group were mapped to 65534 and before changing to
 * them: what the starter may read is opened first.
 *
 * groups:        made for this process, which is in them; NULL: none
 * devices:       those that it sees; NULL: none
 * become_nobody: called in between; changes user and group, keeps the capabilities
 * step:          on failure, the step that failed; static text. errno says why.
 * CELLA_SYSTEM_FAILED
 */
CELLA_MUST_USE cella_status cella_view_enter(const char *programs, const struct cella_groups *groups,
                                             const struct cella_devices *devices, cella_status (*become_nobody)(void), const char **step);
