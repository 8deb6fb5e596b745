/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the operations on data and objects share.
 */

#include "monitor/operation.h"

/* The data with an id, if the caller may do to them what he asks. Who does not own them learns nothing: CELLA_NOT_FOUND */
CELLA_MUST_USE cella_status cella_data_find(struct cella_monitor *monitor, struct cella_call *call, const char *id,
                                            struct cella_data **out);

/* Answer with the data as their owner sees them, and what else binds them. CELLA_NO_MEMORY */
CELLA_MUST_USE cella_status cella_data_answer(struct cella_call *call, const struct cella_data *data);

/*
 * An output of a finished task, if the caller may do to it what he asks.
 * CELLA_NOT_FOUND, CELLA_DENIED, CELLA_BAD_STATE (the task has not finished)
 */
CELLA_MUST_USE cella_status cella_object_find_output(struct cella_monitor *monitor, struct cella_call *call,
                                                     const char *task, const char *name,
                                                     const struct cella_task_output **out);
