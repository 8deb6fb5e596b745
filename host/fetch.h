/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Inputs that their owners keep elsewhere: a courier names a URL on a stream FETCH, a program of its own fetches it (host/fetch.py),
 * and its standard output goes back unread, no faster than the courier takes it. So neither HTTP nor TLS is in this process. What comes
 * is ciphertext, and the courier compares its digest.
 *
 * Nothing is fetched unless the operator names places (fetch_from). The program gets the URL on its standard input: it may have a key
 * in its query, and command lines are read by other users.
 */

#include "host/config.h"
#include "host/links.h"
#include "host/log.h"

#define CELLA_FETCH_URL_MAX 2048U
#define CELLA_FETCHES_MAX 32U /* programs at a time */

struct cella_fetcher;

/* config: program and options; borrowed, as is log. CELLA_NO_MEMORY */
CELLA_MUST_USE cella_status cella_fetcher_new(struct event_base *base, struct cella_log *log,
                                              const struct cella_host_config *config, struct cella_fetcher **out);

/* Ends the programs. The links have to be closed before. Accepts NULL. */
void cella_fetcher_free(struct cella_fetcher *fetcher);

/*
 * Serve a stream that an enclave program opened: its answer is u32 status; where that is CELLA_OK u64 size and the bytes. Where the
 * program fails in the middle the stream is reset with the status.
 * CELLA_PLACE_NOT_ALLOWED, CELLA_PLACE_NOT_FOUND, CELLA_PLACE_TOO_LARGE, CELLA_PLACE_TIMEOUT, CELLA_PLACE_FAILED; CELLA_BUSY
 *
 * arguments: untrusted
 * False when it is not such a stream, or not a courier's.
 */
bool cella_fetcher_serve(struct cella_fetcher *fetcher, struct cella_peer *peer, struct cella_stream *stream,
                         enum cella_stream_kind kind, struct cella_view arguments);

/* A child of this process has ended, perhaps one of these. */
void cella_fetcher_child(struct cella_fetcher *fetcher);
