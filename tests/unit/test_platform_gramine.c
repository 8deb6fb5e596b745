/* SPDX-License-Identifier: Apache-2.0 */

/* Gramine's /dev/attestation: files. The quote is a real one, so what is asked for is what it is bound to. */

#include "dcap_forge.h"
#include "evidence_files.h"
#include "platform_sealing.h"
#include "temporary_tree.h"

#define FOLDER "/dev/attestation"
#define QUOTE_REPORT_DATA (48 + 320)

struct world {
    char root[64];
    struct cella_platform_setup setup;
    struct cella_platform *platform;
    struct cella_text why;
    struct cella_bytes quote;
    uint8_t report_data[CELLA_REPORT_DATA_SIZE];
    struct cella_bytes evidence;
    struct cella_bytes endorsements;
};

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    tree_make(world->root);
    tree_put(world->root, FOLDER "/attestation_type", "dcap", 4);
    tree_put(world->root, FOLDER "/user_report_data", "", 0);
    tree_put(world->root, FOLDER "/keys/_sgx_mrenclave", "0123456789abcdef", 16);
    world->setup.root = world->root;
    assert_int_equal(cella_platform_open("gramine", &world->setup, &world->platform, &world->why), CELLA_OK);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    int failed = tree_remove(world->root);
    cella_platform_free(world->platform);
    cella_bytes_clear(&world->quote);
    cella_bytes_clear(&world->evidence);
    cella_bytes_clear(&world->endorsements);
    free(world);
    return failed;
}

static cella_status ask(struct world *world)
{
    world->evidence.size = 0;
    tree_put(world->root, FOLDER "/quote", world->quote.data, world->quote.size);
    return cella_platform_evidence(world->platform, world->report_data, (struct cella_view){ 0 }, &world->evidence,
                                   &world->endorsements);
}

static void test_quote(void **state)
{
    struct world *world = *state;
    char path[256];
    uint8_t written[CELLA_REPORT_DATA_SIZE + 1];
    world->quote = vector_file("sgx/dcap-qvl/sgx_quote");
    memcpy(world->report_data, world->quote.data + QUOTE_REPORT_DATA, sizeof(world->report_data));
    assert_int_equal(ask(world), CELLA_OK);
    assert_true(cella_view_equal(cella_bytes_view(&world->evidence), cella_bytes_view(&world->quote)));
    assert_int_equal(cella_platform_type(world->platform), CELLA_EVIDENCE_SGX);
    (void) snprintf(path, sizeof(path), "%s" FOLDER "/user_report_data", world->root);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fread(written, 1, sizeof(written), file), CELLA_REPORT_DATA_SIZE);
    assert_memory_equal(written, world->report_data, CELLA_REPORT_DATA_SIZE);
    (void) fclose(file);
    world->report_data[63] ^= 1;
    assert_int_equal(ask(world), CELLA_BAD_EVIDENCE);
    world->report_data[63] ^= 1;
    world->quote.size -= 700;
    assert_int_equal(ask(world), CELLA_BAD_EVIDENCE);
    world->quote.size = 0;
    assert_int_equal(ask(world), CELLA_BAD_EVIDENCE);
    assert_int_equal(cella_bytes_resize(&world->quote, 100000), CELLA_OK);
    assert_int_equal(ask(world), CELLA_BAD_EVIDENCE);
    assert_int_equal(world->evidence.size, 0);
}

/* A quote below a root of this test's own, and what a client says to it. */
static void test_accepted_end_to_end(void **state)
{
    struct world *world = *state;
    struct dcap_forge forge;
    dcap_begin(&forge);
    memset(world->report_data, 0x44, sizeof(world->report_data));
    world->quote = dcap_quote(&forge, DCAP_SGX, world->report_data);
    assert_int_equal(ask(world), CELLA_OK);
    assert_int_equal(world->endorsements.size, 0);
    assert_int_equal(dcap_appraise(&forge, DCAP_SGX, &world->evidence, world->report_data, true), CELLA_OK);
    assert_int_equal(dcap_appraise(&forge, DCAP_SGX, &world->evidence, world->report_data, false), CELLA_ROOT);
    world->report_data[0] ^= 1;
    assert_int_equal(dcap_appraise(&forge, DCAP_SGX, &world->evidence, world->report_data, true), CELLA_BINDING);
    dcap_end(&forge);
}

static void test_no_quote(void **state)
{
    struct world *world = *state;
    assert_int_equal(cella_platform_evidence(world->platform, world->report_data, (struct cella_view){ 0 },
                                             &world->evidence, &world->endorsements),
                     CELLA_SYSTEM_FAILED);
}

static void test_sealing(void **state)
{
    struct world *world = *state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes sealed = assert_seals(world->platform);
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret secret = { 0 };
    tree_put(world->root, FOLDER "/keys/_sgx_mrenclave", "0123456789abcdeF", 16); /* another enclave */
    assert_not_unsealed(world->platform, "ledger", cella_bytes_view(&sealed));
    static const char *const keys[] = { "", "0123456789abcde", "0123456789abcdef0" };
    for (size_t i = 0; i < 3; i++) {
        tree_put(world->root, FOLDER "/keys/_sgx_mrenclave", keys[i], strlen(keys[i]));
        assert_int_equal(cella_platform_unseal(world->platform, "ledger", cella_bytes_view(&sealed), &secret),
                         CELLA_SYSTEM_FAILED);
    }
}

static void test_what_is_missing(void **state)
{
    struct world *world = *state;
    struct cella_platform *none = NULL;
    tree_put(world->root, FOLDER "/attestation_type", "none\n", 5);
    assert_int_equal(cella_platform_open("gramine", &world->setup, &none, &world->why), CELLA_SYSTEM_FAILED);
    assert_non_null(strstr(world->why.characters, "manifest"));
    world->setup.root = "/tmp/cella-no-such-folder";
    assert_int_equal(cella_platform_open("gramine", &world->setup, &none, &world->why), CELLA_SYSTEM_FAILED);
    assert_non_null(strstr(world->why.characters, "no /dev/attestation"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_quote),
        CASE(test_accepted_end_to_end),
        CASE(test_no_quote),
        CASE(test_sealing),
        CASE(test_what_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
