/* SPDX-License-Identifier: Apache-2.0 */
#include "teaclave_forge.h"

#include "trust/data_format.h"
#include "trust/gcm_file.h"
#include "trust/teaclave_file.h"

#define KEY "000102030405060708090a0b0c0d0e0f"
#define IV "202122232425262728292a2b"

static void data_reader_cleanup(struct cella_data_reader **reader)
{
    cella_data_reader_free(*reader);
}

static cella_status open_file(enum cella_data_format format, const struct cella_secret *key, struct cella_view file,
                              uint64_t size, size_t piece, struct cella_bytes *out)
{
    const struct cella_data_file facts = { format, size, format == CELLA_DATA_SEALED_FILE ? 4096 : 0 };
    CELLA_CLEANUP(data_reader_cleanup) struct cella_data_reader *reader = NULL;
    CELLA_TRY(cella_data_reader_new(&facts, key, (struct cella_view){ 0 }, collect, out, &reader));
    for (size_t offset = 0; offset < file.size; offset += piece) {
        CELLA_TRY(cella_data_reader_update(reader, piece_of(file, offset, piece)));
    }
    CELLA_TRY(cella_data_reader_finish(reader));
    assert_int_equal(cella_data_reader_finish(reader), CELLA_BAD_STATE);
    return CELLA_OK;
}

static void assert_opens_to(enum cella_data_format format, const struct cella_secret *key, struct cella_view file,
                            struct cella_view plain, size_t piece)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes opened = { 0 };
    assert_int_equal(open_file(format, key, file, file.size, piece, &opened), CELLA_OK);
    assert_true(cella_view_equal(cella_bytes_view(&opened), plain));
}

/* Check values from an independent writer, whose reader opens Teaclave's own files: docs/teaclave.md. */
static const struct {
    size_t size;
    size_t nodes;
    const char *cmac;
    const char *sha256;
} check_values[] = {
    { 0, 1, "ed749d245edd1da9ef21bb09a3480126", "0013e47b9897078a19b1898291e65bed2417ae7de28641184d7ab9cfe2888904" },
    { 13, 1, "626914818a46d301c942987ad5d35004", "c249ade3cdf63b3fba26a66d4fc4140d6ee1a320a98e86a655213d8a2ce4e15e" },
    { 3072, 1, "1ed2fdc00fe837be08521e4c9bb284ac", "2ce685c4cd1b4cf9ea98a4dbee7f6058103295af184509ae4d6b8fe2392d09f4" },
    { 3073, 3, "03edc38969c4ec7b5a8a4595c057193a", "78b1486b7d2724fc0eacc920b3cf8e836538c605a6d5683af68a78d6e970a283" },
    { 7169, 4, "a563a12c00881364ea324f34fb331802", "5c6923cb0e6c11d155d0f92b112cf1fbb813551d48c1a1fc64d33586f93f5652" },
    { 396288, 98, "8327d9fab935f13cfea90aa58bee1310",
      "dd0b29fbfd4c4fc0fba55c03f4e25bd89d19147eed9ee8091d113e6fe3b126ad" },
    { 396289, 100, "2ef05c8750fe2303d63fb174b089229e",
      "7178f6754c96273ab9a9c227fcbb1a1d7b35d5739c69959db167b41551c9faaf" },
    { 500000, 125, "dd1611e090d94f94e95c80eb3fcd8865",
      "1af8473340a938beb6f9adae75e90368d7abe2e7f9bc096cee5bd30ba73e12f0" },
    { 13631488, 3364, "b55485a0fd5d686e3e79c1e83a52b66b",
      "6a96419278fda61b69956f2b0fd4e87f9ba04c5a62b35001695165ed2253908a" },
};

static void test_check_values(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = secret_of_hex(KEY);
    for (size_t i = 0; i < sizeof(check_values) / sizeof(check_values[0]); i++) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes plain = generate(check_values[i].size);
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes file = forge_teaclave_file(&key, cella_bytes_view(&plain));
        uint8_t digest[CELLA_SHA256_SIZE];
        assert_int_equal(file.size, check_values[i].nodes * FORGE_NODE);
        assert_int_equal(cella_sha256(cella_bytes_view(&file), digest), CELLA_OK);
        assert_hex(file.data + 0x50, 16, check_values[i].cmac);
        assert_hex(digest, sizeof(digest), check_values[i].sha256);
        const size_t pieces[] = { 1 << 20, 4096, 4095, 4097, 777 };
        for (size_t k = 0; k < sizeof(pieces) / sizeof(pieces[0]); k++) {
            assert_opens_to(CELLA_DATA_TEACLAVE_FILE_128, &key, cella_bytes_view(&file), cella_bytes_view(&plain),
                            pieces[k]);
        }
    }
}

