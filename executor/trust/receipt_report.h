/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The judgement of a receipt, with everything that came with it, by a trust file. As for evidence, the result is a report
 * and no boolean: each claim with its outcome and what proved it, the anchor that all of it rests on, and what was not
 * checked. It starts pessimistic. A claim for which nobody supplied what it speaks of is "not done", with a reason; it
 * refuses the receipt only where the trust file requires it.
 *
 * Pure: bytes, policy and time in; report out. Source: docs/receipts.md.
 */

#include "trust/receipt_bundle.h"
#include "trust/receipt_policy.h"

#define CELLA_RECEIPT_CHECKS_MAX 16U
#define CELLA_RECEIPT_UNCHECKED_MAX 24U
#define CELLA_RECEIPT_PREDECESSORS_MAX 256U

/* A file that the relying party has and wants to see in the statement. */
struct cella_receipt_opening {
    bool is_output;
    struct cella_view name;
    enum cella_digest_kind kind;
    uint8_t digest[CELLA_SHA256_SIZE]; /* computed here from the bytes, by cella_commitment where the kind is salted */
    uint64_t size;                     /* of the file */
};

/* SHA-256(salt || data), kind 1. salt: 32 bytes, else CELLA_BAD_SIZE */
CELLA_MUST_USE cella_status cella_commitment(struct cella_view salt, struct cella_view data,
                                             uint8_t out[CELLA_SHA256_SIZE]);

struct cella_receipt_question {
    const struct cella_policy *policy;
    uint64_t now_unix_s;     /* the time at which evidence is judged: now, or that of the run, if you believe it */
    struct cella_view nonce; /* that the relying party gave to its task; empty: it gave none */
    const struct cella_receipt_opening *openings;
    size_t opening_count;
    const struct cella_bundle *parents; /* receipts of the runs that came before, in any order; each is judged too */
    size_t parent_count;                /* at most CELLA_RECEIPT_PREDECESSORS_MAX */
};

struct cella_receipt_report {
    cella_status status; /* CELLA_OK only when nothing failed and everything required was proved */
    struct cella_text anchor; /* what the executor's key rests on; empty when nothing */
    struct cella_text detail; /* the sentence of what decided, when status is not CELLA_OK */
    struct cella_check checks[CELLA_RECEIPT_CHECKS_MAX];
    size_t check_count;
    bool has_evidence;           /* evidence was judged: its own report follows */
    struct cella_report evidence;
    const char *not_checked[CELLA_RECEIPT_UNCHECKED_MAX]; /* static sentences */
    size_t not_checked_count;
};

/*
 * Judge a receipt. out is always filled; out->status equals the returned status. About 60 KiB of stack or heap for out.
 *
 * CELLA_BAD_FORMAT     unreadable, or not a receipt of ours
 * CELLA_BAD_KEY        signed by nobody whom the trust file knows or the evidence binds
 * CELLA_BAD_SIGNATURE, CELLA_BAD_PROOF, CELLA_BAD_DIGEST, CELLA_BAD_RECEIPT  a check failed; the report says which
 * CELLA_NOT_PROVED     nothing is wrong, but something that the trust file requires was not supplied
 * CELLA_BAD_EVIDENCE and every status of cella_evidence_appraise
 */
CELLA_MUST_USE cella_status cella_receipt_appraise(const struct cella_bundle *bundle,
                                                   const struct cella_receipt_question *question,
                                                   struct cella_receipt_report *out);
