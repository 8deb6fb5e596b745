/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How csv.c finds the fields of a record: blocks of 64 bytes are compared with the four characters that matter, and
 * only these are looked at. Private to csv.c.
 */

#include "builtins/csv.h"

#define CELLA_CSV_RECORD_MAX (64U * 1024U * 1024U) /* of a stream; in memory the input is the bound */

enum csv_fault {
    CSV_NO_FAULT,
    CSV_QUOTE_INSIDE,     /* a quote in a field that does not begin with one */
    CSV_TEXT_AFTER_QUOTE, /* something between a closing quote and the comma or line end */
    CSV_QUOTE_OPEN,       /* the input ends within quotes */
    CSV_LONE_CR,          /* CR that no LF follows */
};

struct csv_reader {
    const uint8_t *at;  /* where the next record begins */
    const uint8_t *end; /* of what is in memory */
    bool ended;         /* nothing follows after end */
    const uint8_t *block; /* the block that masks are of; NULL: none */
    uint64_t marks;       /* its commas, quotes, CRs and LFs */
    uint64_t high;        /* its bytes beyond ASCII */
    bool beyond_ascii;    /* some may be in the present record */
    size_t lines;         /* line ends from the beginning to at */
    size_t count;         /* fields of the record just scanned */
    size_t capacity;      /* of fields and quoted */
    enum csv_fault fault;
    bool has_quotes;            /* a field of the record is in quotes */
    bool unescape;              /* a field of the record has "" in it */
    struct cella_bytes window;  /* of a stream */
    struct cella_bytes scratch; /* unescaped fields */
    struct cella_bytes names;   /* text of the header's names */
};

/*
 * Scan one record from reader->at on. Fields are stored up to reader->capacity and counted beyond.
 *
 * Returns where the next record begins, or NULL: the record is not complete in memory and the input goes on, or
 * reader->fault says what is wrong with field reader->count.
 */
const uint8_t *csv_scan(struct csv_reader *reader, struct cella_view *fields, bool *quoted);

/*
 * Make the record that is present the header: its fields, each one once and none empty, become csv->names.
 * CELLA_BUILTIN_FAILED, CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status csv_make_names(struct cella_builtin_call *call, struct cella_csv *csv);

/* Well-formed UTF-8: RFC 3629, no surrogates. */
bool csv_is_utf8(const uint8_t *at, const uint8_t *end);
