/* SPDX-License-Identifier: Apache-2.0 */
#include "host/fetch.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/program.h"

#define PIECE CELLA_FRAME_MAX
#define GRACE_S 5 /* beyond what the program was given for itself; without a byte, and with room for some */
#define WORDS_MAX 512U /* places: more do not fit into the configuration's text */

/* One program, and the stream that it works for. */
struct fetch {
    struct cella_owner owner; /* first; owner.stream is NULL once the stream is gone */
    struct cella_fetcher *fetcher;
    struct cella_program program;
    struct event *timer;
    uint64_t size;
    bool begun;    /* the answer's head was sent */
    bool too_late;
    struct fetch *next;
};

struct cella_fetcher {
    struct event_base *base;
    struct cella_log *log;
    const struct cella_host_config *config;
    struct fetch *fetches;
    size_t count;
};

static void free_fetch(struct fetch *fetch)
{
    struct fetch **place = &fetch->fetcher->fetches;
    while (*place != NULL && *place != fetch) {
        place = &(*place)->next;
    }
    if (*place == fetch) {
        *place = fetch->next;
        fetch->fetcher->count--;
    }
    cella_program_release(&fetch->program);
    if (fetch->timer != NULL) {
        event_free(fetch->timer);
    }
    free(fetch);
}

/* ---- the answer ---- */

static cella_status send_head(struct fetch *fetch)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes head = { 0 };
    CELLA_TRY(cella_write_u32(&head, CELLA_OK));
    CELLA_TRY(cella_write_u64(&head, fetch->size));
    fetch->begun = true;
    return cella_link_answer(fetch->owner.peer->link, fetch->owner.stream, cella_bytes_view(&head));
}

/* What the program's exit status means (host/fetch.py). */
static cella_status result_of(const struct fetch *fetch)
{
    if (fetch->too_late) {
        return CELLA_PLACE_TIMEOUT;
    }
    int status = fetch->program.exit_status;
    switch (WIFEXITED(status) ? WEXITSTATUS(status) : -1) {
    case 0:
        return fetch->begun ? CELLA_OK : CELLA_PLACE_FAILED;
    case 3:
        return CELLA_PLACE_NOT_ALLOWED;
    case 4:
        return CELLA_PLACE_NOT_FOUND;
    case 5:
        return CELLA_PLACE_TOO_LARGE;
    case 6:
        return CELLA_PLACE_TIMEOUT;
    default:
        return CELLA_PLACE_FAILED;
    }
}

/* Once the program has ended and all that it said is here. The fetch is gone afterwards. */
static void consider_end(struct fetch *fetch)
{
    if (!cella_program_is_over(&fetch->program)) {
        return;
    }
    cella_program_finish(&fetch->program);
    cella_status status = result_of(fetch);
    struct cella_peer *peer = fetch->owner.peer;
    struct cella_stream *stream = fetch->owner.stream;
    if (stream == NULL) {
        free_fetch(fetch);
    } else if (status == CELLA_OK) {
        cella_peer_break(peer, cella_link_end(peer->link, stream)); /* it goes when the stream does */
    } else if (!fetch->begun) {
        cella_peer_break(peer, cella_peer_answer(peer, stream, status));
    } else {
        cella_status reset = cella_link_reset(peer->link, stream, status);
        free_fetch(fetch);
        cella_peer_break(peer, reset);
    }
}

/* ---- the program ---- */

static cella_status set_timer(struct fetch *fetch)
{
    const struct timeval patience = { fetch->fetcher->config->fetch_seconds + GRACE_S, 0 };
    return event_add(fetch->timer, &patience) == 0 ? CELLA_OK : CELLA_NO_MEMORY;
}

static void on_output(evutil_socket_t descriptor, short what, void *context)
{
    struct fetch *fetch = context;
    uint8_t piece[PIECE];
    size_t accepted;
    (void) what;
    if (fetch->owner.stream != NULL && !cella_link_room(fetch->owner.peer->link, fetch->owner.stream, sizeof(piece))) {
        (void) event_del(fetch->program.output_event); /* until writable */
        (void) event_del(fetch->timer);
        return;
    }
    ssize_t count = read((int) descriptor, piece, sizeof(piece));
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (count <= 0 || fetch->owner.stream == NULL) {
        cella_program_close_output(&fetch->program);
        consider_end(fetch);
        return;
    }
    struct cella_peer *peer = fetch->owner.peer;
    cella_status status = fetch->begun ? CELLA_OK : send_head(fetch);
    status = status == CELLA_OK ? cella_link_send(peer->link, fetch->owner.stream, cella_view_of(piece, (size_t) count),
                                                  &accepted)
                                : status;
    cella_peer_break(peer, status == CELLA_OK ? set_timer(fetch) : status);
}

static void on_timer(evutil_socket_t none, short what, void *context)
{
    struct fetch *fetch = context;
    (void) none;
    (void) what;
    fetch->too_late = true;
    cella_program_end(&fetch->program);
    consider_end(fetch);
}

void cella_fetcher_child(struct cella_fetcher *fetcher)
{
    for (struct fetch *fetch = fetcher->fetches, *next; fetch != NULL; fetch = next) {
        next = fetch->next;
        if (cella_program_reap(&fetch->program)) {
            consider_end(fetch);
        }
    }
}

/* ---- starting it ---- */

