/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the executor shows of itself: the answer that opens an attested connection (docs/protocol.md section 2), and the
 * evidence in the front's TLS certificate (trust/attested_certificate.h). Evidence for one client or one key comes from a
 * device that may take its time (monitor/attest.h), so those answers come later, by cella_front_answer and
 * cella_front_certificate.
 */

#include "monitor/monitor.h"

struct cella_sessions;

/* For this front. NULL without memory. free accepts NULL, and goes before the attester. */
struct cella_sessions *cella_sessions_new(struct cella_monitor *monitor, struct cella_front *front);
void cella_sessions_free(struct cella_sessions *sessions);

/*
 * Answer a client's question for a session.
 *
 * request:     the front's number of it
 * exporter:    CELLA_EXPORTER_SIZE bytes of the client's TLS connection, as the front says
 * spki_sha256: of the front's key
 * nonce:       CELLA_NONCE_SIZE bytes of the client's
 * fresh:       make evidence for this nonce, instead of showing what there is
 * Statuses of signing and of the front's answers; that there is no fresh evidence goes to the client.
 */
CELLA_MUST_USE cella_status cella_sessions_answer(struct cella_sessions *sessions, uint32_t request,
                                                  const uint8_t *exporter,
                                                  const uint8_t spki_sha256[CELLA_SHA256_SIZE],
                                                  struct cella_view nonce, bool fresh);

/* The client that asked has gone; or all have. */
void cella_sessions_gone(struct cella_sessions *sessions, uint32_t request);
void cella_sessions_drop(struct cella_sessions *sessions);

/* monitor->evidence or monitor->collateral is another. */
void cella_sessions_evidence_changed(struct cella_sessions *sessions);

/*
 * Have evidence made for the front's TLS key, and the payload of CERTIFICATE (monitor/request.h) sent. Where the platform does
 * not give any, the operator is told, and a front that has a certificate keeps it; another one gets both fields empty: its
 * certificate then proves nothing, as Cella's clients assume anyway.
 *
 * As cella_attester_ask; CELLA_CRYPTO_FAILED
 */
CELLA_MUST_USE cella_status cella_sessions_certify(struct cella_sessions *sessions,
                                                   const uint8_t spki_sha256[CELLA_SHA256_SIZE]);
