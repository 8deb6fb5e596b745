/* SPDX-License-Identifier: Apache-2.0 */
#include "vectors.h"

#include "trust/back_end.h"
#include "trust/evidence_soft.h"

#define NOW 1750000000U

/* An executor whose evidence passes; each test spoils one thing. */
struct world {
    struct cella_secret root_seed;
    struct cella_binding binding;
    uint8_t nonce[CELLA_NONCE_SIZE];
    uint8_t measurement[CELLA_SHA256_SIZE];
    uint32_t layers;
    char policy[4096]; /* JSON */
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

/* What the trust file of each test says; NULL leaves a part out. */
struct terms {
    int min_level;
    const char *measurement; /* hexadecimal */
    const char *charter;     /* hexadecimal, or NULL */
    const char *roots;       /* JSON list */
    const char *layers;      /* JSON list, or NULL */
    const char *more;        /* further members */
};

#define MEASUREMENT "3333333333333333333333333333333333333333333333333333333333333333"
#define ROOT "\"ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\""
#define OTHER_ROOT "\"ed25519:_FHNjmIYoaONpH7QAjDwWAgW7RO6MwOsXeuRFUiQgCU\""
#define CHARTER "{\"charter\":1}"

static void set_terms(struct world *world, struct terms terms)
{
    char digest[2 * CELLA_SHA256_SIZE + 1];
    char charter[128] = "";
    char layers[256] = "";
    uint8_t bytes[CELLA_SHA256_SIZE];
    assert_int_equal(cella_sha256(cella_view_of_string(CHARTER), bytes), CELLA_OK);
    cella_hex_encode(cella_view_of(bytes, sizeof(bytes)), digest);
    if (terms.charter != NULL) {
        (void) snprintf(charter, sizeof(charter), ",\"charter\":{\"sha256\":\"%s\"}",
                        terms.charter[0] != '\0' ? terms.charter : digest);
    }
    if (terms.layers != NULL) {
        (void) snprintf(layers, sizeof(layers), ",\"layers\":%s", terms.layers);
    }
    (void) snprintf(world->policy, sizeof(world->policy),
                    "{\"version\":1,\"min_level\":%d,\"accept\":[\"soft\"],\"measurement\":[{\"name\":\"release 1\","
                    "\"type\":\"soft\",\"value\":\"sha256:%s\"}]%s%s,\"soft\":{\"roots\":[%s]%s}}",
                    terms.min_level, terms.measurement, charter, terms.more == NULL ? "" : terms.more, terms.roots,
                    layers);
}

static const struct terms good_terms = { 2, MEASUREMENT, "", ROOT, NULL, NULL };

static int set_up(void **state)
{
    struct world *world = test_calloc(1, sizeof(*world));
    world->root_seed = secret_of_hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
    world->binding.kind = CELLA_BINDING_EXECUTOR;
    world->binding.role = CELLA_ROLE_EXECUTOR;
    memset(&world->binding.keys, 0x11, sizeof(world->binding.keys));
    memset(world->nonce, 0x22, sizeof(world->nonce));
    memset(world->measurement, 0x33, sizeof(world->measurement));
    world->binding.charter = cella_view_of_string(CHARTER);
    world->binding.nonce = cella_view_of(world->nonce, sizeof(world->nonce));
    world->layers = CELLA_LAYERS_REQUIRED;
    set_terms(world, good_terms);
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
    CELLA_CLEANUP(cella_policy_clear) struct cella_policy policy = { 0 };
    const struct cella_evidence evidence = { .type = type, .content = cella_bytes_view(&world->evidence) };
    char field[CELLA_FIELD_MAX];
    if (cella_policy_parse(cella_view_of_string(world->policy), field, &policy) != CELLA_OK) {
        fail_msg("policy refused at %s: %s", field, world->policy);
    }
    memset(&world->report, 0xff, sizeof(world->report));
    cella_status status = cella_evidence_appraise(&evidence, &world->binding, &policy, NOW, &world->report);
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
            assert_true(check->detail.characters[0] != '\0');
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
    static const char *const names[] = { "type",   "format",      "chain",   "signature", "binding",
                                         "layers", "measurement", "charter", "level" };
    const size_t count = sizeof(names) / sizeof(names[0]);
    assert_int_equal(appraise(world, CELLA_EVIDENCE_SOFT), CELLA_OK);
    const struct cella_report *report = &world->report;
    assert_int_equal(report->check_count, count);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(report->checks[i].name, names[i]);
        assert_int_equal(report->checks[i].outcome, CELLA_CHECK_PASSED);
        assert_int_equal(report->checks[i].status, CELLA_OK);
        assert_true(report->checks[i].detail.characters[0] != '\0');
    }
    assert_int_equal(report->level, 2);
    assert_string_equal(report->level_reason.characters, "software root: the host operator could forge this evidence");
    assert_string_equal(
        report->anchor.characters,
        "software root ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo, pinned in the trust file");
    assert_string_equal(report->measurement_name, "release 1");
    assert_int_equal(report->type, CELLA_EVIDENCE_SOFT);
    assert_int_equal(cella_claims_find(&report->claims, "issued_unix_s", CELLA_CLAIM_NUMBER)->number, NOW);
    assert_int_equal(cella_claims_find(&report->claims, "layers", CELLA_CLAIM_NUMBER)->number, CELLA_LAYERS_REQUIRED);
    assert_int_equal(report->not_checked_count, 2);
    assert_true(not_checked(world, "hardware") && not_checked(world, "memory"));
}

