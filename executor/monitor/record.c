/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/record.h"

#include <stdlib.h>
#include <string.h>

#include "base/wire.h"

#define MAGIC "CREC"
#define MAGIC_SIZE 4U
#define PARTY_MAX 64U

struct cella_record_writer {
    struct cella_aead *aead;
    uint8_t epoch[CELLA_RECORD_EPOCH_SIZE];
    uint64_t next; /* the lowest sequence number that may still be sealed */
    struct cella_bytes plain;
};

struct cella_record_reader {
    struct cella_secret ledger_key;
    struct cella_aead *aead; /* NULL: of no epoch yet */
    uint8_t epoch[CELLA_RECORD_EPOCH_SIZE];
};

static cella_status derive(const struct cella_secret *ledger_key, const uint8_t epoch[CELLA_RECORD_EPOCH_SIZE],
                           struct cella_aead **out)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = { 0 };
    CELLA_TRY(cella_secret_resize(&key, CELLA_SHA256_SIZE));
    CELLA_TRY(cella_hkdf(CELLA_HASH_SHA256, cella_secret_view(ledger_key), cella_view_of(epoch, CELLA_RECORD_EPOCH_SIZE),
                         cella_view_of_string("cella ledger record v1"), &key));
    *out = cella_aead_new(&key);
    return *out == NULL ? CELLA_CRYPTO_FAILED : CELLA_OK;
}

static void write_nonce(uint64_t sequence, uint8_t out[CELLA_GCM_NONCE_SIZE])
{
    memset(out, 0, CELLA_GCM_NONCE_SIZE);
    for (size_t i = 0; i < 8; i++) {
        out[CELLA_GCM_NONCE_SIZE - 8 + i] = (uint8_t) (sequence >> (56 - 8 * i));
    }
}

static cella_status commit_to_all(struct cella_view plain, uint8_t out[CELLA_SHA256_SIZE])
{
    static const char label[] = "cella record commitment v1";
    struct cella_sha256_stream *stream = cella_sha256_stream_new();
    if (stream == NULL) {
        return CELLA_NO_MEMORY;
    }
    cella_status status = cella_sha256_stream_update(stream, cella_view_of(label, sizeof(label) - 1));
    status = status == CELLA_OK ? cella_sha256_stream_update(stream, plain) : status;
    status = status == CELLA_OK ? cella_sha256_stream_finish(stream, out) : status;
    cella_sha256_stream_free(stream);
    return status;
}

static cella_status commit_to_line(struct cella_view line, const uint8_t rest[CELLA_SHA256_SIZE],
                                   uint8_t out[CELLA_SHA256_SIZE])
{
    static const char label[] = "cella record commitment v2";
    uint8_t text[sizeof(label) - 1 + 2 * CELLA_SHA256_SIZE];
    memcpy(text, label, sizeof(label) - 1);
    CELLA_TRY(cella_sha256(line, text + sizeof(label) - 1));
    memcpy(text + sizeof(label) - 1 + CELLA_SHA256_SIZE, rest, CELLA_SHA256_SIZE);
    return cella_sha256(cella_view_of(text, sizeof(text)), out);
}

static cella_status make_mark(struct cella_view sealed, struct cella_view plain, const struct cella_record *record,
                              uint16_t version, struct cella_record_mark *out)
{
    uint8_t commitment[CELLA_SHA256_SIZE];
    CELLA_TRY(cella_sha256(sealed, out->hash));
    CELLA_TRY(cella_sha256(plain, out->rest));
    if (record->statement.size > 0) {
        return cella_merkle_leaf(&record->statement, 1, &out->leaf);
    }
    CELLA_TRY(version == 1 ? commit_to_all(plain, commitment) : commit_to_line(record->line, out->rest, commitment));
    const struct cella_view entry = cella_view_of(commitment, sizeof(commitment));
    return cella_merkle_leaf(&entry, 1, &out->leaf);
}

/* ---- writing ---- */

cella_status cella_record_writer_new(const struct cella_secret *ledger_key, struct cella_record_writer **out)
{
    struct cella_record_writer *writer = calloc(1, sizeof(*writer));
    if (writer == NULL) {
        return CELLA_NO_MEMORY;
    }
    cella_status status = cella_random(writer->epoch, sizeof(writer->epoch));
    status = status == CELLA_OK ? derive(ledger_key, writer->epoch, &writer->aead) : status;
    if (status != CELLA_OK) {
        cella_record_writer_free(writer);
        return status;
    }
    *out = writer;
    return CELLA_OK;
}

void cella_record_writer_free(struct cella_record_writer *writer)
{
    if (writer != NULL) {
        cella_aead_free(writer->aead);
        cella_bytes_clear(&writer->plain);
        free(writer);
    }
}