static cella_status start_program(struct fetch *fetch, char *const *argv, struct cella_view url)
{
    fetch->timer = evtimer_new(fetch->fetcher->base, on_timer, fetch);
    CELLA_TRY(fetch->timer == NULL ? CELLA_NO_MEMORY : set_timer(fetch));
    cella_status status = cella_program_start(&fetch->program, argv, url, on_output, fetch);
    return status == CELLA_SYSTEM_FAILED ? CELLA_PLACE_FAILED : status;
}

static cella_status start(struct fetch *fetch, struct cella_view url)
{
    const struct cella_host_config *config = fetch->fetcher->config;
    char places[sizeof(config->fetch_from)];
    char numbers[3][24];
    char *argv[16 + WORDS_MAX];
    size_t count = 0;
    char *rest = places;
    snprintf(places, sizeof(places), "%s", config->fetch_from);
    snprintf(numbers[0], sizeof(numbers[0]), "%llu", (unsigned long long) fetch->size);
    snprintf(numbers[1], sizeof(numbers[1]), "%lld", (long long) config->fetch_max_bytes);
    snprintf(numbers[2], sizeof(numbers[2]), "%lld", (long long) config->fetch_seconds);
    char *const fixed[] = { (char *) config->fetch_program, "--size", numbers[0], "--most", numbers[1], "--seconds", numbers[2] };
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
        argv[count++] = fixed[i];
    }
    if (config->fetch_private) {
        argv[count++] = "--private";
    }
    for (char *place = strtok_r(places, " ", &rest); place != NULL && count + 3 < sizeof(argv) / sizeof(argv[0]);
         place = strtok_r(NULL, " ", &rest)) {
        argv[count++] = "--from";
        argv[count++] = place;
    }
    argv[count] = NULL;
    return start_program(fetch, argv, url);
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
    struct fetch *fetch = (struct fetch *) owner;
    if (fetch->program.output_event != NULL && (event_add(fetch->program.output_event, NULL) != 0 || set_timer(fetch) != CELLA_OK)) {
        cella_peer_break(owner->peer, CELLA_NO_MEMORY);
    }
}

/* The stream is over, or nobody wants it any more. */
static void on_closed(struct cella_owner *owner, cella_status status)
{
    struct fetch *fetch = (struct fetch *) owner;
    (void) status;
    owner->stream = NULL;
    owner->peer = NULL;
    cella_program_end(&fetch->program);
    if (fetch->program.process == 0) {
        free_fetch(fetch);
    }
}

static const struct cella_owner_class stream_class = {
    .data = on_data,
    .ended = on_nothing,
    .closed = on_closed,
    .writable = on_writable,
};

static void serve(struct cella_fetcher *fetcher, struct cella_peer *peer, struct cella_stream *stream, struct cella_view url,
                  uint64_t size)
{
    struct fetch *fetch = fetcher->count < CELLA_FETCHES_MAX ? calloc(1, sizeof(*fetch)) : NULL;
    if (fetch == NULL) {
        cella_peer_break(peer, cella_link_reset(peer->link, stream, CELLA_BUSY));
        return;
    }
    *fetch = (struct fetch){ .fetcher = fetcher, .size = size, .next = fetcher->fetches };
    fetch->program = cella_program_of(fetcher->base, fetcher->log, "fetch");
    fetcher->fetches = fetch;
    fetcher->count++;
    cella_owner_claim(&fetch->owner, &stream_class, peer, stream);
    bool wanted = fetcher->config->fetch_from[0] != '\0' && strcmp(fetcher->config->fetch_program, "none") != 0;
    cella_status status = wanted ? start(fetch, url) : CELLA_PLACE_NOT_ALLOWED;
    if (status != CELLA_OK) {
        cella_peer_break(peer, cella_peer_answer(peer, stream, status));
    }
}

bool cella_fetcher_serve(struct cella_fetcher *fetcher, struct cella_peer *peer, struct cella_stream *stream,
                         enum cella_stream_kind kind, struct cella_view arguments)
{
    struct cella_reader reader = cella_reader_of(arguments);
    struct cella_view url;
    uint64_t size;
    if (kind != CELLA_STREAM_FETCH || peer->role != CELLA_LINK_COURIER ||
        cella_read_field(&reader, CELLA_FETCH_URL_MAX, &url) != CELLA_OK || cella_read_u64(&reader, &size) != CELLA_OK ||
        cella_reader_end(&reader) != CELLA_OK || url.size == 0 || memchr(url.data, '\n', url.size) != NULL) {
        return false;
    }
    serve(fetcher, peer, stream, url, size);
    return true;
}

/* ---- life ---- */

cella_status cella_fetcher_new(struct event_base *base, struct cella_log *log, const struct cella_host_config *config,
                               struct cella_fetcher **out)
{
    struct cella_fetcher *fetcher = calloc(1, sizeof(*fetcher));
    if (fetcher == NULL) {
        return CELLA_NO_MEMORY;
    }
    *fetcher = (struct cella_fetcher){ .base = base, .log = log, .config = config };
    *out = fetcher;
    return CELLA_OK;
}

void cella_fetcher_free(struct cella_fetcher *fetcher)
{
    while (fetcher != NULL && fetcher->fetches != NULL) {
        free_fetch(fetcher->fetches);
    }
    free(fetcher);
}
