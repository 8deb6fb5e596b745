/* SPDX-License-Identifier: Apache-2.0 */
#include "sealed_open.h"

/* Seal under a given header, segment by segment, in place. */
static struct cella_bytes seal_with_header(const struct cella_sealed_parameters *parameters,
                                           const struct cella_secret *key, struct cella_view associated_data,
                                           struct cella_view header, struct cella_view plain)
{
    CELLA_CLEANUP(cella_sealed_cipher_cleanup) struct cella_sealed_cipher *cipher = NULL;
    struct cella_bytes out = { 0 };
    struct cella_sealed_layout layout;
    assert_int_equal(cella_sealed_layout_of_plain(parameters, plain.size, &layout), CELLA_OK);
    assert_int_equal(layout.header_size, header.size);
    assert_int_equal(cella_sealed_cipher_of_header(parameters, key, associated_data, header, &cipher), CELLA_OK);
    assert_int_equal(cella_bytes_append(&out, header), CELLA_OK);
    assert_int_equal(cella_bytes_resize(&out, (size_t) layout.sealed_size), CELLA_OK);
    for (uint64_t i = 0; i < layout.segment_count; i++) {
        struct cella_sealed_range range = cella_sealed_range_of(parameters, &layout, i);
        uint8_t *place = out.data + range.sealed_offset;
        if (range.plain_size > 0) {
            memcpy(place, plain.data + range.plain_offset, range.plain_size);
        }
        assert_int_equal(cella_sealed_segment_seal(cipher, i, i + 1 == layout.segment_count,
                                                   cella_view_of(place, range.plain_size), place),
                         CELLA_OK);
    }
    return out;
}

static struct cella_sealed_parameters parameters_of(const json_t *json)
{
    const char *hash = vectors_text(json, "hkdfHash");
    struct cella_sealed_parameters parameters = { (uint32_t) vectors_number(json, "ciphertextSegmentSize"),
                                                  (uint32_t) vectors_number(json, "derivedKeySize"),
                                                  CELLA_HASH_SHA256 };
    if (strcmp(hash, "sha256") != 0) {
        parameters.hash = strcmp(hash, "sha1") == 0 ? CELLA_HASH_SHA1 : CELLA_HASH_SHA512;
    }
    return parameters;
}

/* Real output of Tink: opens, and the same header gives the same bytes again. */
static void check_vector(const json_t *test, struct cella_view plain)
{
    struct cella_sealed_parameters parameters = parameters_of(test);
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = secret_of_hex(vectors_text(test, "keyValue"));
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes associated_data = vectors_bytes(test, "associatedData");
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes sealed = vectors_bytes(test, "ciphertext");
    struct cella_view header = cella_view_of(sealed.data, parameters.derived_key_size + 8);
    assert_opens(&parameters, &key, cella_bytes_view(&associated_data), cella_bytes_view(&sealed), plain);
    CELLA_CLEANUP(cella_bytes_clear)
    struct cella_bytes again =
        seal_with_header(&parameters, &key, cella_bytes_view(&associated_data), header, plain);
    assert_true(cella_view_equal(cella_bytes_view(&again), cella_bytes_view(&sealed)));
}

static void test_tink_vectors(void **state)
{
    (void) state;
    json_t *file = vectors_load("/tink-streaming/tink-java.json");
    const json_t *tests = json_object_get(file, "tests");
    assert_true(json_array_size(tests) >= 10);
    for (size_t i = 0; i < json_array_size(tests); i++) {
        const json_t *test = json_array_get(tests, i);
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes plain = vectors_bytes(test, "plaintext");
        check_vector(test, cella_bytes_view(&plain));
    }
    json_decref(file);
}

static void test_public_4kb_vector(void **state)
{
    (void) state;
    json_t *file = vectors_load("/tink-streaming/public-4kb-multisegment.json");
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes plain = generate(vectors_number(file, "plaintextSize"));
    check_vector(file, cella_bytes_view(&plain));
    json_decref(file);
}

