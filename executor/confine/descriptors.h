/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * File descriptors: a program keeps exactly those it was given on purpose.
 */

#include <stddef.h>

#include "base/status.h"

/* Close *descriptor unless it is negative, and set it to -1. For CELLA_CLEANUP. */
void cella_descriptors_release(int *descriptor);

/* Close every descriptor from first to last, both included; last -1 means all above. CELLA_SYSTEM_FAILED */
CELLA_MUST_USE cella_status cella_descriptors_close(int first, int last);

/*
 * Move descriptors to the numbers first, first + 1, ..., in order; what was open there before is closed. The array
 * holds the new numbers afterwards; they stay open across exec.
 *
 * CELLA_SYSTEM_FAILED  some may have moved: give up the process
 */
CELLA_MUST_USE cella_status cella_descriptors_place(int *descriptors, size_t count, int first);
