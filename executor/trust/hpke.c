/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/hpke.h"

#include <string.h>

/* Names follow RFC 9180. All outputs are at most one SHA-256 block, so that each Expand is one HMAC. */

#define HASH_SIZE CELLA_SHA256_SIZE

static const uint8_t kem_suite[] = { 'K', 'E', 'M', 0x00, 0x20 };
static const uint8_t hpke_suite[] = { 'H', 'P', 'K', 'E', 0x00, 0x20, 0x00, 0x01, 0x00, 0x02 };

static void wiped_bytes_clear(struct cella_bytes *bytes)
{
    cella_wipe(bytes->data, bytes->size);
    cella_bytes_clear(bytes);
}

static cella_status append_text(struct cella_bytes *out, const char *text)
{
    return cella_bytes_append(out, cella_view_of_string(text));
}

static cella_status labeled_extract(struct cella_view suite, struct cella_view salt, const char *label,
                                    struct cella_view ikm, uint8_t out[HASH_SIZE])
{
    CELLA_CLEANUP(wiped_bytes_clear) struct cella_bytes text = { 0 };
    /* Reserved at once: growing would leave an unwiped copy of ikm behind. */
    CELLA_TRY(cella_bytes_reserve(&text, 64 + ikm.size));
    CELLA_TRY(append_text(&text, "HPKE-v1"));
    CELLA_TRY(cella_bytes_append(&text, suite));
    CELLA_TRY(append_text(&text, label));
    CELLA_TRY(cella_bytes_append(&text, ikm));
    return cella_hmac_sha256(salt, cella_bytes_view(&text), out);
}

static cella_status labeled_expand(struct cella_view suite, const uint8_t prk[HASH_SIZE], const char *label,
                                   struct cella_view info, uint8_t *out, size_t size)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    uint8_t block[HASH_SIZE];
    const uint8_t length[2] = { 0, (uint8_t) size };
    const uint8_t counter = 1;
    CELLA_TRY(cella_bytes_append(&text, cella_view_of(length, sizeof(length))));
    CELLA_TRY(append_text(&text, "HPKE-v1"));
    CELLA_TRY(cella_bytes_append(&text, suite));
    CELLA_TRY(append_text(&text, label));
    CELLA_TRY(cella_bytes_append(&text, info));
    CELLA_TRY(cella_bytes_append(&text, cella_view_of(&counter, 1)));
    CELLA_TRY(cella_hmac_sha256(cella_view_of(prk, HASH_SIZE), cella_bytes_view(&text), block));
    memcpy(out, block, size);
    cella_wipe(block, sizeof(block));
    return CELLA_OK;
}

/* Everything between the Diffie-Hellman result and the message; wiped as one. */
struct schedule {
    uint8_t prk[HASH_SIZE];
    uint8_t shared_secret[HASH_SIZE];
    uint8_t secret[HASH_SIZE];
    uint8_t context[1 + 2 * HASH_SIZE];
    uint8_t base_nonce[CELLA_GCM_NONCE_SIZE];
};

static void schedule_clear(struct schedule *schedule)
{
    cella_wipe(schedule, sizeof(*schedule));
}

/* Section 4.1, ExtractAndExpand. */
static cella_status extract_and_expand(struct cella_view dh, const uint8_t enc[CELLA_HPKE_ENC_SIZE],
                                       const uint8_t receiver[CELLA_X25519_KEY_SIZE], struct schedule *schedule)
{
    struct cella_view suite = cella_view_of(kem_suite, sizeof(kem_suite));
    uint8_t context[CELLA_HPKE_ENC_SIZE + CELLA_X25519_KEY_SIZE];
    memcpy(context, enc, CELLA_HPKE_ENC_SIZE);
    memcpy(context + CELLA_HPKE_ENC_SIZE, receiver, CELLA_X25519_KEY_SIZE);
    CELLA_TRY(labeled_extract(suite, (struct cella_view){ 0 }, "eae_prk", dh, schedule->prk));
    return labeled_expand(suite, schedule->prk, "shared_secret", cella_view_of(context, sizeof(context)),
                          schedule->shared_secret, HASH_SIZE);
}

