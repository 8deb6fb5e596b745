/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Starting the executor's other programs: fork and exec with exactly the descriptors they need, an empty environment
 * and nothing inherited. The exec gives the child fresh memory, so it holds nothing of the monitor's.
 */

#include <sys/types.h>

#include "monitor/monitor.h"

/*
 * Start a program of the executor's folder.
 *
 * arguments:    NULL-terminated, without the program's name
 * descriptors:  become 3, 4, ... in the child, in this order; at most 4; -1 leaves a place empty
 * pidfd:        receives a descriptor for the process, close-on-exec; the caller closes it
 * CELLA_SYSTEM_FAILED
 */
CELLA_MUST_USE cella_status cella_child_start(const struct cella_monitor *monitor, const char *program,
                                              const char *const *arguments, const int *descriptors,
                                              size_t descriptor_count, pid_t *pid, int *pidfd);

/* A socket pair; near is close-on-exec and non-blocking. type: SOCK_STREAM or SOCK_SEQPACKET */
CELLA_MUST_USE cella_status cella_child_socket(int type, int *near, int *far);

/* A new link to the host for a program: asks at the door. Blocks for the host's answer. */
CELLA_MUST_USE cella_status cella_child_link(const struct cella_monitor *monitor, enum cella_link_role role,
                                             int *out);

/* Close a descriptor and set it to -1; accepts -1. */
void cella_child_close(int *descriptor);
