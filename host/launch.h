/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Starting an executor on the `process` platform.
 *
 * The monitor becomes process 1 of its own user, pid, mount, network, IPC, UTS and control group namespaces, as an
 * unprivileged user, without capabilities. Its file system is a small read-only one (launch_view.h). When host or
 * monitor end, however they end, the kernel ends every process of the executor: nothing is left over.
 *
 * This is level 2: it protects the machine from the executor and tidies up after it. It protects nothing from the
 * machine's operator.
 */

#include <sys/types.h>

#include "base/bytes.h"
#include "host/config.h"
#include "host/devices.h"
#include "host/groups.h"

/* Where the monitor finds what it was given; docs/protocol.md section 9. */
#define CELLA_LAUNCH_LINK_FD 3
#define CELLA_LAUNCH_DOOR_FD 4
#define CELLA_LAUNCH_SEED_FD 5
#define CELLA_LAUNCH_CHARTER_FD 6
#define CELLA_LAUNCH_CONFIG_FD 7
#define CELLA_LAUNCH_FD_COUNT 5

/* What an executor is given. All borrowed. */
struct cella_launch {
    const char *programs;    /* folder with cella-monitor and the others */
    const char *const *argv; /* of the monitor, NULL-terminated */
    int standard_out;        /* -1: the same as standard error */
    struct cella_view seed;
    struct cella_view charter;
    struct cella_view configuration;
    const struct cella_groups *groups; /* NULL: the executor gets no control groups */
    const struct cella_devices *devices; /* NULL: it sees none to make evidence with */
};

/* A running executor, or a zeroed object with every descriptor -1. */
struct cella_executor {
    pid_t process; /* 0: none */
    int link;      /* the monitor's link, non-blocking */
    int door;      /* requests for further links, non-blocking */
    int voice;     /* its programs' standard error, non-blocking */
};

/*
 * Start one.
 *
 * blame: on failure, the step that failed and why
 * CELLA_SYSTEM_FAILED; CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_launch(const struct cella_launch *launch, struct cella_executor *out,
                                         char blame[CELLA_HOST_BLAME_MAX]);

/* Kill whatever is left of it, reap it and close the descriptors. */
void cella_executor_clear(struct cella_executor *executor);
