/* SPDX-License-Identifier: Apache-2.0 */
#include "host/collateral.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/wire.h"

#define WORDS_MAX 16
#define OPTIONS_MAX 16
#define PIECE 65536U
#define GRACE_S 3 /* beyond what the program was given, before it is killed */

struct cella_collateral {
    struct event_base *base;
    struct cella_log *log;
    const struct cella_host_config *config;
    char cache[CELLA_HOST_PATH_MAX + 16];
    struct cella_owner owner; /* stream is NULL: nobody waits for an answer */
    pid_t process;            /* 0: none runs */
    int exit_status;          /* of waitpid, once process is 0 */
    int output;               /* -1 after its end */
    int voice;
    struct event *output_event;
    struct event *voice_event;
    struct event *timer;
    struct cella_log_lines lines;
    struct cella_bytes answer; /* head and the program's output */
    size_t sent;
    cella_status failed; /* why it was ended */
    bool busy;           /* from the start of a program to the end of both, it and its answer's stream */
    time_t hour;
    unsigned int count; /* in this hour */
};

extern char **environ; /* NOLINT: proxies and certificates are said there */

/* ---- the answer ---- */

static void break_peer(struct cella_peer *peer, cella_status status)
{
    if (peer->broken == CELLA_OK) {
        peer->broken = status;
    }
}

static cella_status send_status(struct cella_peer *peer, struct cella_stream *stream, cella_status result)
{
    const uint8_t text[4] = { 0, 0, (uint8_t) ((unsigned int) result >> 8), (uint8_t) result };
    CELLA_TRY(cella_link_answer(peer->link, stream, cella_view_of(text, sizeof(text))));
    return cella_link_end(peer->link, stream);
}

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
            break_peer(peer, status);
            return;
        }
        collateral->sent += accepted;
    }
    break_peer(peer, cella_link_end(peer->link, stream));
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

static void close_pipe(int *descriptor, struct event **event)
{
    if (*event != NULL) {
        event_free(*event);
        *event = NULL;
    }
    if (*descriptor >= 0) {
        close(*descriptor);
        *descriptor = -1;
    }
}

static cella_status result_of(const struct cella_collateral *collateral)
{
    int status = collateral->exit_status;
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
    if (!collateral->busy || collateral->process != 0 || collateral->output >= 0) {
        return;
    }
    close_pipe(&collateral->voice, &collateral->voice_event);
    cella_log_lines_add(&collateral->lines, collateral->log, "collateral", (struct cella_view){ 0 });
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
        break_peer(peer, send_status(peer, collateral->owner.stream, status));
    }
}

/* End it; what it says from now on is of no interest. */
static void end_program(struct cella_collateral *collateral, cella_status why)
{
    collateral->failed = why;
    close_pipe(&collateral->output, &collateral->output_event);
    if (collateral->process > 0) {
        kill(collateral->process, SIGKILL); /* SIGCHLD follows */
    }
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
        close_pipe(&collateral->output, &collateral->output_event);
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

/* False when there is nothing more at the moment. */
static bool hear(struct cella_collateral *collateral)
{
    uint8_t text[4096];
    ssize_t count = read(collateral->voice, text, sizeof(text));
    if (count > 0) {
        cella_log_lines_add(&collateral->lines, collateral->log, "collateral", cella_view_of(text, (size_t) count));
    } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
        event_del(collateral->voice_event);
    }
    return count > 0;
}

static void on_voice(evutil_socket_t descriptor, short what, void *context)
{
    (void) descriptor;
    (void) what;
    (void) hear(context);
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
    if (collateral->process > 0 && waitpid(collateral->process, &collateral->exit_status, WNOHANG) == collateral->process) {
        collateral->process = 0;
        while (hear(collateral)) { /* its last words come before what becomes of them */
        }
        consider_end(collateral);
    }
}

/* ---- starting it ---- */

