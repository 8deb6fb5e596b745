/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "builtins/describe.h"
#include "builtins/dispatch.h"
#include "builtins/library.h"

/* Every kind of parameter, defaults and bounds: what the two functions of the build do not have. */
#define EVERYTHING(X)                                                                                                \
    X(TEXT, word, 1, 4, "abc", "a word")                                                                             \
    X(CHOICE, side, "left|right", "right", "a side")                                                                 \
    X(INTEGER, count, -2, 9007199254740992.0, NULL, "a count")                                                       \
    X(REAL, share, 0.0, 1.0, "0.5", "a share")                                                                       \
    X(FLAG, loud, "true", "a flag")                                                                                  \
    X(INPUT, data, "bytes", "some bytes")                                                                            \
    X(OPTIONAL_INPUT, mask, "bytes", "more bytes")                                                                   \
    X(INPUTS, part, 0, 3, "bytes", "parts")                                                                          \
    X(OUTPUT, copy, "bytes", "the bytes again")                                                                      \
    X(OUTPUTS, twin, 0, 3, "bytes", "the parts again")

extern const struct cella_builtin cella_builtin_everything;

CELLA_BUILTIN(everything, "everything", EVERYTHING, .alias = "builtin-everything", .version = "1",
              .documentation = "For \"this\"\ntest.", .returns = "a summary",
              .privacy = { .inputs = "data|part", .epsilon = "share", .delta = "share" })
{
    struct cella_view all;
    CELLA_TRY(cella_builtin_input_all(data, &all));
    CELLA_TRY(cella_builtin_output_write(copy, all));
    for (size_t i = 0; i < part->count && i < twin->count; i++) {
        CELLA_TRY(cella_builtin_input_all(&part->items[i], &all));
        CELLA_TRY(cella_builtin_output_print(&twin->items[i], "%s=%.*s", part->items[i].name, (int) all.size,
                                             (const char *) all.data));
    }
    CELLA_TRY(cella_builtin_progress(call, 0.5));
    return cella_builtin_result(call, "%.*s %lld %lld %.3f %d %d %zu", (int) word->size, (const char *) word->data,
                                (long long) side, (long long) count, share, loud ? 1 : 0, mask != NULL ? 1 : 0,
                                part->count);
}

static cella_status collect(void *context, struct cella_view bytes)
{
    return cella_bytes_append(context, bytes);
}

