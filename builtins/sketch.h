/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Where the numbers of a stream lie, in buckets: from one power of two to the next there are 32 of them, for either sign,
 * and zero is one of its own. A bucket's edges are 1/32 apart or closer, and say nothing of the numbers in it but how many.
 */

#include "base/bytes.h"

#define CELLA_SKETCH_LEAVES 4096U /* sign and exponent */
#define CELLA_SKETCH_SLOTS 32U

/* A zeroed one is empty. Memory: 8 KiB, and 256 bytes for each sign and exponent that comes; at most 1 MiB. */
struct cella_sketch {
    uint16_t *leaves; /* number of the counts from 1; 0: none yet */
    struct cella_bytes counts; /* of uint64_t, CELLA_SKETCH_SLOTS for each leaf */
    uint64_t zeros;
    uint64_t count;
};

/* Count a number, which must be finite. CELLA_NO_MEMORY */
CELLA_MUST_USE cella_status cella_sketch_add(struct cella_sketch *sketch, double value);

/* Edges of the bucket that the number of this rank (from 1 to count, the smallest first) is in. */
void cella_sketch_rank(const struct cella_sketch *sketch, uint64_t rank, double *low, double *high);

void cella_sketch_clear(struct cella_sketch *sketch);
