/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What one kind of evidence brings to the verifier: how to take it apart, and which terms a trust file may use. A
 * back-end names claims, signed ranges, signatures and certificates; it decides nothing. evidence.c owns the flow: chain,
 * revocation, signatures, binding, time, policy.
 */

#include "base/text.h"
#include "trust/certificate.h"
#include "trust/claims.h"
#include "trust/endorsement.h"
#include "trust/policy.h"
#include "trust/term.h"

#define CELLA_SIGNED_MAX 3
#define CELLA_CRLS_MAX 4

/* Something signed inside the evidence. Views borrow from the evidence or from parsed->scratch. */
struct cella_signed {
    const char *what; /* static, for the report: "quote", "QE report" */
    struct cella_view message;
    struct cella_view signature;
    enum cella_signature_form form;
    enum cella_hash hash;
    bool by_leaf;                 /* by the key of the chain's leaf */
    struct cella_public_key *key; /* else by this one, owned; which the parser has bound to something signed */
    struct cella_view ed25519;    /* else by this Ed25519 key */
};

/* Evidence taken apart. Cleared with cella_parsed_clear. */
struct cella_parsed {
    struct cella_signed signatures[CELLA_SIGNED_MAX];
    size_t signature_count;
    struct cella_certificates certificates;      /* leaf first */
    const struct cella_chain_rules *chain_rules; /* NULL: no certificates in this kind of evidence */
    struct cella_crl *crls[CELLA_CRLS_MAX];
    size_t crl_count;
    struct cella_view bound; /* the bytes inside that bind it to something: compared with report data */
    struct cella_view nonce; /* of formats that carry one apart from the bound bytes */
    struct cella_bytes scratch;
};
void cella_parsed_clear(struct cella_parsed *parsed);

/* Read the certificates, or the revocation lists, that came along. CELLA_ENDORSEMENT  they can not be read */
CELLA_MUST_USE cella_status cella_parsed_take_certificates(const struct cella_endorsements *endorsements,
                                                           struct cella_parsed *parsed, struct cella_text *detail);
CELLA_MUST_USE cella_status cella_parsed_take_lists(const struct cella_endorsements *endorsements,
                                                    struct cella_parsed *parsed, struct cella_text *detail);

/* What the later steps of a back-end see. */
struct cella_context {
    const struct cella_endorsements *endorsements;
    const struct cella_policy *policy;
    uint64_t now_unix_s;
    const struct cella_parsed *parsed;
    const struct cella_chain *chain; /* verified; count 0 where there are no certificates */
    struct cella_text *detail;       /* sentence of the running check */
};

/* The form of a measurement's register that is not as most of its kind. */
struct cella_register_form {
    const char *name;
    size_t size; /* bytes; 0: it is a number */
};

struct cella_back_end {
    enum cella_evidence_type type;
    const char *title; /* for people: "AMD SEV-SNP" */
    const char *family; /* of its anchors (trust/anchor.h); NULL: it needs none of the library's */
    const struct cella_back_end *hardware; /* what it contains: the trust file's section for that counts too. Or NULL */

    /*
     * Take evidence apart: bounds, versions, reserved fields, lengths. Certificates and lists may come from the
     * endorsements. Claims are named here, although nothing is verified yet.
     * CELLA_BAD_EVIDENCE  malformed; CELLA_ENDORSEMENT  what comes with it is malformed
     */
    cella_status (*parse)(struct cella_view evidence, const struct cella_endorsements *endorsements,
                          struct cella_claims *claims, struct cella_parsed *parsed, struct cella_text *detail);

    /* Revocation that the chain rules do not cover; NULL: none. */
    cella_status (*revocation)(const struct cella_context *context, struct cella_claims *claims);

    /*
     * What certificates and collateral say, compared with the evidence; adds claims (TCB status). Runs after the chain and
     * the signatures were verified. NULL: none.
     */
    cella_status (*endorse)(const struct cella_context *context, struct cella_claims *claims);

    /* The anchor where there are no certificates: names it. NULL: the chain's. */
    cella_status (*anchor)(const struct cella_context *context, const struct cella_claims *claims,
                           struct cella_text *name);

    /* Assurance level that these verified claims deserve, and why not more. */
    int (*level)(const struct cella_claims *claims, const struct cella_policy *policy, struct cella_text *reason);

    const struct cella_term *terms;
    size_t term_count;

    const char *measurement;        /* the claim that "value" of a measurement stands for; NULL: there is no such one */
    size_t measurement_size;        /* bytes of that claim */
    const char *const *registers;   /* claims that a measurement may name; ends with NULL */
    size_t register_size;           /* bytes of each; 0: those of a SHA-256 or a SHA-384 */
    const struct cella_register_form *register_forms; /* except these; ends with a NULL name; or NULL */
    const char *const *const *identities; /* a measurement must name all of one of these lists; each ends with NULL */
    bool needs_registers;           /* a measurement must name at least one register */
    const char *const *log_registers; /* claims by number of their register in an event log, NULL for none of them; or NULL */
    size_t log_register_count;
    const char *const *not_checked; /* sentences; ends with NULL */
};

/* NULL when this library has none for the type. */
const struct cella_back_end *cella_back_end_of(enum cella_evidence_type type);

extern const struct cella_back_end cella_back_end_soft;
extern const struct cella_back_end cella_back_end_snp;
extern const struct cella_back_end cella_back_end_tdx;
extern const struct cella_back_end cella_back_end_sgx;
extern const struct cella_back_end cella_back_end_nitro;
extern const struct cella_back_end cella_back_end_tpm;
extern const struct cella_back_end cella_back_end_az_snp;
extern const struct cella_back_end cella_back_end_az_tdx;
