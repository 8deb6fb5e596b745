/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Bytes of mutual attestation: the header that every message and record has, the hello with which each side begins, and
 * the proof that follows. Only layout is judged here; what the bytes mean is in trust/mutual.h.
 *
 * Integers are big-endian, field(x) is the size of x as 32 bits, then x. A message is header || body.
 *
 *   header, 8 bytes     u8 version (1) || u8 kind || u16 0 || u32 size of the body
 *   hello, 192 bytes    purpose, ASCII, filled up with zeros (32) || SHA-256 of the charter (32) || Ed25519 key (32) ||
 *                       X25519 key (32) || nonce (32) || ephemeral X25519 key (32)
 *   proof               field(type of evidence, e.g. "snp") || field(evidence) || field(endorsements) || signature (64)
 *
 * Source: docs/attestation.md section 11.
 */

#include "base/wire.h"
#include "trust/evidence.h"

#define CELLA_MUTUAL_VERSION 1
#define CELLA_MUTUAL_HEADER_SIZE 8
#define CELLA_MUTUAL_PURPOSE_SIZE 32
#define CELLA_MUTUAL_HELLO_SIZE 192
#define CELLA_MUTUAL_RECORD_MAX 65536U /* bytes of plaintext in one record */
#define CELLA_MUTUAL_TYPE_MAX 16U      /* characters of a kind of evidence */
#define CELLA_MUTUAL_PROOF_MAX                                                                                         \
    (12U + CELLA_MUTUAL_TYPE_MAX + CELLA_EVIDENCE_MAX + CELLA_ENDORSEMENTS_SIZE_MAX + CELLA_ED25519_SIGNATURE_SIZE)
#define CELLA_MUTUAL_MESSAGE_MAX                                                                                       \
    (CELLA_MUTUAL_HEADER_SIZE + CELLA_MUTUAL_HELLO_SIZE + CELLA_MUTUAL_PROOF_MAX + CELLA_GCM_TAG_SIZE)

enum cella_mutual_kind {
    CELLA_MUTUAL_KIND_HELLO = 1,  /* initiator: hello */
    CELLA_MUTUAL_KIND_ANSWER = 2, /* responder: hello || sealed proof */
    CELLA_MUTUAL_KIND_PROOF = 3,  /* initiator: sealed proof */
    CELLA_MUTUAL_KIND_DONE = 4,   /* responder: sealed nothing */
    CELLA_MUTUAL_KIND_RECORD = 5, /* either: sealed content */
    CELLA_MUTUAL_KIND_CLOSE = 6,  /* either: sealed nothing; the last that this side sends */
};

/*
 * How long the first message in a stream of bytes is, for whoever carries them over a byte pipe.
 *
 * have:  what has arrived. Untrusted
 * out:   bytes of the whole message, header included, at most CELLA_MUTUAL_MESSAGE_MAX; 0: fewer than
 *        CELLA_MUTUAL_HEADER_SIZE bytes have arrived
 * CELLA_BAD_VERSION  another version; CELLA_BAD_FORMAT  unknown kind, reserved bytes, or shorter than its kind can be
 * CELLA_TOO_LARGE    longer than its kind can be
 */
CELLA_MUST_USE cella_status cella_mutual_message_size(struct cella_view have, size_t *out);

/*
 * Take one whole message apart. body borrows from message.
 * As above; and CELLA_BAD_FORMAT when the message is shorter or longer than its header says
 */
CELLA_MUST_USE cella_status cella_mutual_message_split(struct cella_view message, enum cella_mutual_kind *kind,
                                                       struct cella_view *body);

/* The header of a message of that kind. body_size: what its kind allows; not checked. */
void cella_mutual_header(enum cella_mutual_kind kind, size_t body_size, uint8_t out[CELLA_MUTUAL_HEADER_SIZE]);

/*
 * Append a whole message: header, clear, and sealed with AES-256-GCM under a key that is used once (nonce zero; the
 * header is associated data).
 * CELLA_NO_MEMORY, CELLA_CRYPTO_FAILED
 */
CELLA_MUST_USE cella_status cella_mutual_message_seal(enum cella_mutual_kind kind, const struct cella_secret *key,
                                                      struct cella_view clear, struct cella_view plain,
                                                      struct cella_bytes *out);

/*
 * Open the sealed end of a message; clear_size bytes of its body come before it.
 *
 * out: replaced; empty unless CELLA_OK
 * CELLA_BAD_TAG  another key, or changed bytes; CELLA_NO_MEMORY, CELLA_CRYPTO_FAILED
 */
CELLA_MUST_USE cella_status cella_mutual_message_open(struct cella_view message, size_t clear_size,
                                                      const struct cella_secret *key, struct cella_bytes *out);

/* What each side begins with. Of the peer: untrusted until its proof was judged. */
struct cella_mutual_hello {
    uint8_t purpose[CELLA_MUTUAL_PURPOSE_SIZE];
    uint8_t charter_sha256[CELLA_SHA256_SIZE];
    struct cella_key_set keys;
    uint8_t nonce[CELLA_NONCE_SIZE];
    uint8_t ephemeral[CELLA_X25519_KEY_SIZE];
};

void cella_mutual_hello_write(const struct cella_mutual_hello *hello, uint8_t out[CELLA_MUTUAL_HELLO_SIZE]);

/* bytes: at least CELLA_MUTUAL_HELLO_SIZE, of which so many are read. CELLA_BAD_FORMAT  fewer */
CELLA_MUST_USE cella_status cella_mutual_hello_read(struct cella_view bytes, struct cella_mutual_hello *out);

/* A proof taken apart; everything borrows from it. Untrusted. */
struct cella_mutual_proof {
    enum cella_evidence_type type; /* CELLA_EVIDENCE_NONE: unknown name */
    struct cella_view evidence;
    struct cella_view endorsements; /* wire form, trust/endorsement.h */
    struct cella_view signature;
    struct cella_view attested; /* all but the signature */
};

/* The part of a proof before its signature. CELLA_TOO_LARGE  evidence or endorsements; CELLA_NO_MEMORY */
CELLA_MUST_USE cella_status cella_mutual_attested_write(enum cella_evidence_type type, struct cella_view evidence,
                                                        struct cella_view endorsements, struct cella_bytes *out);

/* CELLA_BAD_FORMAT  sizes that do not fill it exactly; CELLA_TOO_LARGE  a part above its limit */
CELLA_MUST_USE cella_status cella_mutual_proof_read(struct cella_view bytes, struct cella_mutual_proof *out);
