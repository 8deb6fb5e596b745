/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A folder of a test's own, which stands for "/", and its removal. */

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vectors.h"

static inline void tree_make(char root[64])
{
    (void) snprintf(root, 64, "/tmp/cella-platform-XXXXXX");
    assert_non_null(mkdtemp(root));
}

static inline int tree_remove_one(const char *path, const struct stat *facts, int kind, struct FTW *place)
{
    (void) facts;
    (void) kind;
    (void) place;
    return remove(path);
}

static inline int tree_remove(const char *root)
{
    return nftw(root, tree_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A file below root, with the folders above it. */
static inline void tree_put(const char *root, const char *path, const void *data, size_t size)
{
    char full[512];
    for (const char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        (void) snprintf(full, sizeof(full), "%s%.*s", root, (int) (slash - path), path);
        (void) mkdir(full, 0700);
    }
    (void) snprintf(full, sizeof(full), "%s%s", root, path);
    int file = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    assert_int_equal(write(file, data, size), size);
    assert_int_equal(close(file), 0);
}