static void test_not_checked(void **state)
{
    struct world *world = *state;
    set_terms(world, (struct terms){ 2, MEASUREMENT, NULL, ROOT, "[]", NULL });
    world->layers = 0;
    world->binding.nonce = (struct cella_view){ 0 };
    make_evidence(world);
    assert_int_equal(appraise(world, CELLA_EVIDENCE_SOFT), CELLA_OK);
    assert_int_equal(world->report.check_count, 8);
    assert_true(not_checked(world, "fresh") && not_checked(world, "charter"));
}

/* Every byte is signed, so every change fails before policy is asked what may run. */
static void test_every_bit(void **state)
{
    struct world *world = *state;
    for (size_t i = 0; i < world->evidence.size * 8; i++) {
        world->evidence.data[i / 8] ^= (uint8_t) (1 << i % 8);
        assert_int_not_equal(appraise(world, CELLA_EVIDENCE_SOFT), CELLA_OK);
        bool layout = i / 8 < 8 || i / 8 == 12 || i / 8 == 13;
        bool root = i / 8 >= 118 && i / 8 < 150;
        assert_fails(world, layout ? "format" : root ? "chain" : "signature", root ? CELLA_ROOT : CELLA_BAD_EVIDENCE);
        assert_string_equal(world->report.anchor.characters, "");
        world->evidence.data[i / 8] ^= (uint8_t) (1 << i % 8);
    }
}

static void test_every_size(void **state)
{
    struct world *world = *state;
    while (world->evidence.size > 0) {
        world->evidence.size--;
        assert_fails(world, "format", CELLA_BAD_EVIDENCE);
    }
    assert_int_equal(cella_bytes_resize(&world->evidence, CELLA_EVIDENCE_SOFT_SIZE + 1), CELLA_OK);
    assert_fails(world, "format", CELLA_BAD_EVIDENCE);
    assert_int_equal(cella_bytes_resize(&world->evidence, CELLA_EVIDENCE_MAX + 1), CELLA_OK);
    assert_fails(world, "format", CELLA_BAD_EVIDENCE);
}

static void test_type(void **state)
{
    struct world *world = *state;
    static const int others[] = { CELLA_EVIDENCE_NONE, CELLA_EVIDENCE_SNP, 31, 77 };
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_int_equal(appraise(world, (enum cella_evidence_type) others[i]), CELLA_EVIDENCE_TYPE);
        assert_int_equal(world->report.checks[0].outcome, CELLA_CHECK_FAILED);
    }
}

