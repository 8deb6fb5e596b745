/* SPDX-License-Identifier: Apache-2.0 */
#include "host/host_state.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/wire.h"
#include "host/launch_view.h"

#define RESTART_FIRST_S 1
#define RESTART_MAX_S 30
#define RESTART_CALM_S 60 /* an executor that ran so long is restarted without delay again */
#define GROUPS_MS 200U    /* for the kernel to let go of an executor's control groups */
#define EXIT_GRACE_S 5    /* from the end of the monitor's link to the end of its process */

void cella_host_stop(struct cella_host *host, int exit_status)
{
    host->done = true;
    host->exit_status = exit_status;
}

static void set_timer(struct cella_host *host, int seconds)
{
    const struct timeval delay = { seconds, 0 };
    if (event_add(host->timer, &delay) != 0) {
        cella_host_stop(host, 1);
    }
}

/* ---- what happens on links ---- */

static void on_greeted(void *context, struct cella_peer *peer)
{
    struct cella_host *host = context;
    if (peer->role == CELLA_LINK_MONITOR) {
        host->monitor = peer;
    } else if (peer->role == CELLA_LINK_FRONT) {
        host->front = peer;
        cella_relay_set_front(host->relay, peer);
        cella_host_consider_ready(host);
    }
}

static void on_lost(void *context, struct cella_peer *peer, cella_status status)
{
    struct cella_host *host = context;
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
    struct cella_host *host = context;
    if (!cella_store_serve(host->store, peer, stream, kind, arguments) &&
        !cella_fetcher_serve(host->fetcher, peer, stream, kind, arguments)) {
        (void) cella_collateral_serve(host->collateral, peer, stream, kind, arguments);
    }
}

static void on_note(void *context, struct cella_peer *peer, enum cella_note_kind kind, struct cella_view payload)
{
    struct cella_host *host = context;
    if (peer->role != CELLA_LINK_MONITOR) {
        return;
    }
    switch (kind) {
    case CELLA_NOTE_LOG:
        cella_log_foreign(host->log, CELLA_LOG_INFO, "executor", payload);
        break;
    case CELLA_NOTE_DIED:
        cella_log_foreign(host->log, CELLA_LOG_WARNING, "executor", payload);
        break;
    case CELLA_NOTE_FAILED:
        cella_log_foreign(host->log, CELLA_LOG_ERROR, "executor", payload);
        break;
    case CELLA_NOTE_READY:
        cella_host_report(host, payload);
        break;
    case CELLA_NOTE_DRAIN:
        break;
    }
}

static bool on_ledger(void *context, int end)
{
    struct cella_host *host = context;
    return cella_ledger_process_link(&host->ledger, end);
}

const struct cella_links_events cella_host_links_events = {
    .ledger = on_ledger,
    .greeted = on_greeted,
    .opened = on_opened,
    .note = on_note,
    .lost = on_lost,
};

/* ---- the executor's life ---- */

static void on_voice(evutil_socket_t voice, short what, void *context)
{
    struct cella_host *host = context;
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
static void drain_voice(struct cella_host *host)
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
    char text[256];
    char concurrency[48] = "";
    if (config->concurrency > 0) {
        snprintf(concurrency, sizeof(concurrency), "\"concurrency\":%lld,", (long long) config->concurrency);
    }
    snprintf(text, sizeof(text),
             "{\"pool\":%lld,\"pool_memory_bytes\":%lld,\"recycle\":%lld,%s\"allow_missing_layers\":%s,"
             "\"platform\":\"%s\",\"profiles\":[",
             (long long) config->pool, (long long) config->pool_memory_bytes, (long long) config->recycle, concurrency,
             config->allow_missing_layers ? "true" : "false", config->platform);
    CELLA_TRY(cella_bytes_append(out, cella_view_of_string(text)));
    for (size_t i = 0; i < config->profiles.count; i++) {
        CELLA_TRY(cella_bytes_append(out, cella_view_of_string(i == 0 ? "" : ",")));
        CELLA_TRY(cella_flat_json_write_text(out, config->profiles.items[i]));
    }
    return cella_bytes_append(out, cella_view_of_string("],\"programs\":\"" CELLA_VIEW_PROGRAMS "\"}"));
}

