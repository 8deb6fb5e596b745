/* SPDX-License-Identifier: Apache-2.0 */
#include "vectors.h"

#include "trust/jws.h"

/* RFC 8037 appendix A.1 to A.4. */
#define SEED "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
#define PUBLIC_KEY "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
#define PUBLIC_X "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
#define THUMBPRINT "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
#define COMPACT                                                                                                    \
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."                                                    \
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"

static cella_status accept(struct cella_view compact, const uint8_t *public_key, struct cella_bytes *payload)
{
    struct cella_jws jws;
    CELLA_TRY(cella_jws_split(compact, &jws));
    return cella_jws_verify(&jws, public_key, payload);
}

static void test_rfc8037(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret seed = secret_of_hex(SEED);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes key = bytes_of_hex(PUBLIC_KEY);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes payload = { 0 };
    struct cella_view message = cella_view_of_string("Example of Ed25519 signing");
    assert_int_equal(cella_jws_sign(&seed, CELLA_JWS_PLAIN, message, &text), CELLA_OK);
    assert_true(cella_view_is(cella_bytes_view(&text), COMPACT));
    assert_int_equal(accept(cella_bytes_view(&text), key.data, &payload), CELLA_OK);
    assert_true(cella_view_equal(cella_bytes_view(&payload), message));
}

/* RFC 7638's method on RFC 8037's key, appendix A.3. */
static void test_thumbprint(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes key = bytes_of_hex(PUBLIC_KEY);
    char thumbprint[CELLA_THUMBPRINT_SIZE + 1];
    assert_int_equal(cella_thumbprint(key.data, thumbprint), CELLA_OK);
    assert_string_equal(thumbprint, THUMBPRINT);
}

static void test_forms(void **state)
{
    (void) state;
    static const enum cella_jws_form forms[] = { CELLA_JWS_PLAIN, CELLA_JWS_KID, CELLA_JWS_JWK };
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret seed = secret_of_hex(SEED);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes key = bytes_of_hex(PUBLIC_KEY);
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes payload = { 0 };
        struct cella_jws jws;
        assert_int_equal(cella_jws_sign(&seed, forms[i], cella_view_of_string("{}"), &text), CELLA_OK);
        assert_int_equal(cella_jws_split(cella_bytes_view(&text), &jws), CELLA_OK);
        assert_int_equal(jws.form, forms[i]);
        assert_string_equal(jws.kid, forms[i] == CELLA_JWS_PLAIN ? "" : THUMBPRINT);
        assert_true(forms[i] != CELLA_JWS_JWK || memcmp(jws.jwk, key.data, sizeof(jws.jwk)) == 0);
        assert_int_equal(cella_jws_verify(&jws, key.data, &payload), CELLA_OK);
        assert_true(cella_view_is(cella_bytes_view(&payload), "{}"));
    }
}

static void test_append_and_empty_payload(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret seed = secret_of_hex(SEED);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes key = bytes_of_hex(PUBLIC_KEY);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes payload = { 0 };
    assert_int_equal(cella_bytes_set(&text, cella_view_of_string("head")), CELLA_OK);
    assert_int_equal(cella_jws_sign(&seed, CELLA_JWS_KID, (struct cella_view){ 0 }, &text), CELLA_OK);
    assert_memory_equal(text.data, "head", 4);
    assert_int_equal(cella_bytes_set(&payload, cella_view_of_string("old")), CELLA_OK);
    assert_int_equal(accept(cella_view_of(text.data + 4, text.size - 4), key.data, &payload), CELLA_OK);
    assert_int_equal(payload.size, 0);
}

