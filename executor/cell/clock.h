/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Clocks of a cell. A task may ask for coarse ones: a script that measures its neighbours through caches needs better
 * than the kernel's tick (1 to 10 ms).
 *
 * The processor's own counter is switched off for the process, so that reading it ends the process; libc's clocks read
 * it, so the program exports clock_gettime, gettimeofday and time in libc's place, which then ask the kernel for the
 * coarse clocks. Without threads, which could count in a loop, nothing finer is left.
 *
 * What counts processor time answers with the ticks of times(2). The resolution that clock_getres tells is untrue then.
 */

#include <sys/time.h>
#include <time.h>

#include "base/status.h"

/* From now on and for good, this process has coarse clocks only. CELLA_SYSTEM_FAILED  it could not be made so */
CELLA_MUST_USE cella_status cella_clock_coarsen(void);

__attribute__((visibility("default"))) int clock_gettime(clockid_t clock, struct timespec *out);
__attribute__((visibility("default"))) int gettimeofday(struct timeval *restrict out, void *restrict zone);
__attribute__((visibility("default"))) time_t time(time_t *out);
