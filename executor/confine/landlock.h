/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Landlock: no file system, no TCP, no signals or abstract sockets to processes outside.
 *
 * The kernel is asked which rights it knows (ABI 1 of Linux 5.13 to ABI 6 of 6.12), and all of them are denied; no
 * rule allows anything. stat, readlink, chdir and access are not covered by Landlock: seccomp and the empty root
 * are.
 */

#include <stdbool.h>

#include "base/status.h"

/* ABI of the running kernel; 0 when it has no Landlock. */
int cella_landlock_abi(void);

/*
 * Deny everything the kernel can deny, to this thread and all it starts. Needs no_new_privs.
 *
 * keep_signals:  true for a program that signals processes it started before this call, or that is the parent of
 *                processes which asked to die with it: the signal scope would stop both.
 *
 * CELLA_SYSTEM_FAILED  no Landlock, or the kernel refused
 *
 * Source: landlock(7); Documentation/userspace-api/landlock.rst of Linux 6.12.
 */
CELLA_MUST_USE cella_status cella_landlock_deny_all(bool keep_signals);
