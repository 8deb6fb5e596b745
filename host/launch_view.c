/* SPDX-License-Identifier: Apache-2.0 */
#include "host/launch_view.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/mount.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum kind {
    KIND_FOLDER, /* bound read-only; a link on the machine stays a link */
    KIND_FILE,
    KIND_DEVICE,
    KIND_WRITABLE, /* a folder that stays writable */
    KIND_COPY,     /* of a file that only the starter may read */
};

struct place {
    const char *path;
    enum kind kind;
    bool required;
};

/* Debian's alternatives choose the BLAS that numpy loads. */
static const struct place places[] = {
    { "/usr", KIND_FOLDER, true },
    { "/bin", KIND_FOLDER, false },
    { "/lib", KIND_FOLDER, true },
    { "/lib64", KIND_FOLDER, false },
    { "/etc/alternatives", KIND_FOLDER, false },
    { "/etc/ld.so.cache", KIND_FILE, false },
    { "/dev/null", KIND_DEVICE, true },
    { "/dev/zero", KIND_DEVICE, false },
    { "/dev/urandom", KIND_DEVICE, true },
};
#define DEVICES_MAX 8U
#define PLACE_COUNT (sizeof(places) / sizeof(places[0]))

/* What was opened as the starter: descriptors with O_PATH, or the text of a link. */
struct source {
    int descriptor;
    char link[PATH_MAX];
};

static cella_status open_source(const struct place *place, struct source *out)
{
    out->descriptor = -1;
    ssize_t size = readlink(place->path, out->link, sizeof(out->link) - 1);
    out->link[size > 0 ? size : 0] = '\0';
    if (size > 0) {
        return CELLA_OK;
    }
    out->descriptor = open(place->path, (place->kind == KIND_COPY ? O_RDONLY : O_PATH) | O_CLOEXEC);
    return out->descriptor < 0 && place->required ? CELLA_SYSTEM_FAILED : CELLA_OK;
}

/* What is missing at the end of a log can not be told from a log that was cut: too long a one is not there at all. */
static cella_status copy_file(int from, const char *target)
{
    char piece[4096];
    size_t size = 0;
    ssize_t count = 1;
    int to = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
    while (to >= 0 && count > 0 && size <= CELLA_DEVICES_LOG_MAX) {
        count = read(from, piece, sizeof(piece));
        size += count > 0 ? (size_t) count : 0;
        count = count > 0 && write(to, piece, (size_t) count) != count ? -1 : count;
    }
    if (to < 0 || close(to) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    return count != 0 && unlink(target) != 0 ? CELLA_SYSTEM_FAILED : CELLA_OK;
}

static cella_status make_parents(const char *path)
{
    char parent[PATH_MAX];
    for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        snprintf(parent, sizeof(parent), "%.*s", (int) (slash - path), path);
        if (mkdir(parent, 0755) != 0 && errno != EEXIST) {
            return CELLA_SYSTEM_FAILED;
        }
    }
    return CELLA_OK;
}

static cella_status bind_place(int descriptor, const char *target, enum kind kind)
{
    char source[64];
    snprintf(source, sizeof(source), "/proc/self/fd/%d", descriptor);
    if (mount(source, target, NULL, MS_BIND | MS_REC, NULL) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    struct mount_attr attributes = { 0 };
    attributes.attr_set = MOUNT_ATTR_NOSUID;
    attributes.attr_set |= kind == KIND_WRITABLE ? MOUNT_ATTR_NOEXEC : MOUNT_ATTR_RDONLY;
    attributes.attr_set |= kind == KIND_DEVICE ? 0 : MOUNT_ATTR_NODEV;
    return syscall(SYS_mount_setattr, AT_FDCWD, target, AT_RECURSIVE, &attributes, sizeof(attributes)) == 0
               ? CELLA_OK
               : CELLA_SYSTEM_FAILED;
}

/* Paths are relative to the new root, which is the current folder. */
static cella_status place_source(const struct place *place, const struct source *source)
{
    const char *target = place->path + 1;
    if (source->descriptor < 0 && source->link[0] == '\0') {
        return CELLA_OK;
    }
    CELLA_TRY(make_parents(target));
    if (source->descriptor < 0) {
        return symlink(source->link, target) == 0 ? CELLA_OK : CELLA_SYSTEM_FAILED;
    }
    if (place->kind == KIND_COPY) {
        return copy_file(source->descriptor, target);
    }
    if (place->kind == KIND_FOLDER || place->kind == KIND_WRITABLE) {
        if (mkdir(target, 0755) != 0) {
            return CELLA_SYSTEM_FAILED;
        }
    } else {
        int file = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (file < 0 || close(file) != 0) {
            return CELLA_SYSTEM_FAILED;
        }
    }
    return bind_place(source->descriptor, target, place->kind);
}

/* Any folder serves as mount point: everything that is needed from below it has been opened. */
static cella_status mount_root(void)
{
    static const char *const points[] = { "/tmp", "/run", "/mnt" };
    for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
        if (mount("cella", points[i], "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=0755") == 0) {
            return chdir(points[i]) == 0 ? CELLA_OK : CELLA_SYSTEM_FAILED;
        }
    }
    return CELLA_SYSTEM_FAILED;
}

