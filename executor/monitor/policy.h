/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What owners allow to be done with their data (docs/protocol.md section 13). Checked when data are assigned, so that
 * nobody approves what could not run, and again when the task is queued and when it starts.
 *
 * Each owner has his own policy, and all of them hold. Data that were derived are bound by the policies of everything that they were
 * made of as well (source.h): as these are now, and after that data's end as they were last.
 */

#include "monitor/state.h"

/* Check the form of a policy. CELLA_BAD_FIELD, CELLA_MISSING_FIELD, CELLA_UNKNOWN_FIELD; error names the member */
CELLA_MUST_USE cella_status cella_policy_check_form(const json_t *policy, struct cella_json_error *error);

/* How a task takes data. */
struct cella_policy_use {
    const struct cella_function *function;
    const json_t *arguments;           /* complete */
    const char *input;                 /* that has the data */
    const struct cella_data *others[CELLA_TASK_FILES_MAX]; /* data of its other inputs, as far as they are known */
    size_t other_count;
};

/*
 * May a task use the data so, at this time?
 *
 * detail: CELLA_DETAIL_MAX characters; what does not fit, with its value
 * CELLA_DELETED, CELLA_DATA_POLICY
 * CELLA_BAD_ARGUMENT  the data have a privacy budget, and the arguments do not say what the run spends
 */
CELLA_MUST_USE cella_status cella_policy_allows(const struct cella_state *state, const struct cella_data *data,
                                                const struct cella_policy_use *use, int64_t now_s, char *detail);

/*
 * Is one more use left, and enough of the privacy budget, of the data and of everything that they were made of?
 * CELLA_USES_USED_UP, CELLA_BUDGET_SPENT
 */
CELLA_MUST_USE cella_status cella_policy_can_pay(const struct cella_data *data, struct cella_privacy cost, char *detail);

/*
 * What is left of the privacy budgets that bind data: the least of all owners, and of everything that they were made of.
 * False: nobody has set one.
 */
bool cella_policy_budget_left(const struct cella_data *data, struct cella_privacy *out);

/*
 * The policies that bind data besides the only owner's own: [{data, owner, policy}], of several owners and of sources, in a fixed
 * order. Those of one owner are left out where they are shown as his own.
 *
 * reader:  the owner whose own policy is left out; NULL: the only owner's, if there is only one
 * Returns a new array, NULL without memory or when there is none.
 */
json_t *cella_policy_bounds(const struct cella_data *data, const struct cella_party *reader);

/* Bytes of JSON that the bounds of one input may have in a contract. */
#define CELLA_BOUNDS_MAX 131072U
/* CELLA_TOO_LARGE */
CELLA_MUST_USE cella_status cella_policy_check_bounds(const struct cella_data *data, char *detail);
