/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "trust/json.h"

#define DEPTH_MAX 16
#define PATH_SIZE 512
#define READ_SIZE 262144
#define PROFILE_MAX 65536 /* bytes */
#define PACKAGES "/usr/lib/python3/dist-packages"
#define LIBRARIES "/usr/lib/x86_64-linux-gnu"

/* The executor's programs; any other file of the folder is not run by it. */
static const char *const programs_measured[] = { "cella-monitor", "cella-front", "cella-courier", "cella-zygote" };

/* Python's standard library and its time zones, each with everything below it. Profiles name further packages. */
static const char *const trees[] = { "/usr/lib/python3.11", "/usr/share/zoneinfo" };

/* Shared libraries that the programs and the standard library load. Profiles name further ones. */
static const char *const libraries[] = {
    "ld-linux-x86-64.so.2", "libc.so.6",       "libm.so.6",   "libcrypto.so.3", "libssl.so.3",
    "libjansson.so.4",      "libseccomp.so.2", "libffi.so.8", "libz.so.1",      "libexpat.so.1",
    "libbz2.so.1.0",        "liblzma.so.5",    "libuuid.so.1",
    "libtss2-esys.so.0",    "libtss2-mu.so.0", "libtss2-sys.so.1",
};

struct line {
    char path[PATH_SIZE];
    uint8_t sha256[CELLA_SHA256_SIZE];
};

struct list {
    struct line *lines;
    size_t count;
    size_t capacity;
    uint8_t *buffer;
};

static void clear_list(struct list *list)
{
    free(list->lines);
    free(list->buffer);
}

static void close_file(int *descriptor)
{
    if (*descriptor >= 0) {
        (void) close(*descriptor);
    }
}

static void free_stream(struct cella_sha256_stream **stream)
{
    cella_sha256_stream_free(*stream);
}

static void close_folder(DIR **folder)
{
    if (*folder != NULL) {
        (void) closedir(*folder);
    }
}

static cella_status hash_file(const char *path, uint8_t *buffer, uint8_t out[CELLA_SHA256_SIZE])
{
    CELLA_CLEANUP(close_file) int file = open(path, O_RDONLY | O_CLOEXEC);
    CELLA_CLEANUP(free_stream) struct cella_sha256_stream *stream = cella_sha256_stream_new();
    if (file < 0 || stream == NULL) {
        return file < 0 ? CELLA_SYSTEM_FAILED : CELLA_NO_MEMORY;
    }
    for (;;) {
        ssize_t count = read(file, buffer, READ_SIZE);
        if (count < 0) {
            return CELLA_SYSTEM_FAILED;
        }
        if (count == 0) {
            return cella_sha256_stream_finish(stream, out);
        }
        CELLA_TRY(cella_sha256_stream_update(stream, cella_view_of(buffer, (size_t) count)));
    }
}

static cella_status add_file(struct list *list, const char *path, const char *name)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 4096 : 2 * list->capacity;
        struct line *grown = reallocarray(list->lines, capacity, sizeof(list->lines[0]));
        if (grown == NULL) {
            return CELLA_NO_MEMORY;
        }
        list->lines = grown;
        list->capacity = capacity;
    }
    struct line *line = &list->lines[list->count];
    int size = snprintf(line->path, sizeof(line->path), "%s", name);
    if (size < 0 || (size_t) size >= sizeof(line->path)) {
        return CELLA_TOO_LARGE;
    }
    CELLA_TRY(hash_file(path, list->buffer, line->sha256));
    list->count++;
    return CELLA_OK;
}

static cella_status add_tree(struct list *list, const char *path, int depth);

/* A relative link to a file is that file under another name; an absolute one leads out of what is measured. */
static bool is_link_within(const char *path, const struct stat *facts)
{
    char target;
    struct stat there;
    return S_ISLNK(facts->st_mode) && readlink(path, &target, 1) == 1 && target != '/' && stat(path, &there) == 0 &&
           S_ISREG(there.st_mode);
}

static cella_status add_entry(struct list *list, const char *folder, const char *name, int depth)
{
    char path[PATH_SIZE];
    struct stat facts;
    int size = snprintf(path, sizeof(path), "%s/%s", folder, name);
    if (size < 0 || (size_t) size >= sizeof(path)) {
        return CELLA_TOO_LARGE;
    }
    if (lstat(path, &facts) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    if (S_ISDIR(facts.st_mode)) {
        return strcmp(name, "__pycache__") == 0 ? CELLA_OK : add_tree(list, path, depth + 1);
    }
    return S_ISREG(facts.st_mode) || is_link_within(path, &facts) ? add_file(list, path, path) : CELLA_OK;
}

/* A tree that is not there belongs to a profile that is not installed, or has nothing to say. */
static cella_status add_tree(struct list *list, const char *path, int depth)
{
    CELLA_CLEANUP(close_folder) DIR *folder = opendir(path);
    if (folder == NULL) {
        return errno == ENOENT && depth == 0 ? CELLA_OK : CELLA_SYSTEM_FAILED;
    }
    if (depth > DEPTH_MAX) {
        return CELLA_TOO_LARGE;
    }
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (entry == NULL) {
            return errno == 0 ? CELLA_OK : CELLA_SYSTEM_FAILED;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            CELLA_TRY(add_entry(list, path, entry->d_name, depth));
        }
    }
}

/* What lies beside the programs is listed by its name there. */
static cella_status add_own_tree(struct list *list, const char *programs, const char *name)
{
    char path[PATH_SIZE];
    (void) snprintf(path, sizeof(path), "%s/%s", programs, name);
    size_t first = list->count;
    CELLA_TRY(add_tree(list, path, 0));
    size_t folder_size = strlen(programs) + 1;
    for (size_t i = first; i < list->count; i++) {
        char *line = list->lines[i].path;
        memmove(line, line + folder_size, strlen(line + folder_size) + 1);
    }
    return CELLA_OK;
}

