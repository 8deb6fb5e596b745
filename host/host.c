/* SPDX-License-Identifier: Apache-2.0 */
#include "host/host.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/wire.h"
#include "host/launch.h"
#include "host/launch_view.h"
#include "host/links.h"
#include "host/ready.h"
#include "host/relay.h"
#include "host/state_folder.h"
#include "host/store.h"

#define RESTART_FIRST_S 1
#define RESTART_MAX_S 30
#define RESTART_CALM_S 60 /* an executor that ran so long is restarted without delay again */
#define EXIT_GRACE_S 5    /* from the end of the monitor's link to the end of its process */

enum signal_place {
    SIGNAL_CHILD,
    SIGNAL_TERM,
    SIGNAL_INT,
    SIGNAL_COUNT,
};

struct host {
    const struct cella_host_config *config;
    struct cella_log *log;
    struct event_base *base;
    struct cella_state_folder folder;
    struct cella_store *store;
    struct cella_relay *relay;
    struct cella_links *links;
    struct cella_executor executor;
    struct cella_log_lines lines;
    struct event *signals[SIGNAL_COUNT];
    struct event *voice;
    struct event *timer; /* restart, or the end of patience */
    struct cella_peer *monitor;
    struct cella_peer *front;
    bool reported; /* READY came from this executor */
    bool ever_ready;
    bool stopping;
    bool done;
    int exit_status;
    int delay_s;
    time_t started;
    char address[96];
};

static void stop_loop(struct host *host, int exit_status)
{
    host->done = true;
    host->exit_status = exit_status;
}

static void set_timer(struct host *host, int seconds)
{
    const struct timeval delay = { seconds, 0 };
    if (event_add(host->timer, &delay) != 0) {
        stop_loop(host, 1);
    }
}

/* ---- ready ---- */

static void announce(struct host *host)
{
    cella_log_write(host->log, CELLA_LOG_INFO, "ready: clients connect to %s", host->address);
    char line[128];
    int size = snprintf(line, sizeof(line), "%s\n", host->address);
    cella_status status =
        cella_state_folder_write(&host->folder, "address", cella_view_of(line, (size_t) size - 1));
    if (status != CELLA_OK) {
        cella_log_write(host->log, CELLA_LOG_WARNING, "address file not written: %s", strerror(errno));
    }
    if (!host->ever_ready && host->config->ready_fd >= 0) {
        (void) !write(host->config->ready_fd, line, (size_t) size);
        close(host->config->ready_fd);
    }
    host->ever_ready = true;
}

static void consider_ready(struct host *host)
{
    if (host->reported && host->front != NULL) {
        announce(host);
    }
}

static void write_trust_file(struct host *host, const struct cella_ready *ready)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    cella_status status = cella_ready_trust_file(ready, &text);
    if (status == CELLA_OK) {
        status = cella_state_folder_write(&host->folder, "trust.toml", cella_bytes_view(&text));
    }
    if (status != CELLA_OK) {
        cella_log_write(host->log, CELLA_LOG_ERROR, "trust file not written: %s", strerror(errno));
    }
}

static void on_report(struct host *host, struct cella_view note)
{
    struct cella_ready ready;
    if (cella_ready_parse(note, &ready) != CELLA_OK) {
        cella_log_write(host->log, CELLA_LOG_WARNING, "the executor's report is malformed and was ignored");
        return;
    }
    write_trust_file(host, &ready);
    cella_log_write(host->log, CELLA_LOG_INFO, "executor %s, version %s", ready.executor, ready.version);
    cella_log_write(host->log, CELLA_LOG_INFO, "measurement %s", ready.measurement);
    cella_log_write(host->log, CELLA_LOG_INFO, "state folder %s, trust file %s/trust.toml", host->folder.path,
                    host->folder.path);
    cella_log_write(host->log, CELLA_LOG_INFO,
                    "assurance level 2, soft: files are hashed and signed by software on this machine. For "
                    "development and tests; the operator of this machine could forge it");
    host->reported = true;
    consider_ready(host);
}

/* ---- what happens on links ---- */

