/* SPDX-License-Identifier: Apache-2.0 */
#include "confine/descriptors.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

void cella_descriptors_release(int *descriptor)
{
    if (*descriptor >= 0) {
        close(*descriptor);
    }
    *descriptor = -1;
}

cella_status cella_descriptors_close(int first, int last)
{
    /* -1 becomes the largest number there is. */
    return syscall(SYS_close_range, (unsigned int) first, (unsigned int) last, 0U) == 0 ? CELLA_OK : CELLA_SYSTEM_FAILED;
}

cella_status cella_descriptors_place(int *descriptors, size_t count, int first)
{
    /* Out of the way first: a target number may be one of the sources. */
    int above = first + (int) count;
    for (size_t i = 0; i < count; i++) {
        int moved = fcntl(descriptors[i], F_DUPFD_CLOEXEC, above);
        if (moved < 0) {
            return CELLA_SYSTEM_FAILED;
        }
        close(descriptors[i]);
        descriptors[i] = moved;
    }
    for (size_t i = 0; i < count; i++) {
        int place = first + (int) i;
        if (dup2(descriptors[i], place) < 0) {
            return CELLA_SYSTEM_FAILED;
        }
        close(descriptors[i]);
        descriptors[i] = place;
    }
    return CELLA_OK;
}
