/* SPDX-License-Identifier: Apache-2.0 */
#include "host/groups.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define NOBODY 65534U /* host/launch.c: whom root's executor runs as */
#define LEAF "cella-host"
#define PREFIX "cella-"
#define CONTROLLERS "+memory +pids"
#define DESCENDANTS_MAX "8192"
#define DEPTH_MAX 16
#define RECORD_MAX 16384U
#define PAUSE_MS 20U

#define PATH_SIZE (CELLA_CONTROL_GROUP_PATH_MAX + 128U) /* with a file's name */

static void close_descriptor(int *descriptor)
{
    if (*descriptor >= 0) {
        (void) close(*descriptor);
    }
}

/* Path of a file of a group; of nothing that there is, when it would be too long. */
static const char *below(const char *path, const char *file, char out[PATH_SIZE])
{
    int size = snprintf(out, PATH_SIZE, "%s/%s", path, file);
    return size > 0 && size < (int) PATH_SIZE ? out : "";
}

static cella_status write_below(const char *path, const char *file, const char *text)
{
    char whole[PATH_SIZE];
    return cella_control_group_write(AT_FDCWD, below(path, file, whole), text);
}

static cella_status move_process(const char *path, pid_t process)
{
    char text[24];
    (void) snprintf(text, sizeof(text), "%d", (int) process);
    return write_below(path, "cgroup.procs", text);
}

/* ---- where groups can be made ---- */

/* systemd takes controllers away again from children of a group that it has not delegated. */
static bool may_have_children(const char *path)
{
    char value[8];
    return access("/run/systemd/system", F_OK) != 0 || getxattr(path, "user.delegate", value, sizeof(value)) > 0 ||
           getxattr(path, "trusted.delegate", value, sizeof(value)) > 0;
}

/* A host that is not alone in its group fails to make room, and is back where it was. */
static bool give_controllers(const char *path)
{
    char whole[PATH_SIZE];
    const char *leaf = below(path, LEAF, whole);
    if (write_below(path, "cgroup.subtree_control", CONTROLLERS) == CELLA_OK) {
        return true;
    }
    if (errno != EBUSY || (mkdir(leaf, 0755) != 0 && errno != EEXIST)) {
        return false;
    }
    if (move_process(leaf, getpid()) == CELLA_OK &&
        write_below(path, "cgroup.subtree_control", CONTROLLERS) == CELLA_OK) {
        return true;
    }
    (void) !move_process(path, getpid());
    (void) rmdir(leaf);
    return false;
}

static bool is_usable(const char *path)
{
    char whole[PATH_SIZE];
    const char *file = below(path, "cgroup.controllers", whole);
    return cella_control_group_lists(AT_FDCWD, file, "memory") && cella_control_group_lists(AT_FDCWD, file, "pids") &&
           may_have_children(path) && give_controllers(path);
}

void cella_groups_open(const struct cella_state_folder *folder, struct cella_view mounts, struct cella_view groups,
                       struct cella_groups *out)
{
    *out = (struct cella_groups){ .folder = folder };
    if (cella_control_group_find(mounts, groups, CELLA_CONTROL_GROUP_UNIFIED, out->bases[0]) == CELLA_OK &&
        is_usable(out->bases[0])) {
        out->version = 2;
        out->count = 1;
    } else if (cella_control_group_find(mounts, groups, "memory", out->bases[0]) == CELLA_OK &&
               cella_control_group_find(mounts, groups, "pids", out->bases[1]) == CELLA_OK) {
        out->version = 1;
        /* Controllers may share a hierarchy. */
        out->count = strcmp(out->bases[0], out->bases[1]) == 0 ? 1 : 2;
    }
}

bool cella_groups_path(const struct cella_groups *groups, size_t index, char out[CELLA_CONTROL_GROUP_PATH_MAX])
{
    if (groups->name[0] == '\0' || index >= groups->count) {
        return false;
    }
    int size = snprintf(out, CELLA_CONTROL_GROUP_PATH_MAX, "%s/%s", groups->bases[index], groups->name);
    return size > 0 && size < (int) CELLA_CONTROL_GROUP_PATH_MAX;
}

/* ---- the record ---- */

