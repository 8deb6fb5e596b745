/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "trust/crypto.h"
#include "trust/openssl_error.h"

/* OpenSSL counts in int; GCM takes a message in any number of pieces. */
#define PIECE_MAX ((size_t) 1 << 30)

struct cella_aead {
    EVP_CIPHER_CTX *context;
};

struct cella_aead *cella_aead_new(const struct cella_secret *key)
{
    if (key->size != CELLA_AES_KEY_SIZE && key->size != 16) {
        return NULL;
    }
    struct cella_aead *aead = calloc(1, sizeof(*aead));
    if (aead == NULL) {
        return NULL;
    }
    const EVP_CIPHER *cipher = key->size == 16 ? EVP_aes_128_gcm() : EVP_aes_256_gcm();
    aead->context = EVP_CIPHER_CTX_new();
    if (aead->context == NULL || EVP_EncryptInit_ex2(aead->context, cipher, key->data, NULL, NULL) != 1) {
        ERR_clear_error();
        cella_aead_free(aead);
        return NULL;
    }
    return aead;
}

void cella_aead_free(struct cella_aead *aead)
{
    if (aead != NULL) {
        EVP_CIPHER_CTX_free(aead->context);
        free(aead);
    }
}

void cella_aead_cleanup(struct cella_aead **aead)
{
    cella_aead_free(*aead);
    *aead = NULL;
}

/* Feed input; out is NULL for associated data. Empty updates are skipped: GCM would take one for its end. */
static cella_status feed(EVP_CIPHER_CTX *context, struct cella_view input, uint8_t *out)
{
    size_t done = 0;
    while (done < input.size) {
        size_t piece = input.size - done < PIECE_MAX ? input.size - done : PIECE_MAX;
        int written = 0;
        uint8_t *target = out == NULL ? NULL : out + done;
        if (EVP_CipherUpdate(context, target, &written, input.data + done, (int) piece) != 1 ||
            written != (int) piece) {
            return CELLA_CRYPTO_FAILED;
        }
        done += piece;
    }
    return CELLA_OK;
}

static cella_status seal(EVP_CIPHER_CTX *context, const uint8_t *nonce, struct cella_view associated_data,
                         struct cella_view plain, uint8_t *out)
{
    int written = 0;
    /* Without cipher and key only the nonce changes: no new key schedule. */
    if (EVP_EncryptInit_ex2(context, NULL, NULL, nonce, NULL) != 1) {
        return CELLA_CRYPTO_FAILED;
    }
    CELLA_TRY(feed(context, associated_data, NULL));
    CELLA_TRY(feed(context, plain, out));
    if (EVP_EncryptFinal_ex(context, out + plain.size, &written) != 1 || written != 0 ||
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, CELLA_GCM_TAG_SIZE, out + plain.size) != 1) {
        return CELLA_CRYPTO_FAILED;
    }
    return CELLA_OK;
}

cella_status cella_aead_seal(struct cella_aead *aead, const uint8_t nonce[CELLA_GCM_NONCE_SIZE],
                             struct cella_view associated_data, struct cella_view plain, uint8_t *out)
{
    cella_status status = seal(aead->context, nonce, associated_data, plain, out);
    if (status != CELLA_OK) {
        /* In place, out still holds plaintext that the caller would take for ciphertext. */
        cella_wipe(out, plain.size + CELLA_GCM_TAG_SIZE);
        return cella_openssl_failed(status);
    }
    return CELLA_OK;
}

static cella_status begin(EVP_CIPHER_CTX *context, const uint8_t *nonce, struct cella_view associated_data)
{
    if (EVP_DecryptInit_ex2(context, NULL, NULL, nonce, NULL) != 1) {
        return CELLA_CRYPTO_FAILED;
    }
    return feed(context, associated_data, NULL);
}

static cella_status end(EVP_CIPHER_CTX *context, const uint8_t *tag)
{
    uint8_t copy[CELLA_GCM_TAG_SIZE]; /* OpenSSL asks for one that it might write to */
    uint8_t rest[CELLA_GCM_TAG_SIZE];
    int written = 0;
    memcpy(copy, tag, sizeof(copy));
    if (EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, sizeof(copy), copy) != 1) {
        return CELLA_CRYPTO_FAILED;
    }
    return EVP_DecryptFinal_ex(context, rest, &written) == 1 ? CELLA_OK : CELLA_BAD_TAG;
}

static cella_status open_verified(EVP_CIPHER_CTX *context, const uint8_t *nonce, struct cella_view associated_data,
                                  struct cella_view sealed, uint8_t *out)
{
    struct cella_view text = { sealed.data, sealed.size - CELLA_GCM_TAG_SIZE };
    CELLA_TRY(begin(context, nonce, associated_data));
    CELLA_TRY(feed(context, text, out));
    return end(context, sealed.data + text.size);
}

cella_status cella_aead_open(struct cella_aead *aead, const uint8_t nonce[CELLA_GCM_NONCE_SIZE],
                             struct cella_view associated_data, struct cella_view sealed, uint8_t *out)
{
    if (sealed.size < CELLA_GCM_TAG_SIZE) {
        return CELLA_BAD_TAG;
    }
    cella_status status = open_verified(aead->context, nonce, associated_data, sealed, out);
    if (status != CELLA_OK) {
        cella_wipe(out, sealed.size - CELLA_GCM_TAG_SIZE);
        return cella_openssl_failed(status);
    }
    return CELLA_OK;
}

cella_status cella_aead_open_begin(struct cella_aead *aead, const uint8_t nonce[CELLA_GCM_NONCE_SIZE],
                                   struct cella_view associated_data)
{
    cella_status status = begin(aead->context, nonce, associated_data);
    return status == CELLA_OK ? CELLA_OK : cella_openssl_failed(status);
}

cella_status cella_aead_open_update(struct cella_aead *aead, struct cella_view sealed, uint8_t *out)
{
    cella_status status = feed(aead->context, sealed, out);
    return status == CELLA_OK ? CELLA_OK : cella_openssl_failed(status);
}

cella_status cella_aead_open_end(struct cella_aead *aead, const uint8_t tag[CELLA_GCM_TAG_SIZE])
{
    cella_status status = end(aead->context, tag);
    return status == CELLA_OK ? CELLA_OK : cella_openssl_failed(status);
}
