/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a ledger is made of. For ledger.c and ledger_start.c only.
 */

#include "monitor/ledger.h"
#include "monitor/ledger_link.h"
#include "monitor/replay.h"

struct cella_snapshots;

enum cella_ledger_condition {
    CELLA_LEDGER_READING, /* at the start */
    CELLA_LEDGER_WRITING,
    CELLA_LEDGER_STALLED, /* the host does not take records; tried again */
    CELLA_LEDGER_LOST,    /* for good, until the executor is started again */
};

/* A record: until it is sealed, what it will hold; from then on, until it is durable, its mark. */
struct cella_ledger_entry {
    const char *event; /* static */
    struct cella_bytes body;
    struct cella_bytes request;
    struct cella_bytes statement; /* empty: a private record */
    struct cella_bytes line;      /* of the journal; empty: an event of the ledger itself */
    size_t number;                /* of the line */
    char party[CELLA_ID_SIZE];
    uint64_t party_sequence;
    struct cella_record_mark mark;
    uint8_t tag[CELLA_GCM_TAG_SIZE]; /* the record's last bytes */
    size_t size; /* bytes in out */
    struct cella_ledger_entry *next;
};

struct cella_ledger_list {
    struct cella_ledger_entry *first;
    struct cella_ledger_entry *last;
    size_t count;
};

struct cella_ledger {
    struct cella_monitor *monitor;
    struct cella_ledger_link *link;
    enum cella_ledger_condition condition;
    cella_status reason; /* of STALLED and LOST */
    bool broken;         /* memory is ahead of what can be written */
    struct cella_record_writer *writer;
    struct cella_chain durable;
    uint8_t durable_tag[CELLA_GCM_TAG_SIZE]; /* end of the last durable record; zeros when there is none */
    uint64_t epoch;
    struct cella_opened opened; /* this start */
    struct cella_ledger_list open;    /* of the change that is being made; not sealed */
    struct cella_ledger_list waiting; /* sealed, not durable */
    bool grouping;
    uint64_t sealed;                 /* sequence number of the next record */
    uint64_t new_records;            /* that the newest snapshot does not have; and their bytes */
    uint64_t new_bytes;
    struct cella_snapshots *snapshots;
    uint8_t head[CELLA_SHA256_SIZE]; /* hash of the last sealed record */
    struct cella_bytes out;          /* field(record) of those that wait, from out_first on */
    size_t out_first;
    size_t out_sent;                 /* up to here it was given to the link */
    struct cella_append {
        struct cella_ledger_stream stream;
        struct cella_ledger *ledger;
        struct cella_bytes in;
        bool accepted; /* the host has said where it stands */
    } append;
    bool stop_when_settled; /* end the loop when nothing waits any more, or nothing goes */
    bool sits_out_stalls;   /* a host that does not write is waited for: an anchor has to move before anybody is served */
    struct cella_timer retry;
    struct cella_timer silence;
};

/* Add a record of the ledger's own, and seal it. body: taken over. */
CELLA_MUST_USE cella_status cella_ledger_add(struct cella_ledger *ledger, const char *event, json_t *body);

/* Begin to write: durable, sealed, head and writer are set. */
void cella_ledger_open_append(struct cella_ledger *ledger);

/* Nothing is served from now on; sentence: for the operator, what is wrong and what to do. */
void cella_ledger_lose(struct cella_ledger *ledger, cella_status reason, const char *sentence);
