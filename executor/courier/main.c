/* SPDX-License-Identifier: Apache-2.0 */

/*
 * cella-courier: moves the data of one task (courier/message.h) and leaves. Started by the monitor with its socket as
 * descriptor 3 and a link to the host as descriptor 4.
 *
 *   cella-courier [--allow-missing-layers]
 *
 * Exit status: 0 done, or the monitor closed the socket; 1 otherwise.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/packet.h"
#include "confine/program.h"
#include "courier/fetch.h"
#include "courier/message.h"
#include "courier/store.h"

#define OBJECT_SIZE 32U
#define ASSOCIATED_DATA_SIZE 512U
#define FILES_MAX 32U

struct courier {
    struct cella_line *line;
    struct cella_fetch *fetches[FILES_MAX]; /* of FETCH, as long as they have something to do */
    size_t fetch_count;
    bool fetched; /* FETCH has come */
    bool stored; /* STORE or DELETE has come: it is the last message */
};

static cella_status read_key(struct cella_reader *reader, size_t size, struct cella_secret *out)
{
    struct cella_view key;
    CELLA_TRY(cella_read_field(reader, size, &key));
    return key.size == size ? cella_secret_set(out, key) : CELLA_BAD_KEY;
}

static cella_status answer(enum cella_courier_kind kind, cella_status status, size_t index, struct cella_view more,
                           const int *descriptors, size_t count)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes message = { 0 };
    CELLA_TRY(cella_write_u8(&message, (uint8_t) kind));
    CELLA_TRY(cella_write_u32(&message, (uint32_t) status));
    CELLA_TRY(cella_write_u16(&message, (uint16_t) (status == CELLA_OK ? 0 : index)));
    if (status == CELLA_OK) {
        CELLA_TRY(cella_bytes_append(&message, more));
    }
    return cella_packet_send(CELLA_COURIER_MONITOR_FD, cella_bytes_view(&message), descriptors,
                             status == CELLA_OK ? count : 0);
}

/* ---- FETCH ---- */

static void free_fetches(struct courier *courier)
{
    for (size_t i = 0; i < courier->fetch_count; i++) {
        cella_fetch_free(courier->fetches[i]);
    }
    courier->fetch_count = 0;
}

static cella_status read_input(struct cella_reader *reader, struct cella_fetch **out)
{
    struct cella_fetch_input input = { 0 };
    uint8_t format;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = { 0 };
    CELLA_TRY(cella_read_u8(reader, &input.place));
    CELLA_TRY(cella_read_field(reader, input.place == CELLA_COURIER_URL ? CELLA_URL_MAX : OBJECT_SIZE, &input.name));
    CELLA_TRY(cella_read_u64(reader, &input.file.size));
    CELLA_TRY(cella_read_u8(reader, &format));
    CELLA_TRY(cella_data_format_of_number(format, &input.file.format));
    CELLA_TRY(cella_read_u32(reader, &input.file.segment_size));
    CELLA_TRY(cella_read_view(reader, CELLA_SHA256_SIZE, &input.sha256));
    CELLA_TRY(read_key(reader, cella_data_format_key_size(input.file.format), &key));
    CELLA_TRY(cella_read_field(reader, ASSOCIATED_DATA_SIZE, &input.associated_data));
    CELLA_TRY(cella_read_u8(reader, &input.form));
    input.key = key;
    return cella_fetch_new(&input, out);
}

/* Everything is prepared first; then memory files are filled one after the other, and only then streams begin. */
static cella_status fetch_all(struct courier *courier, struct cella_reader *reader, size_t *blame)
{
    uint16_t count;
    CELLA_TRY(cella_read_u16(reader, &count));
    if (count > FILES_MAX) {
        return CELLA_TOO_MANY;
    }
    for (*blame = 0; *blame < count; (*blame)++) {
        CELLA_TRY(read_input(reader, &courier->fetches[*blame]));
        courier->fetch_count++;
    }
    *blame = 0;
    CELLA_TRY(cella_reader_end(reader));
    for (size_t streams = 0; streams < 2; streams++) {
        for (*blame = 0; *blame < count; (*blame)++) {
            struct cella_fetch *fetch = courier->fetches[*blame];
            if (cella_fetch_is_stream(fetch) == (streams == 1)) {
                CELLA_TRY(cella_fetch_begin(fetch, courier->line));
                CELLA_TRY(streams == 1 ? CELLA_OK : cella_fetch_complete(fetch));
            }
        }
    }
    return CELLA_OK;
}

