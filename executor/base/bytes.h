/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Byte ranges: struct cella_view borrows, struct cella_bytes owns. Sizes are in bytes and travel with the pointer.
 *
 * Neither is for secrets: those have their own type in trust/secret.h, so that the compiler refuses a key where
 * plain bytes are expected. All clear functions accept zeroed objects and leave the object zeroed.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* Borrowed, read-only. data may be NULL when size is 0. */
struct cella_view {
    const uint8_t *data;
    size_t size;
};

/* Owned, growable. A zeroed object is an empty one. */
struct cella_bytes {
    uint8_t *data;
    size_t size;
    size_t capacity;
};

static inline struct cella_view cella_view_of(const void *data, size_t size)
{
    return (struct cella_view){ (const uint8_t *) data, size };
}

/* View of a C string without its NUL. */
struct cella_view cella_view_of_string(const char *text);

static inline struct cella_view cella_bytes_view(const struct cella_bytes *bytes)
{
    return (struct cella_view){ bytes->data, bytes->size };
}

/* Equal size and content. Not constant time: not for secrets, tags or digests that authenticate. */
bool cella_view_equal(struct cella_view a, struct cella_view b);

/* True when the view holds exactly the characters of text. */
bool cella_view_is(struct cella_view view, const char *text);

/* Make room for at least extra more bytes. CELLA_NO_MEMORY leaves the object unchanged. */
CELLA_MUST_USE cella_status cella_bytes_reserve(struct cella_bytes *bytes, size_t extra);

/* Append a copy. more must not point into bytes. */
CELLA_MUST_USE cella_status cella_bytes_append(struct cella_bytes *bytes, struct cella_view more);

/* Replace the content by a copy. */
CELLA_MUST_USE cella_status cella_bytes_set(struct cella_bytes *bytes, struct cella_view content);

/* Set the size; new bytes are zero. */
CELLA_MUST_USE cella_status cella_bytes_resize(struct cella_bytes *bytes, size_t size);

/* Drop the first count bytes (at most size), keeping the rest at the start. */
void cella_bytes_consume(struct cella_bytes *bytes, size_t count);

/* Free and zero the object. */
void cella_bytes_clear(struct cella_bytes *bytes);

/* Move: the content of from becomes to's; to's old content is freed; from is empty afterwards. */
void cella_bytes_take(struct cella_bytes *to, struct cella_bytes *from);

/* Lower-case hexadecimal with a final NUL. out must have room for 2 * view.size + 1 characters. */
void cella_hex_encode(struct cella_view view, char *out);

/*
 * Decode exactly 2 * size lower- or upper-case hexadecimal digits.
 * CELLA_BAD_FORMAT  another length or character; out is not touched
 */
CELLA_MUST_USE cella_status cella_hex_decode(struct cella_view text, uint8_t *out, size_t size);

/*
 * Base64url without padding, RFC 4648 section 5.
 * Encode appends to out. Decode appends to out and is strict: no padding, no blanks, unused bits zero.
 * CELLA_BAD_FORMAT  not canonical base64url; CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_base64url_encode(struct cella_view view, struct cella_bytes *out);
CELLA_MUST_USE cella_status cella_base64url_decode(struct cella_view text, struct cella_bytes *out);

/* Same, but exactly size bytes into a fixed buffer; out is not touched on failure. */
CELLA_MUST_USE cella_status cella_base64url_decode_exact(struct cella_view text, uint8_t *out, size_t size);
