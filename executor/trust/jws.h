/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Compact JWS with Ed25519 (RFC 7515, RFC 8037) and key thumbprints (RFC 7638).
 *
 * A party is its Ed25519 key; its name is the thumbprint, 43 base64url characters. The signature is verified over
 * the received bytes before any JSON parser runs: the protected header is compared with the few texts that Cella
 * writes, never parsed. So unknown algorithms, "crit" and the like are refused by not being those texts.
 */

#include "trust/crypto.h"

#define CELLA_THUMBPRINT_SIZE 43 /* characters; buffers add one for the NUL */

/* Thumbprint of an Ed25519 public key: base64url of SHA-256 of {"crv":"Ed25519","kty":"OKP","x":"..."}. */
CELLA_MUST_USE cella_status cella_thumbprint(const uint8_t public_key[CELLA_ED25519_KEY_SIZE],
                                             char out[CELLA_THUMBPRINT_SIZE + 1]);

/* What the header says about who signed. Claimed, not proven, until cella_jws_verify has returned CELLA_OK. */
enum cella_jws_form {
    CELLA_JWS_PLAIN, /* {"alg":"EdDSA"} */
    CELLA_JWS_KID,   /* {"alg":"EdDSA","kid":"<thumbprint>"}: an enrolled party */
    CELLA_JWS_JWK,   /* {"alg":"EdDSA","jwk":{"crv":"Ed25519","kty":"OKP","x":"<key>"}}: enrolment only */
};

struct cella_jws {
    enum cella_jws_form form;
    char kid[CELLA_THUMBPRINT_SIZE + 1];      /* for KID and JWK */
    uint8_t jwk[CELLA_ED25519_KEY_SIZE];      /* for JWK */
    struct cella_view signing_input;          /* borrowed from the compact text */
    struct cella_view payload_text;           /* base64url, borrowed */
    uint8_t signature[CELLA_ED25519_SIGNATURE_SIZE];
};

/*
 * Take a compact JWS apart.
 * compact: ASCII, three parts. Untrusted.
 * CELLA_BAD_FORMAT  not three parts, not canonical base64url, or a header that is none of the three forms
 */
CELLA_MUST_USE cella_status cella_jws_split(struct cella_view compact, struct cella_jws *out);

/*
 * Verify the signature with the key that the caller chose, then decode the payload.
 * CELLA_BAD_SIGNATURE; CELLA_BAD_FORMAT  payload is not canonical base64url. payload stays empty on failure.
 */
CELLA_MUST_USE cella_status cella_jws_verify(const struct cella_jws *jws,
                                             const uint8_t public_key[CELLA_ED25519_KEY_SIZE],
                                             struct cella_bytes *payload);

/* Sign payload; the compact text is appended to out. */
CELLA_MUST_USE cella_status cella_jws_sign(const struct cella_secret *seed, enum cella_jws_form form,
                                           struct cella_view payload, struct cella_bytes *out);
