/* SPDX-License-Identifier: Apache-2.0 */
#include "courier/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define GET_HEADER_SIZE 12U /* u32 status, u64 size */
#define PUT_ANSWER_SIZE 4U
#define CHUNK_SIZE 1048576U

/* What is being moved at the moment. */
struct move {
    struct cella_stream *stream; /* NULL when the stream is over */
    bool ended;                  /* the host has said END */
    cella_status status;         /* first failure */
    uint8_t head[GET_HEADER_SIZE];
    size_t head_size;
    size_t head_wanted;
    uint64_t received;
    uint64_t expected;
    struct cella_sha256_stream *hash;
    struct cella_sealed_reader *reader;
    int file;
};

struct cella_transfer {
    struct cella_link *link;
    int descriptor;
    int monitor;
    struct move move;
};

/* ---- waiting ---- */

/* One round: write what is pending, wait, read what has come. */
static cella_status wait_once(struct cella_transfer *transfer)
{
    CELLA_TRY(cella_link_write_to(transfer->link, transfer->descriptor));
    bool more = cella_link_pending(transfer->link).size > 0;
    struct pollfd pollers[2] = {
        { .fd = transfer->descriptor, .events = (short) (POLLIN | (more ? POLLOUT : 0)) },
        { .fd = transfer->monitor, .events = 0 },
    };
    if (poll(pollers, 2, -1) < 0) {
        return errno == EINTR ? CELLA_OK : CELLA_SYSTEM_FAILED;
    }
    if ((pollers[1].revents & (POLLHUP | POLLERR)) != 0) {
        return CELLA_CLOSED;
    }
    if ((pollers[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
        return cella_link_read_from(transfer->link, transfer->descriptor);
    }
    return CELLA_OK;
}

/* ---- link events ---- */

static void fail(struct move *move, cella_status status)
{
    if (move->status == CELLA_OK) {
        move->status = status;
    }
}

static cella_status take_head(struct move *move, struct cella_view *bytes)
{
    size_t size = move->head_wanted - move->head_size;
    size = bytes->size < size ? bytes->size : size;
    memcpy(move->head + move->head_size, bytes->data, size);
    move->head_size += size;
    *bytes = cella_view_of(bytes->data + size, bytes->size - size);
    if (move->head_size < move->head_wanted || size == 0) {
        return CELLA_OK;
    }
    struct cella_reader reader = cella_reader_of(cella_view_of(move->head, move->head_wanted));
    uint32_t number;
    CELLA_TRY(cella_read_u32(&reader, &number));
    CELLA_TRY(cella_status_from_number(number));
    if (move->head_wanted == GET_HEADER_SIZE) {
        uint64_t size_there;
        CELLA_TRY(cella_read_u64(&reader, &size_there));
        return size_there == move->expected ? CELLA_OK : CELLA_BAD_DIGEST;
    }
    return CELLA_OK;
}

/*
 * Object bytes: hashed always, opened until that fails. The digest decides whose fault a failure is, so hashing goes
 * on to the end.
 */
static void take_object(struct move *move, struct cella_view bytes)
{
    move->received += bytes.size;
    if (move->received > move->expected || move->reader == NULL) {
        fail(move, CELLA_BAD_DIGEST);
        return;
    }
    cella_status status = cella_sha256_stream_update(move->hash, bytes);
    if (status == CELLA_OK && move->status == CELLA_OK) {
        status = cella_sealed_reader_update(move->reader, bytes);
    }
    if (status != CELLA_OK) {
        fail(move, status);
    }
}

static void data_arrived(void *context, struct cella_stream *stream, struct cella_view bytes)
{
    struct cella_transfer *transfer = context;
    struct move *move = &transfer->move;
    size_t size = bytes.size;
    if (stream != move->stream) {
        return;
    }
    bool head_failed = move->status != CELLA_OK && move->received == 0 && move->head_size == move->head_wanted;
    cella_status status = take_head(move, &bytes);
    if (status != CELLA_OK) {
        fail(move, status);
    } else if (bytes.size > 0 && !head_failed) {
        take_object(move, bytes);
    }
    if (cella_link_consumed(transfer->link, stream, size) != CELLA_OK) {
        fail(move, CELLA_NO_MEMORY);
    }
}

static void stream_ended(void *context, struct cella_stream *stream)
{
    struct cella_transfer *transfer = context;
    if (stream == transfer->move.stream) {
        transfer->move.ended = true;
    }
}

static void stream_closed(void *context, struct cella_stream *stream, cella_status status)
{
    struct cella_transfer *transfer = context;
    if (stream == transfer->move.stream) {
        transfer->move.stream = NULL;
        transfer->move.ended = true;
        if (status != CELLA_OK) {
            fail(&transfer->move, status);
        }
    }
}

static void stream_opened(void *context, struct cella_stream *stream, enum cella_stream_kind kind,
                          struct cella_view arguments)
{
    struct cella_transfer *transfer = context;
    (void) kind;
    (void) arguments;
    (void) !cella_link_reset(transfer->link, stream, CELLA_UNKNOWN_OPERATION);
}

static void ignore_note(void *context, enum cella_note_kind kind, struct cella_view payload)
{
    (void) context;
    (void) kind;
    (void) payload;
}

static void ignore_writable(void *context, struct cella_stream *stream)
{
    (void) context;
    (void) stream;
}

static const struct cella_link_events events = {
    .note = ignore_note,
    .opened = stream_opened,
    .data = data_arrived,
    .ended = stream_ended,
    .closed = stream_closed,
    .writable = ignore_writable,
};

/* ---- fetching ---- */

static cella_status write_plain(void *context, struct cella_view bytes)
{
    const struct move *move = context;
    while (bytes.size > 0) {
        ssize_t count = write(move->file, bytes.data, bytes.size);
        if (count <= 0) {
            return errno == ENOSPC || errno == ENOMEM || errno == EFBIG ? CELLA_LIMIT_INPUT : CELLA_SYSTEM_FAILED;
        }
        bytes = cella_view_of(bytes.data + count, bytes.size - (size_t) count);
    }
    return CELLA_OK;
}

static void end_move(struct cella_transfer *transfer)
{
    struct move *move = &transfer->move;
    if (move->stream != NULL) {
        struct cella_stream *stream = move->stream;
        move->stream = NULL;
        (void) !cella_link_reset(transfer->link, stream, CELLA_CANCELLED);
    }
    cella_sealed_reader_free(move->reader);
    cella_sha256_stream_free(move->hash);
    if (move->file >= 0) {
        (void) close(move->file);
    }
    *move = (struct move){ .file = -1 };
}

static cella_status begin_move(struct cella_transfer *transfer, size_t head_wanted)
{
    end_move(transfer);
    transfer->move.head_wanted = head_wanted;
    transfer->move.hash = cella_sha256_stream_new();
    return transfer->move.hash == NULL ? CELLA_NO_MEMORY : CELLA_OK;
}

static cella_status parameters_of(uint32_t segment_size, const struct cella_sealed_parameters **out)
{
    if (segment_size == cella_sealed_1mb.segment_size) {
        *out = &cella_sealed_1mb;
    } else if (segment_size == cella_sealed_4kb.segment_size) {
        *out = &cella_sealed_4kb;
    } else {
        return CELLA_BAD_FORMAT;
    }
    return CELLA_OK;
}

static cella_status open_get(struct cella_transfer *transfer, const struct cella_transfer_input *input)
{
    struct move *move = &transfer->move;
    const struct cella_sealed_parameters *parameters;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes arguments = { 0 };
    CELLA_TRY(begin_move(transfer, GET_HEADER_SIZE));
    move->expected = input->sealed_size;
    move->file = memfd_create("input", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (move->file < 0) {
        return CELLA_SYSTEM_FAILED;
    }
    CELLA_TRY(parameters_of(input->segment_size, &parameters));
    CELLA_TRY(cella_sealed_reader_new(parameters, &input->key, input->associated_data, write_plain, move,
                                      &move->reader));
    CELLA_TRY(cella_write_field(&arguments, input->object));
    CELLA_TRY(cella_link_open(transfer->link, CELLA_STREAM_GET, cella_bytes_view(&arguments), NULL, &move->stream));
    return cella_link_end(transfer->link, move->stream);
}

/* The digest first: bytes that nobody registered are the host's doing, whatever else is wrong with them. */
static cella_status judge_object(struct move *move, struct cella_view sha256)
{
    uint8_t digest[CELLA_SHA256_SIZE];
    if (move->head_size < move->head_wanted) {
        return move->status == CELLA_OK ? CELLA_OBJECT_MISSING : move->status;
    }
    if (move->received == 0 && move->status != CELLA_OK) {
        return move->status;
    }
    CELLA_TRY(cella_sha256_stream_finish(move->hash, digest));
    if (move->received != move->expected || memcmp(digest, sha256.data, sizeof(digest)) != 0) {
        return CELLA_BAD_DIGEST;
    }
    CELLA_TRY(move->status);
    return cella_sealed_reader_finish(move->reader);
}

cella_status cella_transfer_fetch(struct cella_transfer *transfer, const struct cella_transfer_input *input, int *out)
{
    struct move *move = &transfer->move;
    cella_status status = open_get(transfer, input);
    while (status == CELLA_OK && !move->ended) {
        status = wait_once(transfer);
    }
    status = status == CELLA_OK ? judge_object(move, input->sha256) : status;
    if (status == CELLA_OK &&
        fcntl(move->file, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0) {
        status = CELLA_SYSTEM_FAILED;
    }
    if (status == CELLA_OK) {
        (void) lseek(move->file, 0, SEEK_SET);
        *out = move->file;
        move->file = -1;
    }
    end_move(transfer);
    return status;
}

/* ---- storing ---- */

/* Sealed bytes on their way to the host; waits while it takes none. */
static cella_status send_sealed(void *context, struct cella_view bytes)
{
    struct cella_transfer *transfer = context;
    struct move *move = &transfer->move;
    CELLA_TRY(cella_sha256_stream_update(move->hash, bytes));
    move->received += bytes.size;
    while (bytes.size > 0) {
        size_t accepted;
        if (move->stream == NULL || move->status != CELLA_OK || move->ended) {
            return move->status == CELLA_OK ? CELLA_STORE_FAILED : move->status;
        }
        CELLA_TRY(cella_link_send(transfer->link, move->stream, bytes, &accepted));
        bytes = cella_view_of(bytes.data + accepted, bytes.size - accepted);
        CELLA_TRY(bytes.size > 0 ? wait_once(transfer) : cella_link_write_to(transfer->link, transfer->descriptor));
    }
    return CELLA_OK;
}

static cella_status seal_file(struct cella_transfer *transfer, const struct cella_transfer_output *output,
                              int descriptor, uint8_t *chunk)
{
    struct cella_sealed_writer *writer = NULL;
    CELLA_TRY(cella_sealed_writer_new(&cella_sealed_1mb, &output->key, output->associated_data, send_sealed,
                                      transfer, &writer));
    off_t offset = 0;
    cella_status status = CELLA_OK;
    while (status == CELLA_OK) {
        ssize_t count = pread(descriptor, chunk, CHUNK_SIZE, offset);
        if (count < 0) {
            status = CELLA_SYSTEM_FAILED;
        }
        if (count <= 0) {
            break;
        }
        offset += count;
        status = cella_sealed_writer_update(writer, cella_view_of(chunk, (size_t) count));
    }
    status = status == CELLA_OK ? cella_sealed_writer_finish(writer) : status;
    cella_sealed_writer_free(writer);
    return status;
}

static cella_status open_put(struct cella_transfer *transfer, const struct cella_transfer_output *output,
                             int descriptor)
{
    struct stat facts;
    struct cella_sealed_layout layout;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes arguments = { 0 };
    CELLA_TRY(begin_move(transfer, PUT_ANSWER_SIZE));
    if (fstat(descriptor, &facts) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    if ((uint64_t) facts.st_size > output->most) {
        return CELLA_LIMIT_OUTPUT;
    }
    CELLA_TRY(cella_sealed_layout_of_plain(&cella_sealed_1mb, (uint64_t) facts.st_size, &layout));
    CELLA_TRY(cella_write_field(&arguments, output->object));
    CELLA_TRY(cella_write_u64(&arguments, layout.sealed_size));
    return cella_link_open(transfer->link, CELLA_STREAM_PUT, cella_bytes_view(&arguments), NULL,
                           &transfer->move.stream);
}

static cella_status finish_put(struct cella_transfer *transfer)
{
    struct move *move = &transfer->move;
    if (move->stream == NULL) {
        return move->status == CELLA_OK ? CELLA_STORE_FAILED : move->status;
    }
    CELLA_TRY(cella_link_end(transfer->link, move->stream));
    while (!move->ended) {
        CELLA_TRY(wait_once(transfer));
    }
    if (move->status != CELLA_OK || move->head_size < move->head_wanted) {
        return move->status == CELLA_OK ? CELLA_STORE_FAILED : move->status;
    }
    return CELLA_OK;
}

cella_status cella_transfer_store(struct cella_transfer *transfer, const struct cella_transfer_output *output,
                                  int descriptor, uint8_t sha256[CELLA_SHA256_SIZE], uint64_t *sealed_size,
                                  uint64_t *plain_size)
{
    struct stat facts;
    if (fstat(descriptor, &facts) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    *plain_size = (uint64_t) facts.st_size;
    uint8_t *chunk = malloc(CHUNK_SIZE);
    if (chunk == NULL) {
        return CELLA_NO_MEMORY;
    }
    cella_status status = open_put(transfer, output, descriptor);
    status = status == CELLA_OK ? seal_file(transfer, output, descriptor, chunk) : status;
    status = status == CELLA_OK ? finish_put(transfer) : status;
    status = status == CELLA_OK ? cella_sha256_stream_finish(transfer->move.hash, sha256) : status;
    *sealed_size = transfer->move.received;
    end_move(transfer);
    cella_wipe(chunk, CHUNK_SIZE);
    free(chunk);
    return status;
}

void cella_transfer_delete(struct cella_transfer *transfer, struct cella_view object)
{
    struct move *move = &transfer->move;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes arguments = { 0 };
    cella_status status = begin_move(transfer, PUT_ANSWER_SIZE);
    status = status == CELLA_OK ? cella_write_field(&arguments, object) : status;
    if (status == CELLA_OK) {
        status = cella_link_open(transfer->link, CELLA_STREAM_DELETE, cella_bytes_view(&arguments), NULL,
                                 &move->stream);
    }
    status = status == CELLA_OK ? cella_link_end(transfer->link, move->stream) : status;
    while (status == CELLA_OK && !move->ended) {
        status = wait_once(transfer);
    }
    end_move(transfer);
}

/* ---- life ---- */

cella_status cella_transfer_new(int link_descriptor, int monitor, struct cella_transfer **out)
{
    struct cella_transfer *transfer = calloc(1, sizeof(*transfer));
    if (transfer == NULL) {
        return CELLA_NO_MEMORY;
    }
    transfer->descriptor = link_descriptor;
    transfer->monitor = monitor;
    transfer->move.file = -1;
    transfer->link = cella_link_new(CELLA_LINK_ENCLAVE, CELLA_LINK_COURIER, &events, transfer);
    if (transfer->link == NULL) {
        free(transfer);
        return CELLA_NO_MEMORY;
    }
    *out = transfer;
    return CELLA_OK;
}

void cella_transfer_free(struct cella_transfer *transfer)
{
    if (transfer != NULL) {
        end_move(transfer);
        cella_link_free(transfer->link);
        free(transfer);
    }
}