static void on_greeted(void *context, struct cella_peer *peer)
{
    struct host *host = context;
    if (peer->role == CELLA_LINK_MONITOR) {
        host->monitor = peer;
    } else if (peer->role == CELLA_LINK_FRONT) {
        host->front = peer;
        cella_relay_set_front(host->relay, peer);
        consider_ready(host);
    }
}

static void on_lost(void *context, struct cella_peer *peer, cella_status status)
{
    struct host *host = context;
    if (status != CELLA_CLOSED) {
        cella_log_write(host->log, CELLA_LOG_WARNING, "a link was closed: %s", cella_status_text(status));
    }
    if (peer == host->front) {
        host->front = NULL;
        cella_relay_set_front(host->relay, NULL);
    }
    /* A monitor without its link is of no use, whatever it still does. */
    if (peer->role == CELLA_LINK_MONITOR) {
        host->monitor = NULL;
        set_timer(host, EXIT_GRACE_S);
    }
}

static void on_opened(void *context, struct cella_peer *peer, struct cella_stream *stream,
                      enum cella_stream_kind kind, struct cella_view arguments)
{
    struct host *host = context;
    (void) cella_store_serve(host->store, peer, stream, kind, arguments);
}

static void on_note(void *context, struct cella_peer *peer, enum cella_note_kind kind, struct cella_view payload)
{
    struct host *host = context;
    if (peer->role != CELLA_LINK_MONITOR) {
        return;
    }
    switch (kind) {
    case CELLA_NOTE_LOG:
    case CELLA_NOTE_DIED:
        cella_log_foreign(host->log, "executor", payload);
        break;
    case CELLA_NOTE_READY:
        on_report(host, payload);
        break;
    case CELLA_NOTE_DRAIN:
        break;
    }
}

static const struct cella_links_events links_events = {
    .greeted = on_greeted,
    .opened = on_opened,
    .note = on_note,
    .lost = on_lost,
};

/* ---- the executor's life ---- */

static void on_voice(evutil_socket_t voice, short what, void *context)
{
    struct host *host = context;
    uint8_t text[8192];
    (void) what;
    ssize_t size = read((int) voice, text, sizeof(text));
    if (size > 0) {
        cella_log_lines_add(&host->lines, host->log, "executor", cella_view_of(text, (size_t) size));
    } else if (size == 0 || (errno != EAGAIN && errno != EINTR)) {
        event_del(host->voice);
    }
}

/* What the programs wrote before they ended explains the end, so it is shown first. */
static void drain_voice(struct host *host)
{
    uint8_t text[8192];
    ssize_t size = read(host->executor.voice, text, sizeof(text));
    if (size > 0) {
        cella_log_lines_add(&host->lines, host->log, "executor", cella_view_of(text, (size_t) size));
    }
    cella_log_lines_add(&host->lines, host->log, "executor", (struct cella_view){ 0 });
}

/* Configuration for the monitor; nothing in it weakens a check that clients can not see. */
static cella_status write_configuration(const struct cella_host_config *config, struct cella_bytes *out)
{
    char text[128];
    snprintf(text, sizeof(text), "{\"pool\":%lld,\"allow_missing_layers\":%s,\"profiles\":[",
             (long long) config->pool, config->allow_missing_layers ? "true" : "false");
    CELLA_TRY(cella_bytes_append(out, cella_view_of_string(text)));
    for (size_t i = 0; i < config->profiles.count; i++) {
        CELLA_TRY(cella_bytes_append(out, cella_view_of_string(i == 0 ? "" : ",")));
        CELLA_TRY(cella_flat_json_write_text(out, config->profiles.items[i]));
    }
    return cella_bytes_append(out, cella_view_of_string("],\"programs\":\"" CELLA_VIEW_PROGRAMS "\"}"));
}

