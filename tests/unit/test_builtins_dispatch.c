/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "builtins/dispatch.h"
#include "builtins/registry.h"

/* Every kind of parameter, defaults and bounds: what the two functions of the build do not have. */
#define EVERYTHING(TEXT, INTEGER, REAL, FLAG, INPUT, OUTPUT)                                                         \
    TEXT(word, 1, 4, "abc", "a word")                                                                                \
    INTEGER(count, -2, 9007199254740992.0, NULL, "a count")                                                          \
    REAL(share, 0.0, 1.0, "0.5", "a share")                                                                          \
    FLAG(loud, "true", "a flag")                                                                                     \
    INPUT(data, "some bytes")                                                                                        \
    OUTPUT(copy, "the bytes again")

extern const struct cella_builtin cella_builtin_everything;

CELLA_BUILTIN(everything, "everything", "builtin-everything", "1", EVERYTHING, "For this test.", "a summary")
{
    char text[128];
    int size = snprintf(text, sizeof(text), "%.*s %lld %.3f %d %zu", (int) word->size, (const char *) word->data,
                        (long long) count, share, loud ? 1 : 0, data->size);
    CELLA_TRY(copy->write(copy->context, *data));
    return cella_bytes_set(&call->result, cella_view_of(text, (size_t) size));
}

static cella_status collect(void *context, struct cella_view bytes)
{
    return cella_bytes_append(context, bytes);
}

struct fixture {
    struct cella_builtin_value values[8];
    size_t count;
    struct cella_bytes copy;
    struct cella_builtin_call call;
};

static void clear(struct fixture *fixture)
{
    cella_bytes_clear(&fixture->copy);
    cella_bytes_clear(&fixture->call.result);
}

static struct cella_builtin_value *add(struct fixture *fixture, const char *name, enum cella_builtin_value_kind kind)
{
    struct cella_builtin_value *value = &fixture->values[fixture->count++];
    *value = (struct cella_builtin_value){ .name = cella_view_of_string(name), .kind = kind };
    return value;
}

static void add_required(struct fixture *fixture, int64_t count)
{
    add(fixture, "data", CELLA_BUILTIN_VALUE_INPUT)->bytes = cella_view_of_string("bytes");
    add(fixture, "copy", CELLA_BUILTIN_VALUE_OUTPUT)->output =
        (struct cella_builtin_output){ collect, &fixture->copy };
    add(fixture, "count", CELLA_BUILTIN_VALUE_INTEGER)->integer = count;
}

static cella_status run(struct fixture *fixture)
{
    return cella_builtin_run(&cella_builtin_everything, fixture->values, fixture->count, &fixture->call);
}

static void test_defaults(void **state)
{
    (void) state;
    CELLA_CLEANUP(clear) struct fixture fixture = { .count = 0 };
    add_required(&fixture, -2);
    assert_int_equal(run(&fixture), CELLA_OK);
    assert_true(cella_view_is(cella_bytes_view(&fixture.call.result), "abc -2 0.500 1 5"));
    assert_true(cella_view_is(cella_bytes_view(&fixture.copy), "bytes"));
}

static void test_all_given(void **state)
{
    (void) state;
    CELLA_CLEANUP(clear) struct fixture fixture = { .count = 0 };
    add_required(&fixture, INT64_C(9007199254740992));
    add(&fixture, "share", CELLA_BUILTIN_VALUE_INTEGER)->integer = 1;
    add(&fixture, "word", CELLA_BUILTIN_VALUE_TEXT)->bytes = cella_view_of_string("long");
    add(&fixture, "loud", CELLA_BUILTIN_VALUE_FLAG)->flag = false;
    assert_int_equal(run(&fixture), CELLA_OK);
    assert_true(cella_view_is(cella_bytes_view(&fixture.call.result), "long 9007199254740992 1.000 0 5"));
}

static void expect_bad(struct fixture *fixture, const char *message)
{
    assert_int_equal(run(fixture), CELLA_BAD_ARGUMENT);
    assert_string_equal(fixture->call.message, message);
}

static void test_missing(void **state)
{
    (void) state;
    CELLA_CLEANUP(clear) struct fixture fixture = { .count = 0 };
    add_required(&fixture, 1);
    fixture.count--;
    expect_bad(&fixture, "argument 'count' is missing");
    fixture.count--;
    add(&fixture, "count", CELLA_BUILTIN_VALUE_INTEGER)->integer = 1;
    expect_bad(&fixture, "output 'copy' is missing");
}

