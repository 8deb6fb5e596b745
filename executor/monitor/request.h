/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the front asks the monitor. One stream socket; each message is u32 size, u32 id, u8 kind, payload. Answers carry
 * the id of the question and may come in any order and much later (task.watch). The kinds and what the front may do
 * with the answers are the whole interface between the program that parses hostile bytes and the one that holds keys.
 *
 *   HELLO     SHA-256 of the front's SubjectPublicKeyInfo (32 bytes). First message, once, no answer.
 *   SESSION   u8 fresh, field exporter (32), field nonce (32)    answer: ANSWER
 *   REQUEST   compact JWS                                        answer: ANSWER
 *   UPLOAD    compact JWS                                        answer: ANSWER, or OBJECT with size and digest
 *   DOWNLOAD  compact JWS                                        answer: ANSWER, or OBJECT with size
 *   UPLOADED  field object id, u32 status of the store           answer: ANSWER for the client
 *   GONE      no payload: nobody waits for the answer to this id any more; no answer
 *
 *   ANSWER    u32 status number, then the JSON body for the client, errors included
 *   OBJECT    field object id (32 characters), u64 size, field digest (32 bytes; empty for a download)
 *   CERTIFICATE  id 0: field, field: values of the extensions with evidence for the front's TLS certificate
 *             (trust/attested_certificate.h), the CMW first; both empty when there is none. Comes once after HELLO, before
 *             which the front takes no client, and again whenever the evidence changes
 *
 * A message that is none of these, or out of order, ends the front.
 */

#include "base/wire.h"

#define CELLA_FRONT_MONITOR_FD 3 /* the front's end of this socket */
#define CELLA_FRONT_LINK_FD 4    /* the front's link */
#define CELLA_REQUEST_BODY_MAX (2560U * 1024U)
#define CELLA_REQUEST_MESSAGE_MAX (CELLA_REQUEST_BODY_MAX + 4096U)
#define CELLA_ANSWER_MESSAGE_MAX (8192U * 1024U)
#define CELLA_OBJECT_ID_SIZE 32 /* characters */
#define CELLA_CERTIFICATE_EXTENSION_MAX 24576U /* bytes of one extension's value */

enum cella_request_kind {
    CELLA_REQUEST_HELLO = 1,
    CELLA_REQUEST_SESSION = 2,
    CELLA_REQUEST_REQUEST = 3,
    CELLA_REQUEST_UPLOAD = 4,
    CELLA_REQUEST_DOWNLOAD = 5,
    CELLA_REQUEST_UPLOADED = 6,
    CELLA_REQUEST_GONE = 7,
    CELLA_REQUEST_ANSWER = 16,
    CELLA_REQUEST_OBJECT = 17,
    CELLA_REQUEST_CERTIFICATE = 18,
};
