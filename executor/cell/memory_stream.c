/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/memory_stream.h"

/* glibc's own, under its other name: this program's fdopen hides the first one. Source: glibc, libio/iofdopen.c */
FILE *_IO_fdopen(int descriptor, const char *mode);

FILE *fdopen(int descriptor, const char *mode)
{
    if (descriptor == CELLA_MEMORY_STREAM_FD) {
        return fmemopen(NULL, CELLA_MEMORY_STREAM_MAX, "w+");
    }
    return _IO_fdopen(descriptor, mode);
}
