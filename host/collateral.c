/* SPDX-License-Identifier: Apache-2.0 */
#include "host/collateral.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/wire.h"
#include "host/program.h"

#define WORDS_MAX 16
#define OPTIONS_MAX 16
#define PIECE 65536U
#define GRACE_S 3 /* beyond what the program was given, before it is killed */

struct cella_collateral {
    struct cella_log *log;
    const struct cella_host_config *config;
    char cache[CELLA_HOST_PATH_MAX + 16];
    struct cella_owner owner; /* stream is NULL: nobody waits for an answer */
    struct cella_program program;
    struct event *timer;
    struct cella_bytes answer; /* head and the program's output */
    size_t sent;
    cella_status failed; /* why it was ended */
    bool busy;           /* from the start of a program to the end of both, it and its answer's stream */
    time_t hour;
    unsigned int count; /* in this hour */
};

/* ---- the answer ---- */

/* As much as there is room for. The stream may be gone afterwards. */
static void send_answer(struct cella_collateral *collateral)
{
    struct cella_peer *peer = collateral->owner.peer;
    struct cella_stream *stream = collateral->owner.stream;
    while (collateral->sent < collateral->answer.size) {
        size_t left = collateral->answer.size - collateral->sent;
        size_t size = left < PIECE ? left : PIECE;
        size_t accepted;
        if (!cella_link_room(peer->link, stream, size)) {
            return;
        }
        cella_status status =
            cella_link_send(peer->link, stream, cella_view_of(collateral->answer.data + collateral->sent, size), &accepted);
        if (status != CELLA_OK) {
            cella_peer_break(peer, status);
            return;
        }
        collateral->sent += accepted;
    }
    cella_peer_break(peer, cella_link_end(peer->link, stream));
}

static cella_status put_head(struct cella_collateral *collateral)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes head = { 0 };
    CELLA_TRY(cella_write_u32(&head, CELLA_OK));
    CELLA_TRY(cella_write_u64(&head, collateral->answer.size));
    CELLA_TRY(cella_bytes_append(&head, cella_bytes_view(&collateral->answer)));
    cella_bytes_take(&collateral->answer, &head);
    return CELLA_OK;
}

/* ---- the program ---- */

static cella_status result_of(const struct cella_collateral *collateral)
{
    int status = collateral->program.exit_status;
    if (collateral->failed != CELLA_OK) {
        return collateral->failed;
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) > 1) {
        return CELLA_SYSTEM_FAILED;
    }
    return WEXITSTATUS(status) == 0 ? CELLA_OK : CELLA_NOT_FOUND;
}

/* Once the program has ended and all that it said is here. */
static void consider_end(struct cella_collateral *collateral)
{
    if (!collateral->busy || !cella_program_is_over(&collateral->program)) {
        return;
    }
    cella_program_finish(&collateral->program);
    event_del(collateral->timer);
    collateral->busy = false;
    cella_status status = result_of(collateral);
    if (status == CELLA_OK) {
        status = put_head(collateral);
    }
    if (status != CELLA_OK) {
        cella_log_write(collateral->log, CELLA_LOG_WARNING, "no collateral was fetched: %s",
                        status == CELLA_NOT_FOUND ? "the lines before this one say why" : cella_status_text(status));
    }
    struct cella_peer *peer = collateral->owner.peer; /* the answer's end may be the stream's, and then this is forgotten */
    if (collateral->owner.stream == NULL) {
        cella_bytes_clear(&collateral->answer);
    } else if (status == CELLA_OK) {
        collateral->sent = 0;
        send_answer(collateral);
    } else {
        cella_peer_break(peer, cella_peer_answer(peer, collateral->owner.stream, status));
    }
}

/* End it; what it says from now on is of no interest. */
static void end_program(struct cella_collateral *collateral, cella_status why)
{
    collateral->failed = why;
    cella_program_end(&collateral->program);
}