/* Every changed character is refused; payload stays empty. */
static void test_every_change(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret seed = secret_of_hex(SEED);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes key = bytes_of_hex(PUBLIC_KEY);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes payload = { 0 };
    assert_int_equal(cella_jws_sign(&seed, CELLA_JWS_JWK, cella_view_of_string("payload"), &text), CELLA_OK);
    for (size_t i = 0; i < text.size; i++) {
        for (unsigned int bit = 0; bit < 8; bit++) {
            text.data[i] ^= (uint8_t) (1 << bit);
            assert_int_not_equal(accept(cella_bytes_view(&text), key.data, &payload), CELLA_OK);
            assert_null(payload.data);
            text.data[i] ^= (uint8_t) (1 << bit);
        }
    }
    for (size_t size = 0; size < text.size; size++) {
        assert_int_not_equal(accept(cella_view_of(text.data, size), key.data, &payload), CELLA_OK);
    }
    assert_int_equal(accept(cella_bytes_view(&text), key.data, &payload), CELLA_OK);
}

static void check_header(const char *header, cella_status expected)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    struct cella_jws jws;
    assert_int_equal(cella_base64url_encode(cella_view_of_string(header), &text), CELLA_OK);
    assert_int_equal(cella_bytes_append(&text, cella_view_of_string(".e30.")), CELLA_OK);
    for (size_t i = 0; i < 86; i++) {
        assert_int_equal(cella_bytes_append(&text, cella_view_of_string("A")), CELLA_OK);
    }
    cella_status status = cella_jws_split(cella_bytes_view(&text), &jws);
    if (status != expected) {
        fail_msg("%s: %s", header, cella_status_name(status));
    }
    if (expected != CELLA_OK) {
        assert_null(jws.signing_input.data);
    }
}

static void test_headers(void **state)
{
    (void) state;
    check_header("{\"alg\":\"EdDSA\"}", CELLA_OK);
    check_header("{\"alg\":\"EdDSA\",\"kid\":\"" THUMBPRINT "\"}", CELLA_OK);
    check_header("{\"alg\":\"EdDSA\",\"jwk\":{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"" PUBLIC_X "\"}}",
                 CELLA_OK);
    check_header("", CELLA_BAD_FORMAT);
    check_header("{}", CELLA_BAD_FORMAT);
    check_header("{\"alg\": \"EdDSA\"}", CELLA_BAD_FORMAT);
    check_header("{\"alg\":\"none\"}", CELLA_BAD_FORMAT);
    check_header("{\"alg\":\"EdDSA\",\"typ\":\"JWT\"}", CELLA_BAD_FORMAT);
    check_header("{\"alg\":\"EdDSA\",\"kid\":\"\"}", CELLA_BAD_FORMAT);
    check_header("{\"alg\":\"EdDSA\",\"kid\":\"kPrK\\u005fqmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k\"}",
                 CELLA_BAD_FORMAT);
    /* 43 characters whose last has bits set that decode to nothing; 43 characters that are not base64url. */
    check_header("{\"alg\":\"EdDSA\",\"kid\":\"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4l\"}", CELLA_BAD_FORMAT);
    check_header("{\"alg\":\"EdDSA\",\"kid\":\"kPrK_qmxVWaYVA9wwBF6\\\"uo3vVzz7TxHCTwXBygrS4\"}", CELLA_BAD_FORMAT);
    check_header("{\"alg\":\"EdDSA\",\"jwk\":{\"crv\":\"Ed448\",\"kty\":\"OKP\",\"x\":\"" PUBLIC_X "\"}}",
                 CELLA_BAD_FORMAT);
    check_header("{\"alg\":\"EdDSA\",\"jwk\":{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"" PUBLIC_X "\"}} ",
                 CELLA_BAD_FORMAT);
}

