/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Endorsements: what vendors, makers and auditors say about a platform, and what comes with evidence to judge it:
 * certificates, revocation lists, TCB information, event logs, auditors' statements (RFC 9334 section 2). They are
 * collected outside of the verifier, by whoever has a network; everything in them is signed, so whoever carries them
 * is not trusted.
 *
 * On the wire: for each, u8 kind, field content.
 */

#include "base/bytes.h"

#define CELLA_ENDORSEMENTS_MAX 24
#define CELLA_ENDORSEMENT_MAX 1048576U  /* bytes of one */
#define CELLA_ENDORSEMENTS_SIZE_MAX 4194304U

enum cella_endorsement_kind {
    CELLA_ENDORSE_CERTIFICATES = 1, /* DER of one, or PEM: the leaf that signed the evidence first */
    CELLA_ENDORSE_CRL = 2,          /* DER or PEM */
    CELLA_ENDORSE_TCB_INFO = 3,     /* Intel's {"tcbInfo":{...},"signature":"..."}, byte for byte as served */
    CELLA_ENDORSE_TCB_CHAIN = 4,    /* PEM: who signed it */
    CELLA_ENDORSE_QE_IDENTITY = 5,  /* Intel's {"enclaveIdentity":{...},"signature":"..."}, byte for byte as served */
    CELLA_ENDORSE_QE_CHAIN = 6,     /* PEM: who signed it */
    CELLA_ENDORSE_EVENT_LOG = 7,    /* of the firmware: TCG PC client format, or CCEL */
    CELLA_ENDORSE_STATEMENT = 8,    /* an auditor's signed measurement statement, compact JWS */
};

struct cella_endorsement {
    enum cella_endorsement_kind kind;
    struct cella_view content; /* borrowed, untrusted */
};

/* A zeroed object is an empty list. */
struct cella_endorsements {
    struct cella_endorsement list[CELLA_ENDORSEMENTS_MAX];
    size_t count;
};

/* CELLA_TOO_MANY; CELLA_TOO_LARGE  content above CELLA_ENDORSEMENT_MAX; CELLA_BAD_FIELD  unknown kind */
CELLA_MUST_USE cella_status cella_endorsements_add(struct cella_endorsements *endorsements, unsigned int kind,
                                                   struct cella_view content);

/* Read the wire form; out borrows from bytes. CELLA_BAD_FORMAT and those of add */
CELLA_MUST_USE cella_status cella_endorsements_read(struct cella_view bytes, struct cella_endorsements *out);

/* The next of a kind after the given one (NULL: the first), or NULL. */
const struct cella_endorsement *cella_endorsements_next(const struct cella_endorsements *endorsements,
                                                        enum cella_endorsement_kind kind,
                                                        const struct cella_endorsement *after);

/* The only one of a kind. CELLA_ENDORSEMENT  there is none, or there are several; what: its name for the sentence */
struct cella_text;
CELLA_MUST_USE cella_status cella_endorsements_only(const struct cella_endorsements *endorsements,
                                                    enum cella_endorsement_kind kind, const char *what,
                                                    struct cella_view *out, struct cella_text *detail);
