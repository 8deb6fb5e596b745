/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cell/message.h"

static struct cella_task example(void)
{
    struct cella_task task = {
        .kind = CELLA_TASK_PYTHON,
        .entry = cella_view_of_string("main"),
        .source = cella_view_of_string("def main(): pass"),
        .arguments = cella_view_of_string("{}"),
        .limits = { 1, 2, UINT64_C(1) << 40, 4, 5, 6, 7 },
        .input_count = 2,
        .clock = CELLA_CLOCK_COARSE,
        .output_count = 1,
    };
    task.inputs[0] = (struct cella_cell_input){ cella_view_of_string("a"), CELLA_INPUT_STREAM, 7 };
    task.inputs[1] = (struct cella_cell_input){ cella_view_of_string("b"), CELLA_INPUT_ABSENT, 0 };
    task.outputs[0] = cella_view_of_string("c");
    return task;
}

static void test_round_trip(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    struct cella_task task = example();
    struct cella_task back;
    assert_int_equal(cella_task_write(&task, &text), CELLA_OK);
    assert_int_equal(cella_task_read(cella_bytes_view(&text), &back), CELLA_OK);
    assert_int_equal(back.kind, CELLA_TASK_PYTHON);
    assert_true(cella_view_equal(back.entry, task.entry) && cella_view_equal(back.source, task.source) &&
                cella_view_equal(back.arguments, task.arguments));
    assert_memory_equal(&back.limits, &task.limits, sizeof(task.limits));
    assert_int_equal(back.input_count, 2);
    assert_int_equal(back.clock, CELLA_CLOCK_COARSE);
    assert_int_equal(back.inputs[0].form, CELLA_INPUT_STREAM);
    assert_int_equal(back.inputs[0].size, 7);
    assert_int_equal(back.inputs[1].form, CELLA_INPUT_ABSENT);
    assert_true(cella_view_is(back.inputs[1].name, "b"));
    assert_int_equal(back.output_count, 1);
    assert_true(cella_view_is(back.outputs[0], "c"));
}

static void test_every_truncation_is_refused(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    struct cella_task task = example();
    struct cella_task back = { .input_count = 77 };
    assert_int_equal(cella_task_write(&task, &text), CELLA_OK);
    for (size_t size = 0; size < text.size; size++) {
        assert_int_not_equal(cella_task_read(cella_view_of(text.data, size), &back), CELLA_OK);
        assert_int_equal(back.input_count, 77);
    }
    assert_int_equal(cella_write_u8(&text, 0), CELLA_OK);
    assert_int_equal(cella_task_read(cella_bytes_view(&text), &back), CELLA_BAD_FORMAT);
}

static void test_bounds(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    struct cella_task task = example();
    struct cella_task back;
    task.input_count = CELLA_TASK_FILES_MAX + 1;
    assert_int_equal(cella_task_write(&task, &text), CELLA_TOO_LARGE);
    cella_bytes_clear(&text);
    task = example();
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes large = { 0 };
    assert_int_equal(cella_bytes_resize(&large, CELLA_TASK_SOURCE_MAX + 1), CELLA_OK);
    task.source = cella_bytes_view(&large);
    assert_int_equal(cella_task_write(&task, &text), CELLA_OK);
    assert_int_equal(cella_task_read(cella_bytes_view(&text), &back), CELLA_TOO_LARGE);
}

static void test_unknown_version_and_kind(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    struct cella_task task = example();
    struct cella_task back;
    assert_int_equal(cella_task_write(&task, &text), CELLA_OK);
    text.data[3] = 1;
    assert_int_equal(cella_task_read(cella_bytes_view(&text), &back), CELLA_BAD_FORMAT);
    text.data[3] = 2;
    text.data[4] = 3;
    assert_int_equal(cella_task_read(cella_bytes_view(&text), &back), CELLA_BAD_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_every_truncation_is_refused),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_unknown_version_and_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
