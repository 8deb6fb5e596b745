/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The builtin functions that a process has: those of this build, and those of shared libraries that were loaded. To add one:
 * write its file, add its line to registry.c (or native/registry.c if it needs a library), test it by calling.
 */

#include "builtins/builtin.h"

#define CELLA_BUILTIN_MODULES_MAX 8U

/* A zeroed one has the functions of this build only. */
struct cella_builtin_registry {
    const struct cella_builtin_module *modules[CELLA_BUILTIN_MODULES_MAX];
    size_t module_count;
};

/* Builtin number index, or NULL past the end. */
const struct cella_builtin *cella_builtin_at(const struct cella_builtin_registry *registry, size_t index);

/*
 * Builtin by name or by Teaclave's name; NULL when there is none. Teaclave writes some of its names with - and some with _:
 * in a name that begins with "builtin" the two are the same.
 */
const struct cella_builtin *cella_builtin_find(const struct cella_builtin_registry *registry, struct cella_view name);
