/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/tpm_enrol.h"

#include "base/wire.h"
#include "platform/tpm_keys.h"
#include "trust/certificate.h"
#include "trust/der.h"
#include "trust/json.h"

/* Where makers put certificates. Source: TCG EK Credential Profile, NV indices. */
#define INDEX_RSA 0x01c00002U
#define INDEX_ECC 0x01c0000aU
#define INDEX_ISSUERS 0x01c00100U
#define INDEX_ISSUERS_END 0x01c001ffU
#define ISSUERS_SIZE_MAX 32768U
#define ENDORSEMENTS 2U
#define CREDENTIAL_SIZE_MAX 1024U

static const struct endorsement {
    const char *kind;
    enum cella_tpm_key key;
    TPM2_HANDLE index;
} endorsements[ENDORSEMENTS] = {
    { "rsa", CELLA_TPM_ENDORSEMENT_RSA, INDEX_RSA },
    { "ecc", CELLA_TPM_ENDORSEMENT_ECC, INDEX_ECC },
};

/* Add a new reference to an object or array, consuming it. */
static cella_status set(json_t *object, const char *key, json_t *value)
{
    return value == NULL || json_object_set_new(object, key, value) != 0 ? CELLA_NO_MEMORY : CELLA_OK;
}

static cella_status push(json_t *array, json_t *value)
{
    return value == NULL || json_array_append_new(array, value) != 0 ? CELLA_NO_MEMORY : CELLA_OK;
}

/* ---- certificates ---- */

/* The first certificate of several, or of an index that is larger than what is in it. False: there is none. */
static bool next_certificate(struct cella_view *rest, struct cella_view *out)
{
    struct cella_reader reader = cella_reader_of(*rest);
    struct cella_view content;
    if (cella_der_expect(&reader, CELLA_DER_SEQUENCE, &content) != CELLA_OK || content.size == 0 ||
        rest->size - reader.rest.size > CELLA_CERTIFICATE_MAX) {
        return false;
    }
    *out = cella_view_of(rest->data, rest->size - reader.rest.size);
    *rest = reader.rest;
    return true;
}

/* A TPM without this certificate is one whose key has to be known in another way. */
static cella_status add_certificate(struct cella_tpm *tpm, TPM2_HANDLE index, json_t *entry)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes content = { 0 };
    struct cella_view certificate;
    cella_status status = cella_tpm_nv_read(tpm, index, CELLA_CERTIFICATE_MAX, &content);
    struct cella_view rest = cella_bytes_view(&content);
    if (status == CELLA_NOT_FOUND || status == CELLA_TOO_LARGE ||
        (status == CELLA_OK && !next_certificate(&rest, &certificate))) {
        return CELLA_OK;
    }
    CELLA_TRY(status);
    return set(entry, "certificate", cella_json_base64url(certificate));
}

/* Some makers leave the issuers there too: one certificate behind the other, going on from index to index. */
static cella_status add_issuers(struct cella_tpm *tpm, json_t *object)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes content = { 0 };
    CELLA_CLEANUP(cella_json_cleanup) json_t *list = json_array();
    struct cella_view certificate;
    cella_status status = CELLA_OK;
    for (TPM2_HANDLE index = INDEX_ISSUERS; status == CELLA_OK && index <= INDEX_ISSUERS_END; index++) {
        status = cella_tpm_nv_read(tpm, index, ISSUERS_SIZE_MAX - content.size, &content);
    }
    CELLA_TRY(status == CELLA_NOT_FOUND || status == CELLA_TOO_LARGE ? CELLA_OK : status);
    struct cella_view rest = cella_bytes_view(&content);
    while (json_array_size(list) < CELLA_CHAIN_MAX && next_certificate(&rest, &certificate)) {
        CELLA_TRY(push(list, cella_json_base64url(certificate)));
    }
    return set(object, "certificates", json_incref(list));
}

/* ---- identify ---- */

static cella_status public_key_of(const TPM2B_PUBLIC *public, struct cella_public_key **out)
{
    static const uint8_t exponent[] = { 0x01, 0x00, 0x01 };
    const TPMT_PUBLIC *area = &public->publicArea;
    uint8_t point[64];
    if (area->type == TPM2_ALG_RSA) {
        return cella_public_key_of_rsa(cella_view_of(area->unique.rsa.buffer, area->unique.rsa.size),
                                       cella_view_of(exponent, sizeof(exponent)), out);
    }
    if (area->unique.ecc.x.size != 32 || area->unique.ecc.y.size != 32) {
        return CELLA_BAD_KEY;
    }
    memcpy(point, area->unique.ecc.x.buffer, 32);
    memcpy(point + 32, area->unique.ecc.y.buffer, 32);
    return cella_public_key_of_point(CELLA_CURVE_P256, cella_view_of(point, sizeof(point)), out);
}

