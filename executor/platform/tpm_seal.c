/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/tpm_seal.h"

#include "base/wire.h"
#include "platform/back_end.h"
#include "platform/sealing.h"

#define HEAD "CTPM1"
#define HEAD_SIZE 5
#define HALF_SIZE 32
#define PART_MAX 1024U

/* The TPM's objects that a piece of work has; flushed at its end. */
struct objects {
    struct cella_tpm *tpm;
    ESYS_TR storage;
    ESYS_TR session;
    ESYS_TR policy;
    ESYS_TR sealed;
};

static void flush_objects(struct objects *objects)
{
    cella_tpm_flush(objects->tpm, objects->session);
    cella_tpm_flush(objects->tpm, objects->policy);
    cella_tpm_flush(objects->tpm, objects->sealed);
    cella_tpm_flush(objects->tpm, objects->storage);
}

/* Other files on the same machine have another key, although the registers are the same. */
static cella_status derive(const struct cella_platform_setup *setup, const struct cella_secret *half,
                           struct cella_secret *key)
{
    CELLA_TRY(cella_secret_resize(key, CELLA_SEALING_KEY_SIZE));
    return cella_hkdf(CELLA_HASH_SHA256, cella_secret_view(half), cella_view_of(setup->measurement, CELLA_SHA256_SIZE),
                      cella_view_of_string("cella tpm sealing v1"), key);
}

/* ---- seal ---- */

/* What the registers are now, as a policy. */
static cella_status make_policy(struct objects *objects, const TPML_PCR_SELECTION *selection, TPM2B_DIGEST *out)
{
    const TPM2B_DIGEST as_they_are = { 0 };
    CELLA_CLEANUP(cella_tpm_free) TPM2B_DIGEST *digest = NULL;
    struct cella_tpm *tpm = objects->tpm;
    CELLA_TRY(cella_tpm_session(tpm, ESYS_TR_NONE, TPM2_SE_TRIAL, 0, &objects->policy));
    CELLA_TRY(cella_tpm_result(tpm,
                               Esys_PolicyPCR(tpm->esys, objects->policy, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                              &as_they_are, selection),
                               "making a policy"));
    CELLA_TRY(cella_tpm_result(tpm,
                               Esys_PolicyGetDigest(tpm->esys, objects->policy, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                                    &digest),
                               "making a policy"));
    *out = *digest;
    return CELLA_OK;
}

static cella_status write_object(struct cella_tpm *tpm, const TPM2B_PRIVATE *private, const TPM2B_PUBLIC *public,
                                 const TPML_PCR_SELECTION *selection, struct cella_bytes *out)
{
    uint8_t buffer[sizeof(TPM2B_PRIVATE) + sizeof(TPM2B_PUBLIC) + sizeof(TPML_PCR_SELECTION)];
    size_t sizes[3] = { 0 };
    CELLA_TRY(cella_tpm_result(tpm, Tss2_MU_TPM2B_PRIVATE_Marshal(private, buffer, sizeof(buffer), &sizes[0]),
                               "writing what was sealed"));
    CELLA_TRY(cella_write_field(out, cella_view_of(buffer, sizes[0])));
    CELLA_TRY(cella_tpm_result(tpm, Tss2_MU_TPM2B_PUBLIC_Marshal(public, buffer, sizeof(buffer), &sizes[1]),
                               "writing what was sealed"));
    CELLA_TRY(cella_write_field(out, cella_view_of(buffer, sizes[1])));
    CELLA_TRY(cella_tpm_result(tpm, Tss2_MU_TPML_PCR_SELECTION_Marshal(selection, buffer, sizeof(buffer), &sizes[2]),
                               "writing what was sealed"));
    return cella_write_field(out, cella_view_of(buffer, sizes[2]));
}

static cella_status seal_half(struct objects *objects, const struct cella_secret *half, struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_tpm_free) TPM2B_PRIVATE *private = NULL;
    CELLA_CLEANUP(cella_tpm_free) TPM2B_PUBLIC *public = NULL;
    const TPM2B_DATA no_data = { 0 };
    const TPML_PCR_SELECTION no_registers = { 0 };
    TPM2B_SENSITIVE_CREATE sensitive = { .sensitive.data.size = HALF_SIZE };
    TPM2B_PUBLIC template = {
        .publicArea = { .type = TPM2_ALG_KEYEDHASH,
                        .nameAlg = TPM2_ALG_SHA256,
                        .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                            TPMA_OBJECT_ADMINWITHPOLICY | TPMA_OBJECT_NODA,
                        .parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL },
    };
    struct cella_tpm *tpm = objects->tpm;
    TPML_PCR_SELECTION selection;
    CELLA_TRY(cella_tpm_selection(tpm, &selection));
    CELLA_TRY(make_policy(objects, &selection, &template.publicArea.authPolicy));
    CELLA_TRY(cella_tpm_key(tpm, CELLA_TPM_STORAGE, &objects->storage, NULL));
    CELLA_TRY(cella_tpm_session(tpm, objects->storage, TPM2_SE_HMAC, TPMA_SESSION_DECRYPT, &objects->session));
    memcpy(sensitive.sensitive.data.buffer, half->data, HALF_SIZE);
    TSS2_RC response = Esys_Create(tpm->esys, objects->storage, objects->session, ESYS_TR_NONE, ESYS_TR_NONE, &sensitive,
                                   &template, &no_data, &no_registers, &private, &public, NULL, NULL, NULL);
    cella_wipe(&sensitive, sizeof(sensitive));
    CELLA_TRY(cella_tpm_result(tpm, response, "sealing"));
    return write_object(tpm, private, public, &selection, out);
}

