/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/signature.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "trust/openssl_error.h"
#include "trust/public_key.h"

#define SNP_HALF 72U
#define POINT_MAX 96U
#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 4096

struct cella_public_key {
    EVP_PKEY *openssl;
};

static void context_cleanup(EVP_PKEY_CTX **context)
{
    EVP_PKEY_CTX_free(*context);
}

static void digest_cleanup(EVP_MD_CTX **context)
{
    EVP_MD_CTX_free(*context);
}

static void signature_cleanup(ECDSA_SIG **signature)
{
    ECDSA_SIG_free(*signature);
}

static void builder_cleanup(OSSL_PARAM_BLD **builder)
{
    OSSL_PARAM_BLD_free(*builder);
}

static void parameters_cleanup(OSSL_PARAM **parameters)
{
    OSSL_PARAM_free(*parameters);
}

static void number_cleanup(BIGNUM **number)
{
    BN_free(*number);
}

static void buffer_cleanup(uint8_t **buffer)
{
    OPENSSL_free(*buffer);
}

struct cella_public_key *cella_public_key_take(EVP_PKEY *key)
{
    struct cella_public_key *taken = key == NULL ? NULL : calloc(1, sizeof(*taken));
    if (taken == NULL) {
        EVP_PKEY_free(key);
        return NULL;
    }
    taken->openssl = key;
    return taken;
}

EVP_PKEY *cella_public_key_openssl(const struct cella_public_key *key)
{
    return key->openssl;
}

void cella_public_key_free(struct cella_public_key *key)
{
    if (key != NULL) {
        EVP_PKEY_free(key->openssl);
        free(key);
    }
}

void cella_public_key_cleanup(struct cella_public_key **key)
{
    cella_public_key_free(*key);
}

static cella_status finish(EVP_PKEY *key, struct cella_public_key **out)
{
    *out = cella_public_key_take(key);
    return *out == NULL ? CELLA_NO_MEMORY : CELLA_OK;
}

static cella_status make(const char *type, OSSL_PARAM *parameters, struct cella_public_key **out)
{
    EVP_PKEY *key = NULL;
    CELLA_CLEANUP(context_cleanup) EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (context == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1) {
        return cella_openssl_failed(CELLA_BAD_KEY);
    }
    return finish(key, out);
}

static size_t coordinate_size(enum cella_curve curve)
{
    return curve == CELLA_CURVE_P256 ? 32 : 48;
}

cella_status cella_public_key_of_point(enum cella_curve curve, struct cella_view point, struct cella_public_key **out)
{
    uint8_t encoded[1 + POINT_MAX] = { POINT_CONVERSION_UNCOMPRESSED };
    char p256[] = "prime256v1";
    char p384[] = "secp384r1";
    if (point.size != 2 * coordinate_size(curve)) {
        return CELLA_BAD_KEY;
    }
    memcpy(encoded + 1, point.data, point.size);
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, curve == CELLA_CURVE_P256 ? p256 : p384, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, encoded, 1 + point.size),
        OSSL_PARAM_construct_end(),
    };
    return make("EC", parameters, out);
}

cella_status cella_public_key_of_rsa(struct cella_view modulus, struct cella_view exponent,
                                     struct cella_public_key **out)
{
    if (modulus.size > RSA_BITS_MAX / 8 || exponent.size > sizeof(uint64_t)) {
        return CELLA_BAD_KEY;
    }
    CELLA_CLEANUP(number_cleanup) BIGNUM *n = BN_bin2bn(modulus.data, (int) modulus.size, NULL);
    CELLA_CLEANUP(number_cleanup) BIGNUM *e = BN_bin2bn(exponent.data, (int) exponent.size, NULL);
    CELLA_CLEANUP(builder_cleanup) OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    if (n == NULL || e == NULL || builder == NULL ||
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) != 1 ||
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) != 1) {
        return cella_openssl_failed(CELLA_NO_MEMORY);
    }
    if (BN_num_bits(n) < RSA_BITS_MIN || !BN_is_odd(n) || !BN_is_odd(e) || BN_is_one(e)) {
        return CELLA_BAD_KEY;
    }
    CELLA_CLEANUP(parameters_cleanup) OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(builder);
    return parameters == NULL ? cella_openssl_failed(CELLA_NO_MEMORY) : make("RSA", parameters, out);
}

cella_status cella_public_key_of_spki(struct cella_view der, struct cella_public_key **out)
{
    const uint8_t *end = der.data;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &end, (long) der.size);
    if (key == NULL || end != der.data + der.size) {
        EVP_PKEY_free(key);
        return cella_openssl_failed(CELLA_BAD_KEY);
    }
    CELLA_TRY(finish(key, out));
    unsigned int curve = cella_public_key_curve_bits(*out);
    unsigned int modulus = cella_public_key_rsa_bits(*out);
    if (curve == 256 || curve == 384 || (modulus >= RSA_BITS_MIN && modulus <= RSA_BITS_MAX)) {
        return CELLA_OK;
    }
    cella_public_key_free(*out);
    *out = NULL;
    return CELLA_BAD_KEY;
}

