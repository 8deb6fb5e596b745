/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A keyed hash of 128 bits for tables of texts that come from parties who may be hostile. Its key is drawn for one call
 * and shown to nobody, and it is a pseudorandom function: nobody can choose texts that collide or that fall into one
 * bucket, and two texts among n have the same hash with probability below n^2 / 2^129. It is no digest to publish.
 *
 * AES-128 in CBC-MAC over an encoding in which no text begins another one, where the processor has AES instructions;
 * SipHash-2-4 with 128 bits elsewhere. Both take the same time for every text of one size.
 *
 * Source: Bellare, Kilian, Rogaway: The security of the cipher block chaining message authentication code (2000),
 * prefix-free messages; Aumasson, Bernstein: SipHash (2012).
 */

#include "base/bytes.h"

/* Compare both words for equality of texts; take a few bits of either for a bucket. */
struct cella_hash {
    uint64_t low;
    uint64_t high;
};

struct cella_hash_key {
    uint8_t rounds[11][16]; /* the AES key and its round keys; SipHash's key is the first */
    bool aes;               /* which function; a test may clear it */
};

/* Draw a key. CELLA_RANDOM_FAILED. */
CELLA_MUST_USE cella_status cella_hash_key_make(struct cella_hash_key *out);

/* Make the key from 16 bytes: for tests with vectors. */
void cella_hash_key_set(struct cella_hash_key *out, const uint8_t secret[16]);

/* Hash of a text of any size. */
struct cella_hash cella_hash_of(const struct cella_hash_key *key, struct cella_view text);

/* The same for count texts: several times faster than one by one. */
void cella_hash_many(const struct cella_hash_key *key, const struct cella_view *texts, size_t count,
                     struct cella_hash *out);

static inline bool cella_hash_equal(struct cella_hash a, struct cella_hash b)
{
    return ((a.low ^ b.low) | (a.high ^ b.high)) == 0;
}
