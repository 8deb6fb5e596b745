/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Whether a task may run now. Everything here can change after a contract was approved, by those whose right it is:
 * parties are removed, functions disabled, data deleted, policies tightened. So it is asked when a task is queued and
 * again when it leaves the queue.
 */

#include "monitor/monitor.h"

/*
 * detail: CELLA_DETAIL_MAX characters; names what is in the way
 * CELLA_PARTY_REMOVED, CELLA_ROLE_MISSING (of the creator), CELLA_FUNCTION_DISABLED, CELLA_NOT_ALLOWED,
 * CELLA_NOT_AUDITED, CELLA_DATA_POLICY, CELLA_DELETED, CELLA_BAD_ARGUMENT (of what a run spends)
 */
CELLA_MUST_USE cella_status cella_task_check(const struct cella_monitor *monitor, const struct cella_task_record *task,
                                             char *detail);

/*
 * Is there enough left of what a run costs? Asked when it is queued, where it is also taken.
 * CELLA_QUOTA_USED_UP, CELLA_USES_USED_UP, CELLA_BUDGET_SPENT
 */
CELLA_MUST_USE cella_status cella_task_check_costs(const struct cella_task_record *task, char *detail);
