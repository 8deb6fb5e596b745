/* SPDX-License-Identifier: Apache-2.0 */
#include "courier/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/padding.h"

#define ANSWER_SIZE 4U /* u32 status */
#define PAGE 4096U

/* One output on its way. */
struct put {
    struct cella_errand errand;
    struct cella_sealed_cipher *cipher;
    struct cella_sha256_stream *hash;
    struct cella_secret segment; /* header if it is the first, then plaintext; sealed in place */
    struct cella_sealed_layout layout;
    int file;
    uint64_t plain_size; /* of the file; zeros follow up to the layout's */
};

static void clear_put(struct put *put)
{
    cella_errand_stop(&put->errand);
    cella_sealed_cipher_free(put->cipher);
    cella_sha256_stream_free(put->hash);
    cella_secret_clear(&put->segment);
}

/* size bytes of plaintext from offset on; what the file does not have is padding. */
static cella_status read_plain(const struct put *put, uint64_t offset, uint8_t *out, size_t size)
{
    uint64_t left = offset < put->plain_size ? put->plain_size - offset : 0;
    size_t there = left < size ? (size_t) left : size;
    memset(out + there, 0, size - there);
    while (there > 0) {
        ssize_t count = pread(put->file, out, there, (off_t) offset);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return CELLA_SYSTEM_FAILED;
        }
        out += count;
        offset += (uint64_t) count;
        there -= (size_t) count;
    }
    return CELLA_OK;
}

/* Whole pages up to end are not needed any more. A file that can not be punched only stays longer. */
static void give_back(const struct put *put, uint64_t *given, uint64_t end)
{
    end = (end < put->plain_size ? end : put->plain_size) / PAGE * PAGE;
    if (end > *given) {
        (void) fallocate(put->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t) *given, (off_t) (end - *given));
        *given = end;
    }
}

static cella_status send_segments(struct put *put)
{
    uint64_t given = 0;
    for (uint64_t i = 0; i < put->layout.segment_count; i++) {
        struct cella_sealed_range range = cella_sealed_range_of(&cella_sealed_1mb, &put->layout, i);
        size_t head = i == 0 ? put->layout.header_size : 0;
        uint8_t *body = put->segment.data + head;
        CELLA_TRY(read_plain(put, range.plain_offset, body, range.plain_size));
        give_back(put, &given, range.plain_offset + range.plain_size);
        CELLA_TRY(cella_sealed_segment_seal(put->cipher, i, i + 1 == put->layout.segment_count,
                                            cella_view_of(body, range.plain_size), body));
        struct cella_view sealed = cella_view_of(put->segment.data, head + range.sealed_size);
        CELLA_TRY(cella_sha256_stream_update(put->hash, sealed));
        CELLA_TRY(cella_errand_send(&put->errand, sealed));
    }
    return CELLA_OK;
}

static cella_status prepare(struct put *put, const struct cella_store_output *output)
{
    struct stat facts;
    uint8_t header[CELLA_SEALED_HEADER_MAX];
    if (fstat(put->file, &facts) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    put->plain_size = (uint64_t) facts.st_size;
    if (put->plain_size > output->most) {
        return CELLA_LIMIT_OUTPUT;
    }
    uint64_t size = output->padded ? cella_padded_size(put->plain_size) : put->plain_size;
    CELLA_TRY(cella_sealed_layout_of_plain(&cella_sealed_1mb, size, &put->layout));
    put->hash = cella_sha256_stream_new();
    if (put->hash == NULL) {
        return CELLA_NO_MEMORY;
    }
    CELLA_TRY(cella_sealed_cipher_new(&cella_sealed_1mb, &output->key, output->associated_data, header, &put->cipher));
    CELLA_TRY(cella_secret_resize(&put->segment, CELLA_SEALED_SEGMENT_1MB));
    memcpy(put->segment.data, header, put->layout.header_size);
    return CELLA_OK;
}

static cella_status send_all(struct put *put, struct cella_line *line, struct cella_view object)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes arguments = { 0 };
    CELLA_TRY(cella_write_field(&arguments, object));
    CELLA_TRY(cella_write_u64(&arguments, put->layout.sealed_size));
    CELLA_TRY(cella_errand_begin(&put->errand, line, CELLA_STREAM_PUT, cella_bytes_view(&arguments), ANSWER_SIZE, NULL));
    CELLA_TRY(send_segments(put));
    CELLA_TRY(cella_errand_end(&put->errand));
    CELLA_TRY(cella_errand_wait(&put->errand));
    if (put->errand.status != CELLA_OK || !cella_errand_answered(&put->errand)) {
        return put->errand.status == CELLA_OK ? CELLA_STORE_FAILED : put->errand.status;
    }
    return CELLA_OK;
}

cella_status cella_store_output(struct cella_line *line, const struct cella_store_output *output, int file,
                                struct cella_stored *out)
{
    CELLA_CLEANUP(clear_put) struct put put = { .file = file };
    struct cella_stored stored;
    CELLA_TRY(prepare(&put, output));
    CELLA_TRY(send_all(&put, line, output->object));
    CELLA_TRY(cella_sha256_stream_finish(put.hash, stored.sha256));
    stored.sealed_size = put.layout.sealed_size;
    stored.plain_size = put.plain_size;
    *out = stored;
    return CELLA_OK;
}

void cella_store_delete(struct cella_line *line, struct cella_view object)
{
    CELLA_CLEANUP(cella_errand_stop) struct cella_errand errand = { .line = NULL };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes arguments = { 0 };
    cella_status status = cella_write_field(&arguments, object);
    if (status == CELLA_OK) {
        status = cella_errand_begin(&errand, line, CELLA_STREAM_DELETE, cella_bytes_view(&arguments), ANSWER_SIZE, NULL);
    }
    status = status == CELLA_OK ? cella_errand_end(&errand) : status;
    if (status == CELLA_OK) {
        (void) !cella_errand_wait(&errand);
    }
}
