/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The courier's link to the host, and its errands there: one errand is one stream, from its opening to the host's
 * last word. Errands run side by side; whoever has sent them out waits in rounds and looks at them in between. What
 * the host says is hostile: an errand keeps the first failure, and nothing about it is true because the host said so.
 */

#include <poll.h>

#include "base/link.h"

#define CELLA_ERRAND_ANSWER_MAX 12U /* bytes of the fixed part of the host's answer */

struct cella_line;
struct cella_errand;

/* What becomes of bytes behind the fixed part of the answer. Give them back with cella_errand_consumed. */
typedef void (*cella_errand_sink)(struct cella_errand *errand, struct cella_view bytes);

/* Lives where its owner keeps it; must not move while it is under way. A zeroed one is not under way. */
struct cella_errand {
    struct cella_line *line;
    struct cella_stream *stream; /* NULL when the stream is over */
    bool ended;                  /* the host has said its last word */
    cella_status status;         /* first failure of the stream, or what the host answered */
    uint8_t answer[CELLA_ERRAND_ANSWER_MAX];
    size_t answer_size;
    size_t answer_wanted;
    cella_errand_sink sink; /* NULL: nothing may follow the answer */
};

/*
 * link_descriptor: the courier's non-blocking end of its link; stays the caller's
 * monitor:         watched for its end while waiting: without the monitor there is nothing to do
 * CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_line_new(int link_descriptor, int monitor, struct cella_line **out);

/* Errands that are under way end with CELLA_CLOSED. Accepts NULL. */
void cella_line_free(struct cella_line *line);

/* Stop watching the monitor, and wait for the host at most that long in one round: for tidying up after its end. */
void cella_line_forget_monitor(struct cella_line *line, int patience_ms);

/*
 * One round: write what is pending, wait until something happens, take in what has come.
 *
 * more:   further descriptors to wait for, at most CELLA_LINE_MORE_MAX; revents are filled. May be NULL.
 *
 * CELLA_CLOSED   host or monitor went away; CELLA_TIMEOUT  the host is silent (see forget_monitor);
 * CELLA_BAD_FRAME, CELLA_TOO_MANY, CELLA_NO_MEMORY, CELLA_SYSTEM_FAILED  the link is broken
 */
#define CELLA_LINE_MORE_MAX 32U
CELLA_MUST_USE cella_status cella_line_wait(struct cella_line *line, struct pollfd *more, size_t count);

/* Write what is pending without waiting. As wait. */
CELLA_MUST_USE cella_status cella_line_flush(struct cella_line *line);

/*
 * Set out.
 *
 * arguments:      of the stream, docs/protocol.md section 9
 * answer_wanted:  bytes of the fixed part of the host's answer: u32 status first; at most CELLA_ERRAND_ANSWER_MAX
 * sink:           for what follows it, or NULL
 *
 * CELLA_NO_MEMORY, CELLA_TOO_MANY, CELLA_BAD_STATE
 */
CELLA_MUST_USE cella_status cella_errand_begin(struct cella_errand *errand, struct cella_line *line,
                                               enum cella_stream_kind kind, struct cella_view arguments,
                                               size_t answer_wanted, cella_errand_sink sink);

/* Send bytes of an object; waits while the host takes none. CELLA_STORE_FAILED or the host's answer when it refuses */
CELLA_MUST_USE cella_status cella_errand_send(struct cella_errand *errand, struct cella_view bytes);

/* Say that nothing more will be sent. CELLA_STORE_FAILED or the host's answer when the stream is over already */
CELLA_MUST_USE cella_status cella_errand_end(struct cella_errand *errand);

/* Wait for the host's last word. CELLA_OK: it said it, see status and answer; else as cella_line_wait */
CELLA_MUST_USE cella_status cella_errand_wait(struct cella_errand *errand);

/* Whether the fixed part of the answer has come. */
bool cella_errand_answered(const struct cella_errand *errand);

/* Let the host send count more bytes. */
void cella_errand_consumed(struct cella_errand *errand, size_t count);

/* Keep the first failure. */
void cella_errand_fail(struct cella_errand *errand, cella_status status);

/* Give up what is under way and forget everything. Accepts one that is not. */
void cella_errand_stop(struct cella_errand *errand);
