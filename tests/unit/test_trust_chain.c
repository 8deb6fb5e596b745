/* SPDX-License-Identifier: Apache-2.0 */
#include "evidence_files.h"

#include "trust/certificate.h"

#define DURING 1781481600U /* 2026-06-15 */

/* The forged chain of AMD's shape, whose root only this test trusts. */
struct world {
    struct cella_certificates given;
    struct cella_certificates helpers;
    struct cella_anchors anchors;
    struct cella_crl *crls[2];
    size_t crl_count;
    struct cella_chain_rules rules;
    struct cella_chain chain;
    struct cella_text detail;
};

static void read_into(struct cella_certificates *list, const char *name)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = vector_file(name);
    assert_int_equal(cella_certificates_read(list, cella_bytes_view(&text)), CELLA_OK);
}

static void read_list(struct world *world, const char *name)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = vector_file(name);
    assert_int_equal(cella_crl_read(cella_bytes_view(&text), &world->crls[world->crl_count++]), CELLA_OK);
}

/* The root is the last certificate of the file. */
static void trust_root(struct world *world, const char *name)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = vector_file(name);
    size_t begin = 0;
    for (size_t i = 0; i + 10 < text.size; i++) {
        begin = memcmp(text.data + i, "-----BEGIN", 10) == 0 ? i : begin;
    }
    const struct cella_view last = cella_view_of(text.data + begin, text.size - begin);
    assert_int_equal(cella_anchors_add(&world->anchors, "amd-genoa", last), CELLA_OK);
}

static int set_up(void **state)
{
    struct world *world = test_calloc(1, sizeof(*world));
    *state = world;
    world->rules = (struct cella_chain_rules){ .family = "amd", .length_min = 3, .length_max = 3, .leaf_curve_bits = 384 };
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    cella_certificates_clear(&world->given);
    cella_certificates_clear(&world->helpers);
    cella_anchors_clear(&world->anchors);
    for (size_t i = 0; i < world->crl_count; i++) {
        cella_crl_free(world->crls[i]);
    }
    test_free(world);
    return 0;
}

static cella_status verify(struct world *world, uint64_t now)
{
    world->detail = (struct cella_text){ "" };
    return cella_chain_verify(&world->given, &world->helpers, world->crls, world->crl_count, &world->anchors,
                              &world->rules, now, &world->chain, &world->detail);
}

static void make_good(struct world *world)
{
    read_into(&world->given, "snp/forged/vcek.der");
    read_into(&world->given, "snp/forged/ask_ark.pem");
    trust_root(world, "snp/forged/ask_ark.pem");
}

static void test_good_chain(void **state)
{
    struct world *world = *state;
    make_good(world);
    assert_int_equal(verify(world, DURING), CELLA_OK);
    assert_int_equal(world->chain.count, 3);
    assert_ptr_equal(world->chain.list[0], world->given.list[0]);
    assert_ptr_equal(world->chain.anchor, &world->anchors.list[0]);
    assert_false(world->chain.anchor->pinned_here);
}

static void test_order_of_the_rest(void **state)
{
    struct world *world = *state;
    make_good(world);
    struct cella_certificate *ask = world->given.list[1];
    world->given.list[1] = world->given.list[2];
    world->given.list[2] = ask;
    assert_int_equal(verify(world, DURING), CELLA_OK);
}

static void test_leaf_that_is_not_first(void **state)
{
    struct world *world = *state;
    read_into(&world->given, "snp/forged/ask_ark.pem");
    read_into(&world->given, "snp/forged/vcek.der");
    trust_root(world, "snp/forged/ask_ark.pem");
    assert_int_equal(verify(world, DURING), CELLA_BAD_EVIDENCE); /* a chain of two, with another key */
}

static void test_no_anchor(void **state)
{
    struct world *world = *state;
    read_into(&world->given, "snp/forged/vcek.der");
    read_into(&world->given, "snp/forged/ask_ark.pem");
    assert_int_equal(verify(world, DURING), CELLA_ROOT); /* the root came along, and is nobody's */
    assert_int_equal(cella_anchors_add_pinned(&world->anchors, "amd"), CELLA_OK);
    assert_int_equal(verify(world, DURING), CELLA_ROOT); /* AMD's have the same names */
    assert_int_equal(world->chain.count, 0);
}

static void test_missing_certificates(void **state)
{
    struct world *world = *state;
    assert_int_equal(verify(world, DURING), CELLA_ENDORSEMENT);
    read_into(&world->given, "snp/forged/vcek.der");
    trust_root(world, "snp/forged/ask_ark.pem");
    assert_int_equal(verify(world, DURING), CELLA_ROOT);
}

static void test_expired(void **state)
{
    struct world *world = *state;
    make_good(world);
    assert_int_equal(verify(world, 1U), CELLA_EXPIRED);
    assert_int_equal(verify(world, 4102444800U + 1000000000U), CELLA_EXPIRED);
    assert_true(cella_certificate_is_current(world->given.list[0], DURING));
    assert_false(cella_certificate_is_current(world->given.list[0], 1));
}

static void test_length_and_key(void **state)
{
    struct world *world = *state;
    make_good(world);
    world->rules.length_max = 2;
    world->rules.length_min = 2;
    assert_int_equal(verify(world, DURING), CELLA_BAD_EVIDENCE);
    world->rules.length_max = world->rules.length_min = 3;
    world->rules.leaf_curve_bits = 256;
    assert_int_equal(verify(world, DURING), CELLA_BAD_EVIDENCE);
    world->rules.leaf_curve_bits = CELLA_CHAIN_ANY_KEY;
    assert_int_equal(verify(world, DURING), CELLA_OK);
}

