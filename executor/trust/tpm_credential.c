/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/tpm_credential.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <string.h>

#include "base/wire.h"
#include "trust/openssl_error.h"
#include "trust/public_key.h"
#include "trust/tpm_quote.h"

#define SEED_SIZE CELLA_SHA256_SIZE
#define SYMMETRIC_SIZE 16U /* AES-128 of the templates */
#define HALF_SIZE 32U      /* coordinate of P-256 */
#define RSA_SIZE 256U
#define POINT_SIZE (1U + 2U * HALF_SIZE)
#define IDENTITY "IDENTITY" /* labels count with their NUL */
#define USAGE_ENDORSEMENT "2.23.133.8.1"

static void key_cleanup(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static void key_context_cleanup(EVP_PKEY_CTX **context)
{
    EVP_PKEY_CTX_free(*context);
}

static void cipher_cleanup(EVP_CIPHER_CTX **context)
{
    EVP_CIPHER_CTX_free(*context);
}

static void buffer_cleanup(unsigned char **buffer)
{
    OPENSSL_free(*buffer);
}

/* ---- who is who ---- */

cella_status cella_tpm_attestation_name(struct cella_view area, uint8_t name[CELLA_TPM_NAME_SIZE])
{
    const struct cella_tpm_quote quote = { .key = area };
    struct cella_claims claims = { .count = 0 };
    struct cella_text ignored = { "" };
    CELLA_CLEANUP(cella_public_key_cleanup) struct cella_public_key *key = NULL;
    if (cella_tpm_quote_key(&quote, &claims, &key, &ignored) != CELLA_OK) {
        return CELLA_BAD_KEY;
    }
    const struct cella_claim *restricted = cella_claims_find(&claims, "restricted", CELLA_CLAIM_FLAG);
    const struct cella_claim *found = cella_claims_find(&claims, "attestation_key", CELLA_CLAIM_BYTES);
    if (restricted == NULL || restricted->number != 1 || found == NULL || found->size != CELLA_TPM_NAME_SIZE) {
        return CELLA_BAD_KEY;
    }
    memcpy(name, found->bytes, CELLA_TPM_NAME_SIZE);
    return CELLA_OK;
}

cella_status cella_tpm_endorsement_key(const struct cella_certificates *given, const struct cella_anchors *anchors,
                                       uint64_t now_unix_s, struct cella_public_key **out, struct cella_text *detail)
{
    static const struct cella_certificates no_helpers = { .count = 0 };
    struct cella_chain chain;
    CELLA_TRY(cella_chain_verify(given, &no_helpers, NULL, 0, anchors, &cella_tpm_chain_rules, now_unix_s, &chain, detail));
    if (!cella_certificate_has_usage(chain.list[0], USAGE_ENDORSEMENT) || cella_certificate_is_ca(chain.list[0])) {
        cella_text_set(detail, "the certificate is not for a TPM's endorsement key");
        return CELLA_ENDORSEMENT;
    }
    cella_text_set(detail, "%s vouches for this TPM", chain.anchor->name);
    return cella_certificate_key(chain.list[0], out);
}

/* ---- keys out of keys ---- */

/* KDFa of at most one block: HMAC over counter, label with its NUL, context, bits. */
static cella_status derive(const uint8_t seed[SEED_SIZE], const char *label, struct cella_view context, uint32_t bits,
                           uint8_t out[CELLA_SHA256_SIZE])
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes message = { 0 };
    CELLA_TRY(cella_write_u32(&message, 1));
    CELLA_TRY(cella_bytes_append(&message, cella_view_of(label, strlen(label) + 1)));
    CELLA_TRY(cella_bytes_append(&message, context));
    CELLA_TRY(cella_write_u32(&message, bits));
    return cella_hmac_sha256(cella_view_of(seed, SEED_SIZE), cella_bytes_view(&message), out);
}

