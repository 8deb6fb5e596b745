/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/soft.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 16
#define PATH_SIZE 512
#define READ_SIZE 262144

/* The executor's programs; any other file of the folder is not run by it. */
static const char *const programs_measured[] = { "cella-monitor", "cella-front", "cella-courier", "cella-zygote" };

/* Python's standard library and the packages of the profiles, each with everything below it. */
static const char *const trees[] = {
    "/usr/lib/python3.11", "/usr/lib/python3/dist-packages/numpy", "/usr/lib/python3/dist-packages/scipy",
    "/usr/lib/python3/dist-packages/pandas", "/usr/lib/python3/dist-packages/sklearn",
};

/* Shared libraries that the programs and those packages load. */
static const char *const libraries[] = {
    "ld-linux-x86-64.so.2", "libc.so.6",         "libm.so.6",          "libcrypto.so.3",   "libssl.so.3",
    "libjansson.so.4",      "libseccomp.so.2",   "libffi.so.8",        "libz.so.1",        "libexpat.so.1",
    "libpython3.11.so.1.0", "libblas.so.3",      "liblapack.so.3",     "libgfortran.so.5", "libquadmath.so.0",
    "libgcc_s.so.1",        "libstdc++.so.6",    "libbz2.so.1.0",      "liblzma.so.5",     "libuuid.so.1",
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
    return S_ISREG(facts.st_mode) ? add_file(list, path, path) : CELLA_OK;
}

/* A tree that is not there belongs to a profile that is not installed. */
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

static cella_status add_programs(struct list *list, const char *programs)
{
    char path[PATH_SIZE];
    for (size_t i = 0; i < sizeof(programs_measured) / sizeof(programs_measured[0]); i++) {
        (void) snprintf(path, sizeof(path), "%s/%s", programs, programs_measured[i]);
        CELLA_TRY(add_file(list, path, programs_measured[i]));
    }
    (void) snprintf(path, sizeof(path), "%s/profiles", programs);
    size_t first = list->count;
    CELLA_TRY(add_tree(list, path, 0));
    size_t folder_size = strlen(programs) + 1;
    for (size_t i = first; i < list->count; i++) {
        char *name = list->lines[i].path;
        memmove(name, name + folder_size, strlen(name + folder_size) + 1);
    }
    return CELLA_OK;
}

static cella_status add_libraries(struct list *list)
{
    char path[PATH_SIZE];
    for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++) {
        (void) snprintf(path, sizeof(path), "/usr/lib/x86_64-linux-gnu/%s", libraries[i]);
        if (access(path, F_OK) == 0) {
            CELLA_TRY(add_file(list, path, path));
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
        char digest[2 * CELLA_SHA256_SIZE + 1];
        cella_hex_encode(cella_view_of(list->lines[i].sha256, CELLA_SHA256_SIZE), digest);
        CELLA_TRY(cella_bytes_append(out, cella_view_of_string(digest)));
        CELLA_TRY(cella_bytes_append(out, cella_view_of_string("  ")));
        CELLA_TRY(cella_bytes_append(out, cella_view_of_string(list->lines[i].path)));
        CELLA_TRY(cella_bytes_append(out, cella_view_of_string("\n")));
    }
    return CELLA_OK;
}

cella_status cella_soft_measure(const char *programs, struct cella_bytes *list,
                                uint8_t measurement[CELLA_SHA256_SIZE])
{
    CELLA_CLEANUP(clear_list) struct list files = { 0 };
    files.buffer = malloc(READ_SIZE);
    if (files.buffer == NULL) {
        return CELLA_NO_MEMORY;
    }
    CELLA_TRY(add_programs(&files, programs));
    CELLA_TRY(add_libraries(&files));
    for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]); i++) {
        CELLA_TRY(add_tree(&files, trees[i], 0));
    }
    qsort(files.lines, files.count, sizeof(files.lines[0]), compare_lines);
    CELLA_TRY(write_list(&files, list));
    return cella_sha256(cella_bytes_view(list), measurement);
}
