/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "builtins/dispatch.h"
#include "builtins/registry.h"

struct run {
    struct cella_bytes outputs[2];
    struct cella_builtin_call call;
};

static void clear(struct run *run)
{
    cella_bytes_clear(&run->outputs[0]);
    cella_bytes_clear(&run->outputs[1]);
    cella_bytes_clear(&run->call.result);
}

static cella_status collect(void *context, struct cella_view bytes)
{
    return cella_bytes_append(context, bytes);
}

static cella_status refuse(void *context, struct cella_view bytes)
{
    (void) context;
    return bytes.size == 0 ? CELLA_OK : CELLA_LIMIT_OUTPUT;
}

static cella_status intersect(struct run *run, const char *order, struct cella_view one, struct cella_view two)
{
    const struct cella_builtin_value values[] = {
        { .name = cella_view_of_string("order"), .kind = CELLA_BUILTIN_VALUE_TEXT,
          .bytes = cella_view_of_string(order) },
        { .name = cella_view_of_string("input_data1"), .kind = CELLA_BUILTIN_VALUE_INPUT, .bytes = one },
        { .name = cella_view_of_string("input_data2"), .kind = CELLA_BUILTIN_VALUE_INPUT, .bytes = two },
        { .name = cella_view_of_string("output_result1"), .kind = CELLA_BUILTIN_VALUE_OUTPUT,
          .write = collect, .context = &run->outputs[0] },
        { .name = cella_view_of_string("output_result2"), .kind = CELLA_BUILTIN_VALUE_OUTPUT,
          .write = collect, .context = &run->outputs[1] },
    };
    const struct cella_builtin *builtin = cella_builtin_find(&(struct cella_builtin_registry){ .module_count = 0 },
                                                              cella_view_of_string("ordered_set_intersect"));
    return cella_builtin_run(builtin, values, 5, &run->call);
}

static void expect(const char *order, const char *one, const char *two, const char *out_one, const char *out_two,
                   const char *result)
{
    CELLA_CLEANUP(clear) struct run run = { .call = { .message = { 0 } } };
    assert_int_equal(intersect(&run, order, cella_view_of_string(one), cella_view_of_string(two)), CELLA_OK);
    assert_true(cella_view_is(cella_bytes_view(&run.outputs[0]), out_one));
    assert_true(cella_view_is(cella_bytes_view(&run.outputs[1]), out_two));
    assert_true(cella_view_is(cella_bytes_view(&run.call.result), result));
}

static void expect_refused(const char *order, const char *one, const char *two, const char *message)
{
    CELLA_CLEANUP(clear) struct run run = { .call = { .message = { 0 } } };
    assert_int_equal(intersect(&run, order, cella_view_of_string(one), cella_view_of_string(two)),
                     CELLA_BUILTIN_FAILED);
    assert_string_equal(run.call.message, message);
}

static void test_plain(void **state)
{
    (void) state;
    expect("ascending", "01\n03\n05\n", "03\n04\n05\n06\n", "011", "1010", "2 common items");
    expect("descending", "05\n03\n01\n", "06\n05\n04\n03\n", "110", "0101", "2 common items");
    expect("desending", "05\n03\n01\n", "06\n05\n04\n03\n", "110", "0101", "2 common items");
}

static void test_empty(void **state)
{
    (void) state;
    expect("ascending", "", "", "", "", "0 common items");
    expect("ascending", "01\n", "", "0", "", "0 common items");
    expect("ascending", "", "01\n02\n", "", "00", "0 common items");
}

static void test_line_ends(void **state)
{
    (void) state;
    expect("ascending", "01\n02", "02\n03", "01", "10", "1 common items");
    expect("ascending", "01\r\n02\r\n", "02\r\n", "01", "1", "1 common items");
    expect("ascending", " 01 \n\t02\n", "01\n02\n", "11", "11", "2 common items");
    expect_refused("ascending", "01\n\n02\n", "", "input_data1, line 2: is empty");
    expect_refused("ascending", "01\n", "02\n \n", "input_data2, line 2: is empty");
}

static void test_duplicates(void **state)
{
    (void) state;
    expect("ascending", "01\n01\n02\n", "01\n", "110", "1", "1 common items");
    expect("ascending", "01\n", "01\n01\n01\n", "1", "111", "1 common items");
    expect("ascending", "00\n00\n", "01\n01\n", "00", "00", "0 common items");
}

static void test_lengths_and_case(void **state)
{
    (void) state;
    expect("ascending", "0a\n0a00\n", "0A\n0A00\n", "11", "11", "2 common items");
    expect("ascending", "1\n10\n2\n", "10\n", "010", "1", "1 common items");
    expect_refused("ascending", "10\n1\n", "", "input_data1, line 2: is not in ascending order");
    expect("descending", "2\n10\n1\n", "1\n", "001", "1", "1 common items");
}

