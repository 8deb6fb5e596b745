/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What of this machine's devices an executor sees, so that it can make evidence: those of the platform that was chosen, and
 * of every platform where the executor is to choose. What is not there is left out; the executor says what it misses.
 *
 * A device keeps its owner and mode: the executor's user needs the right to it (docs/operations.md). Two things are
 * different. In configfs only root may make the folder of a request, so the host makes one and gives it away; nothing else
 * of configfs is seen. And a TPM's event log is readable for root alone, so the executor gets a copy.
 */

#include <stddef.h>
#include <stdint.h>

#define CELLA_DEVICES_PATH_MAX 128U
#define CELLA_DEVICES_LOG_MAX (512U << 10) /* bytes of an event log; a longer one is left out */

enum cella_device_kind {
    CELLA_DEVICE_NODE,   /* can be opened to read and write */
    CELLA_DEVICE_FOLDER, /* stays writable */
    CELLA_DEVICE_COPY,   /* of a file, made when the executor starts */
};

struct cella_device {
    const char *path; /* in the executor's view; on the machine too, unless it is the report folder */
    enum cella_device_kind kind;
};

struct cella_devices {
    const char *platform;                /* name in the configuration, borrowed */
    char report[CELLA_DEVICES_PATH_MAX]; /* folder that was made in configfs; empty: none */
};

/*
 * Make what has to be made, or use what a killed host has left of it. That it can not be made is no error.
 *
 * platform: a name that host/config.c accepts
 * owner:    a number that no other running host on this machine uses
 */
void cella_devices_open(const char *platform, uint64_t owner, struct cella_devices *out);

/* Remove it again, after the executor's end. Accepts a zeroed object. */
void cella_devices_close(struct cella_devices *devices);

/*
 * Number index of those that belong to the platform; NULL past the end.
 *
 * out_source: where it is on the machine
 */
const struct cella_device *cella_devices_next(const struct cella_devices *devices, size_t index, const char **out_source);
