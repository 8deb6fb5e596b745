/* SPDX-License-Identifier: Apache-2.0 */
#include "vectors.h"

#include "trust/evidence_soft.h"

#define NOW 1750000000U

/* An executor whose evidence passes; each test spoils one thing. */
struct world {
    struct cella_secret root_seed;
    struct cella_binding binding;
    uint8_t nonce[CELLA_NONCE_SIZE];
    uint8_t measurement[CELLA_SHA256_SIZE];
    uint32_t layers;
    struct cella_policy policy;
    struct cella_bytes evidence;
    struct cella_report report;
};

static void make_evidence(struct world *world)
{
    uint8_t report_data[CELLA_REPORT_DATA_SIZE];
    const struct cella_binding *binding = &world->binding;
    assert_int_equal(
        cella_evidence_report_data(binding->role, &binding->keys, binding->charter, binding->nonce, report_data),
        CELLA_OK);
    cella_bytes_clear(&world->evidence);
    assert_int_equal(cella_evidence_soft_make(&world->root_seed, world->layers, world->measurement, report_data,
                                              NOW, &world->evidence),
                     CELLA_OK);
    assert_int_equal(world->evidence.size, CELLA_EVIDENCE_SOFT_SIZE);
}

static int set_up(void **state)
{
    struct world *world = test_calloc(1, sizeof(*world));
    world->root_seed = secret_of_hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
    world->binding.role = CELLA_ROLE_EXECUTOR;
    memset(&world->binding.keys, 0x11, sizeof(world->binding.keys));
    memset(world->nonce, 0x22, sizeof(world->nonce));
    memset(world->measurement, 0x33, sizeof(world->measurement));
    world->binding.charter = cella_view_of_string("{\"charter\":1}");
    world->binding.nonce = cella_view_of(world->nonce, sizeof(world->nonce));
    world->layers = CELLA_LAYERS_REQUIRED;
    struct cella_policy *policy = &world->policy;
    policy->min_level = 2;
    policy->accept_soft = true;
    policy->measurement_count = 1;
    memcpy(policy->measurements[0].name, "release 1", 10);
    policy->measurements[0].type = CELLA_EVIDENCE_SOFT;
    policy->measurements[0].size = sizeof(world->measurement);
    memcpy(policy->measurements[0].value, world->measurement, sizeof(world->measurement));
    assert_int_equal(cella_sha256(world->binding.charter, policy->charter_sha256), CELLA_OK);
    policy->charter_pinned = true;
    assert_int_equal(cella_ed25519_public(&world->root_seed, policy->soft_roots[0]), CELLA_OK);
    policy->soft_root_count = 1;
    policy->soft_layers = CELLA_LAYERS_REQUIRED;
    make_evidence(world);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    cella_secret_clear(&world->root_seed);
    cella_bytes_clear(&world->evidence);
    test_free(world);
    return 0;
}

static cella_status appraise(struct world *world, enum cella_evidence_type type)
{
    memset(&world->report, 0xff, sizeof(world->report));
    cella_status status = cella_evidence_appraise(cella_bytes_view(&world->evidence), type, &world->binding,
                                                  &world->policy, NOW, &world->report);
    assert_int_equal(world->report.status, status);
    return status;
}

/* The named check failed with the status, those before it passed, those behind it were not done. */
static void assert_fails(struct world *world, const char *name, cella_status expected)
{
    assert_int_equal(appraise(world, CELLA_EVIDENCE_SOFT), expected);
    const struct cella_report *report = &world->report;
    enum cella_check_outcome outcome = CELLA_CHECK_PASSED;
    for (size_t i = 0; i < report->check_count; i++) {
        const struct cella_check *check = &report->checks[i];
        if (strcmp(check->name, name) == 0) {
            assert_int_equal(check->outcome, CELLA_CHECK_FAILED);
            assert_int_equal(check->status, expected);
            assert_true(check->detail[0] != '\0');
            outcome = CELLA_CHECK_NOT_DONE;
            continue;
        }
        assert_int_equal(check->outcome, outcome);
    }
    assert_int_equal(outcome, CELLA_CHECK_NOT_DONE);
    assert_int_equal(report->level, expected == CELLA_LEVEL ? 2 : 0);
}

static bool not_checked(const struct world *world, const char *part)
{
    for (size_t i = 0; i < world->report.not_checked_count; i++) {
        if (strstr(world->report.not_checked[i], part) != NULL) {
            return true;
        }
    }
    return false;
}

