/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One client's connection: TLS, then one HTTP request after the other. Everything a client sends is hostile, and so
 * is everything the host passes on. The front passes requests to the monitor unread and decides nothing.
 *
 * A client goes through phases; each has a deadline and says what is read and what is written. What is not read yet
 * stays with the host: a slow reader costs no memory beyond one window.
 */

#include "base/link.h"
#include "front/http.h"
#include "front/tls.h"
#include "monitor/ask.h"
#include "trust/crypto.h"

#define CELLA_CLIENT_HEAD_MS 10000U   /* handshake and first head; every further head from its first byte */
#define CELLA_CLIENT_IDLE_MS 60000U   /* between requests */
#define CELLA_CLIENT_STALL_MS 30000U  /* without a byte of body or answer moving */
#define CELLA_CLIENT_BODY_MS 120000U  /* for a whole body that is kept in memory */
#define CELLA_CLIENT_STORE_MS 120000U /* for the host to answer for an object */
#define CELLA_CLIENT_LINGER_MS 2000U  /* for the client to read a last answer and close */
#define CELLA_FRONT_BODIES_MAX (256U * 1024U * 1024U) /* bytes of request bodies held for all clients together */

enum cella_client_phase {
    CELLA_CLIENT_HANDSHAKE,
    CELLA_CLIENT_HEAD,
    CELLA_CLIENT_BODY,   /* into memory */
    CELLA_CLIENT_ASKING, /* the monitor has the word */
    CELLA_CLIENT_UPLOAD, /* body to the host's store */
    CELLA_CLIENT_STORE,  /* the host has the word: after an upload, or before a download */
    CELLA_CLIENT_REPLY,
    CELLA_CLIENT_LINGER, /* the last answer is sent; the client may still be sending */
};

/* Owner of a stream of the link: the client's connection, or the object that it moves. */
struct cella_client_end {
    struct cella_client *client;
    struct cella_stream *stream; /* NULL: none */
};

/* What all clients share. */
struct cella_front {
    struct cella_link *link;
    struct cella_ask *ask;
    struct cella_tls_context *tls;
    struct cella_client *clients;
    size_t bodies;       /* bytes of request bodies held */
    uint64_t now_ms;     /* at the start of this round */
    bool certified;      /* the monitor has said what the certificate carries; the host hears nothing before */
    cella_status broken; /* the front has to end */
};

struct cella_client {
    struct cella_front *front;
    struct cella_client_end connection;
    struct cella_client_end object;
    enum cella_client_phase phase;
    bool dead; /* freed by cella_front_sweep */
    uint64_t deadline_ms;
    uint64_t body_deadline_ms;
    struct cella_tls *tls;
    size_t held; /* bytes of ciphertext for which the host got no new credit */

    struct cella_bytes in; /* plaintext that was read and not used: head, and what follows it */
    size_t scanned;        /* by the gate */
    struct cella_http_head head;
    const struct cella_route *route;
    bool body_unread; /* an answer now has to be the last one */
    struct cella_bytes body;
    uint32_t question; /* of the monitor; 0: none */

    struct cella_sha256_stream *hash;
    uint8_t digest[CELLA_SHA256_SIZE]; /* that the upload must have */
    uint64_t body_left;                /* bytes of an upload that have not come yet */
    uint8_t answer[12];                /* of the host for an object: status, and size for a download */
    size_t answer_size;
    uint64_t object_size;

    struct cella_bytes reply; /* plaintext to be sent; downloads are appended as they come */
    size_t reply_sent;
    size_t reply_own;    /* unsent bytes at its start that did not come from the store */
    uint64_t reply_more; /* bytes of a download that have not come yet */
    bool reply_last;
    struct cella_client *next;
};

/* A connection that the host opened. NULL without memory. */
struct cella_client *cella_client_new(struct cella_front *front, struct cella_stream *stream);
void cella_client_free(struct cella_client *client);

/* Ciphertext from the client. */
void cella_client_receive(struct cella_client *client, struct cella_view bytes);

/* Do whatever can be done now. */
void cella_client_run(struct cella_client *client);

/* The deadline has passed. */
void cella_client_expire(struct cella_client *client);

/* Give the connection up, with everything that was under way for it. */
void cella_client_drop(struct cella_client *client);

/* Change the phase and set its deadline, ms from now; 0: none. */
void cella_client_enter(struct cella_client *client, enum cella_client_phase phase, uint64_t ms);

/* ---- exchange.c: requests and answers ---- */

/* The head of a request is at the start of in. */
void cella_client_dispatch(struct cella_client *client, struct cella_view head);

/* The body in memory is complete. */
void cella_client_submit(struct cella_client *client);

/* Answer with a status' error text. http_status: 0 takes the one that goes with status. */
void cella_client_refuse(struct cella_client *client, cella_status status, unsigned int http_status);

/* The callbacks of monitor/ask.h. */
extern const struct cella_ask_events cella_client_ask_events;

/* ---- transfer.c: objects between client and store ---- */

/* The monitor allows an upload or download of an object. */
void cella_client_transfer(struct cella_client *client, struct cella_view id, uint64_t size,
                           struct cella_view digest);

/* Pass on the next piece of an upload. False when nothing could be done. */
bool cella_client_upload_piece(struct cella_client *client);

/* Events of the object's stream. */
void cella_client_object_data(struct cella_client *client, struct cella_view bytes);
void cella_client_object_closed(struct cella_client *client, cella_status status);

/* Stop moving the object; the host discards what is incomplete. */
void cella_client_object_stop(struct cella_client *client);

/* The host did not answer for an object in time. */
void cella_client_store_expired(struct cella_client *client);
