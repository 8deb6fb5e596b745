/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/cgroups.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/control_group.h"
#include "base/layers.h"
#include "confine/cgroup.h"

#define NAME_SIZE 16
#define LEAST 4096U /* bytes of a cell: the kernel counts in batches, and the first may be what was left of the last cell */

enum slot_state {
    SLOT_ABSENT, /* there is no group */
    SLOT_READY,  /* as good as new */
    SLOT_PLACED,
    SLOT_USED,   /* its cell has ended, or is about to */
};

struct slot {
    enum slot_state state;
    uint64_t idle_bytes; /* when the cell was placed: what is left of the last one */
    uint64_t kills;      /* the same */
};

struct cella_cgroups {
    struct cella_cgroup_home home;
    struct slot *slots;
    uint32_t count;
};

static void name_of(uint32_t slot, char out[NAME_SIZE])
{
    (void) snprintf(out, NAME_SIZE, "cell-%u", (unsigned int) slot);
}

/* ---- life ---- */

static cella_status grow(struct cella_cgroups *groups)
{
    uint32_t count = groups->count == 0 ? 16 : 2 * groups->count;
    if (count > CELLA_CGROUPS_MAX) {
        return CELLA_TOO_MANY;
    }
    struct slot *slots = realloc(groups->slots, count * sizeof(*slots));
    if (slots == NULL) {
        return CELLA_NO_MEMORY;
    }
    memset(slots + groups->count, 0, (count - groups->count) * sizeof(*slots));
    groups->slots = slots;
    groups->count = count;
    return CELLA_OK;
}

static cella_status make_ready(struct cella_cgroups *groups, uint32_t slot)
{
    char name[NAME_SIZE];
    name_of(slot, name);
    CELLA_TRY(cella_cgroup_make(&groups->home, name));
    groups->slots[slot].state = SLOT_READY;
    return CELLA_OK;
}

cella_status cella_cgroups_new(struct cella_cgroup_home *home, uint32_t ready, struct cella_cgroups **out)
{
    struct cella_cgroups *groups = calloc(1, sizeof(*groups));
    if (groups == NULL) {
        return CELLA_NO_MEMORY;
    }
    groups->home = *home;
    *home = (struct cella_cgroup_home){ NULL, -1, -1 };
    *out = groups;
    for (uint32_t slot = 0; groups->home.kind != NULL && slot < ready; slot++) {
        cella_status status = slot < groups->count ? CELLA_OK : grow(groups);
        if (status != CELLA_OK || make_ready(groups, slot) != CELLA_OK) {
            break; /* it is tried again when a cell needs it */
        }
    }
    return CELLA_OK;
}

/* Neither is no error: out->kind stays NULL. */
static void find_home(struct cella_cgroup_home *out)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes mounts = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes own = { 0 };
    char memory[CELLA_CONTROL_GROUP_PATH_MAX];
    char pids[CELLA_CONTROL_GROUP_PATH_MAX];
    if (cella_control_group_read_own(&mounts, &own) != CELLA_OK) {
        return;
    }
    struct cella_view lines = cella_bytes_view(&mounts);
    struct cella_view groups = cella_bytes_view(&own);
    if (cella_control_group_find(lines, groups, CELLA_CONTROL_GROUP_UNIFIED, memory) == CELLA_OK &&
        cella_cgroup_home_open(&cella_cgroup_v2, memory, NULL, out) == CELLA_OK) {
        return;
    }
    if (cella_control_group_find(lines, groups, "memory", memory) == CELLA_OK &&
        cella_control_group_find(lines, groups, "pids", pids) == CELLA_OK) {
        (void) !cella_cgroup_home_open(&cella_cgroup_v1, memory, pids, out);
    }
}

cella_status cella_cgroups_open(uint32_t ready, struct cella_cgroups **out)
{
    CELLA_CLEANUP(cella_cgroup_home_close) struct cella_cgroup_home home = { NULL, -1, -1 };
    find_home(&home);
    return cella_cgroups_new(&home, ready, out);
}

void cella_cgroups_free(struct cella_cgroups *groups)
{
    if (groups == NULL) {
        return;
    }
    for (uint32_t slot = 0; slot < groups->count; slot++) {
        char name[NAME_SIZE];
        name_of(slot, name);
        if (groups->slots[slot].state != SLOT_ABSENT) {
            (void) !cella_cgroup_remove(&groups->home, name);
        }
    }
    cella_cgroup_home_close(&groups->home);
    free(groups->slots);
    free(groups);
}

const char *cella_cgroups_tier(const struct cella_cgroups *groups)
{
    return groups->home.kind == NULL ? "rlimits" : cella_cgroup_kind_name(groups->home.kind);
}

uint32_t cella_cgroups_layers(const struct cella_cgroups *groups)
{
    return groups->home.kind == NULL ? 0U : (uint32_t) CELLA_LAYER_CGROUP;
}

/* ---- slots ---- */

