/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/number.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAST_DIGITS 19  /* always fit 64 bits */
#define EXACT_DIGITS 800 /* no double's neighbours need more to be told apart; later digits count as "some" or "none" */

/* A decimal number as it is written: digits from first to end with at most one point, times 10 to the exponent. */
struct decimal {
    const uint8_t *first;
    const uint8_t *end;
    uint64_t digits; /* all of them as one number, if count is at most FAST_DIGITS */
    size_t count;    /* digits without leading zeros */
    int64_t exponent; /* of the last digit */
    bool negative;
};

static bool is_blank(uint8_t character)
{
    return character == ' ' || character == '\t' || character == '\r';
}

static bool is_digit(uint8_t character)
{
    return (uint8_t) (character - '0') < 10;
}

static struct cella_view trim(struct cella_view text)
{
    while (text.size > 0 && is_blank(text.data[text.size - 1])) {
        text.size--;
    }
    while (text.size > 0 && is_blank(text.data[0])) {
        text.data++;
        text.size--;
    }
    return text;
}

/*
 * Digits and exponent. False: this is not a decimal number. The sum of the digits may overflow; count then says that it
 * is not to be used.
 */
static bool take_apart(struct cella_view text, struct decimal *out)
{
    const uint8_t *at = text.data;
    const uint8_t *end = text.data + text.size;
    out->negative = at < end && *at == '-';
    at += at < end && (*at == '-' || *at == '+');
    out->first = at;
    uint64_t digits = 0;
    while (at < end && is_digit(*at)) {
        digits = digits * 10 + (uint64_t) (*at++ - '0');
    }
    size_t count = (size_t) (at - out->first);
    int64_t exponent = 0;
    if (at < end && *at == '.') {
        const uint8_t *fraction = ++at;
        while (at < end && is_digit(*at)) {
            digits = digits * 10 + (uint64_t) (*at++ - '0');
        }
        exponent = fraction - at;
        count += (size_t) (at - fraction);
    }
    out->end = at;
    if (count == 0) {
        return false;
    }
    if (count > FAST_DIGITS) {
        for (const uint8_t *zero = out->first; zero < out->end && (*zero == '0' || *zero == '.'); zero++) {
            count -= *zero == '0';
        }
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        bool down = at < end && *at == '-';
        at += at < end && (*at == '-' || *at == '+');
        int64_t written = 0;
        const uint8_t *from = at;
        while (at < end && is_digit(*at)) {
            /* Beyond any text's length times ten a larger exponent changes nothing. */
            written = written < INT64_MAX / 100 ? written * 10 + (*at - '0') : written;
            at++;
        }
        if (at == from) {
            return false;
        }
        exponent += down ? -written : written;
    }
    out->digits = digits;
    out->count = count;
    out->exponent = exponent;
    return at == end;
}

#if LDBL_MANT_DIG == 64

static const long double powers_of_ten[] = {
    1e0L,  1e1L,  1e2L,  1e3L,  1e4L,  1e5L,  1e6L,  1e7L,  1e8L,  1e9L,  1e10L, 1e11L, 1e12L, 1e13L,
    1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L, 1e20L, 1e21L, 1e22L, 1e23L, 1e24L, 1e25L, 1e26L, 1e27L,
};

/* value * 10^exponent, rounded once; the exponent is from -27 to 27. */
static long double times_power(long double value, int64_t exponent)
{
    return exponent < 0 ? value / powers_of_ten[-exponent] : value * powers_of_ten[exponent];
}

/*
 * The processor's extended format holds 64 bits, so 19 digits and powers up to 10^27 are exact in it, and one operation
 * rounds once. Rounding that to 53 bits is right too, unless the 64 bits lie exactly half-way between two doubles: only
 * then it may have been the first rounding that put them there. False: it was so.
 */
