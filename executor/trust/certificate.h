/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * X.509 certificates and revocation lists of hardware vendors: reading them, and building a chain from a leaf up to a
 * pinned trust anchor at a given time. Nothing is looked up anywhere: no system roots, no network.
 *
 * Source: RFC 5280. Deviations of vendors are switches in struct cella_chain_rules.
 */

#include "trust/anchor.h"
#include "trust/signature.h"

#define CELLA_CHAIN_MAX 8             /* certificates of one chain */
#define CELLA_CERTIFICATE_MAX 4096U   /* bytes of one, DER */
#define CELLA_CRL_MAX 1048576U        /* bytes of one, DER */
#define CELLA_CERTIFICATE_NAME_MAX 64 /* bytes of a common name */

/* Certificates as somebody sent them, in their order. A zeroed object is an empty list. */
struct cella_certificate;
struct cella_certificates {
    struct cella_certificate *list[CELLA_CHAIN_MAX];
    size_t count;
};
void cella_certificates_clear(struct cella_certificates *certificates);

/*
 * Append certificates: one DER, or PEM blocks with nothing but white space and NUL bytes around them. Untrusted.
 * CELLA_BAD_FORMAT; CELLA_TOO_LARGE  a certificate above CELLA_CERTIFICATE_MAX; CELLA_TOO_MANY
 */
CELLA_MUST_USE cella_status cella_certificates_read(struct cella_certificates *certificates, struct cella_view text);

/* The same for a certificate that carries evidence, of at most max bytes: those are larger. */
CELLA_MUST_USE cella_status cella_certificates_read_large(struct cella_certificates *certificates,
                                                          struct cella_view text, size_t max);

/* One revocation list, DER or PEM. Untrusted. free accepts NULL. CELLA_BAD_FORMAT, CELLA_TOO_LARGE */
struct cella_crl;
CELLA_MUST_USE cella_status cella_crl_read(struct cella_view text, struct cella_crl **out);
void cella_crl_free(struct cella_crl *crl);
void cella_crl_cleanup(struct cella_crl **crl); /* for CELLA_CLEANUP */

/* What a vendor's chains look like. */
#define CELLA_CHAIN_ANY_KEY 0U
struct cella_chain_rules {
    const char *family;           /* which anchors: cella_anchors_of */
    size_t length_min;            /* certificates, leaf and anchor included */
    size_t length_max;
    unsigned int leaf_curve_bits; /* the leaf's key: 256 or 384; CELLA_CHAIN_ANY_KEY: of any kind */
    bool strict;                  /* RFC 5280 to the letter; AMD's leaves are not */
    bool complete;                /* every given certificate is in the chain, or the anchor, or another edition of it */
    bool revocation;              /* every certificate below the anchor needs a list that covers it */
};

/* A chain that was verified. Borrowed from the certificates and anchors that it was made of. */
struct cella_chain {
    const struct cella_certificate *list[CELLA_CHAIN_MAX]; /* leaf first, anchor last */
    size_t count;
    const struct cella_anchor *anchor;
};

/*
 * Build and verify a chain from given->list[0] to an anchor. Whatever else is in given helps on the way, in any order;
 * a self-signed certificate in it is never trusted.
 *
 * helpers:    further certificates, of the library; may be empty
 * crls:       crl_count lists; used when the rules ask for revocation
 * now_unix_s: the time that counts
 * detail:     receives a sentence for people
 *
 * CELLA_ROOT         it does not lead to an anchor of the family
 * CELLA_EXPIRED      a certificate or list is not valid at that time
 * CELLA_REVOKED      a certificate is on a list
 * CELLA_ENDORSEMENT  there is no certificate at all, or no list for one
 * CELLA_BAD_EVIDENCE  anything else: length, key types, constraints
 */
CELLA_MUST_USE cella_status cella_chain_verify(const struct cella_certificates *given,
                                               const struct cella_certificates *helpers,
                                               struct cella_crl *const *crls, size_t crl_count,
                                               const struct cella_anchors *anchors,
                                               const struct cella_chain_rules *rules, uint64_t now_unix_s,
                                               struct cella_chain *out, struct cella_text *detail);

/*
 * Check one certificate against one list of its issuer, for vendors whose lists do not cover the leaf.
 * CELLA_ENDORSEMENT  the list is not signed by issuer; CELLA_EXPIRED; CELLA_REVOKED
 * number: receives the list's CRL number, 0 without one
 */
CELLA_MUST_USE cella_status cella_crl_check(struct cella_crl *crl, const struct cella_certificate *certificate,
                                            const struct cella_certificate *issuer, uint64_t now_unix_s,
                                            uint64_t *number);

/* ---- reading one certificate ---- */

/* Public key; the caller frees it. CELLA_BAD_KEY */
CELLA_MUST_USE cella_status cella_certificate_key(const struct cella_certificate *certificate,
                                                  struct cella_public_key **out);
/* Content of the extension with that object identifier ("1.2.3"). CELLA_NOT_FOUND; CELLA_BAD_FORMAT  there are two */
CELLA_MUST_USE cella_status cella_certificate_extension(const struct cella_certificate *certificate, const char *oid,
                                                        struct cella_view *out);
/* Common name of subject or issuer; empty when it has none or several. */
void cella_certificate_subject(const struct cella_certificate *certificate, char out[CELLA_CERTIFICATE_NAME_MAX + 1]);
void cella_certificate_issuer(const struct cella_certificate *certificate, char out[CELLA_CERTIFICATE_NAME_MAX + 1]);
/* Is it signed with RSASSA-PSS? */
bool cella_certificate_is_pss(const struct cella_certificate *certificate);
/* Does its extended key usage name that object identifier? */
bool cella_certificate_has_usage(const struct cella_certificate *certificate, const char *oid);
/* May it sign certificates? */
bool cella_certificate_is_ca(const struct cella_certificate *certificate);
/* Does it name itself as its issuer? That says nothing about who signed it. */
bool cella_certificate_names_itself(const struct cella_certificate *certificate);
/* Is its signature by its own key? */
bool cella_certificate_signs_itself(const struct cella_certificate *certificate);
/* Is that time within its validity? */
bool cella_certificate_is_current(const struct cella_certificate *certificate, uint64_t now_unix_s);
