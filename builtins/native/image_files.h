/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Image files out of an input: one image, or all files of an uncompressed tar archive (ustar, with GNU's and POSIX's long
 * names), in order. Only one file is in memory at a time. Everything is untrusted.
 */

#include "builtins/input.h"

#define CELLA_IMAGE_FILE_MAX (256U << 20) /* bytes of one file */
#define CELLA_IMAGE_NAME_MAX 256U

struct cella_image_files {
    struct cella_builtin_input *input;
    char name[CELLA_IMAGE_NAME_MAX]; /* of the present file, printable ASCII: what is not is '?' */
    struct cella_bytes content;      /* of the present file */
    size_t count;                    /* files so far */
    bool begun;
    bool ended;
};

/*
 * Go to the next file. Directories, links and files whose name begins with a dot are passed over.
 *
 * files:  zeroed but for input before the first call; released by the caller
 * there:  false at the end
 *
 * CELLA_BUILTIN_FAILED  neither an image nor a tar archive, a damaged or cut archive, a file that is too large
 * CELLA_NO_MEMORY, CELLA_SYSTEM_FAILED, CELLA_CANCELLED
 */
CELLA_MUST_USE cella_status cella_image_files_next(struct cella_builtin_call *call, struct cella_image_files *files,
                                                   bool *there);

void cella_image_files_release(struct cella_image_files *files);
