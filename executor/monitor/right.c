/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/right.h"

#include <stdio.h>
#include <string.h>

#define PARTY CELLA_IS_PARTY
#define SELF CELLA_IS_SELF
#define ADMINISTRATOR CELLA_IS_ADMINISTRATOR
#define MANAGER CELLA_IS_MANAGER
#define MEMBER CELLA_IS_MEMBER
#define OWNER CELLA_IS_OWNER
#define ALLOWED CELLA_IS_ALLOWED
#define PARTICIPANT CELLA_IS_PARTICIPANT
#define CREATOR CELLA_IS_CREATOR
#define REVIEWER CELLA_IS_REVIEWER
#define RECEIVER CELLA_IS_RECEIVER
#define LISTED CELLA_IS_LISTED
#define NO_ROLE 0U
#define FUNCTION_OWNER CELLA_PARTY_FUNCTION_OWNER
#define DATA_OWNER CELLA_PARTY_DATA_OWNER

/* operation, one of these roles, who may, who may know of the target */
static const struct cella_right rights[] = {
    { "party.get", NO_ROLE, PARTY, PARTY },
    { "party.list", NO_ROLE, ADMINISTRATOR | MEMBER | SELF, PARTY },
    { "party.change", NO_ROLE, ADMINISTRATOR | MANAGER, PARTY },
    { "party.rotate", NO_ROLE, SELF, PARTY },
    { "party.remove", NO_ROLE, ADMINISTRATOR | MANAGER | SELF, PARTY },
    { "party.add", NO_ROLE, ADMINISTRATOR, PARTY },
    { "party.join", NO_ROLE, SELF, PARTY },
    { "invitation.revoke", NO_ROLE, ADMINISTRATOR, PARTY },
    { "organisation.create", NO_ROLE, ADMINISTRATOR, PARTY },
    { "organisation.get", NO_ROLE, PARTY, PARTY },
    { "organisation.list", NO_ROLE, PARTY, PARTY },
    { "organisation.add", NO_ROLE, ADMINISTRATOR, PARTY },
    { "organisation.remove", NO_ROLE, ADMINISTRATOR | MANAGER | SELF, PARTY },
    { "organisation.delete", NO_ROLE, ADMINISTRATOR, PARTY },
    { "executor.info", NO_ROLE, PARTY, PARTY },
    { "ledger.consistency", NO_ROLE, PARTY, PARTY },
    { "function.register", FUNCTION_OWNER, PARTY, PARTY },
    { "function.get", NO_ROLE, PARTY, PARTY },
    { "function.list", NO_ROLE, ADMINISTRATOR | OWNER | LISTED | REVIEWER, OWNER },
    { "function.usage", NO_ROLE, ADMINISTRATOR | OWNER | LISTED, PARTY },
    { "function.change", FUNCTION_OWNER, OWNER, PARTY },
    { "function.disable", NO_ROLE, OWNER | ADMINISTRATOR, PARTY },
    { "function.enable", NO_ROLE, OWNER | ADMINISTRATOR, PARTY },
    { "function.delete", NO_ROLE, OWNER, PARTY },
    { "function.show", NO_ROLE, OWNER, PARTY },
    { "function.source", NO_ROLE, OWNER | REVIEWER, PARTY },
    { "function.audit", NO_ROLE, REVIEWER, PARTY },
    { "data.register", DATA_OWNER, PARTY, PARTY },
    { "data.get", NO_ROLE, OWNER, OWNER },
    { "data.list", NO_ROLE, OWNER, OWNER },
    { "data.change", NO_ROLE, OWNER, OWNER },
    { "data.update", NO_ROLE, OWNER, OWNER },
    { "data.delete", NO_ROLE, OWNER, OWNER },
    { "data.derive", DATA_OWNER, RECEIVER, PARTICIPANT },
    { "object.upload", NO_ROLE, OWNER, OWNER },
    { "object.download", NO_ROLE, OWNER | RECEIVER, OWNER | PARTICIPANT },
    { "task.create", DATA_OWNER, ALLOWED | OWNER, PARTY },
    { "task.assign", NO_ROLE, PARTICIPANT, PARTICIPANT },
    { "task.contract", NO_ROLE, PARTICIPANT, PARTICIPANT },
    { "task.approve", NO_ROLE, PARTICIPANT, PARTICIPANT },
    { "task.withdraw", NO_ROLE, PARTICIPANT, PARTICIPANT },
    { "task.reject", NO_ROLE, PARTICIPANT, PARTICIPANT },
    { "task.invoke", DATA_OWNER, CREATOR, PARTICIPANT },
    { "task.retry", DATA_OWNER, CREATOR, PARTICIPANT },
    { "task.cancel", NO_ROLE, CREATOR | ADMINISTRATOR, PARTICIPANT | ADMINISTRATOR },
    { "task.get", NO_ROLE, PARTICIPANT, PARTICIPANT },
    { "task.watch", NO_ROLE, PARTICIPANT, PARTICIPANT },
    { "task.list", NO_ROLE, PARTICIPANT, PARTICIPANT },
    { "receipt.get", NO_ROLE, PARTICIPANT | OWNER, PARTICIPANT | OWNER },
    { "receipt.find", NO_ROLE, PARTICIPANT | OWNER, PARTICIPANT | OWNER },
    { "audit.list", NO_ROLE, PARTY, PARTY },
};

