/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/front.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "monitor/answers.h"
#include "monitor/child.h"
#include "monitor/ledger.h"
#include "monitor/session.h"
#include "trust/evidence.h"

#define HEADER_SIZE 9U
#define ANSWER_ROOM 64U /* header and status of an answer */
#define WATCH_TICK_MS 1000U
#define WATCH_MS 25000U
#define WAITERS_MAX 1024U /* connections that the front keeps, and some */
#define RESTART_FIRST_MS 50U
#define RESTART_LAST_MS 10000U
#define HELD_MAX (32U * 1024U * 1024U) /* bytes of answers that wait for the host's disk */
#define OUT_MAX (64U * 1024U * 1024U) /* a front that reads nothing is broken */

/* An upload that the front is passing to the host. */
struct upload {
    char object[CELLA_OBJECT_ID_SIZE + 1];
    char data[CELLA_ID_SIZE];
    struct upload *next;
};

/* A question that waits for a task to change. */
struct waiter {
    uint32_t request;
    struct cella_party *party;
    struct cella_task_record *task;
    bool over; /* waits for the end, not for a change */
    uint64_t deadline_ms;
    struct waiter *next;
};

struct cella_front {
    struct cella_monitor *monitor;
    pid_t pid;
    int pidfd;
    int socket;
    bool greeted;
    uint8_t spki_sha256[CELLA_SHA256_SIZE];
    struct cella_bytes in;
    struct cella_answers answers;
    struct upload *uploads;
    struct waiter *waiters;
    struct cella_sessions *sessions;
    size_t waiter_count;
    uint64_t last_question_ms;
    uint64_t restart_ms;
    uint64_t started_ms;
    struct cella_watcher watcher;
    struct cella_timer restart;
    struct cella_timer tick;
};

static cella_status start_front(struct cella_front *front);

/* ---- answers ---- */

static void write_out(struct cella_front *front)
{
    while (front->answers.out.size > 0) {
        ssize_t count = send(front->socket, front->answers.out.data, front->answers.out.size, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            break;
        }
        cella_bytes_consume(&front->answers.out, (size_t) count);
    }
    uint32_t events = EPOLLIN | (front->answers.out.size > 0 ? (uint32_t) EPOLLOUT : 0U);
    (void) !cella_loop_change(front->monitor->loop, &front->watcher, events);
}

static cella_status send_answer(struct cella_front *front, uint32_t id, cella_status status, struct cella_view body)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes payload = { 0 };
    if (front->socket < 0) {
        return CELLA_OK;
    }
    CELLA_TRY(cella_answers_write(status, body, &payload));
    CELLA_TRY(cella_answers_send(&front->answers, id, CELLA_REQUEST_ANSWER, &payload));
    write_out(front);
    return CELLA_OK;
}

void cella_front_durable(struct cella_front *front)
{
    cella_answers_release(&front->answers);
    if (front->socket >= 0) {
        write_out(front);
    }
}

void cella_front_refuse(struct cella_front *front, cella_status status)
{
    cella_answers_refuse_all(&front->answers, status);
    if (front->socket >= 0) {
        write_out(front);
    }
}

/* call: what an error says beyond its code; NULL: nothing. */
static cella_status send_reply(struct cella_front *front, uint32_t id, cella_status status, const json_t *reply,
                               const struct cella_call *call)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes body = { 0 };
    if (status == CELLA_OK && reply == NULL) {
        status = CELLA_NO_MEMORY;
    }
    if (status == CELLA_OK) {
        CELLA_TRY(cella_json_write(reply, &body));
        /* The front takes no larger answer; nothing that parties can make should lead here. */
        status = body.size > CELLA_ANSWER_MESSAGE_MAX - ANSWER_ROOM ? CELLA_TOO_LARGE : CELLA_OK;
    }
    if (status != CELLA_OK) {
        body.size = 0;
        CELLA_TRY(cella_operation_error(status, call, &body));
    }
    return send_answer(front, id, status, cella_bytes_view(&body));
}

