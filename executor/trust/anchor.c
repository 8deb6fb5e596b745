/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/anchor.h"

#include <openssl/evp.h>
#include <string.h>

#include "trust/anchor_data.h"
#include "trust/certificate_openssl.h"
#include "trust/openssl_error.h"

static const char *const families[] = { "amd-milan", "amd-genoa", "amd-turin", "intel", "aws-nitro", "tpm" };

const char *cella_anchor_family(struct cella_view name)
{
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        if (cella_view_is(name, families[i])) {
            return families[i];
        }
    }
    return NULL;
}

void cella_anchors_clear(struct cella_anchors *anchors)
{
    for (size_t i = 0; i < anchors->count; i++) {
        cella_certificate_free(anchors->list[i].certificate);
    }
    *anchors = (struct cella_anchors){ 0 };
}

static cella_status decode(const char *base64, struct cella_certificate **out)
{
    uint8_t der[CELLA_CERTIFICATE_MAX];
    size_t length = strlen(base64);
    if (length % 4 != 0 || length / 4 * 3 > sizeof(der)) {
        return CELLA_INTERNAL;
    }
    int size = EVP_DecodeBlock(der, (const uint8_t *) base64, (int) length);
    size_t padding = base64[length - 1] != '=' ? 0 : base64[length - 2] != '=' ? 1 : 2;
    if (size < 0 ||
        cella_certificate_of_der(cella_view_of(der, (size_t) size - padding), sizeof(der), out) != CELLA_OK) {
        return cella_openssl_failed(CELLA_INTERNAL);
    }
    return CELLA_OK;
}

static cella_status add(struct cella_anchors *anchors, const char *family, bool pinned_here,
                        struct cella_certificate *certificate)
{
    if (anchors->count == CELLA_ANCHORS_MAX) {
        cella_certificate_free(certificate);
        return CELLA_TOO_MANY;
    }
    struct cella_anchor *anchor = &anchors->list[anchors->count++];
    *anchor = (struct cella_anchor){ .family = family, .pinned_here = pinned_here, .certificate = certificate };
    cella_certificate_subject(certificate, anchor->name);
    return CELLA_OK;
}

cella_status cella_anchors_add_pinned(struct cella_anchors *anchors, const char *family)
{
    size_t length = strlen(family);
    for (size_t i = 0; i < cella_anchor_root_count; i++) {
        struct cella_certificate *certificate = NULL;
        if (strncmp(cella_anchor_roots[i].family, family, length) == 0) {
            CELLA_TRY(decode(cella_anchor_roots[i].base64, &certificate));
            CELLA_TRY(add(anchors, cella_anchor_roots[i].family, true, certificate));
        }
    }
    return CELLA_OK;
}

cella_status cella_anchors_add(struct cella_anchors *anchors, const char *family, struct cella_view certificate)
{
    struct cella_certificates one = { 0 };
    CELLA_TRY(cella_certificates_read(&one, certificate));
    if (one.count != 1) {
        cella_certificates_clear(&one);
        return CELLA_BAD_FORMAT;
    }
    return add(anchors, family, false, one.list[0]);
}

cella_status cella_anchors_helpers(const char *family, const struct cella_certificates *given,
                                   struct cella_certificates *out)
{
    char issuer[CELLA_CERTIFICATE_NAME_MAX + 1] = "";
    char subject[CELLA_CERTIFICATE_NAME_MAX + 1];
    size_t length = strlen(family);
    if (given->count > 0) {
        cella_certificate_issuer(given->list[0], issuer);
    }
    for (size_t i = 1; i < given->count; i++) {
        cella_certificate_subject(given->list[i], subject);
        if (strcmp(subject, issuer) == 0) {
            return CELLA_OK;
        }
    }
    for (size_t i = 0; i < cella_anchor_intermediate_count && out->count < CELLA_CHAIN_MAX; i++) {
        const struct cella_anchor_data *one = &cella_anchor_intermediates[i];
        if (strncmp(one->family, family, length) == 0 && strcmp(one->subject, issuer) == 0) {
            CELLA_TRY(decode(one->base64, &out->list[out->count]));
            out->count++;
        }
    }
    return CELLA_OK;
}
