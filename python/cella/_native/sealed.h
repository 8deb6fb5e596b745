/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the stream and the file side of sealed files share. */

#include "native.h"

#include "trust/sealed_file.h"

/* Parameter set of "1MB" or "4KB", or NULL with FormatError BAD_FIELD. */
const struct cella_sealed_parameters *native_parameters(const struct native_state *state, const char *segment);
