/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/status.h"

static void test_rows_are_unique(void **state)
{
    (void) state;
    unsigned int count = 0;
    for (unsigned int i = 0; cella_status_row_at(i) != NULL; i++) {
        const struct cella_status_row *row = cella_status_row_at(i);
        assert_true(row->name[0] != '\0' && row->text[0] != '\0' && row->exception[0] != '\0');
        for (unsigned int k = 0; k < i; k++) {
            assert_int_not_equal(row->status, cella_status_row_at(k)->status);
            assert_string_not_equal(row->name, cella_status_row_at(k)->name);
        }
        count++;
    }
    assert_true(count > 50);
}

static void test_look_up(void **state)
{
    (void) state;
    for (unsigned int i = 0; cella_status_row_at(i) != NULL; i++) {
        const struct cella_status_row *row = cella_status_row_at(i);
        assert_ptr_equal(cella_status_row(row->status), row);
        assert_int_equal(cella_status_from_number((unsigned int) row->status), row->status);
        assert_string_equal(cella_status_name(row->status), row->name);
        assert_string_equal(cella_status_text(row->status), row->text);
    }
    assert_string_equal(cella_status_name(CELLA_BAD_TAG), "BAD_TAG");
    assert_int_equal(CELLA_OK, 0);
}

static void test_unknown_is_internal(void **state)
{
    (void) state;
    assert_int_equal(cella_status_from_number(99999), CELLA_INTERNAL);
    assert_int_equal(cella_status_from_number(UINT32_MAX), CELLA_INTERNAL);
    assert_int_equal(cella_status_row((cella_status) 999)->status, CELLA_INTERNAL);
}

/* Only success has no category, and its number tells the category's hundred. */
static void test_categories(void **state)
{
    (void) state;
    for (unsigned int i = 0; cella_status_row_at(i) != NULL; i++) {
        const struct cella_status_row *row = cella_status_row_at(i);
        assert_int_equal(row->category == CELLA_CATEGORY_NONE, row->status == CELLA_OK);
        assert_int_equal(row->category == CELLA_CATEGORY_LIMIT, row->status / 100 == 5);
        assert_int_equal(row->category == CELLA_CATEGORY_TASK, row->status / 100 == 7);
        if (row->category == CELLA_CATEGORY_TRUST) {
            assert_int_equal(row->status / 100, 3);
        }
    }
}

static cella_status first_failure(unsigned int *calls)
{
    (*calls)++;
    return CELLA_BAD_SIZE;
}

static cella_status propagate(unsigned int *calls)
{
    CELLA_TRY(CELLA_OK);
    CELLA_TRY(first_failure(calls));
    return CELLA_INTERNAL;
}

static void test_try(void **state)
{
    (void) state;
    unsigned int calls = 0;
    assert_int_equal(propagate(&calls), CELLA_BAD_SIZE);
    assert_int_equal(calls, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_unique),
        cmocka_unit_test(test_look_up),
        cmocka_unit_test(test_unknown_is_internal),
        cmocka_unit_test(test_categories),
        cmocka_unit_test(test_try),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
