/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Threads that share loops: a call of cella_onnx_parallel is divided among the thread that called and up to
 * CELLA_ONNX_THREADS_MAX - 1 others. The others live from start to stop. Not reentrant: parts do not divide work again.
 */

#include "builtins/native/onnx_work.h"

#define CELLA_ONNX_THREADS_MAX 64U

struct cella_onnx_threads;

/* Part number index of a loop. thread: from 0, below the number of threads. Must not fail: it computes only. */
typedef void cella_onnx_part(void *context, size_t index, size_t thread);

/*
 * Start. Where the system refuses threads there are fewer.
 *
 * count:  how many may work, the caller's included; at least 1
 * work:   told of parts that are done; must live as long as the threads; or NULL
 * out:    the caller ends them with cella_onnx_threads_stop
 *
 * CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_onnx_threads_start(unsigned int count, struct cella_onnx_work *work,
                                                     struct cella_onnx_threads **out);

/* How many work: at least 1. */
size_t cella_onnx_threads_count(const struct cella_onnx_threads *threads);

/*
 * Call part for each index below count, in any order, several at a time.
 *
 * steps:  of one part, about; parts of more than CELLA_ONNX_WORK_PART delay a cancelling
 *
 * CELLA_CANCELLED  the call is to end; some parts were not done. No part is running any more.
 */
CELLA_MUST_USE cella_status cella_onnx_parallel(struct cella_onnx_threads *threads, size_t count, double steps,
                                                cella_onnx_part *part, void *context);

/* End the threads. NULL is fine. */
void cella_onnx_threads_stop(struct cella_onnx_threads *threads);