static bool convert_extended(uint64_t digits, int64_t exponent, double *out)
{
    if (exponent < -27 || exponent > 27) {
        return false;
    }
    long double value = times_power((long double) digits, exponent);
    uint64_t mantissa;
    memcpy(&mantissa, &value, sizeof(mantissa));
    *out = (double) value;
    return (mantissa & 0x7ff) != 0x400;
}

#else

static bool convert_extended(uint64_t digits, int64_t exponent, double *out)
{
    (void) digits;
    (void) exponent;
    (void) out;
    return false;
}

#endif

static const double double_powers_of_ten[] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
};

static bool convert_fast(const struct decimal *decimal, double *out)
{
    if (decimal->count > FAST_DIGITS) {
        return false;
    }
    if (decimal->digits <= (1ULL << DBL_MANT_DIG) && decimal->exponent >= -22 && decimal->exponent <= 22) {
        double digits = (double) decimal->digits;
        *out = decimal->exponent < 0 ? digits / double_powers_of_ten[-decimal->exponent]
                                     : digits * double_powers_of_ten[decimal->exponent];
        return true;
    }
    return convert_extended(decimal->digits, decimal->exponent, out);
}

/* The C library's conversion in the C locale, which newlocale knows without making anything. */
static double convert_text(const char *text)
{
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t) 0);
    double value = strtod_l(text, NULL, c);
    freelocale(c);
    return value;
}

/* Any number of digits: written anew with as many as can matter, so that the C library's work is bounded. */
static double convert_slow(const struct decimal *decimal)
{
    char text[EXACT_DIGITS + 32];
    size_t size = 0;
    size_t left = 0;
    bool more = false;
    for (const uint8_t *at = decimal->first; at < decimal->end; at++) {
        if (*at == '.' || (size == 0 && *at == '0')) {
            continue;
        }
        if (size == EXACT_DIGITS) {
            more = more || *at != '0';
            left++;
            continue;
        }
        text[size++] = (char) *at;
    }
    if (size == 0) {
        return 0;
    }
    int64_t exponent = decimal->exponent + (int64_t) left;
    if (more) {
        text[size++] = '1';
        exponent--;
    }
    exponent = exponent > 9999 ? 9999 : exponent < -9999 ? -9999 : exponent;
    snprintf(text + size, sizeof(text) - size, "e%d", (int) exponent);
    return convert_text(text);
}

static bool is_word(struct cella_view text, const char *lower)
{
    size_t size = strlen(lower);
    if (text.size != size) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        if ((text.data[i] | 0x20) != lower[i]) {
            return false;
        }
    }
    return true;
}

static cella_status parse_word(struct cella_view text, double *out)
{
    bool negative = text.size > 0 && text.data[0] == '-';
    if (text.size > 0 && (text.data[0] == '-' || text.data[0] == '+')) {
        text = cella_view_of(text.data + 1, text.size - 1);
    }
    if (is_word(text, "nan")) {
        *out = (double) NAN;
        return CELLA_OK;
    }
    if (is_word(text, "inf") || is_word(text, "infinity")) {
        *out = negative ? -(double) INFINITY : (double) INFINITY;
        return CELLA_OK;
    }
    return CELLA_BAD_FORMAT;
}

cella_status cella_number_parse(struct cella_view text, double *out)
{
    struct decimal decimal = { 0 };
    text = trim(text);
    if (text.size == 0) {
        return CELLA_BAD_FORMAT;
    }
    if (!take_apart(text, &decimal)) {
        return parse_word(text, out);
    }
    double value = 0;
    if (!convert_fast(&decimal, &value)) {
        value = convert_slow(&decimal);
    }
    *out = decimal.negative ? -value : value;
    return CELLA_OK;
}

