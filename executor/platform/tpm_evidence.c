/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/tpm_evidence.h"

#include "base/wire.h"
#include "trust/tpm_quote.h"

#define ATTEMPTS 4 /* a register may be extended between reading and quoting */

/* What the TPM gave for one quote. */
struct quoted {
    struct cella_bytes attest;
    struct cella_bytes signature;
    struct cella_bytes values;
    struct cella_bytes public;
};

static void clear_quoted(struct quoted *quoted)
{
    cella_bytes_clear(&quoted->attest);
    cella_bytes_clear(&quoted->signature);
    cella_bytes_clear(&quoted->values);
    cella_bytes_clear(&quoted->public);
}

static TPML_PCR_SELECTION selection_of(TPMI_ALG_HASH bank, uint32_t bits)
{
    return (TPML_PCR_SELECTION){
        .count = 1,
        .pcrSelections = { { .hash = bank,
                             .sizeofSelect = 3,
                             .pcrSelect = { (uint8_t) bits, (uint8_t) (bits >> 8), (uint8_t) (bits >> 16) } } },
    };
}

static uint32_t bits_of(const TPML_PCR_SELECTION *selection)
{
    const uint8_t *bytes = selection->pcrSelections[0].pcrSelect;
    return selection->count == 0 ? 0 : (uint32_t) bytes[0] | (uint32_t) bytes[1] << 8 | (uint32_t) bytes[2] << 16;
}

/* The TPM gives at most eight values at a time; which ones, it says. */
static cella_status read_values(struct cella_tpm *tpm, const TPML_PCR_SELECTION *selection, struct cella_bytes *out)
{
    uint32_t left = bits_of(selection);
    while (left != 0) {
        CELLA_CLEANUP(cella_tpm_free) TPML_PCR_SELECTION *given = NULL;
        CELLA_CLEANUP(cella_tpm_free) TPML_DIGEST *values = NULL;
        const TPML_PCR_SELECTION asked = selection_of(selection->pcrSelections[0].hash, left);
        CELLA_TRY(cella_tpm_result(tpm,
                                   Esys_PCR_Read(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &asked, NULL, &given,
                                                 &values),
                                   "reading registers"));
        if (bits_of(given) == 0 || (bits_of(given) & ~left) != 0 || values->count == 0) {
            cella_text_set(tpm->trouble, "the TPM has no register bank of this hash");
            return CELLA_NOT_FOUND;
        }
        for (uint32_t i = 0; i < values->count; i++) {
            CELLA_TRY(cella_bytes_append(out, cella_view_of(values->digests[i].buffer, values->digests[i].size)));
        }
        left &= ~bits_of(given);
    }
    return CELLA_OK;
}

cella_status cella_tpm_selection(struct cella_tpm *tpm, TPML_PCR_SELECTION *out)
{
    static const TPMI_ALG_HASH banks[] = { TPM2_ALG_SHA256, TPM2_ALG_SHA384 };
    for (size_t i = 0; i < sizeof(banks) / sizeof(banks[0]); i++) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes values = { 0 };
        *out = selection_of(banks[i], CELLA_TPM_SELECTION);
        cella_status status = read_values(tpm, out, &values);
        if (status != CELLA_NOT_FOUND) {
            return status;
        }
    }
    cella_text_set(tpm->trouble, "the TPM has neither SHA-256 nor SHA-384 registers: switch such a bank on (tpm2_pcrallocate)");
    return CELLA_SYSTEM_FAILED;
}

