/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Claims: what evidence says, by name. A back-end names every field that somebody could want to judge or read; the
 * trust file's terms and the report refer to the same names. docs/attestation.md lists them per type.
 *
 * A list of fixed size without pointers into the evidence, so that a report outlives what it was made from.
 */

#include "base/bytes.h"

#define CELLA_CLAIMS_MAX 96
#define CELLA_CLAIM_SIZE_MAX 64 /* bytes of one claim's value */

enum cella_claim_kind {
    CELLA_CLAIM_BYTES,
    CELLA_CLAIM_NUMBER,
    CELLA_CLAIM_FLAG,
    CELLA_CLAIM_TEXT, /* UTF-8 is not promised: it may come from the evidence */
};

struct cella_claim {
    const char *name; /* static */
    enum cella_claim_kind kind;
    uint8_t bytes[CELLA_CLAIM_SIZE_MAX]; /* BYTES, TEXT */
    size_t size;
    uint64_t number; /* NUMBER; FLAG: 0 or 1 */
    bool unproven;   /* nothing that was verified covers it: it can count against the evidence, and not for it */
};

struct cella_claims {
    struct cella_claim list[CELLA_CLAIMS_MAX];
    size_t count;
};

/*
 * Name a claim. A name may be given more than once, for claims that are lists ("advisory").
 * name: static text. CELLA_TOO_MANY; CELLA_TOO_LARGE  more than CELLA_CLAIM_SIZE_MAX bytes
 */
CELLA_MUST_USE cella_status cella_claims_bytes(struct cella_claims *claims, const char *name, struct cella_view value);
CELLA_MUST_USE cella_status cella_claims_text(struct cella_claims *claims, const char *name, struct cella_view value);
CELLA_MUST_USE cella_status cella_claims_number(struct cella_claims *claims, const char *name, uint64_t value);
CELLA_MUST_USE cella_status cella_claims_flag(struct cella_claims *claims, const char *name, bool value);

/* Mark every claim of that name as unproven. */
void cella_claims_doubt(struct cella_claims *claims, const char *name);

/* The next claim of that name after the given one (NULL: the first), or NULL. */
const struct cella_claim *cella_claims_next(const struct cella_claims *claims, const char *name,
                                            const struct cella_claim *after);

/* The only claim of that name and kind; NULL when there is none or several. */
const struct cella_claim *cella_claims_find(const struct cella_claims *claims, const char *name,
                                            enum cella_claim_kind kind);

/* True when every byte of a BYTES claim is zero; false for an absent one. */
bool cella_claim_is_zero(const struct cella_claim *claim);
