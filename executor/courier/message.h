/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the monitor tells a courier. A courier is started before it is needed, moves the data of one task and exits. One
 * SOCK_SEQPACKET socket; the first byte of a packet is its kind.
 *
 *   -> FETCH     u16 count, each: u8 place (CELLA_COURIER_OBJECT or CELLA_COURIER_URL), field object id or URL, u64 size of the file, u8 format (trust/data_format.h), u32 segment size,
 *                digest (32), field key, field associated data, u8 form (CELLA_COURIER_MEMORY or CELLA_COURIER_STREAM)
 *   <- FETCHED   u32 status, u16 index of the input to blame; on success descriptors, in order: a sealed memory file,
 *                or the read end of a pipe. All memory files are complete and verified then.
 *   <- STREAMED  u32 status, u16 index to blame; after FETCHED when there are streams. OK: each was delivered to the
 *                end, or to a reader that went away before, and had its registered size and digest. Not OK: no pipe
 *                was closed before this packet was sent, so that it is there when the cell sees its stream end early.
 *   -> STORE     u16 count, each: field object id, field key (32), field associated data, u64 plain bytes at most,
 *                u8 padded (1: zero bytes are appended up to the size class, base/padding.h);
 *                descriptors: the output memfds, in order. They are used up.
 *   <- STORED    u32 status, u16 index to blame; on success for each: digest (32), u64 sealed size, u64 plain size
 *                (without padding)
 *
 *   -> DELETE    u16 count (at most 512), each: field object id. No answer: the host is told, as far as it obeys. Instead of the
 *                others; the monitor may have closed the socket behind it.
 *
 * FETCH and STORE come at most once each, in this order; either may be left out. While streams are under way the
 * courier reads no message: STORE comes after STREAMED. STORE carries keys of its own, made by the monitor.
 *
 * The courier exits when the socket closes. Closed before STORED was read: the task has no outputs after all, and the
 * courier deletes what it stored. So whoever wants that must let it: close the socket, and kill the courier only when
 * it is not gone after CELLA_COURIER_TIDY_MS.
 */

#include "base/wire.h"

#define CELLA_COURIER_MONITOR_FD 3
#define CELLA_COURIER_LINK_FD 4
#define CELLA_COURIER_MESSAGE_MAX 98304U /* 32 inputs with the longest URL and associated data */
#define CELLA_COURIER_TIDY_MS 10000U

/* Where the host finds an input: in its store, or at a URL. */
#define CELLA_COURIER_OBJECT 1U
#define CELLA_COURIER_URL 2U
#define CELLA_URL_MAX 2048U

/* How an input arrives in the cell: the numbers of enum cella_input_form (cell/message.h). */
#define CELLA_COURIER_MEMORY 1U
#define CELLA_COURIER_STREAM 2U

enum cella_courier_kind {
    CELLA_COURIER_FETCH = 1,
    CELLA_COURIER_FETCHED = 2,
    CELLA_COURIER_STORE = 3,
    CELLA_COURIER_STORED = 4,
    CELLA_COURIER_STREAMED = 5,
    CELLA_COURIER_DELETE = 6,
};
