/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "monitor/spec.h"

static cella_status parse(const char *text, struct cella_spec *out, struct cella_json_error *error)
{
    return cella_spec_parse(cella_view_of_string(text), &cella_limits_default, error, out);
}

static const char whole[] =
    "{\"version\":1,\"name\":\"classify\",\"executor\":\"python\",\"public\":true,\"profile\":\"numpy\","
    "\"entry\":\"classify\",\"source\":\"def classify(): pass\","
    "\"inputs\":[{\"name\":\"images\",\"stream\":true},{\"name\":\"mask\",\"optional\":true}],"
    "\"outputs\":[{\"name\":\"labels\"}],"
    "\"arguments\":[{\"name\":\"threshold\",\"type\":\"number\",\"default\":0.5},"
    "{\"name\":\"mode\",\"type\":\"string\"},{\"name\":\"fixed\",\"default\":1,\"locked\":true}],"
    "\"limits\":{\"cpu_s\":5,\"threads\":0},\"isolation\":{\"clock\":\"coarse\",\"sizes\":\"exact\"}}";

static void a_whole_package_is_read(void **state)
{
    struct cella_json_error error = { 0 };
    CELLA_CLEANUP(cella_spec_clear) struct cella_spec spec = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes source = { 0 };
    (void) state;
    assert_int_equal(parse(whole, &spec, &error), CELLA_OK);
    assert_string_equal(spec.name, "classify");
    assert_int_equal(spec.kind, CELLA_TASK_PYTHON);
    assert_true(spec.is_public);
    assert_int_equal(spec.input_count, 2);
    assert_true(spec.inputs[1].optional);
    assert_true(spec.inputs[0].stream);
    assert_false(spec.inputs[1].stream);
    assert_true(spec.isolation.coarse_clock);
    assert_false(spec.isolation.own_zygote);
    assert_false(spec.isolation.padded);
    assert_int_equal(spec.argument_count, 3);
    assert_null(json_object_get(spec.json, "source"));
    assert_int_equal(cella_spec_source(cella_view_of_string(whole), &source), CELLA_OK);
    assert_true(cella_view_is(cella_bytes_view(&source), "def classify(): pass"));
}

#define BUILTIN "{\"version\":1,\"name\":\"a\",\"executor\":\"builtin\",\"public\":true,\"entry\":\"a\","
#define AMOUNTS                                                                                                      \
    "\"inputs\":[{\"name\":\"x\"},{\"name\":\"y\"}],\"arguments\":[{\"name\":\"e\",\"type\":\"number\"},{\"name\":\"d\"}," \
    "{\"name\":\"w\",\"type\":\"string\"}],"