static void on_output(evutil_socket_t descriptor, short what, void *context)
{
    struct cella_collateral *collateral = context;
    uint8_t piece[PIECE];
    (void) what;
    ssize_t count = read((int) descriptor, piece, sizeof(piece));
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (count <= 0) {
        cella_program_close_output(&collateral->program);
        consider_end(collateral);
        return;
    }
    cella_status status = collateral->answer.size + (size_t) count > CELLA_COLLATERAL_ANSWER_MAX
                              ? CELLA_TOO_LARGE
                              : cella_bytes_append(&collateral->answer, cella_view_of(piece, (size_t) count));
    if (status != CELLA_OK) {
        end_program(collateral, status);
        consider_end(collateral);
    }
}

static void on_timer(evutil_socket_t none, short what, void *context)
{
    (void) none;
    (void) what;
    end_program(context, CELLA_TIMEOUT);
    consider_end(context);
}

void cella_collateral_child(struct cella_collateral *collateral)
{
    if (cella_program_reap(&collateral->program)) {
        consider_end(collateral);
    }
}

/* ---- starting it ---- */

static cella_status start_program(struct cella_collateral *collateral, char *const *argv)
{
    const struct timeval patience = { CELLA_COLLATERAL_SECONDS + GRACE_S, 0 };
    CELLA_TRY(event_add(collateral->timer, &patience) != 0 ? CELLA_NO_MEMORY : CELLA_OK);
    cella_status status = cella_program_start(&collateral->program, argv, (struct cella_view){ 0 }, on_output, collateral);
    if (status != CELLA_OK) {
        event_del(collateral->timer);
    }
    return status == CELLA_BUSY ? CELLA_SYSTEM_FAILED : status;
}

/* The request's words are cut in place. Only lower-case letters and digits get onto a command line. */
static cella_status cut_words(char *line, char **words)
{
    size_t count = 0;
    if (line[strspn(line, "abcdefghijklmnopqrstuvwxyz0123456789 ")] != '\0') {
        return CELLA_BAD_FORMAT;
    }
    for (char *word = line; word != NULL;) {
        char *space = strchr(word, ' ');
        if (*word == ' ' || *word == '\0' || count == WORDS_MAX) {
            return CELLA_BAD_FORMAT;
        }
        words[count++] = word;
        word = space == NULL ? NULL : space + 1;
        if (space != NULL) {
            *space = '\0';
        }
    }
    words[count] = NULL;
    return CELLA_OK;
}

static void add_option(char **argv, size_t *count, const char *name, const char *value)
{
    if (value[0] != '\0') {
        argv[(*count)++] = (char *) name;
        argv[(*count)++] = (char *) value;
    }
}

static cella_status fetch(struct cella_collateral *collateral, char *line)
{
    const struct cella_host_config *config = collateral->config;
    char seconds[16];
    char *argv[OPTIONS_MAX + WORDS_MAX + 1];
    size_t count = 0;
    argv[count++] = (char *) config->collateral_program;
    snprintf(seconds, sizeof(seconds), "%d", CELLA_COLLATERAL_SECONDS);
    add_option(argv, &count, "--seconds", seconds);
    add_option(argv, &count, "--cache", collateral->cache);
    add_option(argv, &count, "--intel", config->collateral_intel);
    add_option(argv, &count, "--intel-root-crl", config->collateral_intel_root_crl);
    add_option(argv, &count, "--amd", config->collateral_amd);
    add_option(argv, &count, "--proxy", config->collateral_proxy);
    argv[count++] = (char *) "--";
    CELLA_TRY(cut_words(line, argv + count));
    CELLA_TRY(start_program(collateral, argv));
    collateral->busy = true;
    collateral->failed = CELLA_OK;
    collateral->answer.size = 0;
    return CELLA_OK;
}

/* ---- the stream ---- */

