/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Tasks that nobody invokes in time end by themselves: a timer of the monitor commits the event, so that the log has it.
 */

#include "monitor/monitor.h"

/* Begin to look; called once, when the loop is about to run. */
void cella_expiry_start(struct cella_monitor *monitor);

/* A task that expires at this Unix time is new. */
void cella_expiry_note(struct cella_monitor *monitor, int64_t expires_s);
