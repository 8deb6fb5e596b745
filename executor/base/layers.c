/* SPDX-License-Identifier: Apache-2.0 */
#include "base/layers.h"

static const char *const names[] = {
#define CELLA_LAYER_TEXT(name, bit, text) [bit] = (text),
    CELLA_LAYER_TABLE(CELLA_LAYER_TEXT)
#undef CELLA_LAYER_TEXT
};

const char *cella_layer_name(unsigned int bit)
{
    return bit < sizeof(names) / sizeof(names[0]) ? names[bit] : NULL;
}

uint32_t cella_layer_bit(struct cella_view name)
{
    for (unsigned int bit = 0; bit < sizeof(names) / sizeof(names[0]); bit++) {
        if (cella_view_is(name, names[bit])) {
            return (uint32_t) 1 << bit;
        }
    }
    return 0;
}
