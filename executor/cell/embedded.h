/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The runtime package's sources, made part of the program when it is built, so that they are measured with it.
 */

#include <stddef.h>

struct cella_embedded {
    const char *name; /* module below the package, "__init__" for the package itself */
    const char *text; /* UTF-8 */
    size_t size;
};

extern const struct cella_embedded cella_embedded_runtime[];
extern const size_t cella_embedded_runtime_count;
