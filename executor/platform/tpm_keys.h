/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The keys of this machine's TPM. All are primaries: the TPM derives them from its seeds, the same each time, so that
 * nothing has to be kept anywhere. Elliptic curves where the TPM has them, else RSA.
 */

#include "platform/tpm_device.h"

enum cella_tpm_key {
    CELLA_TPM_ATTESTATION,     /* signs only what the TPM itself says; in the endorsement hierarchy */
    CELLA_TPM_ENDORSEMENT_RSA, /* the maker's, by the TCG's templates L-1 and L-2 */
    CELLA_TPM_ENDORSEMENT_ECC,
    CELLA_TPM_STORAGE,         /* keeps others; in the owner hierarchy */
};

/*
 * Make one.
 *
 * out:    handle; flush it
 * public: may be NULL; else free it
 * CELLA_SYSTEM_FAILED; CELLA_NOT_FOUND  this TPM makes no endorsement key of this kind
 */
CELLA_MUST_USE cella_status cella_tpm_key(struct cella_tpm *tpm, enum cella_tpm_key which, ESYS_TR *out,
                                          TPM2B_PUBLIC **public);

/* TPMT_PUBLIC as the TPM writes it: what a key's name is the hash of. Appended to out. CELLA_SYSTEM_FAILED */
CELLA_MUST_USE cella_status cella_tpm_public(struct cella_tpm *tpm, const TPM2B_PUBLIC *public, struct cella_bytes *out);

/*
 * A session that keeps parameters from whoever listens on the bus: salted for the given key, AES-128-CFB.
 *
 * type: TPM2_SE_HMAC or TPM2_SE_POLICY
 * attributes: TPMA_SESSION_DECRYPT for what goes to the TPM, TPMA_SESSION_ENCRYPT for what it answers
 */
CELLA_MUST_USE cella_status cella_tpm_session(struct cella_tpm *tpm, ESYS_TR key, TPM2_SE type, TPMA_SESSION attributes,
                                              ESYS_TR *out);

/*
 * All of an NV index, at most max bytes, appended to out. Read by its own (empty) authorisation, else by the owner's.
 * CELLA_NOT_FOUND  there is no such index; CELLA_TOO_LARGE; CELLA_SYSTEM_FAILED
 */
CELLA_MUST_USE cella_status cella_tpm_nv_read(struct cella_tpm *tpm, TPM2_HANDLE index, size_t max,
                                              struct cella_bytes *out);
