/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the monitor tells a courier. A courier is started before it is needed, moves the data of one task and exits. One
 * SOCK_SEQPACKET socket; the first byte of a packet is its kind.
 *
 *   -> FETCH    u16 count, each: field object id, u64 sealed size, u32 segment size, digest (32), field key (32),
 *               field associated data, u8 form (CELLA_COURIER_MEMORY)
 *   <- FETCHED  u32 status, u16 index of the input to blame; on success the descriptors of sealed memfds, in order
 *   -> STORE    u16 count, each: field object id, field key (32), field associated data, u64 plain bytes at most, u8 padded (0);
 *               descriptors: the output memfds, in order
 *   <- STORED   u32 status, u16 index to blame; on success for each: digest (32), u64 sealed size, u64 plain size
 *
 * FETCH and STORE come at most once each, in this order; either may be left out. STORE carries keys of its own, made
 * by the monitor. After STORED, or when the socket closes, the courier exits.
 */

#include "base/wire.h"

#define CELLA_COURIER_MONITOR_FD 3
#define CELLA_COURIER_LINK_FD 4
#define CELLA_COURIER_MESSAGE_MAX 32768U
#define CELLA_COURIER_TIDY_MS 10000U

/* How an input arrives in the cell: the numbers of enum cella_input_form (cell/message.h). */
#define CELLA_COURIER_MEMORY 1U
#define CELLA_COURIER_STREAM 2U

enum cella_courier_kind {
    CELLA_COURIER_FETCH = 1,
    CELLA_COURIER_FETCHED = 2,
    CELLA_COURIER_STORE = 3,
    CELLA_COURIER_STORED = 4,
    CELLA_COURIER_STREAMED = 5,
};
