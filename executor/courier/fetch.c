/* SPDX-License-Identifier: Apache-2.0 */
#include "courier/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/memory_file.h"

#define GET_ANSWER_SIZE 12U /* u32 status, u64 size */
#define PIPE_MOST 1048576   /* what the kernel grants everybody, unless the machine's user has many */
#define PIPE_LEAST 65536

/* More than opening one window's worth of bytes can give at once, with either segment size. */
#define PLAIN_MAX (CELLA_SEALED_SEGMENT_1MB + CELLA_SEALED_SEGMENT_4KB)

struct cella_fetch {
    struct cella_errand errand; /* first: the sink gets it */
    bool stream;
    uint8_t place;
    struct cella_bytes name;
    uint8_t sha256[CELLA_SHA256_SIZE];
    uint64_t expected;
    uint64_t received;
    struct cella_sha256_stream *hash;
    struct cella_data_reader *reader;
    cella_status opened; /* first failure of opening; the digest decides whose fault it is */
    int near;            /* memory file, or the pipe's write end; -1 when its reader has gone */
    int far;             /* what is handed over */
    struct cella_bytes held;   /* sealed bytes for which there is no room yet; at most a window */
    struct cella_secret plain; /* opened bytes that the pipe did not take yet */
    size_t plain_size;
    size_t plain_sent;
    bool judged; /* complete and verified; what is left is to be delivered */
    bool over;
};

/* ---- where plaintext goes ---- */

static cella_status write_memory(const struct cella_fetch *fetch, struct cella_view bytes)
{
    while (bytes.size > 0) {
        ssize_t count = write(fetch->near, bytes.data, bytes.size);
        if (count <= 0) {
            return errno == ENOSPC || errno == ENOMEM || errno == EFBIG ? CELLA_LIMIT_INPUT : CELLA_SYSTEM_FAILED;
        }
        bytes = cella_view_of(bytes.data + count, bytes.size - (size_t) count);
    }
    return CELLA_OK;
}

static void abandon_reader(struct cella_fetch *fetch)
{
    if (fetch->near >= 0) {
        (void) close(fetch->near);
        fetch->near = -1;
    }
    fetch->plain_size = 0;
    fetch->plain_sent = 0;
}

/* Write what the pipe takes at once; *count says how much. All of it when nobody reads any more. */
static cella_status write_pipe(struct cella_fetch *fetch, struct cella_view bytes, size_t *count)
{
    *count = 0;
    while (fetch->near >= 0 && *count < bytes.size) {
        ssize_t written = write(fetch->near, bytes.data + *count, bytes.size - *count);
        if (written > 0) {
            *count += (size_t) written;
        } else if (written < 0 && errno == EPIPE) {
            abandon_reader(fetch);
        } else if (written < 0 && errno == EAGAIN) {
            return CELLA_OK;
        } else if (written == 0 || errno != EINTR) {
            return CELLA_SYSTEM_FAILED;
        }
    }
    *count = bytes.size;
    return CELLA_OK;
}

static cella_status deliver(struct cella_fetch *fetch, struct cella_view bytes)
{
    size_t count = 0;
    if (fetch->plain_size == 0) {
        CELLA_TRY(write_pipe(fetch, bytes, &count));
    }
    bytes = cella_view_of(bytes.data + count, bytes.size - count);
    if (bytes.size == 0) {
        return CELLA_OK;
    }
    if (fetch->plain.size == 0) {
        CELLA_TRY(cella_secret_resize(&fetch->plain, PLAIN_MAX));
    }
    if (bytes.size > PLAIN_MAX - fetch->plain_size) {
        return CELLA_INTERNAL;
    }
    memcpy(fetch->plain.data + fetch->plain_size, bytes.data, bytes.size);
    fetch->plain_size += bytes.size;
    return CELLA_OK;
}

static cella_status take_plain(void *context, struct cella_view bytes)
{
    struct cella_fetch *fetch = context;
    return fetch->stream ? deliver(fetch, bytes) : write_memory(fetch, bytes);
}

/* ---- what the host sends ---- */

/* Whether the size in the host's answer is the registered one. */
static bool size_agrees(const struct cella_fetch *fetch)
{
    struct cella_reader reader = cella_reader_of(cella_view_of(fetch->errand.answer + 4, 8));
    uint64_t said;
    return cella_read_u64(&reader, &said) == CELLA_OK && said == fetch->expected;
}

static void open_bytes(struct cella_fetch *fetch, struct cella_view bytes)
{
    if (fetch->opened == CELLA_OK) {
        fetch->opened = cella_data_reader_update(fetch->reader, bytes);
    }
    cella_errand_consumed(&fetch->errand, bytes.size);
}