cella_status cella_number_parse_integer(struct cella_view text, int64_t *out)
{
    text = trim(text);
    size_t at = text.size > 0 && (text.data[0] == '-' || text.data[0] == '+') ? 1 : 0;
    bool negative = at == 1 && text.data[0] == '-';
    if (at == text.size) {
        return CELLA_BAD_FORMAT;
    }
    int64_t value = 0;
    bool fits = true;
    for (; at < text.size; at++) {
        if (!is_digit(text.data[at])) {
            return CELLA_BAD_FORMAT;
        }
        int64_t digit = text.data[at] - '0';
        fits = fits && !__builtin_mul_overflow(value, 10, &value) &&
               !__builtin_add_overflow(value, negative ? -digit : digit, &value);
    }
    if (!fits) {
        return CELLA_TOO_LARGE;
    }
    *out = value;
    return CELLA_OK;
}

/* Significant digits, without trailing zeros, and the place of the point: 0.d1d2d3... times 10 to the point. */
struct digits {
    char text[20];
    size_t count;
    int point;
};

/* precision digits of a positive number, as the C library rounds them: right, whatever its locale writes as a point. */
static void round_to(double value, int precision, struct digits *out)
{
    char text[40];
    snprintf(text, sizeof(text), "%.*e", precision - 1, value);
    const char *at = text;
    out->count = 0;
    for (; *at != 'e' && *at != '\0'; at++) {
        if (is_digit((uint8_t) *at)) {
            out->text[out->count++] = *at;
        }
    }
    out->point = (int) strtol(at + 1, NULL, 10) + 1;
}

static double value_of(const struct digits *digits, bool is_float)
{
    char text[48];
    snprintf(text, sizeof(text), "%.*se%d", (int) digits->count, digits->text, digits->point - (int) digits->count);
    if (!is_float) {
        double value = 0;
        return cella_number_parse(cella_view_of_string(text), &value) == CELLA_OK ? value : 0;
    }
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t) 0);
    float value = strtof_l(text, NULL, c);
    freelocale(c);
    return (double) value;
}

/* The digits as a number, one more. False: it has one digit more now (only nines). */
static bool count_up(struct digits *digits)
{
    for (size_t i = digits->count; i-- > 0;) {
        if (digits->text[i] != '9') {
            digits->text[i]++;
            return true;
        }
        digits->text[i] = '0';
    }
    return false;
}

#if LDBL_MANT_DIG == 64

/* The digits of a whole number that has count of them. */
static void spell(uint64_t number, size_t count, struct digits *out)
{
    out->count = count;
    for (size_t i = count; i-- > 0; number /= 10) {
        out->text[i] = (char) ('0' + number % 10);
    }
}

/*
 * The same as shortest for nearly all doubles, without the C library. The extended format gives value times a power of
 * ten, with 17 digits before the point, to 2^-8: that is enough to round to 15, 16 and 17 digits, unless what is cut off
 * is nearly half a unit. False: it is, or value is too large, too small or a power of two.
 */
static bool shortest_fast(double value, struct digits *out)
{
    int exponent;
    if (frexp(value, &exponent) == 0.5 || exponent < -30 || exponent > 80) {
        return false;
    }
    int point = (int) floor((exponent - 1) * 0.30102999566398120) + 1; /* or one more */
    long double scaled = times_power((long double) value, 17 - point);
    if (scaled >= 1e17L) {
        point++;
        scaled = times_power((long double) value, 17 - point);
    }
    uint64_t whole = (uint64_t) scaled;
    long double rest = scaled - (long double) whole;
    uint64_t unit = 100;
    for (size_t precision = DBL_DIG; precision <= DBL_DECIMAL_DIG; precision++, unit /= 10) {
        long double cut = (long double) (whole % unit) + rest - (long double) unit / 2;
        uint64_t digits = whole / unit + (cut > 0 ? 1 : 0);
        double back;
        if (fabsl(cut) < 0.0078125L || !convert_extended(digits, point - (int) precision, &back)) {
            return false;
        }
        if (back == value) {
            bool longer = digits * unit == 100000000000000000ULL; /* nines that became one more digit */
            spell(digits, precision + (longer ? 1 : 0), out);
            out->point = point + (longer ? 1 : 0);
            return true;
        }
    }
    return false;
}