static void test_unknown_and_twice(void **state)
{
    (void) state;
    CELLA_CLEANUP(clear) struct fixture fixture = { .count = 0 };
    add_required(&fixture, 1);
    add(&fixture, "more", CELLA_BUILTIN_VALUE_NONE);
    expect_bad(&fixture, "'more' is not a parameter of this function");
    fixture.values[fixture.count - 1].name = cella_view_of_string("count");
    expect_bad(&fixture, "'count' is given twice");
}

static void test_wrong_types(void **state)
{
    (void) state;
    static const struct {
        const char *name;
        enum cella_builtin_value_kind kind;
        const char *message;
    } wrong[] = {
        { "word", CELLA_BUILTIN_VALUE_INTEGER, "argument 'word' must be a text" },
        { "word", CELLA_BUILTIN_VALUE_NONE, "argument 'word' must be a text" },
        { "word", CELLA_BUILTIN_VALUE_INPUT, "argument 'word' must be a text" },
        { "share", CELLA_BUILTIN_VALUE_TEXT, "argument 'share' must be a number" },
        { "share", CELLA_BUILTIN_VALUE_FLAG, "argument 'share' must be a number" },
        { "loud", CELLA_BUILTIN_VALUE_INTEGER, "argument 'loud' must be true or false" },
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        CELLA_CLEANUP(clear) struct fixture fixture = { .count = 0 };
        add_required(&fixture, 1);
        add(&fixture, wrong[i].name, wrong[i].kind);
        expect_bad(&fixture, wrong[i].message);
    }
    CELLA_CLEANUP(clear) struct fixture real = { .count = 0 };
    add_required(&real, 1);
    real.values[2].kind = CELLA_BUILTIN_VALUE_REAL;
    expect_bad(&real, "argument 'count' must be a whole number");
    real.values[2].kind = CELLA_BUILTIN_VALUE_INTEGER;
    real.values[0].kind = CELLA_BUILTIN_VALUE_TEXT;
    expect_bad(&real, "input 'data' must be an input");
}

static void test_ranges(void **state)
{
    (void) state;
    CELLA_CLEANUP(clear) struct fixture fixture = { .count = 0 };
    add_required(&fixture, -3);
    expect_bad(&fixture, "argument 'count' is out of range: -3 is not between -2 and 9.00719925474099e+15");
    fixture.values[2].integer = 1;
    struct cella_builtin_value *share = add(&fixture, "share", CELLA_BUILTIN_VALUE_REAL);
    share->real = 1.5;
    expect_bad(&fixture, "argument 'share' is out of range: 1.5 is not between 0 and 1");
    share->real = (double) NAN;
    assert_int_equal(run(&fixture), CELLA_BAD_ARGUMENT);
    share->real = 1.0;
    add(&fixture, "word", CELLA_BUILTIN_VALUE_TEXT)->bytes = cella_view_of_string("12345");
    expect_bad(&fixture, "argument 'word' is out of range: its size in bytes, 5 is not between 1 and 4");
}

static void test_registry(void **state)
{
    (void) state;
    size_t count = 0;
    while (cella_builtin_at(count) != NULL) {
        const struct cella_builtin *builtin = cella_builtin_at(count++);
        assert_ptr_equal(cella_builtin_find(cella_view_of_string(builtin->name)), builtin);
        assert_ptr_equal(cella_builtin_find(cella_view_of_string(builtin->alias)), builtin);
        assert_in_range(builtin->parameter_count, 0, CELLA_BUILTIN_PARAMETERS_MAX);
    }
    assert_int_equal(count, 2);
    assert_null(cella_builtin_find(cella_view_of_string("none")));
    assert_null(cella_builtin_find((struct cella_view){ 0 }));
}

static void test_echo(void **state)
{
    (void) state;
    CELLA_CLEANUP(clear) struct fixture fixture = { .count = 0 };
    add(&fixture, "message", CELLA_BUILTIN_VALUE_TEXT)->bytes = cella_view_of_string("");
    const struct cella_builtin *echo = cella_builtin_find(cella_view_of_string("echo"));
    assert_int_equal(cella_builtin_run(echo, fixture.values, 1, &fixture.call), CELLA_OK);
    assert_int_equal(fixture.call.result.size, 0);
    fixture.values[0].bytes = cella_view_of_string("hello");
    assert_int_equal(cella_builtin_run(echo, fixture.values, 1, &fixture.call), CELLA_OK);
    assert_true(cella_view_is(cella_bytes_view(&fixture.call.result), "hello"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults), cmocka_unit_test(test_all_given),   cmocka_unit_test(test_missing),
        cmocka_unit_test(test_unknown_and_twice), cmocka_unit_test(test_wrong_types), cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_registry), cmocka_unit_test(test_echo),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