static cella_status watch(struct cella_collateral *collateral, int descriptor, event_callback_fn what, struct event **out)
{
    *out = event_new(collateral->base, descriptor, EV_READ | EV_PERSIST, what, collateral);
    return *out != NULL && fcntl(descriptor, F_SETFL, O_NONBLOCK) == 0 && event_add(*out, NULL) == 0 ? CELLA_OK
                                                                                                    : CELLA_NO_MEMORY;
}

static cella_status spawn(struct cella_collateral *collateral, char *const *argv, const int ends[2])
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t pipe_signal;
    sigset_t none;
    sigemptyset(&none);
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    if (posix_spawn_file_actions_init(&actions) != 0) {
        return CELLA_NO_MEMORY;
    }
    if (posix_spawnattr_init(&attributes) != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return CELLA_NO_MEMORY;
    }
    bool good = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0) == 0 &&
                posix_spawn_file_actions_adddup2(&actions, ends[0], 1) == 0 &&
                posix_spawn_file_actions_adddup2(&actions, ends[1], 2) == 0 &&
                posix_spawn_file_actions_addclosefrom_np(&actions, 3) == 0 &&
                posix_spawnattr_setsigmask(&attributes, &none) == 0 &&
                posix_spawnattr_setsigdefault(&attributes, &pipe_signal) == 0 &&
                posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF) == 0;
    int failed = good ? posix_spawn(&collateral->process, argv[0], &actions, &attributes, argv, environ) : ENOMEM;
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (failed != 0) {
        collateral->process = 0;
        cella_log_write(collateral->log, CELLA_LOG_WARNING, "collateral_program: %s: %s", argv[0], strerror(failed));
        return CELLA_SYSTEM_FAILED;
    }
    return CELLA_OK;
}

static cella_status start_program(struct cella_collateral *collateral, char *const *argv)
{
    const struct timeval patience = { CELLA_COLLATERAL_SECONDS + GRACE_S, 0 };
    int output[2];
    int voice[2];
    if (pipe2(output, O_CLOEXEC) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    if (pipe2(voice, O_CLOEXEC) != 0) {
        close(output[0]);
        close(output[1]);
        return CELLA_SYSTEM_FAILED;
    }
    collateral->output = output[0];
    collateral->voice = voice[0];
    const int ends[2] = { output[1], voice[1] };
    cella_status status = watch(collateral, output[0], on_output, &collateral->output_event);
    status = status == CELLA_OK ? watch(collateral, voice[0], on_voice, &collateral->voice_event) : status;
    status = status == CELLA_OK && event_add(collateral->timer, &patience) != 0 ? CELLA_NO_MEMORY : status;
    status = status == CELLA_OK ? spawn(collateral, argv, ends) : status;
    close(output[1]);
    close(voice[1]);
    if (status != CELLA_OK) {
        event_del(collateral->timer);
        close_pipe(&collateral->output, &collateral->output_event);
        close_pipe(&collateral->voice, &collateral->voice_event);
    }
    return status;
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
    break_peer(owner->peer, CELLA_BAD_FRAME);
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
        break_peer(peer, cella_link_reset(peer->link, stream, CELLA_BUSY));
        return true;
    }
    snprintf(line, sizeof(line), "%.*s", (int) request.size, (const char *) request.data);
    cella_owner_claim(&collateral->owner, &stream_class, peer, stream);
    bool wanted = strcmp(collateral->config->collateral_program, "none") != 0;
    cella_status status = wanted ? fetch(collateral, line) : CELLA_NOT_FOUND;
    if (status != CELLA_OK) {
        break_peer(peer, send_status(peer, stream, status));
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
    *collateral = (struct cella_collateral){ .base = base, .log = log, .config = config, .output = -1, .voice = -1 };
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
    if (collateral->process > 0) {
        kill(collateral->process, SIGKILL);
        while (waitpid(collateral->process, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    close_pipe(&collateral->output, &collateral->output_event);
    close_pipe(&collateral->voice, &collateral->voice_event);
    event_free(collateral->timer);
    cella_bytes_clear(&collateral->answer);
    free(collateral);
}