/* KDFe of one block: SHA-256 over counter, the shared point's x, label with its NUL, both parties' x. */
static cella_status derive_from_point(const uint8_t shared[HALF_SIZE], const uint8_t *ours, const uint8_t *theirs,
                                      uint8_t out[SEED_SIZE])
{
    uint8_t message[4 + HALF_SIZE + sizeof(IDENTITY) + HALF_SIZE + HALF_SIZE] = { 0, 0, 0, 1 };
    uint8_t *place = message + 4;
    memcpy(place, shared, HALF_SIZE);
    place += HALF_SIZE;
    memcpy(place, IDENTITY, sizeof(IDENTITY));
    place += sizeof(IDENTITY);
    memcpy(place, ours, HALF_SIZE);
    memcpy(place + HALF_SIZE, theirs, HALF_SIZE);
    cella_status status = cella_sha256(cella_view_of(message, sizeof(message)), out);
    cella_wipe(message, sizeof(message));
    return status;
}

/* A TPM2B. */
static cella_status write_sized(struct cella_bytes *out, struct cella_view content)
{
    CELLA_TRY(cella_write_u16(out, (uint16_t) content.size));
    return cella_bytes_append(out, content);
}

/* ---- a seed for the endorsement key ---- */

static cella_status wrap_rsa(EVP_PKEY *key, uint8_t seed[SEED_SIZE], struct cella_bytes *out)
{
    CELLA_CLEANUP(key_context_cleanup) EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
    uint8_t wrapped[RSA_SIZE];
    size_t size = sizeof(wrapped);
    CELLA_TRY(cella_random(seed, SEED_SIZE));
    if (context == NULL || EVP_PKEY_encrypt_init(context) != 1 ||
        EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) != 1 ||
        EVP_PKEY_CTX_set_rsa_oaep_md(context, EVP_sha256()) != 1 ||
        EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_sha256()) != 1) {
        return cella_openssl_failed(CELLA_CRYPTO_FAILED);
    }
    void *label = OPENSSL_memdup(IDENTITY, sizeof(IDENTITY));
    if (EVP_PKEY_CTX_set0_rsa_oaep_label(context, label, (int) sizeof(IDENTITY)) != 1) {
        OPENSSL_free(label);
        return cella_openssl_failed(CELLA_CRYPTO_FAILED);
    }
    if (EVP_PKEY_encrypt(context, wrapped, &size, seed, SEED_SIZE) != 1 || size != sizeof(wrapped)) {
        return cella_openssl_failed(CELLA_CRYPTO_FAILED);
    }
    return write_sized(out, cella_view_of(wrapped, size));
}

static cella_status point_of(EVP_PKEY *key, uint8_t out[POINT_SIZE])
{
    CELLA_CLEANUP(buffer_cleanup) unsigned char *encoded = NULL;
    size_t size = EVP_PKEY_get1_encoded_public_key(key, &encoded);
    if (size != POINT_SIZE || encoded[0] != 4) {
        return cella_openssl_failed(CELLA_BAD_KEY);
    }
    memcpy(out, encoded, POINT_SIZE);
    return CELLA_OK;
}

static cella_status agree(EVP_PKEY *ours, EVP_PKEY *theirs, uint8_t out[HALF_SIZE])
{
    CELLA_CLEANUP(key_context_cleanup) EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(ours, NULL);
    size_t size = HALF_SIZE;
    if (context == NULL || EVP_PKEY_derive_init(context) != 1 || EVP_PKEY_derive_set_peer(context, theirs) != 1 ||
        EVP_PKEY_derive(context, out, &size) != 1 || size != HALF_SIZE) {
        return cella_openssl_failed(CELLA_CRYPTO_FAILED);
    }
    return CELLA_OK;
}

static cella_status wrap_ecc(EVP_PKEY *key, uint8_t seed[SEED_SIZE], struct cella_bytes *out)
{
    CELLA_CLEANUP(key_cleanup) EVP_PKEY *own = EVP_EC_gen("P-256");
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes sent = { 0 };
    uint8_t ours[POINT_SIZE];
    uint8_t theirs[POINT_SIZE];
    uint8_t shared[HALF_SIZE];
    if (own == NULL) {
        return cella_openssl_failed(CELLA_CRYPTO_FAILED);
    }
    CELLA_TRY(point_of(own, ours));
    CELLA_TRY(point_of(key, theirs));
    CELLA_TRY(agree(own, key, shared));
    cella_status status = derive_from_point(shared, ours + 1, theirs + 1, seed);
    cella_wipe(shared, sizeof(shared));
    CELLA_TRY(status);
    CELLA_TRY(write_sized(&sent, cella_view_of(ours + 1, HALF_SIZE)));
    CELLA_TRY(write_sized(&sent, cella_view_of(ours + 1 + HALF_SIZE, HALF_SIZE)));
    return write_sized(out, cella_bytes_view(&sent));
}

