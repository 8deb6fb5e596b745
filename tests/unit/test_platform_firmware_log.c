/* SPDX-License-Identifier: Apache-2.0 */

/* The firmware's log beside evidence: that of a real TD, and what must not go along. A TPM's is in test_platform_tpm.c. */

#include "evidence_files.h"
#include "temporary_tree.h"

#include "platform/firmware_log.h"
#include "trust/back_end.h"

#define QUOTE "tdx/go-tdx-guest/cos-113-tdx-quote.dat"
#define LOG "tdx/go-tdx-guest/ccel_data.dat"
#define OTHER_LOG "eventlog/trustee_CCEL_data_ovmf"

struct world {
    char root[64];
    struct cella_platform_setup setup;
    struct cella_bytes quote;
    struct cella_bytes log;
    struct cella_bytes endorsements;
    struct cella_claims claims;
};

static int set_up(void **state)
{
    struct world *world = test_calloc(1, sizeof(*world));
    CELLA_CLEANUP(cella_parsed_clear) struct cella_parsed parsed = { 0 };
    const struct cella_endorsements none = { .count = 0 };
    struct cella_text detail;
    tree_make(world->root);
    world->setup.root = world->root;
    *state = world;
    if (access(CELLA_SHARED_VECTORS "/" QUOTE, R_OK) != 0) {
        return 0; /* the test says that it is skipped */
    }
    world->quote = vector_file(QUOTE);
    world->log = vector_file(LOG);
    return cella_back_end_tdx.parse(cella_bytes_view(&world->quote), &none, &world->claims, &parsed, &detail) == CELLA_OK ? 0
                                                                                                                         : -1;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    int result = tree_remove(world->root);
    cella_bytes_clear(&world->quote);
    cella_bytes_clear(&world->log);
    cella_bytes_clear(&world->endorsements);
    test_free(world);
    return result;
}

static void need_vectors(const struct world *world)
{
    if (world->quote.size == 0) {
        (void) fprintf(stderr, "SKIPPED: no vectors\n");
        skip();
    }
}

static void put(const struct world *world, const char *path, struct cella_view log)
{
    tree_put(world->root, path, log.data, log.size);
}

static size_t added(struct world *world, enum cella_evidence_type type)
{
    world->endorsements.size = 0;
    assert_int_equal(cella_firmware_log(&world->setup, type, &world->claims, &world->endorsements), CELLA_OK);
    return world->endorsements.size;
}

static void test_log_of_a_real_td(void **state)
{
    struct world *world = *state;
    struct cella_endorsements found;
    need_vectors(world);
    put(world, CELLA_TD_EVENT_LOG, cella_bytes_view(&world->log));
    assert_int_equal(added(world, CELLA_EVIDENCE_TDX), 5 + world->log.size);
    assert_int_equal(cella_endorsements_read(cella_bytes_view(&world->endorsements), &found), CELLA_OK);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.list[0].kind, CELLA_ENDORSE_EVENT_LOG);
    assert_true(cella_view_equal(found.list[0].content, cella_bytes_view(&world->log)));
}

static void test_no_log(void **state)
{
    struct world *world = *state;
    need_vectors(world);
    assert_int_equal(added(world, CELLA_EVIDENCE_TDX), 0);
    put(world, CELLA_TD_EVENT_LOG, (struct cella_view){ 0 });
    assert_int_equal(added(world, CELLA_EVIDENCE_TDX), 0);
    put(world, CELLA_TPM_EVENT_LOG, cella_bytes_view(&world->log)); /* a TD's is at another place */
    assert_int_equal(added(world, CELLA_EVIDENCE_TDX), 0);
}

/* Everybody would refuse it, also those who do not ask for one. */
static void test_log_that_leads_elsewhere(void **state)
{
    struct world *world = *state;
    need_vectors(world);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes other = vector_file(OTHER_LOG);
    put(world, CELLA_TD_EVENT_LOG, cella_bytes_view(&other));
    assert_int_equal(added(world, CELLA_EVIDENCE_TDX), 0);
    put(world, CELLA_TD_EVENT_LOG, cella_view_of(world->log.data, 300)); /* cut */
    assert_int_equal(added(world, CELLA_EVIDENCE_TDX), 0);
}

static void test_log_that_is_too_large(void **state)
{
    struct world *world = *state;
    need_vectors(world);
    size_t size = world->log.size;
    assert_int_equal(cella_bytes_resize(&world->log, CELLA_ENDORSEMENT_MAX + 1), CELLA_OK);
    memset(world->log.data + size, 0xff, world->log.size - size); /* as it is filled already */
    put(world, CELLA_TD_EVENT_LOG, cella_bytes_view(&world->log));
    assert_int_equal(added(world, CELLA_EVIDENCE_TDX), 0);
    put(world, CELLA_TD_EVENT_LOG, cella_view_of(world->log.data, CELLA_ENDORSEMENT_MAX));
    assert_int_equal(added(world, CELLA_EVIDENCE_TDX), 5 + CELLA_ENDORSEMENT_MAX);
}

static void test_kinds_without_registers(void **state)
{
    static const enum cella_evidence_type types[] = { CELLA_EVIDENCE_NONE, CELLA_EVIDENCE_SOFT, CELLA_EVIDENCE_SNP,
                                                      CELLA_EVIDENCE_SGX, CELLA_EVIDENCE_NITRO };
    struct world *world = *state;
    need_vectors(world);
    put(world, CELLA_TD_EVENT_LOG, cella_bytes_view(&world->log));
    put(world, CELLA_TPM_EVENT_LOG, cella_bytes_view(&world->log));
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        assert_int_equal(added(world, types[i]), 0);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_log_of_a_real_td),       TEST(test_no_log),
        TEST(test_log_that_leads_elsewhere), TEST(test_log_that_is_too_large),
        TEST(test_kinds_without_registers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