static uint32_t find_slot(const struct cella_cgroups *groups, enum slot_state state, uint32_t from)
{
    for (uint32_t slot = from; slot < groups->count; slot++) {
        if (groups->slots[slot].state == state) {
            return slot;
        }
    }
    return CELLA_CGROUPS_NO_SLOT;
}

/* Use a group again whose cell has ended. A cell that was killed may take a moment, so all are looked at. */
static bool recycle(struct cella_cgroups *groups, uint32_t *out_slot)
{
    uint32_t slot = find_slot(groups, SLOT_USED, 0);
    for (; slot != CELLA_CGROUPS_NO_SLOT; slot = find_slot(groups, SLOT_USED, slot + 1)) {
        char name[NAME_SIZE];
        name_of(slot, name);
        if (!cella_cgroup_is_empty(&groups->home, name)) {
            continue;
        }
        if (cella_cgroup_reset(&groups->home, name) == CELLA_OK) {
            groups->slots[slot].state = SLOT_READY;
            *out_slot = slot;
            return true;
        }
        groups->slots[slot].state = SLOT_ABSENT; /* made anew when it is its turn */
    }
    return false;
}

static cella_status get_ready(struct cella_cgroups *groups, uint32_t *out_slot)
{
    uint32_t slot = find_slot(groups, SLOT_READY, 0);
    if (slot != CELLA_CGROUPS_NO_SLOT) {
        *out_slot = slot;
        return CELLA_OK;
    }
    if (recycle(groups, out_slot)) {
        return CELLA_OK;
    }
    slot = find_slot(groups, SLOT_ABSENT, 0);
    if (slot == CELLA_CGROUPS_NO_SLOT) {
        slot = groups->count;
        CELLA_TRY(grow(groups));
    }
    CELLA_TRY(make_ready(groups, slot));
    *out_slot = slot;
    return CELLA_OK;
}

cella_status cella_cgroups_place(struct cella_cgroups *groups, pid_t process, uint32_t *out_slot)
{
    uint32_t slot;
    char name[NAME_SIZE];
    struct cella_cgroup_usage before;
    uint64_t idle_bytes;
    *out_slot = CELLA_CGROUPS_NO_SLOT;
    if (groups->home.kind == NULL) {
        return CELLA_OK;
    }
    CELLA_TRY(get_ready(groups, &slot));
    name_of(slot, name);
    /* Whatever happens next, the group is not as good as new any more. */
    groups->slots[slot].state = SLOT_USED;
    CELLA_TRY(cella_cgroup_memory(&groups->home, name, &idle_bytes));
    CELLA_TRY(cella_cgroup_usage(&groups->home, name, &before));
    CELLA_TRY(cella_cgroup_place(&groups->home, name, process));
    groups->slots[slot] = (struct slot){ SLOT_PLACED, idle_bytes, before.kills };
    *out_slot = slot;
    return CELLA_OK;
}

static bool is_placed(const struct cella_cgroups *groups, uint32_t slot)
{
    return slot < groups->count && groups->slots[slot].state == SLOT_PLACED;
}

cella_status cella_cgroups_limit(struct cella_cgroups *groups, uint32_t slot, uint64_t memory_bytes, uint32_t threads)
{
    char name[NAME_SIZE];
    if (!is_placed(groups, slot)) {
        return slot == CELLA_CGROUPS_NO_SLOT ? CELLA_OK : CELLA_INTERNAL;
    }
    name_of(slot, name);
    uint64_t idle = groups->slots[slot].idle_bytes;
    /* More than the kernel can count is as good as no limit. */
    uint64_t most = (uint64_t) INT64_MAX - CELLA_CGROUPS_ROOM - idle;
    memory_bytes = memory_bytes < most ? memory_bytes : most;
    return cella_cgroup_limit(&groups->home, name, idle + memory_bytes + CELLA_CGROUPS_ROOM, threads + 1);
}

cella_status cella_cgroups_usage(const struct cella_cgroups *groups, uint32_t slot, uint64_t *out_cpu_us,
                                 uint64_t *out_peak_bytes, bool *out_oom)
{
    char name[NAME_SIZE];
    struct cella_cgroup_usage usage;
    if (!is_placed(groups, slot)) {
        return CELLA_NOT_FOUND;
    }
    name_of(slot, name);
    CELLA_TRY(cella_cgroup_usage(&groups->home, name, &usage));
    const struct slot *before = &groups->slots[slot];
    *out_cpu_us = usage.cpu_us;
    uint64_t own = usage.peak_bytes > before->idle_bytes ? usage.peak_bytes - before->idle_bytes : 0;
    *out_peak_bytes = usage.peak_bytes > 0 && own < LEAST ? LEAST : own;
    *out_oom = usage.kills > before->kills && usage.full;
    return CELLA_OK;
}

void cella_cgroups_release(struct cella_cgroups *groups, uint32_t slot)
{
    if (is_placed(groups, slot)) {
        groups->slots[slot].state = SLOT_USED;
    }
}
