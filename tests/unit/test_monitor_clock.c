/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "monitor/clock.h"
#include "monitor/monitor.h"

#define DAY 86400
#define YEARS ((int64_t) 10 * 365 * DAY)

int __wrap_clock_gettime(clockid_t which, struct timespec *out);

/* The machine's two clocks, in seconds. */
static int64_t real_s;
static int64_t boot_s;

int __wrap_clock_gettime(clockid_t which, struct timespec *out)
{
    *out = (struct timespec){ .tv_sec = which == CLOCK_BOOTTIME ? boot_s : real_s };
    return 0;
}

static void begin(struct cella_monitor *monitor)
{
    real_s = 1700000000;
    boot_s = 5000;
    *monitor = (struct cella_monitor){ 0 };
    cella_clock_start(&monitor->clock);
    assert_true(cella_clock_now_s(monitor) == real_s);
    assert_true(cella_clock_now_ms(monitor) == real_s * 1000);
}

/* Time passes while nobody sets a clock, and is looked at each minute. */
static void pass(struct cella_monitor *monitor, int64_t seconds)
{
    for (int64_t left = seconds; left > 0; left -= 60) {
        int64_t step = left < 60 ? left : 60;
        real_s += step;
        boot_s += step;
        cella_clock_look(monitor);
    }
}

/* A clock that was set back does not bring back what has expired, in this start or the next. */
static void time_never_goes_back(void **unused)
{
    struct cella_monitor monitor;
    (void) unused;
    begin(&monitor);
    int64_t began = real_s;
    real_s -= 3 * DAY;
    pass(&monitor, 7200);
    assert_true(cella_clock_now_s(&monitor) == began + 7200);
    monitor.state.time_s = began + DAY; /* of an event, before the executor was started on a clock that was set back */
    cella_clock_start(&monitor.clock);
    assert_true(cella_clock_now_s(&monitor) == began + DAY);
    real_s = began + 2 * DAY;
    cella_clock_start(&monitor.clock);
    assert_true(cella_clock_now_s(&monitor) == began + 2 * DAY);
}

/* Set forward by years and put right within the hour: as if nothing had been. */
static void a_jump_forward_that_does_not_last(void **unused)
{
    struct cella_monitor monitor;
    (void) unused;
    begin(&monitor);
    int64_t began = real_s;
    for (int i = 0; i < 5; i++) { /* again and again is not for long */
        real_s += YEARS;
        pass(&monitor, CELLA_CLOCK_PATIENCE_S - 60);
        real_s -= YEARS;
        pass(&monitor, 60);
    }
    assert_true(cella_clock_now_s(&monitor) == began + 5 * CELLA_CLOCK_PATIENCE_S);
}

/* A machine that was suspended, or whose clock was wrong when it started, is believed after an hour. */
static void a_jump_forward_that_lasts(void **unused)
{
    struct cella_monitor monitor;
    (void) unused;
    begin(&monitor);
    real_s += 30 * DAY;
    int64_t began = real_s;
    pass(&monitor, CELLA_CLOCK_PATIENCE_S);
    assert_true(cella_clock_now_s(&monitor) == began - 30 * DAY + CELLA_CLOCK_PATIENCE_S);
    pass(&monitor, 120);
    assert_true(cella_clock_now_s(&monitor) == began + CELLA_CLOCK_PATIENCE_S + 120);
    real_s -= 30 * DAY; /* too late: it counts, and does not go back */
    pass(&monitor, 60);
    assert_true(cella_clock_now_s(&monitor) == began + CELLA_CLOCK_PATIENCE_S + 180);
}

/* What time servers correct is followed at once, forward. */
static void small_steps(void **unused)
{
    struct cella_monitor monitor;
    (void) unused;
    begin(&monitor);
    real_s += CELLA_CLOCK_STEP_S;
    cella_clock_look(&monitor);
    assert_true(cella_clock_now_s(&monitor) == real_s);
    real_s -= 10;
    cella_clock_look(&monitor);
    assert_true(cella_clock_now_s(&monitor) == real_s + 10);
}

/* The time of an event is in its body, and the state keeps the latest. */
static void events_are_stamped(void **unused)
{
    struct cella_monitor monitor = { .state = { .time_s = (int64_t) 1 << 40 } };
    struct cella_state *state = &monitor.state;
    (void) unused;
    json_t *body = json_pack("{s:s, s:s}", "invitation", "i", "by", "a");
    assert_int_equal(cella_clock_stamp(&monitor, body), CELLA_OK);
    assert_true(json_integer_value(json_object_get(body, "time")) == (int64_t) 1 << 40);
    json_object_set_new(body, "time", json_integer(((json_int_t) 1 << 40) + 5));
    assert_int_equal(cella_state_apply(state, CELLA_EVENT_INVITATION_REVOKED, body), CELLA_OK);
    assert_true(state->time_s == ((int64_t) 1 << 40) + 5);
    json_object_set_new(body, "time", json_integer(7)); /* an earlier one does not count */
    assert_int_equal(cella_state_apply(state, CELLA_EVENT_INVITATION_REVOKED, body), CELLA_OK);
    assert_true(state->time_s == ((int64_t) 1 << 40) + 5);
    assert_true(state->journal.entries[1].time_s == state->time_s);
    json_decref(body);
    cella_state_clear(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_never_goes_back),    cmocka_unit_test(a_jump_forward_that_does_not_last),
        cmocka_unit_test(a_jump_forward_that_lasts), cmocka_unit_test(small_steps),
        cmocka_unit_test(events_are_stamped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
