/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Quotes of a TPM, in the container of trust/tpm_quote.h, for every back-end whose evidence has one. */

#include "platform/tpm_keys.h"
#include "trust/evidence.h"

/*
 * Registers that are quoted and sealed to: 0 to 9, 12 and 14. Left out: 10, which grows while the machine runs; 11 and 15,
 * into which systemd goes on measuring while the machine starts; 13, of system extensions that come and go; 16 and above,
 * which can be reset.
 */
#define CELLA_TPM_SELECTION 0x0053ffU

/* The selection in the TPM's form, of the bank that this TPM has: SHA-256, else SHA-384. CELLA_SYSTEM_FAILED  neither */
CELLA_MUST_USE cella_status cella_tpm_selection(struct cella_tpm *tpm, TPML_PCR_SELECTION *out);

/*
 * A quote, checked against what was asked: made for report_data, over the selection, with the values that it is over, and
 * signed by the key.
 *
 * key:       handle of the attestation key
 * public:    its public part
 * with_key:  the container names the key; false: something else that comes with it does
 * out:       the container, appended to
 * CELLA_BAD_EVIDENCE   the TPM gave something else than was asked; CELLA_SYSTEM_FAILED
 */
CELLA_MUST_USE cella_status cella_tpm_quote(struct cella_tpm *tpm, ESYS_TR key, const TPM2B_PUBLIC *public, bool with_key,
                                            const uint8_t report_data[CELLA_REPORT_DATA_SIZE], struct cella_bytes *out);
