/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * TLS 1.3 of the front, over bytes instead of sockets. The key lives as long as the process and never leaves it. Its
 * self-signed certificate carries evidence that the monitor had made for this key, for clients that read such
 * (trust/attested_certificate.h). Cella's own do not rely on it: the monitor's signature over exporter and key digest counts.
 *
 * No older version, no tickets, no resumption, no early data, no compression, no renegotiation; ALPN http/1.1.
 *
 * Source: docs/protocol.md section 2; RFC 8446.
 */

#include "base/bytes.h"

#define CELLA_TLS_PIECE 16384U /* plaintext of one record */

struct cella_tls_context;
struct cella_tls;

/* Make a P-256 key and a certificate without evidence. CELLA_CRYPTO_FAILED, CELLA_NO_MEMORY */
CELLA_MUST_USE cella_status cella_tls_context_new(struct cella_tls_context **out);

/*
 * Make a certificate for the same key with these values of the extensions CELLA_ATTESTED_CMW_OID and
 * CELLA_ATTESTED_TCG_OID; an empty one is left out. Connections from now on show it, older ones are not touched.
 * CELLA_CRYPTO_FAILED; the certificate then stays what it was
 */
CELLA_MUST_USE cella_status cella_tls_context_certify(struct cella_tls_context *context, struct cella_view cmw,
                                                      struct cella_view tcg);
void cella_tls_context_free(struct cella_tls_context *context);

/* SHA-256 of the certificate's SubjectPublicKeyInfo, DER; 32 bytes. */
const uint8_t *cella_tls_context_spki_sha256(const struct cella_tls_context *context);

/* Server side of one connection. NULL without memory. */
struct cella_tls *cella_tls_new(const struct cella_tls_context *context);
void cella_tls_free(struct cella_tls *tls);

/* Take ciphertext that arrived. It waits here until it is read; the caller bounds it. CELLA_NO_MEMORY */
CELLA_MUST_USE cella_status cella_tls_feed(struct cella_tls *tls, struct cella_view ciphertext);

/* Bytes of ciphertext that wait. */
size_t cella_tls_waiting(const struct cella_tls *tls);

/*
 * Go on with the handshake. *done tells whether it is complete.
 * CELLA_TLS_FAILED  it failed; what is pending (an alert) may still be sent
 */
CELLA_MUST_USE cella_status cella_tls_handshake(struct cella_tls *tls, bool *done);

/*
 * Read plaintext, at most size bytes. *count 0: more ciphertext is needed.
 * CELLA_CLOSED  the client closed properly; CELLA_TLS_FAILED
 */
CELLA_MUST_USE cella_status cella_tls_read(struct cella_tls *tls, uint8_t *out, size_t size, size_t *count);

/* Encrypt plaintext, at most CELLA_TLS_PIECE bytes, to what is pending. CELLA_TLS_FAILED */
CELLA_MUST_USE cella_status cella_tls_write(struct cella_tls *tls, struct cella_view plain);

/* Say goodbye (close_notify) to what is pending. */
void cella_tls_shutdown(struct cella_tls *tls);

/* Take up to size bytes of ciphertext to be sent; 0 when there is none. */
size_t cella_tls_take(struct cella_tls *tls, uint8_t *out, size_t size);
size_t cella_tls_pending(const struct cella_tls *tls);

/* Exporter of the connection, 32 bytes; docs/protocol.md section 2. CELLA_TLS_FAILED before the handshake is done
 */
CELLA_MUST_USE cella_status cella_tls_exporter(struct cella_tls *tls, uint8_t out[32]);