static cella_status read_record(const struct cella_groups *groups, struct cella_bytes *out)
{
    CELLA_CLEANUP(close_descriptor)
    int file = openat(groups->folder->folder, CELLA_GROUPS_RECORD, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    CELLA_TRY(cella_bytes_resize(out, RECORD_MAX));
    ssize_t size = file < 0 ? 0 : read(file, out->data, RECORD_MAX);
    return size < 0 ? CELLA_SYSTEM_FAILED : cella_bytes_resize(out, (size_t) size);
}

static cella_status write_record(const struct cella_groups *groups, const struct cella_bytes *lines)
{
    if (lines->size == 0) {
        cella_state_folder_remove(groups->folder, CELLA_GROUPS_RECORD);
        return CELLA_OK;
    }
    return cella_state_folder_write(groups->folder, CELLA_GROUPS_RECORD, cella_bytes_view(lines));
}

static cella_status add_line(struct cella_bytes *lines, const char *path)
{
    CELLA_TRY(cella_bytes_append(lines, cella_view_of_string(path)));
    return cella_bytes_append(lines, cella_view_of_string("\n"));
}

/* ---- making ---- */

/* What another user than the host's needs of a group: to make groups in it and to move its processes among them. */
static cella_status give_away(const char *path)
{
    static const char *const files[] = { ".", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads" };
    for (size_t i = 0; geteuid() == 0 && i < sizeof(files) / sizeof(files[0]); i++) {
        char whole[PATH_SIZE];
        if (chown(below(path, files[i], whole), NOBODY, NOBODY) != 0 && errno != ENOENT) {
            return CELLA_SYSTEM_FAILED;
        }
    }
    return CELLA_OK;
}

static cella_status make_all(struct cella_groups *groups)
{
    char path[CELLA_CONTROL_GROUP_PATH_MAX];
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes lines = { 0 };
    CELLA_TRY(read_record(groups, &lines));
    for (size_t i = 0; i < groups->count; i++) {
        CELLA_TRY(cella_groups_path(groups, i, path) ? CELLA_OK : CELLA_BAD_SIZE);
        CELLA_TRY(add_line(&lines, path));
    }
    CELLA_TRY(write_record(groups, &lines));
    for (size_t i = 0; i < groups->count; i++) {
        CELLA_TRY(cella_groups_path(groups, i, path) ? CELLA_OK : CELLA_BAD_SIZE);
        if (mkdir(path, 0755) != 0) {
            return CELLA_SYSTEM_FAILED;
        }
        CELLA_TRY(give_away(path));
        if (groups->version == 2) {
            CELLA_TRY(write_below(path, "cgroup.max.descendants", DESCENDANTS_MAX));
        }
    }
    return CELLA_OK;
}

void cella_groups_make(struct cella_groups *groups)
{
    uint64_t number;
    groups->name[0] = '\0';
    if (groups->version == 0 || getrandom(&number, sizeof(number), 0) != (ssize_t) sizeof(number)) {
        return;
    }
    (void) snprintf(groups->name, sizeof(groups->name), PREFIX "%016" PRIx64, number);
    if (make_all(groups) != CELLA_OK) {
        (void) cella_groups_remove(groups, 0);
    }
}

void cella_groups_enter(const struct cella_groups *groups, pid_t process)
{
    char path[CELLA_CONTROL_GROUP_PATH_MAX];
    for (size_t i = 0; cella_groups_path(groups, i, path); i++) {
        /* Where it fails the monitor finds itself outside, and does without groups. */
        (void) !move_process(path, process);
    }
}

/* ---- removing ---- */

/* Remove a group and all below it: a monitor may have made any. */
static bool remove_tree(int above, const char *name, int depth)
{
    int folder = openat(above, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *entries = folder < 0 ? NULL : fdopendir(folder);
    if (entries == NULL) {
        bool absent = folder < 0 && errno == ENOENT;
        close_descriptor(&folder);
        return absent;
    }
    for (struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
        bool own = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
        if (entry->d_type == DT_DIR && !own && depth < DEPTH_MAX) {
            (void) remove_tree(folder, entry->d_name, depth + 1);
        }
    }
    (void) closedir(entries);
    return unlinkat(above, name, AT_REMOVEDIR) == 0;
}

/* Only what this file can have made: the record is a file like any other. */
static bool is_ours(const char *path)
{
    const char *last = strrchr(path, '/');
    return path[0] == '/' && last != NULL && strncmp(last + 1, PREFIX, strlen(PREFIX)) == 0 &&
           strlen(last + 1) == CELLA_GROUPS_NAME_SIZE - 1;
}

static bool remove_group(const char *path, unsigned int *patience_ms)
{
    const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000L };
    if (!is_ours(path)) {
        return true; /* forgotten */
    }
    /* Version 2; what is ending ends at once. */
    (void) !write_below(path, "cgroup.kill", "1");
    while (!remove_tree(AT_FDCWD, path, 0)) {
        if (*patience_ms < PAUSE_MS) {
            return false;
        }
        *patience_ms -= PAUSE_MS;
        (void) nanosleep(&pause, NULL);
    }
    return true;
}

static cella_status remove_all(struct cella_groups *groups, unsigned int patience_ms, struct cella_bytes *left)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes lines = { 0 };
    CELLA_TRY(read_record(groups, &lines));
    CELLA_TRY(cella_bytes_append(&lines, cella_view_of("", 1)));
    char *rest = NULL;
    for (char *line = strtok_r((char *) lines.data, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        if (!remove_group(line, &patience_ms)) {
            CELLA_TRY(add_line(left, line));
        }
    }
    return write_record(groups, left);
}

bool cella_groups_remove(struct cella_groups *groups, unsigned int patience_ms)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes left = { 0 };
    groups->name[0] = '\0';
    return remove_all(groups, patience_ms, &left) == CELLA_OK && left.size == 0;
}
