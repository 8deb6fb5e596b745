/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/tpm_keys.h"

#define NV_CHUNK 512U

#define ATTESTATION_ATTRIBUTES                                                                                     \
    (TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH | \
     TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_SIGN_ENCRYPT)
#define STORAGE_ATTRIBUTES                                                                                         \
    (TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH | \
     TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT)
#define ENDORSEMENT_ATTRIBUTES                                                                                       \
    (TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_ADMINWITHPOLICY | \
     TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT)

/* PolicySecret of the endorsement hierarchy. Source: TCG EK Credential Profile, templates. */
static const uint8_t endorsement_policy[32] = {
    0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24,
    0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa,
};

static void set_symmetric(TPMT_SYM_DEF_OBJECT *symmetric, bool signs)
{
    symmetric->algorithm = signs ? TPM2_ALG_NULL : TPM2_ALG_AES;
    symmetric->keyBits.aes = signs ? 0 : 128;
    symmetric->mode.aes = signs ? 0 : TPM2_ALG_CFB;
}

static TPM2B_PUBLIC template_of(enum cella_tpm_key which, bool ecc)
{
    bool signs = which == CELLA_TPM_ATTESTATION;
    bool maker = which == CELLA_TPM_ENDORSEMENT_RSA || which == CELLA_TPM_ENDORSEMENT_ECC;
    TPM2B_PUBLIC out = { 0 };
    TPMT_PUBLIC *area = &out.publicArea;
    area->type = ecc ? TPM2_ALG_ECC : TPM2_ALG_RSA;
    area->nameAlg = TPM2_ALG_SHA256;
    area->objectAttributes = signs ? ATTESTATION_ATTRIBUTES : maker ? ENDORSEMENT_ATTRIBUTES : STORAGE_ATTRIBUTES;
    if (maker) {
        area->authPolicy.size = sizeof(endorsement_policy);
        memcpy(area->authPolicy.buffer, endorsement_policy, sizeof(endorsement_policy));
    }
    if (ecc) {
        set_symmetric(&area->parameters.eccDetail.symmetric, signs);
        area->parameters.eccDetail.scheme.scheme = signs ? TPM2_ALG_ECDSA : TPM2_ALG_NULL;
        area->parameters.eccDetail.scheme.details.ecdsa.hashAlg = signs ? TPM2_ALG_SHA256 : 0;
        area->parameters.eccDetail.curveID = TPM2_ECC_NIST_P256;
        area->parameters.eccDetail.kdf.scheme = TPM2_ALG_NULL;
        area->unique.ecc.x.size = maker ? 32 : 0; /* the templates have zeros of the key's size there */
        area->unique.ecc.y.size = maker ? 32 : 0;
    } else {
        set_symmetric(&area->parameters.rsaDetail.symmetric, signs);
        area->parameters.rsaDetail.scheme.scheme = signs ? TPM2_ALG_RSASSA : TPM2_ALG_NULL;
        area->parameters.rsaDetail.scheme.details.rsassa.hashAlg = signs ? TPM2_ALG_SHA256 : 0;
        area->parameters.rsaDetail.keyBits = 2048;
        area->unique.rsa.size = maker ? 256 : 0;
    }
    return out;
}

static TSS2_RC create(struct cella_tpm *tpm, enum cella_tpm_key which, bool ecc, ESYS_TR *out, TPM2B_PUBLIC **public)
{
    const TPM2B_SENSITIVE_CREATE no_password = { 0 };
    const TPM2B_DATA no_data = { 0 };
    const TPML_PCR_SELECTION no_registers = { 0 };
    const TPM2B_PUBLIC template = template_of(which, ecc);
    ESYS_TR hierarchy = which == CELLA_TPM_STORAGE ? ESYS_TR_RH_OWNER : ESYS_TR_RH_ENDORSEMENT;
    return Esys_CreatePrimary(tpm->esys, hierarchy, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &no_password, &template,
                              &no_data, &no_registers, out, public, NULL, NULL, NULL);
}

