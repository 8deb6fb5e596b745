/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/ask.h"

#include <stdlib.h>
#include <string.h>

#define SIZE_SIZE 4U   /* of a message's size */
#define HEADER_SIZE 5U /* of id and kind, which the size counts */
#define COMPACT_SIZE 65536U

struct question {
    uint32_t id;
    enum cella_request_kind kind;
    void *user;     /* NULL: an upload that nobody waits for */
    bool uploading; /* OBJECT came, UPLOADED did not go yet */
    char object[CELLA_OBJECT_ID_SIZE];
    struct question *next;
};

struct cella_ask {
    const struct cella_ask_events *events;
    void *context;
    struct question *questions;
    uint32_t next_id;
    struct cella_bytes in;
    struct cella_bytes out;
    size_t out_sent;
};

static struct question *find_question(struct cella_ask *ask, uint32_t id)
{
    struct question *question = ask->questions;
    while (question != NULL && question->id != id) {
        question = question->next;
    }
    return question;
}

static void remove_question(struct cella_ask *ask, struct question *question)
{
    struct question **place = &ask->questions;
    while (*place != question) {
        place = &(*place)->next;
    }
    *place = question->next;
    free(question);
}

static cella_status write_message(struct cella_ask *ask, uint32_t id, enum cella_request_kind kind,
                                  struct cella_view payload)
{
    CELLA_TRY(cella_bytes_reserve(&ask->out, SIZE_SIZE + HEADER_SIZE + payload.size));
    CELLA_TRY(cella_write_u32(&ask->out, HEADER_SIZE + (uint32_t) payload.size));
    CELLA_TRY(cella_write_u32(&ask->out, id));
    CELLA_TRY(cella_write_u8(&ask->out, (uint8_t) kind));
    return cella_bytes_append(&ask->out, payload);
}

static cella_status add_question(struct cella_ask *ask, enum cella_request_kind kind, struct cella_view payload,
                                 void *user, uint32_t *id)
{
    struct question *question = ask->next_id == 0 ? NULL : calloc(1, sizeof(*question));
    if (question == NULL) {
        return CELLA_NO_MEMORY;
    }
    cella_status status = write_message(ask, ask->next_id, kind, payload);
    if (status != CELLA_OK) {
        free(question);
        return status;
    }
    question->id = ask->next_id++;
    question->kind = kind;
    question->user = user;
    question->next = ask->questions;
    ask->questions = question;
    *id = question->id;
    return CELLA_OK;
}

cella_status cella_ask_session(struct cella_ask *ask, bool fresh, const uint8_t exporter[32],
                               const uint8_t nonce[32], void *user, uint32_t *id)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes payload = { 0 };
    CELLA_TRY(cella_write_u8(&payload, fresh ? 1 : 0));
    CELLA_TRY(cella_write_field(&payload, cella_view_of(exporter, 32)));
    CELLA_TRY(cella_write_field(&payload, cella_view_of(nonce, 32)));
    return add_question(ask, CELLA_REQUEST_SESSION, cella_bytes_view(&payload), user, id);
}

cella_status cella_ask_request(struct cella_ask *ask, enum cella_request_kind kind, struct cella_view jws,
                               void *user, uint32_t *id)
{
    if (jws.size > CELLA_REQUEST_BODY_MAX) {
        return CELLA_TOO_LARGE;
    }
    return add_question(ask, kind, jws, user, id);
}

static cella_status write_uploaded(struct cella_ask *ask, uint32_t id, struct cella_view object,
                                   cella_status status)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes payload = { 0 };
    CELLA_TRY(cella_write_field(&payload, object));
    CELLA_TRY(cella_write_u32(&payload, (uint32_t) status));
    return write_message(ask, id, CELLA_REQUEST_UPLOADED, cella_bytes_view(&payload));
}

cella_status cella_ask_uploaded(struct cella_ask *ask, uint32_t id, cella_status status)
{
    struct question *question = find_question(ask, id);
    if (question == NULL || !question->uploading) {
        return CELLA_INTERNAL;
    }
    question->uploading = false;
    return write_uploaded(ask, id, cella_view_of(question->object, sizeof(question->object)), status);
}

cella_status cella_ask_gone(struct cella_ask *ask, uint32_t id)
{
    struct question *question = find_question(ask, id);
    if (question == NULL) {
        return CELLA_OK;
    }
    if (question->kind == CELLA_REQUEST_UPLOAD && !question->uploading) {
        question->user = NULL; /* the monitor may have allowed it already; what to say depends on its answer */
        return CELLA_OK;
    }
    cella_status status = question->uploading
                              ? cella_ask_uploaded(ask, id, CELLA_CLOSED)
                              : write_message(ask, id, CELLA_REQUEST_GONE, (struct cella_view){ 0 });
    remove_question(ask, question);
    return status;
}

/* ---- receiving ---- */

static cella_status receive_answer(struct cella_ask *ask, struct question *question, struct cella_view payload)
{
    struct cella_reader reader = cella_reader_of(payload);
    uint32_t number;
    CELLA_TRY(cella_read_u32(&reader, &number));
    if (question == NULL) {
        return CELLA_OK;
    }
    void *user = question->user;
    remove_question(ask, question);
    if (user != NULL) {
        ask->events->answered(user, number == 0 ? CELLA_OK : cella_status_from_number(number), reader.rest);
    }
    return CELLA_OK;
}