static void check_self_made(const json_t *file, const json_t *test,
                            const struct cella_sealed_parameters *parameters)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = secret_of_hex(vectors_text(file, "keyValue"));
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes header = bytes_of_hex("28");
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes salt = vectors_bytes(file, "salt");
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes prefix = vectors_bytes(file, "noncePrefix");
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes associated_data = vectors_bytes(test, "associatedData");
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes plain = generate(vectors_number(test, "plaintextSize"));
    uint8_t digest[CELLA_SHA256_SIZE];
    struct cella_sealed_layout layout;
    assert_int_equal(vectors_number(test, "ciphertextSegmentSize"), parameters->segment_size);
    assert_int_equal(cella_bytes_append(&header, cella_bytes_view(&salt)), CELLA_OK);
    assert_int_equal(cella_bytes_append(&header, cella_bytes_view(&prefix)), CELLA_OK);
    CELLA_CLEANUP(cella_bytes_clear)
    struct cella_bytes sealed = seal_with_header(parameters, &key, cella_bytes_view(&associated_data),
                                                 cella_bytes_view(&header), cella_bytes_view(&plain));
    assert_int_equal(sealed.size, vectors_number(test, "ciphertextSize"));
    assert_int_equal(cella_sha256(cella_bytes_view(&sealed), digest), CELLA_OK);
    assert_hex(digest, sizeof(digest), vectors_text(test, "ciphertextSha256"));
    assert_int_equal(cella_sealed_layout_of_sealed(parameters, sealed.size, &layout), CELLA_OK);
    assert_int_equal(layout.segment_count, vectors_number(test, "segments"));
    const json_t *tags = json_object_get(test, "segmentTags");
    assert_int_equal(json_array_size(tags), layout.segment_count);
    for (size_t i = 0; i < json_array_size(tags); i++) {
        struct cella_sealed_range range = cella_sealed_range_of(parameters, &layout, i);
        assert_hex(sealed.data + range.sealed_offset + range.plain_size, CELLA_GCM_TAG_SIZE,
                   json_string_value(json_array_get(tags, i)));
    }
    if (json_object_get(test, "ciphertext") != NULL) {
        assert_hex(sealed.data, sealed.size, vectors_text(test, "ciphertext"));
    }
    assert_opens(parameters, &key, cella_bytes_view(&associated_data), cella_bytes_view(&sealed),
                 cella_bytes_view(&plain));
}

static void check_self_made_file(const char *name, const struct cella_sealed_parameters *parameters)
{
    json_t *file = vectors_load(name);
    const json_t *tests = json_object_get(file, "tests");
    assert_true(json_array_size(tests) >= 20);
    for (size_t i = 0; i < json_array_size(tests); i++) {
        check_self_made(file, json_array_get(tests, i), parameters);
    }
    json_decref(file);
}

static void test_4kb_vectors(void **state)
{
    (void) state;
    check_self_made_file("/tink-streaming/self-made-4kb.json", &cella_sealed_4kb);
}

static void test_1mb_vectors(void **state)
{
    (void) state;
    check_self_made_file("/tink-streaming/self-made-1mb.json", &cella_sealed_1mb);
}

static void test_negative_vectors(void **state)
{
    (void) state;
    json_t *file = vectors_load("/tink-streaming/self-made-negative.json");
    struct cella_sealed_parameters parameters = parameters_of(file);
    const json_t *tests = json_object_get(file, "tests");
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = secret_of_hex(vectors_text(file, "keyValue"));
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes plain = vectors_bytes(file, "plaintext");
    struct cella_view text = cella_bytes_view(&plain);
    assert_true(json_array_size(tests) >= 26);
    for (size_t i = 0; i < json_array_size(tests); i++) {
        const json_t *test = json_array_get(tests, i);
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes associated_data = vectors_bytes(test, "associatedData");
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes sealed = vectors_bytes(test, "ciphertext");
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
        bool wanted = strcmp(vectors_text(test, "expected"), "accept") == 0;
        cella_status status =
            open_stream(&parameters, &key, cella_bytes_view(&associated_data), cella_bytes_view(&sealed), 50, &out);
        if ((status == CELLA_OK) != wanted) {
            fail_msg("%s: %s", vectors_text(test, "id"), cella_status_name(status));
        }
        if (wanted) {
            assert_opens(&parameters, &key, cella_bytes_view(&associated_data), cella_bytes_view(&sealed), text);
        } else {
            assert_refused(&parameters, &key, cella_bytes_view(&associated_data), cella_bytes_view(&sealed), text);
        }
    }
    json_decref(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tink_vectors),     cmocka_unit_test(test_public_4kb_vector),
        cmocka_unit_test(test_4kb_vectors),      cmocka_unit_test(test_1mb_vectors),
        cmocka_unit_test(test_negative_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
