/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/answers.h"

#include <stdlib.h>

#include "monitor/ledger.h"
#include "monitor/operation.h"

#define HEADER_SIZE 9U

struct cella_held {
    uint64_t position;
    uint32_t request;
    enum cella_request_kind kind;
    struct cella_bytes payload;
    struct cella_held *next;
};

cella_status cella_answers_say(struct cella_answers *answers, uint32_t id, enum cella_request_kind kind,
                                  struct cella_view payload)
{
    CELLA_TRY(cella_bytes_reserve(&answers->out, HEADER_SIZE + payload.size));
    CELLA_TRY(cella_write_u32(&answers->out, (uint32_t) (HEADER_SIZE - 4 + payload.size)));
    CELLA_TRY(cella_write_u32(&answers->out, id));
    CELLA_TRY(cella_write_u8(&answers->out, (uint8_t) kind));
    return cella_bytes_append(&answers->out, payload);
}

static void free_first(struct cella_answers *answers)
{
    struct cella_held *held = answers->held;
    answers->held = held->next;
    answers->last_held = answers->held == NULL ? NULL : answers->last_held;
    answers->held_bytes -= held->payload.size;
    cella_bytes_clear(&held->payload);
    free(held);
}

void cella_answers_clear(struct cella_answers *answers)
{
    while (answers->held != NULL) {
        free_first(answers);
    }
    cella_bytes_clear(&answers->out);
}

static void report(const struct cella_answers *answers, cella_status status)
{
    if (status != CELLA_OK) {
        cella_monitor_log(answers->monitor, "an answer was lost: %s", cella_status_text(status));
    }
}

cella_status cella_answers_write(cella_status status, struct cella_view body, struct cella_bytes *out)
{
    CELLA_TRY(cella_bytes_reserve(out, 4 + body.size));
    CELLA_TRY(cella_write_u32(out, (uint32_t) status));
    return cella_bytes_append(out, body);
}

cella_status cella_answers_send_now(struct cella_answers *answers, uint32_t id, cella_status status,
                                    struct cella_view body)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes payload = { 0 };
    CELLA_TRY(cella_answers_write(status, body, &payload));
    return cella_answers_say(answers, id, CELLA_REQUEST_ANSWER, cella_bytes_view(&payload));
}

cella_status cella_answers_refuse(struct cella_answers *answers, uint32_t id, cella_status status)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes body = { 0 };
    CELLA_TRY(cella_operation_error(status, NULL, &body));
    return cella_answers_send_now(answers, id, status, cella_bytes_view(&body));
}

cella_status cella_answers_send(struct cella_answers *answers, uint32_t id, enum cella_request_kind kind,
                                struct cella_bytes *payload)
{
    struct cella_ledger *ledger = answers->monitor->ledger;
    uint64_t position = cella_ledger_position(ledger);
    if (cella_ledger_is_durable(ledger, position)) {
        return cella_answers_say(answers, id, kind, cella_bytes_view(payload));
    }
    if (cella_ledger_trouble(ledger) != CELLA_OK) {
        return cella_answers_refuse(answers, id, cella_ledger_trouble(ledger));
    }
    struct cella_held *held = calloc(1, sizeof(*held));
    if (held == NULL) {
        return CELLA_NO_MEMORY;
    }
    *held = (struct cella_held){ .position = position, .request = id, .kind = kind };
    cella_bytes_take(&held->payload, payload);
    answers->held_bytes += held->payload.size;
    if (answers->last_held == NULL) {
        answers->held = held;
    } else {
        answers->last_held->next = held;
    }
    answers->last_held = held;
    return CELLA_OK;
}

void cella_answers_release(struct cella_answers *answers)
{
    while (answers->held != NULL && cella_ledger_is_durable(answers->monitor->ledger, answers->held->position)) {
        const struct cella_held *held = answers->held;
        report(answers, cella_answers_say(answers, held->request, held->kind, cella_bytes_view(&held->payload)));
        free_first(answers);
    }
}

void cella_answers_refuse_all(struct cella_answers *answers, cella_status status)
{
    while (answers->held != NULL) {
        report(answers, cella_answers_refuse(answers, answers->held->request, status));
        free_first(answers);
    }
}
