/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/disposal.h"

#include <stdlib.h>
#include <string.h>

#include "monitor/courier.h"
#include "monitor/ledger.h"
#include "monitor/runner.h"

struct pending {
    const struct cella_data *data;        /* NULL: outputs of */
    const struct cella_task_record *task; /* this task, */
    uint32_t attempt;                     /* of this attempt */
    uint64_t position; /* of the ledger, with the event that makes them superfluous */
};

struct cella_disposal {
    struct cella_monitor *monitor;
    struct pending *pending;
    size_t count;
    size_t room;
};

cella_status cella_disposal_new(struct cella_monitor *monitor, struct cella_disposal **out)
{
    struct cella_disposal *disposal = calloc(1, sizeof(*disposal));
    if (disposal == NULL) {
        return CELLA_NO_MEMORY;
    }
    disposal->monitor = monitor;
    *out = disposal;
    return CELLA_OK;
}

void cella_disposal_free(struct cella_disposal *disposal)
{
    if (disposal != NULL) {
        free(disposal->pending);
        free(disposal);
    }
}

static void add(struct cella_disposal *disposal, const struct pending *one)
{
    if (disposal->count == disposal->room) {
        size_t room = disposal->room == 0 ? 16 : 2 * disposal->room;
        struct pending *larger = reallocarray(disposal->pending, room, sizeof(*larger));
        if (larger == NULL) {
            return;
        }
        disposal->pending = larger;
        disposal->room = room;
    }
    disposal->pending[disposal->count] = *one;
    disposal->pending[disposal->count++].position = cella_ledger_position(disposal->monitor->ledger);
}

void cella_disposal_add(struct cella_disposal *disposal, const struct cella_data *data)
{
    if (disposal != NULL) {
        add(disposal, &(struct pending){ .data = data });
    }
}

static void add_attempts(struct cella_disposal *disposal, const struct cella_task_record *task)
{
    for (uint32_t attempt = 0; attempt <= CELLA_ATTEMPTS_MAX; attempt++) {
        if ((task->discarded >> attempt & 1) != 0) {
            add(disposal, &(struct pending){ .task = task, .attempt = attempt });
        }
    }
}

void cella_disposal_start(struct cella_disposal *disposal)
{
    const struct cella_entry *entry = disposal->monitor->state.data.first;
    for (; entry != NULL; entry = entry->next) {
        const struct cella_data *data = (const struct cella_data *) entry;
        if (data->deleted) {
            cella_disposal_add(disposal, data);
        }
    }
    for (entry = disposal->monitor->state.tasks.first; entry != NULL; entry = entry->next) {
        add_attempts(disposal, (const struct cella_task_record *) entry);
    }
}

/* Whether somebody can still open the object though these data are deleted. */
static bool is_needed(const struct cella_state *state, const struct cella_data *data)
{
    const struct cella_task_output *origin = cella_data_origin(data);
    if (origin == NULL) {
        return false; /* an upload's object is its own */
    }
    const struct cella_entry *entry = origin->fusion ? state->data.first : NULL;
    for (; entry != NULL; entry = entry->next) {
        const struct cella_data *other = (const struct cella_data *) entry;
        if (!other->deleted && memcmp(other->object, data->object, sizeof(data->object)) == 0) {
            return true;
        }
    }
    return !origin->fusion;
}

static cella_status write_object(struct cella_bytes *out, const char *object, size_t *count)
{
    CELLA_TRY(cella_write_field(out, cella_view_of_string(object)));
    (*count)++;
    return CELLA_OK;
}

/* The names of all outputs of an attempt; those that were never stored the host does not have. */
static cella_status write_outputs(const struct cella_monitor *monitor, const struct pending *one, struct cella_bytes *out,
                                  size_t *count)
{
    for (size_t i = 0; i < one->task->function->spec.output_count; i++) {
        char object[33];
        if (one->task->outputs[i].receivers != 0) {
            CELLA_TRY(cella_keyring_output_object(monitor->keyring, one->task->entry.id, one->attempt,
                                                  one->task->outputs[i].file->name, object));
            CELLA_TRY(write_object(out, object, count));
        }
    }
    return CELLA_OK;
}

/* Move the objects that can go into a message; the rest stays pending. */
static cella_status collect(struct cella_disposal *disposal, struct cella_bytes *out, size_t *count)
{
    const struct cella_monitor *monitor = disposal->monitor;
    size_t kept = 0;
    *count = 0;
    for (size_t i = 0; i < disposal->count; i++) {
        const struct pending one = disposal->pending[i];
        bool full = *count + CELLA_TASK_FILES_MAX > CELLA_DISPOSAL_BATCH;
        if (full || !cella_ledger_is_durable(monitor->ledger, one.position) ||
            (one.data != NULL && cella_runner_uses(monitor->runner, one.data))) {
            disposal->pending[kept++] = one;
        } else if (one.data == NULL) {
            CELLA_TRY(write_outputs(monitor, &one, out, count));
        } else if (!is_needed(&monitor->state, one.data)) {
            CELLA_TRY(write_object(out, one.data->object, count));
        }
    }
    disposal->count = kept;
    return CELLA_OK;
}

static cella_status tell(struct cella_disposal *disposal, struct cella_view objects, size_t count)
{
    static const struct cella_courier_events no_events = { NULL, NULL, NULL, NULL };
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret message = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes bytes = { 0 };
    struct cella_courier *courier;
    CELLA_TRY(cella_write_u8(&bytes, CELLA_COURIER_DELETE));
    CELLA_TRY(cella_write_u16(&bytes, (uint16_t) count));
    CELLA_TRY(cella_bytes_append(&bytes, objects));
    CELLA_TRY(cella_secret_set(&message, cella_bytes_view(&bytes)));
    CELLA_TRY(cella_couriers_take(disposal->monitor->couriers, &no_events, NULL, &courier));
    cella_status status = cella_courier_send(courier, &message, NULL, 0);
    cella_courier_dismiss(courier);
    return status;
}

void cella_disposal_advance(struct cella_disposal *disposal)
{
    /* One courier at a time: its end is an event, so the next batch follows it. */
    if (disposal->count == 0 || cella_couriers_tidy_up(disposal->monitor->couriers)) {
        return;
    }
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes objects = { 0 };
    size_t count;
    cella_status status = collect(disposal, &objects, &count);
    if (status == CELLA_OK && count > 0) {
        status = tell(disposal, cella_bytes_view(&objects), count);
    }
    if (status != CELLA_OK) {
        cella_monitor_log(disposal->monitor, "objects of deleted data stay with the host until the next start: %s",
                          cella_status_name(status));
    }
}
