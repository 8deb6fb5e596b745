/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * From records to state: opens them one after the other, checks the chain and applies the events. A change whose last
 * record is missing did not happen: its records stay in the chain, and count for nothing once the executor was started
 * again (CELLA_EVENT_EPOCH).
 */

#include "monitor/chain.h"
#include "monitor/state.h"

/* What the first record says. */
struct cella_genesis {
    struct cella_bytes charter;
    char executor[CELLA_THUMBPRINT_SIZE + 1];
};

/* What the ledger's last start has noted. */
struct cella_opened {
    bool anchored;
    uint8_t found[CELLA_SHA256_SIZE]; /* the platform's anchor (ledger_anchor.h) */
    uint8_t hash[CELLA_SHA256_SIZE];  /* of the record */
};

struct cella_replay_change;

struct cella_replay {
    struct cella_record_reader *reader;
    struct cella_state *state; /* the caller's */
    struct cella_chain chain;
    struct cella_genesis genesis;
    uint8_t tag[CELLA_GCM_TAG_SIZE]; /* how the last record ends */
    uint64_t epochs;           /* starts of the executor so far */
    struct cella_opened opened;
    struct cella_replay_change *changes; /* of a change whose end has not come */
    struct cella_replay_change *last_change;
    struct cella_bytes plain;
};

/* ledger_key, state: state is empty and outlives the replay. CELLA_NO_MEMORY */
CELLA_MUST_USE cella_status cella_replay_begin(struct cella_replay *replay, const struct cella_secret *ledger_key,
                                               struct cella_state *state);
void cella_replay_clear(struct cella_replay *replay);

/*
 * The next record; untrusted.
 * CELLA_BAD_VERSION  made by a newer Cella; also an event that this one does not know
 * CELLA_BAD_LEDGER   it is not the next one, does not open, or its event does not fit the state
 * CELLA_NO_MEMORY, CELLA_CRYPTO_FAILED
 */
CELLA_MUST_USE cella_status cella_replay_record(struct cella_replay *replay, struct cella_view sealed);
