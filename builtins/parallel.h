/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Parts of one piece of work on several threads. What the parts are depends on the work alone, never on the number of
 * threads, so that results do not either.
 */

#include "builtins/call.h"

/*
 * Call part(context, i) once for each i from 0 to count - 1, on at most call->threads threads, that of the caller among
 * them. Parts must not touch each other's data, nor call. Where no thread can be made, fewer do the work.
 */
void cella_parallel(const struct cella_builtin_call *call, size_t count, void (*part)(void *context, size_t index),
                    void *context);
