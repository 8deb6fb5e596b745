/* SPDX-License-Identifier: Apache-2.0 */
#include "base/control_group.h"

#include <fcntl.h>
#include <unistd.h>

#define MOUNTS_MAX ((size_t) 4 << 20)
#define LIST_MAX 512

static void close_descriptor(int *descriptor)
{
    if (*descriptor >= 0) {
        (void) close(*descriptor);
    }
}

/* ---- taking texts apart ---- */

/* The part before the first separator, which is taken off *rest with it; all of it when there is none. */
static struct cella_view cut(struct cella_view *rest, char separator)
{
    const uint8_t *at = rest->size == 0 ? NULL : memchr(rest->data, separator, rest->size);
    size_t size = at == NULL ? rest->size : (size_t) (at - rest->data);
    struct cella_view part = cella_view_of(rest->data, size);
    size_t taken = at == NULL ? size : size + 1;
    *rest = cella_view_of(rest->data + taken, rest->size - taken);
    return part;
}

static bool is_listed(struct cella_view list, char separator, const char *word)
{
    while (list.size > 0) {
        if (cella_view_is(cut(&list, separator), word)) {
            return true;
        }
    }
    return false;
}

/* Paths in mountinfo have blanks and the like as \ooo. False when it does not fit or holds a NUL. */
static bool unescape(struct cella_view text, char out[CELLA_CONTROL_GROUP_PATH_MAX])
{
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        unsigned int c = text.data[i];
        if (c == '\\' && i + 3 < text.size) {
            c = ((text.data[i + 1] - (unsigned int) '0') << 6 | (text.data[i + 2] - (unsigned int) '0') << 3 |
                 (text.data[i + 3] - (unsigned int) '0')) & 0xff;
            i += 3;
        }
        if (c == 0 || size + 1 >= CELLA_CONTROL_GROUP_PATH_MAX) {
            return false;
        }
        out[size++] = (char) c;
    }
    out[size] = '\0';
    return size > 0 && out[0] == '/';
}

/* One line of mountinfo, as far as it matters. */
struct mount_line {
    char root[CELLA_CONTROL_GROUP_PATH_MAX];  /* what of the hierarchy is mounted */
    char point[CELLA_CONTROL_GROUP_PATH_MAX]; /* where */
};

/* Number, parent, device, root, point, options, optional fields, "-", type, source, options of the file system. */
static bool read_mount(struct cella_view line, const char *controller, struct mount_line *out)
{
    struct cella_view field = { 0 };
    struct cella_view root = { 0 };
    struct cella_view point = { 0 };
    for (int i = 0; i < 6; i++) {
        field = cut(&line, ' ');
        root = i == 3 ? field : root;
        point = i == 4 ? field : point;
    }
    do {
        field = cut(&line, ' ');
    } while (line.size > 0 && !cella_view_is(field, "-"));
    struct cella_view type = cut(&line, ' ');
    (void) cut(&line, ' ');
    bool fits = controller[0] == '\0' ? cella_view_is(type, "cgroup2")
                                      : cella_view_is(type, "cgroup") && is_listed(line, ',', controller);
    return fits && unescape(root, out->root) && unescape(point, out->point);
}

/* Path of the process' group in the hierarchy: a line is "number:controllers:path". */
static bool read_group(struct cella_view groups, const char *controller, char out[CELLA_CONTROL_GROUP_PATH_MAX])
{
    while (groups.size > 0) {
        struct cella_view line = cut(&groups, '\n');
        struct cella_view number = cut(&line, ':');
        struct cella_view controllers = cut(&line, ':');
        bool here = controller[0] == '\0' ? cella_view_is(number, "0") && controllers.size == 0
                                          : is_listed(controllers, ',', controller);
        if (here && line.size > 0 && line.data[0] == '/' && line.size < CELLA_CONTROL_GROUP_PATH_MAX) {
            memcpy(out, line.data, line.size);
            out[line.size] = '\0';
            return true;
        }
    }
    return false;
}

/* The part of path below root, beginning with a slash or empty; NULL when path is not below it. */
static const char *below(const char *path, const char *root)
{
    size_t size = strcmp(root, "/") == 0 ? 0 : strlen(root);
    /* A group outside of the process' control group namespace is shown as "/..". */
    if (strncmp(path, root, size) != 0 || (path[size] != '/' && path[size] != '\0') || strstr(path, "/..") != NULL) {
        return NULL;
    }
    return strcmp(path + size, "/") == 0 ? "" : path + size;
}

cella_status cella_control_group_find(struct cella_view mounts, struct cella_view groups, const char *controller,
                                      char out[CELLA_CONTROL_GROUP_PATH_MAX])
{
    struct mount_line mount;
    char group[CELLA_CONTROL_GROUP_PATH_MAX];
    out[0] = '\0';
    if (!read_group(groups, controller, group)) {
        return CELLA_NOT_FOUND;
    }
    while (mounts.size > 0) {
        if (!read_mount(cut(&mounts, '\n'), controller, &mount)) {
            continue;
        }
        const char *rest = below(group, mount.root);
        size_t size = rest == NULL ? 0 : strlen(mount.point) + strlen(rest);
        if (size > 0 && size < CELLA_CONTROL_GROUP_PATH_MAX) {
            memcpy(out, mount.point, strlen(mount.point));
            memcpy(out + strlen(mount.point), rest, strlen(rest) + 1);
            return CELLA_OK;
        }
    }
    return CELLA_NOT_FOUND;
}

/* ---- files ---- */

static cella_status read_whole(const char *path, struct cella_bytes *out)
{
    CELLA_CLEANUP(close_descriptor) int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t count = file < 0 ? -1 : 1;
    while (count > 0) {
        CELLA_TRY(cella_bytes_reserve(out, 16384));
        count = read(file, out->data + out->size, 16384);
        out->size += count > 0 ? (size_t) count : 0;
        if (out->size > MOUNTS_MAX) {
            return CELLA_TOO_LARGE;
        }
    }
    return count == 0 ? CELLA_OK : CELLA_SYSTEM_FAILED;
}

cella_status cella_control_group_read_own(struct cella_bytes *mounts, struct cella_bytes *groups)
{
    CELLA_TRY(read_whole("/proc/self/mountinfo", mounts));
    return read_whole("/proc/self/cgroup", groups);
}

cella_status cella_control_group_write(int folder, const char *file, const char *text)
{
    CELLA_CLEANUP(close_descriptor) int descriptor = openat(folder, file, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    size_t size = strlen(text);
    return descriptor >= 0 && write(descriptor, text, size) == (ssize_t) size ? CELLA_OK : CELLA_SYSTEM_FAILED;
}

cella_status cella_control_group_read(int folder, const char *file, char *out, size_t size)
{
    CELLA_CLEANUP(close_descriptor) int descriptor = openat(folder, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    out[0] = '\0';
    ssize_t count = descriptor < 0 ? -1 : read(descriptor, out, size - 1);
    if (count < 0) {
        return CELLA_SYSTEM_FAILED;
    }
    count -= count > 0 && out[count - 1] == '\n' ? 1 : 0;
    out[count] = '\0';
    return CELLA_OK;
}

bool cella_control_group_lists(int folder, const char *file, const char *word)
{
    char text[LIST_MAX];
    return cella_control_group_read(folder, file, text, sizeof(text)) == CELLA_OK &&
           is_listed(cella_view_of_string(text), ' ', word);
}
