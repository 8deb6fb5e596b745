/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Files of the shared vectors as bytes. A missing folder skips the test, and says so. */

#include "vectors.h"

/* The caller clears it. name: below the folder, without a slash before it. */
static inline struct cella_bytes vector_file(const char *name)
{
    struct cella_bytes bytes = { 0 };
    uint8_t buffer[4096];
    char path[512];
    (void) snprintf(path, sizeof(path), "%s/%s", CELLA_SHARED_VECTORS, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        (void) fprintf(stderr, "SKIPPED: no vector at %s\n", path);
        skip();
        return bytes;
    }
    for (size_t size; (size = fread(buffer, 1, sizeof(buffer), file)) > 0;) {
        assert_int_equal(cella_bytes_append(&bytes, cella_view_of(buffer, size)), CELLA_OK);
    }
    (void) fclose(file);
    return bytes;
}
