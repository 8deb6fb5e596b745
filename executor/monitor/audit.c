/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/operation.h"

#include <string.h>

/*
 * Questions to the journal. Participants see what they take part in, owners what is theirs, administrators what concerns
 * the service, auditors what the charter grants; nobody else learns that there was anything.
 */

enum kind { KIND_PARTY, KIND_FUNCTION, KIND_DATA, KIND_TASK };

static enum kind kind_of(enum cella_event event)
{
    switch (cella_event_name(event)[0]) {
    case 'f':
        return KIND_FUNCTION;
    case 'd':
        return KIND_DATA;
    case 't':
        return KIND_TASK;
    default:
        return KIND_PARTY; /* parties, organisations, invitations */
    }
}

/* The caller is what the entry is about, owns it, takes part in it, or caused it. */
static bool concerns(const struct cella_journal_entry *entry, const struct cella_party *reader)
{
    const struct cella_entry *me = &reader->entry;
    if (entry->by == me || entry->subject == me || entry->other == me) {
        return true;
    }
    switch (kind_of((enum cella_event) entry->event)) {
    case KIND_FUNCTION:
        return ((const struct cella_function *) entry->subject)->owner == reader;
    case KIND_DATA:
        return cella_data_is_owner((const struct cella_data *) entry->subject, reader);
    case KIND_TASK:
        return cella_task_participant_index((const struct cella_task_record *) entry->subject, reader) >= 0;
    case KIND_PARTY:
        break;
    }
    /* Whoever manages an organisation sees who comes and goes. */
    return reader->manages && (entry->subject == &reader->organisation->entry || entry->other == &reader->organisation->entry);
}

static bool may_read(const struct cella_monitor *monitor, const struct cella_journal_entry *entry,
                     const struct cella_party *reader)
{
    static const unsigned int reading[] = {
        [KIND_PARTY] = CELLA_READ_PARTIES,
        [KIND_FUNCTION] = CELLA_READ_FUNCTIONS,
        [KIND_DATA] = CELLA_READ_DATA,
        [KIND_TASK] = CELLA_READ_TASKS,
    };
    enum kind kind = kind_of((enum cella_event) entry->event);
    bool service = kind == KIND_PARTY || kind == KIND_FUNCTION;
    bool granted = cella_party_is(reader, CELLA_PARTY_AUDITOR) && (monitor->charter.auditors_read & reading[kind]) != 0;
    return granted || (service && cella_party_is(reader, CELLA_PARTY_ADMINISTRATOR)) || concerns(entry, reader);
}

struct filter {
    int64_t since_s;
    int64_t until_s;
    const char *party;
    const char *function;
    const char *data;
    const char *task;
};

static bool names(const struct cella_journal_entry *entry, const char *id)
{
    return (entry->by != NULL && strcmp(entry->by->id, id) == 0) ||
           (entry->subject != NULL && strcmp(entry->subject->id, id) == 0) ||
           (entry->other != NULL && strcmp(entry->other->id, id) == 0);
}

/* Also what happened in tasks of the function. */
static bool is_of_function(const struct cella_journal_entry *entry, const char *id)
{
    return names(entry, id) ||
           (kind_of((enum cella_event) entry->event) == KIND_TASK &&
            strcmp(((const struct cella_task_record *) entry->subject)->function->entry.id, id) == 0);
}

static bool passes(const struct filter *filter, const struct cella_journal_entry *entry)
{
    return entry->time_s >= filter->since_s && entry->time_s < filter->until_s &&
           (filter->party == NULL || names(entry, filter->party)) &&
           (filter->function == NULL || is_of_function(entry, filter->function)) &&
           (filter->data == NULL || names(entry, filter->data)) &&
           (filter->task == NULL || names(entry, filter->task));
}

static json_t *entry_json(const struct cella_journal_entry *entry, size_t number)
{
    json_t *json = json_pack("{s:I, s:I, s:s}", "number", (json_int_t) number, "time", (json_int_t) entry->time_s,
                             "event", cella_event_name((enum cella_event) entry->event));
    if (json != NULL && entry->by != NULL) {
        (void) json_object_set_new(json, "by", json_string(entry->by->id));
    }
    if (json != NULL && entry->subject != NULL) {
        (void) json_object_set_new(json, "subject", json_string(entry->subject->id));
    }
    if (json != NULL && entry->other != NULL) {
        (void) json_object_set_new(json, "other", json_string(entry->other->id));
    }
    if (json != NULL && entry->detail != 0) {
        (void) json_object_set_new(json, "code", json_string(cella_status_name((cella_status) entry->detail)));
    }
    return json;
}

static cella_status read_filter(struct cella_call *call, struct filter *filter, int64_t *after)
{
    struct cella_json_object object;
    CELLA_TRY(cella_json_begin(call->args, "args", &call->error, &object));
    CELLA_TRY(cella_json_integer_optional(&object, "after", 0, (int64_t) 1 << 53, after));
    CELLA_TRY(cella_json_integer_optional(&object, "since", 0, (int64_t) 1 << 53, &filter->since_s));
    CELLA_TRY(cella_json_integer_optional(&object, "until", 0, (int64_t) 1 << 53, &filter->until_s));
    CELLA_TRY(cella_json_string_optional(&object, "party", CELLA_ID_SIZE - 1, &filter->party));
    CELLA_TRY(cella_json_string_optional(&object, "function", CELLA_ID_SIZE - 1, &filter->function));
    CELLA_TRY(cella_json_string_optional(&object, "data", CELLA_ID_SIZE - 1, &filter->data));
    CELLA_TRY(cella_json_string_optional(&object, "task", CELLA_ID_SIZE - 1, &filter->task));
    return cella_json_end(&object);
}

cella_status cella_operation_audit_list(struct cella_monitor *monitor, struct cella_call *call)
{
    const struct cella_journal *journal = &monitor->state.journal;
    struct filter filter = { .until_s = INT64_MAX };
    int64_t after = 0;
    CELLA_TRY(read_filter(call, &filter, &after));
    json_t *list = json_array();
    size_t next = (size_t) after; /* numbers begin with 1 */
    for (; next < journal->count && json_array_size(list) < CELLA_PAGE_MAX; next++) {
        const struct cella_journal_entry *entry = &journal->entries[next];
        if (passes(&filter, entry) && may_read(monitor, entry, call->party)) {
            (void) json_array_append_new(list, entry_json(entry, next + 1));
        }
    }
    call->reply = json_pack("{s:o, s:b}", "entries", list, "more", (int) (next < journal->count));
    return call->reply == NULL ? CELLA_NO_MEMORY : CELLA_OK;
}