static cella_status receive_object(struct cella_ask *ask, struct question *question, struct cella_view payload)
{
    struct cella_reader reader = cella_reader_of(payload);
    struct cella_view object;
    uint64_t size;
    struct cella_view digest;
    CELLA_TRY(cella_read_field(&reader, CELLA_OBJECT_ID_SIZE, &object));
    CELLA_TRY(cella_read_u64(&reader, &size));
    CELLA_TRY(cella_read_field(&reader, 32, &digest));
    CELLA_TRY(cella_reader_end(&reader));
    if (question == NULL) {
        return CELLA_OK; /* a download whose client has gone */
    }
    bool upload = question->kind == CELLA_REQUEST_UPLOAD;
    if ((!upload && question->kind != CELLA_REQUEST_DOWNLOAD) || question->uploading ||
        object.size != CELLA_OBJECT_ID_SIZE || digest.size != (upload ? 32U : 0U)) {
        return CELLA_BAD_FRAME;
    }
    void *user = question->user;
    if (upload && user != NULL) {
        question->uploading = true;
        memcpy(question->object, object.data, sizeof(question->object));
    } else {
        uint32_t id = question->id;
        remove_question(ask, question);
        if (upload) {
            return write_uploaded(ask, id, object, CELLA_CLOSED);
        }
    }
    ask->events->object(user, object, size, digest);
    return CELLA_OK;
}

static cella_status receive_certificate(struct cella_ask *ask, struct cella_view payload)
{
    struct cella_reader reader = cella_reader_of(payload);
    struct cella_view cmw;
    struct cella_view tcg;
    CELLA_TRY(cella_read_field(&reader, CELLA_CERTIFICATE_EXTENSION_MAX, &cmw));
    CELLA_TRY(cella_read_field(&reader, CELLA_CERTIFICATE_EXTENSION_MAX, &tcg));
    CELLA_TRY(cella_reader_end(&reader));
    ask->events->certificate(ask->context, cmw, tcg);
    return CELLA_OK;
}

static cella_status receive_message(struct cella_ask *ask, uint32_t id, uint8_t kind, struct cella_view payload)
{
    if (id == 0 && kind == CELLA_REQUEST_CERTIFICATE) {
        return receive_certificate(ask, payload);
    }
    struct question *question = find_question(ask, id);
    /* An id from before belongs to a question that was given up; one that never was is a breach. */
    if (id == 0 || id >= ask->next_id) {
        return CELLA_BAD_FRAME;
    }
    switch (kind) {
    case CELLA_REQUEST_ANSWER:
        return receive_answer(ask, question, payload);
    case CELLA_REQUEST_OBJECT:
        return receive_object(ask, question, payload);
    default:
        return CELLA_BAD_FRAME;
    }
}

cella_status cella_ask_receive(struct cella_ask *ask, struct cella_view bytes)
{
    size_t used = 0;
    CELLA_TRY(cella_bytes_append(&ask->in, bytes));
    while (ask->in.size - used >= SIZE_SIZE + HEADER_SIZE) {
        struct cella_reader reader = cella_reader_of(cella_view_of(ask->in.data + used, ask->in.size - used));
        uint32_t size;
        uint32_t id;
        uint8_t kind;
        CELLA_TRY(cella_read_u32(&reader, &size));
        CELLA_TRY(cella_read_u32(&reader, &id));
        CELLA_TRY(cella_read_u8(&reader, &kind));
        if (size < HEADER_SIZE || size - HEADER_SIZE > CELLA_ANSWER_MESSAGE_MAX) {
            return CELLA_BAD_FRAME;
        }
        if (reader.rest.size < size - HEADER_SIZE) {
            break;
        }
        cella_status status = receive_message(ask, id, kind, cella_view_of(reader.rest.data, size - HEADER_SIZE));
        if (status != CELLA_OK) {
            return status == CELLA_NO_MEMORY ? status : CELLA_BAD_FRAME;
        }
        used += SIZE_SIZE + size;
    }
    cella_bytes_consume(&ask->in, used);
    if (ask->in.size == 0 && ask->in.capacity > COMPACT_SIZE) {
        cella_bytes_clear(&ask->in);
    }
    return CELLA_OK;
}

struct cella_view cella_ask_pending(const struct cella_ask *ask)
{
    if (ask->out_sent == ask->out.size) {
        return (struct cella_view){ 0 };
    }
    return cella_view_of(ask->out.data + ask->out_sent, ask->out.size - ask->out_sent);
}

void cella_ask_sent(struct cella_ask *ask, size_t count)
{
    ask->out_sent += count;
    if (ask->out_sent == ask->out.size) {
        ask->out.size = 0;
        ask->out_sent = 0;
        if (ask->out.capacity > COMPACT_SIZE) {
            cella_bytes_clear(&ask->out);
        }
    } else if (ask->out_sent > COMPACT_SIZE && ask->out_sent > ask->out.size / 2) {
        cella_bytes_consume(&ask->out, ask->out_sent);
        ask->out_sent = 0;
    }
}

struct cella_ask *cella_ask_new(const struct cella_ask_events *events, void *context, const uint8_t spki_sha256[32])
{
    struct cella_ask *ask = calloc(1, sizeof(*ask));
    if (ask == NULL) {
        return NULL;
    }
    ask->events = events;
    ask->context = context;
    ask->next_id = 1;
    if (write_message(ask, 0, CELLA_REQUEST_HELLO, cella_view_of(spki_sha256, 32)) != CELLA_OK) {
        cella_ask_free(ask);
        return NULL;
    }
    return ask;
}

void cella_ask_free(struct cella_ask *ask)
{
    if (ask == NULL) {
        return;
    }
    while (ask->questions != NULL) {
        remove_question(ask, ask->questions);
    }
    cella_bytes_clear(&ask->in);
    cella_bytes_clear(&ask->out);
    free(ask);
}
