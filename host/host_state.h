/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a running host is made of. For host.c, host_life.c and host_ready.c only.
 */

#include <time.h>

#include "host/collateral.h"
#include "host/fetch.h"
#include "host/devices.h"
#include "host/host.h"
#include "host/launch.h"
#include "host/ledger.h"
#include "host/links.h"
#include "host/relay.h"
#include "host/state_folder.h"
#include "host/store.h"

enum cella_host_signal {
    SIGNAL_CHILD,
    SIGNAL_TERM,
    SIGNAL_INT,
    SIGNAL_COUNT,
};

struct cella_host {
    const struct cella_host_config *config;
    struct cella_log *log;
    struct event_base *base;
    struct cella_state_folder folder;
    struct cella_store *store;
    struct cella_collateral *collateral;
    struct cella_fetcher *fetcher;
    struct cella_ledger_process ledger;
    struct cella_relay *relay;
    struct cella_links *links;
    struct cella_groups groups;
    struct cella_devices devices;
    struct cella_executor executor;
    struct cella_log_lines lines;
    struct event *signals[SIGNAL_COUNT];
    struct event *voice;
    struct event *stored; /* something has reached the disk */
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

/* End the event loop after this round. */
void cella_host_stop(struct cella_host *host, int exit_status);

/* ---- host_ready.c ---- */

/* The monitor's READY note. Untrusted. */
void cella_host_report(struct cella_host *host, struct cella_view note);

/* Tell the operator, once both the report and the front's link are there. */
void cella_host_consider_ready(struct cella_host *host);

/* ---- host_life.c ---- */

extern const struct cella_links_events cella_host_links_events;

/* CELLA_SYSTEM_FAILED, CELLA_NO_MEMORY; the log says why */
CELLA_MUST_USE cella_status cella_host_start_executor(struct cella_host *host);

/* Tidy up after an executor that has ended, or that is to end now. */
void cella_host_clear_executor(struct cella_host *host);

/* Event handlers; context is the host. */
void cella_host_on_child(evutil_socket_t signal_number, short what, void *context);
void cella_host_on_timer(evutil_socket_t none, short what, void *context);
void cella_host_on_stop(evutil_socket_t signal_number, short what, void *context);
