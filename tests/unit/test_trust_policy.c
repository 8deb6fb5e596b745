/* SPDX-License-Identifier: Apache-2.0 */
#include "vectors.h"

#include "trust/policy.h"

#define HEX32 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define HEX48 HEX32 "00112233445566778899aabbccddeeff"
#define ROOT "ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
#define MEASUREMENT "\"measurement\":[{\"name\":\"m\",\"type\":\"soft\",\"value\":\"sha256:" HEX32 "\"}]"
#define ACCEPT "\"accept\":[\"soft\"]"
#define SOFT "\"soft\":{\"roots\":[\"" ROOT "\"]}"

/* The caller clears it. */
static struct cella_policy accepted(const char *text)
{
    struct cella_policy policy = { 0 };
    char field[CELLA_FIELD_MAX];
    if (cella_policy_parse(cella_view_of_string(text), field, &policy) != CELLA_OK) {
        fail_msg("refused at %s: %s", field, text);
    }
    assert_string_equal(field, "");
    return policy;
}

/* Refused, with that field named, and an empty policy left behind. */
static void refused(const char *text, const char *expected_field)
{
    struct cella_policy policy = { 0 };
    char field[CELLA_FIELD_MAX];
    cella_status status = cella_policy_parse(cella_view_of_string(text), field, &policy);
    if (status != CELLA_BAD_POLICY || strcmp(field, expected_field) != 0) {
        fail_msg("%s, field %s, not %s: %s", cella_status_name(status), field, expected_field, text);
    }
    assert_true(policy.json == NULL && policy.accepts == 0 && !policy.charter_pinned);
}

static const json_t *term(const struct cella_policy *policy, const char *name)
{
    return cella_policy_term(policy, CELLA_EVIDENCE_SOFT, name);
}

static void test_smallest(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_policy_clear)
    struct cella_policy policy = accepted("{\"version\":1," ACCEPT "," MEASUREMENT "," SOFT "}");
    assert_int_equal(policy.min_level, 2);
    assert_true(cella_policy_accepts(&policy, CELLA_EVIDENCE_SOFT));
    assert_false(cella_policy_accepts(&policy, CELLA_EVIDENCE_NONE));
    assert_false(cella_policy_accepts(&policy, CELLA_EVIDENCE_SNP));
    assert_int_equal(json_array_size(json_object_get(policy.json, "measurement")), 1);
    assert_false(policy.charter_pinned || policy.nonce_required);
    assert_int_equal(policy.max_age_s, 0);
    assert_int_equal(json_array_size(term(&policy, "roots")), 1);
    /* The fallback is filled in: everything but cgroup. */
    assert_int_equal(json_array_size(term(&policy, "layers")), 6);
    assert_null(term(&policy, "other"));
    assert_int_equal(policy.anchors.count, 0); /* software roots need no certificates */
}

/* The library's anchors are there for the accepted kinds, and for no others. */
static void test_anchors_of_accepted_kinds(void **state)
{
    static const struct {
        const char *accept;
        const char *type;
        const char *measurement;
        const char *section;
        size_t count;
    } rows[] = {
        { "\"snp\"", "snp", "\"value\":\"sha384:" HEX48 "\"", "", 3 },
        { "\"sgx\"", "sgx", "\"value\":\"sha256:" HEX32 "\"", "", 1 },
        { "\"sgx\",\"snp\"", "sgx", "\"value\":\"sha256:" HEX32 "\"", "", 4 },
        { "\"tpm\"", "tpm", "\"registers\":{\"pcr0\":\"" HEX32 "\"}", ",\"tpm\":{\"pcrs\":[0]}", 0 },
        { "\"az-snp\"", "az-snp", "\"value\":\"sha384:" HEX48 "\",\"registers\":{\"pcr0\":\"" HEX32 "\"}",
          ",\"az-snp\":{\"pcrs\":[0]}", 3 },
    };
    (void) state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[1024];
        (void) snprintf(text, sizeof(text),
                        "{\"version\":1,\"accept\":[%s],\"measurement\":[{\"name\":\"m\",\"type\":\"%s\",%s}]%s}",
                        rows[i].accept, rows[i].type, rows[i].measurement, rows[i].section);
        CELLA_CLEANUP(cella_policy_clear) struct cella_policy policy = accepted(text);
        assert_int_equal(policy.anchors.count, rows[i].count);
    }
}