static void test_bad_payload_text(void **state)
{
    (void) state;
    /* Correctly signed, but the payload's text is not the only one for its bytes. */
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret seed = secret_of_hex(SEED);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes key = bytes_of_hex(PUBLIC_KEY);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes payload = { 0 };
    uint8_t signature[CELLA_ED25519_SIGNATURE_SIZE];
    assert_int_equal(cella_bytes_set(&text, cella_view_of_string("eyJhbGciOiJFZERTQSJ9.Zh")), CELLA_OK);
    assert_int_equal(cella_ed25519_sign(&seed, cella_bytes_view(&text), signature), CELLA_OK);
    assert_int_equal(cella_bytes_append(&text, cella_view_of_string(".")), CELLA_OK);
    assert_int_equal(cella_base64url_encode(cella_view_of(signature, sizeof(signature)), &text), CELLA_OK);
    assert_int_equal(accept(cella_bytes_view(&text), key.data, &payload), CELLA_BAD_FORMAT);
    assert_null(payload.data);
}

static void test_wrong_key(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes payload = { 0 };
    CELLA_CLEANUP(cella_bytes_clear)
    struct cella_bytes other = bytes_of_hex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025");
    assert_int_equal(accept(cella_view_of_string(COMPACT), other.data, &payload), CELLA_BAD_SIGNATURE);
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret empty = { 0 };
    assert_int_equal(cella_jws_sign(&empty, CELLA_JWS_KID, (struct cella_view){ 0 }, &payload), CELLA_BAD_KEY);
    assert_int_equal(payload.size, 0);
}

static void test_vectors(void **state)
{
    (void) state;
    json_t *file = vectors_load("/jose/rfc8037.json");
    const json_t *signing = json_object_get(file, "A.4_signing");
    uint8_t key[CELLA_ED25519_KEY_SIZE];
    char thumbprint[CELLA_THUMBPRINT_SIZE + 1];
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes payload = { 0 };
    assert_int_equal(cella_base64url_decode_exact(
                         cella_view_of_string(vectors_text(json_object_get(file, "A.2_publicJwk"), "x")), key, 32),
                     CELLA_OK);
    assert_int_equal(accept(cella_view_of_string(vectors_text(signing, "compact")), key, &payload), CELLA_OK);
    assert_true(cella_view_is(cella_bytes_view(&payload), vectors_text(signing, "payload")));
    assert_int_equal(cella_thumbprint(key, thumbprint), CELLA_OK);
    assert_string_equal(thumbprint, vectors_text(json_object_get(file, "A.3_thumbprint"), "thumbprint"));
    json_decref(file);
}

/* RFC 7638 section 3.1 is an RSA key: what can be checked is the hash of the canonical text. */
static void test_rfc7638(void **state)
{
    (void) state;
    json_t *file = vectors_load("/jose/rfc7638.json");
    uint8_t digest[CELLA_SHA256_SIZE];
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    assert_int_equal(cella_sha256(cella_view_of_string(vectors_text(file, "canonicalJson")), digest), CELLA_OK);
    assert_int_equal(cella_base64url_encode(cella_view_of(digest, sizeof(digest)), &text), CELLA_OK);
    assert_true(cella_view_is(cella_bytes_view(&text), vectors_text(file, "thumbprint")));
    json_decref(file);
}

static void test_negative_vectors(void **state)
{
    (void) state;
    json_t *file = vectors_load("/jose/self-made-negative.json");
    const json_t *tests = json_object_get(file, "tests");
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes key = bytes_of_hex(PUBLIC_KEY);
    assert_true(json_array_size(tests) >= 12);
    for (size_t i = 0; i < json_array_size(tests); i++) {
        const json_t *test = json_array_get(tests, i);
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes payload = { 0 };
        cella_status status = accept(cella_view_of_string(vectors_text(test, "compact")), key.data, &payload);
        bool wanted = strcmp(vectors_text(test, "expected"), "accept") == 0;
        if ((status == CELLA_OK) != wanted) {
            fail_msg("%s: %s", vectors_text(test, "id"), cella_status_name(status));
        }
    }
    json_decref(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc8037),
        cmocka_unit_test(test_thumbprint),
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_append_and_empty_payload),
        cmocka_unit_test(test_every_change),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_bad_payload_text),
        cmocka_unit_test(test_wrong_key),
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_rfc7638),
        cmocka_unit_test(test_negative_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
