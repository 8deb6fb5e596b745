/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Sorting by networks of comparators: which memory is touched in which order, and every branch, depends on the count
 * only, never on what is sorted. n log^2 n work, in vectors. For counts that nobody needs to hide.
 *
 * Source: Batcher: Sorting networks and their applications (1968); Lang: Bitonic sorting network for n not a power of 2.
 */

#include "builtins/call.h"

/* Arrays to be sorted have room for a multiple of this. */
#define CELLA_OBLIVIOUS_TILE 64U

/* How many elements to make room for; what is behind count is overwritten with the largest number. */
static inline size_t cella_oblivious_room(size_t count)
{
    return (count + CELLA_OBLIVIOUS_TILE - 1) / CELLA_OBLIVIOUS_TILE * CELLA_OBLIVIOUS_TILE;
}

/*
 * Sort count numbers of 128 bits, ascending; the i-th is high[i] * 2^64 + low[i].
 *
 * high, low:  room for cella_oblivious_room(count); aligned to 64 bytes for speed
 * from, to:   what the call's progress is before and after
 *
 * CELLA_CANCELLED
 */
CELLA_MUST_USE cella_status cella_oblivious_sort_pairs(struct cella_builtin_call *call, uint64_t *high, uint64_t *low,
                                                       size_t count, double from, double to);

/* The same for numbers of 64 bits. */
CELLA_MUST_USE cella_status cella_oblivious_sort(struct cella_builtin_call *call, uint64_t *numbers, size_t count,
                                                 double from, double to);

/*
 * Sort count rows of width words each, ascending, the first word counting most. No room behind them is needed.
 * CELLA_CANCELLED
 */
CELLA_MUST_USE cella_status cella_oblivious_sort_rows(struct cella_builtin_call *call, uint64_t *rows, size_t width,
                                                      size_t count);