static void test_every_term(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_policy_clear)
    struct cella_policy policy =
        accepted("{\"version\":1,\"min_level\":5," ACCEPT ",\"measurement\":["
                 "{\"name\":\"a\",\"type\":\"soft\",\"value\":\"sha256:" HEX32 "\",\"not_before\":1,\"not_after\":2}],"
                 "\"auditors\":{\"threshold\":1,\"keys\":[\"" ROOT "\"],\"statements\":[\"e.e.e\"]},"
                 "\"charter\":{\"sha256\":\"" HEX32 "\"},\"freshness\":{\"nonce\":true,\"max_age_s\":60},"
                 "\"soft\":{\"roots\":[\"" ROOT "\",\"ed25519:_FHNjmIYoaONpH7QAjDwWAgW7RO6MwOsXeuRFUiQgCU\"],"
                 "\"layers\":[\"seccomp\",\"cgroup\"]}}");
    assert_int_equal(policy.min_level, 5);
    assert_true(policy.charter_pinned && policy.nonce_required);
    assert_hex(policy.charter_sha256, 32, HEX32);
    assert_int_equal(policy.max_age_s, 60);
    assert_int_equal(json_array_size(term(&policy, "roots")), 2);
    assert_int_equal(json_array_size(term(&policy, "layers")), 2);
}

static void test_auditors(void **state)
{
    (void) state;
#define AUDITORS(text) "{\"version\":1," ACCEPT "," SOFT ",\"auditors\":" text "}"
    struct cella_policy policy = accepted(AUDITORS("{\"threshold\":1,\"keys\":[\"" ROOT "\"]}"));
    cella_policy_clear(&policy); /* no measurement is needed beside auditors */
    refused(AUDITORS("{}"), "auditors.keys");
    refused(AUDITORS("{\"threshold\":0,\"keys\":[\"" ROOT "\"]}"), "auditors.threshold");
    refused(AUDITORS("{\"threshold\":2,\"keys\":[\"" ROOT "\"]}"), "auditors.threshold");
    refused(AUDITORS("{\"threshold\":1,\"keys\":[]}"), "auditors.keys");
    refused(AUDITORS("{\"threshold\":1,\"keys\":[\"" ROOT "\",\"" ROOT "\"]}"), "auditors.keys[1]");
    refused(AUDITORS("{\"threshold\":1,\"keys\":[\"" ROOT "\"],\"statements\":[1]}"), "auditors.statements[0]");
    refused("{\"version\":1," ACCEPT "," SOFT ",\"measurement\":[],\"auditors\":{\"threshold\":1,\"keys\":[\"" ROOT
            "\"]}}",
            "measurement");
#undef AUDITORS
}

static void test_freshness_and_anchors(void **state)
{
    (void) state;
#define WITH(text) "{\"version\":1," ACCEPT "," MEASUREMENT "," SOFT "," text "}"
    refused(WITH("\"freshness\":{\"max_age_s\":0}"), "freshness.max_age_s");
    refused(WITH("\"freshness\":{\"age\":1}"), "freshness.age");
    refused(WITH("\"anchor\":[{\"family\":\"acme\",\"certificate\":\"x\"}]"), "anchor[0]");
    refused(WITH("\"anchor\":[{\"family\":\"intel\",\"certificate\":\"x\"}]"), "anchor[0]");
    refused(WITH("\"snp\":{}"), "snp");
#undef WITH
}

static void test_top(void **state)
{
    (void) state;
    refused("", "");
    refused("[]", "");
    refused("{}", "version");
    refused("{\"version\":1," ACCEPT "," MEASUREMENT "," SOFT "} x", "");
    refused("{\"version\":2," ACCEPT "," MEASUREMENT "," SOFT "}", "version");
    refused("{\"version\":\"1\"," ACCEPT "," MEASUREMENT "," SOFT "}", "version");
    refused("{\"version\":1,\"min_level\":0," ACCEPT "," MEASUREMENT "," SOFT "}", "min_level");
    refused("{\"version\":1,\"min_level\":6," ACCEPT "," MEASUREMENT "," SOFT "}", "min_level");
    refused("{\"version\":1,\"min_level\":null," ACCEPT "," MEASUREMENT "," SOFT "}", "min_level");
    refused("{\"version\":1,\"minlevel\":3," ACCEPT "," MEASUREMENT "," SOFT "}", "minlevel");
    refused("{\"version\":1," ACCEPT "," ACCEPT "," MEASUREMENT "," SOFT "}", "");
}