static cella_status start_executor(struct host *host)
{
    static const char *const argv[] = { "cella-monitor", NULL };
    char blame[CELLA_HOST_BLAME_MAX];
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes configuration = { 0 };
    CELLA_TRY(write_configuration(host->config, &configuration));
    const struct cella_launch launch = {
        .programs = host->config->programs,
        .argv = argv,
        .standard_out = -1,
        .seed = cella_view_of(host->folder.seed, sizeof(host->folder.seed)),
        .charter = cella_bytes_view(&host->folder.charter),
        .configuration = cella_bytes_view(&configuration),
    };
    cella_status status = cella_launch(&launch, &host->executor, blame);
    if (status != CELLA_OK) {
        cella_log_write(host->log, CELLA_LOG_ERROR, "executor not started: %s", blame);
        return status;
    }
    host->started = time(NULL);
    host->reported = false;
    int link = host->executor.link;
    host->executor.link = -1; /* the links close it */
    CELLA_TRY(cella_links_add(host->links, CELLA_LINK_MONITOR, link));
    CELLA_TRY(cella_links_watch_door(host->links, host->executor.door));
    host->voice = event_new(host->base, host->executor.voice, EV_READ | EV_PERSIST, on_voice, host);
    return host->voice != NULL && event_add(host->voice, NULL) == 0 ? CELLA_OK : CELLA_NO_MEMORY;
}

/* Tidy up after an executor that has ended, or that is to end now. */
static void clear_executor(struct host *host)
{
    cella_links_close_all(host->links);
    host->monitor = NULL;
    if (host->voice != NULL) {
        drain_voice(host);
        event_free(host->voice);
        host->voice = NULL;
    }
    cella_executor_clear(&host->executor);
    event_del(host->timer);
}

static void describe_end(int status, char out[64])
{
    if (WIFSIGNALED(status)) {
        snprintf(out, 64, "signal %d", WTERMSIG(status));
    } else {
        snprintf(out, 64, "exit status %d", WEXITSTATUS(status));
    }
}

static void restart_later(struct host *host, int status)
{
    char end[64];
    describe_end(status, end);
    if (!host->ever_ready) {
        cella_log_write(host->log, CELLA_LOG_ERROR, "cella-monitor ended before it was ready (%s)", end);
        stop_loop(host, 1);
        return;
    }
    bool calm = time(NULL) - host->started >= RESTART_CALM_S;
    host->delay_s = calm || host->delay_s == 0 ? RESTART_FIRST_S : 2 * host->delay_s;
    host->delay_s = host->delay_s > RESTART_MAX_S ? RESTART_MAX_S : host->delay_s;
    cella_log_write(host->log, CELLA_LOG_ERROR,
                    "cella-monitor died (%s) and the executor with it; restarted in %d s, with new keys: clients "
                    "have to connect anew, and what was only in its memory is lost",
                    end, host->delay_s);
    set_timer(host, host->delay_s);
}

static void on_child(evutil_socket_t signal_number, short what, void *context)
{
    struct host *host = context;
    int status = 0;
    (void) signal_number;
    (void) what;
    if (host->executor.process == 0 ||
        waitpid(host->executor.process, &status, WNOHANG) != host->executor.process) {
        return;
    }
    host->executor.process = 0;
    clear_executor(host);
    if (!host->stopping) {
        restart_later(host, status);
        return;
    }
    cella_log_write(host->log, CELLA_LOG_INFO, "the executor has ended");
    stop_loop(host, 0);
}

static void on_timer(evutil_socket_t none, short what, void *context)
{
    struct host *host = context;
    (void) none;
    (void) what;
    if (host->executor.process > 0) {
        cella_log_write(host->log, CELLA_LOG_WARNING,
                        host->stopping ? "running tasks did not end in time; ending them"
                                       : "cella-monitor closed its link; ending it");
        kill(host->executor.process, SIGKILL); /* SIGCHLD follows */
    } else if (start_executor(host) != CELLA_OK) {
        clear_executor(host);
        restart_later(host, 0);
    }
}