static cella_status add_endorsement(struct cella_tpm *tpm, const struct endorsement *endorsement, json_t *list)
{
    CELLA_CLEANUP(cella_tpm_free) TPM2B_PUBLIC *public = NULL;
    CELLA_CLEANUP(cella_public_key_cleanup) struct cella_public_key *key = NULL;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes spki = { 0 };
    CELLA_CLEANUP(cella_json_cleanup) json_t *entry = json_object();
    ESYS_TR handle = ESYS_TR_NONE;
    cella_status status = cella_tpm_key(tpm, endorsement->key, &handle, &public);
    if (status == CELLA_NOT_FOUND) {
        return CELLA_OK;
    }
    CELLA_TRY(status);
    cella_tpm_flush(tpm, handle);
    if (public_key_of(public, &key) != CELLA_OK) {
        cella_text_set(tpm->trouble, "the TPM's endorsement key is none that can be");
        return CELLA_SYSTEM_FAILED;
    }
    CELLA_TRY(cella_public_key_spki(key, &spki));
    CELLA_TRY(set(entry, "kind", json_string(endorsement->kind)));
    CELLA_TRY(set(entry, "key", cella_json_base64url(cella_bytes_view(&spki))));
    CELLA_TRY(add_certificate(tpm, endorsement->index, entry));
    return push(list, json_incref(entry));
}

static cella_status add_attestation_key(struct cella_tpm *tpm, json_t *object)
{
    CELLA_CLEANUP(cella_tpm_free) TPM2B_PUBLIC *public = NULL;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes area = { 0 };
    ESYS_TR handle = ESYS_TR_NONE;
    CELLA_TRY(cella_tpm_key(tpm, CELLA_TPM_ATTESTATION, &handle, &public));
    cella_tpm_flush(tpm, handle);
    CELLA_TRY(cella_tpm_public(tpm, public, &area));
    return set(object, "attestation_key", cella_json_base64url(cella_bytes_view(&area)));
}

cella_status cella_tpm_identify(const struct cella_platform_setup *setup, struct cella_bytes *out,
                                struct cella_text *trouble)
{
    CELLA_CLEANUP(cella_tpm_close) struct cella_tpm tpm = { 0 };
    CELLA_CLEANUP(cella_json_cleanup) json_t *object = json_object();
    CELLA_CLEANUP(cella_json_cleanup) json_t *list = json_array();
    CELLA_TRY(cella_tpm_open(setup, trouble, &tpm));
    CELLA_TRY(set(object, "version", json_integer(1)));
    CELLA_TRY(add_attestation_key(&tpm, object));
    for (size_t i = 0; i < ENDORSEMENTS; i++) {
        CELLA_TRY(add_endorsement(&tpm, &endorsements[i], list));
    }
    if (json_array_size(list) == 0) {
        cella_text_set(trouble, "the TPM has no endorsement key: neither RSA of 2048 bits nor P-256");
        return CELLA_SYSTEM_FAILED;
    }
    CELLA_TRY(set(object, "endorsements", json_incref(list)));
    CELLA_TRY(add_issuers(&tpm, object));
    return cella_json_write(object, out);
}

/* ---- activate ---- */

struct challenge {
    const struct endorsement *endorsement;
    TPM2B_ID_OBJECT credential;
    TPM2B_ENCRYPTED_SECRET secret;
};

