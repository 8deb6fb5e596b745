/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Key histories: how a party that has replaced its keys shows that a key is, or was, its own. A party's id is the thumbprint
 * of its first key; each following key was named by the one before, in a statement of its own (docs/protocol.md section 14).
 * So nobody's word is needed but the party's.
 *
 *   history = CBOR [ first key: bstr 32, [ statement: tstr, ... ] ]       1 to CELLA_ROTATIONS_MAX statements, oldest first
 *
 * A history says whose a key is. It does not say when the key was replaced: what a key signs after that, the executor refuses.
 *
 * Source: docs/receipts.md section 7.
 */

#include "trust/cbor.h"
#include "trust/json.h"
#include "trust/jws.h"

#define CELLA_ROTATIONS_MAX 100U       /* of one party */
#define CELLA_ROTATION_TEXT_MAX 1024U  /* bytes of what a statement says */
#define CELLA_ROTATION_MAX 2048U       /* characters of a statement */

/* What a rotation says: from now on this party has these keys. */
struct cella_rotation {
    uint8_t sign[CELLA_ED25519_KEY_SIZE];
    uint8_t seal[CELLA_X25519_KEY_SIZE];
};

/*
 * Read what a rotation says, after its signature was verified.
 *
 * text:     JSON {version 1, type "cella rotation", party, executor, number, sign, seal}
 * party:    its id; executor: the executor's. Both have to be the ones that are named
 * number:   which rotation of the party it has to be, from 1
 * error:    receives the member to blame
 * CELLA_BAD_FIELD and those of json.h  it is not that one
 */
CELLA_MUST_USE cella_status cella_rotation_read(struct cella_view text, const char *party, const char *executor,
                                                int64_t number, struct cella_json_error *error,
                                                struct cella_rotation *out);

/*
 * Append a history to out.
 *
 * first_key:  CELLA_ED25519_KEY_SIZE bytes; statements: compact JWS, the oldest first
 * CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_key_history_write(const uint8_t first_key[CELLA_ED25519_KEY_SIZE],
                                                    const struct cella_view *statements, size_t count,
                                                    struct cella_bytes *out);

/* Take the next history from a reader, unverified: only its shape. out is borrowed. CELLA_BAD_FORMAT */
CELLA_MUST_USE cella_status cella_key_history_take(struct cella_reader *reader, struct cella_view *out);

/*
 * Whose is this key? Verifies statements from the first key on, until one names it.
 *
 * history:    of cella_key_history_take. Untrusted
 * executor:   id of the executor that the statements have to name
 * public_key: the key in question
 * id:         the party's: the thumbprint of the first key; empty unless CELLA_OK
 * CELLA_BAD_SIGNATURE, CELLA_BAD_FORMAT, CELLA_BAD_FIELD  a statement before that key is not one, or not the next
 * CELLA_NOT_FOUND  the history does not come to that key
 */
CELLA_MUST_USE cella_status cella_key_history_owner(struct cella_view history, const char *executor,
                                                    const uint8_t public_key[CELLA_ED25519_KEY_SIZE],
                                                    char id[CELLA_THUMBPRINT_SIZE + 1]);
