/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Evidence inside of a TLS certificate (RA-TLS): the interoperable forms that other clients read, and reading what other
 * servers write. Such a certificate says that its key was once inside a TEE with this measurement; it says nothing about
 * the connection, which is why Cella's own client relies on the session signature (trust/evidence.h) and on nothing here.
 *
 * Sources: CCC Attestation SIG, "Interoperable RA-TLS" (extension 2.23.133.5.4.9, tag 60000 for Intel's quotes);
 * draft-ietf-rats-msg-wrap (CMW, extension 1.3.6.1.5.5.7.1.35); Gramine's older form.
 */

#include "trust/evidence.h"

#define CELLA_ATTESTED_CLAIMS_MAX 4096U

enum cella_attested_form {
    CELLA_ATTESTED_TAGGED, /* 60000([quote, claims]); the claims name the key's hash */
    CELLA_ATTESTED_LEGACY, /* Gramine's own extension: a bare quote over the key's hash */
};

/* Views borrow from scratch, which the caller clears. */
struct cella_attested {
    enum cella_attested_form form;
    struct cella_view quote;
    uint8_t report_data[CELLA_REPORT_DATA_SIZE]; /* what the quote must be bound to, computed from the certificate */
    struct cella_view nonce;                     /* claim "nonce"; empty without one */
    struct cella_bytes scratch;
};
void cella_attested_clear(struct cella_attested *attested);

/*
 * Find the evidence in a certificate and compute what it must be bound to. The key's hash in the claims is compared with
 * the certificate's key here; the quote itself is judged by cella_evidence_appraise.
 *
 * certificate:  DER or PEM, untrusted; its dates are checked against now_unix_s
 * allow_legacy: accept Gramine's older extension where the interoperable one is absent
 * out:          zeroed by the caller
 *
 * CELLA_NOT_FOUND    there is no evidence in it: never a reason to go on without
 * CELLA_BAD_EVIDENCE  malformed, doubled, or for another key; CELLA_EXPIRED
 */
CELLA_MUST_USE cella_status cella_attested_read(struct cella_view certificate, bool allow_legacy, uint64_t now_unix_s,
                                                struct cella_attested *out);

/* SGX or TDX, by the quote's header; CELLA_EVIDENCE_NONE for anything else. */
enum cella_evidence_type cella_attested_type(struct cella_view quote);

/*
 * Write the extensions' content for a certificate of one's own.
 *
 * tagged: for SGX and TDX, claims as the reader above wants them; the quote must be bound to report_data, which the first
 *         function computes from the key
 * cmw:    for every type: the CBOR record [media type, evidence, 4]
 */
CELLA_MUST_USE cella_status cella_attested_claims(struct cella_view spki, struct cella_view nonce,
                                                  struct cella_bytes *claims,
                                                  uint8_t report_data[CELLA_REPORT_DATA_SIZE]);
CELLA_MUST_USE cella_status cella_attested_write_tagged(struct cella_view quote, struct cella_view claims,
                                                        struct cella_bytes *out);
CELLA_MUST_USE cella_status cella_attested_write_cmw(enum cella_evidence_type type, struct cella_view evidence,
                                                     struct cella_bytes *out);
