/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * "At least k of these auditors": a requirement that a task's creator puts into its contract, or an owner into the policy
 * of his data. JSON {"parties": [ids], "threshold": k}; the k are counted by party, so nobody counts twice, and an empty
 * list is refused.
 */

#include "monitor/state.h"

/* Check its form. path: prefix of fields to blame. CELLA_BAD_FIELD, CELLA_MISSING_FIELD, CELLA_UNKNOWN_FIELD */
CELLA_MUST_USE cella_status cella_audit_rule_check(const json_t *rule, const char *path,
                                                   struct cella_json_error *error);

/* Have enough of them signed for this function, and do they still stand by it? rule NULL: nothing is required. */
bool cella_audit_rule_is_met(const struct cella_state *state, const json_t *rule,
                             const struct cella_function *function);