static void test_accept(void **state)
{
    (void) state;
    refused("{\"version\":1," MEASUREMENT "," SOFT "}", "accept");
    refused("{\"version\":1,\"accept\":[]," MEASUREMENT "," SOFT "}", "accept");
    refused("{\"version\":1,\"accept\":\"soft\"," MEASUREMENT "," SOFT "}", "accept");
    refused("{\"version\":1,\"accept\":[\"any\"]," MEASUREMENT "," SOFT "}", "accept[0]");
    refused("{\"version\":1,\"accept\":[\"soft\",1]," MEASUREMENT "," SOFT "}", "accept[1]");
    refused("{\"version\":1,\"accept\":[\"soft\",\"soft\"]," MEASUREMENT "," SOFT "}", "accept[1]");
}

static void refused_measurement(const char *list, const char *field)
{
    char text[16384];
    (void) snprintf(text, sizeof(text), "{\"version\":1," ACCEPT ",\"measurement\":%s," SOFT "}", list);
    refused(text, field);
}

static void test_measurement(void **state)
{
    (void) state;
    refused("{\"version\":1," ACCEPT "," SOFT "}", "measurement");
    refused_measurement("[]", "measurement");
    refused_measurement("{}", "measurement");
    refused_measurement("[1]", "measurement[0]");
    refused_measurement("[{\"type\":\"soft\",\"value\":\"sha256:" HEX32 "\"}]", "measurement[0].name");
    refused_measurement("[{\"name\":\"\",\"type\":\"soft\",\"value\":\"sha256:" HEX32 "\"}]",
                        "measurement[0].name");
    refused_measurement("[{\"name\":\"" HEX32 "0\",\"type\":\"soft\",\"value\":\"sha256:" HEX32 "\"}]",
                        "measurement[0].name");
    refused_measurement("[{\"name\":\"m\",\"type\":\"none\",\"value\":\"sha256:" HEX32 "\"}]",
                        "measurement[0].type");
    refused_measurement("[{\"name\":\"m\",\"type\":\"soft\",\"value\":\"" HEX32 "\"}]", "measurement[0].value");
    refused_measurement("[{\"name\":\"m\",\"type\":\"soft\",\"value\":\"sha256:\"}]", "measurement[0].value");
    refused_measurement("[{\"name\":\"m\",\"type\":\"soft\",\"value\":\"sha384:" HEX32 "\"}]",
                        "measurement[0].value");
    refused_measurement("[{\"name\":\"m\",\"type\":\"soft\",\"value\":\"sha256:" HEX48 "\"}]",
                        "measurement[0].value");
    refused_measurement("[{\"name\":\"m\",\"type\":\"soft\",\"value\":\"sha256:" HEX32 "\",\"extra\":1}]",
                        "measurement[0].extra");
    refused_measurement("[{\"name\":\"m\",\"type\":\"soft\",\"value\":\"sha256:" HEX32 "\"},"
                        "{\"name\":\"n\",\"type\":\"soft\",\"value\":\"sha256:" HEX32 "\"}]",
                        "measurement[1].value");
}

static void test_too_many(void **state)
{
    (void) state;
    char list[16384];
    for (size_t count = CELLA_POLICY_MEASUREMENTS_MAX; count <= CELLA_POLICY_MEASUREMENTS_MAX + 1; count++) {
        size_t used = 1;
        list[0] = '[';
        for (size_t i = 0; i < count; i++) {
            used += (size_t) snprintf(list + used, sizeof(list) - used,
                                      "%s{\"name\":\"m\",\"type\":\"soft\",\"value\":\"sha256:%064zx\"}",
                                      i == 0 ? "" : ",", i);
        }
        (void) snprintf(list + used, sizeof(list) - used, "]");
        if (count > CELLA_POLICY_MEASUREMENTS_MAX) {
            refused_measurement(list, "measurement");
            return;
        }
        char text[16384];
        (void) snprintf(text, sizeof(text), "{\"version\":1," ACCEPT ",\"measurement\":%.12000s," SOFT "}", list);
        struct cella_policy policy = accepted(text);
        assert_int_equal(json_array_size(json_object_get(policy.json, "measurement")), count);
        cella_policy_clear(&policy);
    }
}

