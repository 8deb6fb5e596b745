/* SPDX-License-Identifier: Apache-2.0 */
#include "confine/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/control_group.h"

#define NAME_MAX_SIZE 31U
#define PATH_SIZE 96U
#define PROCESSES_MAX 4096U /* bytes of a list of processes in the home */
#define NEAR ((uint64_t) 1 << 20) /* the kernel takes memory in pieces, so the last one may not be seen */
#define LEAF "executor"
#define PROBE "probe"

struct cella_cgroup_kind {
    const char *name;
    const char *current; /* files of a group */
    const char *peak;
    const char *limit;
    const char *swap_limit; /* version 1: of memory and swap together */
    const char *kills;      /* holds a line "oom_kill N" */
    const char *cpu;        /* holds a line "usage_usec N"; NULL: nothing */
    bool unified;           /* one hierarchy, in which usage is not set to zero: a used group is made anew */
};

const struct cella_cgroup_kind cella_cgroup_v1 = {
    .name = "cgroup1",
    .current = "memory.usage_in_bytes",
    .peak = "memory.max_usage_in_bytes",
    .limit = "memory.limit_in_bytes",
    .swap_limit = "memory.memsw.limit_in_bytes",
    .kills = "memory.oom_control",
};

const struct cella_cgroup_kind cella_cgroup_v2 = {
    .name = "cgroup2",
    .current = "memory.current",
    .peak = "memory.peak",
    .limit = "memory.max",
    .kills = "memory.events",
    .cpu = "cpu.stat",
    .unified = true,
};

const char *cella_cgroup_kind_name(const struct cella_cgroup_kind *kind)
{
    return kind->name;
}

static int pids_of(const struct cella_cgroup_home *home)
{
    return home->pids >= 0 ? home->pids : home->memory;
}

/* ---- files of a group ---- */

static cella_status path_of(const char *name, const char *file, char out[PATH_SIZE])
{
    size_t size = strlen(name);
    if (size == 0 || size > NAME_MAX_SIZE || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != size) {
        errno = EINVAL;
        return CELLA_SYSTEM_FAILED;
    }
    (void) snprintf(out, PATH_SIZE, "%s/%s", name, file);
    return CELLA_OK;
}

static cella_status write_text(int folder, const char *name, const char *file, const char *text)
{
    char path[PATH_SIZE];
    CELLA_TRY(path_of(name, file, path));
    return cella_control_group_write(folder, path, text);
}

static cella_status write_number(int folder, const char *name, const char *file, uint64_t value)
{
    char text[24];
    (void) snprintf(text, sizeof(text), "%" PRIu64, value);
    return write_text(folder, name, file, text);
}

static bool parse_number(const char *text, uint64_t *out)
{
    char *end = NULL;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return end != text && errno == 0;
}

/* The number that a file holds, or the one in the line that begins with a word. */
static cella_status read_number(int folder, const char *name, const char *file, const char *word, uint64_t *out)
{
    char path[PATH_SIZE];
    char text[1024];
    CELLA_TRY(path_of(name, file, path));
    CELLA_TRY(cella_control_group_read(folder, path, text, sizeof(text)));
    const char *line = text;
    size_t size = word == NULL ? 0 : strlen(word);
    while (size > 0 && line != NULL && (strncmp(line, word, size) != 0 || line[size] != ' ')) {
        line = strchr(line, '\n');
        line = line == NULL ? NULL : line + 1;
    }
    return line != NULL && parse_number(line + size, out) ? CELLA_OK : CELLA_SYSTEM_FAILED;
}

/* ---- groups ---- */

static cella_status make_folder(int folder, const char *name)
{
    char unused[PATH_SIZE];
    CELLA_TRY(path_of(name, "", unused));
    return mkdirat(folder, name, 0755) == 0 || errno == EEXIST ? CELLA_OK : CELLA_SYSTEM_FAILED;
}

