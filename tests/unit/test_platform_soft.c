/* SPDX-License-Identifier: Apache-2.0 */

/* The choice among platforms, the soft one, and sealing. */

#include "platform_sealing.h"

#include "platform/sealing.h"
#include "trust/evidence_soft.h"

struct world {
    struct cella_secret seed;
    uint8_t measurement[CELLA_SHA256_SIZE];
    struct cella_platform_setup setup;
    struct cella_platform *platform;
    struct cella_text why;
};

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    assert_int_equal(cella_secret_random(&world->seed, CELLA_ED25519_KEY_SIZE), CELLA_OK);
    memset(world->measurement, 0x33, sizeof(world->measurement));
    world->setup = (struct cella_platform_setup){ .root = "/tmp/cella-no-such-folder", .soft_root = &world->seed,
                                                  .measurement = world->measurement, .layers = CELLA_LAYERS_REQUIRED };
    assert_int_equal(cella_platform_open("soft", &world->setup, &world->platform, &world->why), CELLA_OK);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    cella_platform_free(world->platform);
    cella_secret_clear(&world->seed);
    free(world);
    return 0;
}

static void test_evidence(void **state)
{
    struct world *world = *state;
    uint8_t report_data[CELLA_REPORT_DATA_SIZE];
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes evidence = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes endorsements = { 0 };
    memset(report_data, 9, sizeof(report_data));
    assert_int_equal(cella_platform_evidence(world->platform, report_data, (struct cella_view){ 0 }, &evidence, &endorsements),
                     CELLA_OK);
    assert_int_equal(evidence.size, CELLA_EVIDENCE_SOFT_SIZE);
    assert_int_equal(endorsements.size, 0);
    assert_memory_equal(evidence.data + 14, world->measurement, CELLA_SHA256_SIZE);
    assert_memory_equal(evidence.data + 46, report_data, CELLA_REPORT_DATA_SIZE);
    assert_string_equal(cella_platform_name(world->platform), "soft");
    assert_int_equal(cella_platform_type(world->platform), CELLA_EVIDENCE_SOFT);
}

static void test_sealing(void **state)
{
    struct world *world = *state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes sealed = assert_seals(world->platform);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes longer = { 0 };
    world->measurement[31] ^= 1; /* other files */
    assert_not_unsealed(world->platform, "ledger", cella_bytes_view(&sealed));
    world->measurement[31] ^= 1;
    world->seed.data[0] ^= 1; /* another machine */
    assert_not_unsealed(world->platform, "ledger", cella_bytes_view(&sealed));
    world->seed.data[0] ^= 1;
    assert_int_equal(cella_bytes_append(&longer, cella_bytes_view(&sealed)), CELLA_OK);
    assert_int_equal(cella_bytes_resize(&longer, longer.size + 1), CELLA_OK);
    assert_not_unsealed(world->platform, "ledger", cella_bytes_view(&longer));
    assert_int_equal(cella_bytes_resize(&longer, CELLA_PLATFORM_SEALED_MAX + 1), CELLA_OK);
    assert_not_unsealed(world->platform, "ledger", cella_bytes_view(&longer));
}

static void test_sealing_of_little_and_much(void **state)
{
    struct world *world = *state;
    static const size_t sizes[] = { 0, 1, CELLA_PLATFORM_SECRET_MAX };
    for (size_t i = 0; i < 3; i++) {
        CELLA_CLEANUP(cella_secret_clear) struct cella_secret secret = { 0 };
        CELLA_CLEANUP(cella_secret_clear) struct cella_secret back = { 0 };
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes sealed = { 0 };
        assert_int_equal(cella_secret_resize(&secret, sizes[i]), CELLA_OK);
        assert_int_equal(cella_platform_seal(world->platform, "", &secret, &sealed), CELLA_OK);
        assert_true(sealed.size <= CELLA_PLATFORM_SEALED_MAX);
        assert_int_equal(cella_platform_unseal(world->platform, "", cella_bytes_view(&sealed), &back), CELLA_OK);
        assert_true(cella_view_equal(cella_secret_view(&secret), cella_secret_view(&back)));
    }
}

static void test_key_of_sealing(void **state)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = { 0 };
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret secret = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes sealed = { 0 };
    (void) state;
    assert_int_equal(cella_secret_random(&key, 32), CELLA_OK);
    assert_int_equal(cella_secret_random(&secret, 32), CELLA_OK);
    assert_int_equal(cella_sealing_seal(&key, "a", &secret, &sealed), CELLA_OK);
    assert_memory_equal(sealed.data, "CSEAL1", 6);
    assert_int_equal(sealed.size, 6 + 32 + 32 + 16);
    key.data[31] ^= 1;
    assert_int_equal(cella_sealing_unseal(&key, "a", cella_bytes_view(&sealed), &secret), CELLA_BAD_TAG);
}

static void test_choice(void **state)
{
    struct world *world = *state;
    struct cella_platform_finding findings[CELLA_PLATFORMS_MAX];
    struct cella_platform *platform = NULL;
    size_t count = cella_platform_look(&world->setup, findings);
    assert_true(count >= 5);
    assert_string_equal(findings[count - 1].name, "soft"); /* what proves least comes last */
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(findings[i].usable, i == count - 1);
        assert_true(strlen(findings[i].why.characters) > 10);
        assert_true(strlen(findings[i].why.characters) < CELLA_TEXT_MAX - 1); /* not cut */
        if (!findings[i].usable) {
            assert_int_equal(cella_platform_open(findings[i].name, &world->setup, &platform, &world->why),
                             CELLA_SYSTEM_FAILED);
            assert_string_equal(world->why.characters, findings[i].why.characters);
        }
    }
    assert_int_equal(cella_platform_open("auto", &world->setup, &platform, &world->why), CELLA_OK);
    assert_string_equal(cella_platform_name(platform), "soft");
    cella_platform_free(platform);
    assert_int_equal(cella_platform_open("snq", &world->setup, &platform, &world->why), CELLA_BAD_FIELD);
    static const char *const kinds[] = { "snp", "tdx", "sgx", "nitro", "tpm" }; /* wanted, and nothing else will do */
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        assert_int_equal(cella_platform_open(kinds[i], &world->setup, &platform, &world->why), CELLA_SYSTEM_FAILED);
        assert_non_null(strstr(world->why.characters, "no /"));
    }
    world->setup.soft_root = NULL;
    assert_int_equal(cella_platform_open("auto", &world->setup, &platform, &world->why), CELLA_SYSTEM_FAILED);
    assert_string_equal(world->why.characters, "no platform is usable on this machine; cella-host doctor says why");
    assert_int_equal(cella_platform_open("soft", &world->setup, &platform, &world->why), CELLA_SYSTEM_FAILED);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_evidence),
        CASE(test_sealing),
        CASE(test_sealing_of_little_and_much),
        CASE(test_key_of_sealing),
        CASE(test_choice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
