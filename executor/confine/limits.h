/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Resource limits of the calling process. Soft and hard limit are set alike, so they can not be raised again.
 * Source: getrlimit(2).
 */

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* One limit: an RLIMIT_ number and its value in the unit of getrlimit(2). */
struct cella_limit {
    int resource;
    uint64_t value;
};

/* Set all of them. A value above the present hard limit is lowered to it. CELLA_SYSTEM_FAILED */
CELLA_MUST_USE cella_status cella_limits_set(const struct cella_limit *limits, size_t count);