static void test_what_does_not_belong_to_the_chain(void **state)
{
    struct world *world = *state;
    make_good(world);
    world->rules.complete = true;
    assert_int_equal(verify(world, DURING), CELLA_OK); /* the root that came along is the anchor's twin */
    read_into(&world->given, "snp/forged/vlek.der");
    assert_int_equal(verify(world, DURING), CELLA_ROOT);
    world->rules.complete = false;
    assert_int_equal(verify(world, DURING), CELLA_OK);
}

static void test_revocation(void **state)
{
    static const struct {
        const char *name;
        cella_status status;
    } rows[] = { { "snp/forged/crl_empty.der", CELLA_OK },
                 { "snp/forged/crl_ask_revoked.der", CELLA_REVOKED },
                 { "snp/forged/crl_expired.der", CELLA_EXPIRED },
                 { "snp/forged/crl_wrong_signer.der", CELLA_ENDORSEMENT } };
    struct world *world = *state;
    make_good(world);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CELLA_CLEANUP(cella_crl_cleanup) struct cella_crl *crl = NULL;
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = vector_file(rows[i].name);
        uint64_t number;
        assert_int_equal(cella_crl_read(cella_bytes_view(&text), &crl), CELLA_OK);
        assert_int_equal(cella_crl_check(crl, world->given.list[1], world->given.list[2], DURING, &number),
                         rows[i].status);
    }
}

static void test_every_certificate_needs_a_list(void **state)
{
    struct world *world = *state;
    make_good(world);
    world->rules.revocation = true;
    assert_int_equal(verify(world, DURING), CELLA_ENDORSEMENT);
    read_list(world, "snp/forged/crl_empty.der"); /* covers the intermediate, not the leaf */
    assert_int_equal(verify(world, DURING), CELLA_ENDORSEMENT);
}

static bool is_base64(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '+' || c == '/';
}

/* Nothing around the base64 may be otherwise; a changed digit is another content, whose signature will tell. */
static void test_pem_is_canonical(void **state)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = vector_file("snp/forged/ask_ark.pem");
    (void) state;
    for (size_t i = 0; i < text.size; i++) {
        struct cella_certificates list = { 0 };
        bool in_line = i > 0 && i + 1 < text.size && is_base64(text.data[i - 1]) && is_base64(text.data[i]);
        text.data[i] ^= 1;
        cella_status status = cella_certificates_read(&list, cella_bytes_view(&text));
        text.data[i] ^= 1;
        if (!in_line && !is_base64(text.data[i]) && status == CELLA_OK) {
            fail_msg("byte %zu may be anything", i);
        }
        cella_certificates_clear(&list);
    }
}

static void test_pem_that_is_refused(void **state)
{
    static const char *const rows[] = {
        "", "\n", "hello", "-----BEGIN CERTIFICATE-----", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",     /* an empty sequence */
        "-----BEGIN CERTIFICATE-----\nMAB=\n-----END CERTIFICATE-----\n",     /* unused bits */
        "-----BEGIN CERTIFICATE-----\nMAA\n-----END CERTIFICATE-----\n",      /* no padding */
        "-----BEGIN CERTIFICATE-----\nMA=A\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\n====\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nKey: value\n\nMAA=\n-----END CERTIFICATE-----\n",
        "-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n",
        "-----BEGIN CERTIFICATE-----\nMAA=\n-----END X509 CRL-----\n",
    };
    (void) state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cella_certificates list = { 0 };
        if (cella_certificates_read(&list, cella_view_of_string(rows[i])) == CELLA_OK) {
            fail_msg("row %zu was read", i);
        }
        cella_certificates_clear(&list);
    }
}

static void test_helpers_of_the_library(void **state)
{
    struct world *world = *state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes leaf = vector_file("snp/microsoft/genoa_vcek.pem");
    char name[CELLA_CERTIFICATE_NAME_MAX + 1];
    assert_int_equal(cella_anchors_helpers("amd", &world->given, &world->helpers), CELLA_OK);
    assert_int_equal(world->helpers.count, 0);
    assert_int_equal(cella_certificates_read(&world->given, cella_bytes_view(&leaf)), CELLA_OK);
    struct cella_certificates only = { .list = { world->given.list[0] }, .count = 1 };
    assert_int_equal(cella_anchors_helpers("amd", &only, &world->helpers), CELLA_OK);
    assert_int_equal(world->helpers.count, 1);
    cella_certificate_subject(world->helpers.list[0], name);
    assert_string_equal(name, "SEV-Genoa");
    assert_int_equal(cella_anchors_helpers("intel", &only, &world->helpers), CELLA_OK);
    assert_int_equal(world->helpers.count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_good_chain, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_order_of_the_rest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_leaf_that_is_not_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_anchor, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_missing_certificates, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_expired, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_length_and_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_does_not_belong_to_the_chain, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_revocation, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_every_certificate_needs_a_list, set_up, tear_down),
        cmocka_unit_test(test_pem_is_canonical),
        cmocka_unit_test(test_pem_that_is_refused),
        cmocka_unit_test_setup_teardown(test_helpers_of_the_library, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
