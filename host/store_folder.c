/* SPDX-License-Identifier: Apache-2.0 */
#include "host/store_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_MAX_SIZE 64
#define TEMPORARY_PREFIX "incoming-"

bool cella_store_id_valid(struct cella_view id)
{
    for (size_t i = 0; i < id.size; i++) {
        uint8_t digit = id.data[i];
        if (!(digit >= '0' && digit <= '9') && !(digit >= 'a' && digit <= 'f')) {
            return false;
        }
    }
    return id.size == CELLA_STORE_ID_SIZE;
}

/* "ab/abcdef...": an id that was checked holds nothing but digits. */
static void object_name(struct cella_view id, char out[NAME_MAX_SIZE])
{
    snprintf(out, NAME_MAX_SIZE, "%.2s/%.32s", (const char *) id.data, (const char *) id.data);
}

static void temporary_name(uint64_t number, char out[NAME_MAX_SIZE])
{
    snprintf(out, NAME_MAX_SIZE, TEMPORARY_PREFIX "%" PRIu64, number);
}

static cella_status status_of_errno(void)
{
    return errno == ENOSPC || errno == EDQUOT ? CELLA_STORE_FULL : CELLA_STORE_FAILED;
}

static void close_folder(DIR **folder)
{
    if (*folder != NULL) {
        closedir(*folder);
    }
}

/* Add up the sizes of the objects in one folder of store/. */
static cella_status count_objects(struct cella_store_folder *store, const char *name)
{
    int descriptor = openat(store->folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    CELLA_CLEANUP(close_folder) DIR *folder = descriptor < 0 ? NULL : fdopendir(descriptor);
    if (folder == NULL) {
        return CELLA_SYSTEM_FAILED;
    }
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        struct stat facts;
        if (fstatat(dirfd(folder), entry->d_name, &facts, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(facts.st_mode)) {
            store->used += (uint64_t) facts.st_size;
        }
    }
    return CELLA_OK;
}

static cella_status scan(struct cella_store_folder *store)
{
    int descriptor = openat(store->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CELLA_CLEANUP(close_folder) DIR *folder = descriptor < 0 ? NULL : fdopendir(descriptor);
    if (folder == NULL) {
        return CELLA_SYSTEM_FAILED;
    }
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (strncmp(entry->d_name, TEMPORARY_PREFIX, sizeof(TEMPORARY_PREFIX) - 1) == 0) {
            (void) unlinkat(store->folder, entry->d_name, 0);
        } else if (strlen(entry->d_name) == 2 && entry->d_name[0] != '.') {
            CELLA_TRY(count_objects(store, entry->d_name));
        }
    }
    return CELLA_OK;
}

cella_status cella_store_folder_open(int state, uint64_t max_bytes, struct cella_store_folder *out)
{
    *out = (struct cella_store_folder){ .folder = -1, .max_bytes = max_bytes };
    if (mkdirat(state, "store", 0700) != 0 && errno != EEXIST) {
        return CELLA_SYSTEM_FAILED;
    }
    out->folder = openat(state, "store", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return out->folder < 0 ? CELLA_SYSTEM_FAILED : scan(out);
}

void cella_store_folder_close(struct cella_store_folder *folder)
{
    if (folder->folder >= 0) {
        close(folder->folder);
        folder->folder = -1;
    }
}

cella_status cella_store_folder_create(struct cella_store_folder *folder, uint64_t *number, int *file)
{
    char name[NAME_MAX_SIZE];
    temporary_name(folder->temporary, name);
    int descriptor = openat(folder->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (descriptor < 0) {
        return status_of_errno();
    }
    *number = folder->temporary++;
    *file = descriptor;
    return CELLA_OK;
}

cella_status cella_store_folder_reserve(struct cella_store_folder *folder, uint64_t size)
{
    if (folder->used > folder->max_bytes || size > folder->max_bytes - folder->used) {
        return CELLA_STORE_FULL;
    }
    folder->used += size;
    return CELLA_OK;
}

void cella_store_folder_release(struct cella_store_folder *folder, uint64_t size)
{
    folder->used -= size < folder->used ? size : folder->used;
}

static uint64_t size_of(const struct cella_store_folder *folder, const char *name)
{
    struct stat facts;
    return fstatat(folder->folder, name, &facts, AT_SYMLINK_NOFOLLOW) == 0 ? (uint64_t) facts.st_size : 0;
}

static cella_status sync_folder(const struct cella_store_folder *folder, const char *name)
{
    int descriptor = openat(folder->folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) {
        return CELLA_STORE_FAILED;
    }
    int result = fsync(descriptor);
    close(descriptor);
    return result == 0 ? CELLA_OK : CELLA_STORE_FAILED;
}

cella_status cella_store_folder_publish(const struct cella_store_folder *folder, uint64_t number, int file,
                                        struct cella_view id, uint64_t *replaced)
{
    char from[NAME_MAX_SIZE];
    char to[NAME_MAX_SIZE];
    char parent[3];
    temporary_name(number, from);
    object_name(id, to);
    snprintf(parent, sizeof(parent), "%.2s", to);
    if (fsync(file) != 0) {
        return status_of_errno();
    }
    bool made = mkdirat(folder->folder, parent, 0700) == 0;
    if (!made && errno != EEXIST) {
        return status_of_errno();
    }
    *replaced = size_of(folder, to);
    if (renameat(folder->folder, from, folder->folder, to) != 0) {
        return status_of_errno();
    }
    cella_status status = sync_folder(folder, parent);
    status = status == CELLA_OK && made ? sync_folder(folder, ".") : status;
    if (status != CELLA_OK) {
        (void) unlinkat(folder->folder, to, 0);
    }
    return status;
}

void cella_store_folder_discard(struct cella_store_folder *folder, uint64_t number, int file, uint64_t size)
{
    char name[NAME_MAX_SIZE];
    temporary_name(number, name);
    close(file);
    (void) unlinkat(folder->folder, name, 0);
    cella_store_folder_release(folder, size);
}

cella_status cella_store_folder_find(const struct cella_store_folder *folder, struct cella_view id, int *file,
                                     uint64_t *size)
{
    char name[NAME_MAX_SIZE];
    struct stat facts;
    object_name(id, name);
    int descriptor = openat(folder->folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (descriptor < 0) {
        return errno == ENOENT ? CELLA_OBJECT_MISSING : CELLA_STORE_FAILED;
    }
    if (fstat(descriptor, &facts) != 0 || !S_ISREG(facts.st_mode)) {
        close(descriptor);
        return CELLA_STORE_FAILED;
    }
    *file = descriptor;
    *size = (uint64_t) facts.st_size;
    return CELLA_OK;
}

cella_status cella_store_folder_delete(struct cella_store_folder *folder, struct cella_view id)
{
    char name[NAME_MAX_SIZE];
    object_name(id, name);
    uint64_t size = size_of(folder, name);
    if (unlinkat(folder->folder, name, 0) != 0) {
        return errno == ENOENT ? CELLA_OBJECT_MISSING : CELLA_STORE_FAILED;
    }
    cella_store_folder_release(folder, size);
    return CELLA_OK;
}
