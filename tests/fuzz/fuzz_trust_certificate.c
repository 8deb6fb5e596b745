/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "trust/attested_certificate.h"
#include "trust/certificate.h"
#include "trust/dcap_platform.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW 1781481600U

static void read_certificates(struct cella_view text, size_t size)
{
    CELLA_CLEANUP(cella_certificates_clear) struct cella_certificates list = { 0 };
    char name[CELLA_CERTIFICATE_NAME_MAX + 1];
    if (cella_certificates_read(&list, text) != CELLA_OK) {
        return;
    }
    assert(list.count > 0 && list.count <= CELLA_CHAIN_MAX);
    for (size_t i = 0; i < list.count; i++) {
        CELLA_CLEANUP(cella_public_key_cleanup) struct cella_public_key *key = NULL;
        struct cella_pck pck;
        struct cella_view content;
        assert((cella_certificate_key(list.list[i], &key) == CELLA_OK) == (key != NULL));
        assert(cella_pck_read(list.list[i], &pck) != CELLA_OK || pck.fmspc.size == 6);
        assert(cella_certificate_extension(list.list[i], "1.3.6.1.4.1.3704.1.4", &content) != CELLA_OK ||
               content.size <= size);
        (void) cella_certificate_is_current(list.list[i], NOW);
        (void) cella_certificate_is_ca(list.list[i]);
        (void) cella_certificate_has_usage(list.list[i], "2.23.133.8.3");
        cella_certificate_subject(list.list[i], name);
        assert(strlen(name) <= CELLA_CERTIFICATE_NAME_MAX);
        cella_certificate_issuer(list.list[i], name);
    }
}

/* Certificates, lists, and evidence inside of certificates: read without a fault, and nothing chains up to an anchor. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CELLA_CLEANUP(cella_crl_cleanup) struct cella_crl *crl = NULL;
    CELLA_CLEANUP(cella_attested_clear) struct cella_attested attested = { 0 };
    const struct cella_view text = cella_view_of(data, size);
    read_certificates(text, size);
    if (cella_crl_read(text, &crl) != CELLA_OK) {
        assert(crl == NULL);
    }
    if (cella_attested_read(text, true, NOW, &attested) == CELLA_OK) {
        assert(attested.form == CELLA_ATTESTED_CMW || attested.evidence.size > 0);
        (void) cella_attested_type(attested.evidence);
    }
    return 0;
}