struct fixture {
    struct cella_builtin_value values[16];
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

static void add_output(struct fixture *fixture, const char *name, struct cella_bytes *target)
{
    struct cella_builtin_value *value = add(fixture, name, CELLA_BUILTIN_VALUE_OUTPUT);
    value->write = collect;
    value->context = target;
}

static void add_required(struct fixture *fixture, int64_t count)
{
    add(fixture, "data", CELLA_BUILTIN_VALUE_INPUT)->bytes = cella_view_of_string("bytes");
    add_output(fixture, "copy", &fixture->copy);
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
    assert_true(cella_view_is(cella_bytes_view(&fixture.call.result), "abc 1 -2 0.500 1 0 0"));
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
    assert_true(cella_view_is(cella_bytes_view(&fixture.call.result), "long 1 9007199254740992 1.000 0 0 0"));
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
        { "side", CELLA_BUILTIN_VALUE_FLAG, "argument 'side' must be a text" },
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

static void test_groups(void **state)
{
    (void) state;
    CELLA_CLEANUP(clear) struct fixture fixture = { .count = 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes twin = { 0 };
    add_required(&fixture, 1);
    add(&fixture, "part0", CELLA_BUILTIN_VALUE_INPUT)->bytes = cella_view_of_string("a");
    add(&fixture, "mask", CELLA_BUILTIN_VALUE_NONE);
    add(&fixture, "part1", CELLA_BUILTIN_VALUE_INPUT)->bytes = cella_view_of_string("b");
    add_output(&fixture, "twin0", &twin);
    assert_int_equal(run(&fixture), CELLA_OK);
    assert_true(cella_view_is(cella_bytes_view(&fixture.call.result), "abc 1 1 0.500 1 0 2"));
    assert_true(cella_view_is(cella_bytes_view(&twin), "part0=a"));
    add(&fixture, "part3", CELLA_BUILTIN_VALUE_INPUT);
    expect_bad(&fixture, "'part3' is not a parameter of this function"); /* part2 is not there */
    fixture.values[fixture.count - 1].name = cella_view_of_string("part2");
    add(&fixture, "part3", CELLA_BUILTIN_VALUE_INPUT);
    expect_bad(&fixture, "input 'part' needs 0 to 3 members, named part0, part1 and so on; it has 4");
}

/* Pieces of at most three bytes; the context counts down. */
static cella_status drip(void *context, uint8_t *to, size_t size, size_t *got)
{
    size_t *left = context;
    *got = size < 3 ? size : 3;
    *got = *got < *left ? *got : *left;
    memset(to, 'x', *got);
    *left -= *got;
    return CELLA_OK;
}

static void test_streams(void **state)
{
    (void) state;
    CELLA_CLEANUP(clear) struct fixture fixture = { .count = 0 };
    size_t left = 7;
    add_required(&fixture, 1);
    fixture.values[0].read = drip;
    fixture.values[0].context = &left;
    assert_int_equal(run(&fixture), CELLA_OK);
    assert_true(cella_view_is(cella_bytes_view(&fixture.copy), "xxxxxxx"));
    struct cella_builtin_input memory = { .bytes = cella_view_of_string("abcde") };
    uint8_t piece[4];
    size_t got = 0;
    assert_int_equal(cella_builtin_input_read(&memory, piece, sizeof(piece), &got), CELLA_OK);
    assert_int_equal(got, 4);
    assert_int_equal(cella_builtin_input_read(&memory, piece, sizeof(piece), &got), CELLA_OK);
    assert_int_equal(got, 1);
    assert_int_equal(cella_builtin_input_read(&memory, piece, sizeof(piece), &got), CELLA_OK);
    assert_int_equal(got, 0);
}

static cella_status cancel(void *context, double fraction)
{
    (void) context;
    return fraction == 0.5 ? CELLA_CANCELLED : CELLA_INTERNAL;
}

static void test_cancel(void **state)
{
    (void) state;
    CELLA_CLEANUP(clear) struct fixture fixture = { .count = 0 };
    add_required(&fixture, 1);
    fixture.call.progress = cancel;
    assert_int_equal(run(&fixture), CELLA_CANCELLED);
    assert_int_equal(fixture.copy.size, 0); /* what was collected is not handed over */
}

static const struct cella_builtin *find(const char *name)
{
    static const struct cella_builtin_registry registry = { .module_count = 0 };
    return cella_builtin_find(&registry, cella_view_of_string(name));
}

static void test_registry(void **state)
{
    (void) state;
    const struct cella_builtin_registry registry = { .module_count = 0 };
    const struct cella_builtin *builtin;
    for (size_t i = 0; (builtin = cella_builtin_at(&registry, i)) != NULL; i++) {
        assert_ptr_equal(find(builtin->name), builtin);
        assert_true(builtin->alias == NULL || find(builtin->alias) == builtin);
        assert_in_range(builtin->parameter_count, 0, CELLA_BUILTIN_PARAMETERS_MAX);
    }
    assert_non_null(find("echo"));
    assert_ptr_equal(find("builtin_gbdt-predict"), find("gbdt_predict"));
    assert_null(find("gbdt-predict"));
    assert_null(find("builtin-gbdt-predict2"));
    assert_null(find("builtin"));
    assert_null(find("none"));
    assert_null(cella_builtin_find(&registry, (struct cella_view){ 0 }));
}

static void test_a_module_joins(void **state)
{
    (void) state;
    static const struct cella_builtin *const all[] = { &cella_builtin_everything, NULL };
    static const struct cella_builtin_module module = { sizeof(struct cella_builtin), all };
    struct cella_builtin_registry registry = { .modules = { &module }, .module_count = 1 };
    assert_ptr_equal(cella_builtin_find(&registry, cella_view_of_string("builtin-everything")),
                     &cella_builtin_everything);
    char error[256];
    assert_int_equal(cella_builtin_load(&registry, -1, "absent.so", error), CELLA_NO_PROFILE);
    assert_string_equal(error, "absent.so: there is no such library");
    int folder = open("/usr/lib/x86_64-linux-gnu", O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(cella_builtin_load(&registry, folder, "../libc.so.6", error), CELLA_NO_PROFILE);
    assert_string_equal(error, "../libc.so.6: there is no such library");
    assert_int_equal(cella_builtin_load(&registry, folder, "absent.so", error), CELLA_NO_PROFILE);
    assert_non_null(strstr(error, "absent.so: ./absent.so: cannot open"));
    assert_int_equal(cella_builtin_load(&registry, folder, "libc.so.6", error), CELLA_NO_PROFILE);
    assert_string_equal(error, "libc.so.6 has no builtins of this build");
    assert_int_equal(close(folder), 0);
}

static void test_description(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    assert_int_equal(cella_builtin_describe(&cella_builtin_everything, &text), CELLA_OK);
    assert_int_equal(cella_bytes_append(&text, cella_view_of("", 1)), CELLA_OK);
    const char *const parts[] = {
        "{\"name\": \"everything\", \"alias\": \"builtin-everything\"", "For \\\"this\\\"\\ntest.",
        "\"choices\": [\"left\", \"right\"]", "\"maximum\": 9007199254740992, ", "\"default\": \"0.5\"",
        ", \"privacy\": {\"inputs\": [\"data\", \"part\"], \"epsilon\": \"share\", \"delta\": \"share\"}, \"parameters\"",
    };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        assert_non_null(strstr((const char *) text.data, parts[i]));
    }
}

static void test_echo(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    assert_int_equal(cella_builtin_describe(find("echo"), &text), CELLA_OK);
    assert_int_equal(cella_bytes_append(&text, cella_view_of("", 1)), CELLA_OK);
    assert_null(strstr((const char *) text.data, "privacy")); /* where there is nothing to say */
    CELLA_CLEANUP(clear) struct fixture fixture = { .count = 0 };
    add(&fixture, "message", CELLA_BUILTIN_VALUE_TEXT)->bytes = cella_view_of_string("");
    assert_int_equal(cella_builtin_run(find("echo"), fixture.values, 1, &fixture.call), CELLA_OK);
    assert_int_equal(fixture.call.result.size, 0);
    fixture.values[0].bytes = cella_view_of_string("hello");
    assert_int_equal(cella_builtin_run(find("echo"), fixture.values, 1, &fixture.call), CELLA_OK);
    assert_true(cella_view_is(cella_bytes_view(&fixture.call.result), "hello"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults), cmocka_unit_test(test_all_given),   cmocka_unit_test(test_missing),
        cmocka_unit_test(test_unknown_and_twice), cmocka_unit_test(test_wrong_types), cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_groups), cmocka_unit_test(test_streams), cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_registry), cmocka_unit_test(test_a_module_joins), cmocka_unit_test(test_description),
        cmocka_unit_test(test_echo),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