static cella_status ask(struct cella_tpm *tpm, ESYS_TR key, const TPML_PCR_SELECTION *selection,
                        const uint8_t report_data[CELLA_REPORT_DATA_SIZE], struct quoted *out)
{
    CELLA_CLEANUP(cella_tpm_free) TPM2B_ATTEST *attest = NULL;
    CELLA_CLEANUP(cella_tpm_free) TPMT_SIGNATURE *signature = NULL;
    const TPMT_SIG_SCHEME of_the_key = { .scheme = TPM2_ALG_NULL };
    TPM2B_DATA data = { .size = CELLA_REPORT_DATA_SIZE };
    uint8_t buffer[sizeof(TPMT_SIGNATURE)];
    size_t size = 0;
    memcpy(data.buffer, report_data, CELLA_REPORT_DATA_SIZE);
    CELLA_TRY(read_values(tpm, selection, &out->values));
    CELLA_TRY(cella_tpm_result(tpm,
                               Esys_Quote(tpm->esys, key, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &data, &of_the_key,
                                          selection, &attest, &signature),
                               "quoting"));
    CELLA_TRY(cella_tpm_result(tpm, Tss2_MU_TPMT_SIGNATURE_Marshal(signature, buffer, sizeof(buffer), &size),
                               "writing a signature"));
    CELLA_TRY(cella_bytes_append(&out->attest, cella_view_of(attest->attestationData, attest->size)));
    return cella_bytes_append(&out->signature, cella_view_of(buffer, size));
}

static cella_status write_container(const struct quoted *quoted, bool with_key, struct cella_bytes *out)
{
    CELLA_TRY(cella_write_u8(out, 1));
    CELLA_TRY(cella_write_field(out, cella_bytes_view(&quoted->attest)));
    CELLA_TRY(cella_write_field(out, cella_bytes_view(&quoted->signature)));
    CELLA_TRY(cella_write_field(out, cella_bytes_view(&quoted->values)));
    return cella_write_field(out, with_key ? cella_bytes_view(&quoted->public) : (struct cella_view){ 0 });
}

/* The relying party's own reader is asked what it thinks of it. */
static cella_status check(struct cella_tpm *tpm, const struct quoted *quoted, const uint8_t *report_data,
                          struct cella_bytes *container)
{
    struct cella_claims claims = { .count = 0 };
    struct cella_tpm_quote quote;
    CELLA_CLEANUP(cella_parsed_clear) struct cella_parsed parsed = { 0 };
    struct cella_public_key *key = NULL;
    container->size = 0;
    CELLA_TRY(write_container(quoted, true, container));
    CELLA_TRY(cella_tpm_quote_read(cella_bytes_view(container), &quote, &claims, tpm->trouble));
    CELLA_TRY(cella_tpm_quote_key(&quote, &claims, &key, tpm->trouble));
    CELLA_TRY(cella_tpm_quote_sign(&quote, key, &claims, &parsed, tpm->trouble));
    const struct cella_signed *one = &parsed.signatures[0];
    bool good = quote.selection == CELLA_TPM_SELECTION && parsed.bound.size == CELLA_REPORT_DATA_SIZE &&
                memcmp(parsed.bound.data, report_data, CELLA_REPORT_DATA_SIZE) == 0 &&
                cella_signature_verify(one->key, one->form, one->hash, one->message, one->signature) == CELLA_OK;
    if (!good) {
        cella_text_set(tpm->trouble, "the TPM's quote is not what it was asked for");
    }
    return good ? CELLA_OK : CELLA_BAD_EVIDENCE;
}

cella_status cella_tpm_quote(struct cella_tpm *tpm, ESYS_TR key, const TPM2B_PUBLIC *public, bool with_key,
                             const uint8_t report_data[CELLA_REPORT_DATA_SIZE], struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes container = { 0 };
    CELLA_CLEANUP(clear_quoted) struct quoted quoted = { 0 };
    TPML_PCR_SELECTION selection;
    CELLA_TRY(cella_tpm_selection(tpm, &selection));
    cella_status status = CELLA_BAD_EVIDENCE;
    for (int i = 0; i < ATTEMPTS && status == CELLA_BAD_EVIDENCE; i++) {
        clear_quoted(&quoted);
        CELLA_TRY(cella_tpm_public(tpm, public, &quoted.public));
        CELLA_TRY(ask(tpm, key, &selection, report_data, &quoted));
        status = check(tpm, &quoted, report_data, &container);
    }
    CELLA_TRY(status);
    return write_container(&quoted, with_key, out);
}