/*
 * Object bytes: hashed always, opened until that fails. The digest decides whose fault a failure is, so hashing goes
 * on to the end. While the pipe is full they are held and the host gets no credit.
 */
static void take_object(struct cella_errand *errand, struct cella_view bytes)
{
    struct cella_fetch *fetch = (struct cella_fetch *) errand;
    fetch->received += bytes.size;
    if (!size_agrees(fetch) || fetch->received > fetch->expected) {
        cella_errand_fail(errand, CELLA_BAD_DIGEST);
        errand->ended = true; /* however much more it has */
        return;
    }
    bool full = fetch->plain_size > 0 || fetch->held.size > 0;
    cella_status status = cella_sha256_stream_update(fetch->hash, bytes);
    if (status == CELLA_OK && full && fetch->opened == CELLA_OK) {
        status = cella_bytes_append(&fetch->held, bytes);
    } else if (status == CELLA_OK) {
        open_bytes(fetch, bytes);
    }
    cella_errand_fail(errand, status);
}

/* The digest first: bytes that nobody registered are the host's doing, whatever else is wrong with them. */
static cella_status judge_object(struct cella_fetch *fetch)
{
    uint8_t digest[CELLA_SHA256_SIZE];
    const struct cella_errand *errand = &fetch->errand;
    CELLA_TRY(errand->status);
    if (!cella_errand_answered(errand)) {
        return CELLA_OBJECT_MISSING;
    }
    CELLA_TRY(cella_sha256_stream_finish(fetch->hash, digest));
    if (!size_agrees(fetch) || fetch->received != fetch->expected ||
        memcmp(digest, fetch->sha256, sizeof(digest)) != 0) {
        return CELLA_BAD_DIGEST;
    }
    CELLA_TRY(fetch->opened);
    return cella_data_reader_finish(fetch->reader);
}

/* ---- streams ---- */

static cella_status drain(struct cella_fetch *fetch)
{
    size_t count;
    struct cella_view rest = cella_view_of(fetch->plain.data + fetch->plain_sent, fetch->plain_size - fetch->plain_sent);
    if (rest.size == 0) {
        return CELLA_OK;
    }
    CELLA_TRY(write_pipe(fetch, rest, &count));
    fetch->plain_sent += count;
    if (fetch->plain_sent >= fetch->plain_size) {
        fetch->plain_size = 0;
        fetch->plain_sent = 0;
    }
    return CELLA_OK;
}

/* Do what can be done without waiting. */
static cella_status advance(struct cella_fetch *fetch)
{
    CELLA_TRY(drain(fetch));
    if (fetch->held.size > 0 && (fetch->plain_size == 0 || fetch->opened != CELLA_OK)) {
        open_bytes(fetch, cella_bytes_view(&fetch->held));
        fetch->held.size = 0;
    }
    bool waiting = fetch->plain_size > 0 || fetch->held.size > 0;
    bool doomed = fetch->opened != CELLA_OK || fetch->errand.status != CELLA_OK || fetch->received < fetch->expected;
    if (fetch->errand.ended && !fetch->judged && (!waiting || doomed)) {
        CELLA_TRY(judge_object(fetch));
        fetch->judged = true;
    }
    if (fetch->judged && fetch->plain_size == 0) {
        abandon_reader(fetch); /* it has everything: this is the end that it reads */
        fetch->over = true;
    }
    return CELLA_OK;
}

static struct pollfd poller_of(const struct cella_fetch *fetch)
{
    bool wanted = fetch->stream && !fetch->over;
    return (struct pollfd){ .fd = wanted ? fetch->near : -1, .events = fetch->plain_size > 0 ? POLLOUT : 0 };
}

cella_status cella_fetch_pump(struct cella_line *line, struct cella_fetch *const *fetches, size_t count, size_t *blame)
{
    struct pollfd pollers[CELLA_LINE_MORE_MAX];
    if (count > CELLA_LINE_MORE_MAX) {
        return CELLA_TOO_MANY;
    }
    *blame = 0;
    for (;;) {
        bool busy = false;
        for (size_t i = 0; i < count; i++) {
            if (fetches[i]->stream && !fetches[i]->over) {
                *blame = i;
                CELLA_TRY(advance(fetches[i]));
                busy = busy || !fetches[i]->over;
            }
            pollers[i] = poller_of(fetches[i]);
        }
        if (!busy) {
            return CELLA_OK;
        }
        CELLA_TRY(cella_line_wait(line, pollers, count));
        for (size_t i = 0; i < count; i++) {
            if (pollers[i].fd >= 0 && (pollers[i].revents & POLLERR) != 0) {
                abandon_reader(fetches[i]);
            }
        }
    }
}

/* ---- life ---- */