/* Only the executor's own processes: the rest of /proc is the machine's business. */
static cella_status mount_proc(void)
{
    unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    if (mkdir("proc", 0555) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    return mount("proc", "proc", "proc", flags, "subset=pid") == 0 ? CELLA_OK : CELLA_SYSTEM_FAILED;
}

static cella_status change_root(void)
{
    struct mount_attr attributes = { 0 };
    attributes.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
    if (syscall(SYS_pivot_root, ".", ".") != 0 || umount2(".", MNT_DETACH) != 0 || chdir("/") != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    return syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, &attributes, sizeof(attributes)) == 0 ? CELLA_OK
                                                                                              : CELLA_SYSTEM_FAILED;
}

/* Version 2 has one hierarchy; version 1 has one for each controller, in the order of host/groups.h. */
static const struct place *group_place(const struct cella_groups *groups, size_t index)
{
    static const struct place unified = { "/sys/fs/cgroup", KIND_WRITABLE, true };
    static const struct place controllers[CELLA_GROUPS_MAX] = { { "/sys/fs/cgroup/memory", KIND_WRITABLE, true },
                                                                { "/sys/fs/cgroup/pids", KIND_WRITABLE, true } };
    return groups->version == 2 ? &unified : &controllers[index];
}

static void open_groups(const struct cella_groups *groups, struct source out[CELLA_GROUPS_MAX])
{
    char path[CELLA_CONTROL_GROUP_PATH_MAX];
    for (size_t i = 0; i < CELLA_GROUPS_MAX; i++) {
        bool there = groups != NULL && cella_groups_path(groups, i, path);
        out[i].link[0] = '\0';
        out[i].descriptor = there ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    }
}

/* What is opened of the devices, and where it goes. */
struct device_view {
    struct place places[DEVICES_MAX];
    struct source sources[DEVICES_MAX];
    size_t count;
};

static void open_devices(const struct cella_devices *devices, struct device_view *out)
{
    static const enum kind kinds[] = { [CELLA_DEVICE_NODE] = KIND_DEVICE,
                                       [CELLA_DEVICE_FOLDER] = KIND_WRITABLE,
                                       [CELLA_DEVICE_COPY] = KIND_COPY };
    const struct cella_device *device;
    const char *source;
    out->count = 0;
    while (devices != NULL && out->count < DEVICES_MAX &&
           (device = cella_devices_next(devices, out->count, &source)) != NULL) {
        const struct place on_machine = { source, kinds[device->kind], false };
        out->places[out->count] = (struct place){ device->path, kinds[device->kind], false };
        (void) !open_source(&on_machine, &out->sources[out->count++]); /* what is absent is left out */
    }
}

static cella_status place_devices(const struct device_view *devices)
{
    for (size_t i = 0; i < devices->count; i++) {
        CELLA_TRY(place_source(&devices->places[i], &devices->sources[i]));
    }
    return CELLA_OK;
}

static cella_status place_sources(const struct source *sources, const struct source *programs,
                                  const struct cella_groups *groups, const struct source *group_sources)
{
    static const struct place programs_place = { CELLA_VIEW_PROGRAMS, KIND_FOLDER, true };
    for (size_t i = 0; i < PLACE_COUNT; i++) {
        CELLA_TRY(place_source(&places[i], &sources[i]));
    }
    for (size_t i = 0; i < CELLA_GROUPS_MAX; i++) {
        if (group_sources[i].descriptor >= 0) {
            CELLA_TRY(place_source(group_place(groups, i), &group_sources[i]));
        }
    }
    return place_source(&programs_place, programs);
}

cella_status cella_view_enter(const char *programs, const struct cella_groups *groups,
                              const struct cella_devices *devices, cella_status (*become_nobody)(void),
                              const char **step)
{
    struct device_view device_view;
    struct source sources[PLACE_COUNT];
    struct source programs_source = { .link = "" };
    struct source group_sources[CELLA_GROUPS_MAX];
    *step = "opening what the executor needs";
    for (size_t i = 0; i < PLACE_COUNT; i++) {
        CELLA_TRY(open_source(&places[i], &sources[i]));
    }
    open_groups(groups, group_sources);
    open_devices(devices, &device_view);
    *step = "opening the folder of programs";
    programs_source.descriptor = open(programs, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (programs_source.descriptor < 0) {
        return CELLA_SYSTEM_FAILED;
    }
    *step = "changing to an unprivileged user";
    CELLA_TRY(become_nobody());
    *step = "mounting a new root";
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    CELLA_TRY(mount_root());
    *step = "mounting the programs and libraries";
    CELLA_TRY(place_sources(sources, &programs_source, groups, group_sources));
    *step = "mounting the devices that evidence comes from";
    CELLA_TRY(place_devices(&device_view));
    *step = "mounting /proc";
    CELLA_TRY(mount_proc());
    *step = "changing the root";
    return change_root();
}
