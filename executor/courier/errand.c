/* SPDX-License-Identifier: Apache-2.0 */
#include "courier/errand.h"

#include <errno.h>
#include <stdlib.h>

struct cella_line {
    struct cella_link *link;
    int descriptor;
    int monitor;
    int patience_ms; /* -1: without end */
};

/* ---- link events ---- */

/* Of what a host may say about its store; its other numbers would put words into the executor's mouth. */
static cella_status said_by_host(cella_status status)
{
    bool fitting = status == CELLA_OK || status == CELLA_BUSY || cella_status_row(status)->category == CELLA_CATEGORY_IO;
    return fitting ? status : CELLA_STORE_FAILED;
}

static void take_answer(struct cella_errand *errand, struct cella_view *bytes)
{
    size_t size = errand->answer_wanted - errand->answer_size;
    size = bytes->size < size ? bytes->size : size;
    if (size == 0) {
        return;
    }
    memcpy(errand->answer + errand->answer_size, bytes->data, size);
    errand->answer_size += size;
    *bytes = cella_view_of(bytes->data + size, bytes->size - size);
    cella_errand_consumed(errand, size);
    struct cella_reader reader = cella_reader_of(cella_view_of(errand->answer, errand->answer_size));
    uint32_t number;
    if (cella_read_u32(&reader, &number) == CELLA_OK) {
        cella_errand_fail(errand, said_by_host(cella_status_from_number(number)));
        errand->ended = errand->status != CELLA_OK; /* nothing that counts can follow */
    }
}

static void data_arrived(void *context, struct cella_stream *stream, struct cella_view bytes)
{
    struct cella_errand *errand = cella_stream_user(stream);
    (void) context;
    if (errand == NULL) {
        return;
    }
    take_answer(errand, &bytes);
    if (bytes.size > 0 && errand->sink != NULL && errand->status == CELLA_OK) {
        errand->sink(errand, bytes);
    } else {
        cella_errand_consumed(errand, bytes.size);
    }
}

static void stream_ended(void *context, struct cella_stream *stream)
{
    struct cella_errand *errand = cella_stream_user(stream);
    (void) context;
    if (errand != NULL) {
        errand->ended = true;
    }
}

static void stream_closed(void *context, struct cella_stream *stream, cella_status status)
{
    struct cella_errand *errand = cella_stream_user(stream);
    (void) context;
    if (errand != NULL) {
        errand->stream = NULL;
        errand->ended = true;
        cella_errand_fail(errand, said_by_host(status));
    }
}

static void stream_opened(void *context, struct cella_stream *stream, enum cella_stream_kind kind,
                          struct cella_view arguments)
{
    struct cella_line *line = context;
    (void) kind;
    (void) arguments;
    (void) !cella_link_reset(line->link, stream, CELLA_UNKNOWN_OPERATION);
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

/* ---- the line ---- */

cella_status cella_line_new(int link_descriptor, int monitor, struct cella_line **out)
{
    struct cella_line *line = calloc(1, sizeof(*line));
    if (line == NULL) {
        return CELLA_NO_MEMORY;
    }
    *line = (struct cella_line){ .descriptor = link_descriptor, .monitor = monitor, .patience_ms = -1 };
    line->link = cella_link_new(CELLA_LINK_ENCLAVE, CELLA_LINK_COURIER, &events, line);
    if (line->link == NULL) {
        free(line);
        return CELLA_NO_MEMORY;
    }
    *out = line;
    return CELLA_OK;
}

void cella_line_free(struct cella_line *line)
{
    if (line != NULL) {
        cella_link_free(line->link);
        free(line);
    }
}

void cella_line_forget_monitor(struct cella_line *line, int patience_ms)
{
    line->monitor = -1;
    line->patience_ms = patience_ms;
}

cella_status cella_line_flush(struct cella_line *line)
{
    return cella_link_write_to(line->link, line->descriptor);
}

cella_status cella_line_wait(struct cella_line *line, struct pollfd *more, size_t count)
{
    CELLA_TRY(cella_line_flush(line));
    bool unsent = cella_link_pending(line->link).size > 0;
    struct pollfd all[2 + CELLA_LINE_MORE_MAX] = {
        { .fd = line->descriptor, .events = (short) (POLLIN | (unsent ? POLLOUT : 0)) },
        { .fd = line->monitor, .events = 0 },
    };
    if (count > CELLA_LINE_MORE_MAX) {
        return CELLA_TOO_MANY;
    }
    if (count > 0) {
        memcpy(all + 2, more, count * sizeof(*more));
    }
    int ready = poll(all, 2 + count, line->patience_ms);
    if (ready < 0) {
        return errno == EINTR ? CELLA_OK : CELLA_SYSTEM_FAILED;
    }
    if (ready == 0) {
        return CELLA_TIMEOUT;
    }
    if (count > 0) {
        memcpy(more, all + 2, count * sizeof(*more));
    }
    if ((all[1].revents & (POLLHUP | POLLERR)) != 0) {
        return CELLA_CLOSED;
    }
    if ((all[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
        return cella_link_read_from(line->link, line->descriptor);
    }
    return CELLA_OK;
}

/* ---- errands ---- */

cella_status cella_errand_begin(struct cella_errand *errand, struct cella_line *line, enum cella_stream_kind kind,
                                struct cella_view arguments, size_t answer_wanted, cella_errand_sink sink)
{
    *errand = (struct cella_errand){ .line = line, .answer_wanted = answer_wanted, .sink = sink };
    return cella_link_open(line->link, kind, arguments, errand, &errand->stream);
}

/* Why nothing more can be sent. */
static cella_status refused(const struct cella_errand *errand)
{
    return errand->status == CELLA_OK ? CELLA_STORE_FAILED : errand->status;
}

cella_status cella_errand_send(struct cella_errand *errand, struct cella_view bytes)
{
    while (bytes.size > 0) {
        size_t accepted;
        if (errand->stream == NULL || errand->status != CELLA_OK || errand->ended) {
            return refused(errand);
        }
        CELLA_TRY(cella_link_send(errand->line->link, errand->stream, bytes, &accepted));
        bytes = cella_view_of(bytes.data + accepted, bytes.size - accepted);
        CELLA_TRY(bytes.size > 0 ? cella_line_wait(errand->line, NULL, 0) : cella_line_flush(errand->line));
    }
    return CELLA_OK;
}

cella_status cella_errand_end(struct cella_errand *errand)
{
    return errand->stream == NULL ? refused(errand) : cella_link_end(errand->line->link, errand->stream);
}

cella_status cella_errand_wait(struct cella_errand *errand)
{
    while (!errand->ended) {
        CELLA_TRY(cella_line_wait(errand->line, NULL, 0));
    }
    return CELLA_OK;
}

bool cella_errand_answered(const struct cella_errand *errand)
{
    return errand->answer_size == errand->answer_wanted;
}

void cella_errand_consumed(struct cella_errand *errand, size_t count)
{
    if (errand->stream != NULL && count > 0 &&
        cella_link_consumed(errand->line->link, errand->stream, count) != CELLA_OK) {
        cella_errand_fail(errand, CELLA_NO_MEMORY);
    }
}

void cella_errand_fail(struct cella_errand *errand, cella_status status)
{
    if (errand->status == CELLA_OK) {
        errand->status = status;
    }
}

void cella_errand_stop(struct cella_errand *errand)
{
    if (errand->stream != NULL) {
        (void) !cella_link_reset(errand->line->link, errand->stream, CELLA_CANCELLED);
    }
    *errand = (struct cella_errand){ .line = NULL };
}
