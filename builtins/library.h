/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Shared libraries with builtins: functions that need more than libc come in one, loaded by the zygotes of those profiles
 * that name it, before anything of a task is there. The only place of the executor that loads code by name.
 */

#include "builtins/registry.h"

/*
 * Load a shared library with builtins, for good. The working directory becomes the root.
 *
 * folder:  descriptor of the folder that it is in; -1 is like an empty folder
 * name:    file name; the file is measured, so trusted
 * error:   what is wrong, when it fails
 *
 * CELLA_NO_PROFILE  it is not there, needs a library that is not there, is another build's, or has a name twice
 */
CELLA_MUST_USE cella_status cella_builtin_load(struct cella_builtin_registry *registry, int folder, const char *name,
                                               char error[256]);
