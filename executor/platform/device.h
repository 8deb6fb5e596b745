/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Files of devices and of virtual file systems, which are written and read in one piece. What they give is untrusted:
 * sizes are bounded here, content is the caller's task. Where a call fails, errno says why.
 */

#include "platform/back_end.h"

#define CELLA_DEVICE_TRIES 5 /* of something that is busy; with pauses of 100 ms, 200 ms, ... in between: 1.5 s */

/*
 * Read a file up to its end.
 *
 * path: below the setup's root
 * max:  bytes, at most 1 MiB
 * out:  replaced
 * CELLA_SYSTEM_FAILED; CELLA_TOO_LARGE  there is more; CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_device_read(const struct cella_platform_setup *setup, const char *path, size_t max,
                                              struct cella_bytes *out);

/* Write content in a single call. CELLA_SYSTEM_FAILED  also where less was taken */
CELLA_MUST_USE cella_status cella_device_write(const struct cella_platform_setup *setup, const char *path,
                                               struct cella_view content);

/*
 * Open a device to read and write, close-on-exec.
 *
 * descriptor: the caller closes it with cella_device_close; -1 on failure
 * CELLA_SYSTEM_FAILED
 */
CELLA_MUST_USE cella_status cella_device_open(const struct cella_platform_setup *setup, const char *path,
                                              int *descriptor);
void cella_device_close(int *descriptor); /* accepts -1; for CELLA_CLEANUP */

/*
 * After a failed call: is it worth another try? Waits, longer each time.
 *
 * error: errno of the failed call; busy are EBUSY, EINTR, EAGAIN and ETIMEDOUT
 * tries: counted up here, from 0
 */
bool cella_device_again(int error, int *tries);

/* Say in finding why a device can not be used: errno of opening it, and what it needs (after a colon). */
void cella_device_explain(struct cella_platform_finding *finding, const char *path, int error, const char *needs);
