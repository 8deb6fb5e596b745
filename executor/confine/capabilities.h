/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Linux capabilities: a program of Cella has none. Source: capabilities(7).
 */

#include <stdint.h>

#include "base/status.h"

/* Keep nothing. */
#define CELLA_CAPABILITIES_NONE UINT64_C(0)

/* CAP_SYS_ADMIN: what a zygote needs, over its own namespaces only, to give each cell a pid namespace. */
#define CELLA_CAPABILITIES_NAMESPACES (UINT64_C(1) << 21)

/*
 * Give up all capabilities but those of kept, for good: the permitted and effective sets become kept, the bounding,
 * ambient and inheritable ones empty.
 *
 * A process that has no capability to begin with keeps its bounding set, which it may not change: that set only
 * matters for exec, and no_new_privs covers it. CELLA_SYSTEM_FAILED
 */
CELLA_MUST_USE cella_status cella_capabilities_keep(uint64_t kept);
