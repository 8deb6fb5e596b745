/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The channel that mutual attestation ends with: records in both directions, each direction under a key of its own.
 *
 * A record is a message of kind RECORD or CLOSE (trust/mutual_message.h): header || AES-256-GCM, the header as associated
 * data, the nonce 4 zero bytes and the number of the record under this key as 64 bits. Records open in the order in which
 * they were sealed, each once; whoever carries them can only stop them, and that shows: the last record of a side is its
 * CLOSE. After CELLA_MUTUAL_REKEY_RECORDS records a direction goes on under the next key, HKDF of the one before, which
 * is wiped: so GCM stays far below its limits, and a key found later opens nothing that was sent under an earlier one.
 *
 * Errors of the peer stick: the first record that does not open ends the channel in both directions, keys are wiped, and
 * each later call returns the same status. Pure: no sockets, no clock.
 *
 * Source: NIST SP 800-38D; RFC 8446 section 5.5 for the limit; docs/attestation.md section 11.
 */

#include "trust/crypto.h"
#include "trust/mutual_message.h"

/* With the largest records 2^28 blocks under one key: a distinguishing advantage below 2^-72. */
#define CELLA_MUTUAL_REKEY_RECORDS ((uint64_t) 1 << 16)

/* Heap object; made by trust/mutual.h. */
struct cella_mutual_channel;

/*
 * send, receive: keys of CELLA_AES_KEY_SIZE bytes, different ones; moved into the channel, empty afterwards
 * CELLA_BAD_KEY  another size; CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_mutual_channel_new(struct cella_secret *send, struct cella_secret *receive,
                                                     struct cella_mutual_channel **out);
void cella_mutual_channel_free(struct cella_mutual_channel *channel); /* wipes; accepts NULL */

/*
 * Seal one record.
 *
 * plain: 0 to CELLA_MUTUAL_RECORD_MAX bytes
 * out:   the record; appended. Records are carried in this order, each whole
 * CELLA_TOO_LARGE  plain; CELLA_BAD_STATE  after cella_mutual_channel_close. Neither changes anything
 * CELLA_NO_MEMORY, CELLA_CRYPTO_FAILED, or why the channel ended before
 */
CELLA_MUST_USE cella_status cella_mutual_channel_seal(struct cella_mutual_channel *channel, struct cella_view plain,
                                                      struct cella_bytes *out);

/*
 * Open the next record of the peer.
 *
 * record: exactly one (cella_mutual_message_size finds its end). Untrusted
 * out:    its content, a secret because keys may travel; empty unless CELLA_OK
 * CELLA_CLOSED  the peer's authentic end; nothing comes after it
 * CELLA_BAD_TAG  changed, lost, repeated, out of order, of another channel, or this side's own
 * CELLA_BAD_STATE  a message of the handshake, or anything after the peer's end
 * CELLA_BAD_FORMAT, CELLA_BAD_VERSION, CELLA_TOO_LARGE, CELLA_NO_MEMORY, or why the channel ended before
 */
CELLA_MUST_USE cella_status cella_mutual_channel_open(struct cella_mutual_channel *channel, struct cella_view record,
                                                      struct cella_secret *out);

/* Say that nothing more comes from this side: out gets the CLOSE record; appended. Receiving goes on. As seal. */
CELLA_MUST_USE cella_status cella_mutual_channel_close(struct cella_mutual_channel *channel, struct cella_bytes *out);

/*
 * To be asked when the byte pipe has ended: was that the peer's own end?
 * CELLA_TRUNCATED  no: somebody cut the pipe, and records may be missing; or why the channel ended before
 */
CELLA_MUST_USE cella_status cella_mutual_channel_end(const struct cella_mutual_channel *channel);
