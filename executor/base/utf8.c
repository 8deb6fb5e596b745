/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

bool cella_utf8_next(struct cella_view *rest, uint32_t *out)
{
    static const uint32_t least[4] = { 0, 0x80, 0x800, 0x10000 };
    if (rest->size == 0) {
        return false;
    }
    uint8_t first = rest->data[0];
    unsigned int more = first < 0x80 ? 0 : first >> 5 == 6 ? 1 : first >> 4 == 14 ? 2 : first >> 3 == 30 ? 3 : 4;
    if (more > 3 || more > rest->size - 1) {
        return false;
    }
    uint32_t value = more == 0 ? first : first & (0x3fU >> more);
    for (unsigned int i = 1; i <= more; i++) {
        if (rest->data[i] >> 6 != 2) {
            return false;
        }
        value = value << 6 | (rest->data[i] & 0x3fU);
    }
    if (value < least[more] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) {
        return false;
    }
    *rest = cella_view_of(rest->data + 1 + more, rest->size - 1 - more);
    *out = value;
    return true;
}

bool cella_utf8_is(struct cella_view text)
{
    uint32_t character;
    bool good = true;
    while (good && text.size > 0) {
        good = cella_utf8_next(&text, &character);
    }
    return good;
}
