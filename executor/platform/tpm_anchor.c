/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/tpm_anchor.h"

#include <string.h>

#define FIRST_INDEX 0x01a00000U
#define INDEX_MASK 0x000fffffU
#define PASSWORD_SIZE 32U
#define ATTRIBUTES                                                                                                     \
    (TPMA_NV_AUTHREAD | TPMA_NV_AUTHWRITE | TPMA_NV_NO_DA | ((TPMA_NV) TPM2_NT_EXTEND << TPMA_NV_TPM2_NT_SHIFT))

/* The index, and what a piece of work needs to use it; closed at its end. */
struct index {
    struct cella_tpm *tpm;
    TPM2_HANDLE number;
    TPM2B_AUTH password;
    ESYS_TR storage;
    ESYS_TR session;
    ESYS_TR handle;
};

static void close_index(struct index *index)
{
    cella_tpm_flush(index->tpm, index->session);
    cella_tpm_flush(index->tpm, index->storage);
    if (index->handle != ESYS_TR_NONE) {
        (void) Esys_TR_Close(index->tpm->esys, &index->handle);
    }
    cella_wipe(&index->password, sizeof(index->password));
}

static cella_status derive(const struct cella_secret *key, const char *purpose, struct cella_secret *out)
{
    CELLA_TRY(cella_secret_resize(out, PASSWORD_SIZE));
    return cella_hkdf(CELLA_HASH_SHA256, cella_secret_view(key), cella_view_of(NULL, 0), cella_view_of_string(purpose), out);
}

/* attributes: TPMA_SESSION_DECRYPT for what goes to the TPM */
static cella_status begin(struct index *index, const struct cella_secret *key, TPMA_SESSION attributes)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret number = { 0 };
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret password = { 0 };
    struct cella_tpm *tpm = index->tpm;
    CELLA_TRY(derive(key, "cella tpm anchor number v1", &number));
    CELLA_TRY(derive(key, "cella tpm anchor password v1", &password));
    index->number = FIRST_INDEX | (((TPM2_HANDLE) number.data[0] << 16 | (TPM2_HANDLE) number.data[1] << 8 |
                                    (TPM2_HANDLE) number.data[2]) & INDEX_MASK);
    index->password.size = PASSWORD_SIZE;
    memcpy(index->password.buffer, password.data, PASSWORD_SIZE);
    CELLA_TRY(cella_tpm_key(tpm, CELLA_TPM_STORAGE, &index->storage, NULL));
    return cella_tpm_session(tpm, index->storage, TPM2_SE_HMAC, attributes, &index->session);
}

/* Passwords of this index, not of a hierarchy: somebody else has made it. */
static cella_status judge(struct index *index, TSS2_RC response, const char *what)
{
    TSS2_RC error = response & (TPM2_RC_FMT1 | 0x3fU);
    if ((response & TPM2_RC_FMT1) != 0 && (error == TPM2_RC_BAD_AUTH || error == TPM2_RC_AUTH_FAIL)) {
        cella_text_set(index->tpm->trouble, "%s: its memory at 0x%08x has another password than this executor's anchor", what,
                       index->number);
        return CELLA_BAD_TAG;
    }
    return cella_tpm_result(index->tpm, response, what);
}

/* Find it, and see that it is one which can only be extended. */
static cella_status find(struct index *index)
{
    CELLA_CLEANUP(cella_tpm_free) TPM2B_NV_PUBLIC *public = NULL;
    struct cella_tpm *tpm = index->tpm;
    TSS2_RC response =
        Esys_TR_FromTPMPublic(tpm->esys, index->number, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &index->handle);
    if (cella_tpm_refused(response)) {
        cella_text_set(tpm->trouble, "its memory at 0x%08x is empty: the anchor of this executor was removed", index->number);
        return CELLA_NOT_FOUND;
    }
    CELLA_TRY(cella_tpm_result(tpm, response, "looking for the anchor"));
    CELLA_TRY(cella_tpm_result(
        tpm, Esys_NV_ReadPublic(tpm->esys, index->handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &public, NULL),
        "looking for the anchor"));
    const TPMS_NV_PUBLIC *area = &public->nvPublic;
    if ((area->attributes & ~TPMA_NV_WRITTEN) != ATTRIBUTES || area->nameAlg != TPM2_ALG_SHA256 ||
        area->dataSize != CELLA_PLATFORM_ANCHOR_SIZE || area->nvIndex != index->number) {
        cella_text_set(tpm->trouble, "its memory at 0x%08x is no anchor: somebody else has made it", index->number);
        return CELLA_BAD_TAG;
    }
    return cella_tpm_result(tpm, Esys_TR_SetAuth(tpm->esys, index->handle, &index->password), "looking for the anchor");
}

