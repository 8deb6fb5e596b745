/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Snapshots: the state, the tree and where the chain stood after some record, so that a start need not read the records up
 * to there. The host keeps them, and nothing is lost with them: the records are all there still.
 *
 *   snapshot  = "CSNP" u16 version u64 size; sealed file (trust/sealed_file.h, 1 MiB segments) of the items, each a field
 *   items     = u64 size, 32 bytes head, 16 bytes tag, u64 epochs, u8 anchored, 32 bytes found, 32 bytes hash (of the last
 *               start: struct cella_opened), field charter; leaves in pieces; image of the state (image.h)
 *
 * size counts the records that the snapshot stands for; head is the hash of the last of them, tag its last 16 bytes.
 *
 * The key is HKDF-SHA-256(ledger key, "cella ledger snapshot v1"), which the sealed file salts anew each time. Associated data
 * are the first 14 bytes, the executor's id and its measurement: a snapshot of another executor does not open, and neither
 * does one of other software, so that nobody reads fields that he lays out otherwise. Then all records are read, once.
 *
 * A snapshot says nothing about what came after it. Whoever starts from one reads the record that is its last again and
 * compares its hash, and goes on with the chain from there: an old snapshot only means more to read, and an old ledger is
 * as old with a snapshot as without.
 */

#include "monitor/image.h"
#include "monitor/replay.h"
#include "trust/sealed_file.h"

#define CELLA_SNAPSHOT_VERSION 1
#define CELLA_SNAPSHOT_PREFIX_SIZE 14U

/* Whose snapshots. Borrowed. */
struct cella_snapshot_binding {
    const struct cella_secret *ledger_key;
    const char *executor; /* id */
    const uint8_t *measurement; /* CELLA_SHA256_SIZE bytes */
};

/* What one says. Borrowed. */
struct cella_snapshot_source {
    const struct cella_state *state;
    struct cella_view charter;
    uint64_t epochs; /* starts of the executor so far */
    const struct cella_opened *opened;
    const struct cella_chain *chain; /* leaves of the first records */
    struct cella_view more_leaves;   /* and of those after them, 32 bytes each */
    const uint8_t *head;             /* of the last record */
    const uint8_t *tag;
};

/* Records that it stands for. */
uint64_t cella_snapshot_size(const struct cella_snapshot_source *source);

/*
 * Hand out the items, not sealed yet. Needs no key, allocates with malloc only and changes nothing, so that a forked process
 * can do it. CELLA_NO_MEMORY, and those of sink
 */
CELLA_MUST_USE cella_status cella_snapshot_write(const struct cella_snapshot_source *source, cella_image_sink sink,
                                                 void *context);

/*
 * Begin a sealed snapshot of so many records: what sink gets is what the host keeps. The caller seals what
 * cella_snapshot_write handed out, and finishes. CELLA_NO_MEMORY, CELLA_CRYPTO_FAILED, CELLA_RANDOM_FAILED, and those of sink
 */
CELLA_MUST_USE cella_status cella_snapshot_sealer_new(const struct cella_snapshot_binding *binding, uint64_t size,
                                                      cella_sealed_sink sink, void *context,
                                                      struct cella_sealed_writer **out);

/* How many records a snapshot claims to stand for, by its untrusted beginning; 0: it is none that this version reads. */
uint64_t cella_snapshot_claim(struct cella_view prefix);

/* Opens a snapshot. free accepts NULL. */
struct cella_snapshot_reader;

/* replay: begun, with no record taken; the caller's, outlives the reader. It is where the snapshot says after finish. */
CELLA_MUST_USE cella_status cella_snapshot_reader_new(const struct cella_snapshot_binding *binding,
                                                      struct cella_replay *replay, struct cella_snapshot_reader **out);
void cella_snapshot_reader_free(struct cella_snapshot_reader *reader);

/*
 * The next bytes, in any portions; untrusted. After an error replay is good for cella_replay_clear only, its state for
 * cella_state_clear.
 * CELLA_BAD_LEDGER  no snapshot of this executor and software, or damaged; finish: or cut off
 * CELLA_NO_MEMORY, CELLA_CRYPTO_FAILED
 */
CELLA_MUST_USE cella_status cella_snapshot_reader_update(struct cella_snapshot_reader *reader, struct cella_view bytes);
CELLA_MUST_USE cella_status cella_snapshot_reader_finish(struct cella_snapshot_reader *reader);
