/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Sealing with a TPM. The secret is encrypted (platform/sealing.h) under a key that is half the TPM's, half the
 * measurement's: the TPM gives its half only while the registers of CELLA_TPM_SELECTION are as they were. Between here and
 * the TPM that half travels encrypted, in a session that is salted for the TPM's storage key.
 *
 * "CTPM1", field TPM2B_PRIVATE, field TPM2B_PUBLIC, field TPML_PCR_SELECTION, then what platform/sealing.h makes.
 */

#include "platform/tpm_evidence.h"

/* As cella_platform_seal and cella_platform_unseal. */
CELLA_MUST_USE cella_status cella_tpm_seal(struct cella_tpm *tpm, const struct cella_platform_setup *setup,
                                           const char *purpose, const struct cella_secret *secret,
                                           struct cella_bytes *sealed);
CELLA_MUST_USE cella_status cella_tpm_unseal(struct cella_tpm *tpm, const struct cella_platform_setup *setup,
                                             const char *purpose, struct cella_view sealed, struct cella_secret *secret);
