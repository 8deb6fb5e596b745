/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Linux capabilities: a program of Cella has none. Source: capabilities(7).
 */

#include "base/status.h"

/*
 * Empty the bounding, ambient, inheritable, permitted and effective sets for good.
 *
 * A process that has no capability to begin with keeps its bounding set, which it may not change: that set only
 * matters for exec, and no_new_privs covers it. CELLA_SYSTEM_FAILED when a capability would be left in force.
 */
CELLA_MUST_USE cella_status cella_capabilities_drop(void);
