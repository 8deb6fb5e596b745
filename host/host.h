/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The host: starts an executor, connects its links to clients and store, restarts it when it dies, tells the
 * operator what happens, and ends in order. It is not trusted by anybody with data; it can deny service and nothing
 * more.
 */

#include "host/config.h"
#include "host/log.h"

/* Run until a signal ends it, or it can not go on. Gives the exit status. */
int cella_host_run(const struct cella_host_config *config, struct cella_log *log);

/* Start the monitor only to print what it measures, on standard output. Gives the exit status. */
int cella_host_measure(const struct cella_host_config *config, struct cella_log *log);

/*
 * Say on standard output which assurance level this machine can reach, and what is missing for more (host/diagnosis.h).
 * Gives the exit status: 0 when an executor can serve with the configured platform.
 */
int cella_host_doctor(const struct cella_host_config *config, struct cella_log *log);
