/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Evidence inside of a TLS certificate (RA-TLS): the interoperable forms that other clients read, and reading what other
 * servers write. Such a certificate says that its key was once inside a TEE with this measurement; it says nothing about
 * the connection, which is why Cella's own client relies on the session signature (trust/evidence.h) and on nothing here.
 *
 * In every form the evidence is bound to report data of 64 bytes: SHA-256 of the claims, then 32 zeros. The claims are a CBOR
 * map with "pubkey-hash": a byte string that holds [1, SHA-256 of the certificate's SubjectPublicKeyInfo]; "nonce" may follow.
 *
 *   2.23.133.5.4.9        for SGX and TDX 60000([quote, claims]); for others the record of the next line
 *   1.3.6.1.5.5.7.1.35    OCTET STRING of the CMW record ["application/vnd.cella.evidence+cbor", value, 4], where value is
 *                         a byte string that holds {1: kind of evidence, 2: evidence, 3: claims}
 *   Gramine's own         read only: a bare quote, bound to SHA-256 of the SubjectPublicKeyInfo and 32 zeros
 *
 * Sources: CCC Attestation SIG, "Interoperable RA-TLS" (extension 2.23.133.5.4.9, tag 60000 for Intel's quotes);
 * draft-ietf-rats-msg-wrap (CMW, extension 1.3.6.1.5.5.7.1.35); Gramine's older form.
 */

#include "trust/evidence.h"

#define CELLA_ATTESTED_CLAIMS_MAX 4096U /* bytes of claims */
#define CELLA_ATTESTED_CMW_OID "1.3.6.1.5.5.7.1.35"
#define CELLA_ATTESTED_TCG_OID "2.23.133.5.4.9"

enum cella_attested_form {
    CELLA_ATTESTED_TAGGED, /* 60000([quote, claims]); the claims name the key's hash */
    CELLA_ATTESTED_CMW,    /* a record that names kind, evidence and claims */
    CELLA_ATTESTED_LEGACY, /* Gramine's own extension: a bare quote over the key's hash */
};

/* Views borrow from scratch, which the caller clears. */
struct cella_attested {
    enum cella_attested_form form;
    enum cella_evidence_type type; /* as the sender names it, or by the quote's header; NONE: unknown. Untrusted */
    struct cella_view evidence;    /* in the TEE's own format. Untrusted */
    uint8_t report_data[CELLA_REPORT_DATA_SIZE]; /* what the evidence must be bound to, computed from the certificate */
    struct cella_view nonce;                     /* claim "nonce"; empty without one */
    bool issued; /* by somebody else than its own key, whose signature was not verified: nor are its dates anybody's word */
    struct cella_bytes scratch;
};
void cella_attested_clear(struct cella_attested *attested);

/*
 * Find the evidence in a certificate and compute what it must be bound to. The key's hash in the claims is compared with
 * the certificate's key here; the evidence itself is judged by cella_evidence_appraise.
 *
 * certificate:  DER or PEM, untrusted; its dates are checked against now_unix_s. One that names itself as issuer has to be
 *               signed by its own key
 * allow_legacy: accept Gramine's older extension where the interoperable ones are absent
 * out:          zeroed by the caller
 *
 * CELLA_NOT_FOUND    there is no evidence in it: never a reason to go on without
 * CELLA_BAD_EVIDENCE  malformed, doubled, not signed by its own key, for another key, or a record of a media type that is not ours; CELLA_EXPIRED
 */
CELLA_MUST_USE cella_status cella_attested_read(struct cella_view certificate, bool allow_legacy, uint64_t now_unix_s,
                                                struct cella_attested *out);

/* SGX or TDX, by the quote's header; CELLA_EVIDENCE_NONE for anything else. */
enum cella_evidence_type cella_attested_type(struct cella_view quote);

/*
 * Claims for a key of one's own, and the report data that evidence for its certificate must be bound to.
 *
 * spki_sha256: of the key's SubjectPublicKeyInfo, DER
 * nonce:       empty, or whoever asked for the certificate's
 * claims:      appended to
 */
CELLA_MUST_USE cella_status cella_attested_claims(const uint8_t spki_sha256[CELLA_SHA256_SIZE], struct cella_view nonce,
                                                  struct cella_bytes *claims,
                                                  uint8_t report_data[CELLA_REPORT_DATA_SIZE]);

/*
 * Values (extnValue) of the two extensions, neither of them critical.
 *
 * evidence: bound to the report data of these claims
 * cmw, tcg: appended to, for CELLA_ATTESTED_CMW_OID and CELLA_ATTESTED_TCG_OID
 * CELLA_TOO_LARGE  evidence above CELLA_EVIDENCE_MAX, or claims above CELLA_ATTESTED_CLAIMS_MAX; CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_attested_write(enum cella_evidence_type type, struct cella_view evidence,
                                                 struct cella_view claims, struct cella_bytes *cmw,
                                                 struct cella_bytes *tcg);
