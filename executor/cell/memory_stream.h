/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A C stream without a file. scipy's geometry (Qhull) writes its messages to a temporary file, and reads them back, for
 * each object that it makes. There are no files in a cell; so the runtime gives scipy a number that no descriptor has,
 * and the fdopen that this program exports makes a stream in memory of it. For every other number it is glibc's.
 */

#include <stdio.h>

/* "CELL". Source: executor/cell/runtime/_no_files.py */
#define CELLA_MEMORY_STREAM_FD 0x43454c4c

/* Bytes of messages; a geometry that has more to say says no more. */
#define CELLA_MEMORY_STREAM_MAX 65536U

__attribute__((visibility("default"))) FILE *fdopen(int descriptor, const char *mode);
