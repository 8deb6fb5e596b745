/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Credential activation, the relying party's half: a secret for the one TPM that has both the endorsement key that a maker
 * vouches for and the attestation key of a given name. Whoever returns it has shown that both are in one TPM, and that the
 * attestation key has the attributes that its name is the hash of; from then on a trust file can pin that name.
 *
 * Sources: TCG TPM 2.0 Library, part 1: 24 (credential protection), 11.4.10 (KDFa, KDFe), annexes B.10 and C.6; TCG EK
 * Credential Profile, templates L-1 (RSA 2048) and L-2 (P-256), to which endorsement keys are made.
 */

#include "trust/certificate.h"

#define CELLA_TPM_NAME_SIZE 34          /* 000b and a SHA-256 */
#define CELLA_TPM_CREDENTIAL_SECRET_SIZE 32

/*
 * The TPM's name of an attestation key.
 *
 * area: its TPMT_PUBLIC. Untrusted
 * CELLA_BAD_KEY  it can not be read, or it is a key that signs more than what the TPM itself says
 */
CELLA_MUST_USE cella_status cella_tpm_attestation_name(struct cella_view area, uint8_t name[CELLA_TPM_NAME_SIZE]);

/*
 * The endorsement key that a maker vouches for. Revocation is not looked at: makers publish lists rarely.
 *
 * given:      the endorsement certificate first, then whatever helps on the way to an anchor. Untrusted
 * anchors:    makers, of the family "tpm"
 * now_unix_s: the time that counts
 * out:        the key; the caller frees it
 * detail:     receives a sentence for people
 * CELLA_ROOT, CELLA_EXPIRED, CELLA_BAD_EVIDENCE  as cella_chain_verify
 * CELLA_ENDORSEMENT  there is no certificate, or the first one is not for an endorsement key (usage 2.23.133.8.1)
 */
CELLA_MUST_USE cella_status cella_tpm_endorsement_key(const struct cella_certificates *given,
                                                      const struct cella_anchors *anchors, uint64_t now_unix_s,
                                                      struct cella_public_key **out, struct cella_text *detail);

/*
 * Make a credential, as TPM2_MakeCredential does.
 *
 * endorsement: RSA of 2048 bits, or P-256
 * name:        of the attestation key
 * secret:      what only that TPM shall read
 * out:         TPM2B_ID_OBJECT, then TPM2B_ENCRYPTED_SECRET; appended to
 * CELLA_BAD_KEY  a key of another kind; CELLA_RANDOM_FAILED, CELLA_CRYPTO_FAILED
 */
CELLA_MUST_USE cella_status cella_tpm_credential_make(const struct cella_public_key *endorsement,
                                                      const uint8_t name[CELLA_TPM_NAME_SIZE],
                                                      const uint8_t secret[CELLA_TPM_CREDENTIAL_SECRET_SIZE],
                                                      struct cella_bytes *out);
