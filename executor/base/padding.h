/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Size classes: what is padded to its class tells whoever sees its size little more than its order of magnitude.
 */

#include <stdint.h>

/* The smallest class, in bytes: a short answer is as long as any other, "yes" as "no", empty as both. */
#define CELLA_PADDED_MIN 256U

/*
 * The class of a size: Padmé. A size with highest bit E keeps its floor(log2 E) + 1 highest bits, rounded up, so that
 * at most 12 % are added and a size of 2^E bytes hides among 2^(E - floor(log2 E) - 1) others.
 *
 * size: bytes. Trusted or not; above 2^63 it is its own class, for lack of a larger number.
 *
 * The result is at least size and at least CELLA_PADDED_MIN; the class of a class is itself.
 *
 * Source: Nikitin et al., Reducing Metadata Leakage from Encrypted Files and Communication with PURBs, PoPETS 2019.
 */
uint64_t cella_padded_size(uint64_t size);
