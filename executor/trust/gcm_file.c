/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/gcm_file.h"

#include <stdlib.h>
#include <string.h>

#define TAG CELLA_GCM_TAG_SIZE
#define PIECE 65536U

struct cella_gcm_file_reader {
    struct cella_aead *aead;
    cella_sealed_sink sink;
    void *context;
    struct cella_secret plain; /* one piece */
    uint64_t text_size;
    uint64_t taken; /* bytes of text and tag so far */
    uint8_t tag[TAG];
    cella_status state; /* the first failure, or CELLA_BAD_STATE after the end */
};

cella_status cella_gcm_file_plain_size(uint64_t file_size, uint64_t *out)
{
    if (file_size <= TAG) {
        return CELLA_TRUNCATED;
    }
    if (file_size > CELLA_GCM_FILE_MAX) {
        return CELLA_BAD_SIZE;
    }
    *out = file_size - TAG;
    return CELLA_OK;
}

static void reader_cleanup(struct cella_gcm_file_reader **reader)
{
    cella_gcm_file_reader_free(*reader);
}

static cella_status start(struct cella_gcm_file_reader *reader, const struct cella_secret *key)
{
    static const uint8_t zeros[8] = { 0 };
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret alone = { 0 };
    size_t size = key->size - CELLA_GCM_NONCE_SIZE;
    CELLA_TRY(cella_secret_set(&alone, cella_view_of(key->data, size)));
    reader->aead = cella_aead_new(&alone);
    if (reader->aead == NULL) {
        return CELLA_CRYPTO_FAILED;
    }
    return cella_aead_open_begin(reader->aead, key->data + size, cella_view_of(zeros, sizeof(zeros)));
}

cella_status cella_gcm_file_reader_new(const struct cella_secret *key, uint64_t file_size, cella_sealed_sink sink,
                                       void *context, struct cella_gcm_file_reader **out)
{
    uint64_t text_size;
    if (key->size != 16 + CELLA_GCM_NONCE_SIZE && key->size != 32 + CELLA_GCM_NONCE_SIZE) {
        return CELLA_BAD_KEY;
    }
    CELLA_TRY(cella_gcm_file_plain_size(file_size, &text_size));
    CELLA_CLEANUP(reader_cleanup) struct cella_gcm_file_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL) {
        return CELLA_NO_MEMORY;
    }
    CELLA_TRY(cella_secret_resize(&reader->plain, PIECE));
    CELLA_TRY(start(reader, key));
    reader->text_size = text_size;
    reader->sink = sink;
    reader->context = context;
    *out = reader;
    reader = NULL;
    return CELLA_OK;
}

/* Text as far as it goes, at most a piece; *count says how many bytes. */
static cella_status take_text(struct cella_gcm_file_reader *reader, struct cella_view bytes, size_t *count)
{
    uint64_t left = reader->text_size - reader->taken;
    size_t part = bytes.size < PIECE ? bytes.size : PIECE;
    part = part < left ? part : (size_t) left;
    *count = part;
    CELLA_TRY(cella_aead_open_update(reader->aead, cella_view_of(bytes.data, part), reader->plain.data));
    return reader->sink(reader->context, cella_view_of(reader->plain.data, part));
}

static cella_status take(struct cella_gcm_file_reader *reader, struct cella_view bytes)
{
    while (bytes.size > 0) {
        size_t count;
        if (reader->taken < reader->text_size) {
            CELLA_TRY(take_text(reader, bytes, &count));
        } else {
            size_t place = (size_t) (reader->taken - reader->text_size);
            count = bytes.size < TAG - place ? bytes.size : TAG - place;
            if (count == 0) {
                return CELLA_BAD_SIZE;
            }
            memcpy(reader->tag + place, bytes.data, count);
        }
        reader->taken += count;
        bytes = cella_view_of(bytes.data + count, bytes.size - count);
    }
    return CELLA_OK;
}

cella_status cella_gcm_file_reader_update(struct cella_gcm_file_reader *reader, struct cella_view bytes)
{
    if (reader->state == CELLA_OK) {
        reader->state = take(reader, bytes);
    }
    return reader->state;
}

cella_status cella_gcm_file_reader_finish(struct cella_gcm_file_reader *reader)
{
    if (reader->state != CELLA_OK) {
        return reader->state;
    }
    cella_status status = CELLA_TRUNCATED;
    if (reader->taken == reader->text_size + TAG) {
        status = cella_aead_open_end(reader->aead, reader->tag);
    }
    reader->state = status == CELLA_OK ? CELLA_BAD_STATE : status;
    return status;
}

void cella_gcm_file_reader_free(struct cella_gcm_file_reader *reader)
{
    if (reader != NULL) {
        cella_aead_free(reader->aead);
        cella_secret_clear(&reader->plain);
        free(reader);
    }
}
