/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The state folder, mode 0700, locked by one host at a time:
 *
 *   lock           held while a host runs
 *   soft_root.key  32 random bytes, 0600: the software root of this machine's soft evidence
 *   charter.json   the executor's charter; made once, then kept byte for byte
 *   store/         sealed objects (host/store.h)
 *   ledger.db*     the executor's sealed ledger and keys (host/ledger_store.h)
 *   groups         control groups of the running executor (host/groups.h)
 *   collateral/    what was fetched for the executor's clients (host/collateral.py)
 *   address        ADDR:PORT of the running host
 *   trust.toml     what a client needs to accept this executor
 */

#include "base/bytes.h"
#include "host/config.h"

#define CELLA_STATE_SEED_SIZE 32U
#define CELLA_STATE_CHARTER_MAX 65536U
#define CELLA_STATE_DEFAULT_CHARTER "{\"version\":1,\"enrol\":\"open\"}"

struct cella_state_folder {
    char path[CELLA_HOST_PATH_MAX]; /* absolute */
    int folder;                     /* descriptor; -1 when not open */
    int lock;
    uint8_t seed[CELLA_STATE_SEED_SIZE];
    struct cella_bytes charter;
};

/*
 * Open the folder, making it and what belongs in it where absent, and lock it.
 *
 * blame: on failure, what is wrong with which file
 * CELLA_EXISTS  another host has locked it; CELLA_SYSTEM_FAILED; CELLA_BAD_SIZE  a file has an impossible size
 */
CELLA_MUST_USE cella_status cella_state_folder_open(const char *path, struct cella_state_folder *out,
                                                    char blame[CELLA_HOST_BLAME_MAX]);
void cella_state_folder_close(struct cella_state_folder *folder);

/* A number that no other folder of this machine has. */
uint64_t cella_state_folder_number(const struct cella_state_folder *folder);

/* Replace a file in the folder so that readers see the old or the new content. CELLA_SYSTEM_FAILED */
CELLA_MUST_USE cella_status cella_state_folder_write(const struct cella_state_folder *folder, const char *name,
                                                     struct cella_view content);

/* Remove a file; that it is absent is fine. */
void cella_state_folder_remove(const struct cella_state_folder *folder, const char *name);
