/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/keyring.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/wire.h"
#include "trust/receipt.h"
#include "trust/sealed_file.h"
#include "trust/tree_head.h"

struct cella_keyring {
    struct cella_secret sign;
    struct cella_secret seal;
    struct cella_secret ledger; /* of the ledger's records */
    struct cella_secret log;    /* signs what stands in the ledger's tree, for receipts */
    bool older;                 /* what was loaded had no log key */
    struct cella_key_set public_keys;
    char executor[CELLA_THUMBPRINT_SIZE + 1];
};

#define MAGIC "CKEY"
#define VERSION 2 /* 1 had no log key */
#define PURPOSE "cella keyring v1"
#define SECRET_SIZE_1 (CELLA_ED25519_KEY_SIZE + CELLA_X25519_KEY_SIZE + CELLA_SHA256_SIZE)
#define SECRET_SIZE (SECRET_SIZE_1 + CELLA_ED25519_KEY_SIZE)
#define PLATFORM_MAX 32U

/* What follows from the private keys. */
static cella_status publish(struct cella_keyring *keyring)
{
    CELLA_TRY(cella_ed25519_public(&keyring->sign, keyring->public_keys.sign));
    CELLA_TRY(cella_x25519_public(&keyring->seal, keyring->public_keys.seal));
    return cella_thumbprint(keyring->public_keys.sign, keyring->executor);
}

static cella_status make_keys(struct cella_keyring *keyring)
{
    CELLA_TRY(cella_secret_random(&keyring->sign, CELLA_ED25519_KEY_SIZE));
    CELLA_TRY(cella_secret_random(&keyring->seal, CELLA_X25519_KEY_SIZE));
    CELLA_TRY(cella_secret_random(&keyring->ledger, CELLA_SHA256_SIZE));
    CELLA_TRY(cella_secret_random(&keyring->log, CELLA_ED25519_KEY_SIZE));
    return publish(keyring);
}

static cella_status take_keys(struct cella_keyring *keyring, const struct cella_secret *secret)
{
    const uint8_t *at = secret->data;
    keyring->older = secret->size == SECRET_SIZE_1;
    if (secret->size != SECRET_SIZE && !keyring->older) {
        return CELLA_BAD_FORMAT;
    }
    CELLA_TRY(cella_secret_set(&keyring->sign, cella_view_of(at, CELLA_ED25519_KEY_SIZE)));
    at += CELLA_ED25519_KEY_SIZE;
    CELLA_TRY(cella_secret_set(&keyring->seal, cella_view_of(at, CELLA_X25519_KEY_SIZE)));
    at += CELLA_X25519_KEY_SIZE;
    CELLA_TRY(cella_secret_set(&keyring->ledger, cella_view_of(at, CELLA_SHA256_SIZE)));
    at += CELLA_SHA256_SIZE;
    CELLA_TRY(keyring->older ? cella_secret_random(&keyring->log, CELLA_ED25519_KEY_SIZE)
                             : cella_secret_set(&keyring->log, cella_view_of(at, CELLA_ED25519_KEY_SIZE)));
    return publish(keyring);
}

/* secret: NULL: new keys */
static cella_status new_keyring(const struct cella_secret *secret, struct cella_keyring **out)
{
    struct cella_keyring *keyring = calloc(1, sizeof(*keyring));
    if (keyring == NULL) {
        return CELLA_NO_MEMORY;
    }
    cella_status status = secret == NULL ? make_keys(keyring) : take_keys(keyring, secret);
    if (status != CELLA_OK) {
        cella_keyring_free(keyring);
        return status;
    }
    *out = keyring;
    return CELLA_OK;
}

cella_status cella_keyring_new(struct cella_keyring **out)
{
    return new_keyring(NULL, out);
}

