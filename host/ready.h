/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the monitor reports when it is ready (docs/protocol.md section 9, READY), and the trust file made of it.
 *
 * The report comes over the link, so nothing in it is believed: it is shown to the operator and written into a
 * trust file for development, where the client checks all of it against the executor's evidence.
 */

#include "host/flat_json.h"

struct cella_ready {
    char executor[44];    /* thumbprint */
    char platform[16];    /* kind of evidence: "soft", "snp", ... */
    char measurement[72]; /* "sha256:" and 64 digits */
    char root[52];        /* "ed25519:" and 43 characters */
    char charter[65];     /* 64 digits */
    char version[32];
    struct cella_flat_json_list layers; /* names from base/layers.h */
};

/* CELLA_BAD_FORMAT  anything not exactly as described; out is then undefined */
CELLA_MUST_USE cella_status cella_ready_parse(struct cella_view note, struct cella_ready *out);

/*
 * Append the text of a trust file (TOML) that pins this executor, whose evidence is soft. It demands every layer that tasks need, also one that
 * this machine lacks, unless the operator allowed missing ones. CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_ready_trust_file(const struct cella_ready *ready, bool allow_missing_layers,
                                                   struct cella_bytes *out);
