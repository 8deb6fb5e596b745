/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Trust anchors: the vendors' root certificates, pinned in this library as data. A trust file may replace those of a
 * family by its own. Names prove nothing; what is pinned are the keys in these certificates.
 *
 * Families: "amd-milan", "amd-genoa", "amd-turin", "intel", "aws-nitro", "tpm" (the last one is empty: there is no one
 * root of TPM makers; the trust file names them). "amd" stands for the three of AMD.
 */

#include "base/bytes.h"
#include "base/text.h"

#define CELLA_ANCHORS_MAX 16

struct cella_certificate;

struct cella_anchor {
    const char *family; /* static */
    char name[65];      /* the certificate's common name */
    bool pinned_here;   /* of this library; else of the trust file */
    struct cella_certificate *certificate;
};

struct cella_anchors {
    struct cella_anchor list[CELLA_ANCHORS_MAX];
    size_t count;
};
void cella_anchors_clear(struct cella_anchors *anchors);

/* A family's name as static text, or NULL when there is no such family. */
const char *cella_anchor_family(struct cella_view name);

/* Add the library's anchors of a family ("amd" stands for three). CELLA_INTERNAL  the data are damaged */
CELLA_MUST_USE cella_status cella_anchors_add_pinned(struct cella_anchors *anchors, const char *family);

/* Add one certificate, PEM or DER, that the relying party trusts. CELLA_BAD_FORMAT, CELLA_TOO_MANY */
CELLA_MUST_USE cella_status cella_anchors_add(struct cella_anchors *anchors, const char *family,
                                              struct cella_view certificate);

/*
 * The intermediate certificate that a vendor publishes once (AMD's ASK and ASVK), to fill the gap between given->list[0]
 * and an anchor: the library's of that name, where given has none. It is no anchor. Appended to out.
 */
struct cella_certificates;
CELLA_MUST_USE cella_status cella_anchors_helpers(const char *family, const struct cella_certificates *given,
                                                  struct cella_certificates *out);
