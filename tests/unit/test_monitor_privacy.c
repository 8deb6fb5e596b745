/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "monitor/policy.h"

static const char package[] =
    "{\"version\":1,\"name\":\"f\",\"executor\":\"builtin\",\"public\":true,\"entry\":\"f\","
    "\"inputs\":[{\"name\":\"x\"},{\"name\":\"y\"}],\"arguments\":[{\"name\":\"e\"},{\"name\":\"d\"}],"
    "\"privacy\":{\"epsilon\":\"e\",\"delta\":\"d\",\"inputs\":[\"x\"]}}";

static struct cella_spec spec_of(const char *text)
{
    struct cella_spec spec = { 0 };
    assert_int_equal(cella_spec_read(cella_view_of_string(text), &spec), CELLA_OK);
    return spec;
}

static json_t *json_of(const char *text)
{
    json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(json);
    return json;
}

/* Costs go up to the next unit, budgets down, and a decimal is what it was written as. */
static void numbers_become_units(void **unused)
{
    static const struct {
        const char *epsilon, *delta;
        struct cella_privacy cost, budget;
    } cases[] = {
        { "1", "0", { 1000000, 0 }, { 1000000, 0 } },
        { "0.1", "1e-12", { 100000, 1 }, { 100000, 1 } },
        { "0.7", "1e-7", { 700000, 100000 }, { 700000, 100000 } },
        { "0.000001", "1e-13", { 1, 1 }, { 1, 0 } },
        { "0.0000011", "1", { 2, 1000000000000 }, { 1, 1000000000000 } },
        { "1e-300", "5e-324", { 1, 1 }, { 0, 0 } },
        { "1000000", "1.0", { 1000000000000, 1000000000000 }, { 1000000000000, 1000000000000 } },
        { "1e6", "0.0", { 1000000000000, 0 }, { 1000000000000, 0 } },
        { "999999.9999999999", "0.9999999999999999", { 1000000000000, 1000000000000 }, { 999999999999, 999999999999 } },
        { "0.30000000000000004", "-0.0", { 300001, 0 }, { 300000, 0 } }, /* 0.1 + 0.2 is no three tenths */
        { "2.5e-1", "1.0000001e-6", { 250000, 1000001 }, { 250000, 1000000 } },
    };
    struct cella_spec spec = spec_of(package);
    (void) unused;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[128];
        const char *argument = NULL;
        struct cella_json_error error = { 0 };
        struct cella_privacy cost = { 0 };
        struct cella_privacy budget = { 0 };
        (void) snprintf(text, sizeof(text), "{\"e\":%s,\"d\":%s}", cases[i].epsilon, cases[i].delta);
        CELLA_CLEANUP(cella_json_cleanup) json_t *arguments = json_of(text);
        assert_int_equal(cella_privacy_cost(&spec, arguments, &argument, &cost), CELLA_OK);
        (void) snprintf(text, sizeof(text), "{\"epsilon\":%s,\"delta\":%s}", cases[i].epsilon, cases[i].delta);
        CELLA_CLEANUP(cella_json_cleanup) json_t *said = json_of(text);
        assert_int_equal(cella_privacy_read_budget(said, "b", &error, &budget), CELLA_OK);
        if (memcmp(&cost, &cases[i].cost, sizeof(cost)) != 0 || memcmp(&budget, &cases[i].budget, sizeof(budget)) != 0) {
            fail_msg("case %zu: cost %llu %llu, budget %llu %llu", i, (unsigned long long) cost.epsilon,
                     (unsigned long long) cost.delta, (unsigned long long) budget.epsilon,
                     (unsigned long long) budget.delta);
        }
    }
    cella_spec_clear(&spec);
}

/* Each amount up to two decimals beyond a unit: what is shown reads back as the same units. */
static void what_is_shown_is_what_is_counted(void **unused)
{
    (void) unused;
    for (uint64_t units = 0; units < 1000000; units += 7) {
        struct cella_json_error error = { 0 };
        struct cella_privacy amount = { units, units * 999983 % CELLA_PRIVACY_UNITS_MAX };
        struct cella_privacy back = { 0 };
        CELLA_CLEANUP(cella_json_cleanup) json_t *json = cella_privacy_json(amount);
        assert_int_equal(cella_privacy_read_budget(json, "b", &error, &back), CELLA_OK);
        assert_int_equal(back.epsilon, amount.epsilon);
        assert_int_equal(back.delta, amount.delta);
    }
    char text[CELLA_PRIVACY_TEXT_SIZE];
    cella_privacy_text((struct cella_privacy){ 300001, 1000000 }, text);
    assert_string_equal(text, "epsilon 0.300001, delta 1e-06");
    cella_privacy_text((struct cella_privacy){ UINT64_MAX, UINT64_MAX }, text);
    assert_true(strlen(text) < CELLA_PRIVACY_TEXT_SIZE - 1);
}

