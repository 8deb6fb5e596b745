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
    out->descriptor = open(place->path, O_PATH | O_CLOEXEC);
    return out->descriptor < 0 && place->required ? CELLA_SYSTEM_FAILED : CELLA_OK;
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

static cella_status bind_read_only(int descriptor, const char *target, bool device)
{
    char source[64];
    snprintf(source, sizeof(source), "/proc/self/fd/%d", descriptor);
    if (mount(source, target, NULL, MS_BIND | MS_REC, NULL) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    struct mount_attr attributes = { 0 };
    attributes.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | (device ? 0 : MOUNT_ATTR_NODEV);
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
    if (place->kind == KIND_FOLDER) {
        if (mkdir(target, 0755) != 0) {
            return CELLA_SYSTEM_FAILED;
        }
    } else {
        int file = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (file < 0 || close(file) != 0) {
            return CELLA_SYSTEM_FAILED;
        }
    }
    return bind_read_only(source->descriptor, target, place->kind == KIND_DEVICE);
}

/* Any folder serves as mount point: everything that is needed from below it has been opened. */
static cella_status mount_root(void)
{
    static const char *const points[] = { "/tmp", "/run", "/mnt" };
    for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
        if (mount("cella", points[i], "tmpfs", MS_NOSUID | MS_NODEV, "size=256k,mode=0755") == 0) {
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

cella_status cella_view_enter(const char *programs, cella_status (*become_nobody)(void), const char **step)
{
    static const struct place programs_place = { CELLA_VIEW_PROGRAMS, KIND_FOLDER, true };
    struct source sources[PLACE_COUNT];
    struct source programs_source = { .link = "" };
    *step = "opening what the executor needs";
    for (size_t i = 0; i < PLACE_COUNT; i++) {
        CELLA_TRY(open_source(&places[i], &sources[i]));
    }
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
    for (size_t i = 0; i < PLACE_COUNT; i++) {
        CELLA_TRY(place_source(&places[i], &sources[i]));
    }
    CELLA_TRY(place_source(&programs_place, &programs_source));
    *step = "mounting /proc";
    CELLA_TRY(mount_proc());
    *step = "changing the root";
    return change_root();
}