cella_status cella_keyring_save(const struct cella_keyring *keyring, struct cella_platform *platform,
                                struct cella_bytes *sealed)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret secret = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes content = { 0 };
    CELLA_TRY(cella_secret_resize(&secret, SECRET_SIZE));
    memcpy(secret.data, keyring->sign.data, CELLA_ED25519_KEY_SIZE);
    memcpy(secret.data + CELLA_ED25519_KEY_SIZE, keyring->seal.data, CELLA_X25519_KEY_SIZE);
    memcpy(secret.data + CELLA_ED25519_KEY_SIZE + CELLA_X25519_KEY_SIZE, keyring->ledger.data, CELLA_SHA256_SIZE);
    memcpy(secret.data + SECRET_SIZE_1, keyring->log.data, CELLA_ED25519_KEY_SIZE);
    CELLA_TRY(cella_platform_seal(platform, PURPOSE, &secret, &content));
    CELLA_TRY(cella_bytes_append(sealed, cella_view_of(MAGIC, sizeof(MAGIC) - 1)));
    CELLA_TRY(cella_write_u16(sealed, VERSION));
    CELLA_TRY(cella_write_field(sealed, cella_view_of_string(cella_platform_name(platform))));
    return cella_write_field(sealed, cella_bytes_view(&content));
}

cella_status cella_keyring_load(struct cella_platform *platform, struct cella_view sealed, struct cella_keyring **out)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret secret = { 0 };
    struct cella_reader reader = cella_reader_of(sealed);
    struct cella_view magic;
    struct cella_view name;
    struct cella_view content;
    uint16_t version;
    CELLA_TRY(cella_read_view(&reader, sizeof(MAGIC) - 1, &magic));
    CELLA_TRY(cella_read_u16(&reader, &version));
    if (!cella_view_is(magic, MAGIC) || version == 0) {
        return CELLA_BAD_FORMAT;
    }
    if (version > VERSION) {
        return CELLA_BAD_VERSION;
    }
    CELLA_TRY(cella_read_field(&reader, PLATFORM_MAX, &name));
    CELLA_TRY(cella_read_field(&reader, CELLA_PLATFORM_SEALED_MAX, &content));
    CELLA_TRY(cella_reader_end(&reader));
    if (!cella_view_is(name, cella_platform_name(platform))) {
        return CELLA_BAD_TAG;
    }
    CELLA_TRY(cella_platform_unseal(platform, PURPOSE, content, &secret));
    return new_keyring(&secret, out);
}

void cella_keyring_free(struct cella_keyring *keyring)
{
    if (keyring != NULL) {
        cella_secret_clear(&keyring->sign);
        cella_secret_clear(&keyring->seal);
        cella_secret_clear(&keyring->ledger);
        cella_secret_clear(&keyring->log);
        free(keyring);
    }
}

bool cella_keyring_is_older(const struct cella_keyring *keyring)
{
    return keyring->older;
}

const struct cella_key_set *cella_keyring_public(const struct cella_keyring *keyring)
{
    return &keyring->public_keys;
}

const char *cella_keyring_executor(const struct cella_keyring *keyring)
{
    return keyring->executor;
}

cella_status cella_keyring_sign_session(const struct cella_keyring *keyring,
                                        const uint8_t exporter[CELLA_EXPORTER_SIZE],
                                        const uint8_t spki_sha256[CELLA_SHA256_SIZE], struct cella_view nonce,
                                        uint8_t out[CELLA_ED25519_SIGNATURE_SIZE])
{
    if (nonce.size != CELLA_NONCE_SIZE) {
        return CELLA_BAD_SIZE;
    }
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes message = { 0 };
    CELLA_TRY(cella_session_message(exporter, spki_sha256, nonce, &message));
    return cella_ed25519_sign(&keyring->sign, cella_bytes_view(&message), out);
}

