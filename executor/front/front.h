/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The front: two descriptors, many clients, one thread. When either peer goes, or the monitor or the host break the
 * rules, the front ends; the monitor starts another.
 */

#include "front/client.h"

/* Make key and certificate; everything that needs files or much memory happens here, before confinement. */
CELLA_MUST_USE cella_status cella_front_init(struct cella_front *front);
void cella_front_clear(struct cella_front *front);

/*
 * Serve until it is over. Descriptors are non-blocking and stay the caller's.
 * CELLA_CLOSED  a peer went; CELLA_BAD_FRAME and others: a peer broke the rules
 */
CELLA_MUST_USE cella_status cella_front_run(struct cella_front *front, int monitor, int link);

/* Free clients that were dropped. Not from within a callback. */
void cella_front_sweep(struct cella_front *front);
