/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Tasks at a start: what becomes of those that the ledger has left unfinished. */

#include "monitor/monitor.h"

/*
 * What the ledger says was queued is queued again, in the order of creation. What was running failed with
 * CELLA_EXECUTOR_DIED: it may have run to any point, and a task runs once at most unless its owner asks for more.
 */
void cella_resume_tasks(struct cella_monitor *monitor);