static cella_status send_object(struct cella_front *front, const struct cella_call *call)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes body = { 0 };
    CELLA_TRY(cella_write_field(&body, cella_view_of_string(call->object)));
    CELLA_TRY(cella_write_u64(&body, call->object_size));
    CELLA_TRY(cella_write_field(&body, call->object_digest));
    CELLA_TRY(cella_answers_send(&front->answers, call->request, CELLA_REQUEST_OBJECT, &body));
    write_out(front);
    return CELLA_OK;
}

/* ---- watching ---- */

static void remove_waiter(struct cella_front *front, struct waiter **place)
{
    struct waiter *waiter = *place;
    *place = waiter->next;
    waiter->task->waiters--;
    front->waiter_count--;
    free(waiter);
}

/* Answer and remove the waiter at place. */
static void answer_waiter(struct cella_front *front, struct waiter **place)
{
    const struct waiter *waiter = *place;
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *view = cella_task_view(waiter->task, cella_task_participant(waiter->task, waiter->party));
    /* Who was removed while he waited is told that, and nothing of the task. */
    cella_status status = waiter->party->removed ? CELLA_PARTY_REMOVED : CELLA_OK;
    (void) !send_reply(front, waiter->request, status, view, NULL);
    remove_waiter(front, place);
}

void cella_front_task_changed(struct cella_front *front, struct cella_task_record *task)
{
    struct waiter **place = &front->waiters;
    while (*place != NULL) {
        if ((*place)->task == task && (!(*place)->over || cella_task_is_over(task))) {
            answer_waiter(front, place);
        } else {
            place = &(*place)->next;
        }
    }
}

static void tick(void *context)
{
    struct cella_front *front = context;
    uint64_t now = cella_loop_now_ms();
    struct waiter **place = &front->waiters;
    while (*place != NULL) {
        if ((*place)->deadline_ms <= now) {
            answer_waiter(front, place);
        } else {
            place = &(*place)->next;
        }
    }
    if (front->waiters != NULL) {
        cella_loop_set_timer(front->monitor->loop, &front->tick, WATCH_TICK_MS);
    }
}

cella_status cella_front_watch(struct cella_front *front, uint32_t request, struct cella_party *party,
                               struct cella_task_record *task, bool over)
{
    if (front == NULL || front->waiter_count >= WAITERS_MAX) {
        return CELLA_BUSY;
    }
    struct waiter *waiter = calloc(1, sizeof(*waiter));
    if (waiter == NULL) {
        return CELLA_NO_MEMORY;
    }
    *waiter = (struct waiter){ request, party, task, over, cella_loop_now_ms() + WATCH_MS, front->waiters };
    front->waiters = waiter;
    front->waiter_count++;
    task->waiters++;
    if (!front->tick.active) {
        cella_loop_set_timer(front->monitor->loop, &front->tick, WATCH_TICK_MS);
    }
    return CELLA_OK;
}

uint64_t cella_front_quiet_ms(const struct cella_front *front)
{
    return cella_loop_now_ms() - front->last_question_ms;
}

/* ---- sessions ---- */

static cella_status answer_session(struct cella_front *front, uint32_t id, struct cella_view payload)
{
    struct cella_reader reader = cella_reader_of(payload);
    struct cella_view exporter;
    struct cella_view nonce;
    uint8_t fresh;
    CELLA_TRY(cella_read_u8(&reader, &fresh));
    CELLA_TRY(cella_read_field(&reader, CELLA_EXPORTER_SIZE, &exporter));
    CELLA_TRY(cella_read_field(&reader, CELLA_NONCE_SIZE, &nonce));
    CELLA_TRY(cella_reader_end(&reader));
    if (fresh > 1 || exporter.size != CELLA_EXPORTER_SIZE || nonce.size != CELLA_NONCE_SIZE) {
        return CELLA_BAD_FORMAT;
    }
    return cella_sessions_answer(front->sessions, id, exporter.data, front->spki_sha256, nonce, fresh == 1);
}

