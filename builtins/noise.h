/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Whole-number noise for differential privacy, with exactly the distributions that the proofs are about: only whole-number
 * arithmetic and random bits of the operating system, no floating point, whose gaps and roundings are what tells a noisy
 * value from another. How long a draw takes depends on what is drawn.
 *
 * Source: Canonne, Kamath, Steinke: The discrete Gaussian for differential privacy (2020), algorithms 1 to 3; Mironov: On
 * significance of the least significant bits for differential privacy (2012).
 */

#include "base/bytes.h"

#define CELLA_NOISE_BUFFER 4096U

__extension__ typedef __int128 cella_noise_int;
__extension__ typedef unsigned __int128 cella_noise_uint;

/* Random bytes that were drawn and not used yet. A zeroed one has none. It is wiped by cella_noise_clear. */
struct cella_noise {
    uint8_t bytes[CELLA_NOISE_BUFFER];
    size_t left;
};

/*
 * A scale t = numerator / denominator: P[x] is proportional to exp(-|x| / t).
 * numerator: 1 to 2^100. denominator: 1 to 2^64.
 */
struct cella_noise_laplace {
    cella_noise_uint numerator;
    cella_noise_uint denominator;
};

/*
 * A variance parameter s = numerator / 2^shift: P[x] is proportional to exp(-x^2 / 2s).
 * numerator: 1 to 2^54. shift: 0 or 20; s is below 2^30 with shift 20.
 */
struct cella_noise_gaussian {
    uint64_t numerator;
    unsigned int shift;
};

/* One draw. CELLA_RANDOM_FAILED; CELLA_INTERNAL for parameters beyond their ranges. */
CELLA_MUST_USE cella_status cella_noise_draw_laplace(struct cella_noise *noise,
                                                     const struct cella_noise_laplace *scale, cella_noise_int *out);

/* One draw. A value beyond 64 standard deviations, which has a chance below 2^-2000, is drawn anew. Errors as above. */
CELLA_MUST_USE cella_status cella_noise_draw_gaussian(struct cella_noise *noise,
                                                      const struct cella_noise_gaussian *variance,
                                                      cella_noise_int *out);

/* A whole number from 0 to below bound, all equally likely. bound: 1 to 2^127. CELLA_RANDOM_FAILED */
CELLA_MUST_USE cella_status cella_noise_draw_below(struct cella_noise *noise, cella_noise_uint bound,
                                                   cella_noise_uint *out);

/* Wipe the bytes that are left. */
void cella_noise_clear(struct cella_noise *noise);
