/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Evidence of the soft platform: the executor's files were hashed, and a software root on the same machine signed
 * the hash. It withstands an honest host's mistakes, nothing more: level 2, for development and tests. It needs its
 * own root in the relying party's policy, so it can never be mistaken for hardware.
 *
 * Layout, 214 bytes:
 *   0    8  "CELLASW1"
 *   8    4  layers, CELLA_LAYER_* bits, big-endian
 *   12   2  0
 *   14  32  measurement: SHA-256 of the measurement list (docs/attestation.md)
 *   46  64  report data
 *   110  8  issued, Unix seconds, big-endian
 *   118 32  root: Ed25519 public key
 *   150 64  Ed25519 signature over field("cella soft evidence v1") || field(bytes 0 to 149)
 */

#include "trust/evidence.h"

#define CELLA_EVIDENCE_SOFT_SIZE 214

/* Make evidence. root_seed: the machine's software root. out is appended to. */
CELLA_MUST_USE cella_status cella_evidence_soft_make(const struct cella_secret *root_seed, uint32_t layers,
                                                     const uint8_t measurement[CELLA_SHA256_SIZE],
                                                     const uint8_t report_data[CELLA_REPORT_DATA_SIZE],
                                                     uint64_t issued_unix_s, struct cella_bytes *out);
