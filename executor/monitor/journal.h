/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The journal: who did what to what, when, for audit queries. It is part of the fold: one entry for each event, in its
 * order, as small as it can be. Entries name records by pointer, since records stay (state.h).
 */

#include "trust/crypto.h"
#include "trust/json.h"

struct cella_entry;

struct cella_journal_entry {
    int64_t time_s;                    /* of the event; not below that of the entry before */
    int event;                         /* enum cella_event */
    int detail;                        /* number of the status with which a task ended, else 0 */
    const struct cella_entry *by;      /* the party that caused it; NULL: the executor itself */
    const struct cella_entry *subject; /* the record that changed; NULL: none */
    const struct cella_entry *other;   /* a second record: the party of an organisation, the auditor of a function */
    bool logged;                       /* its record says which line it is: record.h. Those of old ledgers do not */
    uint64_t leaf;                     /* number of its record */
    uint8_t rest[CELLA_SHA256_SIZE];   /* what the record's commitment holds besides the line */
};

struct cella_journal {
    struct cella_journal_entry *entries;
    size_t count;
    size_t capacity;
};

/* Room for one more entry, so that the next cella_journal_add can not fail. CELLA_NO_MEMORY */
CELLA_MUST_USE cella_status cella_journal_reserve(struct cella_journal *journal);
void cella_journal_add(struct cella_journal *journal, const struct cella_journal_entry *entry);
/* Say where entry `number`, from 1, is logged. */
void cella_journal_log(struct cella_journal *journal, size_t number, uint64_t leaf,
                       const uint8_t rest[CELLA_SHA256_SIZE]);

/*
 * The line of entry `number`: what an audit shows of it, and what its record commits to. JSON {number, time, event, by?,
 * subject?, other?, code?}, members sorted, without blanks; so it is a format. Appended to out. CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_journal_line(const struct cella_journal *journal, size_t number,
                                               struct cella_bytes *out);
/* The same as a value; NULL: no memory. */
json_t *cella_journal_json(const struct cella_journal *journal, size_t number);

void cella_journal_clear(struct cella_journal *journal);
