/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "trust/sealed_file.h"

#define TAG CELLA_GCM_TAG_SIZE

/*
 * Both directions hold one segment in a secret: it has plaintext in it. A segment is known not to be the last one
 * only when a byte behind it has arrived, so a full one waits; where that byte is already in the caller's hand, the
 * segment goes from there through the cipher without a copy.
 */

struct cella_sealed_writer {
    struct cella_sealed_cipher *cipher;
    cella_sealed_sink sink;
    void *context;
    struct cella_secret segment; /* header if it is the first, then plaintext; sealed in place */
    uint32_t header_size;        /* bytes before the plaintext: 0 from the second segment on */
    size_t fill;                 /* plaintext bytes held */
    uint64_t index;
    cella_status state; /* the first failure, or CELLA_BAD_STATE after the end */
};

cella_status cella_sealed_writer_new(const struct cella_sealed_parameters *parameters,
                                     const struct cella_secret *key, struct cella_view associated_data,
                                     cella_sealed_sink sink, void *context, struct cella_sealed_writer **out)
{
    uint8_t header[CELLA_SEALED_HEADER_MAX];
    struct cella_sealed_layout layout;
    CELLA_TRY(cella_sealed_layout_of_plain(parameters, 0, &layout));
    CELLA_CLEANUP(cella_sealed_cipher_cleanup) struct cella_sealed_cipher *cipher = NULL;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret segment = { 0 };
    CELLA_TRY(cella_sealed_cipher_new(parameters, key, associated_data, header, &cipher));
    CELLA_TRY(cella_secret_resize(&segment, parameters->segment_size));
    struct cella_sealed_writer *writer = calloc(1, sizeof(*writer));
    if (writer == NULL) {
        return CELLA_NO_MEMORY;
    }
    memcpy(segment.data, header, layout.header_size);
    writer->header_size = layout.header_size;
    writer->sink = sink;
    writer->context = context;
    writer->cipher = cipher;
    cipher = NULL;
    cella_secret_take(&writer->segment, &segment);
    *out = writer;
    return CELLA_OK;
}

/* Seal plain as the present segment and hand it on; plain is the caller's or the one held. */
static cella_status writer_emit(struct cella_sealed_writer *writer, struct cella_view plain, bool last)
{
    uint8_t *body = writer->segment.data + writer->header_size;
    CELLA_TRY(cella_sealed_segment_seal(writer->cipher, writer->index, last, plain, body));
    struct cella_view sealed = { writer->segment.data, writer->header_size + plain.size + TAG };
    writer->header_size = 0;
    writer->fill = 0;
    writer->index++;
    return writer->sink(writer->context, sealed);
}

static cella_status writer_take(struct cella_sealed_writer *writer, struct cella_view plain)
{
    while (plain.size > 0) {
        uint8_t *body = writer->segment.data + writer->header_size;
        size_t full = writer->segment.size - writer->header_size - TAG;
        if (writer->fill == full) {
            CELLA_TRY(writer_emit(writer, cella_view_of(body, full), false));
            continue;
        }
        size_t part = plain.size < full - writer->fill ? plain.size : full - writer->fill;
        if (writer->fill == 0 && plain.size > full) {
            CELLA_TRY(writer_emit(writer, cella_view_of(plain.data, full), false));
        } else {
            memcpy(body + writer->fill, plain.data, part);
            writer->fill += part;
        }
        plain = cella_view_of(plain.data + part, plain.size - part);
    }
    return CELLA_OK;
}

cella_status cella_sealed_writer_update(struct cella_sealed_writer *writer, struct cella_view plain)
{
    if (writer->state == CELLA_OK) {
        writer->state = writer_take(writer, plain);
    }
    return writer->state;
}

cella_status cella_sealed_writer_finish(struct cella_sealed_writer *writer)
{
    if (writer->state != CELLA_OK) {
        return writer->state;
    }
    struct cella_view plain = { writer->segment.data + writer->header_size, writer->fill };
    cella_status status = writer_emit(writer, plain, true);
    writer->state = status == CELLA_OK ? CELLA_BAD_STATE : status;
    return status;
}

void cella_sealed_writer_free(struct cella_sealed_writer *writer)
{
    if (writer != NULL) {
        cella_sealed_cipher_free(writer->cipher);
        cella_secret_clear(&writer->segment);
        free(writer);
    }
}

struct cella_sealed_reader {
    struct cella_sealed_parameters parameters;
    struct cella_secret key; /* until the header has arrived */
    uint8_t associated_data[CELLA_SEALED_ASSOCIATED_DATA_MAX];
    size_t associated_data_size;
    struct cella_sealed_cipher *cipher; /* NULL until then */
    cella_sealed_sink sink;
    void *context;
    struct cella_secret segment; /* the header first, then each sealed segment; opened in place */
    uint32_t header_size;
    size_t fill;
    uint64_t index;
    cella_status state;
};

