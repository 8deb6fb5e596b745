/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "trust/sealed_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Small segments, so that a small input has many. The key is that of the corpus. */
static const struct cella_sealed_parameters small = { 64, 32, CELLA_HASH_SHA256 };

static cella_status collect(void *context, struct cella_view bytes)
{
    return cella_bytes_append(context, bytes);
}

static cella_status open_stream(const struct cella_secret *key, struct cella_view sealed, size_t piece,
                                struct cella_bytes *out)
{
    struct cella_sealed_reader *reader = NULL;
    cella_status status = cella_sealed_reader_new(&small, key, (struct cella_view){ 0 }, collect, out, &reader);
    while (status == CELLA_OK && sealed.size > 0) {
        size_t part = piece < sealed.size ? piece : sealed.size;
        status = cella_sealed_reader_update(reader, cella_view_of(sealed.data, part));
        sealed = cella_view_of(sealed.data + part, sealed.size - part);
    }
    if (status == CELLA_OK) {
        status = cella_sealed_reader_finish(reader);
    }
    cella_sealed_reader_free(reader);
    return status;
}

static cella_status open_segments(const struct cella_secret *key, struct cella_view sealed, struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_sealed_cipher_cleanup) struct cella_sealed_cipher *cipher = NULL;
    struct cella_sealed_layout layout;
    CELLA_TRY(cella_sealed_layout_of_sealed(&small, sealed.size, &layout));
    CELLA_TRY(cella_sealed_cipher_of_header(&small, key, (struct cella_view){ 0 },
                                            cella_view_of(sealed.data, layout.header_size), &cipher));
    CELLA_TRY(cella_bytes_resize(out, (size_t) layout.plain_size + 1));
    out->size--;
    for (uint64_t i = layout.segment_count; i-- > 0;) {
        struct cella_sealed_range range = cella_sealed_range_of(&small, &layout, i);
        assert(range.sealed_offset + range.sealed_size <= sealed.size);
        assert(range.plain_offset + range.plain_size <= out->size);
        CELLA_TRY(cella_sealed_segment_open(cipher, i, i + 1 == layout.segment_count,
                                            cella_view_of(sealed.data + range.sealed_offset, range.sealed_size),
                                            out->data + range.plain_offset));
    }
    return CELLA_OK;
}

static cella_status seal(const struct cella_secret *key, struct cella_view plain, size_t piece,
                         struct cella_bytes *out)
{
    struct cella_sealed_writer *writer = NULL;
    cella_status status = cella_sealed_writer_new(&small, key, (struct cella_view){ 0 }, collect, out, &writer);
    while (status == CELLA_OK && plain.size > 0) {
        size_t part = piece < plain.size ? piece : plain.size;
        status = cella_sealed_writer_update(writer, cella_view_of(plain.data, part));
        plain = cella_view_of(plain.data + part, plain.size - part);
    }
    if (status == CELLA_OK) {
        status = cella_sealed_writer_finish(writer);
    }
    cella_sealed_writer_free(writer);
    return status;
}

/* First byte: size of the pieces. Both ways to open agree; what is sealed opens. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes streamed = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes opened = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes sealed = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes back = { 0 };
    if (size == 0) {
        return 0;
    }
    size_t piece = (size_t) data[0] + 1;
    struct cella_view input = cella_view_of(data + 1, size - 1);
    cella_status status = cella_secret_resize(&key, CELLA_SEALED_KEY_SIZE);
    assert(status == CELLA_OK);
    cella_status one = open_stream(&key, input, piece, &streamed);
    cella_status other = open_segments(&key, input, &opened);
    assert((one == CELLA_OK) == (other == CELLA_OK));
    assert(one != CELLA_OK || cella_view_equal(cella_bytes_view(&streamed), cella_bytes_view(&opened)));
    status = seal(&key, input, piece, &sealed);
    assert(status == CELLA_OK);
    status = open_segments(&key, cella_bytes_view(&sealed), &back);
    assert(status == CELLA_OK && cella_view_equal(cella_bytes_view(&back), input));
    return 0;
}
