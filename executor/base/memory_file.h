/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Files in memory (memfd_create(2)) that one program fills and others read.
 */

#include "base/status.h"

/*
 * Nobody can change content, size or seals any more, through whatever descriptor. There must be no writable mapping.
 *
 * The kernel refuses (EBUSY) while somebody else holds one of the file's pages. It does so itself for moments, when it moves
 * memory or looks at what is used, and waits for about a tenth of a second before it refuses; this asks it several times.
 *
 * file:  made with MFD_ALLOW_SEALING
 *
 * CELLA_SYSTEM_FAILED  errno says why; EBUSY: a page is held for longer, or there is a writable mapping
 */
CELLA_MUST_USE cella_status cella_memory_file_seal(int file);
