/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a back-end of the platform is: a const table of what it can do, in one file per interface. platform.c owns the
 * choice among them and what all have in common.
 */

#include "platform/platform.h"

struct cella_platform_back_end {
    const char *name;
    enum cella_evidence_type type; /* NONE: it depends on the machine; look and open say which */
    int level;                     /* the highest that its evidence can reach */

    /* Is it there? finding has name, type, level and seals of this table; fill in usable and why, correct the others. */
    void (*look)(const struct cella_platform_setup *setup, struct cella_platform_finding *finding);

    /* After look said that it is usable. state: the back-end's own, passed to the others. NULL: it needs none. */
    cella_status (*open)(const struct cella_platform_setup *setup, void **state);
    void (*close)(void *state);

    /* As cella_platform_evidence, which then compares what the evidence is bound to. Called by one thread at a time. */
    cella_status (*evidence)(void *state, const struct cella_platform_setup *setup,
                             const uint8_t report_data[CELLA_REPORT_DATA_SIZE], struct cella_view nonce,
                             struct cella_bytes *evidence, struct cella_bytes *endorsements);

    /*
     * Sealing: either a key that only the same software on the same machine gets (CELLA_SEALING_KEY_SIZE bytes, the same
     * each time), from which platform.c seals, or both of the others. All NULL: it can not seal.
     */
    cella_status (*sealing_key)(void *state, const struct cella_platform_setup *setup, struct cella_secret *key);
    cella_status (*seal)(void *state, const char *purpose, const struct cella_secret *secret,
                         struct cella_bytes *sealed);
    cella_status (*unseal)(void *state, const char *purpose, struct cella_view sealed, struct cella_secret *secret);

    /* As cella_platform_anchor, cella_platform_anchor_new, cella_platform_anchor_extend. All NULL: it has no anchors. */
    cella_status (*anchor)(void *state, const struct cella_secret *key, uint8_t value[CELLA_PLATFORM_ANCHOR_SIZE]);
    cella_status (*anchor_new)(void *state, const struct cella_secret *key);
    cella_status (*anchor_extend)(void *state, const struct cella_secret *key, const uint8_t digest[CELLA_SHA256_SIZE]);

    /* A sentence about the last failure; empty: none. NULL: it has none to say. */
    const struct cella_text *(*trouble)(const void *state);
};

#define CELLA_SEALING_KEY_SIZE 32

/* Path of a device or virtual file below the setup's root. CELLA_TOO_LARGE */
#define CELLA_PLATFORM_PATH_MAX 512
CELLA_MUST_USE cella_status cella_platform_path(const struct cella_platform_setup *setup, const char *path,
                                                char out[CELLA_PLATFORM_PATH_MAX]);

/* Append one endorsement in the wire form of trust/endorsement.h. */
CELLA_MUST_USE cella_status cella_platform_endorse(struct cella_bytes *endorsements,
                                                   enum cella_endorsement_kind kind, struct cella_view content);

extern const struct cella_platform_back_end cella_platform_tsm;
extern const struct cella_platform_back_end cella_platform_sev_guest;
extern const struct cella_platform_back_end cella_platform_gramine;
extern const struct cella_platform_back_end cella_platform_nsm;
extern const struct cella_platform_back_end cella_platform_tpm;
extern const struct cella_platform_back_end cella_platform_soft;