static void test_passes(void **state)
{
    struct world *world = *state;
    static const char *const names[] = { "type",        "signature", "root",   "binding",
                                         "measurement", "charter",   "layers", "level" };
    assert_int_equal(appraise(world, CELLA_EVIDENCE_SOFT), CELLA_OK);
    const struct cella_report *report = &world->report;
    assert_int_equal(report->check_count, 8);
    for (size_t i = 0; i < 8; i++) {
        assert_string_equal(report->checks[i].name, names[i]);
        assert_int_equal(report->checks[i].outcome, CELLA_CHECK_PASSED);
        assert_int_equal(report->checks[i].status, CELLA_OK);
        assert_true(report->checks[i].detail[0] != '\0');
    }
    assert_int_equal(report->level, 2);
    assert_string_equal(report->level_reason, "software root: the host operator could forge this evidence");
    assert_string_equal(
        report->anchor,
        "software root ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo, pinned in the trust file");
    assert_string_equal(report->measurement_name, "release 1");
    assert_int_equal(report->claims.type, CELLA_EVIDENCE_SOFT);
    assert_int_equal(report->claims.issued_unix_s, NOW);
    assert_int_equal(report->claims.layers, CELLA_LAYERS_REQUIRED);
    assert_int_equal(report->not_checked_count, 2);
    assert_true(not_checked(world, "hardware") && not_checked(world, "memory"));
}

static void test_not_checked(void **state)
{
    struct world *world = *state;
    world->policy.charter_pinned = false;
    world->policy.soft_layers = 0;
    world->layers = 0;
    world->binding.nonce = (struct cella_view){ 0 };
    make_evidence(world);
    assert_int_equal(appraise(world, CELLA_EVIDENCE_SOFT), CELLA_OK);
    assert_int_equal(world->report.check_count, 7);
    assert_int_equal(world->report.not_checked_count, 5);
    assert_true(not_checked(world, "fresh") && not_checked(world, "charter") && not_checked(world, "layers"));
}

/* Every byte is signed, so every change fails before policy is even asked. */
static void test_every_bit(void **state)
{
    struct world *world = *state;
    for (size_t i = 0; i < world->evidence.size * 8; i++) {
        world->evidence.data[i / 8] ^= (uint8_t) (1 << i % 8);
        assert_fails(world, "signature", CELLA_BAD_EVIDENCE);
        assert_string_equal(world->report.anchor, "");
        world->evidence.data[i / 8] ^= (uint8_t) (1 << i % 8);
    }
}

static void test_every_size(void **state)
{
    struct world *world = *state;
    while (world->evidence.size > 0) {
        world->evidence.size--;
        assert_fails(world, "signature", CELLA_BAD_EVIDENCE);
    }
    assert_int_equal(cella_bytes_resize(&world->evidence, CELLA_EVIDENCE_SOFT_SIZE + 1), CELLA_OK);
    assert_fails(world, "signature", CELLA_BAD_EVIDENCE);
    assert_int_equal(cella_bytes_resize(&world->evidence, CELLA_EVIDENCE_MAX + 1), CELLA_OK);
    assert_fails(world, "signature", CELLA_BAD_EVIDENCE);
}

static void test_type(void **state)
{
    struct world *world = *state;
    assert_int_equal(appraise(world, CELLA_EVIDENCE_NONE), CELLA_EVIDENCE_TYPE);
    assert_int_equal(world->report.checks[0].outcome, CELLA_CHECK_FAILED);
    assert_int_equal(appraise(world, (enum cella_evidence_type) 77), CELLA_EVIDENCE_TYPE);
    world->policy.accept_soft = false;
    assert_fails(world, "type", CELLA_EVIDENCE_TYPE);
}

static void test_root(void **state)
{
    struct world *world = *state;
    world->policy.soft_roots[0][5] ^= 1;
    assert_fails(world, "root", CELLA_ROOT);
    assert_string_equal(world->report.anchor, "");
    world->policy.soft_root_count = 0;
    assert_fails(world, "root", CELLA_ROOT);
}

static void test_second_root(void **state)
{
    struct world *world = *state;
    memcpy(world->policy.soft_roots[1], world->policy.soft_roots[0], 32);
    memset(world->policy.soft_roots[0], 0, 32);
    world->policy.soft_root_count = 2;
    assert_int_equal(appraise(world, CELLA_EVIDENCE_SOFT), CELLA_OK);
}