static void on_data(struct cella_owner *owner, struct cella_view bytes)
{
    (void) bytes;
    cella_peer_break(owner->peer, CELLA_BAD_FRAME);
}

static void on_nothing(struct cella_owner *owner)
{
    (void) owner;
}

static void on_writable(struct cella_owner *owner)
{
    struct cella_collateral *collateral =
        (struct cella_collateral *) (void *) ((char *) owner - offsetof(struct cella_collateral, owner));
    if (!collateral->busy) {
        send_answer(collateral);
    }
}

static void on_closed(struct cella_owner *owner, cella_status status)
{
    struct cella_collateral *collateral =
        (struct cella_collateral *) (void *) ((char *) owner - offsetof(struct cella_collateral, owner));
    (void) status;
    owner->stream = NULL;
    owner->peer = NULL;
    if (collateral->busy) {
        end_program(collateral, CELLA_CLOSED);
        consider_end(collateral);
    } else {
        cella_bytes_clear(&collateral->answer);
    }
}

static const struct cella_owner_class stream_class = {
    .data = on_data,
    .ended = on_nothing,
    .closed = on_closed,
    .writable = on_writable,
};

static bool too_often(struct cella_collateral *collateral)
{
    time_t hour = time(NULL) / 3600;
    if (hour != collateral->hour) {
        collateral->hour = hour;
        collateral->count = 0;
    }
    return ++collateral->count > CELLA_COLLATERAL_PER_HOUR;
}

bool cella_collateral_serve(struct cella_collateral *collateral, struct cella_peer *peer, struct cella_stream *stream,
                            enum cella_stream_kind kind, struct cella_view arguments)
{
    struct cella_reader reader = cella_reader_of(arguments);
    struct cella_view request;
    char line[CELLA_COLLATERAL_LINE_MAX + 1];
    if (kind != CELLA_STREAM_COLLATERAL || peer->role != CELLA_LINK_MONITOR ||
        cella_read_field(&reader, CELLA_COLLATERAL_LINE_MAX, &request) != CELLA_OK ||
        cella_reader_end(&reader) != CELLA_OK || memchr(request.data, '\0', request.size) != NULL) {
        return false;
    }
    if (collateral->busy || collateral->owner.stream != NULL || too_often(collateral)) {
        cella_peer_break(peer, cella_link_reset(peer->link, stream, CELLA_BUSY));
        return true;
    }
    snprintf(line, sizeof(line), "%.*s", (int) request.size, (const char *) request.data);
    cella_owner_claim(&collateral->owner, &stream_class, peer, stream);
    bool wanted = strcmp(collateral->config->collateral_program, "none") != 0;
    cella_status status = wanted ? fetch(collateral, line) : CELLA_NOT_FOUND;
    if (status != CELLA_OK) {
        cella_peer_break(peer, cella_peer_answer(peer, stream, status));
    }
    return true;
}

/* ---- life ---- */

cella_status cella_collateral_new(struct event_base *base, struct cella_log *log, const struct cella_host_config *config,
                                  const char *state, struct cella_collateral **out)
{
    struct cella_collateral *collateral = calloc(1, sizeof(*collateral));
    if (collateral == NULL) {
        return CELLA_NO_MEMORY;
    }
    *collateral = (struct cella_collateral){ .log = log, .config = config };
    collateral->program = cella_program_of(base, log, "collateral");
    snprintf(collateral->cache, sizeof(collateral->cache), "%s/collateral", state);
    collateral->timer = evtimer_new(base, on_timer, collateral);
    if (collateral->timer == NULL) {
        free(collateral);
        return CELLA_NO_MEMORY;
    }
    *out = collateral;
    return CELLA_OK;
}

void cella_collateral_free(struct cella_collateral *collateral)
{
    if (collateral == NULL) {
        return;
    }
    cella_program_release(&collateral->program);
    event_free(collateral->timer);
    cella_bytes_clear(&collateral->answer);
    free(collateral);
}
