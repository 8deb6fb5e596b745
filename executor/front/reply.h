/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Texts of HTTP answers; docs/protocol.md section 8.
 */

#include "base/bytes.h"

/* HTTP status that goes with a status: 200 for CELLA_OK. */
unsigned int cella_reply_http_status(cella_status status);

/*
 * Append the head of an answer.
 * http_status: three digits. type: media type. length: of the body. closes: the connection ends after it
 */
CELLA_MUST_USE cella_status cella_reply_head(struct cella_bytes *out, unsigned int http_status, const char *type,
                                             uint64_t length, bool closes);

/* Append a whole answer that reports an error. http_status: 0 takes the one that goes with status. */
CELLA_MUST_USE cella_status cella_reply_error(struct cella_bytes *out, cella_status status,
                                              unsigned int http_status, bool closes);