/* Each of these differs from a good package in one thing. */
static void wrong_packages_are_refused(void **state)
{
    static const struct {
        const char *text;
        cella_status status;
        const char *field;
    } cases[] = {
        { "[]", CELLA_BAD_JSON, "" },
        { "{\"version\":2,\"name\":\"a\",\"executor\":\"python\",\"public\":true,\"entry\":\"a\",\"source\":\"\"}",
          CELLA_BAD_FIELD, "package.version" },
        { "{\"version\":1,\"name\":\"a "
          "b\",\"executor\":\"python\",\"public\":true,\"entry\":\"a\",\"source\":\"\"}",
          CELLA_BAD_FIELD, "package.name" },
        { "{\"version\":1,\"name\":\"a\",\"executor\":\"wasm\",\"public\":true,\"entry\":\"a\",\"source\":\"\"}",
          CELLA_BAD_FIELD, "package.executor" },
        { "{\"version\":1,\"name\":\"a\",\"executor\":\"python\",\"entry\":\"a\",\"source\":\"\"}",
          CELLA_MISSING_FIELD, "package.public" },
        { "{\"version\":1,\"name\":\"a\",\"executor\":\"python\",\"public\":true,\"entry\":\"a\"}",
          CELLA_MISSING_FIELD, "package.source" },
        { "{\"version\":1,\"name\":\"a\",\"executor\":\"builtin\",\"public\":true,\"entry\":\"a\",\"source\":\"\"}",
          CELLA_UNKNOWN_FIELD, "package.source" },
        { "{\"version\":1,\"name\":\"a\",\"executor\":\"builtin\",\"public\":true,\"entry\":\"a\",\"extra\":1}",
          CELLA_UNKNOWN_FIELD, "package.extra" },
        { "{\"version\":1,\"name\":\"a\",\"executor\":\"builtin\",\"public\":true,\"entry\":\"a\","
          "\"inputs\":[{\"name\":\"x\"},{\"name\":\"x\"}]}",
          CELLA_BAD_FIELD, "inputs.x" },
        { "{\"version\":1,\"name\":\"a\",\"executor\":\"builtin\",\"public\":true,\"entry\":\"a\","
          "\"inputs\":[{\"name\":\"../x\"}]}",
          CELLA_BAD_FIELD, "inputs.name" },
        { "{\"version\":1,\"name\":\"a\",\"executor\":\"builtin\",\"public\":true,\"entry\":\"a\","
          "\"arguments\":[{\"name\":\"x\",\"type\":\"date\"}]}",
          CELLA_BAD_FIELD, "arguments.x" },
        { "{\"version\":1,\"name\":\"a\",\"executor\":\"builtin\",\"public\":true,\"entry\":\"a\","
          "\"arguments\":[{\"name\":\"x\",\"type\":\"integer\",\"default\":\"1\"}]}",
          CELLA_BAD_FIELD, "arguments.x" },
        { "{\"version\":1,\"name\":\"a\",\"executor\":\"builtin\",\"public\":true,\"entry\":\"a\","
          "\"arguments\":[{\"name\":\"x\",\"locked\":true}]}",
          CELLA_BAD_FIELD, "arguments.x" },
        { "{\"version\":1,\"name\":\"a\",\"executor\":\"builtin\",\"public\":true,\"entry\":\"a\","
          "\"limits\":{\"cpu_s\":1000000}}",
          CELLA_BAD_FIELD, "limits.cpu_s" },
        { "{\"version\":1,\"name\":\"a\",\"executor\":\"builtin\",\"public\":true,\"entry\":\"a\","
          "\"inputs\":[{\"name\":\"x\",\"stream\":1}]}",
          CELLA_BAD_FIELD, "inputs.stream" },
        { "{\"version\":1,\"name\":\"a\",\"executor\":\"builtin\",\"public\":true,\"entry\":\"a\","
          "\"outputs\":[{\"name\":\"x\",\"stream\":true}]}",
          CELLA_UNKNOWN_FIELD, "outputs.stream" },
        { "{\"version\":1,\"name\":\"a\",\"executor\":\"builtin\",\"public\":true,\"entry\":\"a\","
          "\"isolation\":{\"clock\":\"slow\"}}",
          CELLA_BAD_FIELD, "isolation.clock" },
        { "{\"version\":1,\"name\":\"a\",\"executor\":\"builtin\",\"public\":true,\"entry\":\"a\","
          "\"isolation\":[]}",
          CELLA_BAD_FIELD, "package.isolation" },
        { BUILTIN "\"privacy\":{}}", CELLA_MISSING_FIELD, "privacy.epsilon" },
        { BUILTIN "\"privacy\":{\"epsilon\":\"e\"}}", CELLA_BAD_FIELD, "privacy.epsilon" },
        { BUILTIN AMOUNTS "\"privacy\":{\"epsilon\":\"w\"}}", CELLA_BAD_FIELD, "privacy.epsilon" },
        { BUILTIN AMOUNTS "\"privacy\":{\"epsilon\":\"e\",\"delta\":\"e\"}}", CELLA_BAD_FIELD, "privacy.delta" },
        { BUILTIN AMOUNTS "\"privacy\":{\"epsilon\":\"e\",\"inputs\":[\"x\",\"w\"]}}", CELLA_BAD_FIELD,
          "privacy.inputs" },
        { BUILTIN AMOUNTS "\"privacy\":{\"epsilon\":\"e\",\"inputs\":[\"x\",\"x\"]}}", CELLA_BAD_FIELD,
          "privacy.inputs" },
        { BUILTIN AMOUNTS "\"privacy\":{\"epsilon\":\"e\",\"inputs\":[]}}", CELLA_BAD_FIELD, "privacy.inputs" },
        { BUILTIN AMOUNTS "\"privacy\":{\"epsilon\":\"e\",\"inputs\":[1]}}", CELLA_BAD_FIELD, "privacy.inputs" },
        { BUILTIN AMOUNTS "\"privacy\":{\"epsilon\":\"e\",\"rho\":\"d\"}}", CELLA_UNKNOWN_FIELD, "privacy.rho" },
    };
    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct cella_json_error error = { 0 };
        struct cella_spec spec = { 0 };
        cella_status status = parse(cases[i].text, &spec, &error);
        if (status != cases[i].status || strcmp(error.field, cases[i].field) != 0) {
            fail_msg("case %zu: %s, field %s", i, cella_status_name(status), error.field);
        }
        assert_null(spec.json);
    }
}

static cella_status complete(const struct cella_spec *spec, const char *given, char **out,
                             struct cella_json_error *error)
{
    CELLA_CLEANUP(cella_json_cleanup) json_t *json = json_loads(given, 0, NULL);
    CELLA_CLEANUP(cella_json_cleanup) json_t *arguments = NULL;
    assert_non_null(json);
    CELLA_TRY(cella_spec_arguments(spec, json, error, &arguments));
    *out = json_dumps(arguments, JSON_COMPACT | JSON_SORT_KEYS);
    return CELLA_OK;
}