cella_status cella_cgroup_make(const struct cella_cgroup_home *home, const char *name)
{
    CELLA_TRY(make_folder(home->memory, name));
    if (!home->kind->unified) {
        return home->pids < 0 ? CELLA_OK : make_folder(home->pids, name);
    }
    CELLA_TRY(write_text(home->memory, name, "memory.oom.group", "1"));
    /* A kernel without swap has no such file. */
    return write_text(home->memory, name, "memory.swap.max", "0") == CELLA_OK || errno == ENOENT
               ? CELLA_OK
               : CELLA_SYSTEM_FAILED;
}

cella_status cella_cgroup_remove(const struct cella_cgroup_home *home, const char *name)
{
    char unused[PATH_SIZE];
    CELLA_TRY(path_of(name, "", unused));
    bool memory = unlinkat(home->memory, name, AT_REMOVEDIR) == 0;
    bool pids = home->pids < 0 || unlinkat(home->pids, name, AT_REMOVEDIR) == 0;
    return memory && pids ? CELLA_OK : CELLA_SYSTEM_FAILED;
}

cella_status cella_cgroup_reset(const struct cella_cgroup_home *home, const char *name)
{
    const struct cella_cgroup_kind *kind = home->kind;
    if (kind->unified) {
        CELLA_TRY(cella_cgroup_remove(home, name));
        return cella_cgroup_make(home, name);
    }
    /* Memory alone may never have a higher limit than memory and swap together. */
    if (write_text(home->memory, name, kind->swap_limit, "-1") != CELLA_OK && errno != ENOENT) {
        return CELLA_SYSTEM_FAILED;
    }
    CELLA_TRY(write_text(home->memory, name, kind->limit, "-1"));
    return write_text(home->memory, name, kind->peak, "0");
}

bool cella_cgroup_is_empty(const struct cella_cgroup_home *home, const char *name)
{
    uint64_t count;
    return read_number(pids_of(home), name, "pids.current", NULL, &count) == CELLA_OK && count == 0;
}

cella_status cella_cgroup_place(const struct cella_cgroup_home *home, const char *name, pid_t process)
{
    CELLA_TRY(write_number(home->memory, name, "cgroup.procs", (uint64_t) process));
    return home->pids < 0 ? CELLA_OK : write_number(home->pids, name, "cgroup.procs", (uint64_t) process);
}

cella_status cella_cgroup_limit(const struct cella_cgroup_home *home, const char *name, uint64_t memory_bytes,
                                uint32_t processes)
{
    const struct cella_cgroup_kind *kind = home->kind;
    CELLA_TRY(write_number(home->memory, name, kind->limit, memory_bytes));
    if (kind->swap_limit != NULL && write_number(home->memory, name, kind->swap_limit, memory_bytes) != CELLA_OK &&
        errno != ENOENT) {
        return CELLA_SYSTEM_FAILED;
    }
    return write_number(pids_of(home), name, "pids.max", processes);
}

cella_status cella_cgroup_memory(const struct cella_cgroup_home *home, const char *name, uint64_t *out_bytes)
{
    return read_number(home->memory, name, home->kind->current, NULL, out_bytes);
}

/* Did the group meet its own limit? A kill may also mean that the machine, or a group above, was out of memory. */
static cella_status read_full(const struct cella_cgroup_home *home, const char *name, uint64_t peak_bytes, bool *out)
{
    uint64_t value;
    if (home->kind->unified) {
        CELLA_TRY(read_number(home->memory, name, home->kind->kills, "oom", &value));
        *out = value > 0;
        return CELLA_OK;
    }
    /* memory.failcnt would say it, but there are kernels that leave it at 0. */
    CELLA_TRY(read_number(home->memory, name, home->kind->limit, NULL, &value));
    *out = value < NEAR || peak_bytes >= value - NEAR;
    return CELLA_OK;
}

