/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * TPM 2.0 quotes, and the container in which Cella sends them. Source: TCG TPM 2.0 Library, part 2: TPMS_ATTEST,
 * TPMT_SIGNATURE, TPMT_PUBLIC.
 *
 * The container, all integers big-endian:
 *   u8 1, field TPMS_ATTEST, field signature, field register values, field attestation key, then what the type adds
 *
 * signature:       TPMT_SIGNATURE; or ECDSA as DER; or RSASSA as it is
 * register values: of the quoted selection, in ascending order, nothing between them
 * attestation key: TPMT_PUBLIC; or a SubjectPublicKeyInfo (DER), which does not say whether the key is restricted; or
 *                  empty where something else names it
 */

#include "trust/evidence_log.h"

#define CELLA_TPM_REGISTERS 24U

struct cella_tpm_quote {
    struct cella_view attest;
    struct cella_view signature;
    struct cella_view values;
    struct cella_view key;
    struct cella_view rest; /* behind the four fields */
    struct cella_view extra_data;
    uint32_t selection; /* bit per register */
    enum cella_hash bank;
};

/* Take the container and TPMS_ATTEST apart and name the claims. CELLA_BAD_EVIDENCE */
CELLA_MUST_USE cella_status cella_tpm_quote_read(struct cella_view evidence, struct cella_tpm_quote *out,
                                                 struct cella_claims *claims, struct cella_text *detail);

/*
 * Name the signature for the flow to verify; and compare the register values with the digest that was quoted, for which
 * the hash of the signature counts.
 * key: taken over, also on failure
 */
CELLA_MUST_USE cella_status cella_tpm_quote_sign(const struct cella_tpm_quote *quote, struct cella_public_key *key,
                                                 struct cella_claims *claims, struct cella_parsed *parsed,
                                                 struct cella_text *detail);

/*
 * The attestation key in the container; names the claims "attestation_key" (TPM name, or SHA-256 of the
 * SubjectPublicKeyInfo) and, for a TPMT_PUBLIC, "restricted".
 */
CELLA_MUST_USE cella_status cella_tpm_quote_key(const struct cella_tpm_quote *quote, struct cella_claims *claims,
                                                struct cella_public_key **out, struct cella_text *detail);

/* Certificates of a TPM's keys, attestation or endorsement, below a maker that the trust file names as an anchor. */
extern const struct cella_chain_rules cella_tpm_chain_rules;

/* What every type with a TPM quote may demand of it. */
#define CELLA_TPM_TERM_COUNT 9U
extern const struct cella_term cella_tpm_terms[CELLA_TPM_TERM_COUNT];
extern const char *const cella_tpm_banks[];
extern const char *const cella_tpm_registers[];
extern const char *const cella_tpm_register_names[CELLA_TPM_REGISTERS]; /* by number, those that can be reset as well */
