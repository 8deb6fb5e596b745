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

#include "base/text.h"
#include "trust/claims.h"
#include "trust/crypto.h"
#include "trust/endorsement.h"
#include "trust/policy.h"

#define CELLA_EVIDENCE_MAX 16384U        /* bytes of evidence of any kind */
#define CELLA_REPORT_DATA_SIZE 64
#define CELLA_NONCE_SIZE 32
#define CELLA_CHARTER_MAX 65536U
#define CELLA_REPORT_CHECKS_MAX 64
#define CELLA_REPORT_UNCHECKED_MAX 32

enum cella_role {
    CELLA_ROLE_EXECUTOR = 1,         /* "executor": towards clients */
    CELLA_ROLE_MUTUAL_INITIATOR = 2, /* "mutual initiator": towards another executor, trust/mutual.h */
    CELLA_ROLE_MUTUAL_RESPONDER = 3, /* "mutual responder" */
};

/* The executor's public keys, 64 bytes on the wire in this order. */
struct cella_key_set {
    uint8_t sign[CELLA_ED25519_KEY_SIZE];
    uint8_t seal[CELLA_X25519_KEY_SIZE];
};

/*
 * report_data = SHA-512(field("cella evidence v1") || field(role) || field(SHA-256(sign || seal))
 *                       || field(SHA-256(charter)) || field(nonce)), field(x) = 32-bit big-endian length || x.
 * role is its text. nonce: 0 (evidence made at start) or CELLA_NONCE_SIZE bytes.
 * CELLA_BAD_SIZE  nonce of another size, or charter above CELLA_CHARTER_MAX; CELLA_BAD_FIELD  unknown role
 */
CELLA_MUST_USE cella_status cella_evidence_report_data(enum cella_role role, const struct cella_key_set *keys,
                                                       struct cella_view charter, struct cella_view nonce,
                                                       uint8_t out[CELLA_REPORT_DATA_SIZE]);

enum cella_check_outcome {
    CELLA_CHECK_NOT_DONE, /* an earlier check failed, so this one was not reached */
    CELLA_CHECK_FAILED,
    CELLA_CHECK_PASSED,
};

struct cella_check {
    const char *name; /* stable identifier, e.g. "measurement" */
    enum cella_check_outcome outcome;
    cella_status status;      /* why it failed */
    struct cella_text detail; /* for people */
};

struct cella_report {
    cella_status status; /* CELLA_OK only when every check passed */
    enum cella_evidence_type type;
    int level;           /* 1 to 5; 0 when evidence did not verify */
    struct cella_text level_reason; /* why it is not higher */
    struct cella_text anchor;       /* the trust anchor relied on; empty when none */
    char measurement_name[CELLA_NAME_MAX + 1]; /* the trust file's, or the auditors', name for it */
    struct cella_claims claims;     /* what the evidence says; to be believed only when status is CELLA_OK */
    struct cella_check checks[CELLA_REPORT_CHECKS_MAX];
    size_t check_count;
    const char *not_checked[CELLA_REPORT_UNCHECKED_MAX]; /* static sentences */
    size_t not_checked_count;
};

/* What the evidence must be bound to, as seen by the relying party. */
enum cella_binding_kind {
    CELLA_BINDING_EXECUTOR,    /* keys, charter and nonce of a Cella executor */
    CELLA_BINDING_REPORT_DATA, /* exactly these bytes: for evidence of others */
    CELLA_BINDING_CERTIFICATE, /* the report data of a certificate's claims (trust/attested_certificate.h) */
    CELLA_BINDING_NONE,        /* nothing: the report lists it as not checked. Never for a connection */
};

struct cella_binding {
    enum cella_binding_kind kind;
    enum cella_role role;          /* EXECUTOR: this and the next three */
    struct cella_key_set keys;
    struct cella_view charter;     /* the exact bytes received; of other kinds too, where there is one */
    struct cella_view nonce;       /* empty, or the relying party's own CELLA_NONCE_SIZE bytes. CERTIFICATE: the one that the
                                      caller found in the claims, of any size: the report data cover them */
    struct cella_view report_data; /* REPORT_DATA: these bytes, and the nonce where the format has one; either may be empty.
                                      CERTIFICATE: these bytes */
    bool issued;                   /* CERTIFICATE: somebody else than its own key signed it, and nobody looked who */
};

struct cella_evidence {
    enum cella_evidence_type type;         /* as its sender names it; must be one that the policy accepts. Untrusted */
    struct cella_view content;             /* at most CELLA_EVIDENCE_MAX bytes, in the TEE's own format. Untrusted */
    struct cella_endorsements endorsements; /* what came with it. Untrusted */
};

/*
 * Judge evidence.
 *
 * now_unix_s: the relying party's time
 * out:        always filled; out->status equals the returned status
 */
CELLA_MUST_USE cella_status cella_evidence_appraise(const struct cella_evidence *evidence,
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