static void test_root(void **state)
{
    struct world *world = *state;
    set_terms(world, (struct terms){ 2, MEASUREMENT, "", OTHER_ROOT, NULL, NULL });
    assert_fails(world, "chain", CELLA_ROOT);
    assert_string_equal(world->report.anchor.characters, "");
    set_terms(world, (struct terms){ 2, MEASUREMENT, "", OTHER_ROOT "," ROOT, NULL, NULL });
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
    world->binding.role = CELLA_ROLE_MUTUAL_RESPONDER;
    assert_fails(world, "binding", CELLA_BINDING);
    world->binding.role = (enum cella_role) 77;
    assert_fails(world, "binding", CELLA_BAD_FIELD);
    world->binding = good;
    assert_int_equal(appraise(world, CELLA_EVIDENCE_SOFT), CELLA_OK);
}

static void test_binding_to_report_data(void **state)
{
    struct world *world = *state;
    const struct cella_view bound = cella_view_of(world->evidence.data + 46, CELLA_REPORT_DATA_SIZE);
    world->binding = (struct cella_binding){ .kind = CELLA_BINDING_REPORT_DATA,
                                             .charter = cella_view_of_string(CHARTER),
                                             .report_data = bound };
    assert_int_equal(appraise(world, CELLA_EVIDENCE_SOFT), CELLA_OK);
    world->binding.report_data.size = 63; /* a prefix is not the whole */
    assert_fails(world, "binding", CELLA_BINDING);
    world->binding.report_data.size = 0;
    assert_fails(world, "binding", CELLA_BINDING);
    world->binding.kind = CELLA_BINDING_NONE;
    assert_int_equal(appraise(world, CELLA_EVIDENCE_SOFT), CELLA_OK);
    assert_true(not_checked(world, "bind"));
}

static void test_measurement(void **state)
{
    struct world *world = *state;
    set_terms(world, (struct terms){ 2, "4" MEASUREMENT, "", ROOT, NULL, NULL });
    char *place = strstr(world->policy, "sha256:4");
    memmove(place + 8 + 63, place + 8 + 64, strlen(place + 8 + 64) + 1);
    assert_fails(world, "measurement", CELLA_MEASUREMENT);
    assert_string_equal(world->report.measurement_name, "");
}

static void test_measurement_validity(void **state)
{
    struct world *world = *state;
    static const struct {
        const char *member;
        cella_status status;
    } rows[] = { { "\"not_before\":1750000000", CELLA_OK }, { "\"not_before\":1750000001", CELLA_MEASUREMENT },
                 { "\"not_after\":1750000000", CELLA_OK },  { "\"not_after\":1749999999", CELLA_MEASUREMENT } };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[4096];
        set_terms(world, good_terms);
        char *place = strstr(world->policy, "\"type\":\"soft\"");
        (void) snprintf(text, sizeof(text), "%.*s%s,%s", (int) (place - world->policy), world->policy,
                        rows[i].member, place);
        memcpy(world->policy, text, strlen(text) + 1);
        assert_int_equal(appraise(world, CELLA_EVIDENCE_SOFT), rows[i].status);
    }
}

static void test_charter(void **state)
{
    struct world *world = *state;
    world->binding.charter = cella_view_of_string("{\"charter\":2}");
    make_evidence(world);
    assert_fails(world, "charter", CELLA_CHARTER);
    set_terms(world, (struct terms){ 2, MEASUREMENT, NULL, ROOT, NULL, NULL });
    assert_int_equal(appraise(world, CELLA_EVIDENCE_SOFT), CELLA_OK);
}

static void test_layers(void **state)
{
    struct world *world = *state;
    world->layers = CELLA_LAYERS_REQUIRED & ~(uint32_t) CELLA_LAYER_SECCOMP;
    make_evidence(world);
    assert_fails(world, "layers", CELLA_LAYERS);
    assert_string_equal(world->report.checks[5].detail.characters, "missing: seccomp");
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
        set_terms(world, (struct terms){ level, MEASUREMENT, "", ROOT, NULL, NULL });
        assert_fails(world, "level", CELLA_LEVEL);
    }
    set_terms(world, (struct terms){ 1, MEASUREMENT, "", ROOT, NULL, NULL });
    assert_int_equal(appraise(world, CELLA_EVIDENCE_SOFT), CELLA_OK);
    assert_int_equal(world->report.level, 2);
}

