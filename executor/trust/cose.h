/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * COSE_Sign1 (RFC 9052): reading, verifying and writing what receipts are made of. Two profiles: `strict` for what Cella
 * itself signs, of which there is exactly one encoding; `foreign` for receipts of other people's logs, whose protected
 * bytes are verified as received and never written again.
 *
 * The algorithm is the key's, never the header's choice: the header's must be the same. The payload may be detached.
 *
 * Sources: RFC 9052, RFC 9053, RFC 9597 (claims in a header), RFC 8392 (claim keys), RFC 9942 (labels 394 to 396),
 * RFC 9995 (258 to 260); docs/receipts.md.
 */

#include "base/text.h"
#include "trust/cbor.h"
#include "trust/crypto.h"

#define CELLA_COSE_KID_MAX 64U
#define CELLA_COSE_SIZE_MAX 65536U /* bytes of one object */
#define CELLA_COSE_ISSUER_MAX 8192U /* characters, RFC 9943 */

/* Header labels. The numbers of claims (enum below) partly are the same and mean other things: two registries. */
enum cella_cose_label {
    CELLA_COSE_ALG = 1,
    CELLA_COSE_CRIT = 2,
    CELLA_COSE_CONTENT_TYPE = 3,
    CELLA_COSE_KID = 4,
    CELLA_COSE_CLAIMS = 15,
    CELLA_COSE_TYP = 16,
    CELLA_COSE_PAYLOAD_HASH = 258,
    CELLA_COSE_PREIMAGE_TYPE = 259,
    CELLA_COSE_PAYLOAD_LOCATION = 260,
    CELLA_COSE_RECEIPTS = 394,
    CELLA_COSE_VDS = 395,
    CELLA_COSE_VDP = 396,
};

enum cella_cose_claim {
    CELLA_COSE_ISS = 1,
    CELLA_COSE_SUB = 2,
    CELLA_COSE_IAT = 6,
};

/* The claims of our own logs that make size and index part of what is signed. */
#define CELLA_COSE_CLAIM_SIZE "cella.size"
#define CELLA_COSE_CLAIM_INDEX "cella.index"

enum cella_cose_algorithm {
    CELLA_COSE_EDDSA = -8,    /* with an Ed25519 key */
    CELLA_COSE_ED25519 = -19, /* RFC 9864: the same; in receipts of others */
    CELLA_COSE_ES256 = -7,    /* ECDSA P-256 with SHA-256 */
    CELLA_COSE_SHA256 = -16,  /* a hash: the hash envelope's */
};

/* What the protected header says. Borrowed; absent texts have data NULL. */
struct cella_cose_header {
    int64_t algorithm;              /* 0: absent */
    struct cella_view content_type; /* text only */
    struct cella_view kid;
    bool has_claims;
    struct cella_view issuer;
    struct cella_view subject;
    bool has_issued_at;
    uint64_t issued_at_unix_s;
    bool has_size;
    bool has_index;
    uint64_t size;  /* CELLA_COSE_CLAIM_SIZE, CELLA_COSE_CLAIM_INDEX */
    uint64_t index;
    int64_t payload_hash;            /* 0: no hash envelope */
    struct cella_view preimage_type; /* text only */
    int64_t vds;                     /* 0: absent */
};

struct cella_cose_sign1 {
    struct cella_view protected_bytes; /* as received */
    struct cella_cose_header header;
    int64_t unprotected_label;     /* the only label there may be; 0: none */
    struct cella_view unprotected; /* the encoding of its value */
    bool detached;
    struct cella_view payload;
    struct cella_view signature;
};

/*
 * Take one apart.
 *
 * content:     tagged 18, at most CELLA_COSE_SIZE_MAX bytes. Untrusted; out borrows it
 * unprotected: the one label that may stand in the unprotected header; nobody signed what is there, so nothing else may
 * detail:      receives a sentence for people
 * CELLA_BAD_FORMAT   not of the profile; an unknown label, or one in both headers; an unknown critical label
 * CELLA_TOO_LARGE
 */
CELLA_MUST_USE cella_status cella_cose_read(struct cella_view content, enum cella_cbor_profile profile,
                                            enum cella_cose_label unprotected, struct cella_cose_sign1 *out,
                                            struct cella_text *detail);

/* A key that may sign. kid: what its signer writes into the header; ours are the thumbprint's 32 bytes. */
struct cella_cose_key {
    enum cella_cose_algorithm algorithm; /* EDDSA or ES256 */
    uint8_t public_key[64];              /* EDDSA: 32 bytes; ES256: x || y */
    uint8_t kid[CELLA_COSE_KID_MAX];
    size_t kid_size;
};

/* An Ed25519 key under its RFC 7638 thumbprint. CELLA_CRYPTO_FAILED */
CELLA_MUST_USE cella_status cella_cose_key_of(const uint8_t public_key[CELLA_ED25519_KEY_SIZE],
                                              struct cella_cose_key *out);

/*
 * Verify the signature.
 *
 * payload: what was signed: sign1->payload, or the detached one
 * CELLA_BAD_KEY        the header names another key or another algorithm
 * CELLA_BAD_SIGNATURE
 */
CELLA_MUST_USE cella_status cella_cose_verify(const struct cella_cose_sign1 *sign1, const struct cella_cose_key *key,
                                              struct cella_view payload);

/* Sign with Ed25519: signature over ["Signature1", protected_bytes, h'', payload]. */
CELLA_MUST_USE cella_status cella_cose_sign(struct cella_view protected_bytes, struct cella_view payload,
                                            const struct cella_secret *seed,
                                            uint8_t out[CELLA_ED25519_SIGNATURE_SIZE]);

/*
 * SHA-256 of the deterministic encoding of the key alone (RFC 9679): how other people's tools may name a key.
 * CELLA_CRYPTO_FAILED
 */
CELLA_MUST_USE cella_status cella_cose_thumbprint(const struct cella_cose_key *key, uint8_t out[CELLA_SHA256_SIZE]);
