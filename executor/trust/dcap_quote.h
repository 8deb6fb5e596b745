/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Intel DCAP quotes, which SGX and TDX share: header, body, signature by an attestation key, the quoting enclave's report
 * that vouches for that key, and the PCK certificates of the platform. Source: Intel SGX DCAP ECDSA quote library API,
 * appendix A; Intel TDX DCAP quote generation library, appendix A.
 */

#include "trust/back_end.h"

#define CELLA_DCAP_SGX 0x00000000U
#define CELLA_DCAP_TDX 0x00000081U

struct cella_dcap_quote {
    uint16_t version;
    uint16_t body_type; /* 1 SGX, 2 TD 1.0, 3 TD 1.5 */
    struct cella_view body;
};

/*
 * Take a quote of one TEE apart: fills certificates, signatures (quote, QE report) and chain rules of parsed, and the
 * claims about the quoting enclave. The attestation key is compared with what the quoting enclave's report names.
 * CELLA_BAD_EVIDENCE with a sentence in detail
 */
CELLA_MUST_USE cella_status cella_dcap_parse(struct cella_view evidence, uint32_t tee,
                                             const struct cella_endorsements *endorsements,
                                             struct cella_dcap_quote *quote, struct cella_claims *claims,
                                             struct cella_parsed *parsed, struct cella_text *detail);

/*
 * Judge the platform by Intel's collateral among the endorsements: PCK extension, TCB information, QE identity, all
 * verified at the time of the context. Adds claims: fmspc, tcb_status, advisory, ...
 * CELLA_ENDORSEMENT, CELLA_EXPIRED, CELLA_REVOKED, CELLA_ROOT
 */
CELLA_MUST_USE cella_status cella_dcap_endorse(const struct cella_context *context, uint32_t tee,
                                               struct cella_claims *claims);

/* The level of SGX and TDX: 5; 4 on a platform with open weaknesses; 1 under debug. See struct cella_back_end. */
int cella_dcap_level(const struct cella_claims *claims, const struct cella_policy *policy, struct cella_text *reason);