static void arguments_are_completed_and_checked(void **state)
{
    struct cella_json_error error = { 0 };
    CELLA_CLEANUP(cella_spec_clear) struct cella_spec spec = { 0 };
    char *text = NULL;
    (void) state;
    assert_int_equal(parse(whole, &spec, &error), CELLA_OK);
    assert_int_equal(complete(&spec, "{\"mode\":\"fast\"}", &text, &error), CELLA_OK);
    assert_string_equal(text, "{\"fixed\":1,\"mode\":\"fast\",\"threshold\":0.5}");
    free(text);
    assert_int_equal(complete(&spec, "{}", &text, &error), CELLA_BAD_ARGUMENT);
    assert_string_equal(error.field, "arguments.mode");
    assert_int_equal(complete(&spec, "{\"mode\":1}", &text, &error), CELLA_BAD_ARGUMENT);
    assert_int_equal(complete(&spec, "{\"mode\":\"a\",\"fixed\":1}", &text, &error), CELLA_BAD_ARGUMENT);
    assert_string_equal(error.field, "arguments.fixed");
    assert_int_equal(complete(&spec, "{\"mode\":\"a\",\"other\":1}", &text, &error), CELLA_BAD_ARGUMENT);
    assert_string_equal(error.field, "arguments.other");
}

static void limits_go_down_only(void **state)
{
    struct cella_json_error error = { 0 };
    struct cella_task_limits limits = cella_limits_default;
    (void) state;
    CELLA_CLEANUP(cella_json_cleanup) json_t *lower = json_loads("{\"wall_s\":3,\"threads\":1}", 0, NULL);
    CELLA_CLEANUP(cella_json_cleanup) json_t *higher = json_loads("{\"wall_s\":4}", 0, NULL);
    CELLA_CLEANUP(cella_json_cleanup) json_t *none = json_loads("{\"wall_s\":0}", 0, NULL);
    CELLA_CLEANUP(cella_json_cleanup) json_t *unknown = json_loads("{\"wall\":1}", 0, NULL);
    CELLA_CLEANUP(cella_json_cleanup) json_t *single = json_loads("{\"threads\":0}", 0, NULL);
    assert_int_equal(cella_spec_lower_limits(lower, &error, &limits), CELLA_OK);
    assert_int_equal(limits.wall_s, 3);
    assert_int_equal(limits.cpu_s, cella_limits_default.cpu_s);
    assert_int_equal(cella_spec_lower_limits(higher, &error, &limits), CELLA_BAD_FIELD);
    assert_int_equal(cella_spec_lower_limits(none, &error, &limits), CELLA_BAD_FIELD);
    assert_int_equal(cella_spec_lower_limits(unknown, &error, &limits), CELLA_UNKNOWN_FIELD);
    assert_int_equal(limits.wall_s, 3);
    assert_int_equal(cella_spec_lower_limits(single, &error, &limits), CELLA_OK);
    assert_int_equal(limits.threads, 0);
}

static cella_status choose(const char *text, struct cella_json_error *error, struct cella_task_limits *out)
{
    CELLA_CLEANUP(cella_json_cleanup) json_t *chosen = json_loads(text, 0, NULL);
    assert_non_null(chosen);
    return cella_spec_choose_limits(chosen, error, out);
}

static void a_charter_chooses_limits(void **state)
{
    static const struct {
        const char *text;
        cella_status status;
        const char *field;
    } cases[] = {
        { "{\"cpu_s\":0}", CELLA_BAD_FIELD, "limits.cpu_s" },
        { "{\"wall_s\":-1}", CELLA_BAD_FIELD, "limits.wall_s" },
        { "{\"wall_s\":2592001}", CELLA_BAD_FIELD, "limits.wall_s" },
        { "{\"memory_bytes\":1048575}", CELLA_BAD_FIELD, "limits.memory_bytes" },
        { "{\"memory_bytes\":9223372036854775807}", CELLA_BAD_FIELD, "limits.memory_bytes" },
        { "{\"output_bytes\":1.0}", CELLA_BAD_FIELD, "limits.output_bytes" },
        { "{\"result_bytes\":2097153}", CELLA_BAD_FIELD, "limits.result_bytes" },
        { "{\"log_bytes\":\"1\"}", CELLA_BAD_FIELD, "limits.log_bytes" },
        { "{\"threads\":1025}", CELLA_BAD_FIELD, "limits.threads" },
        { "{\"threads\":null}", CELLA_BAD_FIELD, "limits.threads" },
        { "{\"files\":1}", CELLA_UNKNOWN_FIELD, "limits.files" },
    };
    struct cella_task_limits limits = { .cpu_s = 7 };
    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct cella_json_error error = { 0 };
        cella_status status = choose(cases[i].text, &error, &limits);
        if (status != cases[i].status || strcmp(error.field, cases[i].field) != 0) {
            fail_msg("case %zu: %s, field %s", i, cella_status_name(status), error.field);
        }
        assert_int_equal(limits.cpu_s, 7);
    }
    struct cella_json_error error = { 0 };
    assert_int_equal(choose("{\"wall_s\":2592000,\"threads\":0}", &error, &limits), CELLA_OK);
    assert_int_equal(limits.wall_s, 2592000);
    assert_int_equal(limits.threads, 0);
    assert_int_equal(limits.cpu_s, cella_limits_default.cpu_s);
    assert_int_equal(cella_spec_choose_limits(NULL, &error, &limits), CELLA_OK);
    assert_int_equal(limits.wall_s, cella_limits_default.wall_s);
}

