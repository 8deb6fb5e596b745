/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Two containers, both deterministic CBOR maps with integer keys.
 *
 * The *evidence file* is what a statement's `evidence` digest is of: evidence with everything that it is bound to, made
 * once per key and kept. It may certify the executor's log key.
 *
 * The *proof bundle* holds a receipt and what it speaks of by digest: evidence file, contract, approvals, function package.
 * Nothing in it is trusted for being in it: each part is checked against the receipt.
 *
 * Source: docs/receipts.md section 7.
 */

#include "trust/evidence.h"
#include "trust/key_history.h"
#include "trust/statement.h"

#define CELLA_BUNDLE_MAX 16777216U        /* bytes of a bundle */
#define CELLA_EVIDENCE_FILE_MAX 131072U
#define CELLA_BUNDLE_VERSION "cella proof v1"
#define CELLA_EVIDENCE_FILE_VERSION "cella evidence file v1"
#define CELLA_LOG_KEY_LABEL "cella log key v1"
#define CELLA_APPROVAL_MAX 16384U         /* characters of one signed request */

/* Everything is borrowed; absent parts are empty. */
struct cella_evidence_file {
    struct cella_view type; /* "snp", ...: text */
    struct cella_view evidence;
    struct cella_view nonce;   /* empty, or the one that the evidence is bound to */
    struct cella_key_set keys;
    struct cella_view charter;
    bool has_log_key;
    uint8_t log_key[CELLA_ED25519_KEY_SIZE]; /* certified by keys.sign; whoever verifies calls cella_evidence_file_log_key */
    struct cella_view log_signature;
};

/* Read one. CELLA_BAD_FORMAT; CELLA_TOO_LARGE  above CELLA_EVIDENCE_FILE_MAX */
CELLA_MUST_USE cella_status cella_evidence_file_read(struct cella_view content, struct cella_evidence_file *out);

/*
 * Is log_key certified? The signature of keys.sign over field("cella log key v1") || field(log key). It is worth what the
 * evidence for keys.sign is worth.
 * CELLA_NOT_FOUND  no log key; CELLA_BAD_SIGNATURE
 */
CELLA_MUST_USE cella_status cella_evidence_file_log_key(const struct cella_evidence_file *file,
                                                        struct cella_cose_key *out);

/*
 * Write one; replaces out.
 * file:     log_key and log_signature are not looked at
 * log_key:  Ed25519 public key of the executor's own log, or NULL
 * executor: the seed of keys.sign, to certify it; used only with log_key
 * CELLA_BAD_FIELD  what would not be read again
 */
CELLA_MUST_USE cella_status cella_evidence_file_write(const struct cella_evidence_file *file, const uint8_t *log_key,
                                                      const struct cella_secret *executor, struct cella_bytes *out);

/* A party's own signed request, kept as it came; with the key, since a compact JWS names only its thumbprint. */
struct cella_approval {
    struct cella_view public_key; /* 32 bytes */
    struct cella_view request;    /* compact JWS */
};

struct cella_bundle {
    struct cella_view receipt; /* the transparent statement; the only part that must be there */
    struct cella_view evidence_file;
    struct cella_view endorsements; /* wire form: trust/endorsement.h. Not in the evidence file: they are renewed */
    struct cella_view contract;
    struct cella_approval approvals[CELLA_STATEMENT_PARTIES_MAX];
    size_t approval_count;
    struct cella_view function;  /* the package */
    struct cella_view payload;   /* of a statement that is a hash envelope */
    struct cella_view tree_head; /* the log's signed head as text, for tools that read those */
    struct cella_view histories; /* key_history.h, one after the other: of approvers who had replaced their keys */
    size_t history_count;        /* at most CELLA_STATEMENT_PARTIES_MAX */
};

/* Do these bytes begin like a bundle? Decides only how to read them. */
bool cella_bundle_looks(struct cella_view content);

/* Read one. Nothing inside is looked at. CELLA_BAD_FORMAT; CELLA_TOO_LARGE  above CELLA_BUNDLE_MAX */
CELLA_MUST_USE cella_status cella_bundle_read(struct cella_view content, struct cella_bundle *out);

/* Write one; replaces out. CELLA_BAD_FIELD  no receipt, or what would not be read again; CELLA_TOO_LARGE */
CELLA_MUST_USE cella_status cella_bundle_write(const struct cella_bundle *bundle, struct cella_bytes *out);