static void test_unsorted(void **state)
{
    (void) state;
    expect_refused("ascending", "01\n02\n00\n", "05\n", "input_data1, line 3: is not in ascending order");
    expect_refused("descending", "05\n", "01\n02\n", "input_data2, line 2: is not in descending order");
    expect_refused("descending", "01\n02\n", "", "input_data1, line 2: is not in descending order");
}

static void test_not_hexadecimal(void **state)
{
    (void) state;
    expect_refused("ascending", "0g\n", "", "input_data1, line 1: character 2 is not a hexadecimal digit");
    expect_refused("ascending", "00\n", "0x10\n", "input_data2, line 1: character 2 is not a hexadecimal digit");
    expect_refused("ascending", "0 1\n", "", "input_data1, line 1: character 2 is not a hexadecimal digit");
    CELLA_CLEANUP(clear) struct run run = { .call = { .message = { 0 } } };
    static const uint8_t bytes[] = { '0', 0, 0xff, '\n' };
    assert_int_equal(intersect(&run, "ascending", cella_view_of(bytes, 4), (struct cella_view){ 0 }),
                     CELLA_BUILTIN_FAILED);
}

static void test_order_argument(void **state)
{
    (void) state;
    CELLA_CLEANUP(clear) struct run run = { .call = { .message = { 0 } } };
    struct cella_view empty = { 0 };
    assert_int_equal(intersect(&run, "up", empty, empty), CELLA_BAD_ARGUMENT);
    assert_string_equal(run.call.message, "argument 'order' must be one of ascending|descending|desending");
    assert_int_equal(intersect(&run, "", empty, empty), CELLA_BAD_ARGUMENT);
}

/* More lines than fit one block of digits. */
static void test_many_lines(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes all = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes half = { 0 };
    CELLA_CLEANUP(clear) struct run run = { .call = { .message = { 0 } } };
    for (unsigned int i = 0; i < 20000; i++) {
        char line[16];
        int size = snprintf(line, sizeof(line), "%08x\n", i);
        assert_int_equal(cella_bytes_append(&all, cella_view_of(line, (size_t) size)), CELLA_OK);
        if (i % 2 == 0) {
            assert_int_equal(cella_bytes_append(&half, cella_view_of(line, (size_t) size)), CELLA_OK);
        }
    }
    assert_int_equal(intersect(&run, "ascending", cella_bytes_view(&all), cella_bytes_view(&half)), CELLA_OK);
    assert_int_equal(run.outputs[0].size, 20000);
    assert_int_equal(run.outputs[1].size, 10000);
    for (size_t i = 0; i < 20000; i++) {
        assert_int_equal(run.outputs[0].data[i], i % 2 == 0 ? '1' : '0');
    }
    assert_true(cella_view_is(cella_bytes_view(&run.call.result), "10000 common items"));
}

static void test_output_that_is_full(void **state)
{
    (void) state;
    CELLA_CLEANUP(clear) struct run run = { .call = { .message = { 0 } } };
    struct cella_view one = cella_view_of_string("01\n");
    const struct cella_builtin_value values[] = {
        { .name = cella_view_of_string("order"), .kind = CELLA_BUILTIN_VALUE_TEXT,
          .bytes = cella_view_of_string("ascending") },
        { .name = cella_view_of_string("input_data1"), .kind = CELLA_BUILTIN_VALUE_INPUT, .bytes = one },
        { .name = cella_view_of_string("input_data2"), .kind = CELLA_BUILTIN_VALUE_INPUT, .bytes = one },
        { .name = cella_view_of_string("output_result1"), .kind = CELLA_BUILTIN_VALUE_OUTPUT,
          .write = refuse },
        { .name = cella_view_of_string("output_result2"), .kind = CELLA_BUILTIN_VALUE_OUTPUT,
          .write = refuse },
    };
    const struct cella_builtin *builtin = cella_builtin_find(&(struct cella_builtin_registry){ .module_count = 0 },
                                                              cella_view_of_string("ordered_set_intersect"));
    assert_int_equal(cella_builtin_run(builtin, values, 5, &run.call), CELLA_LIMIT_OUTPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),      cmocka_unit_test(test_empty),
        cmocka_unit_test(test_line_ends),  cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_lengths_and_case), cmocka_unit_test(test_unsorted),
        cmocka_unit_test(test_not_hexadecimal), cmocka_unit_test(test_order_argument),
        cmocka_unit_test(test_many_lines), cmocka_unit_test(test_output_that_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