static cella_status fetch(struct courier *courier, struct cella_reader *reader)
{
    int descriptors[FILES_MAX];
    size_t blame = 0;
    if (courier->fetched) {
        return CELLA_BAD_FORMAT;
    }
    courier->fetched = true;
    cella_status status = fetch_all(courier, reader, &blame);
    for (size_t i = 0; i < courier->fetch_count; i++) {
        descriptors[i] = cella_fetch_descriptor(courier->fetches[i]);
    }
    cella_status sent = answer(CELLA_COURIER_FETCHED, status, blame, (struct cella_view){ 0 }, descriptors,
                               courier->fetch_count);
    if (status != CELLA_OK) {
        free_fetches(courier);
    }
    for (size_t i = 0; i < courier->fetch_count; i++) {
        cella_fetch_handed_over(courier->fetches[i]);
    }
    return sent;
}

static cella_status deliver_streams(struct courier *courier)
{
    bool any = false;
    size_t blame;
    for (size_t i = 0; i < courier->fetch_count; i++) {
        any = any || cella_fetch_is_stream(courier->fetches[i]);
    }
    cella_status status = CELLA_OK;
    if (any) {
        cella_status pumped = cella_fetch_pump(courier->line, courier->fetches, courier->fetch_count, &blame);
        status = answer(CELLA_COURIER_STREAMED, pumped, blame, (struct cella_view){ 0 }, NULL, 0);
    }
    free_fetches(courier);
    return status;
}

/* ---- STORE ---- */

static cella_status read_output(struct cella_reader *reader, struct cella_store_output *out)
{
    uint8_t padded;
    CELLA_TRY(cella_read_field(reader, OBJECT_SIZE, &out->object));
    CELLA_TRY(read_key(reader, CELLA_SEALED_KEY_SIZE, &out->key));
    CELLA_TRY(cella_read_field(reader, ASSOCIATED_DATA_SIZE, &out->associated_data));
    CELLA_TRY(cella_read_u64(reader, &out->most));
    CELLA_TRY(cella_read_u8(reader, &padded));
    out->padded = padded == 1;
    return padded <= 1 ? CELLA_OK : CELLA_BAD_FORMAT;
}

static void clear_output(struct cella_store_output *output)
{
    cella_secret_clear(&output->key);
}

static cella_status store_one(struct courier *courier, struct cella_reader *reader, int file, struct cella_bytes *more)
{
    CELLA_CLEANUP(clear_output) struct cella_store_output output = { .padded = false };
    struct cella_stored stored;
    CELLA_TRY(read_output(reader, &output));
    CELLA_TRY(cella_store_output(courier->line, &output, file, &stored));
    CELLA_TRY(cella_bytes_append(more, cella_view_of(stored.sha256, sizeof(stored.sha256))));
    CELLA_TRY(cella_write_u64(more, stored.sealed_size));
    return cella_write_u64(more, stored.plain_size);
}

/* Nothing of a failed task stays behind: delete the first count outputs of the message. */
static void delete_stored(struct courier *courier, struct cella_reader reader, size_t count)
{
    cella_line_forget_monitor(courier->line, CELLA_COURIER_TIDY_MS / 2);
    for (size_t i = 0; i < count; i++) {
        CELLA_CLEANUP(clear_output) struct cella_store_output output = { .padded = false };
        if (read_output(&reader, &output) != CELLA_OK) {
            return;
        }
        cella_store_delete(courier->line, output.object);
    }
}

/* Wait for the monitor to close the socket. Whether it had read everything: the kernel resets the socket otherwise. */
static bool was_read(void)
{
    uint8_t nothing;
    ssize_t count;
    do {
        count = recv(CELLA_COURIER_MONITOR_FD, &nothing, sizeof(nothing), 0);
    } while (count < 0 && errno == EINTR);
    return count == 0;
}

