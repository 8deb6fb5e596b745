/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Records: what the ledger consists of. A record is one event with what caused it, sealed by the executor, opaque to the
 * host that keeps it, and chained: each holds the hash of the one before.
 *
 *   sealed record = "CREC" u16 version, 32 bytes epoch, u64 sequence, 32 bytes previous; ciphertext; tag
 *   plaintext     = 32 bytes salt, u8 more, u64 time_ms, field event, field body, field party, u64 party sequence,
 *                   field request, field statement, field line
 *
 * The first line is associated data. previous is the SHA-256 of the whole sealed record before, zeros in the first; so one
 * hash fixes all that came before it, and no record can be changed, left out, doubled or moved unnoticed. What a chain can
 * not show is that its end is missing: heads do (head.h).
 *
 * Keys and nonces. A writer lives as long as the process and has a random epoch of 32 bytes. Its key is HKDF-SHA-256(ledger
 * key, salt = epoch), its nonce the record's sequence number, and it seals each number once and only upwards. So no nonce
 * comes twice under one key: not within a writer, since it refuses a number that is not above the last; not between writers,
 * since those have different keys but for a collision of 256 random bits. In particular a host that puts an old ledger back
 * and starts the executor again gets the same sequence numbers sealed under another key. A reader derives the key from
 * the epoch in the record; that it is not secret does not matter, and a changed one opens nothing.
 *
 * The tree. Each record is one leaf of a Merkle tree (trust/merkle.h). The entry of a private record is the 32 bytes
 * SHA-256("cella record commitment v2" || SHA-256(line) || SHA-256(plaintext)). The line is what an audit shows of the event
 * (journal.h). Whoever is shown the line and the second hash can check that it was logged, and learns nothing else: the
 * plaintext begins with a salt. Whoever is shown neither learns nothing at all: the second hash is a salt for the line.
 * The entry of a record that carries a statement is the statement itself, so that anybody who has the statement can check
 * its inclusion (RFC 9943); its line is committed to by nothing but the chain.
 *
 * Version 1 had no line; the entry of a private record was SHA-256("cella record commitment v1" || plaintext).
 */

#include "trust/merkle.h"

#define CELLA_RECORD_VERSION 2
#define CELLA_RECORD_HEADER_SIZE 78U /* associated data */
#define CELLA_RECORD_EPOCH_SIZE 32U
#define CELLA_RECORD_SALT_SIZE 32U
#define CELLA_RECORD_EVENT_MAX 64U
#define CELLA_RECORD_LINE_MAX 1024U
/*
 * Bytes of a sealed record. The end of a task holds result and messages, sealed to each of 64 participants: at most
 * 64 * (2 MiB + 1.6 MiB) * 4/3.
 */
#define CELLA_RECORD_MAX (320U * 1024U * 1024U)
#define CELLA_RECORD_MIN (CELLA_RECORD_HEADER_SIZE + CELLA_RECORD_SALT_SIZE + 37U + CELLA_GCM_TAG_SIZE)

/* One event. All views are borrowed. */
struct cella_record {
    uint64_t sequence;            /* from 0 */
    bool more;                    /* the next record belongs to the same change: all of its records count, or none */
    uint64_t time_ms;             /* of the executor's clock (clock.h); informative */
    struct cella_view event;      /* name, at most CELLA_RECORD_EVENT_MAX bytes */
    struct cella_view body;       /* JSON object */
    struct cella_view party;      /* whose request caused it; empty: nobody's */
    uint64_t party_sequence;      /* the request's */
    struct cella_view request;    /* the request as it was received; only in the first record of its change */
    struct cella_view statement;  /* what anybody may check to be logged; empty: a private record */
    struct cella_view line;       /* of the journal; empty: an event of the ledger itself, or a record of version 1 */
};

/* What links a record to the next, and its leaf. */
struct cella_record_mark {
    uint8_t hash[CELLA_SHA256_SIZE]; /* of the sealed record */
    struct cella_merkle_hash leaf;
    uint8_t rest[CELLA_SHA256_SIZE]; /* SHA-256 of the plaintext */
};

/* Seals the records of one epoch. free accepts NULL. */
struct cella_record_writer;

/* ledger_key: CELLA_SHA256_SIZE bytes. CELLA_RANDOM_FAILED, CELLA_CRYPTO_FAILED, CELLA_NO_MEMORY */
CELLA_MUST_USE cella_status cella_record_writer_new(const struct cella_secret *ledger_key,
                                                    struct cella_record_writer **out);
void cella_record_writer_free(struct cella_record_writer *writer);

/*
 * Seal a record.
 *
 * previous: hash of the record before
 * sealed:   appended to; unchanged unless CELLA_OK
 * CELLA_INTERNAL   the sequence is not above the last that was sealed; an event's name is too long
 * CELLA_TOO_LARGE  above CELLA_RECORD_MAX; CELLA_NO_MEMORY, CELLA_CRYPTO_FAILED, CELLA_RANDOM_FAILED
 */
CELLA_MUST_USE cella_status cella_record_seal(struct cella_record_writer *writer, const struct cella_record *record,
                                              const uint8_t previous[CELLA_SHA256_SIZE], struct cella_bytes *sealed,
                                              struct cella_record_mark *mark);

/* Opens records of any epoch; keeps the key of the last one. free accepts NULL. */
struct cella_record_reader;
CELLA_MUST_USE cella_status cella_record_reader_new(const struct cella_secret *ledger_key,
                                                    struct cella_record_reader **out);
void cella_record_reader_free(struct cella_record_reader *reader);

/*
 * Open the next record.
 *
 * sealed:   untrusted
 * sequence, previous: what it has to have
 * plain:    set to the plaintext, from which out borrows
 * CELLA_BAD_VERSION  made by a newer Cella
 * CELLA_BAD_LEDGER   not a record, another one than the next, or it does not open
 * CELLA_NO_MEMORY, CELLA_CRYPTO_FAILED
 */
CELLA_MUST_USE cella_status cella_record_open(struct cella_record_reader *reader, struct cella_view sealed,
                                              uint64_t sequence, const uint8_t previous[CELLA_SHA256_SIZE],
                                              struct cella_bytes *plain, struct cella_record *out,
                                              struct cella_record_mark *mark);
