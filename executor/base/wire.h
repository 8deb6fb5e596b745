/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Reading and writing of binary messages: big-endian integers and fields with a 32-bit length prefix.
 *
 * One bounded reader does all parsing of binary input, so that bounds are checked in one place. A failed read
 * leaves the reader in a failed state in which every further read fails too: check the last one, then call
 * cella_reader_end.
 */

#include "base/bytes.h"

/* Cursor over borrowed bytes. Untrusted content. */
struct cella_reader {
    struct cella_view rest;
    bool failed;
};

static inline struct cella_reader cella_reader_of(struct cella_view view)
{
    return (struct cella_reader){ view, false };
}

/* Integers, big-endian. CELLA_BAD_FORMAT when fewer bytes are left; *out is then 0. */
CELLA_MUST_USE cella_status cella_read_u8(struct cella_reader *reader, uint8_t *out);
CELLA_MUST_USE cella_status cella_read_u16(struct cella_reader *reader, uint16_t *out);
CELLA_MUST_USE cella_status cella_read_u32(struct cella_reader *reader, uint32_t *out);
CELLA_MUST_USE cella_status cella_read_u64(struct cella_reader *reader, uint64_t *out);

/* The same, little-endian: for formats of other people. */
CELLA_MUST_USE cella_status cella_read_u16_le(struct cella_reader *reader, uint16_t *out);
CELLA_MUST_USE cella_status cella_read_u32_le(struct cella_reader *reader, uint32_t *out);
CELLA_MUST_USE cella_status cella_read_u64_le(struct cella_reader *reader, uint64_t *out);

/* Exactly size bytes, borrowed from the input. */
CELLA_MUST_USE cella_status cella_read_view(struct cella_reader *reader, size_t size, struct cella_view *out);

/* Exactly size bytes, copied. out is not touched on failure. */
CELLA_MUST_USE cella_status cella_read_fixed(struct cella_reader *reader, uint8_t *out, size_t size);

/*
 * A field: 32-bit length, then that many bytes, borrowed.
 * CELLA_TOO_LARGE  length above max (the limit of this field); CELLA_BAD_FORMAT  fewer bytes left
 */
CELLA_MUST_USE cella_status cella_read_field(struct cella_reader *reader, size_t max, struct cella_view *out);

/* CELLA_BAD_FORMAT unless everything was read and no read failed. */
CELLA_MUST_USE cella_status cella_reader_end(const struct cella_reader *reader);

/* Append to a growing message. CELLA_NO_MEMORY; CELLA_TOO_LARGE for a field of 4 GiB or more. */
CELLA_MUST_USE cella_status cella_write_u8(struct cella_bytes *out, uint8_t value);
CELLA_MUST_USE cella_status cella_write_u16(struct cella_bytes *out, uint16_t value);
CELLA_MUST_USE cella_status cella_write_u32(struct cella_bytes *out, uint32_t value);
CELLA_MUST_USE cella_status cella_write_u64(struct cella_bytes *out, uint64_t value);
CELLA_MUST_USE cella_status cella_write_field(struct cella_bytes *out, struct cella_view field);
