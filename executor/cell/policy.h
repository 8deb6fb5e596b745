/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which system calls a zygote and its cells may make. One table, cella_policy_cell, says what a running script's
 * process may do; the wider filters that the zygote and a waiting cell need are derived from it, so that they can
 * not drift apart. docs/cells.md explains the choices; tests/boundary tries every number from inside.
 */

#include "confine/filter.h"

/*
 * The cell's socket to the monitor. Scripts can neither read, write nor close it: only sendto goes through it. A
 * power of two above every other descriptor, so that one bit tells it from the others.
 */
#define CELLA_CELL_CONTROL_FD 128

/* The final policy, default kill. Source: docs/cells.md, system calls. */
extern const struct cella_filter_table cella_policy_cell;

enum cella_policy_stage {
    CELLA_POLICY_ZYGOTE,  /* after preload: forks cells, passes descriptors, sets up a cell's layers */
    CELLA_POLICY_WAITING, /* a warm cell: the final policy, and what receiving a task takes */
    CELLA_POLICY_RUNNING, /* added to WAITING when the task is there: takes that away again */
};

/*
 * BPF program of a stage, for cella_filter_install. A cell installs ZYGOTE by inheritance, then WAITING while it is
 * idle, because that is the large one, then RUNNING. CELLA_NO_MEMORY, CELLA_SYSTEM_FAILED, CELLA_INTERNAL
 */
CELLA_MUST_USE cella_status cella_policy_build(enum cella_policy_stage stage, struct cella_bytes *out);