/* Byte for byte; a data node, the tree nodes and the metadata are all there. */
static void test_each_changed_byte_is_refused(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = secret_of_hex(KEY);
    const size_t sizes[] = { 13, 7169 };
    for (size_t k = 0; k < 2; k++) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes plain = generate(sizes[k]);
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes file = forge_teaclave_file(&key, cella_bytes_view(&plain));
        for (size_t i = 0; i < file.size; i++) {
            CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes opened = { 0 };
            file.data[i] ^= 1;
            cella_status status = open_file(CELLA_DATA_TEACLAVE_FILE_128, &key, cella_bytes_view(&file), file.size,
                                            SIZE_MAX / 2, &opened);
            file.data[i] ^= 1;
            bool plain_part = i < 0x10 || (i >= 0x30 && i < 0x50) || (i >= 0xD8C && i < 4096);
            assert_int_equal(status, plain_part ? CELLA_BAD_FORMAT : CELLA_BAD_TAG);
            /* What came before the changed node may have been given, and nothing else. */
            assert_true(opened.size <= plain.size);
            assert_true(opened.size == 0 || memcmp(opened.data, plain.data, opened.size) == 0);
        }
    }
}

static void test_moved_and_missing_nodes(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = secret_of_hex(KEY);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes plain = generate(500000);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes file = forge_teaclave_file(&key, cella_bytes_view(&plain));
    const size_t swapped[][2] = { { 2, 3 }, { 1, 98 }, { 97, 99 }, { 120, 124 }, { 0, 1 } };
    for (size_t i = 0; i < sizeof(swapped) / sizeof(swapped[0]); i++) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes other = { 0 };
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes opened = { 0 };
        assert_int_equal(cella_bytes_set(&other, cella_bytes_view(&file)), CELLA_OK);
        memcpy(other.data + swapped[i][0] * FORGE_NODE, file.data + swapped[i][1] * FORGE_NODE, FORGE_NODE);
        memcpy(other.data + swapped[i][1] * FORGE_NODE, file.data + swapped[i][0] * FORGE_NODE, FORGE_NODE);
        assert_int_equal(open_file(CELLA_DATA_TEACLAVE_FILE_128, &key, cella_bytes_view(&other), other.size, 5000,
                                   &opened),
                         i == 4 ? CELLA_BAD_FORMAT : CELLA_BAD_TAG);
    }
    for (size_t nodes = 0; nodes < 125; nodes++) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes opened = { 0 };
        struct cella_view cut = { file.data, nodes * FORGE_NODE };
        /* Cut before it was registered, and cut afterwards. */
        assert_int_equal(open_file(CELLA_DATA_TEACLAVE_FILE_128, &key, cut, cut.size, 9999, &opened), CELLA_TRUNCATED);
        assert_int_equal(open_file(CELLA_DATA_TEACLAVE_FILE_128, &key, cut, file.size, 9999, &opened),
                         CELLA_TRUNCATED);
    }
}

static void test_more_than_the_file(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = secret_of_hex(KEY);
    const size_t sizes[] = { 100, 3072, 5000 };
    for (size_t i = 0; i < 3; i++) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes plain = generate(sizes[i]);
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes file = forge_teaclave_file(&key, cella_bytes_view(&plain));
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes opened = { 0 };
        size_t size = file.size;
        assert_int_equal(cella_bytes_resize(&file, size + 2 * FORGE_NODE), CELLA_OK);
        memset(file.data + size, 0, 2 * FORGE_NODE);
        assert_int_equal(open_file(CELLA_DATA_TEACLAVE_FILE_128, &key, cella_bytes_view(&file), file.size, 4096,
                                   &opened),
                         CELLA_BAD_FORMAT);
        assert_int_equal(open_file(CELLA_DATA_TEACLAVE_FILE_128, &key, cella_bytes_view(&file), size, 4096, &opened),
                         CELLA_BAD_SIZE);
    }
}

