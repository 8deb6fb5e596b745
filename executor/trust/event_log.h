/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Event logs of firmware: what was extended into which register of a TPM or TD, in order. Two containers with one
 * inside: the TCG's crypto-agile log of a PC, and the CCEL of a TD, whose register numbers are 1 to 4 for RTMR 0 to 3.
 *
 * A log proves nothing by itself: whoever has it could have written it. It counts for a register whose quoted value its
 * replay gives, and then every digest in it was really extended there. What an event says beside its digest is still
 * anybody's text, unless its hash is the digest.
 *
 * Little-endian. Source: TCG PC Client Platform Firmware Profile, section 10 (event logging); UEFI, confidential computing.
 */

#include "base/wire.h"
#include "trust/crypto.h"

#define CELLA_EVENT_BANKS_MAX 8
#define CELLA_EVENT_REGISTERS 24U
#define CELLA_EVENTS_MAX 65536U /* of one log */

/* A log that is being read. Borrows from its content. */
struct cella_event_log {
    struct cella_reader reader;
    struct {
        uint16_t algorithm; /* as the TPM numbers it: 4 SHA-1, 11 SHA-256, 12 SHA-384, 13 SHA-512 */
        uint16_t size;      /* bytes of its digests */
    } banks[CELLA_EVENT_BANKS_MAX];
    size_t bank_count;
    size_t event_count; /* read so far */
};

struct cella_event {
    uint32_t number; /* of the register; of any size where nothing is extended */
    uint32_t type;
    bool extends;    /* false: only a note to the reader, EV_NO_ACTION */
    struct cella_view digests[CELLA_EVENT_BANKS_MAX]; /* in the order of the banks */
    struct cella_view data;
};

/*
 * Begin to read.
 *
 * content: the log as firmware keeps it, filling behind it included. Untrusted
 * CELLA_BAD_FORMAT  it does not begin with a "Spec ID Event03" of at most CELLA_EVENT_BANKS_MAX banks: the older format,
 *                   which has SHA-1 only, is not read
 */
CELLA_MUST_USE cella_status cella_event_log_open(struct cella_view content, struct cella_event_log *out);

/*
 * The next event.
 *
 * CELLA_NOT_FOUND   there is no further one: the log ends, or only zeros or only 0xFF bytes follow
 * CELLA_BAD_FORMAT  cut, a bank missing, doubled or unknown, or a register that is none
 * CELLA_TOO_MANY    above CELLA_EVENTS_MAX
 */
CELLA_MUST_USE cella_status cella_event_log_next(struct cella_event_log *log, struct cella_event *out);

/* What a replay gives for one bank. */
struct cella_replay {
    size_t digest_size;
    uint8_t values[CELLA_EVENT_REGISTERS][CELLA_SHA384_SIZE];
    uint32_t extended; /* bit per register that has an event in the log; of the others nothing is known */
    size_t extend_count;
};

/*
 * Replay one bank: extend every digest into its register, from zeros; or in register 0 from the locality that the log
 * says the machine was started at.
 *
 * hash: CELLA_HASH_SHA256 or CELLA_HASH_SHA384
 * CELLA_NOT_FOUND   the log has no such bank; CELLA_BAD_FORMAT, CELLA_TOO_MANY  as above
 */
CELLA_MUST_USE cella_status cella_event_log_replay(struct cella_view content, enum cella_hash hash,
                                                   struct cella_replay *out);

/*
 * Does a digest occur among the events of a register? Only for a register whose replay was compared with a quote.
 * False for a log that can not be read.
 */
bool cella_event_log_has(struct cella_view content, enum cella_hash hash, uint32_t number, struct cella_view digest);

/* One extension: value = H(value || digest), both of the hash's size. CELLA_CRYPTO_FAILED */
CELLA_MUST_USE cella_status cella_event_extend(enum cella_hash hash, uint8_t value[CELLA_SHA384_SIZE],
                                               const uint8_t *digest);
