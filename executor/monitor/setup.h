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

/*
 * {"pool", "pool_memory_bytes", "recycle", "concurrency", "allow_missing_layers", "platform", "profiles",
 * "programs"}.
 * CELLA_BAD_FIELD and those of trust/json.h; error names the member.
 */
CELLA_MUST_USE cella_status cella_setup_config(struct cella_view json, struct cella_json_error *error,
                                               struct cella_config *out);

/*
 * The charter (docs/operations.md lists its members); the text is kept byte for byte.
 * CELLA_BAD_FIELD and those of trust/json.h; error names the member.
 */
CELLA_MUST_USE cella_status cella_setup_charter(struct cella_view json, struct cella_json_error *error,
                                                struct cella_charter *out);

/*
 * Nobody is promised more memory than there is: lower the charter's memory_bytes to machine_bytes, rounded down to
 * MiB. True if it was more.
 */
bool cella_setup_fit_memory(struct cella_charter *charter, uint64_t machine_bytes);

/* Bytes of memory of this machine. */
uint64_t cella_setup_machine_memory(void);

/*
 * Read configuration and charter from their descriptors into the monitor and close them.
 *
 * what: names what is wrong: "the host's configuration" or "charter.json"; error its member, empty if there is
 * none.
 */
CELLA_MUST_USE cella_status cella_setup_read(struct cella_monitor *monitor, const char **what,
                                             struct cella_json_error *error);
