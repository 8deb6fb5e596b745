/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The cells' control groups: one per cell, from before it gets its task until after it has ended. On a machine where
 * the monitor may not make groups there are none, and the limits of the process itself (rlimits) hold a cell alone.
 *
 * A cell is placed while it is idle, so that a task that comes costs the writing of its limits only. A group whose
 * cell has ended is used again once it is empty.
 *
 * What counts against a task's memory: what its cell is the first to touch after it was placed: the script's own
 * memory, pages of the preloaded modules that it changes, its outputs, and the kernel's for it. Not what the zygote
 * loaded, nor inputs and script: the courier and the monitor filled those. docs/cells.md section 7.
 */

#include <sys/types.h>

#include "base/bytes.h"

struct cella_cgroups;
struct cella_cgroup_home;

#define CELLA_CGROUPS_NO_SLOT UINT32_MAX
#define CELLA_CGROUPS_MAX 4096U /* groups; more cells than any pool and concurrency make */

/*
 * What a task may use beyond its limits before the kernel kills it. The limit of the address space has to be met
 * first, because a script gets a MemoryError from that one; and the interpreter writes to pages that it shared with the
 * zygote, which costs a copy each though the script asked for nothing.
 */
#define CELLA_CGROUPS_ROOM ((uint64_t) 32 << 20)

/*
 * Find out what the machine offers, version 2 before version 1, and make groups ready. Call it before any other
 * process is started: version 2 may have to move all that there are (confine/cgroup.h).
 *
 * ready:  groups to make at once: as many cells as are usually there
 * out:    never NULL on CELLA_OK; that there are no groups to be had is no error
 *
 * CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_cgroups_open(uint32_t ready, struct cella_cgroups **out);

/* The same in a given home, which is taken over. home->kind NULL: without groups. */
CELLA_MUST_USE cella_status cella_cgroups_new(struct cella_cgroup_home *home, uint32_t ready,
                                              struct cella_cgroups **out);

/* Removes the groups in which nobody is left. Accepts NULL. */
void cella_cgroups_free(struct cella_cgroups *groups);

/* "cgroup2", "cgroup1" or "rlimits". */
const char *cella_cgroups_tier(const struct cella_cgroups *groups);

/* CELLA_LAYER_CGROUP, or 0 without groups. */
uint32_t cella_cgroups_layers(const struct cella_cgroups *groups);

/*
 * Put an idle cell into a group of its own.
 *
 * process:   the cell, in the monitor's pid namespace
 * out_slot:  the group; CELLA_CGROUPS_NO_SLOT without groups, which is CELLA_OK, and on failure
 *
 * CELLA_SYSTEM_FAILED  the cell is gone, or groups can not be made any more: it may not get a task, because evidence
 *                      says that groups hold the cells
 * CELLA_TOO_MANY; CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_cgroups_place(struct cella_cgroups *groups, pid_t process, uint32_t *out_slot);

/*
 * The cell gets its task: limit it.
 *
 * slot:          of cella_cgroups_place; CELLA_CGROUPS_NO_SLOT does nothing
 * memory_bytes:  the task's memory limit and what all its outputs together may hold. What was in the
 *                group before, and CELLA_CGROUPS_ROOM, are added
 * threads:       that the task may have besides the first, as in its limits
 *
 * CELLA_SYSTEM_FAILED  the task may not be given to this cell
 */
CELLA_MUST_USE cella_status cella_cgroups_limit(struct cella_cgroups *groups, uint32_t slot, uint64_t memory_bytes,
                                                uint32_t threads);

/*
 * What the task has used so far. For a cell that has ended too, until cella_cgroups_release.
 *
 * out_cpu_us:      0 with version 1, which does not offer it
 * out_peak_bytes:  the most memory since the cell was placed; 0 where the kernel does not keep it
 * out_oom:         the kernel killed the cell because it needed more than its limit
 *
 * CELLA_NOT_FOUND      there is no group (CELLA_CGROUPS_NO_SLOT); outputs are not touched
 * CELLA_SYSTEM_FAILED  outputs are not touched
 */
CELLA_MUST_USE cella_status cella_cgroups_usage(const struct cella_cgroups *groups, uint32_t slot,
                                                uint64_t *out_cpu_us, uint64_t *out_peak_bytes, bool *out_oom);

/* The cell has ended or is about to. Accepts CELLA_CGROUPS_NO_SLOT; a second call does nothing. */
void cella_cgroups_release(struct cella_cgroups *groups, uint32_t slot);
