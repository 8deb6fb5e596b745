/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/device.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PIECE 4096U
#define FIRST_PAUSE_NS 100000000L

static cella_status open_file(const struct cella_platform_setup *setup, const char *path, int flags, int *descriptor)
{
    char full[CELLA_PLATFORM_PATH_MAX];
    *descriptor = -1;
    CELLA_TRY(cella_platform_path(setup, path, full));
    *descriptor = open(full, flags | O_CLOEXEC);
    return *descriptor < 0 ? CELLA_SYSTEM_FAILED : CELLA_OK;
}

void cella_device_close(int *descriptor)
{
    int error = errno;
    if (*descriptor >= 0) {
        (void) close(*descriptor);
        *descriptor = -1;
    }
    errno = error;
}

cella_status cella_device_open(const struct cella_platform_setup *setup, const char *path, int *descriptor)
{
    return open_file(setup, path, O_RDWR, descriptor);
}

cella_status cella_device_read(const struct cella_platform_setup *setup, const char *path, size_t max,
                               struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_device_close) int file = -1;
    CELLA_TRY(open_file(setup, path, O_RDONLY, &file));
    out->size = 0;
    for (;;) {
        CELLA_TRY(cella_bytes_reserve(out, PIECE));
        ssize_t count = read(file, out->data + out->size, PIECE);
        if (count <= 0) {
            return count < 0 ? CELLA_SYSTEM_FAILED : CELLA_OK;
        }
        out->size += (size_t) count;
        if (out->size > max) {
            return CELLA_TOO_LARGE;
        }
    }
}

cella_status cella_device_write(const struct cella_platform_setup *setup, const char *path, struct cella_view content)
{
    CELLA_CLEANUP(cella_device_close) int file = -1;
    CELLA_TRY(open_file(setup, path, O_WRONLY, &file));
    ssize_t count = write(file, content.data, content.size);
    if (count >= 0 && (size_t) count != content.size) {
        errno = EIO;
    }
    return count == (ssize_t) content.size ? CELLA_OK : CELLA_SYSTEM_FAILED;
}

bool cella_device_again(int error, int *tries)
{
    if ((error != EBUSY && error != EINTR && error != EAGAIN && error != ETIMEDOUT) ||
        *tries + 1 >= CELLA_DEVICE_TRIES) {
        return false;
    }
    long pause = FIRST_PAUSE_NS << *tries;
    const struct timespec time = { pause / 1000000000L, pause % 1000000000L };
    (void) nanosleep(&time, NULL);
    ++*tries;
    return true;
}

void cella_device_explain(struct cella_platform_finding *finding, const char *path, int error, const char *needs)
{
    bool forbidden = error == EACCES || error == EPERM;
    if (forbidden) {
        cella_text_set(&finding->why, "%s is there, but may not be opened by user %u: give that user the right to read and "
                                      "write it (udev rule)", path, (unsigned int) geteuid());
    } else if (error == ENOENT || error == ENOTDIR) {
        cella_text_set(&finding->why, "no %s: %s", path, needs);
    } else {
        cella_text_set(&finding->why, "%s can not be opened: %s", path, strerror(error));
    }
}
