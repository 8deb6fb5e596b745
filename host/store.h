/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The store of sealed objects: one file per object, in store/ab/abcdef... below the state folder. What is inside is
 * ciphertext; the executor checks digests and tags of what it gets back, so the store needs to be reliable, not
 * trusted.
 *
 * An object appears under its name when it is complete and on disk, or not at all. Memory does not grow with the
 * size of objects. A thread of the store's own waits for the disk, so that nobody else does.
 */

#include "host/links.h"

#define CELLA_STORE_TRANSFERS_MAX 256U /* PUT and GET streams at a time */

struct cella_store;

/*
 * Open the store in a folder; left-overs of a run that was cut off are removed.
 *
 * state:      descriptor of the state folder
 * max_bytes:  all objects together
 * CELLA_SYSTEM_FAILED  errno says why; CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_store_open(int state, uint64_t max_bytes, struct cella_store **out);
/* Every link has to be closed before. Waits for what is on its way to the disk. */
void cella_store_free(struct cella_store *store);

/* Readable when something has reached the disk: call proceed then, in the event loop. */
int cella_store_descriptor(const struct cella_store *store);
void cella_store_proceed(struct cella_store *store);

/* Serve a PUT, GET or DELETE stream that an enclave program opened. False when it is none of these. */
bool cella_store_serve(struct cella_store *store, struct cella_peer *peer, struct cella_stream *stream,
                       enum cella_stream_kind kind, struct cella_view arguments);
