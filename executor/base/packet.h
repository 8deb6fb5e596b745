/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One message with descriptors over a SOCK_SEQPACKET socket: how Cella's programs hand each other open files. Works on
 * descriptors that the caller already has; opens nothing.
 */

#include "base/bytes.h"

#define CELLA_PACKET_DESCRIPTORS_MAX 72U

/*
 * Send one packet.
 * CELLA_BUSY  the socket is non-blocking and full; CELLA_CLOSED  nobody is at the other end; CELLA_SYSTEM_FAILED
 */
CELLA_MUST_USE cella_status cella_packet_send(int socket, struct cella_view message, const int *descriptors,
                                              size_t descriptor_count);

/* What was received. Descriptors are the caller's to close: cella_packet_close. */
struct cella_packet {
    struct cella_view message; /* in the caller's buffer */
    int descriptors[CELLA_PACKET_DESCRIPTORS_MAX];
    size_t descriptor_count;
};

/*
 * Receive one packet into buffer. Descriptors are close-on-exec.
 * CELLA_BUSY  none is there (non-blocking); CELLA_CLOSED; CELLA_BAD_SIZE  packet or its descriptors did not fit:
 * nothing is kept; CELLA_SYSTEM_FAILED
 */
CELLA_MUST_USE cella_status cella_packet_receive(int socket, uint8_t *buffer, size_t size, struct cella_packet *out);

/* Close the descriptors that the packet still holds; a descriptor that was taken over is set to -1 before. */
void cella_packet_close(struct cella_packet *packet);
