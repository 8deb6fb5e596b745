/* SPDX-License-Identifier: Apache-2.0 */
#include "evidence_files.h"

#include "trust/signature.h"

/* FIPS 186-5's P-256 with SHA-256, key and message "sample" of RFC 6979, appendix A.2.5. */
#define P256_X "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
#define P256_Y "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
#define ZERO32 "00000000000000000000000000000000"
#define ZEROS (ZERO32 ZERO32 ZERO32 ZERO32)
#define R "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
#define S "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"

static struct cella_public_key *p256(void)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes point = bytes_of_hex(P256_X P256_Y);
    struct cella_public_key *key = NULL;
    assert_int_equal(cella_public_key_of_point(CELLA_CURVE_P256, cella_bytes_view(&point), &key), CELLA_OK);
    return key;
}

static cella_status verify(const char *signature, enum cella_signature_form form, enum cella_hash hash,
                           const char *message)
{
    CELLA_CLEANUP(cella_public_key_cleanup) struct cella_public_key *key = p256();
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes bytes = bytes_of_hex(signature);
    return cella_signature_verify(key, form, hash, cella_view_of_string(message), cella_bytes_view(&bytes));
}

static void test_known_answer(void **state)
{
    (void) state;
    assert_int_equal(verify(R S, CELLA_SIGNATURE_ECDSA, CELLA_HASH_SHA256, "sample"), CELLA_OK);
    assert_int_equal(verify("3046022100" R "022100" S, CELLA_SIGNATURE_ECDSA_DER, CELLA_HASH_SHA256, "sample"), CELLA_OK);
}

static void test_what_does_not_verify(void **state)
{
    static const char zero[] = "0000000000000000000000000000000000000000000000000000000000000000";
    static const char order[] = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    char text[129];
    (void) state;
    assert_int_equal(verify(R S, CELLA_SIGNATURE_ECDSA, CELLA_HASH_SHA256, "samplf"), CELLA_BAD_SIGNATURE);
    assert_int_equal(verify(R S, CELLA_SIGNATURE_ECDSA, CELLA_HASH_SHA384, "sample"), CELLA_BAD_SIGNATURE);
    assert_int_equal(verify(R S, CELLA_SIGNATURE_ECDSA, CELLA_HASH_SHA1, "sample"), CELLA_BAD_SIGNATURE);
    assert_int_equal(verify(S R, CELLA_SIGNATURE_ECDSA, CELLA_HASH_SHA256, "sample"), CELLA_BAD_SIGNATURE);
    assert_int_equal(verify(R S "00", CELLA_SIGNATURE_ECDSA, CELLA_HASH_SHA256, "sample"), CELLA_BAD_SIGNATURE);
    assert_int_equal(verify(R, CELLA_SIGNATURE_ECDSA, CELLA_HASH_SHA256, "sample"), CELLA_BAD_SIGNATURE);
    assert_int_equal(verify(R S, CELLA_SIGNATURE_RSA, CELLA_HASH_SHA256, "sample"), CELLA_BAD_SIGNATURE);
    assert_int_equal(verify(R S, CELLA_SIGNATURE_ECDSA_SNP, CELLA_HASH_SHA256, "sample"), CELLA_BAD_SIGNATURE);
    for (int i = 0; i < 4; i++) {
        (void) snprintf(text, sizeof(text), "%s%s", i == 0 ? zero : i == 1 ? R : i == 2 ? order : R,
                        i == 0 ? S : i == 1 ? zero : i == 2 ? S : order);
        assert_int_equal(verify(text, CELLA_SIGNATURE_ECDSA, CELLA_HASH_SHA256, "sample"), CELLA_BAD_SIGNATURE);
    }
}

static void test_points(void **state)
{
    static const char *const wrong[] = {
        P256_X, P256_X P256_X, P256_X P256_Y "00",
        ZEROS,
    };
    (void) state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes point = bytes_of_hex(wrong[i]);
        struct cella_public_key *key = NULL;
        assert_int_equal(cella_public_key_of_point(CELLA_CURVE_P256, cella_bytes_view(&point), &key), CELLA_BAD_KEY);
        assert_null(key);
    }
}

static void test_rsa_keys(void **state)
{
    uint8_t modulus[256];
    uint8_t exponent[] = { 1, 0, 1 };
    struct cella_public_key *key = NULL;
    (void) state;
    memset(modulus, 0xff, sizeof(modulus));
    assert_int_equal(cella_public_key_of_rsa(cella_view_of(modulus, sizeof(modulus)), cella_view_of(exponent, 3), &key), CELLA_OK);
    assert_int_equal(cella_public_key_rsa_bits(key), 2048);
    assert_int_equal(cella_public_key_curve_bits(key), 0);
    cella_public_key_free(key);
    key = NULL;
    assert_int_equal(cella_public_key_of_rsa(cella_view_of(modulus, 255), cella_view_of(exponent, 3), &key), CELLA_BAD_KEY);
    assert_int_equal(cella_public_key_of_rsa(cella_view_of(modulus, sizeof(modulus)), cella_view_of(exponent, 1), &key), CELLA_BAD_KEY);
    modulus[255] = 0xfe; /* even */
    assert_int_equal(cella_public_key_of_rsa(cella_view_of(modulus, sizeof(modulus)), cella_view_of(exponent, 3), &key), CELLA_BAD_KEY);
    assert_null(key);
}

static void test_key_there_and_back(void **state)
{
    CELLA_CLEANUP(cella_public_key_cleanup) struct cella_public_key *key = p256();
    CELLA_CLEANUP(cella_public_key_cleanup) struct cella_public_key *again = NULL;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes spki = { 0 };
    (void) state;
    assert_int_equal(cella_public_key_spki(key, &spki), CELLA_OK);
    assert_int_equal(cella_public_key_of_spki(cella_bytes_view(&spki), &again), CELLA_OK);
    assert_int_equal(cella_public_key_curve_bits(again), 256);
    struct cella_public_key *none = NULL;
    assert_int_equal(cella_public_key_of_spki(cella_view_of(spki.data, spki.size - 1), &none), CELLA_BAD_KEY);
    assert_int_equal(cella_bytes_append(&spki, cella_view_of_string("x")), CELLA_OK);
    assert_int_equal(cella_public_key_of_spki(cella_bytes_view(&spki), &none), CELLA_BAD_KEY);
    assert_null(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answer), cmocka_unit_test(test_what_does_not_verify),
        cmocka_unit_test(test_points),       cmocka_unit_test(test_rsa_keys),
        cmocka_unit_test(test_key_there_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
