/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Copies of a state folder: charter, software root, ledger with the sealed keys, and every object. A copy is taken while no
 * host runs (the folder's lock is held), so that all parts of it belong together. It appears under its name when it is
 * complete and on disk, or not at all. Everything in it is as sealed as it was.
 */

#include "host/config.h"
#include "host/log.h"

/* Copy config->state to config->copy, which must not exist. Gives the exit status. */
int cella_host_backup(const struct cella_host_config *config, struct cella_log *log);

/*
 * Copy config->copy to config->state, which must not exist: what is there already is never overwritten. Whether the copy is
 * old can not be seen from it; clients see it (ROLLBACK), and the log says so. Gives the exit status.
 */
int cella_host_restore(const struct cella_host_config *config, struct cella_log *log);
