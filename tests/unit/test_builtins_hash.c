/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "builtins/hash.h"

/*
 * Key and text are the bytes 0, 1, 2, ... AES-CBC of the encoding that hash.c describes, and SIPHASH with 16 bytes, both
 * by OpenSSL 3.
 */
static const struct {
    size_t size;
    const char *aes;
    const char *sip;
} vectors[] = {
    { 0, "c6a13b37878f5b826f4f8162a1c8d879", "a3817f04ba25a8e66df67214c7550293" },
    { 1, "7346139595c0b41e497bbde365f42d0a", "da87c1d86b99af44347659119b22fc45" },
    { 2, "a1faf398573ae54da303cf052f7ab6c1", "8177228da4a45dc7fca38bdef60affe4" },
    { 3, "37b6cc497f3d3422d6273e55461608fe", "9c70b60c5267a94e5f33b6b02985ed51" },
    { 4, "e76372efbd693c35821b9c23e74deb5d", "f88164c12d9c8faf7d0f6e7c7bcd5579" },
    { 7, "e451b279630aeacbc7a8cee337845030", "a1f1ebbed8dbc153c0b84aa61ff08239" },
    { 8, "33bab70e53347d968e510c562652546f", "3b62a9ba6258f5610f83e264f31497b4" },
    { 9, "461137a7285048491a43f7f88486f2f5", "264499060ad9baabc47f8b02bb6d71ed" },
    { 15, "0a940bb5416ef045f1c39458c653ea5a", "5493e99933b0a8117e08ec0f97cfc3d9" },
    { 16, "0026c0edf14b2a175ad20124e74107eb", "6ee2a4ca67b054bbfd3315bf85230577" },
    { 23, "676a138683eaaf0ad00391dd4d11371a", "c9d184ddd5a9f5e0cf8ce29a9abf691c" },
    { 24, "40205a47fdaf3f628ae87b76948ffc08", "2db479ae78bd50d8882a8a178a6132ad" },
    { 39, "b70eaa44cb4c4e2b6bfa95e9e23d1a67", "528a5bb93baf2c9c4473cce5d0d22bd9" },
    { 40, "3e2faaa634530099679310f1c2c9a1f2", "df6a301e95c95dad97ae0cc8c6913bd8" },
    { 100, "21c9e708332644246f6afea84df01721", "39732dd009be17338297c6358fe5e6d9" },
};

static void counting(uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t) i;
    }
}

static void check(const struct cella_hash_key *key, size_t which, const char *expected)
{
    uint8_t text[128];
    counting(text, sizeof(text));
    struct cella_hash hash = cella_hash_of(key, cella_view_of(text, vectors[which].size));
    char hex[2 * sizeof(hash) + 1];
    cella_hex_encode(cella_view_of(&hash, sizeof(hash)), hex);
    assert_string_equal(hex, expected);
}

static void test_vectors(void **state)
{
    (void) state;
    uint8_t secret[16];
    counting(secret, sizeof(secret));
    struct cella_hash_key key;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        cella_hash_key_set(&key, secret);
        check(&key, i, key.aes ? vectors[i].aes : vectors[i].sip);
        key.aes = false;
        check(&key, i, vectors[i].sip);
    }
}

/* Texts that are alike but not the same have other hashes: each size up to 70, zeros, and each bit of them. */
static void alike(bool aes)
{
    struct cella_hash_key key;
    assert_int_equal(cella_hash_key_make(&key), CELLA_OK);
    if (!aes) {
        key.aes = false;
    }
    static const uint8_t zeros[80];
    for (size_t size = 0; size < 70; size++) {
        struct cella_hash before = cella_hash_of(&key, cella_view_of(zeros, size));
        assert_false(cella_hash_equal(before, cella_hash_of(&key, cella_view_of(zeros, size + 1))));
        for (size_t bit = 0; bit < 8 * size; bit++) {
            uint8_t text[80] = { 0 };
            text[bit / 8] = (uint8_t) (1U << bit % 8);
            assert_false(cella_hash_equal(before, cella_hash_of(&key, cella_view_of(text, size))));
        }
    }
}

static void test_alike(void **state)
{
    (void) state;
    alike(true);
    alike(false);
}

static void test_many_is_one_by_one(void **state)
{
    (void) state;
    struct cella_hash_key key;
    assert_int_equal(cella_hash_key_make(&key), CELLA_OK);
    uint8_t text[128];
    counting(text, sizeof(text));
    struct cella_view views[100];
    struct cella_hash hashes[100];
    for (size_t i = 0; i < 100; i++) {
        views[i] = cella_view_of(text, i);
    }
    cella_hash_many(&key, views, 100, hashes);
    for (size_t i = 0; i < 100; i++) {
        assert_true(cella_hash_equal(hashes[i], cella_hash_of(&key, views[i])));
    }
}

static void test_each_key_is_another(void **state)
{
    (void) state;
    struct cella_hash_key a;
    struct cella_hash_key b;
    assert_int_equal(cella_hash_key_make(&a), CELLA_OK);
    assert_int_equal(cella_hash_key_make(&b), CELLA_OK);
    struct cella_view text = cella_view_of_string("same");
    assert_false(cella_hash_equal(cella_hash_of(&a, text), cella_hash_of(&b, text)));
}

ssize_t __wrap_getrandom(void *buffer, size_t size, unsigned int flags);
ssize_t __real_getrandom(void *buffer, size_t size, unsigned int flags);
static bool no_random;

ssize_t __wrap_getrandom(void *buffer, size_t size, unsigned int flags)
{
    return no_random ? -1 : __real_getrandom(buffer, size, flags);
}

static void test_no_random_bytes(void **state)
{
    (void) state;
    struct cella_hash_key key;
    no_random = true;
    assert_int_equal(cella_hash_key_make(&key), CELLA_RANDOM_FAILED);
    no_random = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_alike),
        cmocka_unit_test(test_many_is_one_by_one),
        cmocka_unit_test(test_each_key_is_another),
        cmocka_unit_test(test_no_random_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