static cella_status read_challenge(struct cella_view text, struct challenge *out)
{
    CELLA_CLEANUP(cella_json_cleanup) json_t *json = NULL;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes bytes = { 0 };
    struct cella_json_error error = { 0 };
    struct cella_json_object object;
    const char *kind;
    int64_t version;
    size_t used = 0;
    *out = (struct challenge){ 0 };
    CELLA_TRY(cella_json_parse(text, CELLA_TPM_CHALLENGE_MAX, &json));
    CELLA_TRY(cella_json_begin(json, "", &error, &object));
    CELLA_TRY(cella_json_integer(&object, "version", 1, 1, &version));
    CELLA_TRY(cella_json_string(&object, "endorsement", sizeof("rsa") - 1, &kind));
    CELLA_TRY(cella_json_bytes(&object, "credential", CREDENTIAL_SIZE_MAX, &bytes));
    CELLA_TRY(cella_json_end(&object));
    for (size_t i = 0; i < ENDORSEMENTS; i++) {
        out->endorsement = strcmp(kind, endorsements[i].kind) == 0 ? &endorsements[i] : out->endorsement;
    }
    bool good =
        out->endorsement != NULL &&
        Tss2_MU_TPM2B_ID_OBJECT_Unmarshal(bytes.data, bytes.size, &used, &out->credential) == TSS2_RC_SUCCESS &&
        Tss2_MU_TPM2B_ENCRYPTED_SECRET_Unmarshal(bytes.data, bytes.size, &used, &out->secret) == TSS2_RC_SUCCESS &&
        used == bytes.size;
    return good ? CELLA_OK : CELLA_BAD_FORMAT;
}

/* The TPM's objects that a piece of work has; flushed at its end. */
struct objects {
    struct cella_tpm *tpm;
    ESYS_TR attestation;
    ESYS_TR endorsement;
    ESYS_TR policy;
};

static void flush_objects(struct objects *objects)
{
    cella_tpm_flush(objects->tpm, objects->policy);
    cella_tpm_flush(objects->tpm, objects->endorsement);
    cella_tpm_flush(objects->tpm, objects->attestation);
}

/* The endorsement key's policy: whoever may use the endorsement hierarchy may use it. */
static cella_status allow_endorsement(struct objects *objects)
{
    struct cella_tpm *tpm = objects->tpm;
    CELLA_TRY(cella_tpm_session(tpm, ESYS_TR_NONE, TPM2_SE_POLICY, 0, &objects->policy));
    return cella_tpm_result(tpm,
                            Esys_PolicySecret(tpm->esys, ESYS_TR_RH_ENDORSEMENT, objects->policy, ESYS_TR_PASSWORD,
                                              ESYS_TR_NONE, ESYS_TR_NONE, NULL, NULL, NULL, 0, NULL, NULL),
                            "using the endorsement key");
}

static cella_status activate(struct objects *objects, const struct challenge *challenge, struct cella_bytes *secret)
{
    CELLA_CLEANUP(cella_tpm_free) TPM2B_DIGEST *found = NULL;
    struct cella_tpm *tpm = objects->tpm;
    CELLA_TRY(cella_tpm_key(tpm, CELLA_TPM_ATTESTATION, &objects->attestation, NULL));
    CELLA_TRY(cella_tpm_key(tpm, challenge->endorsement->key, &objects->endorsement, NULL));
    CELLA_TRY(allow_endorsement(objects));
    TSS2_RC response = Esys_ActivateCredential(tpm->esys, objects->attestation, objects->endorsement, ESYS_TR_PASSWORD,
                                               objects->policy, ESYS_TR_NONE, &challenge->credential, &challenge->secret,
                                               &found);
    cella_status status = cella_tpm_result(tpm, response, "activating a credential");
    /* libtpms calls it a failure when RSA can not decrypt; a TPM in failure mode would not have made the keys above. */
    if (status != CELLA_OK && (cella_tpm_refused(response) || response == TPM2_RC_FAILURE)) {
        cella_text_set(tpm->trouble, "the challenge is for another TPM, or for another attestation key");
        return CELLA_BAD_TAG;
    }
    CELLA_TRY(status);
    return cella_bytes_append(secret, cella_view_of(found->buffer, found->size));
}

cella_status cella_tpm_activate(const struct cella_platform_setup *setup, struct cella_view challenge,
                                struct cella_bytes *out, struct cella_text *trouble)
{
    CELLA_CLEANUP(cella_tpm_close) struct cella_tpm tpm = { 0 };
    CELLA_CLEANUP(flush_objects) struct objects objects = { &tpm, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE };
    CELLA_CLEANUP(cella_json_cleanup) json_t *object = json_object();
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes secret = { 0 };
    struct challenge parts;
    cella_status status = read_challenge(challenge, &parts);
    if (status != CELLA_OK) {
        cella_text_set(trouble, "this is no challenge");
        return status;
    }
    CELLA_TRY(cella_tpm_open(setup, trouble, &tpm));
    CELLA_TRY(activate(&objects, &parts, &secret));
    CELLA_TRY(set(object, "version", json_integer(1)));
    CELLA_TRY(set(object, "secret", cella_json_base64url(cella_bytes_view(&secret))));
    return cella_json_write(object, out);
}
