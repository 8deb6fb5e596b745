/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What psi.c asks of the two ways to intersect: which of each party's ids all parties have. Ids are compared by 96 bits
 * of a keyed hash: with n ids in all, two different ones are taken for the same with probability below n^2 / 2^97.
 */

#include "builtins/hash.h"
#include "builtins/ids.h"
#include "builtins/output.h"

/* Ids are numbered in 32 bits. */
#define CELLA_PSI_IDS_MAX 0xffffffffU

/* Oblivious sorting pads all ids to the longest one, in bytes. */
#define CELLA_PSI_PADDED_MAX 1024U

struct cella_psi_party {
    struct cella_builtin_input *input;
    struct cella_view column; /* of the ids; empty for the first one */
    bool wanted;    /* flags are */
    bool once;      /* flag the first of equal ids only */
    uint64_t count; /* of lines or records, empty ids included; after the intersection */
    uint8_t *flags; /* count times '0' or '1', if wanted; owned */
};

struct cella_psi {
    struct cella_builtin_call *call;
    enum cella_ids_form form;
    struct cella_hash_key key;
    size_t party_count;
    struct cella_psi_party *parties;
    uint64_t common; /* how many different ids all parties have */
};

/* Takes a batch of a party: hashes[i] is that of id number before + i; ids of no bytes are to be passed over. */
typedef cella_status cella_psi_take(void *context, const struct cella_ids *ids, const struct cella_hash *hashes);

/*
 * Read the ids of a party, set its count.
 * CELLA_BUILTIN_FAILED for more than CELLA_PSI_IDS_MAX; otherwise as cella_ids_begin and cella_ids_next
 */
CELLA_MUST_USE cella_status cella_psi_read(struct cella_psi *psi, struct cella_psi_party *party, cella_psi_take *take,
                                           void *context);

/*
 * Fill flags of the parties that want them, and common. At memory speed; which memory is touched depends on the ids.
 * Errors of cella_psi_read; CELLA_NO_MEMORY, CELLA_CANCELLED.
 */
CELLA_MUST_USE cella_status cella_psi_fast(struct cella_psi *psi);

/*
 * The same, but which memory is touched in which order, and each branch, depends on sizes only: how many ids each
 * party has, where its lines end, and which lines are empty.
 */
CELLA_MUST_USE cella_status cella_psi_oblivious(struct cella_psi *psi);

/*
 * Write the flagged ids of the first party, sorted by bytes, to each output. Its input is in memory
 * (cella_builtin_input_all), its flags are there and were wanted once.
 *
 * oblivious:  touch memory independently of the ids and flags
 *
 * CELLA_BUILTIN_FAILED  oblivious: an id of more than CELLA_PSI_PADDED_MAX bytes
 * CELLA_NO_MEMORY, CELLA_CANCELLED, CELLA_LIMIT_OUTPUT, CELLA_SYSTEM_FAILED
 */
CELLA_MUST_USE cella_status cella_psi_write_ids(struct cella_psi *psi, bool oblivious,
                                                struct cella_builtin_outputs *outputs);
