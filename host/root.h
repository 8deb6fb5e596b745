/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A root of its own for the host: Linux lets nobody make user namespaces whose root folder is not the root of its mount
 * namespace, that is, inside a chroot. Build machines and rescue systems are such places. Root can help itself there:
 * with a mount namespace whose root is the chroot's folder. Everything looks as before; only this process is elsewhere.
 */

#include "base/status.h"

/*
 * Make sure that this process can start the executor. Nothing is done where user namespaces can be made already, or
 * where the caller is not root. Call it first: descriptors that were opened before stay in the old mount namespace.
 *
 * CELLA_SYSTEM_FAILED  it is needed and did not work; the process may have lost its root and must end
 */
CELLA_MUST_USE cella_status cella_root_renew(void);