cella_status cella_public_key_spki(const struct cella_public_key *key, struct cella_bytes *out)
{
    CELLA_CLEANUP(buffer_cleanup) uint8_t *der = NULL;
    int size = i2d_PUBKEY(key->openssl, &der);
    if (size <= 0) {
        return cella_openssl_failed(CELLA_CRYPTO_FAILED);
    }
    return cella_bytes_append(out, cella_view_of(der, (size_t) size));
}

unsigned int cella_public_key_curve_bits(const struct cella_public_key *key)
{
    char name[32];
    size_t size = 0;
    if (!EVP_PKEY_is_a(key->openssl, "EC") ||
        EVP_PKEY_get_group_name(key->openssl, name, sizeof(name), &size) != 1) {
        ERR_clear_error();
        return 0;
    }
    return strcmp(name, "prime256v1") == 0 ? 256 : strcmp(name, "secp384r1") == 0 ? 384 : 0;
}

unsigned int cella_public_key_rsa_bits(const struct cella_public_key *key)
{
    int bits = EVP_PKEY_is_a(key->openssl, "RSA") ? EVP_PKEY_get_bits(key->openssl) : 0;
    return bits > 0 ? (unsigned int) bits : 0;
}

static const EVP_MD *algorithm_of(enum cella_hash hash)
{
    switch (hash) {
    case CELLA_HASH_SHA1:
        return NULL;
    case CELLA_HASH_SHA256:
        return EVP_sha256();
    case CELLA_HASH_SHA384:
        return EVP_sha384();
    case CELLA_HASH_SHA512:
        return EVP_sha512();
    }
    return NULL;
}

/* r and s as OpenSSL wants them: DER. Zero and too large ones are refused when verifying. */
static cella_status encode(struct cella_view half_r, struct cella_view half_s, bool little_endian, uint8_t **out,
                           int *size)
{
    CELLA_CLEANUP(signature_cleanup) ECDSA_SIG *signature = ECDSA_SIG_new();
    BIGNUM *(*number_of)(const unsigned char *, int, BIGNUM *) = little_endian ? BN_lebin2bn : BN_bin2bn;
    BIGNUM *r = number_of(half_r.data, (int) half_r.size, NULL);
    BIGNUM *s = number_of(half_s.data, (int) half_s.size, NULL);
    if (signature == NULL || r == NULL || s == NULL || ECDSA_SIG_set0(signature, r, s) != 1) {
        BN_free(r);
        BN_free(s);
        return cella_openssl_failed(CELLA_NO_MEMORY);
    }
    *size = i2d_ECDSA_SIG(signature, out);
    return *size > 0 ? CELLA_OK : cella_openssl_failed(CELLA_BAD_SIGNATURE);
}

static cella_status verify(const struct cella_public_key *key, const EVP_MD *algorithm, struct cella_view message,
                           struct cella_view signature)
{
    CELLA_CLEANUP(digest_cleanup) EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context == NULL) {
        return CELLA_NO_MEMORY;
    }
    if (EVP_DigestVerifyInit(context, NULL, algorithm, NULL, key->openssl) != 1 ||
        EVP_DigestVerify(context, signature.data, signature.size, message.data, message.size) != 1) {
        return cella_openssl_failed(CELLA_BAD_SIGNATURE);
    }
    return CELLA_OK;
}

cella_status cella_signature_verify(const struct cella_public_key *key, enum cella_signature_form form,
                                    enum cella_hash hash, struct cella_view message, struct cella_view signature)
{
    const EVP_MD *algorithm = algorithm_of(hash);
    CELLA_CLEANUP(buffer_cleanup) uint8_t *der = NULL;
    int size = 0;
    unsigned int bits = cella_public_key_curve_bits(key);
    bool wants_curve = form != CELLA_SIGNATURE_RSA;
    if (algorithm == NULL || (bits != 0) != wants_curve ||
        (!wants_curve && cella_public_key_rsa_bits(key) < RSA_BITS_MIN)) {
        return CELLA_BAD_SIGNATURE;
    }
    size_t half = form == CELLA_SIGNATURE_ECDSA_SNP ? SNP_HALF : bits / 8;
    if (form == CELLA_SIGNATURE_RSA || form == CELLA_SIGNATURE_ECDSA_DER) {
        return verify(key, algorithm, message, signature);
    }
    if (signature.size != 2 * half) {
        return CELLA_BAD_SIGNATURE;
    }
    CELLA_TRY(encode(cella_view_of(signature.data, half), cella_view_of(signature.data + half, half),
                     form == CELLA_SIGNATURE_ECDSA_SNP, &der, &size));
    return verify(key, algorithm, message, cella_view_of(der, (size_t) size));
}
