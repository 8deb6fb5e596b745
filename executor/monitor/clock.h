/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The time that stands in events, and that invitations, policies and deadlines are compared with.
 *
 * It is the machine's clock, which the host can set, except that it never goes back behind the last event: a host can
 * make things expire early and can hold the time still, but it can not bring back what has expired.
 */

#include "monitor/state.h"

/* Unix time in seconds. */
int64_t cella_clock_now_s(const struct cella_state *state);

/* Write the time into an event's body ("time") before it is applied and kept. CELLA_NO_MEMORY */
CELLA_MUST_USE cella_status cella_clock_stamp(const struct cella_state *state, json_t *body);
