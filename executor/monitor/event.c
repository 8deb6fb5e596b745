/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/event.h"

const char *cella_event_name(enum cella_event event)
{
    switch (event) {
    case CELLA_EVENT_PARTY_ENROLLED:
        return "party.enrolled";
    case CELLA_EVENT_FUNCTION_REGISTERED:
        return "function.registered";
    case CELLA_EVENT_DATA_REGISTERED:
        return "data.registered";
    case CELLA_EVENT_DATA_STORED:
        return "data.stored";
    case CELLA_EVENT_TASK_CREATED:
        return "task.created";
    case CELLA_EVENT_TASK_ASSIGNED:
        return "task.assigned";
    case CELLA_EVENT_TASK_CONTRACTED:
        return "task.contracted";
    case CELLA_EVENT_TASK_APPROVED:
        return "task.approved";
    case CELLA_EVENT_TASK_QUEUED:
        return "task.queued";
    case CELLA_EVENT_TASK_STARTED:
        return "task.started";
    case CELLA_EVENT_TASK_FINISHED:
        return "task.finished";
    case CELLA_EVENT_TASK_FAILED:
        return "task.failed";
    }
    return NULL;
}

bool cella_event_of(struct cella_view name, enum cella_event *out)
{
    const char *known;
    /* Numbers without gaps from 0, as the compiler gives them. */
    for (unsigned int i = 0; (known = cella_event_name((enum cella_event) i)) != NULL; i++) {
        if (cella_view_is(name, known)) {
            *out = (enum cella_event) i;
            return true;
        }
    }
    return false;
}
