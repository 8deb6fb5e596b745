/* SPDX-License-Identifier: Apache-2.0 */
#include "vectors.h"

#include "trust/hpke.h"

#define VECTORS "/hpke/base-x25519-sha256-aes256gcm.json"

/* The keys of the vector file, so that the tests below run without it. */
#define SK_RECEIVER "497b4502664cfea5d5af0b39934dac72242a74f8480451e1aee7d6a53320333d"
#define PK_RECEIVER "430f4b9859665145a6b1ba274024487bd66f03a2dd577d7753c68d7d7d00c00c"
#define SK_EPHEMERAL "179d4b53b6365c45b600c4163b61d95cbc2f4d9e36f1695558dce265ab8bab11"
#define ENC "6c93e09869df3402d7bf231bf540fadd35cd56be14f97178f0954db94b7fc256"
#define INFO "4f6465206f6e2061204772656369616e2055726e"
#define AAD "436f756e742d30"
#define PLAIN "4265617574792069732074727574682c20747275746820626561757479"
#define CIPHERTEXT "e5d84cd531cfb583096e7cfa9641bd3079cf3a91cda813c52deb5f512be9931980a41de125a925cdad859d5b7a"

static void check_known(const char *ephemeral, const char *receiver_private, const char *receiver_public,
                        const char *info, const char *aad, const char *plain, const char *enc,
                        const char *ciphertext)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret own = secret_of_hex(ephemeral);
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = secret_of_hex(receiver_private);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes receiver = bytes_of_hex(receiver_public);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes info_bytes = bytes_of_hex(info);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes aad_bytes = bytes_of_hex(aad);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes plain_bytes = bytes_of_hex(plain);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret opened = { 0 };
    assert_int_equal(cella_hpke_seal_with(&own, receiver.data, cella_bytes_view(&info_bytes),
                                          cella_bytes_view(&aad_bytes), cella_bytes_view(&plain_bytes), &out),
                     CELLA_OK);
    assert_int_equal(out.size, plain_bytes.size + CELLA_HPKE_OVERHEAD);
    assert_hex(out.data, CELLA_HPKE_ENC_SIZE, enc);
    assert_hex(out.data + CELLA_HPKE_ENC_SIZE, out.size - CELLA_HPKE_ENC_SIZE, ciphertext);
    assert_int_equal(cella_hpke_open(&key, cella_bytes_view(&info_bytes), cella_bytes_view(&aad_bytes),
                                     cella_bytes_view(&out), &opened),
                     CELLA_OK);
    assert_hex(opened.data, opened.size, plain);
}

/* RFC 9180's vector file, mode base, KEM 0x0020, KDF 0x0001, AEAD 0x0002, sequence number 0. */
static void test_known(void **state)
{
    (void) state;
    check_known(SK_EPHEMERAL, SK_RECEIVER, PK_RECEIVER, INFO, AAD, PLAIN, ENC, CIPHERTEXT);
}

static void test_vectors(void **state)
{
    (void) state;
    json_t *file = vectors_load(VECTORS);
    const json_t *vector = json_object_get(file, "vector");
    const json_t *first = json_array_get(json_object_get(vector, "encryptions"), 0);
    assert_int_equal(vectors_number(first, "seq"), 0);
    check_known(vectors_text(vector, "skEm"), vectors_text(vector, "skRm"), vectors_text(vector, "pkRm"),
                vectors_text(vector, "info"), vectors_text(first, "aad"), vectors_text(first, "pt"),
                vectors_text(vector, "enc"), vectors_text(first, "ct"));
    json_decref(file);
}

static const char *text_or(const json_t *json, const char *key, const char *other)
{
    const char *text = json_string_value(json_object_get(json, key));
    return text == NULL ? other : text;
}