cella_status cella_tpm_key(struct cella_tpm *tpm, enum cella_tpm_key which, ESYS_TR *out, TPM2B_PUBLIC **public)
{
    *out = ESYS_TR_NONE;
    TSS2_RC response = create(tpm, which, which != CELLA_TPM_ENDORSEMENT_RSA, out, public);
    bool other = which == CELLA_TPM_ATTESTATION || which == CELLA_TPM_STORAGE;
    if (other && cella_tpm_refused(response)) { /* a TPM without this curve */
        response = create(tpm, which, false, out, public);
    }
    cella_status status = cella_tpm_result(tpm, response, "making a key");
    return !other && cella_tpm_refused(response) ? CELLA_NOT_FOUND : status;
}

cella_status cella_tpm_public(struct cella_tpm *tpm, const TPM2B_PUBLIC *public, struct cella_bytes *out)
{
    uint8_t buffer[sizeof(TPMT_PUBLIC)];
    size_t size = 0;
    CELLA_TRY(cella_tpm_result(tpm, Tss2_MU_TPMT_PUBLIC_Marshal(&public->publicArea, buffer, sizeof(buffer), &size),
                               "writing a key"));
    return cella_bytes_append(out, cella_view_of(buffer, size));
}

cella_status cella_tpm_session(struct cella_tpm *tpm, ESYS_TR key, TPM2_SE type, TPMA_SESSION attributes, ESYS_TR *out)
{
    const TPMT_SYM_DEF symmetric = {
        .algorithm = TPM2_ALG_AES, .keyBits = { .aes = 128 }, .mode = { .aes = TPM2_ALG_CFB },
    };
    *out = ESYS_TR_NONE;
    CELLA_TRY(cella_tpm_result(tpm,
                               Esys_StartAuthSession(tpm->esys, key, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                                     NULL, type, &symmetric, TPM2_ALG_SHA256, out),
                               "starting a session"));
    attributes |= TPMA_SESSION_CONTINUESESSION;
    cella_status status = cella_tpm_result(tpm, Esys_TRSess_SetAttributes(tpm->esys, *out, attributes, 0xff),
                                           "setting up a session");
    if (status != CELLA_OK) {
        cella_tpm_flush(tpm, *out);
        *out = ESYS_TR_NONE;
    }
    return status;
}

static cella_status read_chunk(struct cella_tpm *tpm, ESYS_TR index, uint16_t size, uint16_t offset,
                               struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_tpm_free) TPM2B_MAX_NV_BUFFER *data = NULL;
    TSS2_RC response = Esys_NV_Read(tpm->esys, index, index, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, size, offset,
                                    &data);
    if (response != TSS2_RC_SUCCESS) {
        response = Esys_NV_Read(tpm->esys, ESYS_TR_RH_OWNER, index, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, size,
                                offset, &data);
    }
    CELLA_TRY(cella_tpm_result(tpm, response, "reading its memory"));
    if (data->size != size) {
        return CELLA_SYSTEM_FAILED;
    }
    return cella_bytes_append(out, cella_view_of(data->buffer, data->size));
}

cella_status cella_tpm_nv_read(struct cella_tpm *tpm, TPM2_HANDLE index, size_t max, struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_tpm_free) TPM2B_NV_PUBLIC *public = NULL;
    ESYS_TR handle = ESYS_TR_NONE;
    TSS2_RC response =
        Esys_TR_FromTPMPublic(tpm->esys, index, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &handle);
    if (cella_tpm_refused(response)) {
        return CELLA_NOT_FOUND;
    }
    CELLA_TRY(cella_tpm_result(tpm, response, "looking into its memory"));
    cella_status status = cella_tpm_result(
        tpm, Esys_NV_ReadPublic(tpm->esys, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &public, NULL),
        "looking into its memory");
    uint16_t size = status == CELLA_OK ? public->nvPublic.dataSize : 0;
    status = status == CELLA_OK && size > max ? CELLA_TOO_LARGE : status;
    for (uint16_t offset = 0; status == CELLA_OK && offset < size;) {
        uint16_t chunk = (uint16_t) (size - offset < (int) NV_CHUNK ? size - offset : (int) NV_CHUNK);
        status = read_chunk(tpm, handle, chunk, offset, out);
        offset = (uint16_t) (offset + chunk);
    }
    (void) Esys_TR_Close(tpm->esys, &handle);
    return status;
}
