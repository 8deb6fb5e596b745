/* SPDX-License-Identifier: Apache-2.0 */
#include "base/padding.h"

static unsigned int highest_bit(uint64_t value)
{
    return 63U - (unsigned int) __builtin_clzll(value);
}

uint64_t cella_padded_size(uint64_t size)
{
    if (size <= CELLA_PADDED_MIN) {
        return CELLA_PADDED_MIN;
    }
    if (size > (uint64_t) 1 << 63) {
        return size;
    }
    unsigned int exponent = highest_bit(size);
    uint64_t low = ((uint64_t) 1 << (exponent - highest_bit(exponent) - 1)) - 1;
    return (size + low) & ~low;
}
