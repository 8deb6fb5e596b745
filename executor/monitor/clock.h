/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The time that stands in events and records, and that invitations, policies and deadlines are compared with.
 *
 * Nobody vouches for the machine's clock: the host can set it, and it may be wrong by mistake. So an executor looks at it when
 * it starts, and counts on by the kernel's boot clock, which nobody sets. While it runs,
 *
 *   a clock that is set back changes nothing;
 *   a clock that is set forward by more than CELLA_CLOCK_STEP_S counts once it has been ahead for CELLA_CLOCK_PATIENCE_S: a
 *   mistake that is noticed within that time has cost nothing, and a machine that was suspended catches up.
 *
 * And it never goes back behind the last event, across starts: what has expired stays so. What remains to the host: it can
 * hold the time still, and make things expire early by a clock that is wrong for long, or at a start. Expiry ends what waits
 * for somebody; it deletes nothing.
 */

#include <stdint.h>

#include "base/status.h"
#include "trust/json.h"

#define CELLA_CLOCK_STEP_S 60
#define CELLA_CLOCK_PATIENCE_S 3600

/* Zeroed: not started, the machine's clock counts as it is (tests). */
struct cella_clock {
    int64_t base_ms;         /* the time at the boot clock's zero */
    uint64_t ahead_since_ms; /* of the boot clock: since when the machine's clock has been ahead; 0: it is not */
    int told;                /* that the machine's clock is ahead: 1, behind: -1, neither: 0 */
};

struct cella_monitor;

/* Look at the machine's clock for the first time. */
void cella_clock_start(struct cella_clock *clock);

/*
 * Compare with the machine's clock, and tell the operator where they differ. To be called each minute; more often does no harm.
 */
void cella_clock_look(struct cella_monitor *monitor);

/* Unix time in milliseconds, and in seconds. */
int64_t cella_clock_now_ms(const struct cella_monitor *monitor);
int64_t cella_clock_now_s(const struct cella_monitor *monitor);

/* Write the time into an event's body ("time") before it is applied and kept. CELLA_NO_MEMORY */
CELLA_MUST_USE cella_status cella_clock_stamp(const struct cella_monitor *monitor, json_t *body);
