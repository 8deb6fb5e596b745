/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The few primitives that Cella uses, over OpenSSL 3 EVP. Only the crypto files of this folder and the TLS files
 * include an <openssl/ header. Nothing here keeps state between calls except the objects that callers hold.
 *
 * Sources: FIPS 180-4 (SHA-2), RFC 5869 (HKDF), NIST SP 800-38D (GCM) and 800-38B (CMAC), RFC 8032 (Ed25519), RFC 7748 (X25519).
 */

#include "trust/secret.h"

#define CELLA_SHA256_SIZE 32
#define CELLA_SHA384_SIZE 48
#define CELLA_SHA512_SIZE 64
#define CELLA_ED25519_KEY_SIZE 32 /* private seed and public key */
#define CELLA_ED25519_SIGNATURE_SIZE 64
#define CELLA_X25519_KEY_SIZE 32
#define CELLA_AES_KEY_SIZE 32
#define CELLA_GCM_NONCE_SIZE 12
#define CELLA_GCM_TAG_SIZE 16

enum cella_hash {
    CELLA_HASH_SHA1, /* only for reading foreign test vectors */
    CELLA_HASH_SHA256,
    CELLA_HASH_SHA384,
    CELLA_HASH_SHA512,
};

/* size bytes from the operating system's generator, for nonces and identifiers. CELLA_RANDOM_FAILED */
CELLA_MUST_USE cella_status cella_random(uint8_t *out, size_t size);

/* Equal content of size bytes, in time that depends on size only. */
bool cella_equal_constant_time(const uint8_t *a, const uint8_t *b, size_t size);

/* Digest of one range. CELLA_CRYPTO_FAILED */
CELLA_MUST_USE cella_status cella_sha256(struct cella_view data, uint8_t out[CELLA_SHA256_SIZE]);
CELLA_MUST_USE cella_status cella_sha384(struct cella_view data, uint8_t out[CELLA_SHA384_SIZE]);
CELLA_MUST_USE cella_status cella_sha512(struct cella_view data, uint8_t out[CELLA_SHA512_SIZE]);

/* SHA-256 in pieces. Heap object; new gives NULL without memory; free accepts NULL. */
struct cella_sha256_stream;
struct cella_sha256_stream *cella_sha256_stream_new(void);
CELLA_MUST_USE cella_status cella_sha256_stream_update(struct cella_sha256_stream *stream, struct cella_view data);
CELLA_MUST_USE cella_status cella_sha256_stream_finish(struct cella_sha256_stream *stream,
                                                       uint8_t out[CELLA_SHA256_SIZE]);
void cella_sha256_stream_free(struct cella_sha256_stream *stream);

/* HMAC with SHA-256; key of any size. */
CELLA_MUST_USE cella_status cella_hmac_sha256(struct cella_view key, struct cella_view data,
                                              uint8_t out[CELLA_SHA256_SIZE]);

/*
 * HKDF, extract then expand, to out->size bytes. out must have been resized by the caller.
 * CELLA_BAD_SIZE  out is not 1 to 64 bytes; CELLA_CRYPTO_FAILED
 */
CELLA_MUST_USE cella_status cella_hkdf(enum cella_hash hash, struct cella_view key, struct cella_view salt,
                                       struct cella_view info, struct cella_secret *out);

/*
 * AES-GCM under one key for many nonces: the key schedule is done once. Heap object, one per thread.
 *
 * key: 16 or 32 bytes. new gives NULL for another size or without memory.
 */
struct cella_aead;
struct cella_aead *cella_aead_new(const struct cella_secret *key);
void cella_aead_free(struct cella_aead *aead);
void cella_aead_cleanup(struct cella_aead **aead); /* for CELLA_CLEANUP */

/*
 * Encrypt plain.size bytes to out and append the tag: out has room for plain.size + CELLA_GCM_TAG_SIZE bytes and
 * may be the same address as plain. The caller never uses a nonce twice under one key.
 */
CELLA_MUST_USE cella_status cella_aead_seal(struct cella_aead *aead, const uint8_t nonce[CELLA_GCM_NONCE_SIZE],
                                            struct cella_view associated_data, struct cella_view plain, uint8_t *out);

/*
 * Decrypt and verify sealed (ciphertext, then tag). out has room for sealed.size - CELLA_GCM_TAG_SIZE bytes and may
 * be the same address as sealed.
 * CELLA_BAD_TAG  the tag does not match, or sealed is shorter than a tag; out is wiped
 */
CELLA_MUST_USE cella_status cella_aead_open(struct cella_aead *aead, const uint8_t nonce[CELLA_GCM_NONCE_SIZE],
                                            struct cella_view associated_data, struct cella_view sealed, uint8_t *out);

/*
 * Decrypt one message in pieces: begin, update any number of times, end. For messages that do not fit into memory: what
 * update gives is not verified before end has returned CELLA_OK, so the caller keeps it from everybody until then.
 * update: out has room for sealed.size bytes (ciphertext without tag) and may be the same address.
 * CELLA_BAD_TAG  end: the tag does not match; CELLA_CRYPTO_FAILED
 */
CELLA_MUST_USE cella_status cella_aead_open_begin(struct cella_aead *aead, const uint8_t nonce[CELLA_GCM_NONCE_SIZE],
                                                  struct cella_view associated_data);
CELLA_MUST_USE cella_status cella_aead_open_update(struct cella_aead *aead, struct cella_view sealed, uint8_t *out);
CELLA_MUST_USE cella_status cella_aead_open_end(struct cella_aead *aead, const uint8_t tag[CELLA_GCM_TAG_SIZE]);

/* AES-128-CMAC. key: 16 bytes, else CELLA_BAD_KEY; out: resized to 16 bytes. CELLA_CRYPTO_FAILED, CELLA_NO_MEMORY */
CELLA_MUST_USE cella_status cella_cmac_aes128(const struct cella_secret *key, struct cella_view data,
                                              struct cella_secret *out);

/* Ed25519. seed: 32 bytes. CELLA_BAD_KEY for another size; CELLA_CRYPTO_FAILED */
CELLA_MUST_USE cella_status cella_ed25519_public(const struct cella_secret *seed,
                                                 uint8_t out[CELLA_ED25519_KEY_SIZE]);
CELLA_MUST_USE cella_status cella_ed25519_sign(const struct cella_secret *seed, struct cella_view message,
                                               uint8_t out[CELLA_ED25519_SIGNATURE_SIZE]);
/* CELLA_BAD_SIGNATURE  it does not verify (also: S not reduced, bad point, public key of small order) */
CELLA_MUST_USE cella_status cella_ed25519_verify(const uint8_t public_key[CELLA_ED25519_KEY_SIZE],
                                                 struct cella_view message, struct cella_view signature);

/* X25519. private_key: 32 bytes. */
CELLA_MUST_USE cella_status cella_x25519_public(const struct cella_secret *private_key,
                                                uint8_t out[CELLA_X25519_KEY_SIZE]);
/* CELLA_BAD_KEY  the peer's key has small order: the shared secret would be zero */
CELLA_MUST_USE cella_status cella_x25519_derive(const struct cella_secret *private_key,
                                                const uint8_t peer[CELLA_X25519_KEY_SIZE], struct cella_secret *out);
