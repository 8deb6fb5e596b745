/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Measurements that may run: the entries of a trust file, and the statements in which auditors sign the same content.
 *
 *   {"name": "release 1", "type": "tdx", "value": "sha384:<hex>", "registers": {"rtmr1": "<hex>"},
 *    "not_before": <Unix seconds>, "not_after": <Unix seconds>}
 *
 * value is the main register of the type. registers name further claims: bytes as hexadecimal, numbers as integers; a
 * name with "min_" before it asks for at least that number. Every named one must hold.
 *
 * A statement is a compact JWS (EdDSA) over such an object with "statement": "cella measurement v1" added. It counts when
 * at least `threshold` different auditors of the trust file have signed the same bytes.
 */

#include "trust/back_end.h"

/* Check one entry at load. statement: an auditor's payload. CELLA_BAD_POLICY and error->field */
CELLA_MUST_USE cella_status cella_measurement_validate(const json_t *entry, const char *path, bool statement,
                                                       struct cella_json_error *error);

/*
 * Find an entry of the policy, or a sufficiently signed statement of the policy or the endorsements, that these claims
 * meet at this time.
 * name: receives the entry's name
 * CELLA_MEASUREMENT
 */
CELLA_MUST_USE cella_status cella_measurement_check(const struct cella_back_end *back_end,
                                                    const struct cella_claims *claims,
                                                    const struct cella_context *context,
                                                    char name[CELLA_NAME_MAX + 1]);