static cella_status wrap(const struct cella_public_key *endorsement, uint8_t seed[SEED_SIZE], struct cella_bytes *out)
{
    if (cella_public_key_rsa_bits(endorsement) == 8 * RSA_SIZE) {
        return wrap_rsa(cella_public_key_openssl(endorsement), seed, out);
    }
    if (cella_public_key_curve_bits(endorsement) == 8 * HALF_SIZE) {
        return wrap_ecc(cella_public_key_openssl(endorsement), seed, out);
    }
    return CELLA_BAD_KEY;
}

/* ---- the credential ---- */

static cella_status encrypt(const uint8_t key[SYMMETRIC_SIZE], struct cella_view plain, uint8_t *out)
{
    static const uint8_t zeros[16] = { 0 };
    CELLA_CLEANUP(cipher_cleanup) EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int written = 0;
    if (context == NULL || EVP_EncryptInit_ex2(context, EVP_aes_128_cfb128(), key, zeros, NULL) != 1 ||
        EVP_EncryptUpdate(context, out, &written, plain.data, (int) plain.size) != 1 || written != (int) plain.size) {
        return cella_openssl_failed(CELLA_CRYPTO_FAILED);
    }
    return CELLA_OK;
}

/* TPM2B_ID_OBJECT: the secret encrypted, after an HMAC over that and the name. */
static cella_status write_identity(const uint8_t seed[SEED_SIZE], struct cella_view name, const uint8_t *secret,
                                   struct cella_bytes *out)
{
    uint8_t key[CELLA_SHA256_SIZE];
    uint8_t mac[CELLA_SHA256_SIZE];
    uint8_t plain[2 + CELLA_TPM_CREDENTIAL_SECRET_SIZE] = { 0, CELLA_TPM_CREDENTIAL_SECRET_SIZE };
    uint8_t both[sizeof(plain) + CELLA_TPM_NAME_SIZE];
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes identity = { 0 };
    memcpy(plain + 2, secret, CELLA_TPM_CREDENTIAL_SECRET_SIZE);
    cella_status status = derive(seed, "STORAGE", name, 8 * SYMMETRIC_SIZE, key);
    status = status == CELLA_OK ? encrypt(key, cella_view_of(plain, sizeof(plain)), both) : status;
    cella_wipe(plain, sizeof(plain));
    memcpy(both + sizeof(plain), name.data, CELLA_TPM_NAME_SIZE);
    status = status == CELLA_OK ? derive(seed, "INTEGRITY", (struct cella_view){ 0 }, 8 * CELLA_SHA256_SIZE, key) : status;
    status = status == CELLA_OK ? cella_hmac_sha256(cella_view_of(key, sizeof(key)), cella_view_of(both, sizeof(both)), mac)
                                : status;
    cella_wipe(key, sizeof(key));
    CELLA_TRY(status);
    CELLA_TRY(write_sized(&identity, cella_view_of(mac, sizeof(mac))));
    CELLA_TRY(cella_bytes_append(&identity, cella_view_of(both, sizeof(plain))));
    return write_sized(out, cella_bytes_view(&identity));
}

cella_status cella_tpm_credential_make(const struct cella_public_key *endorsement,
                                       const uint8_t name[CELLA_TPM_NAME_SIZE],
                                       const uint8_t secret[CELLA_TPM_CREDENTIAL_SECRET_SIZE], struct cella_bytes *out)
{
    uint8_t seed[SEED_SIZE];
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes wrapped = { 0 };
    cella_status status = wrap(endorsement, seed, &wrapped);
    status = status == CELLA_OK ? write_identity(seed, cella_view_of(name, CELLA_TPM_NAME_SIZE), secret, out) : status;
    cella_wipe(seed, sizeof(seed));
    CELLA_TRY(status);
    return cella_bytes_append(out, cella_bytes_view(&wrapped));
}