cella_status cella_front_answer(struct cella_front *front, uint32_t request, cella_status status,
                                struct cella_view body)
{
    if (front->socket < 0) {
        return CELLA_OK;
    }
    CELLA_TRY(status == CELLA_OK ? cella_answers_send_now(&front->answers, request, status, body)
                                 : cella_answers_refuse(&front->answers, request, status));
    write_out(front);
    return CELLA_OK;
}

cella_status cella_front_certificate(struct cella_front *front, struct cella_view payload)
{
    if (!front->greeted) {
        return CELLA_OK; /* the one it was for has gone */
    }
    CELLA_TRY(cella_answers_say(&front->answers, 0, CELLA_REQUEST_CERTIFICATE, payload));
    write_out(front);
    return CELLA_OK;
}

void cella_front_evidence_changed(struct cella_front *front)
{
    if (front == NULL) {
        return;
    }
    cella_sessions_evidence_changed(front->sessions);
    if (front->greeted) {
        /* What can not be asked for leaves the certificate as it is. */
        (void) !cella_sessions_certify(front->sessions, front->spki_sha256);
    }
}

/* ---- requests and objects ---- */

static cella_status remember_upload(struct cella_front *front, const struct cella_call *call)
{
    for (const struct upload *upload = front->uploads; upload != NULL; upload = upload->next) {
        if (strcmp(upload->object, call->object) == 0) {
            return CELLA_EXISTS; /* another connection is sending the same data */
        }
    }
    struct upload *upload = calloc(1, sizeof(*upload));
    if (upload == NULL) {
        return CELLA_NO_MEMORY;
    }
    memcpy(upload->object, call->object, sizeof(upload->object));
    memcpy(upload->data, call->uploading->entry.id, sizeof(upload->data));
    upload->next = front->uploads;
    front->uploads = upload;
    return CELLA_OK;
}

static cella_status answer_request(struct cella_front *front, uint32_t id, enum cella_request_kind kind,
                                   struct cella_view payload)
{
    struct cella_monitor *monitor = front->monitor;
    struct cella_call call = { .request = id };
    front->last_question_ms = cella_loop_now_ms();
    bool crowded = front->answers.held_bytes > HELD_MAX;
    cella_status refusal = crowded ? CELLA_LEDGER_BUSY : cella_ledger_refusal(monitor->ledger);
    if (refusal != CELLA_OK) {
        CELLA_TRY(cella_answers_refuse(&front->answers, id, refusal));
        write_out(front);
        return CELLA_OK;
    }
    monitor->cause = (struct cella_cause){ .request = payload };
    cella_ledger_begin(monitor->ledger);
    cella_status status = cella_operation_run(monitor, kind, payload, &call);
    cella_ledger_end(monitor->ledger);
    monitor->cause = (struct cella_cause){ 0 };
    if (status == CELLA_OK && kind == CELLA_REQUEST_UPLOAD) {
        status = remember_upload(front, &call);
    }
    if (status == CELLA_OK && kind != CELLA_REQUEST_REQUEST) {
        status = send_object(front, &call);
    } else if (status != CELLA_OK || !call.deferred) {
        status = send_reply(front, id, status, call.reply, &call);
    }
    json_decref(call.reply);
    cella_bytes_clear(&call.refusal);
    return status;
}

static cella_status answer_uploaded(struct cella_front *front, uint32_t id, struct cella_view payload)
{
    struct cella_reader reader = cella_reader_of(payload);
    struct cella_view object;
    uint32_t number;
    CELLA_TRY(cella_read_field(&reader, CELLA_OBJECT_ID_SIZE, &object));
    CELLA_TRY(cella_read_u32(&reader, &number));
    CELLA_TRY(cella_reader_end(&reader));
    struct upload **place = &front->uploads;
    while (*place != NULL && !cella_view_is(object, (*place)->object)) {
        place = &(*place)->next;
    }
    struct upload *upload = *place;
    if (upload == NULL) {
        return CELLA_BAD_STATE;
    }
    *place = upload->next;
    cella_status status = cella_status_from_number(number);
    status = status == CELLA_OK ? cella_ledger_trouble(front->monitor->ledger) : status;
    CELLA_CLEANUP(cella_json_cleanup) json_t *event = json_pack("{s:s}", "data", upload->data);
    CELLA_CLEANUP(cella_json_cleanup) json_t *reply = json_pack("{s:s, s:b}", "data", upload->data, "stored", 1);
    free(upload);
    if (event == NULL || reply == NULL) {
        return CELLA_NO_MEMORY;
    }
    if (status == CELLA_OK) {
        status = cella_monitor_commit(front->monitor, CELLA_EVENT_DATA_STORED, event);
    }
    return send_reply(front, id, status, reply, NULL);
}

