/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The relying party's policy ("trust file"): which evidence it accepts. Strict: an unknown term is refused when the
 * file is loaded, an empty list never means "anything", at least one measurement is mandatory.
 *
 * People write TOML; the client turns it into JSON of the same shape, which is what this module reads:
 *
 *   {"version": 1, "min_level": 2, "accept": ["soft"],
 *    "measurement": [{"name": "release 1", "type": "soft", "value": "sha256:<64 hex>"}],
 *    "charter": {"sha256": "<64 hex>"},
 *    "soft": {"roots": ["ed25519:<43 base64url>"], "layers": ["namespaces", ...]}}
 *
 * Terms, defaults and meaning: docs/attestation.md.
 */

#include "base/bytes.h"
#include "base/layers.h"

#define CELLA_POLICY_MAX 262144U /* bytes of JSON */
#define CELLA_MEASUREMENT_MAX 48
#define CELLA_NAME_MAX 64
#define CELLA_POLICY_MEASUREMENTS_MAX 64
#define CELLA_POLICY_ROOTS_MAX 16

enum cella_evidence_type {
    CELLA_EVIDENCE_NONE,
    CELLA_EVIDENCE_SOFT,
};

struct cella_policy_measurement {
    char name[CELLA_NAME_MAX + 1];
    enum cella_evidence_type type;
    uint8_t value[CELLA_MEASUREMENT_MAX];
    size_t size;
};

struct cella_policy {
    int min_level;                 /* 1 to 5; default 2 */
    bool accept_soft;              /* "soft" stands in accept */
    struct cella_policy_measurement measurements[CELLA_POLICY_MEASUREMENTS_MAX];
    size_t measurement_count;
    uint8_t charter_sha256[32];
    bool charter_pinned;           /* false: any charter; the report lists it as not checked */
    uint8_t soft_roots[CELLA_POLICY_ROOTS_MAX][32];
    size_t soft_root_count;
    uint32_t soft_layers;          /* layers that must be in force; default CELLA_LAYERS_REQUIRED */
};

/*
 * Read a policy.
 *
 * json:   at most CELLA_POLICY_MAX bytes. Trusted by its owner, but read strictly.
 * field:  receives the offending field's name, at most 64 characters with NUL; may be NULL
 * CELLA_BAD_POLICY  anything not exactly as described; out is then an empty policy, which accepts nothing
 */
CELLA_MUST_USE cella_status cella_policy_parse(struct cella_view json, char field[64], struct cella_policy *out);

/* Evidence type from its name on the wire ("soft"); CELLA_EVIDENCE_NONE when unknown. And back. */
enum cella_evidence_type cella_evidence_type_of(struct cella_view name);
const char *cella_evidence_type_name(enum cella_evidence_type type);
