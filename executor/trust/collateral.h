/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Collateral: what a relying party needs beside evidence and only its vendor's service has. The executor names it, the host
 * fetches it, and it travels with the evidence, so that a client needs no network but the executor. Nobody on the way is
 * trusted: all of it is signed by the vendor, and the verifier judges it.
 *
 * A request is a line of words, as the host's program takes them as arguments:
 *
 *   intel tdx|sgx FMSPC processor|platform           TCB info, QE identity, both revocation lists, with their signers
 *   amd vcek milan|genoa|turin ID BL TEE SNP UCODE [FMC]   the chip's certificate, its issuers, the revocation list;
 *                                                    ID and FMSPC in hexadecimal, versions in decimal
 *   amd list vcek|vlek milan|genoa|turin             the revocation list only: the machine gave the certificates
 *
 * Source: Intel PCS API v4; AMD 57230 (KDS).
 */

#include "trust/evidence.h"

#define CELLA_COLLATERAL_REQUEST_MAX 255U  /* bytes of a request */
#define CELLA_COLLATERAL_MAX 1048576U      /* bytes of an answer */

/*
 * What must be fetched for evidence of one's own.
 *
 * evidence:     in the TEE's own format
 * endorsements: what the machine gave with it, wire form
 * out:          receives the request
 * detail:       receives a sentence for the operator when there is none
 * CELLA_NOT_FOUND     nothing: this kind needs none
 * CELLA_BAD_EVIDENCE  it can not be told from this evidence; CELLA_ENDORSEMENT  what the machine gave is malformed
 */
CELLA_MUST_USE cella_status cella_collateral_request(enum cella_evidence_type type, struct cella_view evidence,
                                                     struct cella_view endorsements, struct cella_bytes *out,
                                                     struct cella_text *detail);

/*
 * Is that an answer: a list of endorsements of the kinds that vendors sign, of bounded size and number? Whether they are any
 * good is the relying party's judgement.
 *
 * answer: wire form (trust/endorsement.h). Untrusted
 * beside: how many endorsements it will travel with
 * CELLA_BAD_FORMAT, CELLA_TOO_LARGE, CELLA_TOO_MANY, CELLA_BAD_FIELD  a kind that no vendor's service has
 */
CELLA_MUST_USE cella_status cella_collateral_check(struct cella_view answer, size_t beside);
