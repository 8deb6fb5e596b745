/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What owners allow to be done with their data (docs/protocol.md section 13). Checked when data are assigned, so that
 * nobody approves what could not run, and again when the task is queued and when it starts.
 */

#include "monitor/state.h"

/* Check the form of a policy. CELLA_BAD_FIELD, CELLA_MISSING_FIELD, CELLA_UNKNOWN_FIELD; error names the member */
CELLA_MUST_USE cella_status cella_policy_check_form(const json_t *policy, struct cella_json_error *error);

/*
 * May a task with this function use the data at this time?
 *
 * detail: CELLA_DETAIL_MAX characters; what does not fit, with its value
 * CELLA_DELETED, CELLA_DATA_POLICY
 */
CELLA_MUST_USE cella_status cella_policy_allows(const struct cella_state *state, const struct cella_data *data,
                                                const struct cella_function *function, int64_t now_s, char *detail);

/* Is one more use left? CELLA_USES_USED_UP */
CELLA_MUST_USE cella_status cella_policy_has_use(const struct cella_data *data, char *detail);