cella_status cella_host_start_executor(struct cella_host *host)
{
    static const char *const argv[] = { "cella-monitor", NULL };
    char blame[CELLA_HOST_BLAME_MAX];
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes configuration = { 0 };
    CELLA_TRY(write_configuration(host->config, &configuration));
    cella_groups_make(&host->groups);
    cella_devices_open(host->config->platform, cella_state_folder_number(&host->folder), &host->devices);
    const struct cella_launch launch = {
        .programs = host->config->programs,
        .argv = argv,
        .standard_out = -1,
        .seed = cella_view_of(host->folder.seed, sizeof(host->folder.seed)),
        .charter = cella_bytes_view(&host->folder.charter),
        .configuration = cella_bytes_view(&configuration),
        .groups = &host->groups,
        .devices = &host->devices,
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
void cella_host_clear_executor(struct cella_host *host)
{
    cella_links_close_all(host->links);
    host->monitor = NULL;
    if (host->voice != NULL) {
        drain_voice(host);
        event_free(host->voice);
        host->voice = NULL;
    }
    cella_executor_clear(&host->executor);
    /* It has been reaped, and as first process of its namespace it was the last one there. */
    (void) cella_groups_remove(&host->groups, GROUPS_MS);
    cella_devices_close(&host->devices);
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

static void restart_later(struct cella_host *host, int status)
{
    char end[64];
    describe_end(status, end);
    if (!host->ever_ready) {
        cella_log_write(host->log, CELLA_LOG_ERROR, "cella-monitor ended before it was ready (%s)", end);
        cella_host_stop(host, 1);
        return;
    }
    bool calm = time(NULL) - host->started >= RESTART_CALM_S;
    host->delay_s = calm || host->delay_s == 0 ? RESTART_FIRST_S : 2 * host->delay_s;
    host->delay_s = host->delay_s > RESTART_MAX_S ? RESTART_MAX_S : host->delay_s;
    cella_log_write(host->log, CELLA_LOG_ERROR,
                    "cella-monitor died (%s) and the executor with it; restarted in %d s; tasks that ran "
                    "have failed, everything else comes back from the ledger",
                    end, host->delay_s);
    set_timer(host, host->delay_s);
}

void cella_host_on_child(evutil_socket_t signal_number, short what, void *context)
{
    struct cella_host *host = context;
    int status = 0;
    (void) signal_number;
    (void) what;
    cella_collateral_child(host->collateral);
    cella_fetcher_child(host->fetcher);
    (void) cella_ledger_process_reap(&host->ledger);
    if (host->executor.process == 0 ||
        waitpid(host->executor.process, &status, WNOHANG) != host->executor.process) {
        return;
    }
    host->executor.process = 0;
    cella_host_clear_executor(host);
    if (!host->stopping) {
        restart_later(host, status);
        return;
    }
    cella_log_write(host->log, CELLA_LOG_INFO, "the executor has ended");
    cella_host_stop(host, 0);
}

void cella_host_on_timer(evutil_socket_t none, short what, void *context)
{
    struct cella_host *host = context;
    (void) none;
    (void) what;
    if (host->executor.process > 0) {
        cella_log_write(host->log, CELLA_LOG_WARNING,
                        host->stopping ? "running tasks did not end in time; ending them"
                                       : "cella-monitor closed its link; ending it");
        kill(host->executor.process, SIGKILL); /* SIGCHLD follows */
    } else if (cella_host_start_executor(host) != CELLA_OK) {
        cella_host_clear_executor(host);
        restart_later(host, 0);
    }
}

void cella_host_on_stop(evutil_socket_t signal_number, short what, void *context)
{
    struct cella_host *host = context;
    (void) signal_number;
    (void) what;
    cella_relay_stop(host->relay);
    bool first = !host->stopping;
    host->stopping = true;
    if (host->executor.process == 0) {
        cella_host_stop(host, 0);
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
