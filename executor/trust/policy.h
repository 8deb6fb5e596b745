/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The relying party's policy ("trust file"): which evidence it accepts. Strict: an unknown term is refused when the
 * file is loaded, an empty list never means "anything", and what may run is named by a measurement or by auditors.
 *
 * People write TOML; the client turns it into JSON of the same shape, which is what this module reads:
 *
 *   {"version": 1, "min_level": 2, "accept": ["soft"],
 *    "measurement": [{"name": "release 1", "type": "soft", "value": "sha256:<64 hex>"}],
 *    "auditors": {"threshold": 2, "keys": ["ed25519:..."], "statements": ["<JWS>"]},
 *    "charter": {"sha256": "<64 hex>"},
 *    "freshness": {"nonce": true, "max_age_s": 86400},
 *    "anchor": [{"family": "amd-genoa", "certificate": "<PEM>"}],
 *    "soft": {...}, "snp": {...}, ...}
 *
 * Terms, defaults and meaning: docs/attestation.md.
 */

#include "base/layers.h"
#include "trust/anchor.h"
#include "trust/json.h"

#define CELLA_POLICY_MAX 262144U /* bytes of JSON */
#define CELLA_NAME_MAX 64
#define CELLA_POLICY_MEASUREMENTS_MAX 64
#define CELLA_POLICY_AUDITORS_MAX 16
#define CELLA_POLICY_STATEMENTS_MAX 64
#define CELLA_FIELD_MAX 64

enum cella_evidence_type {
    CELLA_EVIDENCE_NONE,
    CELLA_EVIDENCE_SOFT,
    CELLA_EVIDENCE_TPM,
    CELLA_EVIDENCE_SNP,
    CELLA_EVIDENCE_TDX,
    CELLA_EVIDENCE_SGX,
    CELLA_EVIDENCE_NITRO,
    CELLA_EVIDENCE_AZ_SNP, /* SNP under Azure's paravisor, with its vTPM */
    CELLA_EVIDENCE_AZ_TDX,
};

/* Made by cella_policy_parse, freed by cella_policy_clear. A zeroed one accepts nothing. */
struct cella_policy {
    json_t *json;     /* validated; for every accepted type, a section with each term's value, fallbacks filled in */
    int min_level;    /* 1 to 5; default 2 */
    uint32_t accepts; /* bit per type */
    bool charter_pinned; /* false: any charter; the report lists it as not checked */
    uint8_t charter_sha256[32];
    bool nonce_required;
    uint64_t max_age_s; /* of evidence that says when it was made; 0: any */
    struct cella_anchors anchors;
};
void cella_policy_clear(struct cella_policy *policy);

/*
 * Read a policy.
 *
 * json:   at most CELLA_POLICY_MAX bytes. Trusted by its owner, but read strictly.
 * field:  receives the offending field's name; may be NULL
 * out:    zeroed by the caller; an empty policy, which accepts nothing, unless CELLA_OK
 * CELLA_BAD_POLICY  anything not exactly as described; CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_policy_parse(struct cella_view json, char field[CELLA_FIELD_MAX],
                                               struct cella_policy *out);

bool cella_policy_accepts(const struct cella_policy *policy, enum cella_evidence_type type);

/* The value of a term of a type's section, fallback included; NULL when it is not checked. */
const json_t *cella_policy_term(const struct cella_policy *policy, enum cella_evidence_type type, const char *term);

/* Evidence type from its name on the wire ("soft"); CELLA_EVIDENCE_NONE when unknown. And back. */
enum cella_evidence_type cella_evidence_type_of(struct cella_view name);
const char *cella_evidence_type_name(enum cella_evidence_type type);