cella_status cella_tpm_anchor(struct cella_tpm *tpm, const struct cella_secret *key, uint8_t value[CELLA_PLATFORM_ANCHOR_SIZE])
{
    CELLA_CLEANUP(close_index) struct index index = { .tpm = tpm, .storage = ESYS_TR_NONE, .session = ESYS_TR_NONE,
                                                      .handle = ESYS_TR_NONE };
    CELLA_CLEANUP(cella_tpm_free) TPM2B_MAX_NV_BUFFER *data = NULL;
    CELLA_TRY(begin(&index, key, 0));
    CELLA_TRY(find(&index));
    TSS2_RC response = Esys_NV_Read(tpm->esys, index.handle, index.handle, index.session, ESYS_TR_NONE, ESYS_TR_NONE,
                                    CELLA_PLATFORM_ANCHOR_SIZE, 0, &data);
    if (response == TPM2_RC_NV_UNINITIALIZED) {
        memset(value, 0, CELLA_PLATFORM_ANCHOR_SIZE); /* what the first extension starts from */
        return CELLA_OK;
    }
    CELLA_TRY(judge(&index, response, "reading the anchor"));
    if (data->size != CELLA_PLATFORM_ANCHOR_SIZE) {
        return CELLA_SYSTEM_FAILED;
    }
    memcpy(value, data->buffer, CELLA_PLATFORM_ANCHOR_SIZE);
    return CELLA_OK;
}

cella_status cella_tpm_anchor_new(struct cella_tpm *tpm, const struct cella_secret *key)
{
    CELLA_CLEANUP(close_index) struct index index = { .tpm = tpm, .storage = ESYS_TR_NONE, .session = ESYS_TR_NONE,
                                                      .handle = ESYS_TR_NONE };
    CELLA_TRY(begin(&index, key, TPMA_SESSION_DECRYPT));
    const TPM2B_NV_PUBLIC public = {
        .nvPublic = { .nvIndex = index.number,
                      .nameAlg = TPM2_ALG_SHA256,
                      .attributes = ATTRIBUTES,
                      .dataSize = CELLA_PLATFORM_ANCHOR_SIZE },
    };
    TSS2_RC response = Esys_NV_DefineSpace(tpm->esys, ESYS_TR_RH_OWNER, index.session, ESYS_TR_NONE, ESYS_TR_NONE,
                                           &index.password, &public, &index.handle);
    if (response == TPM2_RC_NV_SPACE) {
        cella_text_set(tpm->trouble, "it has no room for an anchor: remove anchors of executors that are no more "
                       "(tpm2_getcap handles-nv-index, tpm2_nvundefine -C o 0x01a...)");
        return CELLA_SYSTEM_FAILED;
    }
    return cella_tpm_result(tpm, response, "making the anchor");
}

cella_status cella_tpm_anchor_extend(struct cella_tpm *tpm, const struct cella_secret *key,
                                     const uint8_t digest[CELLA_SHA256_SIZE])
{
    CELLA_CLEANUP(close_index) struct index index = { .tpm = tpm, .storage = ESYS_TR_NONE, .session = ESYS_TR_NONE,
                                                      .handle = ESYS_TR_NONE };
    TPM2B_MAX_NV_BUFFER data = { .size = CELLA_SHA256_SIZE };
    memcpy(data.buffer, digest, CELLA_SHA256_SIZE);
    CELLA_TRY(begin(&index, key, TPMA_SESSION_DECRYPT));
    CELLA_TRY(find(&index));
    return judge(&index,
                 Esys_NV_Extend(tpm->esys, index.handle, index.handle, index.session, ESYS_TR_NONE, ESYS_TR_NONE, &data),
                 "extending the anchor");
}
