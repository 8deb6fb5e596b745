/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Shared libraries with builtins: functions that need more than libc come in one, loaded by the zygotes of those profiles
 * that name it, before anything of a task is there. The only place of the executor that loads code by name.
 */

#include "builtins/registry.h"

/*
 * Load a shared library with builtins, for good.
 *
 * path:   absolute; measured, so trusted
 * error:  256 bytes for what is wrong, when it fails
 *
 * CELLA_NO_PROFILE  it is not there, needs a library that is not there, is another build's, or has a name twice
 */
CELLA_MUST_USE cella_status cella_builtin_load(struct cella_builtin_registry *registry, const char *path,
                                               char error[256]);
