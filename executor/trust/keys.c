/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/evp.h>
#include <string.h>

#include "trust/crypto.h"
#include "trust/openssl_error.h"

static void key_cleanup(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static void digest_cleanup(EVP_MD_CTX **context)
{
    EVP_MD_CTX_free(*context);
}

static void exchange_cleanup(EVP_PKEY_CTX **context)
{
    EVP_PKEY_CTX_free(*context);
}

static cella_status public_of(int type, const struct cella_secret *private_key, uint8_t *out)
{
    if (private_key->size != 32) {
        return CELLA_BAD_KEY;
    }
    CELLA_CLEANUP(key_cleanup)
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(type, NULL, private_key->data, private_key->size);
    size_t size = 32;
    if (key == NULL || EVP_PKEY_get_raw_public_key(key, out, &size) != 1 || size != 32) {
        return cella_openssl_failed(CELLA_CRYPTO_FAILED);
    }
    return CELLA_OK;
}

cella_status cella_ed25519_public(const struct cella_secret *seed, uint8_t out[CELLA_ED25519_KEY_SIZE])
{
    return public_of(EVP_PKEY_ED25519, seed, out);
}

cella_status cella_ed25519_sign(const struct cella_secret *seed, struct cella_view message,
                                uint8_t out[CELLA_ED25519_SIGNATURE_SIZE])
{
    if (seed->size != CELLA_ED25519_KEY_SIZE) {
        return CELLA_BAD_KEY;
    }
    CELLA_CLEANUP(key_cleanup)
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed->data, seed->size);
    CELLA_CLEANUP(digest_cleanup) EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t size = CELLA_ED25519_SIGNATURE_SIZE;
    if (key == NULL || context == NULL || EVP_DigestSignInit(context, NULL, NULL, NULL, key) != 1 ||
        EVP_DigestSign(context, out, &size, message.data, message.size) != 1 ||
        size != CELLA_ED25519_SIGNATURE_SIZE) {
        return cella_openssl_failed(CELLA_CRYPTO_FAILED);
    }
    return CELLA_OK;
}

/*
 * Encodings of the points of small order, sign bit cleared. Under such a key one signature fits many messages, so
 * it would prove nothing; RFC 8032 leaves it to the user to refuse them.
 */
static const uint8_t small_order[7][CELLA_ED25519_KEY_SIZE] = {
    { 0x00 },
    { 0x01 },
    { 0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
      0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05 },
    { 0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
      0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a },
    { 0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f },
    { 0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f },
    { 0xee, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f },
};

static bool has_small_order(const uint8_t public_key[CELLA_ED25519_KEY_SIZE])
{
    uint8_t unsigned_key[CELLA_ED25519_KEY_SIZE];
    memcpy(unsigned_key, public_key, sizeof(unsigned_key));
    unsigned_key[31] &= 0x7f;
    for (size_t i = 0; i < sizeof(small_order) / sizeof(small_order[0]); i++) {
        if (memcmp(unsigned_key, small_order[i], sizeof(unsigned_key)) == 0) {
            return true;
        }
    }
    return false;
}

cella_status cella_ed25519_verify(const uint8_t public_key[CELLA_ED25519_KEY_SIZE], struct cella_view message,
                                  struct cella_view signature)
{
    if (signature.size != CELLA_ED25519_SIGNATURE_SIZE || has_small_order(public_key)) {
        return CELLA_BAD_SIGNATURE;
    }
    CELLA_CLEANUP(key_cleanup)
    EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key, CELLA_ED25519_KEY_SIZE);
    CELLA_CLEANUP(digest_cleanup) EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (key == NULL || context == NULL || EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) != 1) {
        return cella_openssl_failed(CELLA_CRYPTO_FAILED);
    }
    if (EVP_DigestVerify(context, signature.data, signature.size, message.data, message.size) != 1) {
        return cella_openssl_failed(CELLA_BAD_SIGNATURE);
    }
    return CELLA_OK;
}

cella_status cella_x25519_public(const struct cella_secret *private_key, uint8_t out[CELLA_X25519_KEY_SIZE])
{
    return public_of(EVP_PKEY_X25519, private_key, out);
}

cella_status cella_x25519_derive(const struct cella_secret *private_key, const uint8_t peer[CELLA_X25519_KEY_SIZE],
                                 struct cella_secret *out)
{
    if (private_key->size != CELLA_X25519_KEY_SIZE) {
        return CELLA_BAD_KEY;
    }
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret shared = { 0 };
    CELLA_TRY(cella_secret_resize(&shared, CELLA_X25519_KEY_SIZE));
    CELLA_CLEANUP(key_cleanup)
    EVP_PKEY *own = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, private_key->data, private_key->size);
    CELLA_CLEANUP(key_cleanup)
    EVP_PKEY *other = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, peer, CELLA_X25519_KEY_SIZE);
    CELLA_CLEANUP(exchange_cleanup) EVP_PKEY_CTX *context = own == NULL ? NULL : EVP_PKEY_CTX_new(own, NULL);
    if (other == NULL || context == NULL || EVP_PKEY_derive_init(context) != 1) {
        return cella_openssl_failed(CELLA_CRYPTO_FAILED);
    }
    /* OpenSSL refuses an all-zero result, RFC 7748 section 6.1. */
    size_t size = shared.size;
    if (EVP_PKEY_derive_set_peer(context, other) != 1 || EVP_PKEY_derive(context, shared.data, &size) != 1 ||
        size != CELLA_X25519_KEY_SIZE) {
        return cella_openssl_failed(CELLA_BAD_KEY);
    }
    cella_secret_take(out, &shared);
    return CELLA_OK;
}
