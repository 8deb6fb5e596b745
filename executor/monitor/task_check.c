/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/task_check.h"

#include <stdio.h>

#include "monitor/audit_rule.h"
#include "monitor/clock.h"
#include "monitor/policy.h"
#include "monitor/right.h"

static cella_status check_parties(const struct cella_task_record *task, char *detail)
{
    for (size_t i = 0; i < task->participant_count; i++) {
        if (task->participants[i].party->removed) {
            (void) snprintf(detail, CELLA_DETAIL_MAX, "party %s", task->participants[i].party->entry.id);
            return CELLA_PARTY_REMOVED;
        }
    }
    return cella_party_is(task->creator, CELLA_PARTY_DATA_OWNER) ? CELLA_OK : CELLA_ROLE_MISSING;
}

static cella_status check_function(const struct cella_monitor *monitor, const struct cella_task_record *task,
                                   char *detail)
{
    const struct cella_function *function = task->function;
    unsigned int relations = cella_right_to_function(task->creator, function);
    (void) snprintf(detail, CELLA_DETAIL_MAX, "%s", function->entry.id);
    if (function->disabled || function->deleted) {
        return CELLA_FUNCTION_DISABLED;
    }
    if ((relations & (CELLA_IS_ALLOWED | CELLA_IS_OWNER)) == 0) {
        return CELLA_NOT_ALLOWED;
    }
    if (!cella_audit_rule_is_met(&monitor->state, task->auditors, function)) {
        return CELLA_NOT_AUDITED;
    }
    detail[0] = '\0';
    return CELLA_OK;
}

static struct cella_policy_use use_of(const struct cella_task_record *task, const struct cella_task_input *input)
{
    struct cella_policy_use use = { .function = task->function, .arguments = task->arguments, .input = input->file->name };
    for (size_t i = 0; i < task->function->spec.input_count; i++) {
        if (task->inputs[i].data != NULL && &task->inputs[i] != input) {
            use.others[use.other_count++] = task->inputs[i].data;
        }
    }
    return use;
}

cella_status cella_task_check(const struct cella_monitor *monitor, const struct cella_task_record *task, char *detail)
{
    int64_t now_s = cella_clock_now_s(monitor);
    CELLA_TRY(check_parties(task, detail));
    CELLA_TRY(check_function(monitor, task, detail));
    for (size_t i = 0; i < task->function->spec.input_count; i++) {
        const struct cella_data *data = task->inputs[i].data;
        if (data != NULL) {
            struct cella_policy_use use = use_of(task, &task->inputs[i]);
            CELLA_TRY(cella_policy_allows(&monitor->state, data, &use, now_s, detail));
        }
    }
    return CELLA_OK;
}

cella_status cella_task_check_costs(const struct cella_task_record *task, char *detail)
{
    const struct cella_function *function = task->function;
    if (function->quota >= 0 && function->used >= (uint64_t) function->quota) {
        (void) snprintf(detail, CELLA_DETAIL_MAX, "quota %lld", (long long) function->quota);
        return CELLA_QUOTA_USED_UP;
    }
    struct cella_privacy cost = cella_privacy_counted(&function->spec, task->arguments);
    for (size_t i = 0; i < function->spec.input_count; i++) {
        if (task->inputs[i].data != NULL) {
            CELLA_TRY(cella_policy_can_pay(task->inputs[i].data, cost, detail));
        }
    }
    return CELLA_OK;
}