static cella_status make_pipe(struct cella_fetch *fetch)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    fetch->far = ends[0];
    fetch->near = ends[1];
    if (fcntl(fetch->near, F_SETFL, O_NONBLOCK) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    /* A larger one saves wake-ups; the one there is does as well. */
    for (int size = PIPE_MOST; size > PIPE_LEAST && fcntl(fetch->near, F_SETPIPE_SZ, size) < 0; size /= 2) {
    }
    return CELLA_OK;
}

static cella_status make_target(struct cella_fetch *fetch)
{
    if (fetch->stream) {
        return make_pipe(fetch);
    }
    fetch->near = memfd_create("input", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    fetch->far = fetch->near;
    return fetch->near < 0 ? CELLA_SYSTEM_FAILED : CELLA_OK;
}

static cella_status fill(struct cella_fetch *fetch, const struct cella_fetch_input *input)
{
    if ((input->form != CELLA_COURIER_MEMORY && input->form != CELLA_COURIER_STREAM) ||
        (input->place != CELLA_COURIER_OBJECT && input->place != CELLA_COURIER_URL)) {
        return CELLA_BAD_FORMAT;
    }
    fetch->place = input->place;
    fetch->stream = input->form == CELLA_COURIER_STREAM;
    if (fetch->stream && !cella_data_format_streams(input->file.format)) {
        return CELLA_BAD_FORMAT;
    }
    fetch->expected = input->file.size;
    memcpy(fetch->sha256, input->sha256.data, sizeof(fetch->sha256));
    fetch->hash = cella_sha256_stream_new();
    if (fetch->hash == NULL) {
        return CELLA_NO_MEMORY;
    }
    CELLA_TRY(cella_bytes_set(&fetch->name, input->name));
    CELLA_TRY(cella_data_reader_new(&input->file, &input->key, input->associated_data, take_plain, fetch,
                                    &fetch->reader));
    return make_target(fetch);
}

cella_status cella_fetch_new(const struct cella_fetch_input *input, struct cella_fetch **out)
{
    struct cella_fetch *fetch = calloc(1, sizeof(*fetch));
    if (fetch == NULL) {
        return CELLA_NO_MEMORY;
    }
    fetch->near = -1;
    fetch->far = -1;
    cella_status status = fill(fetch, input);
    if (status != CELLA_OK) {
        cella_fetch_free(fetch);
        return status;
    }
    *out = fetch;
    return CELLA_OK;
}

void cella_fetch_free(struct cella_fetch *fetch)
{
    if (fetch == NULL) {
        return;
    }
    cella_errand_stop(&fetch->errand);
    cella_data_reader_free(fetch->reader);
    cella_sha256_stream_free(fetch->hash);
    cella_secret_clear(&fetch->plain);
    cella_bytes_clear(&fetch->held);
    cella_bytes_clear(&fetch->name);
    if (fetch->far >= 0 && fetch->far != fetch->near) {
        (void) close(fetch->far);
    }
    if (fetch->near >= 0) {
        (void) close(fetch->near);
    }
    free(fetch);
}

cella_status cella_fetch_begin(struct cella_fetch *fetch, struct cella_line *line)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes arguments = { 0 };
    bool far = fetch->place == CELLA_COURIER_URL;
    CELLA_TRY(cella_write_field(&arguments, cella_bytes_view(&fetch->name)));
    CELLA_TRY(far ? cella_write_u64(&arguments, fetch->expected) : CELLA_OK);
    CELLA_TRY(cella_errand_begin(&fetch->errand, line, far ? CELLA_STREAM_FETCH : CELLA_STREAM_GET,
                                 cella_bytes_view(&arguments), GET_ANSWER_SIZE, take_object));
    return cella_errand_end(&fetch->errand);
}

cella_status cella_fetch_complete(struct cella_fetch *fetch)
{
    CELLA_TRY(cella_errand_wait(&fetch->errand));
    cella_status status = judge_object(fetch);
    cella_errand_stop(&fetch->errand);
    CELLA_TRY(status);
    CELLA_TRY(cella_memory_file_seal(fetch->near));
    return lseek(fetch->near, 0, SEEK_SET) == 0 ? CELLA_OK : CELLA_SYSTEM_FAILED;
}

bool cella_fetch_is_stream(const struct cella_fetch *fetch)
{
    return fetch->stream;
}

int cella_fetch_descriptor(const struct cella_fetch *fetch)
{
    return fetch->far;
}

void cella_fetch_handed_over(struct cella_fetch *fetch)
{
    if (fetch->far >= 0) {
        (void) close(fetch->far);
    }
    if (!fetch->stream) {
        fetch->near = -1;
    }
    fetch->far = -1;
}
