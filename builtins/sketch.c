/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/sketch.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SLOT_BITS 5U
#define KEY_SHIFT 47U /* what is left of a double's 64 bits: sign, exponent and SLOT_BITS of the fraction */

static uint64_t *counts_of(const struct cella_sketch *sketch, size_t leaf)
{
    size_t number = sketch->leaves == NULL ? 0 : sketch->leaves[leaf];
    return number == 0 ? NULL : (uint64_t *) (void *) sketch->counts.data + (number - 1) * CELLA_SKETCH_SLOTS;
}

cella_status cella_sketch_add(struct cella_sketch *sketch, double value)
{
    uint64_t bits;
    sketch->count++;
    if (value == 0) {
        sketch->zeros++;
        return CELLA_OK;
    }
    memcpy(&bits, &value, sizeof(bits));
    size_t key = (size_t) (bits >> KEY_SHIFT);
    if (sketch->leaves == NULL) {
        sketch->leaves = calloc(CELLA_SKETCH_LEAVES, sizeof(*sketch->leaves));
        if (sketch->leaves == NULL) {
            return CELLA_NO_MEMORY;
        }
    }
    if (sketch->leaves[key >> SLOT_BITS] == 0) {
        size_t leaf_size = CELLA_SKETCH_SLOTS * sizeof(uint64_t);
        CELLA_TRY(cella_bytes_resize(&sketch->counts, sketch->counts.size + leaf_size));
        sketch->leaves[key >> SLOT_BITS] = (uint16_t) (sketch->counts.size / leaf_size);
    }
    counts_of(sketch, key >> SLOT_BITS)[key % CELLA_SKETCH_SLOTS]++;
    return CELLA_OK;
}

static double edge(size_t key)
{
    uint64_t bits = (uint64_t) key << KEY_SHIFT;
    double value;
    memcpy(&value, &bits, sizeof(value));
    return isinf(value) ? copysign(DBL_MAX, value) : value;
}

/* Bucket number place in ascending order, of either sign's 2048 * 32: negative ones from the largest size down. */
static size_t key_at(size_t place, bool negative)
{
    size_t half = (size_t) CELLA_SKETCH_LEAVES / 2 * CELLA_SKETCH_SLOTS;
    return negative ? half + (half - 1 - place) : place;
}

/* Go through one sign's buckets, from the least on. False: rank is beyond them, and now relative to what follows. */
static bool find(const struct cella_sketch *sketch, bool negative, uint64_t *rank, size_t *key)
{
    for (size_t place = 0; place < (size_t) CELLA_SKETCH_LEAVES / 2 * CELLA_SKETCH_SLOTS; place++) {
        *key = key_at(place, negative);
        const uint64_t *counts = counts_of(sketch, *key >> SLOT_BITS);
        if (counts == NULL) {
            place += CELLA_SKETCH_SLOTS - 1; /* a leaf begins at a multiple of its size for either sign */
            continue;
        }
        uint64_t here = counts[*key % CELLA_SKETCH_SLOTS];
        if (*rank <= here) {
            return true;
        }
        *rank -= here;
    }
    return false;
}

void cella_sketch_rank(const struct cella_sketch *sketch, uint64_t rank, double *low, double *high)
{
    size_t key = 0;
    *low = 0;
    *high = 0;
    if (find(sketch, true, &rank, &key)) {
        *low = edge(key + 1);
        *high = edge(key);
        return;
    }
    if (rank <= sketch->zeros) {
        return;
    }
    rank -= sketch->zeros;
    if (find(sketch, false, &rank, &key)) {
        *low = edge(key);
        *high = edge(key + 1);
    }
}

void cella_sketch_clear(struct cella_sketch *sketch)
{
    free(sketch->leaves);
    cella_bytes_clear(&sketch->counts);
    *sketch = (struct cella_sketch){ 0 };
}
