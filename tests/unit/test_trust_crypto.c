/* SPDX-License-Identifier: Apache-2.0 */
#include "vectors.h"

#include "trust/crypto.h"

/* FIPS 180-4 examples (NIST CSRC "SHA Examples"). */
static void test_sha2(void **state)
{
    (void) state;
    uint8_t out[CELLA_SHA512_SIZE];
    assert_int_equal(cella_sha256(cella_view_of_string("abc"), out), CELLA_OK);
    assert_hex(out, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(cella_sha256((struct cella_view){ 0 }, out), CELLA_OK);
    assert_hex(out, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_int_equal(cella_sha512(cella_view_of_string("abc"), out), CELLA_OK);
    assert_hex(out, 64,
               "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
               "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
}

static void test_sha256_stream(void **state)
{
    (void) state;
    uint8_t out[CELLA_SHA256_SIZE];
    struct cella_sha256_stream *stream = cella_sha256_stream_new();
    assert_non_null(stream);
    assert_int_equal(cella_sha256_stream_update(stream, cella_view_of_string("a")), CELLA_OK);
    assert_int_equal(cella_sha256_stream_update(stream, (struct cella_view){ 0 }), CELLA_OK);
    assert_int_equal(cella_sha256_stream_update(stream, cella_view_of_string("bc")), CELLA_OK);
    assert_int_equal(cella_sha256_stream_finish(stream, out), CELLA_OK);
    assert_hex(out, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    cella_sha256_stream_free(stream);
    cella_sha256_stream_free(NULL);
}

/* RFC 4231 test cases 2 and 6; the last is an empty key. */
static void test_hmac(void **state)
{
    (void) state;
    uint8_t out[CELLA_SHA256_SIZE];
    uint8_t long_key[131];
    memset(long_key, 0xaa, sizeof(long_key));
    assert_int_equal(
        cella_hmac_sha256(cella_view_of_string("Jefe"), cella_view_of_string("what do ya want for nothing?"), out),
        CELLA_OK);
    assert_hex(out, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    assert_int_equal(
        cella_hmac_sha256(cella_view_of(long_key, sizeof(long_key)),
                          cella_view_of_string("Test Using Larger Than Block-Size Key - Hash Key First"), out),
        CELLA_OK);
    assert_hex(out, 32, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    assert_int_equal(cella_hmac_sha256((struct cella_view){ 0 }, (struct cella_view){ 0 }, out), CELLA_OK);
    assert_hex(out, 32, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void check_hkdf(enum cella_hash hash, const char *key, const char *salt, const char *info, size_t size,
                       const char *expected)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes key_bytes = bytes_of_hex(key);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes salt_bytes = bytes_of_hex(salt);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes info_bytes = bytes_of_hex(info);
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret out = { 0 };
    assert_int_equal(cella_secret_resize(&out, size), CELLA_OK);
    assert_int_equal(cella_hkdf(hash, cella_bytes_view(&key_bytes), cella_bytes_view(&salt_bytes),
                                cella_bytes_view(&info_bytes), &out),
                     CELLA_OK);
    assert_hex(out.data, out.size, expected);
}

/* RFC 5869 appendix A, test cases 1, 3, 4 and 7. */
static void test_hkdf(void **state)
{
    (void) state;
    check_hkdf(CELLA_HASH_SHA256, "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c",
               "f0f1f2f3f4f5f6f7f8f9", 42,
               "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
    check_hkdf(CELLA_HASH_SHA256, "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "", 42,
               "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
    check_hkdf(CELLA_HASH_SHA1, "0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c", "f0f1f2f3f4f5f6f7f8f9", 42,
               "085a01ea1b10f36933068b56efa5ad81a4f14b822f5b091568a9cdd4f155fda2c22e422478d305f3f896");
    check_hkdf(CELLA_HASH_SHA1, "0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c", "", "", 42,
               "2c91117204d745f3500d636a62f64f0ab3bae548aa53d423b0d1f27ebba6f5e5673a081d70cce7acfc48");
}

static void test_hkdf_size(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret out = { 0 };
    struct cella_view key = cella_view_of_string("key");
    struct cella_view none = { 0 };
    assert_int_equal(cella_hkdf(CELLA_HASH_SHA256, key, none, none, &out), CELLA_BAD_SIZE);
    assert_int_equal(cella_secret_resize(&out, 65), CELLA_OK);
    assert_int_equal(cella_hkdf(CELLA_HASH_SHA256, key, none, none, &out), CELLA_BAD_SIZE);
    assert_int_equal(cella_secret_resize(&out, 64), CELLA_OK);
    assert_int_equal(cella_hkdf(CELLA_HASH_SHA512, key, none, none, &out), CELLA_OK);
}

/* McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B, test cases 16 (256-bit key) and 2. */
static void test_gcm_known(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_secret_clear)
    struct cella_secret key = secret_of_hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes nonce = bytes_of_hex("cafebabefacedbaddecaf888");
    CELLA_CLEANUP(cella_bytes_clear)
    struct cella_bytes plain = bytes_of_hex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                                            "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39");
    CELLA_CLEANUP(cella_bytes_clear)
    struct cella_bytes associated = bytes_of_hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
    CELLA_CLEANUP(cella_aead_cleanup) struct cella_aead *aead = cella_aead_new(&key);
    uint8_t out[60 + CELLA_GCM_TAG_SIZE];
    assert_non_null(aead);
    /* Twice: the second use has only a new nonce. */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(
            cella_aead_seal(aead, nonce.data, cella_bytes_view(&associated), cella_bytes_view(&plain), out),
            CELLA_OK);
        assert_hex(out, sizeof(out),
                   "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
                   "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
                   "76fc6ece0f4e1768cddf8853bb2d551b");
    }
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret zero = secret_of_hex("00000000000000000000000000000000");
    CELLA_CLEANUP(cella_aead_cleanup) struct cella_aead *small = cella_aead_new(&zero);
    uint8_t block[16 + CELLA_GCM_TAG_SIZE] = { 0 };
    uint8_t zero_nonce[CELLA_GCM_NONCE_SIZE] = { 0 };
    assert_int_equal(cella_aead_seal(small, zero_nonce, (struct cella_view){ 0 }, cella_view_of(block, 16), block),
                     CELLA_OK);
    assert_hex(block, sizeof(block), "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf");
}

static void test_gcm_open(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = { 0 };
    assert_int_equal(cella_secret_random(&key, 32), CELLA_OK);
    CELLA_CLEANUP(cella_aead_cleanup) struct cella_aead *aead = cella_aead_new(&key);
    const uint8_t nonce[CELLA_GCM_NONCE_SIZE] = { 1 };
    struct cella_view associated = cella_view_of_string("purpose");
    uint8_t sealed[5 + CELLA_GCM_TAG_SIZE];
    uint8_t out[5];
    assert_int_equal(cella_aead_seal(aead, nonce, associated, cella_view_of_string("hello"), sealed), CELLA_OK);
    struct cella_view view = cella_view_of(sealed, sizeof(sealed));
    assert_int_equal(cella_aead_open(aead, nonce, associated, view, out), CELLA_OK);
    assert_memory_equal(out, "hello", 5);
    for (size_t i = 0; i < sizeof(sealed); i++) {
        sealed[i] ^= 0x40;
        memset(out, 7, sizeof(out));
        assert_int_equal(cella_aead_open(aead, nonce, associated, view, out), CELLA_BAD_TAG);
        assert_memory_equal(out, "\0\0\0\0\0", 5);
        sealed[i] ^= 0x40;
    }
    assert_int_equal(cella_aead_open(aead, nonce, cella_view_of_string("Purpose"), view, out), CELLA_BAD_TAG);
    assert_int_equal(cella_aead_open(aead, nonce, associated, cella_view_of(sealed, 15), out), CELLA_BAD_TAG);
    assert_int_equal(cella_aead_open(aead, nonce, associated, cella_view_of(sealed, 16), out), CELLA_BAD_TAG);
    /* In place, after all the failures. */
    assert_int_equal(cella_aead_open(aead, nonce, associated, view, sealed), CELLA_OK);
    assert_memory_equal(sealed, "hello", 5);
}

static void test_gcm_empty(void **state)
{
    (void) state;
    /* Test case 13 of the same appendix: 256-bit zero key, nothing to encrypt. */
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = { 0 };
    assert_int_equal(cella_secret_resize(&key, 32), CELLA_OK);
    CELLA_CLEANUP(cella_aead_cleanup) struct cella_aead *aead = cella_aead_new(&key);
    const uint8_t nonce[CELLA_GCM_NONCE_SIZE] = { 0 };
    uint8_t tag[CELLA_GCM_TAG_SIZE];
    struct cella_view none = { 0 };
    assert_int_equal(cella_aead_seal(aead, nonce, none, none, tag), CELLA_OK);
    assert_hex(tag, sizeof(tag), "530f8afbc74536b9a963b4f1c4cb738b");
    uint8_t out[1] = { 7 };
    assert_int_equal(cella_aead_open(aead, nonce, none, cella_view_of(tag, sizeof(tag)), out), CELLA_OK);
    assert_int_equal(out[0], 7);
}

static void test_gcm_key_size(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = { 0 };
    assert_null(cella_aead_new(&key));
    assert_int_equal(cella_secret_resize(&key, 24), CELLA_OK);
    assert_null(cella_aead_new(&key));
    cella_aead_free(NULL);
}

/* RFC 8032 section 7.1, tests 1 and 3. */
static void test_ed25519_known(void **state)
{
    (void) state;
    static const struct {
        const char *seed;
        const char *public_key;
        const char *message;
        const char *signature;
    } rows[] = {
        { "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
          "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
          "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
          "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b" },
        { "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
          "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
          "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
          "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CELLA_CLEANUP(cella_secret_clear) struct cella_secret seed = secret_of_hex(rows[i].seed);
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes message = bytes_of_hex(rows[i].message);
        uint8_t public_key[CELLA_ED25519_KEY_SIZE];
        uint8_t signature[CELLA_ED25519_SIGNATURE_SIZE];
        assert_int_equal(cella_ed25519_public(&seed, public_key), CELLA_OK);
        assert_hex(public_key, sizeof(public_key), rows[i].public_key);
        assert_int_equal(cella_ed25519_sign(&seed, cella_bytes_view(&message), signature), CELLA_OK);
        assert_hex(signature, sizeof(signature), rows[i].signature);
        struct cella_view view = cella_view_of(signature, sizeof(signature));
        assert_int_equal(cella_ed25519_verify(public_key, cella_bytes_view(&message), view), CELLA_OK);
        for (size_t k = 0; k < sizeof(signature); k++) {
            signature[k] ^= 1;
            assert_int_equal(cella_ed25519_verify(public_key, cella_bytes_view(&message), view),
                             CELLA_BAD_SIGNATURE);
            signature[k] ^= 1;
        }
        view.size = 63;
        assert_int_equal(cella_ed25519_verify(public_key, cella_bytes_view(&message), view), CELLA_BAD_SIGNATURE);
    }
}

/* R and A of small order, S = 0: OpenSSL alone accepts this for any message. Also a key that is no point at all. */
static void test_ed25519_bad_points(void **state)
{
    (void) state;
    static const char *const keys[] = {
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "0200000000000000000000000000000000000000000000000000000000000000",
    };
    uint8_t signature[CELLA_ED25519_SIGNATURE_SIZE] = { 1 };
    struct cella_view view = cella_view_of(signature, sizeof(signature));
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes key = bytes_of_hex(keys[i]);
        assert_int_equal(cella_ed25519_verify(key.data, cella_view_of_string("any"), view), CELLA_BAD_SIGNATURE);
    }
}

static void test_private_key_size(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = { 0 };
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret shared = { 0 };
    uint8_t out[CELLA_ED25519_SIGNATURE_SIZE];
    const uint8_t peer[CELLA_X25519_KEY_SIZE] = { 9 };
    for (size_t size = 0; size < 34; size += size == 0 ? 31 : 2) {
        assert_int_equal(cella_secret_resize(&key, size), CELLA_OK);
        assert_int_equal(cella_ed25519_public(&key, out), CELLA_BAD_KEY);
        assert_int_equal(cella_ed25519_sign(&key, cella_view_of_string("x"), out), CELLA_BAD_KEY);
        assert_int_equal(cella_x25519_public(&key, out), CELLA_BAD_KEY);
        assert_int_equal(cella_x25519_derive(&key, peer, &shared), CELLA_BAD_KEY);
    }
    assert_null(shared.data);
}

/* RFC 7748 section 6.1. */
static void test_x25519_known(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_secret_clear)
    struct cella_secret alice = secret_of_hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
    CELLA_CLEANUP(cella_secret_clear)
    struct cella_secret bob = secret_of_hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret shared = { 0 };
    uint8_t alice_public[CELLA_X25519_KEY_SIZE];
    uint8_t bob_public[CELLA_X25519_KEY_SIZE];
    assert_int_equal(cella_x25519_public(&alice, alice_public), CELLA_OK);
    assert_hex(alice_public, 32, "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
    assert_int_equal(cella_x25519_public(&bob, bob_public), CELLA_OK);
    assert_hex(bob_public, 32, "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
    assert_int_equal(cella_x25519_derive(&alice, bob_public, &shared), CELLA_OK);
    assert_hex(shared.data, shared.size, "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
    assert_int_equal(cella_x25519_derive(&bob, alice_public, &shared), CELLA_OK);
    assert_hex(shared.data, shared.size, "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
}

static void test_x25519_small_order(void **state)
{
    (void) state;
    static const char *const peers[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    };
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = { 0 };
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret shared = { 0 };
    assert_int_equal(cella_secret_random(&key, CELLA_X25519_KEY_SIZE), CELLA_OK);
    for (size_t i = 0; i < sizeof(peers) / sizeof(peers[0]); i++) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes peer = bytes_of_hex(peers[i]);
        assert_int_equal(cella_x25519_derive(&key, peer.data, &shared), CELLA_BAD_KEY);
        assert_null(shared.data);
    }
}

static void test_random_and_equal(void **state)
{
    (void) state;
    uint8_t a[40] = { 0 };
    uint8_t b[40] = { 0 };
    assert_true(cella_equal_constant_time(a, b, sizeof(a)));
    assert_true(cella_equal_constant_time(NULL, NULL, 0));
    b[39] = 1;
    assert_false(cella_equal_constant_time(a, b, sizeof(a)));
    assert_true(cella_equal_constant_time(a, b, 39));
    assert_int_equal(cella_random(a, sizeof(a)), CELLA_OK);
    assert_int_equal(cella_random(b, sizeof(b)), CELLA_OK);
    assert_false(cella_equal_constant_time(a, b, sizeof(a)));
    assert_int_equal(cella_random(NULL, 0), CELLA_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha2),
        cmocka_unit_test(test_sha256_stream),
        cmocka_unit_test(test_hmac),
        cmocka_unit_test(test_hkdf),
        cmocka_unit_test(test_hkdf_size),
        cmocka_unit_test(test_gcm_known),
        cmocka_unit_test(test_gcm_open),
        cmocka_unit_test(test_gcm_empty),
        cmocka_unit_test(test_gcm_key_size),
        cmocka_unit_test(test_ed25519_known),
        cmocka_unit_test(test_ed25519_bad_points),
        cmocka_unit_test(test_private_key_size),
        cmocka_unit_test(test_x25519_known),
        cmocka_unit_test(test_x25519_small_order),
        cmocka_unit_test(test_random_and_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