static void test_freshness(void **state)
{
    struct world *world = *state;
    set_terms(world, (struct terms){ 2, MEASUREMENT, "", ROOT, NULL, ",\"freshness\":{\"max_age_s\":1,\"nonce\":true}" });
    assert_int_equal(appraise(world, CELLA_EVIDENCE_SOFT), CELLA_OK);
    world->binding.nonce = (struct cella_view){ 0 };
    make_evidence(world);
    assert_fails(world, "freshness", CELLA_EXPIRED);
}

static void test_empty_policy(void **state)
{
    struct world *world = *state;
    const struct cella_policy empty = { 0 };
    const struct cella_evidence evidence = { .type = CELLA_EVIDENCE_SOFT,
                                             .content = cella_bytes_view(&world->evidence) };
    assert_int_equal(cella_evidence_appraise(&evidence, &world->binding, &empty, NOW, &world->report),
                     CELLA_EVIDENCE_TYPE);
    /* Even with the type accepted, an empty policy has no root. */
    const struct cella_policy accepting = { .accepts = 1U << CELLA_EVIDENCE_SOFT };
    assert_int_equal(cella_evidence_appraise(&evidence, &world->binding, &accepting, NOW, &world->report),
                     CELLA_ROOT);
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

static void test_soft_make_refuses_a_bad_key(void **state)
{
    struct world *world = *state;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret empty = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
    uint8_t report_data[CELLA_REPORT_DATA_SIZE] = { 0 };
    assert_int_equal(cella_evidence_soft_make(&empty, 0, world->measurement, report_data, NOW, &out),
                     CELLA_BAD_KEY);
    assert_int_equal(out.size, 0);
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

/* No vector has such a machine: a Genoa whose firmware is behind the default floors. */
static void test_old_firmware_costs_a_level(void **state)
{
    static const struct {
        uint64_t microcode;
        bool agent;
        uint64_t vmpl;
        int level;
        const char *reason;
    } rows[] = {
        { 84, false, 0, 5, NULL },  { 83, false, 0, 4, "firmware" },   { 84, false, 3, 5, NULL },
        { 84, true, 0, 1, "agent" }, { 84, false, UINT32_MAX, 1, "host" },
    };
    (void) state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cella_claims claims = { .count = 0 };
        struct cella_text reason = { "" };
        assert_int_equal(cella_claims_text(&claims, "product", cella_view_of_string("genoa")), CELLA_OK);
        assert_int_equal(cella_claims_flag(&claims, "debug", false), CELLA_OK);
        assert_int_equal(cella_claims_flag(&claims, "migration_agent", rows[i].agent), CELLA_OK);
        assert_int_equal(cella_claims_number(&claims, "vmpl", rows[i].vmpl), CELLA_OK);
        assert_int_equal(cella_claims_number(&claims, "reported_bl", 10), CELLA_OK);
        assert_int_equal(cella_claims_number(&claims, "reported_snp", 23), CELLA_OK);
        assert_int_equal(cella_claims_number(&claims, "reported_ucode", rows[i].microcode), CELLA_OK);
        const struct cella_policy policy = { 0 };
        assert_int_equal(cella_back_end_snp.level(&claims, &policy, &reason), rows[i].level);
        assert_true(rows[i].reason == NULL ? reason.characters[0] == '\0' : strstr(reason.characters, rows[i].reason) != NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_WORLD(test_passes),
        cmocka_unit_test(test_old_firmware_costs_a_level),
        WITH_WORLD(test_not_checked),
        WITH_WORLD(test_every_bit),
        WITH_WORLD(test_every_size),
        WITH_WORLD(test_type),
        WITH_WORLD(test_root),
        WITH_WORLD(test_binding),
        WITH_WORLD(test_binding_to_report_data),
        WITH_WORLD(test_measurement),
        WITH_WORLD(test_measurement_validity),
        WITH_WORLD(test_charter),
        WITH_WORLD(test_layers),
        WITH_WORLD(test_level),
        WITH_WORLD(test_freshness),
        WITH_WORLD(test_empty_policy),
        WITH_WORLD(test_report_data),
        cmocka_unit_test(test_session_message),
        WITH_WORLD(test_soft_make_refuses_a_bad_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
