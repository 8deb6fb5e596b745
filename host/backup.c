/* SPDX-License-Identifier: Apache-2.0 */
#include "host/backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/ledger.h"
#include "host/state_folder.h"

#define PATH_MAX_SIZE (CELLA_HOST_PATH_MAX + 64U)
#define PIECE_BYTES (64U << 20)

/* What a state folder consists of; the rest is of the moment. */
static const char *const files[] = { "soft_root.key", "charter.json", CELLA_LEDGER_FILE };

static void close_descriptor(const int *descriptor)
{
    if (*descriptor >= 0) {
        close(*descriptor);
    }
}

static void close_folder(DIR **folder)
{
    if (*folder != NULL) {
        closedir(*folder);
    }
}

static cella_status copy_file(int from, int to, const char *name)
{
    CELLA_CLEANUP(close_descriptor) int source = openat(from, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    CELLA_CLEANUP(close_descriptor)
    int target = source < 0 ? -1 : openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ssize_t count = -1;
    while (target >= 0 && (count = copy_file_range(source, NULL, target, NULL, PIECE_BYTES, 0)) > 0) {
    }
    return count == 0 && fsync(target) == 0 ? CELLA_OK : CELLA_SYSTEM_FAILED;
}

/* Files of a folder, and of those below it down to depth. What begins with another than a hexadecimal digit is not an object. */
static cella_status copy_objects(int from, int to, unsigned int depth)
{
    int again = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CELLA_CLEANUP(close_folder) DIR *folder = again < 0 ? NULL : fdopendir(again);
    if (folder == NULL) {
        return CELLA_SYSTEM_FAILED;
    }
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        const char *name = entry->d_name;
        if (strspn(name, "0123456789abcdef") != strlen(name)) {
            continue;
        }
        if (depth == 0) {
            CELLA_TRY(copy_file(from, to, name));
            continue;
        }
        if (mkdirat(to, name, 0700) != 0) {
            return CELLA_SYSTEM_FAILED;
        }
        CELLA_CLEANUP(close_descriptor) int source = openat(from, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        CELLA_CLEANUP(close_descriptor) int target = openat(to, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        CELLA_TRY(source < 0 || target < 0 ? CELLA_SYSTEM_FAILED : copy_objects(source, target, depth - 1));
    }
    return fsync(to) == 0 ? CELLA_OK : CELLA_SYSTEM_FAILED;
}

static cella_status copy_all(int from, int to)
{
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        CELLA_TRY(copy_file(from, to, files[i]));
    }
    if (mkdirat(to, "store", 0700) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    CELLA_CLEANUP(close_descriptor) int source = openat(from, "store", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    CELLA_CLEANUP(close_descriptor) int target = openat(to, "store", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (target < 0 || (source < 0 && errno != ENOENT)) {
        return CELLA_SYSTEM_FAILED;
    }
    CELLA_TRY(source < 0 ? CELLA_OK : copy_objects(source, target, 1));
    return fsync(to) == 0 ? CELLA_OK : CELLA_SYSTEM_FAILED;
}

/* Under another name first: half a copy is never taken for a whole one. */
static cella_status copy_folder(int from, const char *path, struct cella_log *log)
{
    char part[PATH_MAX_SIZE];
    struct stat facts;
    snprintf(part, sizeof(part), "%s.part", path);
    if (lstat(path, &facts) == 0) {
        cella_log_write(log, CELLA_LOG_ERROR, "%s exists; choose another name, or move it away", path);
        return CELLA_EXISTS;
    }
    if (mkdir(part, 0700) != 0) {
        cella_log_write(log, CELLA_LOG_ERROR, "%s: %s%s", part, strerror(errno),
                        errno == EEXIST ? "; it is left of a copy that was cut off: remove it" : "");
        return CELLA_SYSTEM_FAILED;
    }
    CELLA_CLEANUP(close_descriptor) int to = open(part, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    cella_status status = to < 0 ? CELLA_SYSTEM_FAILED : copy_all(from, to);
    if (status == CELLA_OK && rename(part, path) != 0) {
        status = CELLA_SYSTEM_FAILED;
    }
    if (status != CELLA_OK) {
        cella_log_write(log, CELLA_LOG_ERROR, "copying to %s: %s; nothing was changed, remove %s", path, strerror(errno), part);
    }
    return status;
}

static cella_status need_ledger(const char *folder, struct cella_log *log)
{
    char path[PATH_MAX_SIZE];
    snprintf(path, sizeof(path), "%s/" CELLA_LEDGER_FILE, folder);
    if (access(path, F_OK) != 0) {
        cella_log_write(log, CELLA_LOG_ERROR, "there is no ledger in %s", folder);
        return CELLA_OBJECT_MISSING;
    }
    return CELLA_OK;
}

/* Opening and closing it takes everything into the one file, and shows that it is a ledger. */
static cella_status settle_ledger(const struct cella_host_config *config, const char *folder, struct cella_log *log,
                                  uint64_t *records)
{
    char path[PATH_MAX_SIZE];
    struct cella_ledger_process ledger = {
        .program = config->ledger_program, .folder = folder, .max_bytes = INT64_MAX, .log = log, .control = -1
    };
    snprintf(path, sizeof(path), "%s/" CELLA_LEDGER_FILE, folder);
    CELLA_TRY(need_ledger(folder, log));
    CELLA_TRY(cella_ledger_process_start(&ledger));
    *records = ledger.records;
    if (!cella_ledger_process_end(&ledger)) {
        cella_log_write(log, CELLA_LOG_ERROR,
                        "%s can not be taken into one file: make room on its disk; nothing was copied", path);
        return CELLA_LEDGER_FAILED;
    }
    return CELLA_OK;
}

int cella_host_backup(const struct cella_host_config *config, struct cella_log *log)
{
    char blame[CELLA_HOST_BLAME_MAX];
    struct cella_state_folder folder;
    uint64_t records = 0;
    if (need_ledger(config->state, log) != CELLA_OK) { /* before a state folder is made where a name was mistyped */
        return 1;
    }
    cella_status status = cella_state_folder_open(config->state, &folder, blame);
    if (status != CELLA_OK) {
        cella_log_write(log, CELLA_LOG_ERROR, "%s", blame);
    } else {
        status = settle_ledger(config, folder.path, log, &records);
        status = status == CELLA_OK ? copy_folder(folder.folder, config->copy, log) : status;
    }
    if (status == CELLA_OK) {
        cella_log_write(log, CELLA_LOG_INFO, "copied %s to %s: %llu records", folder.path, config->copy,
                        (unsigned long long) records);
    }
    cella_state_folder_close(&folder);
    return status == CELLA_OK ? 0 : 1;
}

int cella_host_restore(const struct cella_host_config *config, struct cella_log *log)
{
    uint64_t records = 0;
    CELLA_CLEANUP(close_descriptor) int from = open(config->copy, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (from < 0) {
        cella_log_write(log, CELLA_LOG_ERROR, "%s: %s", config->copy, strerror(errno));
        return 1;
    }
    if (settle_ledger(config, config->copy, log, &records) != CELLA_OK || copy_folder(from, config->state, log) != CELLA_OK) {
        return 1;
    }
    cella_log_write(log, CELLA_LOG_INFO, "restored %s: %llu records", config->state, (unsigned long long) records);
    cella_log_write(log, CELLA_LOG_WARNING,
                    "what happened after this copy was taken is gone. Clients that have seen more of the ledger refuse this "
                    "executor (ROLLBACK): tell them why, and that they may accept it anew by removing their head of it");
    return 0;
}
