/* SPDX-License-Identifier: Apache-2.0 */
#include "host/state_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static void close_descriptor(int *descriptor)
{
    if (*descriptor >= 0) {
        close(*descriptor);
        *descriptor = -1;
    }
}

static cella_status write_whole(int file, struct cella_view content)
{
    while (content.size > 0) {
        ssize_t count = write(file, content.data, content.size);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return CELLA_SYSTEM_FAILED;
        }
        content = cella_view_of(content.data + count, content.size - (size_t) count);
    }
    return fsync(file) == 0 ? CELLA_OK : CELLA_SYSTEM_FAILED;
}

cella_status cella_state_folder_write(const struct cella_state_folder *folder, const char *name,
                                      struct cella_view content)
{
    char temporary[64];
    snprintf(temporary, sizeof(temporary), ".%.32s.new", name);
    CELLA_CLEANUP(close_descriptor)
    int file = openat(folder->folder, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0) {
        return CELLA_SYSTEM_FAILED;
    }
    CELLA_TRY(write_whole(file, content));
    return renameat(folder->folder, temporary, folder->folder, name) == 0 ? CELLA_OK : CELLA_SYSTEM_FAILED;
}

void cella_state_folder_remove(const struct cella_state_folder *folder, const char *name)
{
    (void) unlinkat(folder->folder, name, 0);
}

/* Content of a file of at most max bytes. CELLA_NOT_FOUND when it is absent. */
static cella_status read_file(const struct cella_state_folder *folder, const char *name, size_t max,
                              struct cella_bytes *out)
{
    CELLA_CLEANUP(close_descriptor) int file = openat(folder->folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0) {
        return errno == ENOENT ? CELLA_NOT_FOUND : CELLA_SYSTEM_FAILED;
    }
    CELLA_TRY(cella_bytes_resize(out, max + 1));
    size_t used = 0;
    while (used <= max) {
        ssize_t count = read(file, out->data + used, max + 1 - used);
        if (count < 0) {
            return CELLA_SYSTEM_FAILED;
        }
        if (count == 0) {
            break;
        }
        used += (size_t) count;
    }
    out->size = used;
    return used > max ? CELLA_BAD_SIZE : CELLA_OK;
}

static cella_status load_seed(struct cella_state_folder *folder)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes content = { 0 };
    cella_status status = read_file(folder, "soft_root.key", CELLA_STATE_SEED_SIZE, &content);
    if (status == CELLA_NOT_FOUND) {
        if (getrandom(folder->seed, sizeof(folder->seed), 0) != (ssize_t) sizeof(folder->seed)) {
            return CELLA_RANDOM_FAILED;
        }
        return cella_state_folder_write(folder, "soft_root.key", cella_view_of(folder->seed, sizeof(folder->seed)));
    }
    CELLA_TRY(status);
    if (content.size != CELLA_STATE_SEED_SIZE) {
        return CELLA_BAD_SIZE;
    }
    memcpy(folder->seed, content.data, content.size);
    explicit_bzero(content.data, content.size);
    return CELLA_OK;
}

static cella_status load_charter(struct cella_state_folder *folder)
{
    cella_status status = read_file(folder, "charter.json", CELLA_STATE_CHARTER_MAX, &folder->charter);
    if (status == CELLA_NOT_FOUND) {
        CELLA_TRY(cella_bytes_set(&folder->charter, cella_view_of_string(CELLA_STATE_DEFAULT_CHARTER)));
        return cella_state_folder_write(folder, "charter.json", cella_bytes_view(&folder->charter));
    }
    return status;
}

static cella_status open_folder(const char *path, struct cella_state_folder *folder)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        return CELLA_SYSTEM_FAILED;
    }
    char resolved[PATH_MAX];
    if (realpath(path, resolved) == NULL || strlen(resolved) >= sizeof(folder->path)) {
        return CELLA_SYSTEM_FAILED;
    }
    snprintf(folder->path, sizeof(folder->path), "%.*s", (int) sizeof(folder->path) - 1, resolved);
    folder->folder = open(resolved, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder->folder < 0 || fchmod(folder->folder, 0700) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    return CELLA_OK;
}

static cella_status take_lock(struct cella_state_folder *folder)
{
    folder->lock = openat(folder->folder, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (folder->lock < 0) {
        return CELLA_SYSTEM_FAILED;
    }
    if (flock(folder->lock, LOCK_EX | LOCK_NB) == 0) {
        return CELLA_OK;
    }
    return errno == EWOULDBLOCK ? CELLA_EXISTS : CELLA_SYSTEM_FAILED;
}

cella_status cella_state_folder_open(const char *path, struct cella_state_folder *out,
                                     char blame[CELLA_HOST_BLAME_MAX])
{
    static const struct {
        const char *name;
        cella_status (*load)(struct cella_state_folder *folder);
    } files[] = { { "lock", take_lock }, { "soft_root.key", load_seed }, { "charter.json", load_charter } };
    *out = (struct cella_state_folder){ .folder = -1, .lock = -1 };
    if (open_folder(path, out) != CELLA_OK) {
        snprintf(blame, CELLA_HOST_BLAME_MAX, "state folder %.150s: %s", path, strerror(errno));
        return CELLA_SYSTEM_FAILED;
    }
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        cella_status status = files[i].load(out);
        if (status == CELLA_EXISTS) {
            snprintf(blame, CELLA_HOST_BLAME_MAX,
                     "state folder %.100s is in use by another cella-host; stop that one or choose another folder",
                     out->path);
            return status;
        }
        if (status != CELLA_OK) {
            snprintf(blame, CELLA_HOST_BLAME_MAX, "state folder %.100s: %s: %s (%s)", out->path, files[i].name,
                     cella_status_text(status), strerror(errno));
            return status;
        }
    }
    return CELLA_OK;
}

void cella_state_folder_close(struct cella_state_folder *folder)
{
    explicit_bzero(folder->seed, sizeof(folder->seed));
    cella_bytes_clear(&folder->charter);
    close_descriptor(&folder->lock);
    close_descriptor(&folder->folder);
}

uint64_t cella_state_folder_number(const struct cella_state_folder *folder)
{
    struct stat facts = { 0 };
    (void) fstat(folder->folder, &facts); /* fails for no open folder */
    return (uint64_t) facts.st_dev << 40 ^ (uint64_t) facts.st_ino;
}