cella_status cella_right_reading(const json_t *names, unsigned int *out)
{
    static const char *const words[] = { "parties", "functions", "data", "tasks" };
    unsigned int set = 0;
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        unsigned int bit = 0;
        for (unsigned int k = 0; name != NULL && k < sizeof(words) / sizeof(words[0]); k++) {
            bit |= strcmp(words[k], name) == 0 ? 1U << k : 0U;
        }
        if (bit == 0 || (set & bit) != 0) {
            return CELLA_BAD_FIELD;
        }
        set |= bit;
    }
    *out = set;
    return CELLA_OK;
}

const struct cella_right *cella_right_of(const char *operation)
{
    for (size_t i = 0; i < sizeof(rights) / sizeof(rights[0]); i++) {
        if (strcmp(rights[i].operation, operation) == 0) {
            return &rights[i];
        }
    }
    return NULL;
}

cella_status cella_right_role(const struct cella_right *right, const struct cella_party *caller)
{
    return right->roles == 0 || cella_party_is(caller, right->roles) ? CELLA_OK : CELLA_ROLE_MISSING;
}

cella_status cella_right_check(const struct cella_right *right, unsigned int relations)
{
    if ((right->may & relations) != 0) {
        return CELLA_OK;
    }
    return (right->may_know & relations) != 0 ? CELLA_DENIED : CELLA_NOT_FOUND;
}

/* ---- relations ---- */

unsigned int cella_right_to_service(const struct cella_party *caller)
{
    return PARTY | (cella_party_is(caller, CELLA_PARTY_ADMINISTRATOR) ? ADMINISTRATOR : 0U);
}

unsigned int cella_right_to_party(const struct cella_party *caller, const struct cella_party *target)
{
    unsigned int relations = cella_right_to_service(caller);
    bool same = caller->organisation != NULL && caller->organisation == target->organisation;
    /* Over another manager, or an administrator, a manager has no power: it is the target's present standing that counts. */
    bool ordinary = !target->manages && (target->roles & ~CELLA_ROLES_ORDINARY) == 0;
    relations |= caller == target ? SELF : 0U;
    relations |= same ? MEMBER : 0U;
    relations |= same && caller->manages && ordinary && caller != target ? MANAGER : 0U;
    return relations;
}

unsigned int cella_right_to_organisation(const struct cella_party *caller, const struct cella_organisation *target)
{
    unsigned int relations = cella_right_to_service(caller);
    relations |= caller->organisation == target ? MEMBER : 0U;
    relations |= caller->organisation == target && caller->manages ? MANAGER : 0U;
    return relations;
}

static bool contains(const json_t *array, const char *text)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (strcmp(json_string_value(json_array_get(array, i)), text) == 0) {
            return true;
        }
    }
    return false;
}

/* One function decides who is on an allow list: its entries say what kind they are. */
static bool is_allowed(const struct cella_function *function, const struct cella_party *party)
{
    char entry[CELLA_ID_SIZE + 16];
    if (function->allow == NULL) {
        return true;
    }
    (void) snprintf(entry, sizeof(entry), "party:%s", party->entry.id);
    if (contains(function->allow, entry)) {
        return true;
    }
    if (party->organisation == NULL) {
        return false;
    }
    (void) snprintf(entry, sizeof(entry), "organisation:%s", party->organisation->entry.id);
    return contains(function->allow, entry);
}

unsigned int cella_right_to_function(const struct cella_party *caller, const struct cella_function *target)
{
    unsigned int relations = cella_right_to_service(caller);
    bool audits_it = target->spec.is_public && cella_party_is(caller, CELLA_PARTY_AUDITOR);
    relations |= target->owner == caller ? OWNER : 0U;
    bool allowed = is_allowed(target, caller);
    relations |= allowed ? ALLOWED : 0U;
    relations |= allowed && (target->spec.is_public || target->allow != NULL) ? LISTED : 0U;
    relations |= audits_it || contains(target->reviewers, caller->entry.id) ? REVIEWER : 0U;
    return relations;
}

unsigned int cella_right_to_data(const struct cella_party *caller, const struct cella_data *target)
{
    return cella_right_to_service(caller) | (cella_data_is_owner(target, caller) ? OWNER : 0U);
}

unsigned int cella_right_to_task(const struct cella_party *caller, const struct cella_task_record *target)
{
    unsigned int relations = cella_right_to_service(caller);
    relations |= cella_task_participant_index(target, caller) >= 0 ? PARTICIPANT : 0U;
    relations |= target->creator == caller ? CREATOR : 0U;
    return relations;
}

unsigned int cella_right_to_output(const struct cella_party *caller, const struct cella_task_record *task,
                                   const struct cella_task_output *target)
{
    int index = cella_task_participant_index(task, caller);
    bool receives = index >= 0 && (target->receivers >> index & 1) != 0;
    return cella_right_to_task(caller, task) | (receives ? RECEIVER : 0U);
}
