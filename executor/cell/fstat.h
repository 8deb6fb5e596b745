/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * fstat without a path. glibc's own is newfstatat(fd, ""), and a system call filter can not see that the path is
 * empty: whoever may call fstat may ask about every file. Exported by the program, these two take the place of
 * glibc's for everything it loads, so that newfstatat can be refused altogether.
 */

#include <sys/stat.h>

__attribute__((visibility("default"))) int fstat(int descriptor, struct stat *facts);
__attribute__((visibility("default"))) int fstat64(int descriptor, struct stat64 *facts);
