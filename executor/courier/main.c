/* SPDX-License-Identifier: Apache-2.0 */

/*
 * cella-courier: moves the data of one task (courier/message.h) and leaves. Started by the monitor with its socket as
 * descriptor 3 and a link to the host as descriptor 4.
 *
 *   cella-courier [--allow-missing-layers]
 *
 * Exit status: 0 done, or the monitor closed the socket; 1 otherwise.
 */

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/packet.h"
#include "confine/program.h"
#include "courier/message.h"
#include "courier/transfer.h"

#define OBJECT_SIZE 32U
#define ASSOCIATED_DATA_SIZE 512U
#define FILES_MAX 32U

static cella_status read_key(struct cella_reader *reader, struct cella_secret *out)
{
    struct cella_view key;
    CELLA_TRY(cella_read_field(reader, CELLA_SEALED_KEY_SIZE, &key));
    return key.size == CELLA_SEALED_KEY_SIZE ? cella_secret_set(out, key) : CELLA_BAD_KEY;
}

static cella_status answer(enum cella_courier_kind kind, cella_status status, size_t index,
                           const struct cella_bytes *more, const int *descriptors, size_t count)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes message = { 0 };
    CELLA_TRY(cella_write_u8(&message, (uint8_t) kind));
    CELLA_TRY(cella_write_u32(&message, (uint32_t) status));
    CELLA_TRY(cella_write_u16(&message, (uint16_t) index));
    if (more != NULL && status == CELLA_OK) {
        CELLA_TRY(cella_bytes_append(&message, cella_bytes_view(more)));
    }
    return cella_packet_send(CELLA_COURIER_MONITOR_FD, cella_bytes_view(&message), descriptors,
                             status == CELLA_OK ? count : 0);
}

/* ---- FETCH ---- */

static cella_status fetch_one(struct cella_transfer *transfer, struct cella_reader *reader, int *out)
{
    struct cella_transfer_input input = { 0 };
    uint8_t form;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = { 0 };
    CELLA_TRY(cella_read_field(reader, OBJECT_SIZE, &input.object));
    CELLA_TRY(cella_read_u64(reader, &input.sealed_size));
    CELLA_TRY(cella_read_u32(reader, &input.segment_size));
    CELLA_TRY(cella_read_view(reader, CELLA_SHA256_SIZE, &input.sha256));
    CELLA_TRY(read_key(reader, &key));
    CELLA_TRY(cella_read_field(reader, ASSOCIATED_DATA_SIZE, &input.associated_data));
    CELLA_TRY(cella_read_u8(reader, &form));
    if (form != CELLA_COURIER_MEMORY) {
        return CELLA_BAD_FORMAT;
    }
    input.key = key;
    return cella_transfer_fetch(transfer, &input, out);
}

static cella_status fetch(struct cella_transfer *transfer, struct cella_reader *reader)
{
    int descriptors[FILES_MAX];
    uint16_t count;
    size_t done = 0;
    CELLA_TRY(cella_read_u16(reader, &count));
    if (count > FILES_MAX) {
        return CELLA_TOO_MANY;
    }
    cella_status status = CELLA_OK;
    while (done < count && status == CELLA_OK) {
        status = fetch_one(transfer, reader, &descriptors[done]);
        done += status == CELLA_OK ? 1 : 0;
    }
    status = status == CELLA_OK ? cella_reader_end(reader) : status;
    cella_status sent = answer(CELLA_COURIER_FETCHED, status, done, NULL, descriptors, done);
    for (size_t i = 0; i < done; i++) {
        (void) close(descriptors[i]);
    }
    return sent;
}

/* ---- STORE ---- */

static cella_status store_one(struct cella_transfer *transfer, struct cella_reader *reader, int descriptor,
                              struct cella_bytes *stored)
{
    struct cella_transfer_output output = { 0 };
    uint8_t sha256[CELLA_SHA256_SIZE];
    uint64_t sealed_size;
    uint64_t plain_size;
    uint8_t padded;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = { 0 };
    CELLA_TRY(cella_read_field(reader, OBJECT_SIZE, &output.object));
    CELLA_TRY(read_key(reader, &key));
    CELLA_TRY(cella_read_field(reader, ASSOCIATED_DATA_SIZE, &output.associated_data));
    CELLA_TRY(cella_read_u64(reader, &output.most));
    CELLA_TRY(cella_read_u8(reader, &padded));
    if (padded != 0) {
        return CELLA_BAD_FORMAT;
    }
    output.key = key;
    CELLA_TRY(cella_transfer_store(transfer, &output, descriptor, sha256, &sealed_size, &plain_size));
    CELLA_TRY(cella_bytes_append(stored, cella_view_of(sha256, sizeof(sha256))));
    CELLA_TRY(cella_write_u64(stored, sealed_size));
    return cella_write_u64(stored, plain_size);
}

