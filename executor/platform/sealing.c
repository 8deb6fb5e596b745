/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/sealing.h"

#include <string.h>

#include "base/wire.h"

#define HEAD "CSEAL1"
#define HEAD_SIZE 6
#define SALT_SIZE 32
#define OPENING (HEAD_SIZE + SALT_SIZE)

static const uint8_t zero_nonce[CELLA_GCM_NONCE_SIZE];

static struct cella_aead *derive(const struct cella_secret *key, const char *purpose, struct cella_view salt)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret derived = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes info = { 0 };
    if (cella_secret_resize(&derived, CELLA_SHA256_SIZE) != CELLA_OK ||
        cella_write_field(&info, cella_view_of_string("cella sealing v1")) != CELLA_OK ||
        cella_write_field(&info, cella_view_of_string(purpose)) != CELLA_OK ||
        cella_hkdf(CELLA_HASH_SHA256, cella_secret_view(key), salt, cella_bytes_view(&info), &derived) != CELLA_OK) {
        return NULL;
    }
    return cella_aead_new(&derived);
}

cella_status cella_sealing_seal(const struct cella_secret *key, const char *purpose,
                                const struct cella_secret *secret, struct cella_bytes *sealed)
{
    uint8_t opening[OPENING] = HEAD;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes body = { 0 };
    CELLA_TRY(cella_random(opening + HEAD_SIZE, SALT_SIZE));
    CELLA_CLEANUP(cella_aead_cleanup)
    struct cella_aead *aead = derive(key, purpose, cella_view_of(opening + HEAD_SIZE, SALT_SIZE));
    if (aead == NULL) {
        return CELLA_CRYPTO_FAILED;
    }
    CELLA_TRY(cella_bytes_resize(&body, secret->size + CELLA_GCM_TAG_SIZE));
    CELLA_TRY(cella_aead_seal(aead, zero_nonce, cella_view_of(opening, OPENING), cella_secret_view(secret), body.data));
    CELLA_TRY(cella_bytes_append(sealed, cella_view_of(opening, OPENING)));
    return cella_bytes_append(sealed, cella_bytes_view(&body));
}

cella_status cella_sealing_unseal(const struct cella_secret *key, const char *purpose, struct cella_view sealed,
                                  struct cella_secret *secret)
{
    if (sealed.size < OPENING + CELLA_GCM_TAG_SIZE || memcmp(sealed.data, HEAD, HEAD_SIZE) != 0) {
        return CELLA_BAD_TAG;
    }
    struct cella_view opening = cella_view_of(sealed.data, OPENING);
    struct cella_view body = cella_view_of(sealed.data + OPENING, sealed.size - OPENING);
    CELLA_CLEANUP(cella_aead_cleanup)
    struct cella_aead *aead = derive(key, purpose, cella_view_of(sealed.data + HEAD_SIZE, SALT_SIZE));
    if (aead == NULL) {
        return CELLA_CRYPTO_FAILED;
    }
    CELLA_TRY(cella_secret_resize(secret, body.size - CELLA_GCM_TAG_SIZE));
    return cella_aead_open(aead, zero_nonce, cella_view_of(opening.data, opening.size), body, secret->data);
}
