/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the executor shows of itself: the answer that opens an attested connection (docs/protocol.md section 2), and the
 * evidence in the front's TLS certificate (trust/attested_certificate.h).
 */

#include "monitor/monitor.h"

/*
 * The answer to POST /v1/session up to the signature, which alone differs between connections.
 *
 * evidence: with its endorsements; the collateral that was fetched is added to those
 * nonce:    that the evidence was made for; empty for evidence of the start
 * out:      appended to
 */
CELLA_MUST_USE cella_status cella_session_begin(const struct cella_monitor *monitor,
                                                const struct cella_monitor_evidence *evidence, struct cella_view nonce,
                                                struct cella_bytes *out);

/* Append the signature and what closes the answer. */
CELLA_MUST_USE cella_status cella_session_end(const uint8_t signature[CELLA_ED25519_SIGNATURE_SIZE],
                                              struct cella_bytes *out);

/*
 * Evidence for a TLS key of the front, as the payload of CERTIFICATE (monitor/request.h). Where the platform does not give
 * any, both fields are empty and the operator is told: the certificate then proves nothing, as Cella's clients assume anyway.
 *
 * spki_sha256: of the front's key
 * out:         appended to
 * CELLA_NO_MEMORY, CELLA_CRYPTO_FAILED
 */
CELLA_MUST_USE cella_status cella_session_certificate(struct cella_monitor *monitor,
                                                      const uint8_t spki_sha256[CELLA_SHA256_SIZE],
                                                      struct cella_bytes *out);
