/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Terms: what a trust file may demand of one claim. Each kind of evidence has a table of terms (the back-end's), which
 * is all that the trust file's section for it may contain. A term that the file does not state has its fallback; one
 * without fallback is then not checked, and the report says so.
 */

#include "base/text.h"
#include "trust/claims.h"
#include "trust/json.h"

#define CELLA_TERM_VALUES_MAX 256U

enum cella_term_kind {
    CELLA_TERM_FLAG,     /* bool: the claim must be that. "any": not checked. Not false where the term is a demand */
    CELLA_TERM_BYTES,    /* list of hexadecimal values: the claim must be one of them. [] : refused at load */
    CELLA_TERM_EXCLUDED, /* list of hexadecimal values: the claim must be none of them, and not zeros: hidden */
    CELLA_TERM_TEXT,     /* list of texts: the claim must be one of them */
    CELLA_TERM_EVERY,    /* list of texts: every claim of that name must be among them; [] allows none. "any" */
    CELLA_TERM_NUMBER,   /* list of integers: the claim must be one of them */
    CELLA_TERM_MINIMUM,  /* integer: the claim must be at least that */
    CELLA_TERM_WITHIN,   /* hexadecimal 64-bit mask: the claim may have only these bits */
    CELLA_TERM_FLOORS,   /* {selector: {claim: integer}}: for the text claim's value, each named number at least that. "any" */
    CELLA_TERM_SELECTION, /* list of bit numbers, 0 to 63: the claim must have exactly these bits */
    CELLA_TERM_LAYERS,   /* list of layer names: all in force; [] requires none */
    CELLA_TERM_ROOTS,    /* list of "ed25519:...": the claim must be one of them */
    CELLA_TERM_CHOICE,   /* one of the words of selectors */
    CELLA_TERM_EVENTS,   /* list of {"register": one of selectors, "digest": hexadecimal}: each must have been extended there */
};

struct cella_term {
    const char *name;      /* in the trust file, and of the check in the report */
    const char *claim;     /* FLOORS: the text claim that selects */
    enum cella_term_kind kind;
    size_t size;           /* BYTES, EXCLUDED: bytes of a value; 0: any */
    const char *fallback;  /* JSON, used when the trust file says nothing; NULL: the term is not checked then */
    const char *unchecked; /* sentence for the report when it is not checked */
    const char *unproven;  /* sentence for the report when the claim may be unproven: met then, it is not a check that passed */
    const char *const *selectors; /* TEXT, FLOORS, CHOICE, EVENTS: what may be named, ends with NULL; a misspelt one is refused at
                                     load. NULL: any */
    const char *const *numbers;   /* FLOORS: and which claims */
    bool elsewhere;        /* judged by a check of the flow that has another name (chain, event_log), not among the terms */
    bool required;         /* the trust file must state it: there is no value that fits everybody */
    bool demand;           /* FLAG: true demands a protection, so false is refused at load: it would read as "not looked at" and
                              refuse those who have the protection. Who waives it says "any" */
};

/*
 * Is this a value that the term can have? Every value is checked at load, so that judging can not meet a bad one.
 * element: receives the number of the list's element that is wrong, CELLA_TERM_WHOLE when it is not one of them
 * CELLA_BAD_POLICY
 */
#define CELLA_TERM_WHOLE SIZE_MAX
CELLA_MUST_USE cella_status cella_term_validate(const struct cella_term *term, const json_t *value, size_t *element);

/* Are they the same bytes, however written (upper case, "sha256:" before them), or else the same JSON? NULL: absent, like NULL. */
bool cella_term_same_bytes(const json_t *a, const json_t *b);

/* The value says "any": the term is not checked, although it has a fallback. */
bool cella_term_is_waived(const json_t *value);

/*
 * Does a validated value let something pass that the term's fallback refuses? For flags, numbers and floors; false for a term
 * without fallback and for the other kinds, whose values name what they let pass.
 */
bool cella_term_is_wider(const struct cella_term *term, const json_t *value);

/*
 * Judge claims by a validated value.
 * CELLA_TERM  not met, or the claim is absent; CELLA_LAYERS, CELLA_ROOT for those two kinds
 * detail: what was found, and what is wanted
 */
CELLA_MUST_USE cella_status cella_term_check(const struct cella_term *term, const json_t *value,
                                             const struct cella_claims *claims, struct cella_text *detail);

/*
 * Bytes from the trust file: hexadecimal, with or without "sha256:", "sha384:" or "sha512:", which then fix the size.
 * CELLA_BAD_FORMAT; CELLA_TOO_LARGE  above CELLA_CLAIM_SIZE_MAX
 */
CELLA_MUST_USE cella_status cella_term_bytes(const char *text, uint8_t out[CELLA_CLAIM_SIZE_MAX], size_t *size);
