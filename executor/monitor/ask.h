/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The front's side of request.h: asks the monitor and hands each answer to whoever asked.
 *
 * A state machine without I/O, like the link: questions become pending bytes, received bytes become callbacks. The
 * size in a message's header counts what follows it: id, kind and payload. UPLOADED carries the id of its UPLOAD.
 * The monitor is trusted more than the front, but its messages are checked all the same: the first that does not
 * fit breaks the object for good.
 */

#include "monitor/request.h"

struct cella_ask;

/* user: as given with the question; context: as given to new. Every callback may ask. */
struct cella_ask_events {
    /* Last event of a question. body: JSON for the client, borrowed. */
    void (*answered)(void *user, cella_status status, struct cella_view body);
    /*
     * What may be moved for an upload or a download. For an upload the question stays open: cella_ask_uploaded or
     * cella_ask_gone has to follow. digest: 32 bytes for an upload, empty for a download.
     */
    void (*object)(void *user, struct cella_view id, uint64_t size, struct cella_view digest);
    /* Values of the extensions for the TLS certificate, borrowed; both empty when there is no evidence for it. */
    void (*certificate)(void *context, struct cella_view cmw, struct cella_view tcg);
};

/* spki_sha256: 32 bytes, said to the monitor in the first message. NULL without memory. */
struct cella_ask *cella_ask_new(const struct cella_ask_events *events, void *context, const uint8_t spki_sha256[32]);
void cella_ask_free(struct cella_ask *ask);

/* Ask. The question's id, above 0, goes to *id. exporter and nonce: 32 bytes each. CELLA_NO_MEMORY */
CELLA_MUST_USE cella_status cella_ask_session(struct cella_ask *ask, bool fresh, const uint8_t exporter[32],
                                              const uint8_t nonce[32], void *user, uint32_t *id);
/* kind: REQUEST, UPLOAD or DOWNLOAD. jws: untrusted, passed on unread. CELLA_TOO_LARGE, CELLA_NO_MEMORY */
CELLA_MUST_USE cella_status cella_ask_request(struct cella_ask *ask, enum cella_request_kind kind,
                                              struct cella_view jws, void *user, uint32_t *id);

/* How an upload ended; its answer follows. */
CELLA_MUST_USE cella_status cella_ask_uploaded(struct cella_ask *ask, uint32_t id, cella_status status);

/* Nobody waits for this answer any more: user is not called again. An upload that had begun is given up. */
CELLA_MUST_USE cella_status cella_ask_gone(struct cella_ask *ask, uint32_t id);

/* CELLA_BAD_FRAME  the monitor broke the rules; CELLA_NO_MEMORY. In both cases the front has to end. */
CELLA_MUST_USE cella_status cella_ask_receive(struct cella_ask *ask, struct cella_view bytes);

/* Bytes to be written to the monitor's socket, and how many of them were. */
struct cella_view cella_ask_pending(const struct cella_ask *ask);
void cella_ask_sent(struct cella_ask *ask, size_t count);