cella_status cella_keyring_sign_head(const struct cella_keyring *keyring, uint64_t epoch, uint64_t size,
                                     const uint8_t root[CELLA_SHA256_SIZE], const uint8_t chain[CELLA_SHA256_SIZE],
                                     uint8_t out[CELLA_ED25519_SIGNATURE_SIZE])
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes message = { 0 };
    CELLA_TRY(cella_write_field(&message, cella_view_of_string("cella head v1")));
    CELLA_TRY(cella_write_field(&message, cella_view_of_string(keyring->executor)));
    CELLA_TRY(cella_write_u64(&message, epoch));
    CELLA_TRY(cella_write_u64(&message, size));
    CELLA_TRY(cella_write_field(&message, cella_view_of(root, CELLA_SHA256_SIZE)));
    CELLA_TRY(cella_write_field(&message, cella_view_of(chain, CELLA_SHA256_SIZE)));
    return cella_ed25519_sign(&keyring->sign, cella_bytes_view(&message), out);
}

cella_status cella_keyring_sign_audit(const struct cella_keyring *keyring, const struct cella_audit_answer *answer,
                                      uint8_t out[CELLA_ED25519_SIGNATURE_SIZE])
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes message = { 0 };
    uint8_t request[CELLA_SHA256_SIZE];
    uint8_t lines[CELLA_SHA256_SIZE];
    CELLA_TRY(cella_sha256(answer->request, request));
    CELLA_TRY(cella_sha256(answer->lines, lines));
    CELLA_TRY(cella_write_field(&message, cella_view_of_string("cella audit v1")));
    CELLA_TRY(cella_write_field(&message, cella_view_of_string(keyring->executor)));
    CELLA_TRY(cella_write_field(&message, cella_view_of_string(answer->party)));
    CELLA_TRY(cella_write_field(&message, cella_view_of(request, sizeof(request))));
    CELLA_TRY(cella_write_u64(&message, answer->size));
    CELLA_TRY(cella_write_field(&message, cella_view_of(answer->root, CELLA_SHA256_SIZE)));
    CELLA_TRY(cella_write_u64(&message, answer->next));
    CELLA_TRY(cella_write_u8(&message, answer->more ? 1 : 0));
    CELLA_TRY(cella_write_field(&message, cella_view_of(lines, sizeof(lines))));
    return cella_ed25519_sign(&keyring->sign, cella_bytes_view(&message), out);
}

cella_status cella_keyring_sign_statement(const struct cella_keyring *keyring, enum cella_statement_kind kind,
                                          struct cella_view payload, struct cella_view subject,
                                          uint64_t issued_at_unix_s, struct cella_bytes *out)
{
    const struct cella_statement_signer signer = {
        .seed = &keyring->sign,
        .subject = subject,
        .issued_at_unix_s = issued_at_unix_s,
    };
    return cella_statement_sign(kind, payload, &signer, out);
}

cella_status cella_keyring_write_evidence(const struct cella_keyring *keyring, struct cella_view type,
                                          struct cella_view evidence, struct cella_view charter,
                                          struct cella_bytes *out)
{
    const struct cella_evidence_file file = {
        .type = type,
        .evidence = evidence,
        .keys = keyring->public_keys,
        .charter = charter,
    };
    uint8_t log_key[CELLA_ED25519_KEY_SIZE];
    CELLA_TRY(cella_ed25519_public(&keyring->log, log_key));
    return cella_evidence_file_write(&file, log_key, &keyring->sign, out);
}

cella_status cella_keyring_sign_inclusion(const struct cella_keyring *keyring, const struct cella_merkle_hash *leaf,
                                          uint64_t index, uint64_t size, const struct cella_merkle_path *path,
                                          struct cella_bytes *receipt, struct cella_bytes *tree_head)
{
    char name[sizeof(CELLA_LOG_NAME) + CELLA_THUMBPRINT_SIZE];
    struct cella_merkle_hash root;
    (void) snprintf(name, sizeof(name), CELLA_LOG_NAME "%s", keyring->executor);
    const struct cella_receipt_issuer log = { .seed = &keyring->log, .issuer = cella_view_of_string(name) };
    CELLA_TRY(cella_merkle_root_of_inclusion(leaf, index, size, path, &root));
    CELLA_TRY(cella_receipt_issue(&log, leaf, index, size, path, &root, receipt));
    return cella_tree_head_sign(cella_view_of_string(name), size, &root, &keyring->log, tree_head);
}

