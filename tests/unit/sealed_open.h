/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Ways to open a sealed file that the tests of it share: as a stream in pieces, and segment by segment. */

#include "vectors.h"

#include "trust/sealed_file.h"

static inline cella_status collect(void *context, struct cella_view bytes)
{
    return cella_bytes_append(context, bytes);
}

/* Byte i = (31 i + 7) mod 256. */
static inline struct cella_bytes generate(size_t size)
{
    struct cella_bytes bytes = { 0 };
    assert_int_equal(cella_bytes_resize(&bytes, size), CELLA_OK);
    for (size_t i = 0; i < size; i++) {
        bytes.data[i] = (uint8_t) (31 * i + 7);
    }
    return bytes;
}

static inline void reader_cleanup(struct cella_sealed_reader **reader)
{
    cella_sealed_reader_free(*reader);
}

static inline struct cella_view piece_of(struct cella_view whole, size_t offset, size_t piece)
{
    size_t rest = whole.size - offset;
    return cella_view_of(whole.data + offset, piece < rest ? piece : rest);
}

static inline cella_status open_stream(const struct cella_sealed_parameters *parameters,
                                       const struct cella_secret *key, struct cella_view associated_data,
                                       struct cella_view sealed, size_t piece, struct cella_bytes *out)
{
    CELLA_CLEANUP(reader_cleanup) struct cella_sealed_reader *reader = NULL;
    CELLA_TRY(cella_sealed_reader_new(parameters, key, associated_data, collect, out, &reader));
    for (size_t offset = 0; offset < sealed.size; offset += piece) {
        CELLA_TRY(cella_sealed_reader_update(reader, piece_of(sealed, offset, piece)));
    }
    return cella_sealed_reader_finish(reader);
}

/* The other way in: layout from the size, then segment by segment, the last one first. */
static inline cella_status open_random(const struct cella_sealed_parameters *parameters,
                                       const struct cella_secret *key, struct cella_view associated_data,
                                       struct cella_view sealed, struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_sealed_cipher_cleanup) struct cella_sealed_cipher *cipher = NULL;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes plain = { 0 };
    struct cella_sealed_layout layout;
    CELLA_TRY(cella_sealed_layout_of_sealed(parameters, sealed.size, &layout));
    CELLA_TRY(cella_sealed_cipher_of_header(parameters, key, associated_data,
                                            cella_view_of(sealed.data, layout.header_size), &cipher));
    CELLA_TRY(cella_bytes_resize(&plain, (size_t) layout.plain_size));
    CELLA_TRY(cella_bytes_reserve(&plain, 1));
    for (uint64_t i = layout.segment_count; i-- > 0;) {
        struct cella_sealed_range range = cella_sealed_range_of(parameters, &layout, i);
        assert_true(range.sealed_offset + range.sealed_size <= sealed.size);
        assert_true(range.plain_offset + range.plain_size <= plain.size);
        CELLA_TRY(cella_sealed_segment_open(cipher, i, i + 1 == layout.segment_count,
                                            cella_view_of(sealed.data + range.sealed_offset, range.sealed_size),
                                            plain.data + range.plain_offset));
    }
    cella_bytes_take(out, &plain);
    return CELLA_OK;
}

static inline void assert_opens(const struct cella_sealed_parameters *parameters, const struct cella_secret *key,
                                struct cella_view associated_data, struct cella_view sealed,
                                struct cella_view plain)
{
    const size_t pieces[] = {
        1, 7, parameters->segment_size - 1, parameters->segment_size, parameters->segment_size + 1, SIZE_MAX / 2
    };
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        if (pieces[i] < 100 && sealed.size > 200000) {
            continue;
        }
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
        assert_int_equal(open_stream(parameters, key, associated_data, sealed, pieces[i], &out), CELLA_OK);
        assert_true(cella_view_equal(cella_bytes_view(&out), plain));
    }
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
    assert_int_equal(open_random(parameters, key, associated_data, sealed, &out), CELLA_OK);
    assert_true(cella_view_equal(cella_bytes_view(&out), plain));
}

/* Refused both ways; what a stream released before is a true beginning of the plaintext. */
static inline void assert_refused(const struct cella_sealed_parameters *parameters, const struct cella_secret *key,
                                  struct cella_view associated_data, struct cella_view sealed,
                                  struct cella_view plain)
{
    static const size_t pieces[] = { 1, 64, SIZE_MAX / 2 };
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
        cella_status status = open_stream(parameters, key, associated_data, sealed, pieces[i], &out);
        assert_true(status == CELLA_BAD_TAG || status == CELLA_TRUNCATED || status == CELLA_BAD_FORMAT);
        assert_true(out.size <= plain.size);
        assert_true(cella_view_equal(cella_bytes_view(&out), cella_view_of(plain.data, out.size)));
    }
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
    assert_int_not_equal(open_random(parameters, key, associated_data, sealed, &out), CELLA_OK);
    assert_int_equal(out.size, 0);
}
