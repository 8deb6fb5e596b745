/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * HPKE base mode, one message per encapsulation: how keys, private source and results are sealed to a party or to
 * the executor. Suite: DHKEM(X25519, HKDF-SHA256) 0x0020, HKDF-SHA256 0x0001, AES-256-GCM 0x0002.
 *
 * Base mode does not authenticate the sender: the signed request around a sealed secret does. info names the
 * purpose, so that a sealed secret can not be moved to another one.
 *
 * Source: RFC 9180; docs/protocol.md for the info texts.
 */

#include "trust/crypto.h"

#define CELLA_HPKE_ENC_SIZE 32
#define CELLA_HPKE_OVERHEAD (CELLA_HPKE_ENC_SIZE + CELLA_GCM_TAG_SIZE)

/*
 * Seal plain to receiver. out: enc (32 bytes), ciphertext, tag; appended.
 * CELLA_BAD_KEY  receiver is not an acceptable X25519 public key
 */
CELLA_MUST_USE cella_status cella_hpke_seal(const uint8_t receiver[CELLA_X25519_KEY_SIZE], struct cella_view info,
                                            struct cella_view associated_data, struct cella_view plain,
                                            struct cella_bytes *out);
/* Same with a given ephemeral private key: for known answers only. */
CELLA_MUST_USE cella_status cella_hpke_seal_with(const struct cella_secret *ephemeral,
                                                 const uint8_t receiver[CELLA_X25519_KEY_SIZE],
                                                 struct cella_view info, struct cella_view associated_data,
                                                 struct cella_view plain, struct cella_bytes *out);
/*
 * Open what cella_hpke_seal made.
 * CELLA_BAD_FORMAT  shorter than CELLA_HPKE_OVERHEAD
 * CELLA_BAD_KEY     enc has small order
 * CELLA_BAD_TAG     wrong key, info or associated data, or changed bytes; out stays empty
 */
CELLA_MUST_USE cella_status cella_hpke_open(const struct cella_secret *private_key, struct cella_view info,
                                            struct cella_view associated_data, struct cella_view sealed,
                                            struct cella_secret *out);