static void on_stop(evutil_socket_t signal_number, short what, void *context)
{
    struct host *host = context;
    (void) signal_number;
    (void) what;
    cella_relay_stop(host->relay);
    bool first = !host->stopping;
    host->stopping = true;
    if (host->executor.process == 0) {
        stop_loop(host, 0);
    } else if (first && host->monitor != NULL &&
               cella_link_note(host->monitor->link, CELLA_NOTE_DRAIN, (struct cella_view){ 0 }) == CELLA_OK) {
        cella_log_write(host->log, CELLA_LOG_INFO,
                        "stopping: no new tasks or connections; waiting for running tasks, at most %lld s",
                        (long long) host->config->drain_s);
        set_timer(host, (int) host->config->drain_s);
    } else {
        cella_log_write(host->log, CELLA_LOG_INFO, "stopping at once");
        kill(host->executor.process, SIGKILL);
    }
}

/* ---- setting up ---- */

static cella_status watch_signals(struct host *host)
{
    static const struct {
        int number;
        void (*handler)(evutil_socket_t, short, void *);
    } table[SIGNAL_COUNT] = { { SIGCHLD, on_child }, { SIGTERM, on_stop }, { SIGINT, on_stop } };
    for (size_t i = 0; i < SIGNAL_COUNT; i++) {
        host->signals[i] = evsignal_new(host->base, table[i].number, table[i].handler, host);
        if (host->signals[i] == NULL || event_add(host->signals[i], NULL) != 0) {
            return CELLA_NO_MEMORY;
        }
    }
    host->timer = evtimer_new(host->base, on_timer, host);
    return host->timer != NULL ? CELLA_OK : CELLA_NO_MEMORY;
}

/* Each client, link and transfer is a descriptor. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max < 4096 ? limit.rlim_max : 4096;
        (void) setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static cella_status listen_for_clients(struct host *host)
{
    char address[64];
    uint16_t port;
    CELLA_TRY(cella_host_address_split(host->config->listen, address, &port));
    cella_status status = cella_relay_new(host->base, host->log, address, port, &host->relay, host->address);
    if (status != CELLA_OK) {
        cella_log_write(host->log, CELLA_LOG_ERROR, "listen on %s: %s", host->config->listen,
                        status == CELLA_SYSTEM_FAILED ? strerror(errno) : "not an IP address and port");
    }
    return status;
}

static cella_status set_up(struct host *host)
{
    char blame[CELLA_HOST_BLAME_MAX];
    host->base = event_base_new();
    host->links = cella_links_new(host->base, &links_events, host);
    if (host->base == NULL || host->links == NULL) {
        return CELLA_NO_MEMORY;
    }
    raise_descriptor_limit();
    cella_status status = cella_state_folder_open(host->config->state, &host->folder, blame);
    if (status != CELLA_OK) {
        cella_log_write(host->log, CELLA_LOG_ERROR, "%s", blame);
        return status;
    }
    status = cella_store_open(host->folder.folder, (uint64_t) host->config->store_max_bytes, &host->store);
    if (status != CELLA_OK) {
        cella_log_write(host->log, CELLA_LOG_ERROR, "store: %s", strerror(errno));
        return status;
    }
    CELLA_TRY(watch_signals(host));
    CELLA_TRY(listen_for_clients(host));
    return start_executor(host);
}

static void tear_down(struct host *host)
{
    if (host->links != NULL && host->timer != NULL) {
        clear_executor(host);
    }
    cella_links_free(host->links);
    cella_relay_free(host->relay);
    cella_store_free(host->store);
    for (size_t i = 0; i < SIGNAL_COUNT; i++) {
        if (host->signals[i] != NULL) {
            event_free(host->signals[i]);
        }
    }
    if (host->timer != NULL) {
        event_free(host->timer);
    }
    if (host->folder.folder >= 0) {
        cella_state_folder_remove(&host->folder, "address");
    }
    cella_state_folder_close(&host->folder);
    if (host->base != NULL) {
        event_base_free(host->base);
    }
}

int cella_host_run(const struct cella_host_config *config, struct cella_log *log)
{
    struct host host = {
        .config = config,
        .log = log,
        .folder = { .folder = -1, .lock = -1 },
        .executor = { 0, -1, -1, -1 },
        .exit_status = 1,
    };
    if (set_up(&host) == CELLA_OK) {
        while (!host.done && event_base_loop(host.base, EVLOOP_ONCE) == 0) {
            cella_links_flush(host.links);
        }
    }
    tear_down(&host);
    return host.exit_status;
}
