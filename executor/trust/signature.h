/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Public keys and signatures of other people's formats: what hardware vendors sign with. Only verification.
 *
 * Sources: FIPS 186-5 (ECDSA), RFC 8017 (RSA), SEC 1 (points), AMD 56860 (the SNP form).
 */

#include "trust/crypto.h"

enum cella_curve {
    CELLA_CURVE_P256,
    CELLA_CURVE_P384,
};

enum cella_signature_form {
    CELLA_SIGNATURE_ECDSA,     /* r || s of equal size, big-endian, as long as the curve's order */
    CELLA_SIGNATURE_ECDSA_SNP, /* r and s little-endian, 72 bytes each */
    CELLA_SIGNATURE_ECDSA_DER, /* SEQUENCE of two INTEGER */
    CELLA_SIGNATURE_RSA,       /* RSASSA-PKCS1-v1_5 */
};

/* Heap object; free accepts NULL. */
struct cella_public_key;
void cella_public_key_free(struct cella_public_key *key);
void cella_public_key_cleanup(struct cella_public_key **key); /* for CELLA_CLEANUP */

/*
 * From a point x || y, big-endian, 64 or 96 bytes. Untrusted.
 * CELLA_BAD_KEY  another size, not on the curve, or the point at infinity
 */
CELLA_MUST_USE cella_status cella_public_key_of_point(enum cella_curve curve, struct cella_view point,
                                                      struct cella_public_key **out);

/* From an RSA modulus and exponent, big-endian, 2048 to 4096 bits. CELLA_BAD_KEY */
CELLA_MUST_USE cella_status cella_public_key_of_rsa(struct cella_view modulus, struct cella_view exponent,
                                                    struct cella_public_key **out);

/* From a SubjectPublicKeyInfo (DER) with P-256, P-384 or RSA of 2048 to 4096 bits. CELLA_BAD_KEY */
CELLA_MUST_USE cella_status cella_public_key_of_spki(struct cella_view der, struct cella_public_key **out);

/* SubjectPublicKeyInfo (DER), appended to out: what key identifiers are hashes of. */
CELLA_MUST_USE cella_status cella_public_key_spki(const struct cella_public_key *key, struct cella_bytes *out);

/* The size of the key's group or modulus, in bits; 0 for another type than asked for. */
unsigned int cella_public_key_curve_bits(const struct cella_public_key *key);
unsigned int cella_public_key_rsa_bits(const struct cella_public_key *key);

/*
 * Verify. hash: CELLA_HASH_SHA256 or larger.
 * CELLA_BAD_SIGNATURE  it does not verify, is zero, has another size than its form, or the key is of another type
 */
CELLA_MUST_USE cella_status cella_signature_verify(const struct cella_public_key *key, enum cella_signature_form form,
                                                   enum cella_hash hash, struct cella_view message,
                                                   struct cella_view signature);