static void reader_cleanup(struct cella_sealed_reader **reader)
{
    cella_sealed_reader_free(*reader);
}

cella_status cella_sealed_reader_new(const struct cella_sealed_parameters *parameters,
                                     const struct cella_secret *key, struct cella_view associated_data,
                                     cella_sealed_sink sink, void *context, struct cella_sealed_reader **out)
{
    struct cella_sealed_layout layout;
    CELLA_TRY(cella_sealed_layout_of_plain(parameters, 0, &layout));
    if (key->size < parameters->derived_key_size) {
        return CELLA_BAD_KEY;
    }
    if (associated_data.size > CELLA_SEALED_ASSOCIATED_DATA_MAX) {
        return CELLA_TOO_LARGE;
    }
    CELLA_CLEANUP(reader_cleanup) struct cella_sealed_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL) {
        return CELLA_NO_MEMORY;
    }
    CELLA_TRY(cella_secret_set(&reader->key, cella_secret_view(key)));
    CELLA_TRY(cella_secret_resize(&reader->segment, parameters->segment_size));
    if (associated_data.size > 0) {
        memcpy(reader->associated_data, associated_data.data, associated_data.size);
    }
    reader->associated_data_size = associated_data.size;
    reader->parameters = *parameters;
    reader->header_size = layout.header_size;
    reader->sink = sink;
    reader->context = context;
    *out = reader;
    reader = NULL;
    return CELLA_OK;
}

static cella_status reader_start(struct cella_sealed_reader *reader)
{
    struct cella_view associated_data = { reader->associated_data, reader->associated_data_size };
    struct cella_view header = { reader->segment.data, reader->header_size };
    CELLA_TRY(
        cella_sealed_cipher_of_header(&reader->parameters, &reader->key, associated_data, header, &reader->cipher));
    cella_secret_clear(&reader->key);
    reader->fill = 0;
    return CELLA_OK;
}

/* Open sealed as the present segment and hand its plaintext on; sealed is the caller's or the one held. */
static cella_status reader_emit(struct cella_sealed_reader *reader, struct cella_view sealed, bool last)
{
    CELLA_TRY(cella_sealed_segment_open(reader->cipher, reader->index, last, sealed, reader->segment.data));
    reader->fill = 0;
    reader->index++;
    if (sealed.size == TAG) {
        return CELLA_OK;
    }
    return reader->sink(reader->context, cella_view_of(reader->segment.data, sealed.size - TAG));
}

/* Bytes that fill what is being collected: the header, the shorter first segment, or a segment. */
static size_t reader_full(const struct cella_sealed_reader *reader)
{
    if (reader->cipher == NULL) {
        return reader->header_size;
    }
    return reader->segment.size - (reader->index == 0 ? reader->header_size : 0);
}

static cella_status reader_take(struct cella_sealed_reader *reader, struct cella_view sealed)
{
    while (sealed.size > 0) {
        size_t full = reader_full(reader);
        if (reader->fill == full) {
            CELLA_TRY(reader_emit(reader, cella_view_of(reader->segment.data, full), false));
            continue;
        }
        size_t part = sealed.size < full - reader->fill ? sealed.size : full - reader->fill;
        if (reader->cipher != NULL && reader->fill == 0 && sealed.size > full) {
            CELLA_TRY(reader_emit(reader, cella_view_of(sealed.data, full), false));
        } else {
            memcpy(reader->segment.data + reader->fill, sealed.data, part);
            reader->fill += part;
        }
        if (reader->cipher == NULL && reader->fill == full) {
            CELLA_TRY(reader_start(reader));
        }
        sealed = cella_view_of(sealed.data + part, sealed.size - part);
    }
    return CELLA_OK;
}

cella_status cella_sealed_reader_update(struct cella_sealed_reader *reader, struct cella_view sealed)
{
    if (reader->state == CELLA_OK) {
        reader->state = reader_take(reader, sealed);
    }
    return reader->state;
}

cella_status cella_sealed_reader_finish(struct cella_sealed_reader *reader)
{
    if (reader->state != CELLA_OK) {
        return reader->state;
    }
    cella_status status = CELLA_TRUNCATED;
    if (reader->cipher != NULL) {
        status = reader_emit(reader, cella_view_of(reader->segment.data, reader->fill), true);
    }
    reader->state = status == CELLA_OK ? CELLA_BAD_STATE : status;
    return status;
}

void cella_sealed_reader_free(struct cella_sealed_reader *reader)
{
    if (reader != NULL) {
        cella_sealed_cipher_free(reader->cipher);
        cella_secret_clear(&reader->key);
        cella_secret_clear(&reader->segment);
        free(reader);
    }
}
