/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The inside of certificates, for the files that build chains of them. */

#include <openssl/x509.h>

#include "trust/certificate.h"

struct cella_certificate {
    X509 *openssl;
};

/* One certificate, DER, of at most max bytes. Free with cella_certificate_free, which accepts NULL. CELLA_BAD_FORMAT, CELLA_TOO_LARGE */
CELLA_MUST_USE cella_status cella_certificate_of_der(struct cella_view der, size_t max,
                                                     struct cella_certificate **out);
void cella_certificate_free(struct cella_certificate *certificate);

/*
 * Decode the next PEM block of a kind ("CERTIFICATE") and advance text behind it. Only white space and NUL bytes may
 * stand before it. CELLA_NOT_FOUND  only those are left; CELLA_BAD_FORMAT
 */
CELLA_MUST_USE cella_status cella_pem_next(struct cella_view *text, const char *kind, struct cella_bytes *der);
