/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * An anchor in a TPM: an index of its memory whose value can only be extended, new = SHA-256(old || what comes), and never be
 * written. TPM2_NV_Increment would only count: after a crash it could not be told apart which of two histories a number was
 * counted for (monitor/ledger_anchor.h).
 *
 * Its password is derived from the caller's key, and so is its number, 0x01a00000 to 0x01afffff; both travel in a session that
 * is salted for the TPM's storage key, and the TPM's answers are authenticated with them. The machine's owner can remove the
 * index; he can not make it again without the key. Nobody is locked out by wrong passwords (NO_DA).
 */

#include "platform/tpm_keys.h"

/* As cella_platform_anchor, cella_platform_anchor_new, cella_platform_anchor_extend. */
CELLA_MUST_USE cella_status cella_tpm_anchor(struct cella_tpm *tpm, const struct cella_secret *key,
                                             uint8_t value[CELLA_PLATFORM_ANCHOR_SIZE]);
CELLA_MUST_USE cella_status cella_tpm_anchor_new(struct cella_tpm *tpm, const struct cella_secret *key);
CELLA_MUST_USE cella_status cella_tpm_anchor_extend(struct cella_tpm *tpm, const struct cella_secret *key,
                                                    const uint8_t digest[CELLA_SHA256_SIZE]);
