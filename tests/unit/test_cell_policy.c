/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "cell/policy.h"
#include "cell/receive.h"

static enum cella_filter_action ask(int number, uint64_t first, uint64_t second, uint64_t third, int *error)
{
    const uint64_t arguments[6] = { first, second, third };
    return cella_filter_answer(&cella_policy_cell, number, arguments, error);
}

static void test_descriptor_numbers_leave_the_control_bit(void **state)
{
    (void) state;
    assert_int_equal(CELLA_CELL_CONTROL_FD & (CELLA_CELL_CONTROL_FD - 1), 0);
    assert_true(CELLA_CELL_OUTPUT_FD + 2 * (int) CELLA_TASK_FILES_MAX < CELLA_CELL_CONTROL_FD);
}

static void test_answers(void **state)
{
    (void) state;
    int error;
    assert_int_equal(ask(SYS_write, 3, 0, 0, &error), CELLA_FILTER_ALLOW);
    assert_int_equal(ask(SYS_write, CELLA_CELL_CONTROL_FD, 0, 0, &error), CELLA_FILTER_ERRNO);
    assert_int_equal(error, EBADF);
    assert_int_equal(ask(SYS_sendto, CELLA_CELL_CONTROL_FD, 0, 0, &error), CELLA_FILTER_ALLOW);
    assert_int_equal(ask(SYS_sendto, 3, 0, 0, &error), CELLA_FILTER_KILL);
    assert_int_equal(ask(SYS_mmap, 0, 4096, PROT_READ, &error), CELLA_FILTER_ALLOW);
    assert_int_equal(ask(SYS_mmap, 0, 4096, PROT_EXEC, &error), CELLA_FILTER_ERRNO);
    assert_int_equal(error, EACCES);
    assert_int_equal(ask(SYS_ptrace, 0, 0, 0, &error), CELLA_FILTER_KILL);
    assert_int_equal(ask(100000, 0, 0, 0, &error), CELLA_FILTER_KILL);
}

/* At most one rule of a call may count for given arguments, or the table would depend on its order. */
static void test_no_call_has_two_unconditional_rules(void **state)
{
    (void) state;
    for (size_t i = 0; i < cella_policy_cell.count; i++) {
        for (size_t j = i + 1; j < cella_policy_cell.count; j++) {
            const struct cella_filter_rule *a = &cella_policy_cell.rules[i];
            const struct cella_filter_rule *b = &cella_policy_cell.rules[j];
            if (a->number == b->number) {
                assert_int_not_equal(a->match, CELLA_FILTER_ALWAYS);
                assert_int_not_equal(b->match, CELLA_FILTER_ALWAYS);
            }
        }
    }
}

static void test_every_program_builds(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes preparing = { 0 };
    assert_int_equal(cella_policy_preparing(&preparing), CELLA_OK);
    assert_in_range(preparing.size, 8, 8 * 4096);
    for (int kind = 0; kind < CELLA_RUNNING_KINDS; kind++) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes running = { 0 };
        assert_int_equal(cella_policy_running((enum cella_policy_running) kind, &running), CELLA_OK);
        /* It is installed while a task waits, so it stays the small one. */
        assert_in_range(running.size, 8, preparing.size / 2);
    }
}

static void test_coarse_clocks(void **state)
{
    (void) state;
    for (uint64_t clock = 0; clock < 20; clock++) {
        int error;
        const uint64_t arguments[6] = { clock };
        enum cella_filter_action action = cella_filter_answer(&cella_policy_coarse, SYS_clock_gettime, arguments, &error);
        assert_int_equal(action == CELLA_FILTER_ALLOW, clock == 5 || clock == 6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_descriptor_numbers_leave_the_control_bit),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_no_call_has_two_unconditional_rules),
        cmocka_unit_test(test_every_program_builds),
        cmocka_unit_test(test_coarse_clocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