static void amounts_that_are_none(void **unused)
{
    static const struct {
        const char *arguments, *argument;
    } cases[] = {
        { "{}", "e" }, { "{\"e\":null,\"d\":0}", "e" }, { "{\"e\":\"1\",\"d\":0}", "e" }, { "{\"e\":0,\"d\":0}", "e" },
        { "{\"e\":0.0,\"d\":0}", "e" }, { "{\"e\":-1,\"d\":0}", "e" }, { "{\"e\":-1e-9,\"d\":0}", "e" },
        { "{\"e\":1000001,\"d\":0}", "e" }, { "{\"e\":1e300,\"d\":0}", "e" }, { "{\"e\":[1],\"d\":0}", "e" },
        { "{\"e\":true,\"d\":0}", "e" }, { "{\"e\":1}", "d" }, { "{\"e\":1,\"d\":null}", "d" },
        { "{\"e\":1,\"d\":-1e-30}", "d" }, { "{\"e\":1,\"d\":2}", "d" }, { "{\"e\":1,\"d\":1.0000000000000002}", "d" },
    };
    struct cella_spec spec = spec_of(package);
    (void) unused;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *argument = NULL;
        struct cella_privacy cost = { 7, 7 };
        CELLA_CLEANUP(cella_json_cleanup) json_t *arguments = json_of(cases[i].arguments);
        assert_int_equal(cella_privacy_cost(&spec, arguments, &argument, &cost), CELLA_BAD_ARGUMENT);
        assert_string_equal(argument, cases[i].argument);
        assert_int_equal(cost.epsilon, 7);
        cost = cella_privacy_counted(&spec, arguments);
        assert_int_equal(cost.epsilon + cost.delta, 0);
    }
    CELLA_CLEANUP(cella_json_cleanup) json_t *numbers = json_pack("{s:f, s:f}", "e", 1.0, "d", 0.0);
    const char *argument;
    struct cella_privacy cost;
    struct cella_spec silent = { 0 };
    assert_int_equal(cella_privacy_cost(&silent, numbers, &argument, &cost), CELLA_NOT_FOUND);
    assert_false(cella_privacy_protects(&silent, "x"));
    assert_true(cella_privacy_protects(&spec, "x"));
    assert_false(cella_privacy_protects(&spec, "y"));
    cella_spec_clear(&spec);
}

static void budgets_that_are_none(void **unused)
{
    static const struct {
        const char *policy;
        cella_status status;
        const char *field;
    } cases[] = {
        { "{\"budget\":{\"epsilon\":0}}", CELLA_OK, "" },
        { "{\"budget\":{\"epsilon\":1,\"delta\":1}}", CELLA_OK, "" },
        { "{\"budget\":1}", CELLA_BAD_FIELD, "args.policy.budget" },
        { "{\"budget\":{}}", CELLA_MISSING_FIELD, "args.policy.budget.epsilon" },
        { "{\"budget\":{\"delta\":0}}", CELLA_MISSING_FIELD, "args.policy.budget.epsilon" },
        { "{\"budget\":{\"epsilon\":-0.5}}", CELLA_BAD_FIELD, "args.policy.budget.epsilon" },
        { "{\"budget\":{\"epsilon\":1,\"delta\":\"0\"}}", CELLA_BAD_FIELD, "args.policy.budget.delta" },
        { "{\"budget\":{\"epsilon\":1,\"rho\":1}}", CELLA_UNKNOWN_FIELD, "args.policy.budget.rho" },
    };
    (void) unused;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct cella_json_error error = { 0 };
        CELLA_CLEANUP(cella_json_cleanup) json_t *policy = json_of(cases[i].policy);
        assert_int_equal(cella_policy_check_form(policy, &error), cases[i].status);
        assert_string_equal(error.field, cases[i].field);
    }
}

/* Of a chain of data with budgets the first that is short refuses, and the least of all is what is left. */
static void the_least_binds(void **unused)
{
    (void) unused;
    json_t *policies[2] = { json_of("{\"budget\":{\"epsilon\":1,\"delta\":1e-6}}"), NULL };
    json_t *tight[1] = { json_of("{\"budget\":{\"epsilon\":3}}") };
    struct cella_data source = { .owner_count = 1, .policies = tight, .spent = { 2500000, 0 } };
    struct cella_data *sources[1] = { &source };
    struct cella_data data = { .owner_count = 2, .policies = policies, .sources = sources, .source_count = 1,
                               .spent = { 100000, 999999 } };
    struct cella_privacy left;
    char detail[CELLA_DETAIL_MAX];
    (void) snprintf(data.entry.id, sizeof(data.entry.id), "made");
    (void) snprintf(source.entry.id, sizeof(source.entry.id), "source");
    assert_true(cella_policy_budget_left(&data, &left));
    assert_int_equal(left.epsilon, 500000);
    assert_int_equal(left.delta, 0);
    assert_int_equal(cella_policy_can_pay(&data, (struct cella_privacy){ 500000, 0 }, detail), CELLA_OK);
    assert_int_equal(cella_policy_can_pay(&data, (struct cella_privacy){ 500001, 0 }, detail), CELLA_BUDGET_SPENT);
    assert_string_equal(detail, "source: budget epsilon 3, delta 0; spent epsilon 2.5, delta 0; this run epsilon 0.500001, delta 0");
    assert_int_equal(cella_policy_can_pay(&data, (struct cella_privacy){ 1, 2 }, detail), CELLA_BUDGET_SPENT);
    assert_non_null(strstr(detail, "made: budget epsilon 1, delta 1e-06; spent epsilon 0.1, delta 9.99999e-07; this run"));
    source.spent = (struct cella_privacy){ 4000000, 5 }; /* the budget was lowered */
    assert_true(cella_policy_budget_left(&data, &left));
    assert_int_equal(left.epsilon + left.delta, 0);
    assert_int_equal(cella_policy_can_pay(&data, (struct cella_privacy){ 1, 0 }, detail), CELLA_BUDGET_SPENT);
    json_decref(policies[0]);
    json_decref(tight[0]);
    policies[0] = NULL;
    tight[0] = NULL;
    assert_false(cella_policy_budget_left(&data, &left));
    assert_int_equal(cella_policy_can_pay(&data, (struct cella_privacy){ 1, 0 }, detail), CELLA_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_become_units),
        cmocka_unit_test(what_is_shown_is_what_is_counted),
        cmocka_unit_test(amounts_that_are_none),
        cmocka_unit_test(budgets_that_are_none),
        cmocka_unit_test(the_least_binds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
