/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a process gives up about itself: gaining privileges, being inspected, outliving its parent.
 *
 * Changing user ids or entering a user namespace resets the last two, so these calls come after that.
 */

#include <sys/types.h>

#include "base/status.h"

/* No exec, set-user-id file or file capability gives this process or its children more than it has. */
CELLA_MUST_USE cella_status cella_process_no_new_privileges(void);

/* No ptrace, no core file, no reading of /proc/PID/mem by processes of the same user. */
CELLA_MUST_USE cella_status cella_process_undumpable(void);

/*
 * Ask the kernel to kill this process when its parent ends.
 *
 * parent:  what getppid() must return here (0 when the parent is outside of this process' pid namespace). It is
 *          compared afterwards, because a parent that died before the request would never be noticed.
 *
 * CELLA_CLOSED  the parent is gone already: end at once
 * CELLA_SYSTEM_FAILED
 *
 * Source: prctl(2), PR_SET_PDEATHSIG.
 */
CELLA_MUST_USE cella_status cella_process_die_with_parent(pid_t parent);
