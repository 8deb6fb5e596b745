/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Steps of a task that more than one operation takes. Checks come first and change nothing; commits can then fail only
 * for want of memory.
 */

#include "monitor/operation.h"

/*
 * May the caller assign data to this input? They must be his, stored, and their owners exactly the declared ones.
 *
 * data:       {name: id} of all inputs that have some or are about to get some, this one included
 * arguments:  of the task, complete
 * CELLA_NOT_FOUND, CELLA_BAD_STATE (not uploaded), CELLA_DENIED (other owners), CELLA_NOT_STREAMABLE (the input is a
 * stream), and what policy.h says
 */
CELLA_MUST_USE cella_status cella_task_check_data(struct cella_monitor *monitor, struct cella_call *call,
                                                  const char *input, const json_t *data, const json_t *owners,
                                                  const struct cella_function *function, const json_t *arguments);

/* Could a task of this creator run this function now? CELLA_DRAINING, and the errors of cella_runner_may_run */
CELLA_MUST_USE cella_status cella_task_may_run(const struct cella_monitor *monitor, const struct cella_party *creator,
                                               const struct cella_spec *spec);

/* Assign data {name: id}; when nothing is missing any more, write the contract. */
CELLA_MUST_USE cella_status cella_task_commit_data(struct cella_monitor *monitor, struct cella_task_record *task,
                                                   json_t *data, const struct cella_party *by);

/* Optional member "nonce" of args: CELLA_NONCE_MIN to CELLA_NONCE_MAX bytes, base64url. out: empty when it is absent. */
CELLA_MUST_USE cella_status cella_task_read_nonce(struct cella_json_object *object, struct cella_call *call,
                                                  struct cella_bytes *out);

/*
 * Queue a task, or queue it again (event: CELLA_EVENT_TASK_QUEUED, _RETRIED): here a run is counted.
 * nonce: for the run's statement; empty: the SHA-256 of the request, which nobody else can have signed
 * Errors of task_check.h; then nothing has changed
 */
CELLA_MUST_USE cella_status cella_task_commit_queued(struct cella_monitor *monitor, struct cella_call *call,
                                                     struct cella_task_record *task, enum cella_event event,
                                                     struct cella_view nonce);

/* The task with an id, if the caller may do to it what he asks; reader: NULL for one who does not take part. */
CELLA_MUST_USE cella_status cella_task_find(struct cella_monitor *monitor, struct cella_call *call, const char *id,
                                            struct cella_task_record **task, struct cella_participant **reader);
/* The same for operations whose only argument is the task. */
CELLA_MUST_USE cella_status cella_task_find_only(struct cella_monitor *monitor, struct cella_call *call,
                                                 struct cella_task_record **task, struct cella_participant **reader);

/* The reply {task, state, version}. */
CELLA_MUST_USE cella_status cella_task_reply(struct cella_call *call, const struct cella_task_record *task);