/* Nothing of a failed task stays behind: delete the first count outputs of the message. */
static void delete_stored(struct cella_transfer *transfer, struct cella_reader reader, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct cella_view object;
        struct cella_view skipped;
        uint64_t most;
        uint8_t padded;
        if (cella_read_field(&reader, OBJECT_SIZE, &object) != CELLA_OK ||
            cella_read_field(&reader, CELLA_SEALED_KEY_SIZE, &skipped) != CELLA_OK ||
            cella_read_field(&reader, ASSOCIATED_DATA_SIZE, &skipped) != CELLA_OK ||
            cella_read_u64(&reader, &most) != CELLA_OK || cella_read_u8(&reader, &padded) != CELLA_OK) {
            return;
        }
        cella_transfer_delete(transfer, object);
    }
}

static cella_status store(struct cella_transfer *transfer, struct cella_reader *reader,
                          const struct cella_packet *packet)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes stored = { 0 };
    uint16_t count;
    size_t done = 0;
    CELLA_TRY(cella_read_u16(reader, &count));
    if (count > FILES_MAX || count != packet->descriptor_count) {
        return CELLA_BAD_FORMAT;
    }
    cella_status status = CELLA_OK;
    const struct cella_reader first = *reader;
    while (done < count && status == CELLA_OK) {
        status = store_one(transfer, reader, packet->descriptors[done], &stored);
        done += status == CELLA_OK ? 1 : 0;
    }
    status = status == CELLA_OK ? cella_reader_end(reader) : status;
    if (status != CELLA_OK) {
        delete_stored(transfer, first, done);
    }
    return answer(CELLA_COURIER_STORED, status, done, &stored, NULL, 0);
}

/* ---- life ---- */

static cella_status handle(struct cella_transfer *transfer, const struct cella_packet *packet, bool *over)
{
    struct cella_reader reader = cella_reader_of(packet->message);
    uint8_t kind;
    CELLA_TRY(cella_read_u8(&reader, &kind));
    if (kind == CELLA_COURIER_FETCH) {
        return fetch(transfer, &reader);
    }
    *over = true;
    return kind == CELLA_COURIER_STORE ? store(transfer, &reader, packet) : CELLA_BAD_FORMAT;
}

static cella_status serve(struct cella_transfer *transfer, uint8_t *buffer)
{
    bool over = false;
    while (!over) {
        struct cella_packet packet;
        cella_status status =
            cella_packet_receive(CELLA_COURIER_MONITOR_FD, buffer, CELLA_COURIER_MESSAGE_MAX, &packet);
        if (status == CELLA_CLOSED) {
            return CELLA_OK;
        }
        CELLA_TRY(status);
        status = handle(transfer, &packet, &over);
        cella_wipe(buffer, CELLA_COURIER_MESSAGE_MAX); /* it held keys */
        cella_packet_close(&packet);
        CELLA_TRY(status);
    }
    return CELLA_OK;
}

static cella_status run(int argc, char **argv)
{
    struct cella_transfer *transfer = NULL;
    uint8_t *buffer = malloc(CELLA_COURIER_MESSAGE_MAX);
    if (buffer == NULL || fcntl(CELLA_COURIER_LINK_FD, F_SETFL, O_NONBLOCK) != 0) {
        free(buffer);
        return CELLA_SYSTEM_FAILED;
    }
    cella_status status = cella_transfer_new(CELLA_COURIER_LINK_FD, CELLA_COURIER_MONITOR_FD, &transfer);
    status = status == CELLA_OK ? cella_confine_main(&cella_confine_courier, argc, argv) : status;
    status = status == CELLA_OK ? serve(transfer, buffer) : status;
    cella_transfer_free(transfer);
    free(buffer);
    return status;
}

int main(int argc, char **argv)
{
    return run(argc, argv) == CELLA_OK ? 0 : 1;
}
