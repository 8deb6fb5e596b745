/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/noise.h"

#include <string.h>
#include <sys/random.h>

#define DEVIATIONS_MAX 64U

static cella_status take_bytes(struct cella_noise *noise, void *out, size_t size)
{
    if (noise->left < size) {
        noise->left = 0;
        while (noise->left < sizeof(noise->bytes)) {
            ssize_t got = getrandom(noise->bytes + noise->left, sizeof(noise->bytes) - noise->left, 0);
            if (got <= 0) {
                noise->left = 0;
                return CELLA_RANDOM_FAILED;
            }
            noise->left += (size_t) got;
        }
    }
    noise->left -= size;
    memcpy(out, noise->bytes + noise->left, size);
    return CELLA_OK;
}

void cella_noise_clear(struct cella_noise *noise)
{
    explicit_bzero(noise, sizeof(*noise));
}

static unsigned int bits_of(cella_noise_uint value)
{
    uint64_t high = (uint64_t) (value >> 64);
    uint64_t low = (uint64_t) value;
    return high != 0 ? 128U - (unsigned int) __builtin_clzll(high)
                     : low != 0 ? 64U - (unsigned int) __builtin_clzll(low) : 0;
}

cella_status cella_noise_draw_below(struct cella_noise *noise, cella_noise_uint bound, cella_noise_uint *out)
{
    unsigned int bits = bits_of(bound - 1);
    if (bits == 0) {
        *out = 0;
        return CELLA_OK;
    }
    cella_noise_uint mask = (((cella_noise_uint) 1 << (bits - 1)) - 1) * 2 + 1;
    do {
        cella_noise_uint drawn = 0;
        CELLA_TRY(take_bytes(noise, &drawn, (bits + 7) / 8));
        *out = drawn & mask;
    } while (*out >= bound);
    return CELLA_OK;
}

/* True with chance exp(-numerator / denominator), for a fraction from 0 to 1. Algorithm 1, first part. */
static cella_status draw_exp_fraction(struct cella_noise *noise, cella_noise_uint numerator,
                                      cella_noise_uint denominator, bool *out)
{
    for (unsigned int k = 1;; k++) {
        cella_noise_uint bound;
        cella_noise_uint drawn = 0;
        if (__builtin_mul_overflow(denominator, (cella_noise_uint) k, &bound)) {
            return CELLA_INTERNAL;
        }
        CELLA_TRY(cella_noise_draw_below(noise, bound, &drawn));
        if (drawn >= numerator) {
            *out = k % 2 == 1;
            return CELLA_OK;
        }
    }
}

/* The same for any fraction from 0 on. Algorithm 1, second part. */
static cella_status draw_exp(struct cella_noise *noise, cella_noise_uint numerator, cella_noise_uint denominator,
                             bool *out)
{
    for (*out = true; *out && numerator > denominator; numerator -= denominator) {
        CELLA_TRY(draw_exp_fraction(noise, 1, 1, out));
    }
    return *out ? draw_exp_fraction(noise, numerator, denominator, out) : CELLA_OK;
}

cella_status cella_noise_draw_laplace(struct cella_noise *noise, const struct cella_noise_laplace *scale,
                                      cella_noise_int *out)
{
    if (scale->numerator == 0 || scale->numerator >> 100 > 0 || scale->denominator == 0 ||
        scale->denominator >> 64 > 0) {
        return CELLA_INTERNAL;
    }
    for (;;) {
        cella_noise_uint offset = 0;
        cella_noise_uint negative = 0;
        bool go_on = false;
        CELLA_TRY(cella_noise_draw_below(noise, scale->numerator, &offset));
        CELLA_TRY(draw_exp_fraction(noise, offset, scale->numerator, &go_on));
        if (!go_on) {
            continue;
        }
        /* 2^20 times a chance of 1/e do not come. */
        for (unsigned int turns = 0; turns < 1U << 20; turns++) {
            CELLA_TRY(draw_exp_fraction(noise, 1, 1, &go_on));
            if (!go_on) {
                break;
            }
            offset += scale->numerator;
        }
        cella_noise_int size = (cella_noise_int) (offset / scale->denominator);
        CELLA_TRY(cella_noise_draw_below(noise, 2, &negative));
        if (negative == 0 || size != 0) { /* else 0 would come twice as often as it should */
            *out = negative == 1 ? -size : size;
            return CELLA_OK;
        }
    }
}

/* The largest whole number whose square is at most value, a value below 2^62. */
static uint64_t root_of(uint64_t value)
{
    uint64_t root = 0;
    for (uint64_t bit = 1ULL << 31; bit > 0; bit >>= 1) {
        if ((root + bit) * (root + bit) <= value) {
            root += bit;
        }
    }
    return root;
}

cella_status cella_noise_draw_gaussian(struct cella_noise *noise, const struct cella_noise_gaussian *variance,
                                       cella_noise_int *out)
{
    uint64_t s = variance->numerator;
    unsigned int shift = variance->shift;
    if (s == 0 || s > 1ULL << 54 || (shift != 0 && shift != 20) || (shift == 20 && s >> 50 > 0)) {
        return CELLA_INTERNAL;
    }
    /* floor(sqrt(s / 2^shift)) + 1, a whole number, is the scale of what is drawn and then taken or not. */
    uint64_t t = root_of(s >> shift) + 1;
    const struct cella_noise_laplace scale = { t, 1 };
    /* exp(-(|y| - v/t)^2 / 2v) with v = s / 2^shift, as a fraction of whole numbers below 2^126. */
    cella_noise_uint denominator = ((cella_noise_uint) s * t * t * 2) << shift;
    for (;;) {
        cella_noise_int drawn = 0;
        bool taken = false;
        CELLA_TRY(cella_noise_draw_laplace(noise, &scale, &drawn));
        cella_noise_uint size = (cella_noise_uint) (drawn < 0 ? -drawn : drawn);
        if (size > (cella_noise_uint) t * DEVIATIONS_MAX) {
            continue;
        }
        cella_noise_int distance = (cella_noise_int) ((size * t) << shift) - (cella_noise_int) s;
        distance = distance < 0 ? -distance : distance;
        CELLA_TRY(draw_exp(noise, (cella_noise_uint) distance * (cella_noise_uint) distance, denominator, &taken));
        if (taken) {
            *out = drawn;
            return CELLA_OK;
        }
    }
}
