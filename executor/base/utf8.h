/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * UTF-8 of others, character by character. Source: RFC 3629.
 */

#include "base/bytes.h"

/*
 * Take the next character. False: there is none that is well formed: not the shortest form, a surrogate, above U+10FFFF,
 * cut off, or the end; then nothing is taken.
 * rest: untrusted, borrowed; not empty
 */
CELLA_MUST_USE bool cella_utf8_next(struct cella_view *rest, uint32_t *out);

/* Is all of it well formed? Empty text is. */
bool cella_utf8_is(struct cella_view text);
