/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/back_end.h"

static const struct cella_back_end *const back_ends[] = {
    &cella_back_end_soft,
    &cella_back_end_snp,
    &cella_back_end_tdx,
    &cella_back_end_sgx,
    &cella_back_end_nitro,
    &cella_back_end_tpm,
    &cella_back_end_az_snp,
    &cella_back_end_az_tdx,
};

const struct cella_back_end *cella_back_end_of(enum cella_evidence_type type)
{
    for (size_t i = 0; i < sizeof(back_ends) / sizeof(back_ends[0]); i++) {
        if (back_ends[i]->type == type) {
            return back_ends[i];
        }
    }
    return NULL;
}

void cella_parsed_clear(struct cella_parsed *parsed)
{
    for (size_t i = 0; i < parsed->signature_count; i++) {
        cella_public_key_free(parsed->signatures[i].key);
    }
    for (size_t i = 0; i < parsed->crl_count; i++) {
        cella_crl_free(parsed->crls[i]);
    }
    cella_certificates_clear(&parsed->certificates);
    cella_bytes_clear(&parsed->scratch);
    *parsed = (struct cella_parsed){ 0 };
}

cella_status cella_parsed_take_certificates(const struct cella_endorsements *endorsements,
                                            struct cella_parsed *parsed, struct cella_text *detail)
{
    const struct cella_endorsement *one = NULL;
    while ((one = cella_endorsements_next(endorsements, CELLA_ENDORSE_CERTIFICATES, one)) != NULL) {
        if (cella_certificates_read(&parsed->certificates, one->content) != CELLA_OK) {
            cella_text_set(detail, "the certificates that came with the evidence can not be read");
            return CELLA_ENDORSEMENT;
        }
    }
    return CELLA_OK;
}

cella_status cella_parsed_take_lists(const struct cella_endorsements *endorsements, struct cella_parsed *parsed,
                                     struct cella_text *detail)
{
    const struct cella_endorsement *one = NULL;
    while ((one = cella_endorsements_next(endorsements, CELLA_ENDORSE_CRL, one)) != NULL) {
        if (parsed->crl_count == CELLA_CRLS_MAX ||
            cella_crl_read(one->content, &parsed->crls[parsed->crl_count]) != CELLA_OK) {
            cella_text_set(detail, "a revocation list that came with the evidence can not be read");
            return CELLA_ENDORSEMENT;
        }
        parsed->crl_count++;
    }
    return CELLA_OK;
}
