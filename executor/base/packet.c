/* SPDX-License-Identifier: Apache-2.0 */
#include "base/packet.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONTROL_SIZE CMSG_SPACE(sizeof(int) * CELLA_PACKET_DESCRIPTORS_MAX)

cella_status cella_packet_send(int socket, struct cella_view message, const int *descriptors, size_t descriptor_count)
{
    _Alignas(struct cmsghdr) char control[CONTROL_SIZE] = { 0 };
    struct iovec part = { .iov_base = (void *) (uintptr_t) message.data, .iov_len = message.size };
    struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };
    if (descriptor_count > CELLA_PACKET_DESCRIPTORS_MAX) {
        return CELLA_TOO_MANY;
    }
    if (descriptor_count > 0) {
        header.msg_control = control;
        header.msg_controllen = CMSG_SPACE(sizeof(int) * descriptor_count);
        struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int) * descriptor_count);
        memcpy(CMSG_DATA(rights), descriptors, sizeof(int) * descriptor_count);
    }
    ssize_t sent;
    do {
        sent = sendmsg(socket, &header, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0) {
        return CELLA_OK;
    }
    if (errno == EAGAIN || errno == ENOBUFS) {
        return CELLA_BUSY;
    }
    return errno == EPIPE || errno == ECONNRESET ? CELLA_CLOSED : CELLA_SYSTEM_FAILED;
}

static void take_descriptors(struct msghdr *header, struct cella_packet *out)
{
    for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part != NULL; part = CMSG_NXTHDR(header, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        const unsigned char *data = CMSG_DATA(part);
        for (size_t i = 0; i < count && out->descriptor_count < CELLA_PACKET_DESCRIPTORS_MAX; i++) {
            memcpy(&out->descriptors[out->descriptor_count++], data + i * sizeof(int), sizeof(int));
        }
    }
}

cella_status cella_packet_receive(int socket, uint8_t *buffer, size_t size, struct cella_packet *out)
{
    _Alignas(struct cmsghdr) char control[CONTROL_SIZE];
    struct iovec part = { .iov_base = buffer, .iov_len = size };
    struct msghdr header = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
    };
    ssize_t received;
    do {
        received = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
    } while (received < 0 && errno == EINTR);
    *out = (struct cella_packet){ 0 };
    if (received < 0) {
        return errno == EAGAIN ? CELLA_BUSY : errno == ECONNRESET ? CELLA_CLOSED : CELLA_SYSTEM_FAILED;
    }
    take_descriptors(&header, out);
    if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
        cella_packet_close(out);
        return CELLA_BAD_SIZE;
    }
    /* None of our messages is empty, so an empty packet is the end. */
    if (received == 0) {
        cella_packet_close(out);
        return CELLA_CLOSED;
    }
    out->message = cella_view_of(buffer, (size_t) received);
    return CELLA_OK;
}

void cella_packet_close(struct cella_packet *packet)
{
    for (size_t i = 0; i < packet->descriptor_count; i++) {
        if (packet->descriptors[i] >= 0) {
            (void) close(packet->descriptors[i]);
        }
    }
    packet->descriptor_count = 0;
}