static cella_status store(struct courier *courier, struct cella_reader *reader, const struct cella_packet *packet)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes stored = { 0 };
    uint16_t count;
    size_t done = 0;
    courier->stored = true;
    CELLA_TRY(cella_read_u16(reader, &count));
    if (count > FILES_MAX || count != packet->descriptor_count) {
        return CELLA_BAD_FORMAT;
    }
    cella_status status = CELLA_OK;
    const struct cella_reader first = *reader;
    while (done < count && status == CELLA_OK) {
        status = store_one(courier, reader, packet->descriptors[done], &stored);
        done += status == CELLA_OK ? 1 : 0;
    }
    status = status == CELLA_OK ? cella_reader_end(reader) : status;
    if (status != CELLA_OK) {
        /* The one that failed, too: the host may have had all of it when its answer was lost. */
        delete_stored(courier, first, done < count ? done + 1 : done);
    }
    cella_status sent = answer(CELLA_COURIER_STORED, status, done, cella_bytes_view(&stored), NULL, 0);
    if (status == CELLA_OK && (sent != CELLA_OK || !was_read())) {
        delete_stored(courier, first, count);
    }
    return sent;
}

/* ---- DELETE ---- */

static cella_status delete_all(struct courier *courier, struct cella_reader *reader)
{
    uint16_t count;
    courier->stored = true;
    cella_line_forget_monitor(courier->line, CELLA_COURIER_TIDY_MS / 2);
    CELLA_TRY(cella_read_u16(reader, &count));
    for (size_t i = 0; i < count; i++) {
        struct cella_view object;
        CELLA_TRY(cella_read_field(reader, OBJECT_SIZE, &object));
        cella_store_delete(courier->line, object);
    }
    return cella_reader_end(reader);
}

/* ---- life ---- */

static cella_status handle(struct courier *courier, const struct cella_packet *packet)
{
    struct cella_reader reader = cella_reader_of(packet->message);
    uint8_t kind;
    CELLA_TRY(cella_read_u8(&reader, &kind));
    switch (kind) {
    case CELLA_COURIER_FETCH:
        return fetch(courier, &reader);
    case CELLA_COURIER_STORE:
        return store(courier, &reader, packet);
    case CELLA_COURIER_DELETE:
        return delete_all(courier, &reader);
    default:
        return CELLA_BAD_FORMAT;
    }
}

static cella_status serve(struct courier *courier, uint8_t *buffer)
{
    while (!courier->stored) {
        struct cella_packet packet;
        cella_status status =
            cella_packet_receive(CELLA_COURIER_MONITOR_FD, buffer, CELLA_COURIER_MESSAGE_MAX, &packet);
        if (status == CELLA_CLOSED) {
            return CELLA_OK;
        }
        CELLA_TRY(status);
        status = handle(courier, &packet);
        cella_wipe(buffer, CELLA_COURIER_MESSAGE_MAX); /* it held keys */
        cella_packet_close(&packet);
        CELLA_TRY(status);
        CELLA_TRY(deliver_streams(courier));
    }
    return CELLA_OK;
}

static cella_status run(int argc, char **argv)
{
    struct courier courier = { .line = NULL };
    uint8_t *buffer = malloc(CELLA_COURIER_MESSAGE_MAX);
    if (buffer == NULL || fcntl(CELLA_COURIER_LINK_FD, F_SETFL, O_NONBLOCK) != 0) {
        free(buffer);
        return CELLA_SYSTEM_FAILED;
    }
    cella_status status = cella_line_new(CELLA_COURIER_LINK_FD, CELLA_COURIER_MONITOR_FD, &courier.line);
    status = status == CELLA_OK ? cella_confine_main(&cella_confine_courier, argc, argv) : status;
    status = status == CELLA_OK ? serve(&courier, buffer) : status;
    free_fetches(&courier);
    cella_line_free(courier.line);
    free(buffer);
    return status;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    return run(argc, argv) == CELLA_OK ? 0 : 1;
}