static void test_binding(void **state)
{
    struct world *world = *state;
    const struct cella_binding good = world->binding;
    world->binding.keys.sign[0] ^= 1;
    assert_fails(world, "binding", CELLA_BINDING);
    world->binding = good;
    world->binding.keys.seal[31] ^= 1;
    assert_fails(world, "binding", CELLA_BINDING);
    world->binding = good;
    world->nonce[31] ^= 1;
    assert_fails(world, "binding", CELLA_BINDING);
    world->nonce[31] ^= 1;
    world->binding.nonce = (struct cella_view){ 0 };
    assert_fails(world, "binding", CELLA_BINDING);
    world->binding.nonce = cella_view_of(world->nonce, CELLA_NONCE_SIZE - 1);
    assert_fails(world, "binding", CELLA_BAD_SIZE);
    world->binding = good;
    world->binding.charter = cella_view_of_string("{\"charter\":2}");
    assert_fails(world, "binding", CELLA_BINDING);
    world->binding = good;
    world->binding.role = (enum cella_role) 2;
    assert_fails(world, "binding", CELLA_BAD_FIELD);
    world->binding = good;
    assert_int_equal(appraise(world, CELLA_EVIDENCE_SOFT), CELLA_OK);
}

static void test_measurement(void **state)
{
    struct world *world = *state;
    world->policy.measurements[0].value[31] ^= 1;
    assert_fails(world, "measurement", CELLA_MEASUREMENT);
    assert_string_equal(world->report.measurement_name, "");
    world->policy.measurements[0].value[31] ^= 1;
    world->policy.measurements[0].size = 48;
    assert_fails(world, "measurement", CELLA_MEASUREMENT);
    world->policy.measurements[0].size = 32;
    world->policy.measurements[0].type = CELLA_EVIDENCE_NONE;
    assert_fails(world, "measurement", CELLA_MEASUREMENT);
    world->policy.measurement_count = 0;
    assert_fails(world, "measurement", CELLA_MEASUREMENT);
}

static void test_charter(void **state)
{
    struct world *world = *state;
    world->binding.charter = cella_view_of_string("{\"charter\":2}");
    make_evidence(world);
    assert_fails(world, "charter", CELLA_CHARTER);
    world->policy.charter_pinned = false;
    assert_int_equal(appraise(world, CELLA_EVIDENCE_SOFT), CELLA_OK);
}

static void test_layers(void **state)
{
    struct world *world = *state;
    world->layers = CELLA_LAYERS_REQUIRED & ~(uint32_t) CELLA_LAYER_SECCOMP;
    make_evidence(world);
    assert_fails(world, "layers", CELLA_LAYERS);
    assert_string_equal(world->report.checks[6].detail, "missing: seccomp");
    world->layers = 0;
    make_evidence(world);
    assert_fails(world, "layers", CELLA_LAYERS);
    world->layers = UINT32_MAX;
    make_evidence(world);
    assert_int_equal(appraise(world, CELLA_EVIDENCE_SOFT), CELLA_OK);
}

static void test_level(void **state)
{
    struct world *world = *state;
    for (int level = 3; level <= 5; level++) {
        world->policy.min_level = level;
        assert_fails(world, "level", CELLA_LEVEL);
    }
    world->policy.min_level = 1;
    assert_int_equal(appraise(world, CELLA_EVIDENCE_SOFT), CELLA_OK);
    assert_int_equal(world->report.level, 2);
}

static void test_empty_policy(void **state)
{
    struct world *world = *state;
    world->policy = (struct cella_policy){ 0 };
    assert_fails(world, "type", CELLA_EVIDENCE_TYPE);
    /* Even with the type accepted, an empty policy has no root. */
    world->policy.accept_soft = true;
    assert_fails(world, "root", CELLA_ROOT);
}

