/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "monitor/spec.h"

static cella_status parse(const char *text, struct cella_spec *out, struct cella_json_error *error)
{
    return cella_spec_parse(cella_view_of_string(text), error, out);
}

static const char whole[] =
    "{\"version\":1,\"name\":\"classify\",\"executor\":\"python\",\"public\":true,\"profile\":\"numpy\","
    "\"entry\":\"classify\",\"source\":\"def classify(): pass\","
    "\"inputs\":[{\"name\":\"images\"},{\"name\":\"mask\",\"optional\":true}],"
    "\"outputs\":[{\"name\":\"labels\"}],"
    "\"arguments\":[{\"name\":\"threshold\",\"type\":\"number\",\"default\":0.5},"
    "{\"name\":\"mode\",\"type\":\"string\"},{\"name\":\"fixed\",\"default\":1,\"locked\":true}],"
    "\"limits\":{\"cpu_s\":5}}";

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
    assert_int_equal(spec.argument_count, 3);
    assert_null(json_object_get(spec.json, "source"));
    assert_int_equal(cella_spec_source(cella_view_of_string(whole), &source), CELLA_OK);
    assert_true(cella_view_is(cella_bytes_view(&source), "def classify(): pass"));
}

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
        { "{\"version\":1,\"name\":\"a b\",\"executor\":\"python\",\"public\":true,\"entry\":\"a\",\"source\":\"\"}",
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
    assert_int_equal(cella_spec_lower_limits(lower, &error, &limits), CELLA_OK);
    assert_int_equal(limits.wall_s, 3);
    assert_int_equal(limits.cpu_s, cella_limits_default.cpu_s);
    assert_int_equal(cella_spec_lower_limits(higher, &error, &limits), CELLA_BAD_FIELD);
    assert_int_equal(cella_spec_lower_limits(none, &error, &limits), CELLA_BAD_FIELD);
    assert_int_equal(cella_spec_lower_limits(unknown, &error, &limits), CELLA_UNKNOWN_FIELD);
    assert_int_equal(limits.wall_s, 3);
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
        cmocka_unit_test(identifiers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