cella_status cella_cgroup_usage(const struct cella_cgroup_home *home, const char *name, struct cella_cgroup_usage *out)
{
    const struct cella_cgroup_kind *kind = home->kind;
    struct cella_cgroup_usage usage = { 0 };
    CELLA_TRY(read_number(home->memory, name, kind->kills, "oom_kill", &usage.kills));
    if (kind->cpu != NULL) {
        CELLA_TRY(read_number(home->memory, name, kind->cpu, "usage_usec", &usage.cpu_us));
    }
    /* Version 2 has it since Linux 5.19. */
    if (read_number(home->memory, name, kind->peak, NULL, &usage.peak_bytes) != CELLA_OK) {
        usage.peak_bytes = 0;
    }
    if (usage.kills > 0) {
        CELLA_TRY(read_full(home, name, usage.peak_bytes, &usage.full));
    }
    *out = usage;
    return CELLA_OK;
}

/* ---- the home ---- */

static void close_descriptor(int *descriptor)
{
    if (*descriptor >= 0) {
        (void) close(*descriptor);
    }
    *descriptor = -1;
}

void cella_cgroup_home_close(struct cella_cgroup_home *home)
{
    close_descriptor(&home->memory);
    close_descriptor(&home->pids);
    home->kind = NULL;
}

/* A process that has ended meanwhile needs no move. */
static cella_status empty_home(const struct cella_cgroup_home *home)
{
    char processes[PROCESSES_MAX];
    CELLA_TRY(make_folder(home->memory, LEAF));
    CELLA_TRY(cella_control_group_read(home->memory, "cgroup.procs", processes, sizeof(processes)));
    for (char *line = processes; line != NULL && *line != '\0';) {
        char *end = strchr(line, '\n');
        uint64_t process;
        if (parse_number(line, &process) &&
            write_number(home->memory, LEAF, "cgroup.procs", process) != CELLA_OK && errno != ESRCH) {
            return CELLA_SYSTEM_FAILED;
        }
        line = end == NULL ? NULL : end + 1;
    }
    return CELLA_OK;
}

static cella_status enable_controllers(const struct cella_cgroup_home *home)
{
    if (!cella_control_group_lists(home->memory, "cgroup.controllers", "memory") ||
        !cella_control_group_lists(home->memory, "cgroup.controllers", "pids")) {
        errno = ENOENT;
        return CELLA_SYSTEM_FAILED;
    }
    /* The root of the machine is the one group without a type; it may keep its processes. */
    if (faccessat(home->memory, "cgroup.type", F_OK, 0) == 0) {
        CELLA_TRY(empty_home(home));
    }
    return cella_control_group_write(home->memory, "cgroup.subtree_control", "+memory +pids");
}

static cella_status try_group(const struct cella_cgroup_home *home)
{
    struct cella_cgroup_usage usage;
    cella_status status = cella_cgroup_make(home, PROBE);
    status = status == CELLA_OK ? cella_cgroup_limit(home, PROBE, (uint64_t) 1 << 30, 1) : status;
    status = status == CELLA_OK ? cella_cgroup_usage(home, PROBE, &usage) : status;
    int error = errno;
    (void) !cella_cgroup_remove(home, PROBE);
    errno = error;
    return status;
}

cella_status cella_cgroup_home_open(const struct cella_cgroup_kind *kind, const char *memory, const char *pids,
                                    struct cella_cgroup_home *out)
{
    CELLA_CLEANUP(cella_cgroup_home_close) struct cella_cgroup_home home = { kind, -1, -1 };
    home.memory = open(memory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* Controllers of version 1 may share a hierarchy. */
    bool apart = !kind->unified && strcmp(memory, pids) != 0;
    home.pids = apart ? open(pids, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (home.memory < 0 || (apart && home.pids < 0)) {
        return CELLA_SYSTEM_FAILED;
    }
    if (kind->unified) {
        CELLA_TRY(enable_controllers(&home));
    }
    CELLA_TRY(try_group(&home));
    *out = home;
    home = (struct cella_cgroup_home){ NULL, -1, -1 };
    return CELLA_OK;
}