/* A package may ask for what its executor offers, and for no more. */
static void packages_are_held_to_the_executors_limits(void **state)
{
    const char *text = "{\"version\":1,\"name\":\"a\",\"executor\":\"builtin\",\"public\":true,\"entry\":\"a\","
                       "\"limits\":{\"cpu_s\":600}}";
    struct cella_task_limits most = cella_limits_default;
    struct cella_json_error error = { 0 };
    CELLA_CLEANUP(cella_spec_clear) struct cella_spec spec = { 0 };
    CELLA_CLEANUP(cella_spec_clear) struct cella_spec kept = { 0 };
    (void) state;
    most.cpu_s = 599;
    assert_int_equal(cella_spec_parse(cella_view_of_string(text), &most, &error, &spec), CELLA_BAD_FIELD);
    assert_string_equal(error.field, "limits.cpu_s");
    most.cpu_s = 600;
    assert_int_equal(cella_spec_parse(cella_view_of_string(text), &most, &error, &spec), CELLA_OK);
    assert_int_equal(cella_spec_read(cella_view_of_string(text), &kept), CELLA_OK);
}

static cella_status isolate(const char *text, struct cella_json_error *error, struct cella_isolation *isolation)
{
    CELLA_CLEANUP(cella_json_cleanup) json_t *asked = json_loads(text, 0, NULL);
    assert_non_null(asked);
    return cella_spec_isolate(asked, error, isolation);
}

static void the_strictest_isolation_wins(void **state)
{
    struct cella_json_error error = { 0 };
    struct cella_isolation isolation = { .own_zygote = false };
    (void) state;
    assert_int_equal(cella_spec_isolate(NULL, &error, &isolation), CELLA_OK);
    assert_int_equal(isolate("{\"clock\":\"coarse\",\"sizes\":\"exact\"}", &error, &isolation), CELLA_OK);
    assert_int_equal(isolate("{\"clock\":\"fine\",\"sizes\":\"padded\"}", &error, &isolation), CELLA_OK);
    assert_true(isolation.coarse_clock && isolation.padded);
    assert_false(isolation.own_zygote);
    CELLA_CLEANUP(cella_json_cleanup) json_t *json = cella_spec_isolation_json(&isolation);
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *expected = json_loads("{\"clock\":\"coarse\",\"zygote\":\"shared\",\"sizes\":\"padded\"}", 0, NULL);
    assert_true(json_equal(json, expected));
    /* What is refused changes nothing, not even by its good members. */
    assert_int_equal(isolate("{\"zygote\":\"owner\",\"sizes\":\"big\"}", &error, &isolation), CELLA_BAD_FIELD);
    assert_string_equal(error.field, "isolation.sizes");
    assert_int_equal(isolate("{\"zygote\":\"owner\",\"cpu\":\"own\"}", &error, &isolation), CELLA_UNKNOWN_FIELD);
    assert_string_equal(error.field, "isolation.cpu");
    assert_int_equal(isolate("{\"zygote\":true}", &error, &isolation), CELLA_BAD_FIELD);
    assert_false(isolation.own_zygote);
}

static void identifiers(void **state)
{
    (void) state;
    assert_true(cella_spec_is_identifier("labels_2"));
    assert_false(cella_spec_is_identifier(""));
    assert_false(cella_spec_is_identifier("2labels"));
    assert_false(cella_spec_is_identifier("a-b"));
    assert_false(cella_spec_is_identifier("a/b"));
    assert_false(cella_spec_is_identifier("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_package_is_read),
        cmocka_unit_test(wrong_packages_are_refused),
        cmocka_unit_test(arguments_are_completed_and_checked),
        cmocka_unit_test(limits_go_down_only),
        cmocka_unit_test(a_charter_chooses_limits),
        cmocka_unit_test(packages_are_held_to_the_executors_limits),
        cmocka_unit_test(the_strictest_isolation_wins),
        cmocka_unit_test(identifiers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
