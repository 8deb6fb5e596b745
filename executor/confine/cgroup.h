/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Control groups that hold single processes: memory and the number of processes and threads. Version 2 and version 1
 * differ in names of files and in what has to be done before the first group can be made; one table holds both.
 *
 * Groups lie directly below the caller's own group (its "home") and have names that the caller chooses: 1 to 31 of
 * a-z, 0-9 and "-". Nothing is kept open per group.
 *
 * What a group counts: memory that its processes were the first to touch, private or in memory files, and what the
 * kernel holds for them. Memory that was there before a process was placed stays with its former group.
 *
 * Source: the kernel's admin-guide/cgroup-v2, cgroup-v1/memory and cgroup-v1/pids.
 */

#include <sys/types.h>

#include "base/bytes.h"

struct cella_cgroup_kind;

extern const struct cella_cgroup_kind cella_cgroup_v1;
extern const struct cella_cgroup_kind cella_cgroup_v2;

/* Where groups are made. Zeroed with both descriptors -1: nowhere. */
struct cella_cgroup_home {
    const struct cella_cgroup_kind *kind; /* NULL: nowhere */
    int memory;                           /* folder of the own group; of version 1 in the memory hierarchy */
    int pids;                             /* version 1: the same in the pids hierarchy; -1: it is the same folder */
};

/* What a group has used since it was made; peak_bytes since it was made or reset. */
struct cella_cgroup_usage {
    uint64_t peak_bytes; /* the most memory that it held; 0 where the kernel does not keep it */
    uint64_t cpu_us;     /* version 2 only, else 0 */
    uint64_t kills;      /* processes in it that the kernel killed for memory */
    bool full;           /* with kills: the group's own limit was met, not the end of the machine's memory */
};

/* "cgroup2", "cgroup1": how executor.info names it. */
const char *cella_cgroup_kind_name(const struct cella_cgroup_kind *kind);

/*
 * Open a home, and make sure by trying that groups below it can be limited.
 *
 * memory:  folder of the caller's own group: version 2 the only one, version 1 of the memory hierarchy
 * pids:    version 1: of the pids hierarchy; version 2: NULL
 * out:     cella_cgroup_home_close it
 *
 * Version 2 lets no group have processes and limited children, except the root. So the processes that are in the
 * home, the caller among them, are moved into a group "executor" below it. Call this while they are few and known:
 * before other processes are started.
 *
 * CELLA_SYSTEM_FAILED  a controller is missing, or this user may not; errno says why
 */
CELLA_MUST_USE cella_status cella_cgroup_home_open(const struct cella_cgroup_kind *kind, const char *memory,
                                                   const char *pids, struct cella_cgroup_home *out);
void cella_cgroup_home_close(struct cella_cgroup_home *home);

/* Make a group, without limits. One of the name that is there already is used as it is. CELLA_SYSTEM_FAILED */
CELLA_MUST_USE cella_status cella_cgroup_make(const struct cella_cgroup_home *home, const char *name);

/* Remove a group. CELLA_SYSTEM_FAILED  there are processes in it (EBUSY), or it is not there (ENOENT) */
CELLA_MUST_USE cella_status cella_cgroup_remove(const struct cella_cgroup_home *home, const char *name);

/*
 * Make an empty group as good as new: no limits, usage from zero.
 * CELLA_SYSTEM_FAILED  it could not be done: the group may have gone, or may not be used
 */
CELLA_MUST_USE cella_status cella_cgroup_reset(const struct cella_cgroup_home *home, const char *name);

/* Is no process in the group, not even one that has ended and was not waited for? False when it can not be told. */
bool cella_cgroup_is_empty(const struct cella_cgroup_home *home, const char *name);

/*
 * Put a process with all its threads into a group.
 * process:  a number in the caller's pid namespace
 * CELLA_SYSTEM_FAILED  it is gone (ESRCH), or not the caller's to move (EACCES)
 */
CELLA_MUST_USE cella_status cella_cgroup_place(const struct cella_cgroup_home *home, const char *name, pid_t process);

/*
 * Limit what a group may hold. A process that needs more memory is killed with all of its group.
 *
 * memory_bytes:  memory and swap together; version 2 has no swap at all
 * processes:     processes and threads, at least 1
 * CELLA_SYSTEM_FAILED  the kernel did not take it
 */
CELLA_MUST_USE cella_status cella_cgroup_limit(const struct cella_cgroup_home *home, const char *name,
                                               uint64_t memory_bytes, uint32_t processes);

/* Memory that the group holds now. CELLA_SYSTEM_FAILED */
CELLA_MUST_USE cella_status cella_cgroup_memory(const struct cella_cgroup_home *home, const char *name,
                                                uint64_t *out_bytes);

/* CELLA_SYSTEM_FAILED  the group is gone */
CELLA_MUST_USE cella_status cella_cgroup_usage(const struct cella_cgroup_home *home, const char *name,
                                               struct cella_cgroup_usage *out);
