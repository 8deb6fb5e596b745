/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/crypto.h"

#include <errno.h>
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <sys/random.h>

#include "trust/openssl_error.h"

#define HKDF_OUT_MAX 64

cella_status cella_random(uint8_t *out, size_t size)
{
    /* Straight from the kernel: a generator with state in this process would have to survive fork. */
    size_t done = 0;
    while (done < size) {
        ssize_t got = getrandom(out + done, size - done, 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            cella_wipe(out, size);
            return CELLA_RANDOM_FAILED;
        }
        done += (size_t) got;
    }
    return CELLA_OK;
}

bool cella_equal_constant_time(const uint8_t *a, const uint8_t *b, size_t size)
{
    return size == 0 || CRYPTO_memcmp(a, b, size) == 0;
}

static cella_status digest(const EVP_MD *algorithm, struct cella_view data, uint8_t *out)
{
    if (EVP_Digest(data.data, data.size, out, NULL, algorithm, NULL) != 1) {
        return cella_openssl_failed(CELLA_CRYPTO_FAILED);
    }
    return CELLA_OK;
}

cella_status cella_sha256(struct cella_view data, uint8_t out[CELLA_SHA256_SIZE])
{
    return digest(EVP_sha256(), data, out);
}

cella_status cella_sha384(struct cella_view data, uint8_t out[CELLA_SHA384_SIZE])
{
    return digest(EVP_sha384(), data, out);
}

cella_status cella_sha512(struct cella_view data, uint8_t out[CELLA_SHA512_SIZE])
{
    return digest(EVP_sha512(), data, out);
}

struct cella_sha256_stream {
    EVP_MD_CTX *context;
};

struct cella_sha256_stream *cella_sha256_stream_new(void)
{
    struct cella_sha256_stream *stream = calloc(1, sizeof(*stream));
    if (stream == NULL) {
        return NULL;
    }
    stream->context = EVP_MD_CTX_new();
    if (stream->context == NULL || EVP_DigestInit_ex2(stream->context, EVP_sha256(), NULL) != 1) {
        ERR_clear_error();
        cella_sha256_stream_free(stream);
        return NULL;
    }
    return stream;
}

cella_status cella_sha256_stream_update(struct cella_sha256_stream *stream, struct cella_view data)
{
    if (EVP_DigestUpdate(stream->context, data.data, data.size) != 1) {
        return cella_openssl_failed(CELLA_CRYPTO_FAILED);
    }
    return CELLA_OK;
}

cella_status cella_sha256_stream_finish(struct cella_sha256_stream *stream, uint8_t out[CELLA_SHA256_SIZE])
{
    if (EVP_DigestFinal_ex(stream->context, out, NULL) != 1) {
        return cella_openssl_failed(CELLA_CRYPTO_FAILED);
    }
    return CELLA_OK;
}

void cella_sha256_stream_free(struct cella_sha256_stream *stream)
{
    if (stream != NULL) {
        EVP_MD_CTX_free(stream->context);
        free(stream);
    }
}

cella_status cella_hmac_sha256(struct cella_view key, struct cella_view data, uint8_t out[CELLA_SHA256_SIZE])
{
    if (key.size > INT_MAX) {
        return CELLA_BAD_SIZE;
    }
    /* OpenSSL takes NULL for "only initialise", even where there is nothing to read. */
    const uint8_t nothing = 0;
    const uint8_t *key_data = key.size > 0 ? key.data : &nothing;
    const uint8_t *message = data.size > 0 ? data.data : &nothing;
    if (HMAC(EVP_sha256(), key_data, (int) key.size, message, data.size, out, NULL) == NULL) {
        return cella_openssl_failed(CELLA_CRYPTO_FAILED);
    }
    return CELLA_OK;
}

static const char *hash_name(enum cella_hash hash)
{
    switch (hash) {
    case CELLA_HASH_SHA1:
        return "SHA1";
    case CELLA_HASH_SHA256:
        return "SHA256";
    case CELLA_HASH_SHA384:
        return "SHA384";
    case CELLA_HASH_SHA512:
        return "SHA512";
    }
    return NULL;
}

static void kdf_cleanup(EVP_KDF **kdf)
{
    EVP_KDF_free(*kdf);
}

static void kdf_context_cleanup(EVP_KDF_CTX **context)
{
    EVP_KDF_CTX_free(*context);
}

cella_status cella_hkdf(enum cella_hash hash, struct cella_view key, struct cella_view salt, struct cella_view info,
                        struct cella_secret *out)
{
    const char *name = hash_name(hash);
    if (name == NULL || out->size == 0 || out->size > HKDF_OUT_MAX) {
        return CELLA_BAD_SIZE;
    }
    CELLA_CLEANUP(kdf_cleanup) EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    CELLA_CLEANUP(kdf_context_cleanup) EVP_KDF_CTX *context = kdf == NULL ? NULL : EVP_KDF_CTX_new(kdf);
    if (context == NULL) {
        return cella_openssl_failed(CELLA_CRYPTO_FAILED);
    }
    /* OpenSSL's parameters are not const, but these are only read. Empty ones must be left out. */
    OSSL_PARAM parameters[5];
    size_t count = 0;
    parameters[count++] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *) (uintptr_t) name, 0);
    parameters[count++] =
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *) (uintptr_t) key.data, key.size);
    if (salt.size > 0) {
        parameters[count++] =
            OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *) (uintptr_t) salt.data, salt.size);
    }
    if (info.size > 0) {
        parameters[count++] =
            OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *) (uintptr_t) info.data, info.size);
    }
    parameters[count] = OSSL_PARAM_construct_end();
    if (EVP_KDF_derive(context, out->data, out->size, parameters) != 1) {
        cella_wipe(out->data, out->size);
        return cella_openssl_failed(CELLA_CRYPTO_FAILED);
    }
    return CELLA_OK;
}

static void mac_cleanup(EVP_MAC **mac)
{
    EVP_MAC_free(*mac);
}

static void mac_context_cleanup(EVP_MAC_CTX **context)
{
    EVP_MAC_CTX_free(*context);
}

cella_status cella_cmac_aes128(const struct cella_secret *key, struct cella_view data, struct cella_secret *out)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret mac = { 0 };
    if (key->size != 16) {
        return CELLA_BAD_KEY;
    }
    CELLA_TRY(cella_secret_resize(&mac, 16));
    char cipher[] = "AES-128-CBC";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_CIPHER, cipher, 0),
        OSSL_PARAM_construct_end(),
    };
    CELLA_CLEANUP(mac_cleanup) EVP_MAC *algorithm = EVP_MAC_fetch(NULL, "CMAC", NULL);
    CELLA_CLEANUP(mac_context_cleanup) EVP_MAC_CTX *context = algorithm == NULL ? NULL : EVP_MAC_CTX_new(algorithm);
    size_t size = 0;
    if (context == NULL || EVP_MAC_init(context, key->data, key->size, parameters) != 1 ||
        EVP_MAC_update(context, data.data, data.size) != 1 ||
        EVP_MAC_final(context, mac.data, &size, mac.size) != 1 || size != mac.size) {
        return cella_openssl_failed(CELLA_CRYPTO_FAILED);
    }
    cella_secret_take(out, &mac);
    return CELLA_OK;
}
