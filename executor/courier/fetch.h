/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Fetching one object from the host's store, or through the host from a URL, and opening it: into a memory file, complete before anybody sees it, or
 * through a pipe, while its reader works. Each segment is authenticated before a byte of it leaves; the last one goes
 * only when the whole object has the registered size and digest. A format whose parts are not authenticated by themselves
 * goes into memory files only.
 *
 * Memory: a sealed segment, and for a stream a segment of plaintext and one window of the link: the same for 2 GiB as
 * for 2 KiB.
 */

#include "courier/errand.h"
#include "courier/message.h"
#include "trust/data_format.h"

struct cella_fetch;

struct cella_fetch_input {
    uint8_t place;          /* CELLA_COURIER_OBJECT or CELLA_COURIER_URL */
    struct cella_view name; /* object id or URL */
    struct cella_data_file file;
    struct cella_view sha256; /* CELLA_SHA256_SIZE bytes */
    struct cella_view associated_data;
    struct cella_secret key;
    uint8_t form; /* CELLA_COURIER_MEMORY or CELLA_COURIER_STREAM */
};

/*
 * Prepare: the memory file or the pipe is there afterwards. Copies what it needs of input.
 * CELLA_BAD_FORMAT  unknown place, form or segment size, or a stream of a format that does not stream; CELLA_BAD_KEY, CELLA_TOO_LARGE; CELLA_SYSTEM_FAILED,
 * CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_fetch_new(const struct cella_fetch_input *input, struct cella_fetch **out);

/* Closes what was not taken; a stream's reader sees the end. Accepts NULL. */
void cella_fetch_free(struct cella_fetch *fetch);

/* Ask the host for the object. As cella_errand_begin. */
CELLA_MUST_USE cella_status cella_fetch_begin(struct cella_fetch *fetch, struct cella_line *line);

/*
 * Memory form: fetch, check and open completely, then seal the file against any change.
 *
 * CELLA_OBJECT_MISSING  the host does not deliver it; and what it says about a URL (CELLA_PLACE_...)
 * CELLA_BAD_DIGEST      what it delivers is not what was registered, in size or content
 * CELLA_BAD_TAG, CELLA_TRUNCATED, CELLA_BAD_FORMAT  it is what was registered, but the key does not open it
 * CELLA_LIMIT_INPUT     no memory for it; CELLA_CLOSED  host or monitor went away
 */
CELLA_MUST_USE cella_status cella_fetch_complete(struct cella_fetch *fetch);

/*
 * Deliver streams that have begun, all at the same time, until each is over: delivered to its reader, or to the end of
 * its checks where the reader has gone. Stops at the first failure and closes no pipe then: the caller tells the
 * monitor first, so that it knows why before the reader sees an early end.
 *
 * fetches:  at most CELLA_LINE_MORE_MAX, in stream form; others are left alone
 * blame:    index of the one that failed
 *
 * As cella_fetch_complete.
 */
CELLA_MUST_USE cella_status cella_fetch_pump(struct cella_line *line, struct cella_fetch *const *fetches, size_t count,
                                             size_t *blame);

/* Whether it goes through a pipe. */
bool cella_fetch_is_stream(const struct cella_fetch *fetch);

/* The memory file, or the pipe's read end. Stays the fetch's. */
int cella_fetch_descriptor(const struct cella_fetch *fetch);

/* Close it once it was handed over: a pipe whose only reader is here would never seem abandoned. */
void cella_fetch_handed_over(struct cella_fetch *fetch);
