/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Collateral for the executor (executor/trust/collateral.h): the monitor names what it needs on a stream COLLATERAL, a
 * program of its own fetches it (host/collateral.py), and its standard output goes back unread. So neither HTTP nor TLS is
 * in this process, and what a service sends is judged by clients only.
 *
 * One program runs at a time, for a bounded time, with bounded output, and not more often than an executor that behaves
 * would have it.
 */

#include "host/links.h"
#include "host/log.h"
#include "host/config.h"

#define CELLA_COLLATERAL_LINE_MAX 255U   /* bytes of a request */
#define CELLA_COLLATERAL_ANSWER_MAX 1048576U     /* bytes of an answer */
#define CELLA_COLLATERAL_SECONDS 25              /* that the program may take; the monitor waits 30 */
#define CELLA_COLLATERAL_PER_HOUR 60U            /* requests that are served */

struct cella_collateral;

/*
 * config: program and options; borrowed, as is log
 * state:  path of the state folder, absolute: the program's cache is collateral/ in it
 * CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_collateral_new(struct event_base *base, struct cella_log *log,
                                                 const struct cella_host_config *config, const char *state,
                                                 struct cella_collateral **out);

/* Ends the program. The links have to be closed before. Accepts NULL. */
void cella_collateral_free(struct cella_collateral *collateral);

/*
 * Serve a stream that an enclave program opened: its answer is u32 status; where that is CELLA_OK u64 size and the bytes.
 * CELLA_BUSY, CELLA_BAD_FORMAT  a request that is not words; CELLA_NOT_FOUND  the operator wants nothing fetched, or it can
 * not be had; CELLA_TIMEOUT, CELLA_TOO_LARGE, CELLA_SYSTEM_FAILED
 *
 * arguments: untrusted
 * False when it is not such a stream, or not the monitor's.
 */
bool cella_collateral_serve(struct cella_collateral *collateral, struct cella_peer *peer, struct cella_stream *stream,
                            enum cella_stream_kind kind, struct cella_view arguments);

/* A child of this process has ended: perhaps the program. */
void cella_collateral_child(struct cella_collateral *collateral);
