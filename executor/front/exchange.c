/* SPDX-License-Identifier: Apache-2.0 */
#include "front/client.h"

#include <string.h>

#include "front/reply.h"
#include "trust/evidence.h"

enum action {
    ACTION_HEALTH,
    ACTION_SESSION,
    ACTION_FRESH_SESSION,
    ACTION_REQUEST,
    ACTION_UPLOAD,
    ACTION_DOWNLOAD,
};

/* docs/protocol.md sections 2, 3 and 5. Bodies of uploads have the size that the monitor knows. */
struct cella_route {
    enum cella_http_method method;
    const char *path;
    enum action action;
    uint64_t body_min;
    uint64_t body_max;
};

static const struct cella_route routes[] = {
    { CELLA_HTTP_GET, "/healthz", ACTION_HEALTH, 0, 0 },
    { CELLA_HTTP_POST, "/v1/session", ACTION_SESSION, CELLA_NONCE_SIZE, CELLA_NONCE_SIZE },
    { CELLA_HTTP_POST, "/v1/session/fresh", ACTION_FRESH_SESSION, CELLA_NONCE_SIZE, CELLA_NONCE_SIZE },
    { CELLA_HTTP_POST, "/v1/requests", ACTION_REQUEST, 1, CELLA_REQUEST_BODY_MAX },
    { CELLA_HTTP_PUT, "/v1/objects", ACTION_UPLOAD, 1, INT64_MAX },
    { CELLA_HTTP_GET, "/v1/objects", ACTION_DOWNLOAD, 0, 0 },
};

/* ---- answering ---- */

static void release_body(struct cella_client *client)
{
    client->front->bodies -= client->body.size;
    cella_bytes_clear(&client->body);
}

/* The texts of an answer have been appended to reply. */
static void start_reply(struct cella_client *client, cella_status appended)
{
    if (appended != CELLA_OK) {
        cella_client_drop(client);
        return;
    }
    release_body(client);
    client->reply_own = client->reply.size - client->reply_sent;
    client->reply_last = client->body_unread || client->head.closes;
    cella_client_enter(client, CELLA_CLIENT_REPLY, CELLA_CLIENT_STALL_MS);
}

void cella_client_refuse(struct cella_client *client, cella_status status, unsigned int http_status)
{
    client->reply_more = 0;
    start_reply(client,
                cella_reply_error(&client->reply, status, http_status, client->body_unread || client->head.closes));
}

static cella_status write_answer(struct cella_client *client, unsigned int http_status, const char *type,
                                 struct cella_view body)
{
    CELLA_TRY(
        cella_reply_head(&client->reply, http_status, type, body.size, client->body_unread || client->head.closes));
    return cella_bytes_append(&client->reply, body);
}

static void on_answered(void *user, cella_status status, struct cella_view body)
{
    struct cella_client *client = user;
    client->question = 0;
    start_reply(client, write_answer(client, cella_reply_http_status(status), "application/json", body));
    cella_client_run(client);
}

static void on_object(void *user, struct cella_view id, uint64_t size, struct cella_view digest)
{
    struct cella_client *client = user;
    if (client->route->action == ACTION_DOWNLOAD) {
        client->question = 0;
    }
    cella_client_transfer(client, id, size, digest);
    cella_client_run(client);
}

/* Evidence for the certificate. One that can not be made is no reason to end: the one before stays. */
static void on_certificate(void *context, struct cella_view cmw, struct cella_view tcg)
{
    struct cella_front *front = context;
    (void) !cella_tls_context_certify(front->tls, cmw, tcg);
    front->certified = true;
}

const struct cella_ask_events cella_client_ask_events = {
    .answered = on_answered,
    .object = on_object,
    .certificate = on_certificate,
};

/* ---- asking ---- */

static void ask(struct cella_client *client, cella_status asked)
{
    if (asked != CELLA_OK) {
        client->question = 0;
        cella_client_refuse(client, asked, 0);
        return;
    }
    release_body(client);
    cella_client_enter(client, CELLA_CLIENT_ASKING, 0); /* the monitor answers in its own time: task.watch */
}

static cella_status ask_session(struct cella_client *client, bool fresh)
{
    uint8_t exporter[CELLA_EXPORTER_SIZE];
    CELLA_TRY(cella_tls_exporter(client->tls, exporter));
    return cella_ask_session(client->front->ask, fresh, exporter, client->body.data, client, &client->question);
}

void cella_client_submit(struct cella_client *client)
{
    client->body_unread = false;
    if (client->route->action == ACTION_REQUEST) {
        ask(client, cella_ask_request(client->front->ask, CELLA_REQUEST_REQUEST, cella_bytes_view(&client->body),
                                      client, &client->question));
    } else {
        ask(client, ask_session(client, client->route->action == ACTION_FRESH_SESSION));
    }
}

static void ask_for_object(struct cella_client *client, enum cella_request_kind kind)
{
    if (client->head.request.size == 0) {
        cella_client_refuse(client, CELLA_MISSING_FIELD, 0);
        return;
    }
    ask(client, cella_ask_request(client->front->ask, kind, client->head.request, client, &client->question));
}

/* ---- a new request ---- */

static const struct cella_route *find_route(const struct cella_http_head *head, bool *path_known)
{
    *path_known = false;
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (strcmp(routes[i].path, head->path) == 0) {
            *path_known = true;
            if (routes[i].method == head->method) {
                return &routes[i];
            }
        }
    }
    return NULL;
}

static void start_body(struct cella_client *client)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (client->head.expects_continue && client->in.size == 0 &&
        cella_tls_write(client->tls, cella_view_of(go_on, sizeof(go_on) - 1)) != CELLA_OK) {
        cella_client_drop(client);
        return;
    }
    client->body_deadline_ms = client->front->now_ms + CELLA_CLIENT_BODY_MS;
    cella_client_enter(client, CELLA_CLIENT_BODY, CELLA_CLIENT_STALL_MS);
}

static void follow_route(struct cella_client *client)
{
    switch (client->route->action) {
    case ACTION_HEALTH:
        start_reply(client, write_answer(client, 200, "text/plain", cella_view_of_string("ok\n")));
        break;
    case ACTION_SESSION:
    case ACTION_FRESH_SESSION:
    case ACTION_REQUEST:
        start_body(client);
        break;
    case ACTION_UPLOAD:
        ask_for_object(client, CELLA_REQUEST_UPLOAD);
        break;
    case ACTION_DOWNLOAD:
        ask_for_object(client, CELLA_REQUEST_DOWNLOAD);
        break;
    }
}

void cella_client_dispatch(struct cella_client *client, struct cella_view head)
{
    bool path_known;
    cella_status status = cella_http_parse(head, &client->head);
    client->body_unread = status != CELLA_OK || client->head.length > 0;
    if (status != CELLA_OK) {
        cella_client_refuse(client, status, client->head.refusal);
        return;
    }
    client->route = find_route(&client->head, &path_known);
    if (client->route == NULL) {
        cella_client_refuse(client, path_known ? CELLA_BAD_HTTP : CELLA_NOT_FOUND, path_known ? 405 : 0);
    } else if (client->head.length > client->route->body_max) {
        cella_client_refuse(client, CELLA_TOO_LARGE, 0);
    } else if (client->head.length < client->route->body_min) {
        cella_client_refuse(client, CELLA_BAD_SIZE, 0);
    } else {
        follow_route(client);
    }
}
