/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * All builtin functions of this build. To add one: write its file, add its line to registry.c, test it by calling.
 */

#include "builtins/builtin.h"

/* Builtin number index, or NULL past the end. */
const struct cella_builtin *cella_builtin_at(size_t index);

/* Builtin by name or by Teaclave's spelling; NULL when there is none. */
const struct cella_builtin *cella_builtin_find(struct cella_view name);
