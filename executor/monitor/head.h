/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Heads: what the executor signs about its ledger, for clients to keep. A host can put an old ledger back, or run two
 * executors on two copies of one; the chain does not show it, but an executor that was treated so can not show a client a
 * head that continues the one which the client has.
 *
 *   head = {"epoch", "size", "root", "chain", "signature"}; root and chain base64url of 32 bytes
 *   signature: Ed25519 by the executor over field("cella head v1") || field(executor id) || u64 epoch || u64 size ||
 *              field(root) || field(chain)
 */

#include "monitor/operation.h"

/* The head of what is durable, as JSON. The ledger is there and not lost. CELLA_NO_MEMORY, CELLA_CRYPTO_FAILED */
CELLA_MUST_USE cella_status cella_head_json(const struct cella_monitor *monitor, json_t **out);

/*
 * The proof that the durable ledger continues the one of `size` records, as an array of base64url.
 * CELLA_ROLLBACK  there are fewer: who asks knows a longer ledger, or one that is not durable yet
 * CELLA_BAD_FIELD  size is 0
 */
CELLA_MUST_USE cella_status cella_head_prove(const struct cella_monitor *monitor, uint64_t size, json_t **out);

/*
 * The head of what is durable, as JSON text; appended to out. Nothing when the ledger is lost, or there is none.
 * CELLA_NO_MEMORY, CELLA_CRYPTO_FAILED
 */
CELLA_MUST_USE cella_status cella_head_write(const struct cella_monitor *monitor, struct cella_bytes *out);