static cella_status write_plain(const struct cella_record *record, struct cella_bytes *out)
{
    uint8_t salt[CELLA_RECORD_SALT_SIZE];
    CELLA_TRY(cella_random(salt, sizeof(salt)));
    CELLA_TRY(cella_bytes_set(out, cella_view_of(salt, sizeof(salt))));
    CELLA_TRY(cella_write_u8(out, record->more ? 1 : 0));
    CELLA_TRY(cella_write_u64(out, record->time_ms));
    CELLA_TRY(cella_write_field(out, record->event));
    CELLA_TRY(cella_write_field(out, record->body));
    CELLA_TRY(cella_write_field(out, record->party));
    CELLA_TRY(cella_write_u64(out, record->party_sequence));
    CELLA_TRY(cella_write_field(out, record->request));
    CELLA_TRY(cella_write_field(out, record->statement));
    return cella_write_field(out, record->line);
}

static cella_status write_header(const struct cella_record_writer *writer, uint64_t sequence, const uint8_t *previous,
                                 struct cella_bytes *out)
{
    CELLA_TRY(cella_bytes_append(out, cella_view_of(MAGIC, MAGIC_SIZE)));
    CELLA_TRY(cella_write_u16(out, CELLA_RECORD_VERSION));
    CELLA_TRY(cella_bytes_append(out, cella_view_of(writer->epoch, sizeof(writer->epoch))));
    CELLA_TRY(cella_write_u64(out, sequence));
    return cella_bytes_append(out, cella_view_of(previous, CELLA_SHA256_SIZE));
}

static cella_status seal_plain(struct cella_record_writer *writer, const struct cella_record *record,
                               const uint8_t *previous, struct cella_bytes *sealed, struct cella_record_mark *mark)
{
    size_t start = sealed->size;
    struct cella_view plain = cella_bytes_view(&writer->plain);
    uint8_t nonce[CELLA_GCM_NONCE_SIZE];
    if (plain.size > CELLA_RECORD_MAX - CELLA_RECORD_HEADER_SIZE - CELLA_GCM_TAG_SIZE) {
        return CELLA_TOO_LARGE;
    }
    CELLA_TRY(write_header(writer, record->sequence, previous, sealed));
    CELLA_TRY(cella_bytes_resize(sealed, start + CELLA_RECORD_HEADER_SIZE + plain.size + CELLA_GCM_TAG_SIZE));
    write_nonce(record->sequence, nonce);
    writer->next = record->sequence + 1; /* whatever comes of it: this number is used up */
    uint8_t *at = sealed->data + start;
    CELLA_TRY(cella_aead_seal(writer->aead, nonce, cella_view_of(at, CELLA_RECORD_HEADER_SIZE), plain,
                              at + CELLA_RECORD_HEADER_SIZE));
    return make_mark(cella_view_of(at, sealed->size - start), plain, record, CELLA_RECORD_VERSION, mark);
}

cella_status cella_record_seal(struct cella_record_writer *writer, const struct cella_record *record,
                               const uint8_t previous[CELLA_SHA256_SIZE], struct cella_bytes *sealed,
                               struct cella_record_mark *mark)
{
    size_t start = sealed->size;
    if (record->sequence < writer->next || record->event.size > CELLA_RECORD_EVENT_MAX ||
        record->party.size > PARTY_MAX) {
        return CELLA_INTERNAL;
    }
    cella_status status = write_plain(record, &writer->plain);
    status = status == CELLA_OK ? seal_plain(writer, record, previous, sealed, mark) : status;
    if (status != CELLA_OK) {
        sealed->size = start;
    }
    return status;
}

/* ---- reading ---- */

cella_status cella_record_reader_new(const struct cella_secret *ledger_key, struct cella_record_reader **out)
{
    struct cella_record_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL) {
        return CELLA_NO_MEMORY;
    }
    cella_status status = cella_secret_set(&reader->ledger_key, cella_secret_view(ledger_key));
    if (status != CELLA_OK) {
        cella_record_reader_free(reader);
        return status;
    }
    *out = reader;
    return CELLA_OK;
}

void cella_record_reader_free(struct cella_record_reader *reader)
{
    if (reader != NULL) {
        cella_secret_clear(&reader->ledger_key);
        cella_aead_free(reader->aead);
        free(reader);
    }
}

static cella_status take_epoch(struct cella_record_reader *reader, const uint8_t *epoch)
{
    if (reader->aead != NULL && memcmp(reader->epoch, epoch, sizeof(reader->epoch)) == 0) {
        return CELLA_OK;
    }
    cella_aead_free(reader->aead);
    reader->aead = NULL;
    CELLA_TRY(derive(&reader->ledger_key, epoch, &reader->aead));
    memcpy(reader->epoch, epoch, sizeof(reader->epoch));
    return CELLA_OK;
}

