/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/clock.h"

#include <time.h>

int64_t cella_clock_now_s(const struct cella_state *state)
{
    int64_t now = (int64_t) time(NULL);
    return now > state->time_s ? now : state->time_s;
}

cella_status cella_clock_stamp(const struct cella_state *state, json_t *body)
{
    json_t *now = json_integer((json_int_t) cella_clock_now_s(state));
    return json_object_set_new(body, "time", now) == 0 ? CELLA_OK : CELLA_NO_MEMORY;
}
