/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Enrolment of a TPM: what it says of itself, and its half of the proof that its attestation key is in it
 * (trust/tpm_credential.h). Done once, by the machine's operator together with each relying party; nothing is kept, because
 * the TPM makes the same keys each time.
 *
 * Both answers are JSON objects with bytes as base64url:
 *
 *   {"version":1, "attestation_key": TPMT_PUBLIC, "endorsements": [{"kind": "rsa" or "ecc", "key": SubjectPublicKeyInfo,
 *    "certificate"?: DER}], "certificates": [DER, ...]}
 *   {"version":1, "secret": bytes}
 *
 * endorsements: RSA of 2048 bits and P-256, as far as this TPM has them. certificates: issuers that the maker left in the
 * TPM. The question of activate is {"version":1, "endorsement": kind, "credential": TPM2B_ID_OBJECT and
 * TPM2B_ENCRYPTED_SECRET}.
 */

#include "platform/platform.h"

#define CELLA_TPM_CHALLENGE_MAX 8192U

/*
 * Say which keys the TPM has.
 *
 * out:     appended to
 * trouble: a sentence for the operator when it fails
 * CELLA_SYSTEM_FAILED  the TPM failed, or has no endorsement key; CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_tpm_identify(const struct cella_platform_setup *setup, struct cella_bytes *out,
                                               struct cella_text *trouble);

/*
 * Answer a challenge.
 *
 * challenge: as above. Untrusted
 * CELLA_BAD_JSON, CELLA_MISSING_FIELD, CELLA_BAD_FIELD, CELLA_UNKNOWN_FIELD, CELLA_TOO_LARGE, CELLA_BAD_FORMAT
 *                      it is no challenge
 * CELLA_BAD_TAG        it is for another TPM or another attestation key
 * CELLA_SYSTEM_FAILED  the TPM failed; CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_tpm_activate(const struct cella_platform_setup *setup, struct cella_view challenge,
                                               struct cella_bytes *out, struct cella_text *trouble);
