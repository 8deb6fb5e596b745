/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Inclusion receipts (RFC 9942): a log's signature over its root, and the path from an entry's leaf to it. The root does
 * not travel: a verifier has to compute it from the leaf that it holds.
 *
 * What RFC 9942 leaves unsigned, size and index, our own logs repeat in claims that are signed, and our verifier demands
 * that they are the same (docs/receipts.md section 5).
 */

#include "trust/cose.h"
#include "trust/merkle.h"

#define CELLA_RECEIPT_VDS_RFC9162 1
#define CELLA_RECEIPTS_MAX 16U /* attached to one statement */

struct cella_receipt {
    struct cella_cose_sign1 sign1;
    uint64_t size;
    uint64_t index;
    struct cella_merkle_path path; /* 1 to CELLA_MERKLE_PATH_MAX nodes */
};

/*
 * Read one receipt, ours or of another log. Not its signature.
 * content: untrusted; out borrows it. detail: receives a sentence for people
 * CELLA_BAD_FORMAT  not a receipt with exactly one inclusion proof and a detached payload; CELLA_TOO_LARGE
 */
CELLA_MUST_USE cella_status cella_receipt_read(struct cella_view content, struct cella_receipt *out,
                                               struct cella_text *detail);

/*
 * Read the array of receipts that is attached to a statement: each element a byte string, 1 to CELLA_RECEIPTS_MAX.
 * CELLA_BAD_FORMAT
 */
CELLA_MUST_USE cella_status cella_receipt_list(struct cella_view receipts, struct cella_view out[CELLA_RECEIPTS_MAX],
                                               size_t *count, struct cella_text *detail);

/*
 * Does this log say that the leaf is in it?
 *
 * key:           the log's. Trusted
 * need_position: size and index have to be signed: our own logs. Where they are signed they have to be right in any case
 * CELLA_BAD_KEY        another log's, or another algorithm
 * CELLA_BAD_PROOF      the path fits neither size nor index, or these are not those that are signed
 * CELLA_BAD_SIGNATURE  the root is not what this log signed: another leaf, another tree, another signer
 */
CELLA_MUST_USE cella_status cella_receipt_verify(const struct cella_receipt *receipt,
                                                 const struct cella_merkle_hash *leaf, const struct cella_cose_key *key,
                                                 bool need_position);

/* A log that gives receipts. */
struct cella_receipt_issuer {
    const struct cella_secret *seed; /* Ed25519; the log's own, not the executor's */
    struct cella_view issuer;        /* text: 1 to 8192 characters, e.g. "urn:cella:log" */
};

/*
 * Give a receipt, after the tree head with this root is durable. Replaces out.
 *
 * size, path, root: of the log; root is what the path leads to, and this checks that it does
 * CELLA_BAD_FIELD  a tree of one leaf, for which RFC 9942 has no proof: begin every log with an entry of its own; the issuer
 * CELLA_BAD_PROOF  the path does not lead from the leaf to the root
 */
CELLA_MUST_USE cella_status cella_receipt_issue(const struct cella_receipt_issuer *log,
                                                const struct cella_merkle_hash *leaf, uint64_t index, uint64_t size,
                                                const struct cella_merkle_path *path,
                                                const struct cella_merkle_hash *root, struct cella_bytes *out);