/* The bytes of docs/protocol.md, computed here by hand. */
static void test_report_data(void **state)
{
    struct world *world = *state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes message = { 0 };
    uint8_t digest[CELLA_SHA256_SIZE];
    uint8_t expected[CELLA_REPORT_DATA_SIZE];
    uint8_t actual[CELLA_REPORT_DATA_SIZE];
    struct cella_binding *binding = &world->binding;
    assert_int_equal(cella_bytes_append(&message, cella_view_of("\0\0\0\x11"
                                                                "cella evidence v1",
                                                                21)),
                     CELLA_OK);
    assert_int_equal(cella_bytes_append(&message, cella_view_of("\0\0\0\x08"
                                                                "executor\0\0\0\x20",
                                                                16)),
                     CELLA_OK);
    assert_int_equal(cella_sha256(cella_view_of(&binding->keys, 64), digest), CELLA_OK);
    assert_int_equal(cella_bytes_append(&message, cella_view_of(digest, 32)), CELLA_OK);
    assert_int_equal(cella_sha256(binding->charter, digest), CELLA_OK);
    assert_int_equal(cella_bytes_append(&message, cella_view_of("\0\0\0\x20", 4)), CELLA_OK);
    assert_int_equal(cella_bytes_append(&message, cella_view_of(digest, 32)), CELLA_OK);
    assert_int_equal(cella_bytes_append(&message, cella_view_of("\0\0\0\0", 4)), CELLA_OK);
    assert_int_equal(cella_sha512(cella_bytes_view(&message), expected), CELLA_OK);
    assert_int_equal(cella_evidence_report_data(CELLA_ROLE_EXECUTOR, &binding->keys, binding->charter,
                                                (struct cella_view){ 0 }, actual),
                     CELLA_OK);
    assert_memory_equal(actual, expected, sizeof(actual));
    struct cella_view large = cella_view_of("x", CELLA_CHARTER_MAX + 1);
    assert_int_equal(cella_evidence_report_data(CELLA_ROLE_EXECUTOR, &binding->keys, large, binding->nonce, actual),
                     CELLA_BAD_SIZE);
}

static void test_session_message(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
    uint8_t exporter[CELLA_EXPORTER_SIZE];
    uint8_t spki[CELLA_SHA256_SIZE];
    memset(exporter, 'e', sizeof(exporter));
    memset(spki, 's', sizeof(spki));
    assert_int_equal(cella_session_message(exporter, spki, cella_view_of_string("n"), &out), CELLA_OK);
    assert_true(cella_view_equal(cella_bytes_view(&out),
                                 cella_view_of("\0\0\0\x10"
                                               "cella session v1\0\0\0\x20"
                                               "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
                                               "\0\0\0\x20ssssssssssssssssssssssssssssssss\0\0\0\1n",
                                               20 + 36 + 36 + 5)));
}

static void test_soft_statuses(void **state)
{
    struct world *world = *state;
    struct cella_claims claims;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret empty = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
    uint8_t report_data[CELLA_REPORT_DATA_SIZE] = { 0 };
    struct cella_view view = cella_bytes_view(&world->evidence);
    assert_int_equal(cella_evidence_soft_open(view, &claims), CELLA_OK);
    assert_memory_equal(claims.measurement, world->measurement, 32);
    static const struct {
        size_t offset;
        cella_status status;
    } rows[] = { { 0, CELLA_BAD_FORMAT },     { 7, CELLA_BAD_FORMAT },      { 12, CELLA_BAD_FORMAT },
                 { 13, CELLA_BAD_FORMAT },    { 8, CELLA_BAD_SIGNATURE },   { 14, CELLA_BAD_SIGNATURE },
                 { 46, CELLA_BAD_SIGNATURE }, { 110, CELLA_BAD_SIGNATURE }, { 118, CELLA_BAD_SIGNATURE },
                 { 150, CELLA_BAD_SIGNATURE } };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        world->evidence.data[rows[i].offset] ^= 1;
        assert_int_equal(cella_evidence_soft_open(view, &claims), rows[i].status);
        assert_int_equal(claims.type, CELLA_EVIDENCE_NONE);
        world->evidence.data[rows[i].offset] ^= 1;
    }
    view.size--;
    assert_int_equal(cella_evidence_soft_open(view, &claims), CELLA_BAD_FORMAT);
    assert_int_equal(cella_evidence_soft_make(&empty, 0, world->measurement, report_data, NOW, &out),
                     CELLA_BAD_KEY);
    assert_int_equal(out.size, 0);
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_WORLD(test_passes),        WITH_WORLD(test_not_checked), WITH_WORLD(test_every_bit),
        WITH_WORLD(test_every_size),    WITH_WORLD(test_type),        WITH_WORLD(test_root),
        WITH_WORLD(test_second_root),   WITH_WORLD(test_binding),     WITH_WORLD(test_measurement),
        WITH_WORLD(test_charter),       WITH_WORLD(test_layers),      WITH_WORLD(test_level),
        WITH_WORLD(test_empty_policy),  WITH_WORLD(test_report_data), cmocka_unit_test(test_session_message),
        WITH_WORLD(test_soft_statuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
