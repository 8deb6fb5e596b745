/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Sealing under a key that the platform gives: "CSEAL1", 32 random bytes of salt, then AES-256-GCM of the secret under
 * HKDF-SHA-256(key, salt, field("cella sealing v1") || field(purpose)) with nonce 0. Salt and purpose make a key for each
 * sealing, so that no nonce is used twice under one; head and salt are associated data.
 */

#include "trust/crypto.h"

/* key: CELLA_SEALING_KEY_SIZE bytes; sealed: appended to. CELLA_CRYPTO_FAILED, CELLA_NO_MEMORY */
CELLA_MUST_USE cella_status cella_sealing_seal(const struct cella_secret *key, const char *purpose,
                                               const struct cella_secret *secret, struct cella_bytes *sealed);

/* CELLA_BAD_TAG  another key or purpose, or changed bytes, of any size */
CELLA_MUST_USE cella_status cella_sealing_unseal(const struct cella_secret *key, const char *purpose,
                                                 struct cella_view sealed, struct cella_secret *secret);