cella_status cella_tpm_seal(struct cella_tpm *tpm, const struct cella_platform_setup *setup, const char *purpose,
                            const struct cella_secret *secret, struct cella_bytes *sealed)
{
    CELLA_CLEANUP(flush_objects)
    struct objects objects = { tpm, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE };
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret half = { 0 };
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
    CELLA_TRY(cella_secret_random(&half, HALF_SIZE));
    CELLA_TRY(cella_bytes_append(&out, cella_view_of_string(HEAD)));
    CELLA_TRY(seal_half(&objects, &half, &out));
    CELLA_TRY(derive(setup, &half, &key));
    CELLA_TRY(cella_sealing_seal(&key, purpose, secret, &out));
    return cella_bytes_append(sealed, cella_bytes_view(&out));
}

/* ---- unseal ---- */

struct parts {
    TPM2B_PRIVATE private;
    TPM2B_PUBLIC public;
    TPML_PCR_SELECTION selection;
    struct cella_view body;
};

static cella_status read_parts(struct cella_view sealed, struct parts *out)
{
    struct cella_reader reader = cella_reader_of(sealed);
    struct cella_view head;
    struct cella_view fields[3];
    size_t used[3] = { 0 };
    *out = (struct parts){ 0 };
    CELLA_TRY(cella_read_view(&reader, HEAD_SIZE, &head));
    for (size_t i = 0; i < 3; i++) {
        CELLA_TRY(cella_read_field(&reader, PART_MAX, &fields[i]));
    }
    out->body = reader.rest;
    bool good =
        cella_view_is(head, HEAD) &&
        Tss2_MU_TPM2B_PRIVATE_Unmarshal(fields[0].data, fields[0].size, &used[0], &out->private) == TSS2_RC_SUCCESS &&
        Tss2_MU_TPM2B_PUBLIC_Unmarshal(fields[1].data, fields[1].size, &used[1], &out->public) == TSS2_RC_SUCCESS &&
        Tss2_MU_TPML_PCR_SELECTION_Unmarshal(fields[2].data, fields[2].size, &used[2], &out->selection) ==
            TSS2_RC_SUCCESS &&
        used[0] == fields[0].size && used[1] == fields[1].size && used[2] == fields[2].size;
    return good ? CELLA_OK : CELLA_BAD_TAG;
}

/* What the TPM refuses is not its own, was changed, or is for other registers. */
static cella_status judge(struct cella_tpm *tpm, TSS2_RC response, const char *what)
{
    cella_status status = cella_tpm_result(tpm, response, what);
    return status != CELLA_OK && cella_tpm_refused(response) ? CELLA_BAD_TAG : status;
}

static cella_status unseal_half(struct objects *objects, const struct parts *parts, struct cella_secret *half)
{
    const TPM2B_DIGEST as_they_are = { 0 };
    CELLA_CLEANUP(cella_tpm_free) TPM2B_SENSITIVE_DATA *data = NULL;
    struct cella_tpm *tpm = objects->tpm;
    CELLA_TRY(cella_tpm_key(tpm, CELLA_TPM_STORAGE, &objects->storage, NULL));
    CELLA_TRY(judge(tpm,
                    Esys_Load(tpm->esys, objects->storage, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &parts->private,
                              &parts->public, &objects->sealed),
                    "loading what was sealed"));
    CELLA_TRY(cella_tpm_session(tpm, objects->storage, TPM2_SE_POLICY, TPMA_SESSION_ENCRYPT, &objects->policy));
    CELLA_TRY(judge(tpm,
                    Esys_PolicyPCR(tpm->esys, objects->policy, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &as_they_are,
                                   &parts->selection),
                    "comparing registers"));
    CELLA_TRY(judge(tpm, Esys_Unseal(tpm->esys, objects->sealed, objects->policy, ESYS_TR_NONE, ESYS_TR_NONE, &data),
                    "unsealing"));
    cella_status status = data->size != HALF_SIZE ? CELLA_BAD_TAG
                                                  : cella_secret_set(half, cella_view_of(data->buffer, data->size));
    cella_wipe(data, sizeof(*data));
    return status;
}

cella_status cella_tpm_unseal(struct cella_tpm *tpm, const struct cella_platform_setup *setup, const char *purpose,
                              struct cella_view sealed, struct cella_secret *secret)
{
    CELLA_CLEANUP(flush_objects)
    struct objects objects = { tpm, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE };
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret half = { 0 };
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = { 0 };
    struct parts parts;
    if (read_parts(sealed, &parts) != CELLA_OK) {
        return CELLA_BAD_TAG;
    }
    CELLA_TRY(unseal_half(&objects, &parts, &half));
    CELLA_TRY(derive(setup, &half, &key));
    return cella_sealing_unseal(&key, purpose, parts.body, secret);
}
