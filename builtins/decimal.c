/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/decimal.h"

#include <math.h>
#include <string.h>

#include "builtins/number.h"

typedef unsigned __int128 wide;

/* value * 10^places as a whole number, rounded half to even. |value| < 10^25, so that it fits. */
static wide scale(double value, unsigned int places)
{
    int exponent;
    wide scaled = (wide) (uint64_t) ldexp(frexp(value, &exponent), 53);
    exponent -= 53;
    for (unsigned int i = 0; i < places; i++) {
        scaled *= 10; /* at most 53 + 34 bits */
    }
    if (exponent >= 0) {
        return scaled << exponent;
    }
    if (exponent < -90) {
        return 0;
    }
    wide unit = (wide) 1 << -exponent;
    wide whole = scaled >> -exponent;
    wide rest = scaled & (unit - 1);
    return whole + (rest > unit / 2 || (rest == unit / 2 && (whole & 1) != 0));
}

size_t cella_decimal_format(double value, unsigned int places, char out[CELLA_DECIMAL_TEXT_MAX])
{
    if (!(fabs(value) < 1e25)) {
        return cella_number_format(value, out);
    }
    char digits[CELLA_DECIMAL_TEXT_MAX];
    size_t at = sizeof(digits);
    wide scaled = scale(fabs(value), places);
    for (unsigned int i = 0; i < places; i++) {
        digits[--at] = (char) ('0' + (int) (scaled % 10));
        scaled /= 10;
    }
    digits[--at] = '.';
    do {
        digits[--at] = (char) ('0' + (int) (scaled % 10));
        scaled /= 10;
    } while (scaled > 0);
    if (signbit(value)) {
        digits[--at] = '-';
    }
    memcpy(out, digits + at, sizeof(digits) - at);
    return sizeof(digits) - at;
}
