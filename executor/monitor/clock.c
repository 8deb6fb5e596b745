/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/clock.h"

#include <time.h>

#include "monitor/monitor.h"

static int64_t read_ms(clockid_t which)
{
    struct timespec now;
    (void) clock_gettime(which, &now);
    return (int64_t) now.tv_sec * 1000 + (int64_t) now.tv_nsec / 1000000;
}

void cella_clock_start(struct cella_clock *clock)
{
    *clock = (struct cella_clock){ .base_ms = read_ms(CLOCK_REALTIME) - read_ms(CLOCK_BOOTTIME) };
}

static void tell(struct cella_monitor *monitor, int64_t ahead_ms)
{
    long long seconds = (long long) (ahead_ms < 0 ? -ahead_ms : ahead_ms) / 1000;
    if (ahead_ms < 0) {
        cella_monitor_log(monitor, "clock: the machine's was set back by %lld s; the executor goes on by its own", seconds);
    } else {
        cella_monitor_log(monitor, "clock: the machine's is %lld s ahead; it counts if that stays so for %d s", seconds,
                          CELLA_CLOCK_PATIENCE_S);
    }
}

void cella_clock_look(struct cella_monitor *monitor)
{
    struct cella_clock *clock = &monitor->clock;
    int64_t boot_ms = read_ms(CLOCK_BOOTTIME);
    int64_t ahead_ms = read_ms(CLOCK_REALTIME) - boot_ms - clock->base_ms;
    int differs = (ahead_ms > CELLA_CLOCK_STEP_S * 1000) - (ahead_ms < -CELLA_CLOCK_STEP_S * 1000);
    if (clock->base_ms == 0) {
        return;
    }
    if (differs != 0 && differs != clock->told) {
        tell(monitor, ahead_ms);
    }
    clock->told = differs;
    if (ahead_ms <= CELLA_CLOCK_STEP_S * 1000) {
        clock->ahead_since_ms = 0;
        clock->base_ms += ahead_ms > 0 ? ahead_ms : 0;
    } else if (clock->ahead_since_ms == 0) {
        clock->ahead_since_ms = (uint64_t) boot_ms;
    } else if ((uint64_t) boot_ms - clock->ahead_since_ms >= CELLA_CLOCK_PATIENCE_S * 1000ULL) {
        cella_monitor_log(monitor, "clock: the machine's has been ahead for long, and counts now");
        clock->ahead_since_ms = 0;
        clock->base_ms += ahead_ms;
        clock->told = 0;
    }
}

int64_t cella_clock_now_ms(const struct cella_monitor *monitor)
{
    const struct cella_clock *clock = &monitor->clock;
    int64_t now_ms = clock->base_ms == 0 ? read_ms(CLOCK_REALTIME) : clock->base_ms + read_ms(CLOCK_BOOTTIME);
    int64_t least_ms = monitor->state.time_s * 1000;
    return now_ms > least_ms ? now_ms : least_ms;
}

int64_t cella_clock_now_s(const struct cella_monitor *monitor)
{
    return cella_clock_now_ms(monitor) / 1000;
}

cella_status cella_clock_stamp(const struct cella_monitor *monitor, json_t *body)
{
    json_t *now = json_integer((json_int_t) cella_clock_now_s(monitor));
    return json_object_set_new(body, "time", now) == 0 ? CELLA_OK : CELLA_NO_MEMORY;
}
