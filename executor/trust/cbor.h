/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A strict reader for the CBOR (RFC 8949) that evidence and receipts are made of: definite lengths, and indefinite maps
 * and arrays (evidence only); no floats, no indefinite strings, bounded depth, shortest heads only. It borrows and
 * allocates nothing.
 *
 * What is signed by us is deterministic (RFC 8949 section 4.2.1). Our maps are fixed, so that their order is that of the
 * source that writes them; cella_cbor_check says whether that was right, and refuses what others wrote differently.
 */

#include "base/wire.h"

#define CELLA_CBOR_DEPTH_MAX 8U

enum cella_cbor_kind {
    CELLA_CBOR_UNSIGNED = 0,
    CELLA_CBOR_NEGATIVE = 1, /* value n stands for -1 - n */
    CELLA_CBOR_BYTES = 2,
    CELLA_CBOR_TEXT = 3,
    CELLA_CBOR_ARRAY = 4,
    CELLA_CBOR_MAP = 5,
    CELLA_CBOR_TAG = 6,
    CELLA_CBOR_SIMPLE = 7, /* value 20 false, 21 true, 22 null, 23 undefined */
};

/* One item's head; strings come with their content. */
struct cella_cbor_item {
    enum cella_cbor_kind kind;
    bool indefinite; /* arrays and maps: they end with a break */
    uint64_t value;  /* number, count, tag, simple value */
    struct cella_view content;
};

/* The next item. CELLA_BAD_FORMAT */
CELLA_MUST_USE cella_status cella_cbor_next(struct cella_reader *reader, struct cella_cbor_item *out);

/* The next item, which must be of that kind. */
CELLA_MUST_USE cella_status cella_cbor_expect(struct cella_reader *reader, enum cella_cbor_kind kind,
                                              struct cella_cbor_item *out);

/*
 * Is there another element (or pair) in an array (or map) of which done were read? Takes the break of an indefinite one.
 */
CELLA_MUST_USE cella_status cella_cbor_more(struct cella_reader *reader, const struct cella_cbor_item *container,
                                            uint64_t done, bool *more);

/* Skip the next item with everything in it. CELLA_BAD_FORMAT  deeper than CELLA_CBOR_DEPTH_MAX */
CELLA_MUST_USE cella_status cella_cbor_skip(struct cella_reader *reader);

enum cella_cbor_profile {
    CELLA_CBOR_STRICT,  /* ours: deterministic. Keys sorted by the bytes of their encoding, text is UTF-8, null, false, true */
    CELLA_CBOR_FOREIGN, /* of others: keys in any order, but none twice; at most CELLA_CBOR_PAIRS_MAX in a map */
};

#define CELLA_CBOR_PAIRS_MAX 64U

/*
 * Is this one item of that profile and nothing else? Definite lengths in both, no tag but before the whole.
 * content: untrusted. CELLA_BAD_FORMAT
 */
CELLA_MUST_USE cella_status cella_cbor_check(struct cella_view content, enum cella_cbor_profile profile);

/*
 * Read parts of what cella_cbor_check has let pass.
 * count:   elements; pairs of a map. CELLA_BAD_FORMAT  another kind
 * number:  any integer that fits, negative ones too. CELLA_BAD_FORMAT  another kind, or it does not fit
 * bytes, text: borrowed
 * whole:   the encoding of the next item with everything in it, borrowed
 */
CELLA_MUST_USE cella_status cella_cbor_array(struct cella_reader *reader, uint64_t *count);
CELLA_MUST_USE cella_status cella_cbor_map(struct cella_reader *reader, uint64_t *count);
CELLA_MUST_USE cella_status cella_cbor_unsigned(struct cella_reader *reader, uint64_t *out);
CELLA_MUST_USE cella_status cella_cbor_number(struct cella_reader *reader, int64_t *out);
CELLA_MUST_USE cella_status cella_cbor_bytes(struct cella_reader *reader, struct cella_view *out);
CELLA_MUST_USE cella_status cella_cbor_text(struct cella_reader *reader, struct cella_view *out);
CELLA_MUST_USE cella_status cella_cbor_whole(struct cella_reader *reader, struct cella_view *out);

/* The next item is null: take it. Otherwise nothing is taken. */
bool cella_cbor_take_null(struct cella_reader *reader);

/* Write heads, and strings with their content, in the shortest form. */
CELLA_MUST_USE cella_status cella_cbor_write_head(struct cella_bytes *out, enum cella_cbor_kind kind, uint64_t value);
CELLA_MUST_USE cella_status cella_cbor_write_bytes(struct cella_bytes *out, struct cella_view content);
CELLA_MUST_USE cella_status cella_cbor_write_text(struct cella_bytes *out, const char *content);
CELLA_MUST_USE cella_status cella_cbor_write_text_view(struct cella_bytes *out, struct cella_view content);
CELLA_MUST_USE cella_status cella_cbor_write_number(struct cella_bytes *out, int64_t value);
CELLA_MUST_USE cella_status cella_cbor_write_null(struct cella_bytes *out);
