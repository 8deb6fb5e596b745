/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Namespaces: a process sees its own users, mounts, network, IPC objects, host name, control groups and processes,
 * all of them empty.
 *
 * Order: enter while single-threaded (a threaded process may not enter a user namespace, and numerical libraries
 * start threads when they are loaded); then whatever needs files; then empty_root.
 */

#include "base/status.h"

/*
 * Enter new user, mount, network, IPC, UTS and control group namespaces, and have the next child start a new pid
 * namespace.
 *
 * The user namespace maps one user and one group, shown as 65534 (nobody). Started as root, the process becomes the
 * real user 65534, because the kernel does not hold root to RLIMIT_NPROC; the starter still owns the namespace and
 * may signal what is in it. Started as another user it stays that user.
 *
 * CELLA_SYSTEM_FAILED  some may have been entered: go on without counting on any of them, or give up
 *
 * Source: user_namespaces(7), pid_namespaces(7).
 */
CELLA_MUST_USE cella_status cella_namespaces_enter(void);

/*
 * Replace the file system by an empty read-only one. Needs a mount namespace and its capabilities.
 * Descriptors that are open stay usable. CELLA_SYSTEM_FAILED
 */
CELLA_MUST_USE cella_status cella_namespaces_empty_root(void);

/* Descriptor of this process' own pid namespace, for leave_pid; -1 on failure. Needs /proc. Close-on-exec. */
int cella_namespaces_own_pid(void);

/* Have children start in a new pid namespace, and in own's again. CELLA_SYSTEM_FAILED */
CELLA_MUST_USE cella_status cella_namespaces_next_child_new_pid(void);
CELLA_MUST_USE cella_status cella_namespaces_next_child_own_pid(int own);

/*
 * Enter a user namespace in which nobody is mapped, below the present one.
 *
 * No further namespace can be made inside, no user id be changed to, and RLIMIT_NPROC counts the processes inside
 * only. CELLA_SYSTEM_FAILED
 */
CELLA_MUST_USE cella_status cella_namespaces_nest(void);
