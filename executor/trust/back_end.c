/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/back_end.h"

static const struct cella_back_end *const back_ends[] = {
    &cella_back_end_soft,
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
