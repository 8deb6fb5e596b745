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

/* What a task's contract takes away from it. */
extern const struct cella_filter_table cella_policy_alone;  /* clone: no threads at all */
extern const struct cella_filter_table cella_policy_coarse; /* threads and fine clocks */

enum cella_policy_running {
    CELLA_RUNNING_PLAIN,
    CELLA_RUNNING_ALONE,
    CELLA_RUNNING_COARSE,
    CELLA_RUNNING_KINDS,
};

/*
 * BPF program of the zygote after preload, and of its cells until they have a task: the final policy, and what forking,
 * boxing and receiving takes. The large one; cells have it by inheritance.
 * CELLA_NO_MEMORY, CELLA_SYSTEM_FAILED, CELLA_INTERNAL
 */
CELLA_MUST_USE cella_status cella_policy_preparing(struct cella_bytes *out);

/*
 * BPF program that a cell adds when it has its task, a small one. With preparing's it is exactly cella_policy_cell, where
 * a rule of alone or coarse comes first. CELLA_NO_MEMORY, CELLA_SYSTEM_FAILED, CELLA_INTERNAL
 */
CELLA_MUST_USE cella_status cella_policy_running(enum cella_policy_running kind, struct cella_bytes *out);
