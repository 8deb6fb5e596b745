/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "monitor/queue.h"

#define TASKS (2 * CELLA_QUEUE_MAX)

struct fixture {
    struct cella_queue queue;
    struct cella_party parties[CELLA_QUEUE_MAX + 1];
    struct cella_task_record tasks[TASKS];
    size_t made;
};

static int set_up(void **state)
{
    *state = test_calloc(1, sizeof(struct fixture));
    return *state == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    test_free(*state);
    return 0;
}

/* A task of party number party, in the queue. */
static struct cella_task_record *add(struct fixture *fixture, size_t party)
{
    struct cella_task_record *task = &fixture->tasks[fixture->made++];
    task->creator = &fixture->parties[party];
    assert_int_equal(cella_queue_has_room(&fixture->queue, task->creator), CELLA_OK);
    cella_queue_add(&fixture->queue, task);
    return task;
}

static size_t take(struct fixture *fixture)
{
    const struct cella_task_record *task = cella_queue_take(&fixture->queue);
    assert_non_null(task);
    assert_null(task->next_in_queue);
    return (size_t) (task->creator - fixture->parties);
}

static void test_one_party_is_first_come_first_served(void **state)
{
    struct fixture *fixture = *state;
    assert_null(cella_queue_take(&fixture->queue));
    struct cella_task_record *first = add(fixture, 0);
    struct cella_task_record *second = add(fixture, 0);
    assert_ptr_equal(cella_queue_take(&fixture->queue), first);
    struct cella_task_record *third = add(fixture, 0);
    assert_ptr_equal(cella_queue_take(&fixture->queue), second);
    assert_ptr_equal(cella_queue_take(&fixture->queue), third);
    assert_null(cella_queue_take(&fixture->queue));
    assert_int_equal(fixture->queue.count, 0);
    assert_int_equal(fixture->queue.lane_count, 0);
}

static void test_parties_take_turns(void **state)
{
    struct fixture *fixture = *state;
    static const size_t expected[] = { 0, 1, 2, 0, 2, 0, 0 };
    for (size_t i = 0; i < 4; i++) {
        (void) add(fixture, 0);
    }
    (void) add(fixture, 1);
    (void) add(fixture, 2);
    (void) add(fixture, 2);
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        assert_int_equal(take(fixture), expected[i]);
    }
    assert_int_equal(fixture->queue.count, 0);
}

static void test_a_party_that_comes_late_waits_for_one_of_each(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < 10; i++) {
        (void) add(fixture, 0);
        (void) add(fixture, 1);
    }
    assert_int_equal(take(fixture), 0);
    (void) add(fixture, 2);
    assert_int_equal(take(fixture), 1);
    assert_int_equal(take(fixture), 2);
    /* Who comes again and again with one task gets one turn of the round, like everybody. */
    (void) add(fixture, 2);
    assert_int_equal(take(fixture), 0);
    assert_int_equal(take(fixture), 1);
    assert_int_equal(take(fixture), 2);
}

static void test_removing_keeps_order_and_turn(void **state)
{
    struct fixture *fixture = *state;
    struct cella_task_record *tasks[6];
    for (size_t i = 0; i < 6; i++) {
        tasks[i] = add(fixture, i % 3);
    }
    assert_ptr_equal(cella_queue_take(&fixture->queue), tasks[0]); /* the turn is with 1 */
    assert_true(cella_queue_remove(&fixture->queue, tasks[3]));    /* the last of 0: its lane goes */
    assert_false(cella_queue_remove(&fixture->queue, tasks[3]));
    assert_false(cella_queue_remove(&fixture->queue, tasks[0]));
    assert_true(cella_queue_remove(&fixture->queue, tasks[1])); /* the first of 1 */
    assert_ptr_equal(cella_queue_take(&fixture->queue), tasks[4]);
    assert_true(cella_queue_remove(&fixture->queue, tasks[5])); /* the last of 2, with one before it */
    (void) add(fixture, 2);
    assert_ptr_equal(cella_queue_take(&fixture->queue), tasks[2]);
    assert_int_equal(take(fixture), 2);
    assert_null(cella_queue_take(&fixture->queue));
}

static void test_bounds_of_a_party_and_of_all(void **state)
{
    struct fixture *fixture = *state;
    for (size_t party = 0; party < CELLA_QUEUE_MAX / CELLA_QUEUE_PARTY_MAX; party++) {
        assert_int_equal(cella_queue_has_room(&fixture->queue, &fixture->parties[party]), CELLA_OK);
        for (size_t i = 0; i < CELLA_QUEUE_PARTY_MAX; i++) {
            (void) add(fixture, party);
        }
        if (fixture->queue.count < CELLA_QUEUE_MAX) {
            assert_int_equal(cella_queue_has_room(&fixture->queue, &fixture->parties[party]), CELLA_PARTY_BUSY);
        }
    }
    assert_int_equal(fixture->queue.count, CELLA_QUEUE_MAX);
    assert_int_equal(cella_queue_has_room(&fixture->queue, &fixture->parties[CELLA_QUEUE_MAX]), CELLA_BUSY);
    (void) take(fixture);
    assert_int_equal(cella_queue_has_room(&fixture->queue, &fixture->parties[CELLA_QUEUE_MAX]), CELLA_OK);
}

static void test_as_many_parties_as_tasks(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < CELLA_QUEUE_MAX; i++) {
        (void) add(fixture, i);
    }
    for (size_t i = 0; i < CELLA_QUEUE_MAX; i++) {
        assert_int_equal(take(fixture), i);
    }
    assert_null(cella_queue_take(&fixture->queue));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_one_party_is_first_come_first_served), TEST(test_parties_take_turns),
        TEST(test_a_party_that_comes_late_waits_for_one_of_each), TEST(test_removing_keeps_order_and_turn),
        TEST(test_bounds_of_a_party_and_of_all), TEST(test_as_many_parties_as_tasks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
