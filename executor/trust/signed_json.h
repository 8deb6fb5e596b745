/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * JSON that Intel signs: {"<name>":{...},"signature":"<hex>"}. The signature covers the inner object's bytes exactly as
 * they were served, which no JSON parser keeps: so the envelope is cut apart by a scanner, and the parser sees the inner
 * object only after its signature was verified.
 * Source: Intel PCS API v4, "TCB info" and "enclave identity".
 */

#include "trust/signature.h"

#define CELLA_SIGNED_JSON_MAX 262144U

/*
 * Cut the envelope apart.
 * inner:     the object named name, borrowed from text
 * signature: 64 bytes, r || s
 * CELLA_BAD_FORMAT  other members, missing or doubled ones, not an object, a signature of another size
 * CELLA_TOO_LARGE   above CELLA_SIGNED_JSON_MAX
 */
CELLA_MUST_USE cella_status cella_signed_json_split(struct cella_view text, const char *name, struct cella_view *inner,
                                                    uint8_t signature[64]);

/*
 * "2025-06-19T10:32:51Z" as Unix seconds, from 1970 to 9999. CELLA_BAD_FORMAT
 */
CELLA_MUST_USE cella_status cella_time_of_text(const char *text, uint64_t *out);