#else

static bool shortest_fast(double value, struct digits *out)
{
    (void) value;
    (void) out;
    return false;
}

#endif

/*
 * The fewest digits that read back as value, the nearest of those. Rounding to few digits finds them, but for one case:
 * a power of two has its lower neighbour at half the distance, so that the rounded text may be too low while the next
 * one up is good.
 */
static void shortest(double value, bool is_float, struct digits *out)
{
    int most = is_float ? FLT_DECIMAL_DIG : DBL_DECIMAL_DIG;
    int sure = is_float ? FLT_DIG : DBL_DIG;
    double least = is_float ? (double) FLT_MIN : DBL_MIN;
    int exponent;
    bool power = frexp(value, &exponent) == 0.5;
    for (int precision = value < least ? 1 : sure; precision <= most; precision++) {
        round_to(value, precision, out);
        if (value_of(out, is_float) == value) {
            break;
        }
        struct digits up = *out;
        if (power && count_up(&up) && value_of(&up, is_float) == value) {
            *out = up;
            break;
        }
    }
}

static size_t put(char *out, size_t at, const char *text, size_t size)
{
    memcpy(out + at, text, size);
    return at + size;
}

static size_t zeros(char *out, size_t at, int count)
{
    for (int i = 0; i < count; i++) {
        out[at++] = '0';
    }
    return at;
}

/* As Python's repr: an exponent below 10^-4 and from 10^16 on, always a point or an exponent. At most 24 characters. */
static size_t write_digits(const struct digits *digits, size_t at, char *out)
{
    int count = (int) digits->count;
    if (digits->point > -4 && digits->point <= 0) {
        at = put(out, at, "0.", 2);
        at = zeros(out, at, -digits->point);
        return put(out, at, digits->text, digits->count);
    }
    if (digits->point > 0 && digits->point <= 16) {
        int before = digits->point < count ? digits->point : count;
        at = put(out, at, digits->text, (size_t) before);
        at = zeros(out, at, digits->point - before);
        out[at++] = '.';
        return before < count ? put(out, at, digits->text + before, (size_t) (count - before)) : zeros(out, at, 1);
    }
    at = put(out, at, digits->text, 1);
    if (count > 1) {
        out[at++] = '.';
        at = put(out, at, digits->text + 1, (size_t) (count - 1));
    }
    return at + (size_t) snprintf(out + at, CELLA_NUMBER_TEXT_MAX - at, "e%c%02d", digits->point > 0 ? '+' : '-',
                                  abs(digits->point - 1));
}

static size_t format(double value, bool is_float, char out[CELLA_NUMBER_TEXT_MAX])
{
    struct digits digits = { 0 };
    size_t at = 0;
    if (isnan(value)) {
        at = put(out, at, "nan", 3);
        out[at] = '\0';
        return at;
    }
    if (signbit(value)) {
        out[at++] = '-';
        value = -value;
    }
    if (isinf(value)) {
        at = put(out, at, "inf", 3);
    } else if (value == 0) {
        at = put(out, at, "0.0", 3);
    } else if (value < 1e15 && value == trunc(value) && !is_float) {
        at += (size_t) snprintf(out + at, CELLA_NUMBER_TEXT_MAX - at, "%lld.0", (long long) value);
    } else {
        if (is_float || !shortest_fast(value, &digits)) {
            shortest(value, is_float, &digits);
        }
        while (digits.count > 1 && digits.text[digits.count - 1] == '0') {
            digits.count--;
        }
        at = write_digits(&digits, at, out);
    }
    out[at] = '\0';
    return at;
}

size_t cella_number_format(double value, char out[CELLA_NUMBER_TEXT_MAX])
{
    return format(value, false, out);
}

size_t cella_number_format_float(float value, char out[CELLA_NUMBER_TEXT_MAX])
{
    return format((double) value, true, out);
}
