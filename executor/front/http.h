/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Reading the head of an HTTP/1.1 request, strictly.
 *
 * Three steps, because the parser alone lets through what other HTTP software reads differently: a gate over the
 * raw bytes while they arrive, llhttp over the complete head, and checks of what llhttp found. The body is never
 * parsed: its size is known from Content-Length, and there is no other way to send one.
 *
 * Source: RFC 9112; CVE-2023-30589, CVE-2024-27982, CVE-2025-23167 for the forms that the gate stops.
 */

#include "base/bytes.h"

#define CELLA_HTTP_HEAD_MAX 16384U /* bytes */
#define CELLA_HTTP_PATH_MAX 64U    /* bytes with NUL; every route is shorter */

enum cella_http_method {
    CELLA_HTTP_GET,
    CELLA_HTTP_PUT,
    CELLA_HTTP_POST,
    CELLA_HTTP_OTHER,
};

struct cella_http_head {
    enum cella_http_method method;
    char path[CELLA_HTTP_PATH_MAX]; /* empty when it is longer than any route */
    bool has_length;
    uint64_t length; /* of the body */
    bool expects_continue;
    bool closes;               /* Connection: close */
    struct cella_view request; /* value of Cella-Request, borrowed from the head; empty without one */
    unsigned int refusal;      /* HTTP status to refuse with, set together with CELLA_BAD_HTTP or CELLA_TOO_LARGE */
};

/*
 * Look at the bytes of a head as far as they have arrived.
 *
 * text:     everything since the end of the request before. Untrusted.
 * scanned:  0 at first; kept by the caller between calls for the same head
 * size:     receives the size of the head with its empty line, or 0 when it is not complete yet
 *
 * CELLA_BAD_HTTP   a byte or form that no honest client sends
 * CELLA_TOO_LARGE  no end within CELLA_HTTP_HEAD_MAX bytes
 */
CELLA_MUST_USE cella_status cella_http_gate(struct cella_view text, size_t *scanned, size_t *size);

/*
 * Parse a complete head that has passed the gate.
 *
 * CELLA_BAD_HTTP, CELLA_TOO_LARGE  refused; out->refusal is the HTTP status to say it with
 */
CELLA_MUST_USE cella_status cella_http_parse(struct cella_view head, struct cella_http_head *out);
