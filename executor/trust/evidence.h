/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Evidence: what a platform states about the executor, and the judgement of it.
 *
 * One flow for every kind of evidence (cella_evidence_appraise): type, signature chain up to a trust anchor,
 * binding to the executor's keys and charter, then policy. A back-end (one file per TEE) only parses and names
 * claims, signed range and signature. The result is a report, not a boolean: it names the anchor, the level and why
 * it is not higher, every check with its outcome, and what was not checked. It starts pessimistic.
 *
 * Pure: bytes, policy and time in; report out. Source: RFC 9334 for the terms; docs/attestation.md.
 */

#include "trust/crypto.h"
#include "trust/policy.h"

#define CELLA_EVIDENCE_MAX 16384U        /* bytes of evidence of any kind */
#define CELLA_REPORT_DATA_SIZE 64
#define CELLA_NONCE_SIZE 32
#define CELLA_CHARTER_MAX 65536U
#define CELLA_REPORT_CHECKS_MAX 24
#define CELLA_REPORT_TEXT_MAX 192

enum cella_role {
    CELLA_ROLE_EXECUTOR = 1,
};

/* The executor's public keys, 64 bytes on the wire in this order. */
struct cella_key_set {
    uint8_t sign[CELLA_ED25519_KEY_SIZE];
    uint8_t seal[CELLA_X25519_KEY_SIZE];
};

/*
 * report_data = SHA-512(field("cella evidence v1") || field(role) || field(SHA-256(sign || seal))
 *                       || field(SHA-256(charter)) || field(nonce)), field(x) = 32-bit big-endian length || x.
 * role is the text "executor". nonce: 0 (evidence made at start) or CELLA_NONCE_SIZE bytes.
 * CELLA_BAD_SIZE  nonce of another size, or charter above CELLA_CHARTER_MAX; CELLA_BAD_FIELD  unknown role
 */
CELLA_MUST_USE cella_status cella_evidence_report_data(enum cella_role role, const struct cella_key_set *keys,
                                                       struct cella_view charter, struct cella_view nonce,
                                                       uint8_t out[CELLA_REPORT_DATA_SIZE]);

/* Claims that every back-end names; what a TEE does not have stays empty. */
struct cella_claims {
    enum cella_evidence_type type;
    uint8_t measurement[CELLA_MEASUREMENT_MAX];
    size_t measurement_size;
    uint8_t report_data[CELLA_REPORT_DATA_SIZE];
    uint8_t root[CELLA_ED25519_KEY_SIZE]; /* soft: the key that signed */
    uint32_t layers;                      /* soft: sandbox layers in force, CELLA_LAYER_* bits */
    uint64_t issued_unix_s;               /* by the executor's clock; informative */
};

enum cella_check_outcome {
    CELLA_CHECK_NOT_DONE, /* an earlier check failed, so this one was not reached */
    CELLA_CHECK_FAILED,
    CELLA_CHECK_PASSED,
};

struct cella_check {
    const char *name; /* stable identifier, e.g. "measurement" */
    enum cella_check_outcome outcome;
    cella_status status;                /* why it failed */
    char detail[CELLA_REPORT_TEXT_MAX]; /* for people */
};

struct cella_report {
    cella_status status; /* CELLA_OK only when every check passed */
    int level;           /* 1 to 5; 0 when evidence did not verify */
    char level_reason[CELLA_REPORT_TEXT_MAX];
    char anchor[CELLA_REPORT_TEXT_MAX];      /* the trust anchor relied on; empty when none */
    char measurement_name[CELLA_NAME_MAX + 1]; /* the trust file's name for it */
    struct cella_claims claims;
    struct cella_check checks[CELLA_REPORT_CHECKS_MAX];
    size_t check_count;
    const char *not_checked[CELLA_REPORT_CHECKS_MAX]; /* static sentences */
    size_t not_checked_count;
};

/* What the evidence must be bound to, as seen by the relying party. */
struct cella_binding {
    enum cella_role role;
    struct cella_key_set keys;
    struct cella_view charter; /* the exact bytes received */
    struct cella_view nonce;   /* empty, or the relying party's own CELLA_NONCE_SIZE bytes */
};

/*
 * Judge evidence.
 *
 * evidence:  at most CELLA_EVIDENCE_MAX bytes. Untrusted.
 * type:      as the executor names it; must be one that the policy accepts. Untrusted.
 * now_unix_s: the relying party's time
 * out:       always filled; out->status equals the returned status
 */
CELLA_MUST_USE cella_status cella_evidence_appraise(struct cella_view evidence, enum cella_evidence_type type,
                                                    const struct cella_binding *binding,
                                                    const struct cella_policy *policy, uint64_t now_unix_s,
                                                    struct cella_report *out);

/*
 * The attested connection: the executor signs
 *   field("cella session v1") || field(exporter) || field(SHA-256 of the front's SPKI) || field(client nonce)
 * with the Ed25519 key of its evidence. Both sides make the message with this function.
 */
#define CELLA_EXPORTER_LABEL "EXPORTER-cella-session-v1"
#define CELLA_EXPORTER_SIZE 32
CELLA_MUST_USE cella_status cella_session_message(const uint8_t exporter[CELLA_EXPORTER_SIZE],
                                                  const uint8_t spki_sha256[CELLA_SHA256_SIZE],
                                                  struct cella_view client_nonce, struct cella_bytes *out);
