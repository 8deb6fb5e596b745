/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the host hands over at the start (docs/protocol.md section 9), read strictly: the host is not trusted to be
 * right.
 */

#include "monitor/monitor.h"

#define CELLA_MONITOR_LINK_FD 3
#define CELLA_MONITOR_DOOR_FD 4
#define CELLA_MONITOR_ROOT_FD 5
#define CELLA_MONITOR_CHARTER_FD 6
#define CELLA_MONITOR_CONFIG_FD 7

/* {"pool", "pool_memory_bytes", "recycle", "concurrency", "allow_missing_layers", "profiles", "programs"}. CELLA_BAD_FIELD and those of trust/json.h */
CELLA_MUST_USE cella_status cella_setup_config(struct cella_view json, struct cella_config *out);

/* {"version": 1, "enrol": "open" | "closed"}; the text is kept byte for byte. */
CELLA_MUST_USE cella_status cella_setup_charter(struct cella_view json, struct cella_charter *out);

/* Read the three descriptors into the monitor and close them. */
CELLA_MUST_USE cella_status cella_setup_read(struct cella_monitor *monitor);
