/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A task as a cell holds it: the description, inputs mapped read-only or as pipes, outputs as descriptors.
 */

#include "cell/message.h"

/* Number of the first output's descriptor; output i is this plus i. Streams follow the last output, in order. */
#define CELLA_CELL_OUTPUT_FD 3

struct cella_received {
    struct cella_bytes text; /* what the task's views borrow from */
    struct cella_task task;
    struct cella_view inputs[CELLA_TASK_FILES_MAX]; /* mapped content; data NULL when absent, empty or a stream */
    size_t stream_count;
    uint64_t inputs_bytes;                          /* address space that the inputs take */
};

/*
 * Wait for a task on the control socket and take it in: afterwards exactly /dev/null, the outputs, the streams and the
 * control socket are open.
 *
 * out:  what was received; stays for the life of the process
 *
 * CELLA_CLOSED      the monitor needs this cell no more
 * CELLA_BAD_FORMAT  message, task or descriptors do not fit together, an input is not sealed against writing, or a
 *                   stream is not the read end of a pipe
 * CELLA_TOO_LARGE, CELLA_NO_MEMORY, CELLA_SYSTEM_FAILED
 */
CELLA_MUST_USE cella_status cella_receive_task(int control, struct cella_received *out);