static cella_status read_plain(struct cella_view plain, uint16_t version, struct cella_record *out)
{
    struct cella_reader reader = cella_reader_of(plain);
    struct cella_view salt;
    uint8_t more;
    CELLA_TRY(cella_read_view(&reader, CELLA_RECORD_SALT_SIZE, &salt));
    CELLA_TRY(cella_read_u8(&reader, &more));
    CELLA_TRY(cella_read_u64(&reader, &out->time_ms));
    CELLA_TRY(cella_read_field(&reader, CELLA_RECORD_EVENT_MAX, &out->event));
    CELLA_TRY(cella_read_field(&reader, CELLA_RECORD_MAX, &out->body));
    CELLA_TRY(cella_read_field(&reader, PARTY_MAX, &out->party));
    CELLA_TRY(cella_read_u64(&reader, &out->party_sequence));
    CELLA_TRY(cella_read_field(&reader, CELLA_RECORD_MAX, &out->request));
    CELLA_TRY(cella_read_field(&reader, CELLA_RECORD_MAX, &out->statement));
    CELLA_TRY(version == 1 ? CELLA_OK : cella_read_field(&reader, CELLA_RECORD_LINE_MAX, &out->line));
    out->more = more == 1;
    return more > 1 ? CELLA_BAD_FORMAT : cella_reader_end(&reader);
}

/* The header, before anything is opened. */
static cella_status check_header(struct cella_view sealed, uint64_t sequence, const uint8_t *previous,
                                 const uint8_t **epoch, uint16_t *out_version)
{
    struct cella_reader reader = cella_reader_of(sealed);
    struct cella_view magic;
    struct cella_view epoch_view;
    struct cella_view before;
    uint16_t version;
    uint64_t number;
    if (sealed.size < CELLA_RECORD_HEADER_SIZE + CELLA_GCM_TAG_SIZE || sealed.size > CELLA_RECORD_MAX) {
        return CELLA_BAD_LEDGER;
    }
    CELLA_TRY(cella_read_view(&reader, MAGIC_SIZE, &magic));
    CELLA_TRY(cella_read_u16(&reader, &version));
    CELLA_TRY(cella_read_view(&reader, CELLA_RECORD_EPOCH_SIZE, &epoch_view));
    CELLA_TRY(cella_read_u64(&reader, &number));
    CELLA_TRY(cella_read_view(&reader, CELLA_SHA256_SIZE, &before));
    if (!cella_view_is(magic, MAGIC) || version == 0) {
        return CELLA_BAD_LEDGER;
    }
    if (version > CELLA_RECORD_VERSION) {
        return CELLA_BAD_VERSION;
    }
    *epoch = epoch_view.data;
    *out_version = version;
    bool next = number == sequence && memcmp(before.data, previous, CELLA_SHA256_SIZE) == 0;
    return next ? CELLA_OK : CELLA_BAD_LEDGER;
}

cella_status cella_record_open(struct cella_record_reader *reader, struct cella_view sealed, uint64_t sequence,
                               const uint8_t previous[CELLA_SHA256_SIZE], struct cella_bytes *plain,
                               struct cella_record *out, struct cella_record_mark *mark)
{
    uint8_t nonce[CELLA_GCM_NONCE_SIZE];
    const uint8_t *epoch = NULL;
    uint16_t version = 0;
    *out = (struct cella_record){ .sequence = sequence };
    CELLA_TRY(check_header(sealed, sequence, previous, &epoch, &version));
    CELLA_TRY(take_epoch(reader, epoch));
    struct cella_view body =
        cella_view_of(sealed.data + CELLA_RECORD_HEADER_SIZE, sealed.size - CELLA_RECORD_HEADER_SIZE);
    CELLA_TRY(cella_bytes_resize(plain, body.size - CELLA_GCM_TAG_SIZE));
    write_nonce(sequence, nonce);
    cella_status status = cella_aead_open(reader->aead, nonce, cella_view_of(sealed.data, CELLA_RECORD_HEADER_SIZE), body,
                                          plain->data);
    status = status == CELLA_OK ? read_plain(cella_bytes_view(plain), version, out) : status;
    if (status != CELLA_OK) {
        *out = (struct cella_record){ .sequence = sequence };
        return status == CELLA_NO_MEMORY || status == CELLA_CRYPTO_FAILED ? status : CELLA_BAD_LEDGER;
    }
    return make_mark(sealed, cella_bytes_view(plain), out, version, mark);
}