/* A client that waited has gone. */
static void forget_waiter(struct cella_front *front, uint32_t id)
{
    cella_sessions_gone(front->sessions, id);
    struct waiter **place = &front->waiters;
    while (*place != NULL && (*place)->request != id) {
        place = &(*place)->next;
    }
    if (*place != NULL) {
        remove_waiter(front, place);
    }
}

static cella_status answer_message(struct cella_front *front, uint32_t id, uint8_t kind, struct cella_view payload)
{
    if (!front->greeted) {
        if (kind != CELLA_REQUEST_HELLO || payload.size != CELLA_SHA256_SIZE) {
            return CELLA_BAD_FORMAT;
        }
        memcpy(front->spki_sha256, payload.data, CELLA_SHA256_SIZE);
        front->greeted = true;
        return cella_sessions_certify(front->sessions, front->spki_sha256);
    }
    switch (kind) {
    case CELLA_REQUEST_SESSION:
        return answer_session(front, id, payload);
    case CELLA_REQUEST_REQUEST:
    case CELLA_REQUEST_UPLOAD:
    case CELLA_REQUEST_DOWNLOAD:
        return answer_request(front, id, (enum cella_request_kind) kind, payload);
    case CELLA_REQUEST_UPLOADED:
        return answer_uploaded(front, id, payload);
    case CELLA_REQUEST_GONE:
        forget_waiter(front, id);
        return CELLA_OK;
    default:
        return CELLA_BAD_FORMAT;
    }
}

/* ---- reading ---- */

static cella_status read_messages(struct cella_front *front)
{
    size_t used = 0;
    while (front->in.size - used >= HEADER_SIZE) {
        struct cella_reader reader =
            cella_reader_of(cella_view_of(front->in.data + used, front->in.size - used));
        uint32_t size;
        uint32_t id;
        uint8_t kind;
        CELLA_TRY(cella_read_u32(&reader, &size));
        CELLA_TRY(cella_read_u32(&reader, &id));
        CELLA_TRY(cella_read_u8(&reader, &kind));
        if (size < HEADER_SIZE - 4 || size > CELLA_REQUEST_MESSAGE_MAX) {
            return CELLA_BAD_SIZE;
        }
        if (reader.rest.size < size - (HEADER_SIZE - 4)) {
            break;
        }
        CELLA_TRY(answer_message(front, id, kind, cella_view_of(reader.rest.data, size - (HEADER_SIZE - 4))));
        used += 4 + (size_t) size;
    }
    cella_bytes_consume(&front->in, used);
    return front->answers.out.size > OUT_MAX ? CELLA_TOO_LARGE : CELLA_OK;
}

static cella_status read_in(struct cella_front *front)
{
    CELLA_TRY(cella_bytes_reserve(&front->in, 65536));
    ssize_t count = recv(front->socket, front->in.data + front->in.size, 65536, 0);
    if (count < 0) {
        return errno == EAGAIN || errno == EINTR ? CELLA_OK : CELLA_SYSTEM_FAILED;
    }
    if (count == 0) {
        return CELLA_CLOSED;
    }
    front->in.size += (size_t) count;
    return read_messages(front);
}