/* Sizes that no file has are refused before anything is allocated; one of the largest costs 5.6 MiB. */
static void test_sizes(void **state)
{
    (void) state;
    const uint64_t wrong[] = { 0, 1, 4095, 4097, 2 * 4096, 99 * 4096, 4096 * (uint64_t) (1 + 97 * 3 + 1) };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(cella_teaclave_file_check_size(wrong[i]), CELLA_TRUNCATED);
    }
    assert_int_equal(cella_teaclave_file_check_size(CELLA_TEACLAVE_FILE_MAX), CELLA_OK);
    assert_int_equal(cella_teaclave_file_check_size(CELLA_TEACLAVE_FILE_MAX + 4096), CELLA_BAD_SIZE);
    assert_int_equal(cella_teaclave_file_check_size(UINT64_MAX), CELLA_BAD_SIZE);
    uint64_t size;
    assert_int_equal(cella_gcm_file_plain_size(16, &size), CELLA_TRUNCATED);
    assert_int_equal(cella_gcm_file_plain_size(17, &size), CELLA_OK);
    assert_int_equal(size, 1);
    assert_int_equal(cella_gcm_file_plain_size(CELLA_GCM_FILE_MAX, &size), CELLA_OK);
    assert_int_equal(cella_gcm_file_plain_size(CELLA_GCM_FILE_MAX + 1, &size), CELLA_BAD_SIZE);
    assert_int_equal(cella_gcm_file_plain_size(UINT64_MAX, &size), CELLA_BAD_SIZE);
    const struct cella_data_file file = { CELLA_DATA_SEALED_FILE, 1000, 8192 };
    assert_int_equal(cella_data_file_check(&file), CELLA_BAD_FORMAT);
}

/* A file in AES-GCM with eight zero bytes as associated data; key is followed by the nonce. */
static struct cella_bytes forge_gcm_file(const struct cella_secret *key, size_t size, struct cella_bytes *plain)
{
    static const uint8_t zeros[8] = { 0 };
    struct cella_bytes file = { 0 };
    *plain = generate(size);
    forge_gcm(key->data, key->size - 12, key->data + key->size - 12, cella_view_of(zeros, 8), cella_bytes_view(plain),
              &file);
    return file;
}

static void test_gcm(void **state)
{
    (void) state;
    const enum cella_data_format formats[] = { CELLA_DATA_AES_GCM_128, CELLA_DATA_AES_GCM_256 };
    const char *keys[] = { KEY IV, KEY KEY IV };
    const size_t sizes[] = { 1, 15, 16, 17, 1000, 65535, 65536, 65537, 200000 };
    for (size_t f = 0; f < 2; f++) {
        CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = secret_of_hex(keys[f]);
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes plain = { 0 };
            CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes file = forge_gcm_file(&key, sizes[i], &plain);
            const size_t pieces[] = { 1, 7, 65536, 65537, SIZE_MAX / 2 };
            for (size_t k = sizes[i] > 1000 ? 1 : 0; k < 5; k++) {
                assert_opens_to(formats[f], &key, cella_bytes_view(&file), cella_bytes_view(&plain), pieces[k]);
            }
        }
    }
}

static void test_gcm_associated_data_are_eight_zeros(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = secret_of_hex(KEY IV);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes plain = generate(40);
    for (size_t size = 0; size < 20; size++) {
        static const uint8_t zeros[20] = { 0 };
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes file = { 0 };
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes opened = { 0 };
        forge_gcm(key.data, 16, key.data + 16, cella_view_of(zeros, size), cella_bytes_view(&plain), &file);
        assert_int_equal(open_file(CELLA_DATA_AES_GCM_128, &key, cella_bytes_view(&file), file.size, 100, &opened),
                         size == 8 ? CELLA_OK : CELLA_BAD_TAG);
    }
}

static void test_gcm_changed_cut_and_longer(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = secret_of_hex(KEY KEY IV);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes plain = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes file = forge_gcm_file(&key, 300, &plain);
    for (size_t i = 0; i < file.size; i++) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes opened = { 0 };
        file.data[i] ^= 0x80;
        assert_int_equal(open_file(CELLA_DATA_AES_GCM_256, &key, cella_bytes_view(&file), file.size, 64, &opened),
                         CELLA_BAD_TAG);
        file.data[i] ^= 0x80;
        struct cella_view cut = { file.data, i };
        assert_int_equal(open_file(CELLA_DATA_AES_GCM_256, &key, cut, i, 64, &opened),
                         i <= 16 ? CELLA_TRUNCATED : CELLA_BAD_TAG);
        assert_int_equal(open_file(CELLA_DATA_AES_GCM_256, &key, cut, file.size, 64, &opened), CELLA_TRUNCATED);
        if (i > 16) {
            assert_int_equal(open_file(CELLA_DATA_AES_GCM_256, &key, cella_bytes_view(&file), i, 64, &opened),
                             CELLA_BAD_SIZE);
        }
    }
}