static cella_status add_programs(struct list *list, const char *programs)
{
    char path[PATH_SIZE];
    for (size_t i = 0; i < sizeof(programs_measured) / sizeof(programs_measured[0]); i++) {
        (void) snprintf(path, sizeof(path), "%s/%s", programs, programs_measured[i]);
        CELLA_TRY(add_file(list, path, programs_measured[i]));
    }
    CELLA_TRY(add_own_tree(list, programs, "builtins"));
    return add_own_tree(list, programs, "profiles");
}

static cella_status add_library(struct list *list, const char *name)
{
    char path[PATH_SIZE];
    int size = snprintf(path, sizeof(path), LIBRARIES "/%s", name);
    if (size < 0 || (size_t) size >= sizeof(path)) {
        return CELLA_TOO_LARGE;
    }
    return access(path, F_OK) == 0 ? add_file(list, path, path) : CELLA_OK;
}

/* A package is a folder, or a file of that name. */
static cella_status add_package(struct list *list, const char *name)
{
    char path[PATH_SIZE];
    char file[PATH_SIZE];
    struct stat facts;
    int size = snprintf(path, sizeof(path), PACKAGES "/%s", name);
    if (size < 0 || snprintf(file, sizeof(file), PACKAGES "/%s.py", name) >= (int) sizeof(file)) {
        return CELLA_TOO_LARGE;
    }
    CELLA_TRY(add_tree(list, path, 0));
    return lstat(file, &facts) == 0 && S_ISREG(facts.st_mode) ? add_file(list, file, file) : CELLA_OK;
}

/* Names become parts of paths: letters, digits and . - _ + as in Debian's packages, no dot in front: no way out. */
static bool is_plain_name(const char *name)
{
    static const char known[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_+";
    return name != NULL && name[0] != '\0' && name[0] != '.' && strspn(name, known) == strlen(name);
}

static cella_status add_named(struct list *list, const json_t *names,
                              cella_status (*add)(struct list *list, const char *name))
{
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        if (!is_plain_name(name)) {
            return CELLA_BAD_FIELD;
        }
        CELLA_TRY(add(list, name));
    }
    return CELLA_OK;
}

/* What a profile names is what its zygote can load: the runtime's finder refuses every other package. */
static cella_status add_profile(struct list *list, const char *path)
{
    CELLA_CLEANUP(close_file) int file = open(path, O_RDONLY | O_CLOEXEC);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    CELLA_CLEANUP(cella_json_cleanup) json_t *profile = NULL;
    CELLA_TRY(cella_bytes_resize(&text, PROFILE_MAX + 1));
    ssize_t size = file < 0 ? -1 : read(file, text.data, text.size);
    if (size < 0) {
        return CELLA_SYSTEM_FAILED;
    }
    CELLA_TRY(cella_json_parse(cella_view_of(text.data, (size_t) size), PROFILE_MAX, &profile));
    CELLA_TRY(add_named(list, json_object_get(profile, "packages"), add_package));
    return add_named(list, json_object_get(profile, "libraries"), add_library);
}

static cella_status add_profiles(struct list *list, const char *programs)
{
    char path[PATH_SIZE];
    (void) snprintf(path, sizeof(path), "%s/profiles", programs);
    CELLA_CLEANUP(close_folder) DIR *folder = opendir(path);
    for (const struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        const char *end = strrchr(entry->d_name, '.');
        if (end != NULL && strcmp(end, ".json") == 0) {
            int size = snprintf(path, sizeof(path), "%s/profiles/%s", programs, entry->d_name);
            if (size < 0 || (size_t) size >= sizeof(path)) {
                return CELLA_TOO_LARGE;
            }
            CELLA_TRY(add_profile(list, path));
        }
    }
    return CELLA_OK;
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(((const struct line *) a)->path, ((const struct line *) b)->path);
}

static cella_status write_list(const struct list *list, struct cella_bytes *out)
{
    for (size_t i = 0; i < list->count; i++) {
        if (i > 0 && strcmp(list->lines[i].path, list->lines[i - 1].path) == 0) {
            continue; /* two profiles have the same package */
        }
        char digest[2 * CELLA_SHA256_SIZE + 1];
        cella_hex_encode(cella_view_of(list->lines[i].sha256, CELLA_SHA256_SIZE), digest);
        CELLA_TRY(cella_bytes_append(out, cella_view_of_string(digest)));
        CELLA_TRY(cella_bytes_append(out, cella_view_of_string("  ")));
        CELLA_TRY(cella_bytes_append(out, cella_view_of_string(list->lines[i].path)));
        CELLA_TRY(cella_bytes_append(out, cella_view_of_string("\n")));
    }
    return CELLA_OK;
}

cella_status cella_files_measure(const char *programs, struct cella_bytes *list,
                                uint8_t measurement[CELLA_SHA256_SIZE])
{
    CELLA_CLEANUP(clear_list) struct list files = { 0 };
    files.buffer = malloc(READ_SIZE);
    if (files.buffer == NULL) {
        return CELLA_NO_MEMORY;
    }
    CELLA_TRY(add_programs(&files, programs));
    for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++) {
        CELLA_TRY(add_library(&files, libraries[i]));
    }
    CELLA_TRY(add_profiles(&files, programs));
    for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]); i++) {
        CELLA_TRY(add_tree(&files, trees[i], 0));
    }
    qsort(files.lines, files.count, sizeof(files.lines[0]), compare_lines);
    CELLA_TRY(write_list(&files, list));
    return cella_sha256(cella_bytes_view(list), measurement);
}