static void stop_front(struct cella_front *front)
{
    if (front->socket < 0) {
        return;
    }
    cella_loop_unwatch(front->monitor->loop, &front->watcher);
    (void) syscall(SYS_pidfd_send_signal, front->pidfd, SIGKILL, NULL, 0U);
    cella_child_close(&front->socket);
    cella_child_close(&front->pidfd);
    cella_bytes_clear(&front->in);
    cella_answers_clear(&front->answers);
    front->greeted = false;
    while (front->uploads != NULL) {
        struct upload *upload = front->uploads;
        front->uploads = upload->next;
        free(upload);
    }
    while (front->waiters != NULL) {
        remove_waiter(front, &front->waiters);
    }
    cella_sessions_drop(front->sessions);
}

static void front_ready(void *context, uint32_t events)
{
    struct cella_front *front = context;
    if ((events & EPOLLOUT) != 0) {
        write_out(front);
    }
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && read_in(front) != CELLA_OK) {
        stop_front(front); /* its death is then reaped, and it is started again */
    }
}

/* ---- life ---- */

static cella_status start_front(struct cella_front *front)
{
    struct cella_monitor *monitor = front->monitor;
    int descriptors[2] = { -1, -1 };
    const char *const arguments[] = { monitor->config.allow_missing_layers ? "--allow-missing-layers" : NULL, NULL };
    CELLA_TRY(cella_child_socket(SOCK_STREAM, &front->socket, &descriptors[0]));
    cella_status status = cella_child_link(monitor, CELLA_LINK_FRONT, &descriptors[1]);
    if (status == CELLA_OK) {
        status = cella_child_start(monitor, "cella-front", arguments, descriptors, 2, &front->pid, &front->pidfd);
    }
    cella_child_close(&descriptors[0]);
    cella_child_close(&descriptors[1]);
    CELLA_TRY(status);
    front->started_ms = cella_loop_now_ms();
    front->watcher.ready = front_ready;
    front->watcher.context = front;
    return cella_loop_watch(monitor->loop, &front->watcher, front->socket, EPOLLIN);
}

static void restart_front(void *context)
{
    struct cella_front *front = context;
    if (start_front(front) != CELLA_OK) {
        stop_front(front);
        cella_loop_set_timer(front->monitor->loop, &front->restart, front->restart_ms);
    }
}

bool cella_front_reaped(struct cella_front *front, pid_t pid, int wait_status)
{
    if (front->pid != pid) {
        return false;
    }
    front->pid = -1;
    stop_front(front);
    cella_monitor_log_death(front->monitor, "cella-front", wait_status, "it is started again");
    /* One that had worked for a while is started at once; one that dies at its start ever more slowly. */
    bool had_worked = cella_loop_now_ms() - front->started_ms > RESTART_LAST_MS;
    front->restart_ms = had_worked ? RESTART_FIRST_MS : front->restart_ms * 2;
    front->restart_ms = front->restart_ms > RESTART_LAST_MS ? RESTART_LAST_MS : front->restart_ms;
    cella_loop_set_timer(front->monitor->loop, &front->restart, front->restart_ms);
    return true;
}

cella_status cella_front_new(struct cella_monitor *monitor, struct cella_front **out)
{
    struct cella_front *front = calloc(1, sizeof(*front));
    if (front == NULL) {
        return CELLA_NO_MEMORY;
    }
    front->monitor = monitor;
    front->answers.monitor = monitor;
    front->pid = -1;
    front->pidfd = -1;
    front->socket = -1;
    front->restart_ms = RESTART_FIRST_MS;
    front->restart.expired = restart_front;
    front->restart.context = front;
    front->tick.expired = tick;
    front->tick.context = front;
    front->sessions = cella_sessions_new(monitor, front);
    *out = front;
    CELLA_TRY(front->sessions == NULL ? CELLA_NO_MEMORY : CELLA_OK);
    return start_front(front);
}

void cella_front_free(struct cella_front *front)
{
    if (front != NULL) {
        cella_loop_clear_timer(front->monitor->loop, &front->restart);
        cella_loop_clear_timer(front->monitor->loop, &front->tick);
        stop_front(front);
        cella_sessions_free(front->sessions);
        free(front);
    }
}