static void test_keys(void **state)
{
    (void) state;
    const char *keys[] = { KEY KEY, KEY IV, KEY KEY IV, KEY };
    for (unsigned int f = 0; f < 4; f++) {
        enum cella_data_format format;
        enum cella_data_format found;
        assert_int_equal(cella_data_format_of_number(f, &format), CELLA_OK);
        assert_int_equal(cella_data_format_of_name(cella_data_format_name(format), &found), CELLA_OK);
        assert_int_equal(found, format);
        assert_true(strlen(cella_data_format_name(format)) <= CELLA_DATA_FORMAT_NAME_MAX);
        for (unsigned int k = 0; k < 4; k++) {
            CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = secret_of_hex(keys[k]);
            CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes opened = { 0 };
            CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes file = generate(4096);
            cella_status status = open_file(format, &key, cella_bytes_view(&file), file.size, 4096, &opened);
            assert_int_equal(status == CELLA_BAD_KEY, k != f);
            assert_true(status != CELLA_OK);
        }
    }
    enum cella_data_format format;
    assert_int_equal(cella_data_format_of_number(4, &format), CELLA_BAD_FORMAT);
    assert_int_equal(cella_data_format_of_name("raw", &format), CELLA_BAD_FIELD);
    assert_int_equal(cella_data_format_of_name("", &format), CELLA_BAD_FIELD);
    assert_int_equal(cella_data_format_of_name(NULL, &format), CELLA_BAD_FIELD);
}

static void test_wrong_key(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = secret_of_hex(KEY);
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret other = secret_of_hex("100102030405060708090a0b0c0d0e0f");
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes plain = generate(7169);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes opened = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes file = forge_teaclave_file(&key, cella_bytes_view(&plain));
    assert_int_equal(open_file(CELLA_DATA_TEACLAVE_FILE_128, &other, cella_bytes_view(&file), file.size, 4096, &opened),
                     CELLA_BAD_TAG);
    assert_int_equal(opened.size, 0);
    for (size_t i = 0; i < 28; i++) { /* of key and nonce */
        CELLA_CLEANUP(cella_secret_clear) struct cella_secret pair = secret_of_hex(KEY IV);
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes content = { 0 };
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes message = forge_gcm_file(&pair, 50, &content);
        pair.data[i] ^= 1;
        assert_int_equal(
            open_file(CELLA_DATA_AES_GCM_128, &pair, cella_bytes_view(&message), message.size, 4096, &opened),
            CELLA_BAD_TAG);
    }
}

/* RFC 4493, examples 1 to 4. */
static void test_cmac(void **state)
{
    (void) state;
    static const char message[] = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
                                  "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710";
    static const struct {
        size_t size;
        const char *mac;
    } cases[] = {
        { 0, "bb1d6929e95937287fa37d129b756746" },
        { 16, "070a16b46b4d4144f79bdd9dd04a287c" },
        { 40, "dfa66747de9ae63030ca32611497c827" },
        { 64, "51f0bebf7e3b9d92fc49741779363cfe" },
    };
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = secret_of_hex("2b7e151628aed2a6abf7158809cf4f3c");
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes bytes = bytes_of_hex(message);
    for (size_t i = 0; i < 4; i++) {
        CELLA_CLEANUP(cella_secret_clear) struct cella_secret mac = { 0 };
        assert_int_equal(cella_cmac_aes128(&key, cella_view_of(bytes.data, cases[i].size), &mac), CELLA_OK);
        assert_hex(mac.data, mac.size, cases[i].mac);
    }
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret mac = { 0 };
    assert_int_equal(cella_secret_resize(&key, 32), CELLA_OK);
    assert_int_equal(cella_cmac_aes128(&key, cella_bytes_view(&bytes), &mac), CELLA_BAD_KEY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check_values),
        cmocka_unit_test(test_each_changed_byte_is_refused),
        cmocka_unit_test(test_moved_and_missing_nodes),
        cmocka_unit_test(test_more_than_the_file),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_gcm),
        cmocka_unit_test(test_gcm_associated_data_are_eight_zeros),
        cmocka_unit_test(test_gcm_changed_cut_and_longer),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_wrong_key),
        cmocka_unit_test(test_cmac),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