/* Section 5.1, KeySchedule in base mode: the context's first byte, the mode, is 0. */
static cella_status key_schedule(struct cella_view info, struct schedule *schedule, struct cella_aead **out)
{
    struct cella_view suite = cella_view_of(hpke_suite, sizeof(hpke_suite));
    struct cella_view none = { 0 };
    struct cella_view shared = cella_view_of(schedule->shared_secret, HASH_SIZE);
    struct cella_view context = cella_view_of(schedule->context, sizeof(schedule->context));
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = { 0 };
    CELLA_TRY(cella_secret_resize(&key, CELLA_AES_KEY_SIZE));
    schedule->context[0] = 0;
    CELLA_TRY(labeled_extract(suite, none, "psk_id_hash", none, schedule->context + 1));
    CELLA_TRY(labeled_extract(suite, none, "info_hash", info, schedule->context + 1 + HASH_SIZE));
    CELLA_TRY(labeled_extract(suite, shared, "secret", none, schedule->secret));
    CELLA_TRY(labeled_expand(suite, schedule->secret, "key", context, key.data, key.size));
    CELLA_TRY(labeled_expand(suite, schedule->secret, "base_nonce", context, schedule->base_nonce,
                             sizeof(schedule->base_nonce)));
    *out = cella_aead_new(&key);
    return *out == NULL ? CELLA_CRYPTO_FAILED : CELLA_OK;
}

/* Both sides' way to the message key; the first message's nonce is the base nonce itself. */
static cella_status set_up(const struct cella_secret *private_key, const uint8_t peer[CELLA_X25519_KEY_SIZE],
                           const uint8_t enc[CELLA_HPKE_ENC_SIZE], const uint8_t receiver[CELLA_X25519_KEY_SIZE],
                           struct cella_view info, struct schedule *schedule, struct cella_aead **out)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret dh = { 0 };
    CELLA_TRY(cella_x25519_derive(private_key, peer, &dh));
    CELLA_TRY(extract_and_expand(cella_secret_view(&dh), enc, receiver, schedule));
    return key_schedule(info, schedule, out);
}

cella_status cella_hpke_seal_with(const struct cella_secret *ephemeral,
                                  const uint8_t receiver[CELLA_X25519_KEY_SIZE], struct cella_view info,
                                  struct cella_view associated_data, struct cella_view plain,
                                  struct cella_bytes *out)
{
    CELLA_CLEANUP(schedule_clear) struct schedule schedule = { 0 };
    CELLA_CLEANUP(cella_aead_cleanup) struct cella_aead *aead = NULL;
    uint8_t enc[CELLA_HPKE_ENC_SIZE];
    CELLA_TRY(cella_x25519_public(ephemeral, enc));
    CELLA_TRY(set_up(ephemeral, receiver, enc, receiver, info, &schedule, &aead));
    if (plain.size > SIZE_MAX / 4) {
        return CELLA_NO_MEMORY;
    }
    CELLA_TRY(cella_bytes_reserve(out, plain.size + CELLA_HPKE_OVERHEAD));
    uint8_t *target = out->data + out->size;
    memcpy(target, enc, sizeof(enc));
    CELLA_TRY(cella_aead_seal(aead, schedule.base_nonce, associated_data, plain, target + sizeof(enc)));
    out->size += plain.size + CELLA_HPKE_OVERHEAD;
    return CELLA_OK;
}

cella_status cella_hpke_seal(const uint8_t receiver[CELLA_X25519_KEY_SIZE], struct cella_view info,
                             struct cella_view associated_data, struct cella_view plain, struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret ephemeral = { 0 };
    CELLA_TRY(cella_secret_random(&ephemeral, CELLA_X25519_KEY_SIZE));
    return cella_hpke_seal_with(&ephemeral, receiver, info, associated_data, plain, out);
}

cella_status cella_hpke_open(const struct cella_secret *private_key, struct cella_view info,
                             struct cella_view associated_data, struct cella_view sealed, struct cella_secret *out)
{
    CELLA_CLEANUP(schedule_clear) struct schedule schedule = { 0 };
    CELLA_CLEANUP(cella_aead_cleanup) struct cella_aead *aead = NULL;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret plain = { 0 };
    uint8_t receiver[CELLA_X25519_KEY_SIZE];
    uint8_t nothing = 0;
    cella_secret_clear(out);
    if (sealed.size < CELLA_HPKE_OVERHEAD) {
        return CELLA_BAD_FORMAT;
    }
    const uint8_t *enc = sealed.data;
    struct cella_view text = { sealed.data + CELLA_HPKE_ENC_SIZE, sealed.size - CELLA_HPKE_ENC_SIZE };
    CELLA_TRY(cella_x25519_public(private_key, receiver));
    CELLA_TRY(set_up(private_key, enc, enc, receiver, info, &schedule, &aead));
    CELLA_TRY(cella_secret_resize(&plain, text.size - CELLA_GCM_TAG_SIZE));
    CELLA_TRY(cella_aead_open(aead, schedule.base_nonce, associated_data, text,
                              plain.data == NULL ? &nothing : plain.data));
    cella_secret_take(out, &plain);
    return CELLA_OK;
}
