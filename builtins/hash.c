/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/hash.h"

#include <string.h>
#include <sys/random.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

static uint64_t load(const uint8_t *from, size_t size)
{
    uint64_t value = 0;
    memcpy(&value, from, size);
    return value;
}

/* The first size bytes, at most 8, as a little-endian number, without reading others: two loads that overlap. */
static inline uint64_t load_short(const uint8_t *from, size_t size)
{
    if (size == 8) {
        return load(from, 8);
    }
    if (size >= 4) {
        return load(from, 4) | load(from + size - 4, 4) << (8 * (size - 4));
    }
    if (size == 0) {
        return 0;
    }
    return (uint64_t) from[0] | (uint64_t) from[size / 2] << (8 * (size / 2)) |
           (uint64_t) from[size - 1] << (8 * (size - 1));
}

static inline uint64_t rotate(uint64_t value, unsigned int count)
{
    return value << count | value >> (64 - count);
}

static inline void sip_rounds(uint64_t v[4], unsigned int count)
{
    while (count-- > 0) {
        v[0] += v[1];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[0] = rotate(v[0], 32);
        v[2] += v[3];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] += v[3];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] += v[1];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[2] = rotate(v[2], 32);
    }
}

static struct cella_hash sip(const struct cella_hash_key *key, struct cella_view text)
{
    uint64_t k0 = load(key->rounds[0], 8);
    uint64_t k1 = load(key->rounds[0] + 8, 8);
    uint64_t v[4] = { k0 ^ 0x736f6d6570736575U, k1 ^ 0x646f72616e646f6dU ^ 0xeeU, k0 ^ 0x6c7967656e657261U,
                      k1 ^ 0x7465646279746573U };
    size_t rest = text.size % 8;
    for (size_t i = 0; i < text.size - rest; i += 8) {
        uint64_t word = load(text.data + i, 8);
        v[3] ^= word;
        sip_rounds(v, 2);
        v[0] ^= word;
    }
    uint64_t last = (uint64_t) text.size << 56;
    if (rest > 0) {
        last |= load_short(text.data + text.size - rest, rest);
    }
    v[3] ^= last;
    sip_rounds(v, 2);
    v[0] ^= last;
    v[2] ^= 0xeeU;
    sip_rounds(v, 4);
    uint64_t low = v[0] ^ v[1] ^ v[2] ^ v[3];
    v[1] ^= 0xddU;
    sip_rounds(v, 4);
    return (struct cella_hash){ low, v[0] ^ v[1] ^ v[2] ^ v[3] };
}

#ifdef __x86_64__

#define WITH_AES __attribute__((target("aes,sse4.1")))

WITH_AES static inline __m128i encrypt(const __m128i round[11], __m128i block)
{
    block = _mm_xor_si128(block, round[0]);
    for (size_t i = 1; i < 10; i++) {
        block = _mm_aesenc_si128(block, round[i]);
    }
    return _mm_aesenclast_si128(block, round[10]);
}

/*
 * One block if the text has at most 15 bytes: the bytes, zeros, the size. Otherwise 0xff is in the place of the size, after
 * the first 7 bytes and the size in 8; then blocks of 16 bytes from byte 7 on, the last of which is the text's last
 * 16 bytes whatever they overlap. The first block tells how many blocks there are, so no text's blocks begin another's.
 */
WITH_AES static inline __m128i cbc_mac(const __m128i round[11], struct cella_view text)
{
    if (text.size <= 15) {
        uint64_t low = load_short(text.data, text.size < 8 ? text.size : 8);
        uint64_t high = (uint64_t) text.size << 56;
        if (text.size > 8) {
            high |= load(text.data + text.size - 8, 8) >> (8 * (16 - text.size));
        }
        return encrypt(round, _mm_set_epi64x((long long) high, (long long) low));
    }
    uint64_t first = load(text.data, 8) << 8 >> 8 | (uint64_t) 0xff << 56;
    __m128i block = encrypt(round, _mm_set_epi64x((long long) first, (long long) text.size));
    for (size_t i = 7; text.size - i > 16; i += 16) {
        block = encrypt(round, _mm_xor_si128(block, _mm_loadu_si128((const __m128i_u *) (text.data + i))));
    }
    const uint8_t *last = text.data + text.size - 16;
    return encrypt(round, _mm_xor_si128(block, _mm_loadu_si128((const __m128i_u *) last)));
}

WITH_AES static void aes_many(const struct cella_hash_key *key, const struct cella_view *texts, size_t count,
                              struct cella_hash *out)
{
    __m128i round[11];
    memcpy(round, key->rounds, sizeof(round));
    for (size_t i = 0; i < count; i++) {
        _mm_storeu_si128((__m128i_u *) &out[i], cbc_mac(round, texts[i]));
    }
}

/* FIPS 197, section 5.2; the instruction takes its round constant as a literal. */
#define EXPAND(number, constant)                                                                                     \
    do {                                                                                                             \
        __m128i word = _mm_shuffle_epi32(_mm_aeskeygenassist_si128(round[(number) - 1], constant), 0xff);            \
        __m128i before = round[(number) - 1];                                                                        \
        before = _mm_xor_si128(before, _mm_slli_si128(before, 4));                                                   \
        before = _mm_xor_si128(before, _mm_slli_si128(before, 8));                                                   \
        round[number] = _mm_xor_si128(before, word);                                                                 \
    } while (0)

WITH_AES static void expand(struct cella_hash_key *key)
{
    __m128i round[11];
    memcpy(&round[0], key->rounds[0], 16);
    EXPAND(1, 0x01);
    EXPAND(2, 0x02);
    EXPAND(3, 0x04);
    EXPAND(4, 0x08);
    EXPAND(5, 0x10);
    EXPAND(6, 0x20);
    EXPAND(7, 0x40);
    EXPAND(8, 0x80);
    EXPAND(9, 0x1b);
    EXPAND(10, 0x36);
    memcpy(key->rounds, round, sizeof(round));
}

static bool has_aes(void)
{
    return __builtin_cpu_supports("aes") && __builtin_cpu_supports("sse4.1");
}

#else

static bool has_aes(void)
{
    return false;
}

static void expand(struct cella_hash_key *key)
{
    (void) key;
}

static void aes_many(const struct cella_hash_key *key, const struct cella_view *texts, size_t count,
                     struct cella_hash *out)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = sip(key, texts[i]);
    }
}

#endif

void cella_hash_key_set(struct cella_hash_key *out, const uint8_t secret[16])
{
    memset(out, 0, sizeof(*out));
    memcpy(out->rounds[0], secret, 16);
    out->aes = has_aes();
    if (out->aes) {
        expand(out);
    }
}

cella_status cella_hash_key_make(struct cella_hash_key *out)
{
    uint8_t secret[16];
    /* Up to 256 bytes come at once or not at all. Source: getrandom(2). */
    if (getrandom(secret, sizeof(secret), 0) != (ssize_t) sizeof(secret)) {
        return CELLA_RANDOM_FAILED;
    }
    cella_hash_key_set(out, secret);
    return CELLA_OK;
}

void cella_hash_many(const struct cella_hash_key *key, const struct cella_view *texts, size_t count,
                     struct cella_hash *out)
{
    if (key->aes) {
        aes_many(key, texts, count, out);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        out[i] = sip(key, texts[i]);
    }
}

struct cella_hash cella_hash_of(const struct cella_hash_key *key, struct cella_view text)
{
    struct cella_hash out;
    cella_hash_many(key, &text, 1, &out);
    return out;
}