static void test_negative_vectors(void **state)
{
    (void) state;
    json_t *file = vectors_load("/hpke/self-made-negative.json");
    const json_t *tests = json_object_get(file, "tests");
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = secret_of_hex(SK_RECEIVER);
    assert_true(json_array_size(tests) >= 14);
    for (size_t i = 0; i < json_array_size(tests); i++) {
        const json_t *test = json_array_get(tests, i);
        const char *id = vectors_text(test, "id");
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes sealed = bytes_of_hex(vectors_text(test, "enc"));
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = bytes_of_hex(text_or(test, "ct", CIPHERTEXT));
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes info = bytes_of_hex(text_or(test, "info", INFO));
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes aad = bytes_of_hex(text_or(test, "aad", AAD));
        CELLA_CLEANUP(cella_secret_clear) struct cella_secret out = { 0 };
        assert_int_equal(cella_bytes_append(&sealed, cella_bytes_view(&text)), CELLA_OK);
        cella_status status =
            cella_hpke_open(&key, cella_bytes_view(&info), cella_bytes_view(&aad), cella_bytes_view(&sealed), &out);
        cella_status expected = CELLA_BAD_TAG;
        if (strcmp(id, "shorter-than-tag") == 0) {
            expected = CELLA_BAD_FORMAT;
        } else if (json_object_get(test, "ct") == NULL && strstr(id, "bytes") == NULL) {
            expected = CELLA_BAD_KEY;
        }
        if (status != expected) {
            fail_msg("%s: %s", id, cella_status_name(status));
        }
        assert_null(out.data);
    }
    json_decref(file);
}

static void test_every_flip_and_cut(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = secret_of_hex(SK_RECEIVER);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes receiver = bytes_of_hex(PK_RECEIVER);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes sealed = { 0 };
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret out = { 0 };
    struct cella_view info = cella_view_of_string("info");
    struct cella_view none = { 0 };
    assert_int_equal(cella_hpke_seal(receiver.data, info, none, cella_view_of_string("secret"), &sealed), CELLA_OK);
    /* The top bit of enc is ignored by X25519 but bound as part of the context. */
    for (size_t i = 0; i < sealed.size * 8; i++) {
        sealed.data[i / 8] ^= (uint8_t) (1 << i % 8);
        assert_int_not_equal(cella_hpke_open(&key, info, none, cella_bytes_view(&sealed), &out), CELLA_OK);
        assert_null(out.data);
        sealed.data[i / 8] ^= (uint8_t) (1 << i % 8);
    }
    for (size_t size = 0; size < sealed.size; size++) {
        cella_status expected = size < CELLA_HPKE_OVERHEAD ? CELLA_BAD_FORMAT : CELLA_BAD_TAG;
        assert_int_equal(cella_hpke_open(&key, info, none, cella_view_of(sealed.data, size), &out), expected);
    }
    assert_int_equal(cella_hpke_open(&key, info, none, cella_bytes_view(&sealed), &out), CELLA_OK);
    assert_true(cella_view_is(cella_secret_view(&out), "secret"));
    /* A failure empties what an earlier call left. */
    assert_int_equal(cella_hpke_open(&key, none, none, cella_bytes_view(&sealed), &out), CELLA_BAD_TAG);
    assert_null(out.data);
}

static void test_empty_and_append(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = secret_of_hex(SK_RECEIVER);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes receiver = bytes_of_hex(PK_RECEIVER);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret opened = { 0 };
    struct cella_view none = { 0 };
    assert_int_equal(cella_bytes_set(&out, cella_view_of_string("head")), CELLA_OK);
    assert_int_equal(cella_hpke_seal(receiver.data, none, none, none, &out), CELLA_OK);
    assert_int_equal(out.size, 4 + CELLA_HPKE_OVERHEAD);
    assert_memory_equal(out.data, "head", 4);
    struct cella_view sealed = cella_view_of(out.data + 4, out.size - 4);
    assert_int_equal(cella_hpke_open(&key, none, none, sealed, &opened), CELLA_OK);
    assert_int_equal(opened.size, 0);
}

static void test_bad_keys(void **state)
{
    (void) state;
    const uint8_t zero[CELLA_X25519_KEY_SIZE] = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret empty = { 0 };
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret opened = { 0 };
    struct cella_view none = { 0 };
    const uint8_t sealed[CELLA_HPKE_OVERHEAD] = { 9 };
    assert_int_equal(cella_hpke_seal(zero, none, none, cella_view_of_string("x"), &out), CELLA_BAD_KEY);
    assert_int_equal(out.size, 0);
    assert_int_equal(cella_hpke_open(&empty, none, none, cella_view_of(sealed, sizeof(sealed)), &opened),
                     CELLA_BAD_KEY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_negative_vectors),
        cmocka_unit_test(test_every_flip_and_cut),
        cmocka_unit_test(test_empty_and_append),
        cmocka_unit_test(test_bad_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