static void test_charter(void **state)
{
    (void) state;
    refused("{\"version\":1," ACCEPT "," MEASUREMENT "," SOFT ",\"charter\":\"" HEX32 "\"}", "charter");
    refused("{\"version\":1," ACCEPT "," MEASUREMENT "," SOFT ",\"charter\":{}}", "charter.sha256");
    refused("{\"version\":1," ACCEPT "," MEASUREMENT "," SOFT ",\"charter\":{\"sha256\":\"00\"}}",
            "charter.sha256");
    refused("{\"version\":1," ACCEPT "," MEASUREMENT "," SOFT ",\"charter\":{\"sha256\":\"" HEX32 "\",\"x\":1}}",
            "charter.x");
    refused("{\"version\":1," ACCEPT "," MEASUREMENT "," SOFT ",\"charter\":null}", "charter");
}

static void refused_soft(const char *soft, const char *field)
{
    char text[4096];
    (void) snprintf(text, sizeof(text), "{\"version\":1," ACCEPT "," MEASUREMENT ",\"soft\":%s}", soft);
    refused(text, field);
}

static void test_soft(void **state)
{
    (void) state;
    refused("{\"version\":1," ACCEPT "," MEASUREMENT "}", "soft.roots");
    refused_soft("[]", "soft");
    refused_soft("{}", "soft.roots");
    refused_soft("{\"roots\":[]}", "soft.roots");
    refused_soft("{\"roots\":[1]}", "soft.roots[0]");
    refused_soft("{\"roots\":[\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"]}", "soft.roots[0]");
    refused_soft("{\"roots\":[\"ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURp\"]}", "soft.roots[0]");
    refused_soft("{\"roots\":[\"" ROOT "\",\"" ROOT "\"]}", "soft.roots[1]");
    refused_soft("{\"roots\":[\"" ROOT "\"],\"layers\":[\"firewall\"]}", "soft.layers[0]");
    refused_soft("{\"roots\":[\"" ROOT "\"],\"layers\":[\"seccomp\",\"seccomp\"]}", "soft.layers[1]");
    refused_soft("{\"roots\":[\"" ROOT "\"],\"layers\":null}", "soft.layers");
    refused_soft("{\"roots\":[\"" ROOT "\"],\"other\":1}", "soft.other");
    refused_soft("{\"roots\":[1,2,3]}", "soft.roots[0]");
}

static void test_size_and_null_field(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    CELLA_CLEANUP(cella_policy_clear) struct cella_policy policy = { 0 };
    const char *good = "{\"version\":1," ACCEPT "," MEASUREMENT "," SOFT "}";
    assert_int_equal(cella_bytes_resize(&text, CELLA_POLICY_MAX + 1), CELLA_OK);
    memset(text.data, ' ', text.size);
    memcpy(text.data, good, strlen(good));
    assert_int_equal(cella_policy_parse(cella_bytes_view(&text), NULL, &policy), CELLA_BAD_POLICY);
    text.size--;
    assert_int_equal(cella_policy_parse(cella_bytes_view(&text), NULL, &policy), CELLA_OK);
}

static void test_type_names(void **state)
{
    (void) state;
    assert_int_equal(cella_evidence_type_of(cella_view_of_string("soft")), CELLA_EVIDENCE_SOFT);
    assert_int_equal(cella_evidence_type_of(cella_view_of_string("none")), CELLA_EVIDENCE_NONE);
    assert_int_equal(cella_evidence_type_of((struct cella_view){ 0 }), CELLA_EVIDENCE_NONE);
    assert_string_equal(cella_evidence_type_name(CELLA_EVIDENCE_SOFT), "soft");
    assert_string_equal(cella_evidence_type_name(CELLA_EVIDENCE_NONE), "none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smallest),
        cmocka_unit_test(test_anchors_of_accepted_kinds),
        cmocka_unit_test(test_every_term),
        cmocka_unit_test(test_auditors),
        cmocka_unit_test(test_freshness_and_anchors),
        cmocka_unit_test(test_top),
        cmocka_unit_test(test_accept),
        cmocka_unit_test(test_measurement),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_charter),
        cmocka_unit_test(test_soft),
        cmocka_unit_test(test_size_and_null_field),
        cmocka_unit_test(test_type_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
