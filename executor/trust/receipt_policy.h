/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a trust file demands of receipts: its section `receipt`. Everything else in the file judges the evidence behind the
 * executor's key, as it does for a connection.
 *
 *   "receipt": {"logs": 1, "own_log": true,
 *               "log": [{"name": "notary", "key": "ed25519:...", "kid": "<hex>", "issuer": "https://...", "position": true}],
 *               "executors": ["ed25519:..."], "functions": ["sha256:..."],
 *               "require": ["contract", "approvals"]}
 *
 * Terms, defaults and meaning: docs/receipts.md section 8.
 */

#include "trust/cose.h"
#include "trust/policy.h"

#define CELLA_RECEIPT_LOGS_MAX 16U
#define CELLA_RECEIPT_EXECUTORS_MAX 16U
#define CELLA_RECEIPT_FUNCTIONS_MAX 256U

struct cella_receipt_log {
    const char *name;      /* for people; borrowed from the policy */
    const char *issuer;    /* its receipts must say so; NULL: any */
    struct cella_cose_key key;
    bool need_position;    /* size and index have to be signed: Cella's logs */
};

/* A section with every default filled in. Borrows the policy. */
struct cella_receipt_policy {
    size_t logs;  /* how many different logs must have the statement; 0: none has to, and the report says so */
    bool own_log; /* the log of the attested executor itself counts as one */
    struct cella_receipt_log log[CELLA_RECEIPT_LOGS_MAX];
    size_t log_count;
    uint8_t executors[CELLA_RECEIPT_EXECUTORS_MAX][CELLA_ED25519_KEY_SIZE]; /* trusted without evidence */
    size_t executor_count;
    uint8_t functions[CELLA_RECEIPT_FUNCTIONS_MAX][CELLA_SHA256_SIZE]; /* may have run; none: any */
    size_t function_count;
    uint32_t required; /* bit per check of cella_receipt_required: must have been proved */
};

/* Checks that a trust file can require, in the order of their bits; NULL past the end. */
const char *cella_receipt_required(unsigned int bit);

/* Take the member `receipt` of a trust file and validate it. CELLA_BAD_POLICY and others of trust/json.h; names the field */
CELLA_MUST_USE cella_status cella_receipt_policy_validate(struct cella_json_object *top);

/* The section of a policy that was parsed; defaults where there is none. CELLA_BAD_POLICY can not happen then */
CELLA_MUST_USE cella_status cella_receipt_policy_read(const struct cella_policy *policy,
                                                      struct cella_receipt_policy *out);
