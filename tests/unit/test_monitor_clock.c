/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "monitor/clock.h"

/* A clock that was set back does not bring back what has expired. */
static void time_never_goes_back(void **unused)
{
    struct cella_state state = { 0 };
    (void) unused;
    int64_t before = (int64_t) time(NULL);
    int64_t now = cella_clock_now_s(&state);
    assert_true(now >= before && now <= (int64_t) time(NULL));
    state.time_s = now + 1000; /* of an event before the clock was set back */
    assert_true(cella_clock_now_s(&state) == now + 1000);
    state.time_s = now - 1000;
    assert_true(cella_clock_now_s(&state) >= now);
}

/* The time of an event is in its body, and the state keeps the latest. */
static void events_are_stamped(void **unused)
{
    struct cella_state state = { .time_s = (int64_t) 1 << 40 };
    (void) unused;
    json_t *body = json_pack("{s:s, s:s}", "invitation", "i", "by", "a");
    assert_int_equal(cella_clock_stamp(&state, body), CELLA_OK);
    assert_true(json_integer_value(json_object_get(body, "time")) == (int64_t) 1 << 40);
    json_object_set_new(body, "time", json_integer(((json_int_t) 1 << 40) + 5));
    assert_int_equal(cella_state_apply(&state, CELLA_EVENT_INVITATION_REVOKED, body), CELLA_OK);
    assert_true(state.time_s == ((int64_t) 1 << 40) + 5);
    json_object_set_new(body, "time", json_integer(7)); /* an earlier one does not count */
    assert_int_equal(cella_state_apply(&state, CELLA_EVENT_INVITATION_REVOKED, body), CELLA_OK);
    assert_true(state.time_s == ((int64_t) 1 << 40) + 5);
    assert_true(state.journal.entries[1].time_s == state.time_s);
    json_decref(body);
    cella_state_clear(&state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_never_goes_back),
        cmocka_unit_test(events_are_stamped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