static cella_status write_info(const char *purpose, struct cella_view context, struct cella_bytes *out)
{
    CELLA_TRY(cella_write_field(out, cella_view_of_string("cella secret v1")));
    CELLA_TRY(cella_write_field(out, cella_view_of_string(purpose)));
    return cella_write_field(out, context);
}

cella_status cella_keyring_open(const struct cella_keyring *keyring, const char *purpose, struct cella_view context,
                                struct cella_view sealed, struct cella_secret *out)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes info = { 0 };
    CELLA_TRY(write_info(purpose, context, &info));
    return cella_hpke_open(&keyring->seal, cella_bytes_view(&info), (struct cella_view){ 0 }, sealed, out);
}

/* CELLA_THUMBPRINT_SIZE + CELLA_SHA256_SIZE bytes */
static void write_data_context(const char *owner, const uint8_t sha256[CELLA_SHA256_SIZE], uint8_t *out)
{
    memcpy(out, owner, CELLA_THUMBPRINT_SIZE);
    memcpy(out + CELLA_THUMBPRINT_SIZE, sha256, CELLA_SHA256_SIZE);
}

cella_status cella_keyring_keep_data_key(const struct cella_keyring *keyring, const uint8_t sha256[CELLA_SHA256_SIZE],
                                         struct cella_view key, struct cella_bytes *out)
{
    uint8_t context[CELLA_THUMBPRINT_SIZE + CELLA_SHA256_SIZE];
    write_data_context(keyring->executor, sha256, context);
    return cella_keyring_seal(keyring->public_keys.seal, "data key", cella_view_of(context, sizeof(context)), key,
                              out);
}

cella_status cella_keyring_open_data_key(const struct cella_keyring *keyring, const char *owner,
                                         const uint8_t sha256[CELLA_SHA256_SIZE], struct cella_view sealed,
                                         size_t size, struct cella_secret *out)
{
    uint8_t context[CELLA_THUMBPRINT_SIZE + CELLA_SHA256_SIZE];
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = { 0 };
    write_data_context(owner == NULL ? keyring->executor : owner, sha256, context);
    CELLA_TRY(cella_keyring_open(keyring, "data key", cella_view_of(context, sizeof(context)), sealed, &key));
    if (key.size != size) {
        return CELLA_BAD_KEY;
    }
    cella_secret_take(out, &key);
    return CELLA_OK;
}

cella_status cella_keyring_output_object(const struct cella_keyring *keyring, const char *task, uint32_t attempt,
                                         const char *output, char out[33])
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes named = { 0 };
    uint8_t hash[CELLA_SHA256_SIZE];
    CELLA_TRY(cella_secret_resize(&key, CELLA_SHA256_SIZE));
    CELLA_TRY(cella_hkdf(CELLA_HASH_SHA256, cella_secret_view(&keyring->ledger), (struct cella_view){ 0 },
                         cella_view_of_string("cella output object v1"), &key));
    CELLA_TRY(cella_write_field(&named, cella_view_of_string(task)));
    CELLA_TRY(cella_write_u32(&named, attempt));
    CELLA_TRY(cella_write_field(&named, cella_view_of_string(output)));
    CELLA_TRY(cella_hmac_sha256(cella_secret_view(&key), cella_bytes_view(&named), hash));
    cella_hex_encode(cella_view_of(hash, 16), out);
    return CELLA_OK;
}

cella_status cella_keyring_seal(const uint8_t receiver[CELLA_X25519_KEY_SIZE], const char *purpose,
                                struct cella_view context, struct cella_view plain, struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes info = { 0 };
    CELLA_TRY(write_info(purpose, context, &info));
    return cella_hpke_seal(receiver, cella_bytes_view(&info), (struct cella_view){ 0 }, plain, out);
}

cella_status cella_keyring_record_writer(const struct cella_keyring *keyring, struct cella_record_writer **out)
{
    return cella_record_writer_new(&keyring->ledger, out);
}

const struct cella_secret *cella_keyring_ledger_key(const struct cella_keyring *keyring)
{
    return &keyring->ledger;
}
