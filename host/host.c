/* SPDX-License-Identifier: Apache-2.0 */
#include "host/host_state.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#define LEFTOVER_MS 3000U /* for the processes of a killed host's executor to end */

static cella_status watch_signals(struct cella_host *host)
{
    static const struct {
        int number;
        void (*handler)(evutil_socket_t, short, void *);
    } table[SIGNAL_COUNT] = { { SIGCHLD, cella_host_on_child }, { SIGTERM, cella_host_on_stop }, { SIGINT, cella_host_on_stop } };
    for (size_t i = 0; i < SIGNAL_COUNT; i++) {
        host->signals[i] = evsignal_new(host->base, table[i].number, table[i].handler, host);
        if (host->signals[i] == NULL || event_add(host->signals[i], NULL) != 0) {
            return CELLA_NO_MEMORY;
        }
    }
    host->timer = evtimer_new(host->base, cella_host_on_timer, host);
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

static cella_status listen_for_clients(struct cella_host *host)
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

static void on_stored(evutil_socket_t descriptor, short what, void *context)
{
    struct cella_host *host = context;
    (void) descriptor;
    (void) what;
    cella_store_proceed(host->store);
}

static cella_status open_store(struct cella_host *host)
{
    cella_status status =
        cella_store_open(host->folder.folder, (uint64_t) host->config->store_max_bytes, &host->store);
    if (status != CELLA_OK) {
        cella_log_write(host->log, CELLA_LOG_ERROR, "store: %s", strerror(errno));
        return status;
    }
    host->stored =
        event_new(host->base, cella_store_descriptor(host->store), EV_READ | EV_PERSIST, on_stored, host);
    return host->stored != NULL && event_add(host->stored, NULL) == 0 ? CELLA_OK : CELLA_NO_MEMORY;
}

static cella_status start_ledger(struct cella_host *host)
{
    host->ledger.program = host->config->ledger_program;
    host->ledger.folder = host->folder.path;
    host->ledger.max_bytes = (uint64_t) host->config->ledger_max_bytes;
    host->ledger.log = host->log;
    return cella_ledger_process_start(&host->ledger);
}

/* What an earlier host left when it was killed goes first: its executor is gone, or about to. */
static void find_groups(struct cella_host *host)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes mounts = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes own = { 0 };
    if (cella_control_group_read_own(&mounts, &own) != CELLA_OK) {
        cella_bytes_clear(&mounts);
    }
    cella_groups_open(&host->folder, cella_bytes_view(&mounts), cella_bytes_view(&own), &host->groups);
    if (!cella_groups_remove(&host->groups, LEFTOVER_MS)) {
        cella_log_write(host->log, CELLA_LOG_WARNING,
                        "control groups of an earlier executor can not be removed; they are in the file %s/%s",
                        host->folder.path, CELLA_GROUPS_RECORD);
    }
}

static cella_status set_up(struct cella_host *host)
{
    char blame[CELLA_HOST_BLAME_MAX];
    host->base = event_base_new();
    host->links = cella_links_new(host->base, &cella_host_links_events, host);
    if (host->base == NULL || host->links == NULL) {
        return CELLA_NO_MEMORY;
    }
    raise_descriptor_limit();
    cella_status status = cella_state_folder_open(host->config->state, &host->folder, blame);
    if (status != CELLA_OK) {
        cella_log_write(host->log, CELLA_LOG_ERROR, "%s", blame);
        return status;
    }
    CELLA_TRY(open_store(host));
    CELLA_TRY(cella_collateral_new(host->base, host->log, host->config, host->folder.path, &host->collateral));
    CELLA_TRY(cella_fetcher_new(host->base, host->log, host->config, &host->fetcher));
    CELLA_TRY(start_ledger(host));
    find_groups(host);
    CELLA_TRY(watch_signals(host));
    CELLA_TRY(listen_for_clients(host));
    return cella_host_start_executor(host);
}

static void tear_down(struct cella_host *host)
{
    if (host->links != NULL && host->timer != NULL) {
        cella_host_clear_executor(host);
    }
    cella_links_free(host->links);
    cella_relay_free(host->relay);
    cella_collateral_free(host->collateral);
    cella_fetcher_free(host->fetcher);
    if (host->stored != NULL) {
        event_free(host->stored);
    }
    cella_store_free(host->store);
    if (!cella_ledger_process_end(&host->ledger)) {
        cella_log_write(host->log, CELLA_LOG_WARNING, "the ledger's process did not end in order; nothing acknowledged is lost");
    }
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
    struct cella_host host = {
        .config = config,
        .log = log,
        .folder = { .folder = -1, .lock = -1 },
        .ledger = { .control = -1 },
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
