/* SPDX-License-Identifier: Apache-2.0 */
#include "base/link.h"

#include <errno.h>
#include <unistd.h>

cella_status cella_link_read_from(struct cella_link *link, int descriptor)
{
    uint8_t buffer[4 * CELLA_FRAME_MAX];
    ssize_t count = read(descriptor, buffer, sizeof(buffer));
    if (count < 0) {
        /* The other side went without having read all: a socket says so by a reset instead of an end. */
        return errno == EAGAIN || errno == EINTR ? CELLA_OK : errno == ECONNRESET ? CELLA_CLOSED : CELLA_SYSTEM_FAILED;
    }
    if (count == 0) {
        return CELLA_CLOSED;
    }
    return cella_link_receive(link, cella_view_of(buffer, (size_t) count));
}

cella_status cella_link_write_to(struct cella_link *link, int descriptor)
{
    struct cella_view pending = cella_link_pending(link);
    while (pending.size > 0) {
        ssize_t count = write(descriptor, pending.data, pending.size);
        if (count < 0) {
            if (errno == EINTR) {
                continue;
            }
            return errno == EAGAIN ? CELLA_OK : errno == EPIPE || errno == ECONNRESET ? CELLA_CLOSED : CELLA_SYSTEM_FAILED;
        }
        cella_link_sent(link, (size_t) count);
        pending = cella_link_pending(link);
    }
    return CELLA_OK;
}
